"""Guarantors and coverages of an account: what a GT1 or IN1 says of a place in the list -> who or what stands there.

The place in the list (``rank``) is the key, and fields are merged by their times. But a place that another person or
plan takes is not the former one's any more: nothing of the former is carried over. What is absent is kept; a lone
segment whose key is ``""`` deletes the list. Source: HL7 v2.5.1 section 2.10.4, snapshot mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from hl7bridge.ledger.intake import merge_record
from hl7bridge.ledger.times import Told, first_told, forget_until, mark_of, merge_told
from hl7bridge.mapping.records import NULL, Coverage, Guarantor

Kind = TypeVar("Kind", Guarantor, Coverage)
DELETED: Final[dict[object, str]] = {Guarantor: "G", Coverage: "C"}  # marks of an account whose list was deleted
_FLOOR: Final = "X"  # the mark of the newest message that said that somebody else stood there
_GUARANTOR_NAMES: Final = ("family_name", "given_name", "organization")


class Ranked(NamedTuple, Generic[Kind]):
    """One stored guarantor or coverage, with the time of the newest message that told of it, and its fields' times."""

    record: Kind
    as_of: str
    times: str = ""


class Applied(NamedTuple, Generic[Kind]):
    """What a message makes of one place: the row to store, and what ended there, if anything did."""

    row: Ranked[Kind]
    ended: Ranked[Kind] | None = None


def number_by_place(records: Sequence[Kind]) -> list[Kind]:
    """Number records that carry no rank of their own by their place in the message."""
    return [
        record if isinstance(record.rank, int) and record.rank else _ranked_at(record, at)
        for at, record in enumerate(records, 1)
    ]


def is_delete_all(records: Sequence[Kind]) -> bool:
    """Return whether a message deletes the whole list: one segment whose key is null and which has no value."""
    if len(records) != 1:
        return False
    record = records[0]
    key = record.plan if isinstance(record, Coverage) else record.number
    return key is NULL and all(value is None or value is NULL for value in record[1:])


def start_ranked(told: Kind, at: str, deleted_at: str = "") -> Ranked[Kind] | None:
    """Return the first that is known of a place; None when the list was deleted after ``at``."""
    if deleted_at and at <= deleted_at:
        return None
    floor = f"{_FLOOR}:{deleted_at}" if deleted_at else ""
    if NULL not in told:
        return Ranked(told, at, floor)
    row = first_told(told, at)
    return Ranked(_record(told, row), at, ",".join(filter(None, (row.times, floor))))


def start_all(told: Sequence[Kind], at: str) -> list[Ranked[Kind]]:
    """Return what stands at each place of a list of which one message alone has told."""
    if is_delete_all(told):
        return []
    by_rank = {record.rank: record for record in number_by_place(told)}
    return [row for record in by_rank.values() if (row := start_ranked(record, at)) is not None]


def merge_ranked(known: Ranked[Kind], told: Kind, at: str) -> Applied[Kind]:
    """Return what stands at a place after a message of time ``at``; the same whatever order messages come in."""
    floor = mark_of(known.times, _FLOOR)
    if at <= floor:
        return Applied(known)
    fresh = merge_record(None, told)
    if identity_of(fresh) == identity_of(known.record):
        row = merge_told(known.record, known.as_of, known.times, told, at)
        return Applied(Ranked(_record(told, row), row.as_of, row.times), _ended(known, row))
    if at >= known.as_of:
        row = first_told(told, at)
        times = ",".join(filter(None, (row.times, f"{_FLOOR}:{known.as_of}")))
        return Applied(Ranked(fresh, at, times), known)
    return Applied(end_before(known, at), Ranked(fresh, at))


def end_before(known: Ranked[Kind], at: str) -> Ranked[Kind]:
    """Return a row without what was told of it up to a time, when somebody else stood there or the list was empty."""
    row = forget_until(Told(list(known.record), known.as_of, known.times), at, kept=1)
    return Ranked(_record(known.record, row), row.as_of, row.times)


def identity_of(record: Guarantor | Coverage) -> tuple[object, ...]:
    """Return what tells one guarantor or coverage from another at the same place."""
    if isinstance(record, Coverage):
        if record.plan or record.company:
            return record.plan, record.company
        return None, None, record.company_name
    if record.number:
        return (record.number,)
    return tuple(name.upper() if isinstance(name := getattr(record, each), str) else None for each in _GUARANTOR_NAMES)


def _ended(known: Ranked[Kind], row: Told) -> Ranked[Kind] | None:
    """Return the former row when a value that was known is another now."""
    changed = any(old is not None and old != new for old, new in zip(known.record, row.values, strict=True))
    return known if changed else None


def _ranked_at(record: Kind, rank: int) -> Kind:
    made: Any = type(record)._make((rank, *record[1:]))
    return made  # type: ignore[no-any-return]


def _record(like: Kind, row: Told) -> Kind:
    made: Any = type(like)._make(row.values)
    return made  # type: ignore[no-any-return]
