"""One kind of record, or the signals, of a mapping file -> how it is made, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from hl7bridge.mapping.compile_fields import Target, compile_field, compile_invalid, compile_sources
from hl7bridge.mapping.compile_when import compile_when
from hl7bridge.mapping.context import Context, is_code, misspelt
from hl7bridge.mapping.convert import Converter
from hl7bridge.mapping.records import RECORD_TYPES, Signal
from hl7bridge.mapping.signal_names import SIGNALS
from hl7bridge.mapping.spec import Field, RecordSpec, Source, Table
from hl7bridge.mapping.vocabulary import (
    EACH,
    EXAMPLES,
    NEEDS_ANY,
    ONE_OF,
    RECORD_KEYS,
    REQUIRED,
    SIGNAL_KEYS,
    SIGNALS_KIND,
)
from hl7bridge.message.model import Delimiters
from hl7bridge.tomlfile import KeyPath, key_text

_YES_NO: Final = frozenset({"yes", "no"})


def compile_record(context: Context, kind: str) -> RecordSpec:
    """Return how records of a kind are made; its function is generated later, for each event that needs one."""
    data = context.file.data[kind]
    record_type = RECORD_TYPES[kind]
    if not isinstance(data, dict):
        context.problem((kind,), "expected a table of fields", f"[{kind}]")
        data = {}
    each = data.get("each", EACH.get(kind))
    if each is not None and (kind not in EACH or not is_code(each)):
        context.problem((kind, "each"), "expected a segment name, for guarantor, coverage and entry only")
        each = None
    fields: list[Field] = []
    for key, value in data.items():
        if key in RECORD_KEYS or value is False:  # what takes away nothing is told where the files are joined
            continue
        if key not in record_type._fields:
            context.unknown((kind,), key, record_type._fields, f"field of {kind}")
            continue
        field = compile_field(context, kind, key, value)
        if field is not None:
            fields.append(field)
    when = compile_when(context, (kind,), data.get("when"))
    spec = RecordSpec(kind, record_type, len(record_type._fields), each, tuple(fields), _needs_any(kind), *when)
    _check_fields(context, spec, misspelt(data, (*record_type._fields, *RECORD_KEYS)))
    return spec


def _needs_any(kind: str) -> tuple[int, ...]:
    return tuple(RECORD_TYPES[kind]._fields.index(name) for name in ONE_OF[kind]) if kind in NEEDS_ANY else ()


def _check_fields(context: Context, spec: RecordSpec, meant: set[str]) -> None:
    """Note what a record of this kind cannot do without, and paths that leave its own segment."""
    kind = spec.kind
    named = {field.name for field in spec.fields} | meant
    wrong = {problem.key for problem in context.problems}
    for need in REQUIRED[kind]:
        if need not in named and not any(key.startswith(f"{kind}.{need}") for key in wrong):
            context.problem((kind,), f"{need} is not mapped", f"a record of kind {kind} needs {need}")
    one_of = ONE_OF.get(kind, ())
    if one_of and named.isdisjoint(one_of) and not any(key.startswith(f"{kind}.") for key in wrong):
        context.problem((kind,), "no amount is mapped", EXAMPLES[kind])
    for field in spec.fields:
        _check_own_segment(context, (kind, field.name), spec.each, kind, field.sources)


def _check_own_segment(context: Context, key: KeyPath, each: str | None, kind: str, sources: Iterable[Source]) -> None:
    if any(source.path.segment == each and source.path.occurrence > 1 for source in sources):
        context.problem(key, f"a {kind} is made of each {each}: a path in it takes no [number]")


def compile_signals(context: Context) -> list[RecordSpec]:
    """Return how signals are made: those of each segment, and those of the message, together."""
    entries = context.file.data[SIGNALS_KIND]
    if not isinstance(entries, list):
        context.problem((SIGNALS_KIND,), "expected a list of signals", "[[signals]]")
        return []
    by_each: dict[str | None, list[Field]] = {}
    for number, entry in enumerate(entries):
        field, each = _compile_signal(context, (SIGNALS_KIND, number), entry)
        fields = by_each.setdefault(each, [])
        if field is not None:
            fields.append(field._replace(position=len(fields)))
    return [
        RecordSpec(SIGNALS_KIND, _told, len(fields), each, tuple(fields)) for each, fields in by_each.items() if fields
    ]


def _told(*signals: Signal | None) -> tuple[Signal, ...]:
    return tuple(filter(None, signals))


def _compile_signal(context: Context, path: KeyPath, entry: Any) -> tuple[Field | None, str | None]:
    if not isinstance(entry, dict):
        context.problem(path, "expected a signal", '[[signals]] then name = "charity" and from = "ZFA-2"')
        return None, None
    if entry.get("from") is False:  # what takes away nothing is told where the files are joined
        return None, None
    for key in entry:
        if key not in SIGNAL_KEYS:
            context.unknown(path, key, SIGNAL_KEYS, "option of a signal")
    each = entry.get("each")
    if each is not None and not is_code(each):
        context.problem((*path, "each"), "expected a segment name")
        each = None
    name = entry.get("name")
    if not isinstance(name, str):
        context.problem(
            (*path, "name") if "name" in entry else path, "expected the name of a signal", 'name = "charity"'
        )
        return None, each
    spec = SIGNALS.get(name)
    if spec is None:
        context.unknown((*path, "name"), name, SIGNALS, "signal")
        return None, each
    words = frozenset(spec.values)
    holds = "integer" if spec.is_number else "date"
    converters = ("text", "flag") if words >= _YES_NO else ("text",)
    target = Target(
        path,
        (*path, "from"),
        SIGNALS_KIND,
        spec.name,
        "text" if words else holds,
        converters if words else (holds,),
        words or None,
    )
    sources = compile_sources(context, target, entry)
    ignore = compile_invalid(context, path, entry, "ignore")
    if sources is None:
        return None, each
    _check_own_segment(context, path, each, "signal", sources)
    told = tuple(_told_by(source, spec.name) for source in sources)
    key = key_text(path)
    return Field(
        spec.name,
        0,
        told,
        required=False,
        ignore_invalid=ignore,
        keep_null=True,
        key=key,
        place=context.file.place(path),
    ), each


def _told_by(source: Source, name: str) -> Source:
    """Return a source whose value is the whole signal, with where it was read."""
    path = str(source.path)

    def signal(value: Any) -> Signal:
        return Signal(name, _word(value), path)

    if source.value is not None:
        return source._replace(value=signal(source.value))
    if source.table is not None:
        codes = {code: signal(value) for code, value in source.table.codes.items()}
        default = None if source.table.default is None else signal(source.table.default)
        return source._replace(table=Table(source.table.name, codes, default))
    return source._replace(convert=_signalling(source.convert, signal))


def _signalling(convert: Converter, signal: Any) -> Converter:
    def told(text: str, delimiters: Delimiters) -> Any:
        return signal(convert(text, delimiters))

    return told


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)  # a word, or a day as YYYY-MM-DD
