"""A compiled mapping -> what no message can ever use: events, conditions, sources and segments that never come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from hl7bridge.errors import Problem
from hl7bridge.mapping.context import nearest, parse_event
from hl7bridge.mapping.layers import MappingFile
from hl7bridge.mapping.spec import Condition, Event, Field, Reading, RecordSpec
from hl7bridge.mapping.vocabulary import EACH, SIGNALS_KIND
from hl7bridge.message.definitions import VERSIONS, structure_names
from hl7bridge.message.model import Message
from hl7bridge.tomlfile import KeyPath

_TYPES: Final = ("ADT", "BAR", "DFT")
_LOCAL: Final = "Z"
_NO_EVENT: Final = "no event that makes this record is one of these"


def find_unreached(file: MappingFile, specs: Sequence[RecordSpec], examples: Sequence[Message]) -> list[Problem]:
    """Return a problem for everything that the file itself says and no message ever reaches.

    What it inherits may be of no use to it. An event that HL7 does not define is real when an example shows it.
    """
    shown = {(message.message_type, message.trigger_event) for message in examples}
    problems = list(_undefined_events(file, shown))
    for spec in specs:
        makes = _events_of(file, spec.kind)
        problems += _unmade(file, spec, makes)
        for field in spec.fields:
            problems += _unread(file, spec, field, makes)
    problems += _unread_segments(file, specs)
    return [problem for problem in problems if problem.file == file.file]


def _events(file: MappingFile) -> Iterator[tuple[str, Event, list[Any]]]:
    events = file.data.get("events")
    for name, kinds in events.items() if isinstance(events, dict) else ():
        event = parse_event(name)
        if event is not None and isinstance(kinds, list):
            yield name, event, kinds


def _events_of(file: MappingFile, kind: str) -> frozenset[Event]:
    """Return the events that make a kind of record."""
    return frozenset(
        event for _, event, kinds in _events(file) if kind in {str(each).removesuffix("?") for each in kinds}
    )


def _undefined_events(file: MappingFile, shown: set[Event]) -> Iterator[Problem]:
    for name, event, _ in _events(file):
        kind, code = event
        is_local = kind.startswith(_LOCAL) or code.startswith(_LOCAL)
        if is_local or event in shown or any(structure_names(kind, code, "", version) for version in VERSIONS):
            continue
        hint = nearest(kind, _TYPES) if kind not in _TYPES else "correct it, or add an example that shows it"
        yield file.problem(("events", name), "HL7 defines no such event", hint)


def _unmade(file: MappingFile, spec: RecordSpec, makes: frozenset[Event]) -> Iterator[Problem]:
    at = (spec.kind, "when")
    if spec.events and makes and not spec.events & makes:
        yield file.problem(at, _NO_EVENT, _named(makes))
    if _is_never(spec.when):
        yield file.problem(at, "these conditions never hold together", "in = [...] is for one of several texts")


def _unread(file: MappingFile, spec: RecordSpec, field: Field, makes: frozenset[Event]) -> Iterator[Problem]:
    if spec.events is not None:
        makes &= spec.events
    seen = set()
    for source in field.sources:
        if source.events and makes and not source.events & makes:
            yield file.problem((*source.key, "when"), _NO_EVENT, _named(makes))
        elif _is_never(source.when + spec.when) and not _is_never(spec.when):
            yield file.problem(
                source.key, "its conditions never hold together", "in = [...] is for one of several texts"
            )
        what = (
            source.reading,
            source.when,
            source.events,
            source.convert,
            source.value,
            source.table and source.table.name,
        )
        if what in seen:
            yield file.problem(source.key, "the same as one before it", "leave it out")
        seen.add(what)


def _named(events: frozenset[Event]) -> str:
    return "made by " + ", ".join(sorted("^".join(event) for event in events))


def _is_never(conditions: Sequence[Condition]) -> bool:
    """Return whether conditions on the same place contradict each other."""
    by_reading: dict[Reading, list[Condition]] = {}
    for condition in conditions:
        by_reading.setdefault(condition.reading, []).append(condition)
    return any(_contradict(those) for those in by_reading.values())


def _contradict(conditions: Sequence[Condition]) -> bool:
    words = {op: [one.words for one in conditions if one.op == op] for op in ("in", "not_in", "starts_with")}
    is_absent = any(one.op == "absent" for one in conditions)
    if is_absent and any(one.op in {"in", "starts_with", "present"} for one in conditions):
        return True
    if not words["in"]:
        return False
    left = set.intersection(*map(set, words["in"])).difference(*words["not_in"])
    return not any(all(word.startswith(starts) for starts in words["starts_with"]) for word in left)


def _unread_segments(file: MappingFile, specs: Sequence[RecordSpec]) -> Iterator[Problem]:
    """Look for ``each`` of a segment that nothing is read from, and for what is still read from the usual one."""
    for spec in specs:
        own = spec.each
        if spec.kind == SIGNALS_KIND:
            for field in spec.fields if own is not None else ():
                if own not in _segments(spec, field):
                    at = field.sources[0].key[:2]
                    yield file.problem((*at, "each"), f"nothing of this signal is read from {own}", "leave it out")
            continue
        if own is None or own == EACH[spec.kind]:
            continue
        key: KeyPath = (spec.kind, "each")
        if not any(own in _segments(spec, field) for field in spec.fields):
            yield file.problem(key, f"nothing of this record is read from {own}", f'for example "{own}-1"')
            continue
        usual = EACH[spec.kind]
        left = [
            field.name
            for field in spec.fields
            if field.place.file != file.file and any(source.path.segment == usual for source in field.sources)
        ]
        if left:
            what = f"inherited, and still read from the first {usual}: {', '.join(left)}"
            yield file.problem(key, what, f"say where each is in {own}, or {left[0]} = false")


def _segments(spec: RecordSpec, field: Field) -> set[str]:
    conditions = [*spec.when, *(condition for source in field.sources for condition in source.when)]
    return {source.path.segment for source in field.sources} | {each.reading.path.segment for each in conditions}
