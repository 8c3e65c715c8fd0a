"""One field of a mapping file -> its sources in order, or what is wrong with them."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from hl7bridge.mapping.compile_when import When, compile_reading, compile_when
from hl7bridge.mapping.context import Context, meant, misspelt
from hl7bridge.mapping.convert import CONVERTERS, WHOLE_FIELD, Converter
from hl7bridge.mapping.convert_options import CONVERTER_NAMES, OPTIONS, OptionError, compile_converter
from hl7bridge.mapping.records import RECORD_TYPES
from hl7bridge.mapping.spec import NOWHERE, Field, Reading, Source, Table
from hl7bridge.mapping.vocabulary import (
    FIELD_HOLDS,
    FIELD_KEYS,
    FIELD_WORDS,
    NEVER_NULL,
    REQUIRED,
    SOURCE_KEYS,
    TEXT_CONVERTERS,
    TOP_KEYS,
)
from hl7bridge.message.delimiters import DEFAULT
from hl7bridge.tomlfile import KeyPath, key_text

_EITHER: Final = frozenset({"name", "address"})  # these read a whole field, or the component that a path names
_OF_A_PATH: Final = ("convert", "table", "value")


class Target(NamedTuple):
    """What is being filled: a record's field, or a signal; what it holds, and the words it is held to.

    ``key`` is where what is looked at stands: the field, or one of its sources. ``listed``: a list of them.
    """

    key: KeyPath
    listed: KeyPath
    kind: str
    name: str
    holds: str
    converters: tuple[str, ...]
    words: frozenset[str] | None


def compile_field(context: Context, kind: str, name: str, value: Any) -> Field | None:
    """Return a record's field; None, and its problems, when it cannot be read."""
    path = (kind, name)
    holds = FIELD_HOLDS.get(name, "text")
    converters = TEXT_CONVERTERS if holds == "text" else (holds,)
    listed = (*path, "from") if isinstance(value, dict) else path
    target = Target(path, listed, kind, name, holds, converters, FIELD_WORDS.get((kind, name)))
    spec = value if isinstance(value, dict) else {"from": value}
    for key in spec:
        if key not in FIELD_KEYS:
            context.unknown(path, key, FIELD_KEYS, "option")
    sources = compile_sources(context, target, spec)
    required = _compile_required(context, target, spec)
    if sources is None:
        return None
    position = RECORD_TYPES[kind]._fields.index(name)
    ignore = compile_invalid(context, path, spec, "refuse")
    keep = _compile_null(context, target, spec)
    return Field(name, position, sources, required, ignore, keep, key_text(path), context.file.place(path))


def _compile_required(context: Context, target: Target, spec: dict[str, Any]) -> bool:
    needed = target.name in REQUIRED[target.kind]
    required = spec.get("required", needed)
    at = (*target.key, "required")
    if not isinstance(required, bool):
        context.problem(at, "expected true or false")
    elif not required and needed:
        context.problem(at, f"a {target.kind} without its {target.name} cannot be stored", "leave this option out")
    return bool(required)


def compile_invalid(context: Context, path: KeyPath, spec: dict[str, Any], default: str) -> bool:
    """Return whether a value that cannot be read is left out."""
    invalid = spec.get("invalid", default)
    if invalid not in ("refuse", "ignore"):  # a list, as a file may hold, could not be looked up in a set
        context.problem((*path, "invalid"), 'expected "refuse" or "ignore"')
    return bool(invalid == "ignore")


def _compile_null(context: Context, target: Target, spec: dict[str, Any]) -> bool:
    null = spec.get("null", "keep" if target.kind in NEVER_NULL else "clear")
    at = (*target.key, "null")
    if null not in ("clear", "keep"):
        context.problem(at, 'expected "clear" or "keep"')
    elif null == "clear" and target.kind in NEVER_NULL:
        context.problem(at, f"nothing is cleared in a record of kind {target.kind}", "leave this option out")
    return bool(null == "keep")


def compile_sources(context: Context, target: Target, spec: dict[str, Any]) -> tuple[Source, ...] | None:
    """Return the sources of a field in order; None, and their problems, when one cannot be read."""
    whole = compile_when(context, target.key, spec.get("when"))
    if "constant" in spec:
        if "from" in spec:
            context.problem(target.key, "a constant and a path: one of them", 'from = ["PATH", { constant = "TEXT" }]')
        constant = _compile_constant(context, target, spec, whole)
        return None if constant is None else (constant,)
    keys = _origins(target, spec)
    sources = [_compile_source(context, target, key, one, spec, whole) for key, one in keys]
    for source, (key, _) in zip(sources, keys[1:], strict=False):
        if source is not None and source.is_constant and not source.when and source.events is None:
            context.problem(key, "nothing after a constant is ever read", "put the constant last")
    for said, at in [(spec, target.key), *((one, key) for key, one in keys if isinstance(one, dict))]:
        if {"table", "value"} <= said.keys():
            context.problem(
                (*at, "value"), "it is taken whatever the code: no table is looked at", "leave out one of them"
            )
    good = tuple(source for source in sources if source is not None)
    return good if len(good) == len(sources) else None


def _origins(target: Target, spec: dict[str, Any]) -> list[tuple[KeyPath, Any]]:
    """Return what a field is read from, each with its key: one of a list has a line of its own."""
    origin = spec.get("from")
    if not isinstance(origin, list) or not origin:
        return [(target.key, origin)]
    return [((*target.listed, index), one) for index, one in enumerate(origin)]


def _compile_source(
    context: Context, field: Target, key: KeyPath, origin: Any, spec: dict[str, Any], whole: When
) -> Source | None:
    target = field._replace(key=key)
    said_at = {name: (*field.key, name) for name in _OF_A_PATH}
    options: dict[str, Any] = {name: spec[name] for name in _OF_A_PATH if name in spec}
    if isinstance(origin, dict):
        for option in origin:
            if option not in SOURCE_KEYS:
                context.unknown(key, option, SOURCE_KEYS, "option")
        whole = whole.both(compile_when(context, key, origin.get("when")))
        if "constant" in origin:
            return _compile_constant(context, target, origin, whole)
        options |= origin
        said_at |= {name: (*key, name) for name in _OF_A_PATH if name in origin}
        origin = origin.get("path")
    reading = compile_reading(context, key, origin)
    convert, name = _compile_convert(context, target, said_at["convert"], options.get("convert", target.converters[0]))
    if convert is None:
        return None
    if reading is not None and not _is_right_size(context, target, reading, name):
        return None
    if "table" in options and name != "text":
        context.problem(said_at["table"], f"a table gives text, and {target.name} is read by the converter {name!r}")
        return None
    table = _compile_table(context, target, said_at["table"], options) if name != "flag" else None
    fixed = _compile_value(context, target, said_at["value"], convert, options.get("value"))
    if reading is None or (options.get("table") is not None and table is None):
        return None
    is_whole = name in WHOLE_FIELD or (name in _EITHER and not reading.path.component)
    return Source(reading, convert, is_whole, table, fixed, *whole, key)


def _is_right_size(context: Context, target: Target, reading: Reading, name: str) -> bool:
    path = reading.path
    if name in WHOLE_FIELD and (path.component or path.repetition > 1):
        context.problem(target.key, f"the converter {name!r} reads a whole field", f'"{path.segment}-{path.field}"')
        return False
    return True


def _compile_constant(context: Context, target: Target, spec: dict[str, Any], when: When) -> Source | None:
    for option in _OF_A_PATH:
        if option in spec:
            context.problem((*target.key, option), "a constant is taken as it is", "leave this option out")
    if "path" in spec:
        context.problem(target.key, "a constant and a path: one of them")
    convert = CONVERTERS[target.converters[0]]
    value = _compile_value(context, target, (*target.key, "constant"), convert, spec["constant"])
    return None if value is None else Source(Reading(NOWHERE), convert, False, None, value, *when, target.key)  # noqa: FBT003


def _compile_convert(context: Context, target: Target, key: KeyPath, said: Any) -> tuple[Converter | None, str]:
    """Return a converter and its name: ``"date"`` or ``{ name = "date", zone = "..." }``."""
    options = {option: value for option, value in said.items() if option != "name"} if isinstance(said, dict) else {}
    name = said.get("name") if isinstance(said, dict) else said
    if isinstance(said, dict) and name is None:
        near = next((word for word in said if word in CONVERTER_NAMES), target.converters[0])
        context.problem(key, "options of no converter: name is missing", f'{{ name = "{near}", ... }}')
        return None, ""
    if not isinstance(name, str) or name not in CONVERTER_NAMES:
        context.unknown(key, str(name), CONVERTER_NAMES, "converter")
        return None, ""
    if name not in target.converters:
        context.problem(key, f"{target.name} holds {target.holds}, not {name}", f"use {target.converters[0]!r}")
        return None, ""
    known = OPTIONS.get(name, ())
    unknown = [option for option in options if option not in known]
    for option in unknown:
        if known:
            context.unknown(key, option, known, f"option of the converter {name}")
        else:
            context.problem((*key, option), f"the converter {name} has no options", f'convert = "{name}"')
    if unknown:
        return None, ""
    try:
        return compile_converter(name, options), name
    except OptionError as error:
        context.problem((*key, error.problem.option), error.problem.problem, error.problem.hint)
        return None, ""


def _compile_value(context: Context, target: Target, key: KeyPath, convert: Converter, value: Any) -> Any:
    """Return a fixed value as its field holds it; None when there is none, or none that can be."""
    if value is None:
        return None
    if not isinstance(value, str) or (key[-1] == "constant" and not value.strip()):
        context.problem(key, "expected text")
        return None
    if target.words and value not in target.words:
        context.problem(key, f"{target.name} cannot be that value", "one of: " + ", ".join(sorted(target.words)))
    try:
        return convert(value, DEFAULT)
    except ValueError as error:
        context.problem(key, str(error))
        return None


def _compile_table(context: Context, target: Target, key: KeyPath, options: dict[str, Any]) -> Table | None:
    name = options.get("table")
    words = target.words
    if name is None:
        return Table("(standard)", {word: word for word in words}, None) if words and "value" not in options else None
    if not isinstance(name, str):
        context.problem(key, "expected the name of a table", 'write table = "NAME"')
        return None
    table = context.tables.get(name)
    if table is None:
        said = context.file.data.get("tables", {})
        is_told = "tables" in misspelt(context.file.data, TOP_KEYS) or not isinstance(said, dict) or name in said
        if not is_told:
            near = meant(str(name), said)
            context.problem(key, "no such table", f"did you mean {near!r}?" if near else f"add [tables.{name}]")
        return None
    for code, value in [*table.codes.items(), ("*", table.default)]:
        if words and value is not None and value not in words:
            hint = "one of: " + ", ".join(sorted(words))
            context.problem(("tables", table.name, code), f"{target.name} cannot be that value", hint)
    return table
