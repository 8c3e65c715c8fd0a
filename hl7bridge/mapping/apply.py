"""Message + compiled mapping -> records: the hot path; each HL7 field that is asked for is split once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from hl7bridge.errors import DATA_TYPE, REQUIRED_FIELD, TABLE_VALUE, Location, MessageError
from hl7bridge.mapping.records import NULL, Account, Coverage, Entry, Guarantor, Patient, Record, Records
from hl7bridge.mapping.spec import Field, Mapping, RecordSpec, Source
from hl7bridge.message.delimiters import DEFAULT
from hl7bridge.message.model import Delimiters, Message

_NULL_TEXT: Final = '""'
_AFTER_MSH_2: Final = len("MSH|^~\\&|")


def apply_mapping(mapping: Mapping, message: Message) -> Records | None:
    """Return the records of a message, or None when the mapping does not use its event.

    Raises MessageError at the first field that is required and missing, or that cannot be read.
    """
    specs = mapping.events.get((message.message_type, message.trigger_event))
    if specs is None:
        return None
    patient: Patient | None = None
    account: Account | None = None
    guarantors: tuple[Guarantor, ...] = ()
    coverages: tuple[Coverage, ...] = ()
    entries: tuple[Entry, ...] = ()
    usual = is_usual(message)
    for spec, is_optional in specs:
        made: Any = _make_records(spec, message, is_optional=is_optional, is_usual=usual)
        if spec.kind == "patient":
            patient = made[0] if made else None
        elif spec.kind == "account":
            account = made[0] if made else None
        elif spec.kind == "guarantor":
            guarantors = tuple(made)
        elif spec.kind == "coverage":
            coverages = tuple(made)
        else:
            entries = tuple(made)
    return Records(account, patient, guarantors, coverages, entries)


def _make_records(spec: RecordSpec, message: Message, *, is_optional: bool, is_usual: bool) -> list[Record]:
    rows: Sequence[list[str] | None] = (None,) if spec.each is None else message.fields(spec.each)
    made: list[Record] = []
    for occurrence, row in enumerate(rows, 1):
        record = None
        if is_usual:
            with suppress(ValueError):
                record = spec.quick(message.fields, row)
        if record is None:
            record = _make_carefully(spec, message, row, occurrence, is_optional=is_optional)
        if record is not None:
            made.append(record)
    return made


def is_usual(message: Message) -> bool:
    """Return whether a message has the standard's delimiters, no escape sequence and no null: most have."""
    text = message.text
    # Looking for one character is ten times as fast as for two, which matters in a document of 16 MiB.
    has_null = '"' in text and _NULL_TEXT in text
    return not has_null and message.delimiters[:5] == DEFAULT[:5] and text.find("\\", _AFTER_MSH_2) < 0


def _make_carefully(
    spec: RecordSpec, message: Message, row: list[str] | None, occurrence: int, *, is_optional: bool
) -> Record | None:
    """Make one record of whatever was sent, or say what is wrong with it."""
    values: list[Any] = [None] * len(spec.type._fields)
    for field in spec.fields:
        value = _first_of(spec, field, message, row, occurrence)
        if field.required and (value is None or value is NULL):
            if is_optional and value is None:
                return None
            raise _missing(spec, field, occurrence)
        values[field.position] = value
    return spec.type._make(values)


def _first_of(spec: RecordSpec, field: Field, message: Message, row: list[str] | None, occurrence: int) -> Any:
    for source in field.sources:
        path = source.path
        current = row
        if path.segment != spec.each:
            rows = message.fields(path.segment)
            current = rows[path.occurrence - 1] if len(rows) >= path.occurrence else None
        if current is not None and path.field < len(current) and current[path.field]:
            at = occurrence if path.segment == spec.each else path.occurrence
            value = _read(field, source, current[path.field], message.delimiters, at)
            # A null where a fixed value stands for whatever is there is no word against the sources that follow.
            if value is not None and not (value is NULL and source.value is not None and len(field.sources) > 1):
                return value
    return None


def _read(field: Field, source: Source, text: str, delimiters: Delimiters, occurrence: int) -> Any:
    """Return the value that a path finds in a whole field; a null deletes all that it stands for."""
    path = source.path
    if not source.is_whole:
        # A path without a component reads the first one: ``PID-7`` is the time, not its degree of precision.
        for sign, number in (
            (delimiters.repetition, path.repetition),
            (delimiters.component, path.component or 1),
            (delimiters.subcomponent, path.subcomponent),
        ):
            if text == _NULL_TEXT:
                return NULL
            if number:
                parts = text.split(sign) if sign else [text]
                if number > len(parts):
                    return None
                text = parts[number - 1]
    return _finish(field, source, text, delimiters, occurrence) if text else None


def _finish(field: Field, source: Source, text: str, delimiters: Delimiters, occurrence: int) -> Any:
    if text == _NULL_TEXT:
        return NULL
    if source.value is not None:
        return source.value
    try:
        value = source.convert(text, delimiters)
    except ValueError as error:
        if field.ignore_invalid:
            return None
        raise MessageError(DATA_TYPE, _place(source, occurrence), f"{field.name}: {error}") from None
    table = source.table
    if table is None:
        return value if value != "" else None
    found = table.codes.get(value, table.default)
    if found is None and len(field.sources) == 1 and not field.ignore_invalid:
        known = ", ".join(sorted(table.codes))
        raise MessageError(TABLE_VALUE, _place(source, occurrence), f"{field.name}: expected one of {known}")
    return found


def _missing(spec: RecordSpec, field: Field, occurrence: int) -> MessageError:
    source = field.sources[0]
    location = _place(source, occurrence if source.path.segment == spec.each else source.path.occurrence)
    return MessageError(REQUIRED_FIELD, location, f"{spec.kind} {field.name} is required and missing")


def _place(source: Source, occurrence: int) -> Location:
    path = source.path
    return Location(path.segment, occurrence, path.field, path.repetition, path.component, path.subcomponent)
