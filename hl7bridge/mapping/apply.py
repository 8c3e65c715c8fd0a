"""Message + compiled mapping -> records: the hot path; each HL7 field that is asked for is split once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from hl7bridge.errors import DATA_TYPE, REQUIRED_FIELD, TABLE_VALUE, Location, MessageError
from hl7bridge.mapping.groups import read_groups, split_accounts
from hl7bridge.mapping.readings import NULL_TEXT, is_met, read_part
from hl7bridge.mapping.records import NULL, Account, Balance, Coverage, Entry, Guarantor, Identity, Patient, Records
from hl7bridge.mapping.records import Signal as SignalRecord
from hl7bridge.mapping.spec import Condition, Field, Mapping, RecordSpec, Rows, Source
from hl7bridge.mapping.unusual import NOTHING, Unusual, find_unusual, plain_rows, touched
from hl7bridge.message.model import Delimiters, Message
from hl7bridge.message.path import Path

# In DFT^P11 these come before the first FT1; what follows an FT1 is that transaction's own and not the account's.
# Source: HL7 v2.5.1 chapter 6, DFT^P11 (in P03 they follow all FT1, and are the account's).
_OF_A_TRANSACTION: Final = frozenset({"guarantor", "coverage"})


class At(NamedTuple):
    """Where one record is read: the message's rows, the row at hand, and the numbers of segments other than first."""

    rows: Rows
    row: list[str] | None
    numbers: dict[str, int]
    delimiters: Delimiters


def apply_mapping(mapping: Mapping, message: Message) -> Records | None:
    """Return the records of a message, or None when the mapping makes nothing of its event.

    Raises MessageError at the first field that is required and missing, or that cannot be read.
    """
    specs = mapping.events.get((message.message_type, message.trigger_event))
    if not specs:
        return None
    first, *further = split_accounts(message)
    records = _apply_specs(specs, mapping, first)
    if not further:
        return records
    others: list[Records] = []
    for number, part in enumerate(further, 2):
        try:
            others.append(_apply_specs(specs, mapping, part))
        except MessageError as error:
            if error.location.segment == "PID":  # each part has one
                raise MessageError(error.error, error.location._replace(sequence=number), error.text) from None
            raise
    return records._replace(others=tuple(others))


def _apply_specs(specs: Sequence[tuple[RecordSpec, bool]], mapping: Mapping, message: Message) -> Records:
    patient: Patient | None = None
    account: Account | None = None
    balance: Balance | None = None
    guarantors: tuple[Guarantor, ...] = ()
    coverages: tuple[Coverage, ...] = ()
    entries: tuple[Entry, ...] = ()
    signals: tuple[SignalRecord, ...] = ()
    identities: tuple[Identity, ...] = ()
    unusual = find_unusual(message, mapping.keeps)
    for spec, is_optional in specs:
        made: Any = _make_records(spec, message, unusual, is_optional=is_optional)
        if spec.kind == "patient":
            patient = made[0] if made else None
        elif spec.kind == "account":
            account = made[0] if made else None
        elif spec.kind == "guarantor":
            guarantors = tuple(made)
        elif spec.kind == "coverage":
            coverages = tuple(made)
        elif spec.kind == "entry":
            entries = tuple(made)
        elif spec.kind == "balance":
            balance = made[0] if made else None
        elif spec.kind == "signals":
            signals += tuple(signal for told in made for signal in told)
        else:
            identities = tuple(made)
    return Records(account, patient, guarantors, coverages, entries, balance, signals, identities)


def _make_records(spec: RecordSpec, message: Message, unusual: Unusual | None, *, is_optional: bool) -> list[Any]:
    if spec.kind == "identity":
        groups = (At(*group, message.delimiters) for group in read_groups(message, spec.each or ""))
        short = unusual is not None and not touched(spec, unusual, 0)
        tried = ((at, _make_quickly(spec, at.rows, at.row) if short else None) for at in groups)
        made = (make_carefully(spec, at, is_optional=is_optional) if made is None else made for at, made in tried)
        return [record for record in made if record]
    rows: Sequence[list[str] | None] = (None,) if spec.each is None else message.fields(spec.each)
    if spec.kind in _OF_A_TRANSACTION and message.trigger_event == "P11":
        rows = rows[: count_before(message, spec.each or "", "FT1")]
    found: list[Any] = []
    for occurrence, row in enumerate(rows, 1):
        record = None
        if unusual is NOTHING:
            try:
                record = spec.quick(message.fields, row)
            except ValueError:
                record = None
        if record is None:
            at = At(message.fields, row, {spec.each or "": occurrence}, message.delimiters)
            record = _make_partly(spec, at, unusual, occurrence)
            if record is None:
                record = make_carefully(spec, at, is_optional=is_optional)
        if record:
            found.append(record if occurrence == 1 or spec.kind != "signals" else _numbered(record, spec, occurrence))
    return found


def _make_quickly(spec: RecordSpec, rows: Rows, row: list[str] | None) -> Any:
    """Make a record in which nothing is unusual; None when it takes the careful way."""
    try:
        return spec.quick(rows, row)
    except ValueError:
        return None


def _make_partly(spec: RecordSpec, at: At, unusual: Unusual | None, occurrence: int) -> Any:
    """Make a record quickly of all but its unusual fields, and these carefully; None when all of it has to be."""
    if unusual is None or unusual is NOTHING:
        return None
    places = touched(spec, unusual, occurrence)
    if not places:
        return _make_quickly(spec, at.rows, at.row)
    if -1 in places or spec.kind == "signals":
        return None
    rows = plain_rows(unusual, at.rows)
    row = at.row if spec.each is None else rows(spec.each)[occurrence - 1]
    record = _make_quickly(spec, rows, row)
    if not record:
        return None
    values = list(record)
    for field in (spec.fields[place] for place in sorted(places)):
        value = values[field.position] = first_of(spec, field, at)
        if field.required and (value is None or value is NULL):
            return None
    return spec.make(*values)


def count_before(message: Message, name: str, other: str) -> int:
    """Return how many segments of a name stand before the first of another; all of them when there is no other."""
    count = 0
    for segment in message.segments:
        if segment[:3] == other:
            break
        count += segment[:3] == name
    return count


def _numbered(signals: Iterable[SignalRecord], spec: RecordSpec, occurrence: int) -> tuple[SignalRecord, ...]:
    """Return signals with the number of the segment that they were read from in their paths."""
    name = spec.each or ""
    return tuple(
        signal._replace(path=f"{name}[{occurrence}]{signal.path[len(name) :]}")
        if signal.path.startswith(f"{name}-")
        else signal
        for signal in signals
    )


def make_carefully(spec: RecordSpec, at: At, *, is_optional: bool) -> Any:
    """Make one record of whatever was sent, or say what is wrong with it; () when there is nothing to make."""
    if not are_met(spec.when, spec.each, at):
        return ()
    values: list[Any] = [None] * spec.size
    for field in spec.fields:
        value = first_of(spec, field, at)
        if field.required and (value is None or value is NULL):
            if is_optional and value is None:
                return ()
            raise _missing(spec, field, at)
        values[field.position] = value
    if spec.needs_any and all(values[position] is None for position in spec.needs_any):
        return ()
    return spec.make(*values)


def first_of(spec: RecordSpec, field: Field, at: At) -> Any:
    """Return what the first source of a field says that says something; None when none does."""
    for source in field.sources:
        if not are_met(source.when, spec.each, at):
            continue
        if source.is_constant:
            return source.value
        text = sent_at(source.path, spec.each, at)
        if text:
            value = _read(field, source, text, at)
            # A null where a fixed value stands for whatever is there is no word against the sources that follow.
            if value is NULL and (field.keep_null or (source.value is not None and len(field.sources) > 1)):
                continue
            if value is not None:
                return value
    return None


def sent_at(path: Path, each: str | None, at: At) -> str:
    """Return the whole field that a path is in, as sent; "" when it was not."""
    row = at.row
    if path.segment != each:
        rows = at.rows(path.segment)
        row = rows[path.occurrence - 1] if len(rows) >= path.occurrence else None
    return row[path.field] if row is not None and path.field < len(row) else ""


def are_met(conditions: Sequence[Condition], each: str | None, at: At) -> bool:
    """Return whether all conditions hold of what was sent."""
    return all(is_met(condition, sent_at(condition.reading.path, each, at), at.delimiters) for condition in conditions)


def _read(field: Field, source: Source, field_text: str, at: At) -> Any:
    """Return the value that a source finds in a whole field; a null deletes all that it stands for."""
    text = read_part(source.reading, field_text, at.delimiters, is_whole=source.is_whole)
    if not text:
        return None
    if text == NULL_TEXT:
        return NULL
    if source.value is not None:
        return source.value
    try:
        value = source.convert(text, at.delimiters)
    except ValueError as error:
        if field.ignore_invalid:
            return None
        raise MessageError(DATA_TYPE, _location(source.path, at), f"{field.name}: {error}") from None
    table = source.table
    if table is None:
        return value if value != "" else None
    found = table.codes.get(value, table.default)
    if found is None and len(field.sources) == 1 and not field.ignore_invalid:
        known = ", ".join(sorted(table.codes))
        raise MessageError(TABLE_VALUE, _location(source.path, at), f"{field.name}: expected one of {known}")
    return found


def _missing(spec: RecordSpec, field: Field, at: At) -> MessageError:
    source = field.sources[0]
    path = source.when[0].reading.path if source.is_constant else source.path
    return MessageError(REQUIRED_FIELD, _location(path, at), f"{spec.kind} {field.name} is required and missing")


def _location(path: Path, at: At) -> Location:
    number = at.numbers.get(path.segment, 1) if path.occurrence == 1 else path.occurrence
    return Location(path.segment, number, path.field, path.repetition, path.component, path.subcomponent)
