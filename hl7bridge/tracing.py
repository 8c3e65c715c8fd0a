"""Message + compiled mapping -> the records it makes, and for each value its path and the line of the mapping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from hl7bridge.errors import MessageError
from hl7bridge.mapping.apply import At, first_of, make_carefully
from hl7bridge.mapping.groups import read_groups
from hl7bridge.mapping.records import NULL
from hl7bridge.mapping.spec import Field, Mapping, Place, RecordSpec, Source
from hl7bridge.message.model import Message


class Where(NamedTuple):
    """The path a value was read at, ``FT1[2]-11`` or ``constant``, and where the mapping says so."""

    path: str
    place: Place


class Traced(NamedTuple):
    """One record: its number is of its kind in the message; ``where`` has each field that holds a value.

    The record of a signal is the signal, its field ``value``.
    """

    kind: str
    number: int
    record: Any
    where: dict[str, Where]


def trace_message(mapping: Mapping, message: Message) -> list[Traced]:
    """Return the records that a mapping makes of a message; what it refuses now is left out."""
    traced: list[Traced] = []
    for spec, is_optional in mapping.events.get((message.message_type, message.trigger_event), ()):
        made = 0
        for at in _places(spec, message):
            try:
                record = make_carefully(spec, at, is_optional=is_optional)
            except MessageError:
                continue
            if not record:
                continue
            made += 1
            where = {
                field.name: _where(spec, field, at)
                for field in spec.fields
                if first_of(spec, field, at) not in (None, NULL)
            }
            if spec.kind == "signals":
                traced += [Traced("signal", made, signal, {"value": where[signal.name]}) for signal in record]
            else:
                traced.append(Traced(spec.kind, made, record, where))
    return traced


def _places(spec: RecordSpec, message: Message) -> Iterator[At]:
    """Return from where each record is read, as ``apply_mapping`` goes through a message."""
    if spec.kind == "identity":
        for group in read_groups(message, spec.each or ""):
            yield At(*group, message.delimiters)
    elif spec.each is None:
        yield At(message.fields, None, {}, message.delimiters)
    else:
        for occurrence, row in enumerate(message.fields(spec.each), 1):
            yield At(message.fields, row, {spec.each: occurrence}, message.delimiters)


def _where(spec: RecordSpec, field: Field, at: At) -> Where:
    source = _source_of(spec, field, at)
    path, name = str(source), source.path.segment
    number = at.numbers.get(name, 1)
    if number > 1 and source.path.occurrence == 1:
        path = f"{name}[{number}]{path[len(name) :]}"
    return Where(path, field.place)


def _source_of(spec: RecordSpec, field: Field, at: At) -> Source:
    """Return the first source that says something, as ``first_of`` asks them: each as one of several."""
    for source in field.sources[:-1]:
        if first_of(spec, field._replace(sources=(source, source)), at) is not None:
            return source
    return field.sources[-1]
