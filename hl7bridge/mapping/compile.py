"""A mapping file (TOML) -> a compiled Mapping, or every problem of the file at once with its line and a hint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hl7bridge.errors import ConfigError, Problem
from hl7bridge.mapping.compile_outbound import compile_outbound
from hl7bridge.mapping.compile_records import compile_record, compile_signals
from hl7bridge.mapping.context import Context, misspelt, nearest, parse_event
from hl7bridge.mapping.generate import generate_quick
from hl7bridge.mapping.layers import MappingFile, file_stem, gather
from hl7bridge.mapping.records import RECORD_TYPES
from hl7bridge.mapping.spec import MAPPING_FORMAT, Event, Field, Mapping, Place, Readers, RecordSpec, Table
from hl7bridge.mapping.vocabulary import KINDS, OF_AN_ACCOUNT, SIGNALS_KIND, TOP_KEYS
from hl7bridge.tomlfile import KeyPath, TomlFile, key_text

Events = dict[Event, tuple[tuple[RecordSpec, bool], ...]]


def compile_mapping(file: TomlFile | MappingFile) -> Mapping:
    """Return the compiled mapping of a file. Raises ConfigError with every problem found.

    A file that extends another, or has tables in CSV files, is gathered first (``layers.gather``).
    """
    gathered = file if isinstance(file, MappingFile) else gather(file)
    compiled = compile_parts(gathered)
    if compiled.problems:
        raise ConfigError(compiled.problems)
    return compiled.mapping


class Compiled(NamedTuple):
    """What came of a file: with problems the mapping is what could be read of it, and cannot be used."""

    mapping: Mapping
    specs: list[RecordSpec]
    problems: list[Problem]


def compile_parts(gathered: MappingFile) -> Compiled:
    """Compile all that can be read of a file, and say what is wrong with the rest."""
    data = gathered.data
    named = data.get("events")
    known = {parse_event(name) for name in named} if isinstance(named, dict) else set()
    context = Context(gathered, list(gathered.problems), {}, frozenset(event for event in known if event is not None))
    name = _compile_head(context)
    _compile_tables(context)
    specs = [compile_record(context, kind) for kind in RECORD_TYPES if data.get(kind, False) is not False]
    if data.get(SIGNALS_KIND, False) is not False:
        specs += compile_signals(context)
    events = _compile_events(context, specs)
    fields = [field for spec in specs for field in spec.fields]
    mapping = Mapping(
        name,
        events,
        frozenset(kind for kind, _ in events),
        _keeps(events),
        {field.key: field.place for field in fields},
        {field.key: ", ".join(map(str, field.sources)) for field in fields},
        _named_at(gathered, specs),
        compile_outbound(context),
    )
    return Compiled(mapping, specs, sort_problems(dict.fromkeys(context.problems), gathered.file))


def sort_problems(problems: Iterable[Problem], file: str) -> list[Problem]:
    """Return problems in the order of the lines, those of the file itself before those of others."""
    return sorted(problems, key=lambda problem: (problem.file != file, problem.file, problem.line))


def _compile_head(context: Context) -> str:
    data = context.file.data
    for key in data:
        if key not in TOP_KEYS:
            context.unknown((), key, TOP_KEYS, "key")
    if data.get("format") != MAPPING_FORMAT:
        hint = f"this release reads mapping format {MAPPING_FORMAT}"
        context.problem(("format",), f"expected {MAPPING_FORMAT}", hint)
    inherit = data.get("inherit_examples", True)
    if not isinstance(inherit, bool):
        context.problem(("inherit_examples",), "expected true or false")
    elif "inherit_examples" in data and "extends" not in data:
        context.problem(("inherit_examples",), "nothing is inherited", 'remove it, or add extends = "generic"')
    name = data.get("name")
    if not isinstance(name, str) or not name:
        context.problem(("name",), "expected a name", f'as its file is named: name = "{file_stem(context.file.file)}"')
        return ""
    return name


def _compile_tables(context: Context) -> None:
    tables = context.file.data.get("tables", {})
    if not isinstance(tables, dict):
        context.problem(("tables",), "expected tables of codes", "[tables.payer]")
        return
    for name, codes in tables.items():
        path = ("tables", name)
        if codes is False:
            continue
        if not isinstance(codes, dict) or not all(isinstance(value, str) or value is False for value in codes.values()):
            context.problem(path, "expected codes and text values", f'[tables.{name}] then "CODE" = "value"')
            continue
        listed = {code: value for code, value in codes.items() if code != "*" and value is not False}
        context.tables[name] = Table(name, listed, codes.get("*") or None)


def _compile_events(context: Context, specs: list[RecordSpec]) -> Events:
    events: Events = {}
    table = context.file.data.get("events")
    if not isinstance(table, dict) or not table:
        context.problem(("events",), "expected at least one event", '[events] then "ADT^A04" = ["patient", "account"]')
        return events
    built = _Built(context)
    reached: set[str] = set()
    defined = {kind for kind in KINDS if context.file.data.get(kind, False) is not False}
    told = misspelt(context.file.data, TOP_KEYS)
    for name, kinds in table.items():
        path = ("events", name)
        event = parse_event(name)
        if kinds is False:
            continue
        if event is None:
            context.problem(path, "not a message type and event", '"DFT^P03"')
            continue
        if not isinstance(kinds, list):
            context.problem(path, "expected a list of records", '["patient", "account"]')
            continue
        named = {str(kind).removesuffix("?"): str(kind).endswith("?") for kind in kinds}
        meant = misspelt(named, KINDS)
        for kind in named:
            if kind not in defined and kind not in told:
                known = f"add [{kind}]" if kind in KINDS else nearest(kind, KINDS)
                context.problem(
                    (*path, kind), "unknown record" if kind not in KINDS else "this record is not defined", known
                )
        reached |= named.keys() | meant
        if not OF_AN_ACCOUNT.isdisjoint(named) and "account" not in named.keys() | meant:
            what = "entry, guarantor, coverage, balance and signals belong to an account"
            context.problem(path, what, 'add "account"')
        made = ((built.for_event(event, spec), named[spec.kind]) for spec in specs if spec.kind in named)
        events[event] = tuple((spec, optional) for spec, optional in made if spec is not None)
    for kind in sorted(defined - reached, key=KINDS.index):
        context.problem((kind,), "no event makes this record", "name it under [events], or remove it")
    return events


class _Built:
    """Records as each event makes them: only the sources that hold for it, with their generated functions."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._built: dict[tuple[int, tuple[int, ...]], RecordSpec] = {}

    def for_event(self, event: Event, spec: RecordSpec) -> RecordSpec | None:
        """Return the record as an event makes it; None when its conditions say that this event makes none."""
        if spec.events is not None and event not in spec.events:
            return None
        fields: list[Field] = []
        for field in spec.fields:
            sources = tuple(source for source in field.sources if source.events is None or event in source.events)
            if sources:
                fields.append(field if len(sources) == len(field.sources) else field._replace(sources=sources))
            elif field.required:
                at = tuple(field.key.split("."))
                hint = "add a source without events, or this event to one of them"
                self._context.problem(at, f"nothing says it for {'^'.join(event)}", hint)
        key = id(spec), tuple(id(source) for field in fields for source in field.sources)
        if key not in self._built:
            made = spec._replace(fields=tuple(fields))
            self._built[key] = made._replace(quick=generate_quick(made), readers=_readers(made))
        return self._built[key]


def _read_by(spec: RecordSpec) -> Iterator[tuple[KeyPath, tuple[str, int]]]:
    """Yield each segment and field that a record reads, with the key that names it."""
    for condition in spec.when:
        path = condition.reading.path
        yield (spec.kind, "when"), (path.segment, path.field)
    for field in spec.fields:
        for source in field.sources:
            paths = [condition.reading.path for condition in source.when]
            paths += [] if source.is_constant else [source.path]
            yield from ((source.key, (path.segment, path.field)) for path in paths)


def _readers(spec: RecordSpec) -> Readers:
    found: dict[tuple[str, int], set[int]] = {}
    for at, field in [(-1, None), *enumerate(spec.fields)]:
        alone = spec._replace(fields=()) if field is None else spec._replace(when=(), fields=(field,))
        for _, read in _read_by(alone):
            found.setdefault(read, set()).add(at)
    return {read: tuple(places) for read, places in found.items()}


def _keeps(events: Events) -> dict[str, tuple[int, ...]]:
    named: dict[str, set[int]] = {}
    for row in events.values():
        for spec, _ in row:
            for _, (segment, number) in _read_by(spec):
                named.setdefault(segment, set()).add(number)
    return {segment: tuple(sorted(numbers)) for segment, numbers in named.items()}


def _named_at(file: MappingFile, specs: list[RecordSpec]) -> dict[tuple[str, int], tuple[str, Place]]:
    found: dict[tuple[str, int], tuple[str, Place]] = {}
    for spec in specs:
        for key, at in _read_by(spec):
            if at not in found:
                found[at] = key_text(key), file.place(key)
    return found
