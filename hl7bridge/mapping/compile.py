"""A mapping file (TOML) -> a compiled Mapping, or every problem of the file at once with its line and a hint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from hl7bridge.errors import ConfigError, Problem
from hl7bridge.mapping.convert import CONVERTERS, WHOLE_FIELD
from hl7bridge.mapping.generate import generate_quick
from hl7bridge.mapping.records import RECORD_TYPES
from hl7bridge.mapping.spec import MAPPING_FORMAT, Field, Mapping, RecordSpec, Source, Table
from hl7bridge.message.delimiters import DEFAULT
from hl7bridge.message.path import Path, parse_path
from hl7bridge.tomlfile import TomlFile

_CODE_LENGTH: Final = 3
_TOP: Final = {"format", "name", "description", "events", "tables", "examples", *RECORD_TYPES}
_FIELD_KEYS: Final = {"from", "convert", "table", "value", "required", "invalid"}
_SOURCE_KEYS: Final = {"path", "convert", "table", "value"}
_EACH: Final = {"guarantor": "GT1", "coverage": "IN1", "entry": "FT1"}
_REQUIRED: Final = {
    "patient": ("facility", "number"),
    "account": ("facility", "number"),
    "guarantor": (),
    "coverage": (),
    "entry": ("kind", "service_on"),
}
# What a converter must give for a field to hold it; every other field holds text.
_KINDS: Final = {
    **dict.fromkeys(
        (
            "birth_on",
            "died_on",
            "effective_on",
            "expires_on",
            "admitted_on",
            "discharged_on",
            "service_on",
            "posted_on",
        ),
        "date",
    ),
    **dict.fromkeys(("deceased", "billing_hold"), "flag"),
    **dict.fromkeys(("amount", "unit_amount"), "money"),
    "quantity": "number",
    "rank": "integer",
}
_VOCABULARY: Final = {
    ("entry", "kind"): frozenset({"CG", "CD", "PY", "AJ", "CO"}),
    ("entry", "payer"): frozenset({"insurance", "patient", "unknown"}),
    ("account", "status"): frozenset({"open", "closed", "cancelled"}),
}


class _Context(NamedTuple):
    """One file being compiled: its problems so far and its tables."""

    file: TomlFile
    problems: list[Problem]
    tables: dict[str, Table]

    def problem(self, path: tuple[str | int, ...], problem: str, hint: str = "") -> None:
        """Note one problem at a key."""
        self.problems.append(self.file.problem(path, problem, hint))

    def unknown(self, path: tuple[str | int, ...], key: str, known: Iterable[str], what: str) -> None:
        """Note a name that is not known, with the nearest one that is."""
        near = difflib.get_close_matches(key, sorted(known), 1)
        hint = f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(sorted(known))
        self.problem((*path, key), f"unknown {what}", hint)


def compile_mapping(file: TomlFile) -> Mapping:
    """Return the compiled mapping of a file. Raises ConfigError with every problem found."""
    context = _Context(file, [], {})
    data = file.data
    for key in data:
        if key not in _TOP:
            context.unknown((), key, _TOP, "key")
    if data.get("format") != MAPPING_FORMAT:
        context.problem(
            ("format",), f"expected {MAPPING_FORMAT}", f"this release reads mapping format {MAPPING_FORMAT}"
        )
    name = data.get("name")
    if not isinstance(name, str) or not name:
        context.problem(("name",), "expected a name", 'for example name = "generic"')
        name = ""
    _compile_tables(context)
    specs = {kind: _compile_record(context, kind) for kind in RECORD_TYPES if kind in data}
    events = _compile_events(context, specs)
    if context.problems:
        raise ConfigError(sorted(context.problems, key=lambda problem: problem.line))
    lines = {f"{kind}.{field}": file.line((kind, field)) for kind in specs for field in data[kind] if field != "each"}
    used = {spec.kind for row in events.values() for spec, _ in row}
    keeps = _keeps(spec for spec in specs.values() if spec.kind in used)
    return Mapping(name, events, frozenset(kind for kind, _ in events), keeps, lines)


def _compile_tables(context: _Context) -> None:
    tables = context.file.data.get("tables", {})
    if not isinstance(tables, dict):
        context.problem(("tables",), "expected tables of codes", "[tables.payer]")
        return
    for name, codes in tables.items():
        path = ("tables", name)
        if not isinstance(codes, dict) or not all(isinstance(value, str) for value in codes.values()):
            context.problem(path, "expected codes and text values", f'[tables.{name}] then "CODE" = "value"')
            continue
        listed = {code: value for code, value in codes.items() if code != "*"}
        context.tables[name] = Table(name, listed, codes.get("*"))


def _compile_record(context: _Context, kind: str) -> RecordSpec:
    data = context.file.data[kind]
    record_type = RECORD_TYPES[kind]
    if not isinstance(data, dict):
        context.problem((kind,), "expected a table of fields", f"[{kind}]")
        data = {}
    each = data.get("each", _EACH.get(kind))
    if each is not None and (kind not in _EACH or not _is_code(each)):
        context.problem((kind, "each"), "expected a segment name, for guarantor, coverage and entry only")
        each = None
    fields: list[Field] = []
    for key, value in data.items():
        if key == "each":
            continue
        if key not in record_type._fields:
            context.unknown((kind,), key, record_type._fields, f"field of {kind}")
            continue
        field = _compile_field(context, kind, key, value)
        if field is not None:
            fields.append(field)
    _check_fields(context, kind, each, fields)
    made = tuple(fields)
    return RecordSpec(kind, record_type, each, made, generate_quick(record_type, each, made))


def _check_fields(context: _Context, kind: str, each: str | None, fields: list[Field]) -> None:
    """Note what a record of this kind cannot do without, and paths that leave its own segment."""
    named = {field.name for field in fields}
    for need in _REQUIRED[kind]:
        if need not in named and not any(p.key.startswith(f"{kind}.{need}") for p in context.problems):
            context.problem((kind,), f"{need} is not mapped", f"a record of kind {kind} needs {need}")
    if kind == "entry" and not named & {"amount", "unit_amount"}:
        context.problem((kind,), "no amount is mapped", 'amount = "FT1-11"')
    for field in fields:
        if any(source.path.segment == each and source.path.occurrence > 1 for source in field.sources):
            context.problem((kind, field.name), f"a {kind} is made of each {each}: a path in it takes no [number]")


def _compile_field(context: _Context, kind: str, name: str, value: Any) -> Field | None:
    path = (kind, name)
    spec = value if isinstance(value, dict) else {"from": value}
    for key in spec:
        if key not in _FIELD_KEYS:
            context.unknown(path, key, _FIELD_KEYS, "option")
    origin = spec.get("from")
    origins = origin if isinstance(origin, list) and origin else [origin]
    sources = [_compile_source(context, kind, name, one, spec) for one in origins]
    required = spec.get("required", name in _REQUIRED[kind])
    invalid = spec.get("invalid", "refuse")
    if not isinstance(required, bool):
        context.problem((*path, "required"), "expected true or false")
    elif not required and name in _REQUIRED[kind]:
        context.problem((*path, "required"), f"a {kind} without its {name} cannot be stored", "leave this option out")
    if invalid not in ("refuse", "ignore"):  # a list, as a file may hold, could not be looked up in a set
        context.problem((*path, "invalid"), 'expected "refuse" or "ignore"')
    good = tuple(source for source in sources if source is not None)
    if len(good) != len(sources) or not good:
        return None
    position = RECORD_TYPES[kind]._fields.index(name)
    return Field(name, position, good, bool(required), invalid == "ignore", context.file.line(path))


def _compile_source(context: _Context, kind: str, name: str, origin: Any, spec: dict[str, Any]) -> Source | None:
    key = (kind, name)
    options = dict(spec)
    if isinstance(origin, dict):
        for option in origin:
            if option not in _SOURCE_KEYS:
                context.unknown(key, option, _SOURCE_KEYS, "option")
        options |= origin
        origin = origin.get("path")
    path = _compile_path(context, key, origin)
    expected = _KINDS.get(name, "text")
    convert = options.get("convert", expected)
    allowed = {"text", "field", "phone"} if expected == "text" else {expected}
    if not isinstance(convert, str) or convert not in CONVERTERS:
        context.unknown((*key, "convert"), str(convert), CONVERTERS, "converter")
        return None
    if convert not in allowed:
        context.problem((*key, "convert"), f"{name} holds {expected}, not {convert}", f"use {max(allowed)!r}")
        return None
    is_whole = convert in WHOLE_FIELD
    if path is not None and is_whole and (path.component or path.repetition > 1):
        context.problem(key, f"the converter {convert!r} reads a whole field", f'"{path.segment}-{path.field}"')
        return None
    if "table" in options and convert != "text":
        context.problem((*key, "table"), f"a table gives text, and {name} is read by the converter {convert!r}")
        return None
    table = _compile_table(context, kind, name, options)
    fixed = _compile_value(context, kind, name, convert, options.get("value"))
    if path is None or (options.get("table") is not None and table is None):
        return None
    return Source(path, CONVERTERS[convert], is_whole, table, fixed)


def _compile_value(context: _Context, kind: str, name: str, convert: str, value: Any) -> Any:
    """Return the fixed value of a source as its field holds it; None when there is none, or none that can be."""
    key = (kind, name, "value")
    if value is None:
        return None
    if not isinstance(value, str):
        context.problem(key, "expected text")
        return None
    words = _VOCABULARY.get((kind, name))
    if words and value not in words:
        context.problem(key, f"{name} cannot be that value", "one of: " + ", ".join(sorted(words)))
    try:
        return CONVERTERS[convert](value, DEFAULT)
    except ValueError as error:
        context.problem(key, str(error))
        return None


def _compile_path(context: _Context, key: tuple[str, str], origin: Any) -> Path | None:
    if not isinstance(origin, str):
        context.problem(key, "expected a path", 'for example "PID-18.1"')
        return None
    try:
        return parse_path(origin)
    except ValueError as error:
        context.problem(key, str(error))
        return None


def _compile_table(context: _Context, kind: str, name: str, options: dict[str, Any]) -> Table | None:
    table_name = options.get("table")
    words = _VOCABULARY.get((kind, name))
    if table_name is None:
        return Table("(standard)", {word: word for word in words}, None) if words and "value" not in options else None
    table = context.tables.get(table_name) if isinstance(table_name, str) else None
    if table is None:
        context.problem((kind, name, "table"), "no such table", f"add [tables.{table_name}]")
        return None
    for code, value in [*table.codes.items(), ("*", table.default)]:
        if words and value is not None and value not in words:
            at = ("tables", table.name, code)
            context.problem(at, f"{name} cannot be that value", "one of: " + ", ".join(sorted(words)))
    return table


def _compile_events(
    context: _Context, specs: dict[str, RecordSpec]
) -> dict[tuple[str, str], tuple[tuple[RecordSpec, bool], ...]]:
    events: dict[tuple[str, str], tuple[tuple[RecordSpec, bool], ...]] = {}
    table = context.file.data.get("events")
    if not isinstance(table, dict) or not table:
        context.problem(("events",), "expected at least one event", '[events] then "ADT^A04" = ["patient", "account"]')
        return events
    for event, kinds in table.items():
        path = ("events", event)
        parts = event.split("^")
        if len(parts) != 2 or not all(map(_is_code, parts)):  # noqa: PLR2004
            context.problem(path, "not a message type and event", '"DFT^P03"')
            continue
        if not isinstance(kinds, list) or not kinds:
            context.problem(path, "expected a list of records", '["patient", "account"]')
            continue
        named = {str(kind).removesuffix("?"): str(kind).endswith("?") for kind in kinds}
        for kind in named.keys() - specs.keys():
            context.unknown(path, kind, specs, "record")
        if not named.keys().isdisjoint(_EACH) and "account" not in named:
            context.problem(path, "entry, guarantor and coverage belong to an account", 'add "account"')
        events[parts[0], parts[1]] = tuple((specs[kind], named[kind]) for kind in specs if kind in named)
    for kind in specs:
        if not any(spec.kind == kind for row in events.values() for spec, _ in row):
            context.problem((kind,), "no event makes this record", "name it under [events], or remove it")
    return events


def _is_code(text: object) -> bool:
    """Return whether this can be a segment's name, a message type or an event: three capitals or digits."""
    return isinstance(text, str) and len(text) == _CODE_LENGTH and text.isalnum() and text.upper() == text


def _keeps(specs: Iterable[RecordSpec]) -> dict[str, tuple[int, ...]]:
    named: dict[str, set[int]] = {}
    for spec in specs:
        for field in spec.fields:
            for source in field.sources:
                named.setdefault(source.path.segment, set()).add(source.path.field)
    return {segment: tuple(sorted(numbers)) for segment, numbers in named.items()}
