"""When each field of a record was last told -> the same record whatever order messages arrive in.

A field is what the newest message that tells of it says, and the newest message may be silent about it. So a row keeps,
beside the time of its newest message, the times of the fields that an older one told last, as text: ``MASK:TIME`` for
each such time, MASK being the fields as bits in hexadecimal, then marks. A field that no mask names was told at the
row's time if it has a value, and never if it has none.

Times are texts that sort by time (``hl7bridge.intake.event_time``); they hold neither a comma nor a colon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hl7bridge.mapping.records import NULL

Parsed = tuple[list[tuple[str, int]], dict[str, str]]  # (time, mask) for each time, and marks
MARKS: Final = frozenset("XGC")  # no hexadecimal digits: a floor, and deleted guarantors and coverages


class Told(NamedTuple):
    """The values of a record, the time of the newest message that told of it, and the times of older fields."""

    values: list[Any]
    as_of: str
    times: str


def parse_times(text: str) -> Parsed:
    """Return the masks and the marks in a row's text."""
    masks: list[tuple[str, int]] = []
    marks: dict[str, str] = {}
    if text:
        for part in text.split(","):
            name, _, time = part.partition(":")
            if name in MARKS:
                marks[name] = time
            else:
                masks.append((time, int(name, 16)))
    return masks, marks


def encode_times(masks: Sequence[tuple[str, int]], marks: dict[str, str]) -> str:
    """Return the text of masks, empty ones left out, and marks. One text for one state: newest first, marks by name."""
    parts = [f"{mask:x}:{time}" for time, mask in sorted(masks, reverse=True) if mask]
    return ",".join([*parts, *(f"{name}:{marks[name]}" for name in sorted(marks))])


def with_mark(text: str, name: str, time: str) -> str:
    """Return the text with a mark, which only ever moves on."""
    masks, marks = parse_times(text)
    marks[name] = max(marks.get(name, ""), time)
    return encode_times(masks, marks)


def mark_of(text: str, name: str) -> str:
    """Return the time of a mark; "" when it is not there."""
    return parse_times(text)[1].get(name, "") if name in text else ""


def first_told(told: Sequence[Any], at: str) -> Told:
    """Return a record of which one message alone has told."""
    nulls = _mask(told, NULL) if NULL in told else 0
    if not nulls:
        return Told(list(told), at, "")
    return Told([None if value is NULL else value for value in told], at, f"{nulls:x}:{at}")


def merge_told(known: Sequence[Any], as_of: str, times: str, told: Sequence[Any], at: str) -> Told:
    """Return what is known after a message of time ``at``: None tells nothing, NULL clears, anything else replaces.

    Each field goes by its own time. Of two tellings of one time the one that arrives later counts.
    """
    if at < as_of:
        return _merge_late(known, as_of, times, told, at)
    values, now, nulls, rest = _taken(known, told)
    if at == as_of:
        rest = 0
    if not (times or nulls or rest):
        return Told(values, at, "")
    masks, marks = parse_times(times)
    older: list[tuple[str, int]] = []
    for time, mask in masks:
        rest &= ~mask
        if mask & ~now:
            older.append((time, mask & ~now))
    if rest:
        older = _joined(older, as_of, rest)
    if nulls:
        older = _joined(older, at, nulls)
    return Told(values, at, encode_times(older, marks))


def _taken(known: Sequence[Any], told: Sequence[Any]) -> tuple[list[Any], int, int, int]:
    """Return the values after a newer record, and as bits: fields told, those of them cleared, those that keep one."""
    values: list[Any] = []
    now = nulls = rest = 0  # fields that are told, those of them that are cleared, and those that keep a value
    bit = 1
    for old, new in zip(known, told, strict=True):
        if new is None:
            values.append(old)
            if old is not None:
                rest |= bit
        else:
            now |= bit
            if new is NULL:
                nulls |= bit
                new = None  # noqa: PLW2901
            values.append(new)
        bit <<= 1
    return values, now, nulls, rest


def merge_rows(one: Told, other: Told) -> Told:
    """Return two rows about one thing as one: each field by its own time, as if all messages had told of one row.

    A field told at one time in both is the first row's.
    """
    times_one, times_other = field_times(one.values, one.as_of, one.times), field_times(*other)
    as_of = max(one.as_of, other.as_of)
    values = [
        mine if mine_at >= theirs_at else theirs
        for mine, theirs, mine_at, theirs_at in zip(one.values, other.values, times_one, times_other, strict=True)
    ]
    told_at = [max(pair) for pair in zip(times_one, times_other, strict=True)]
    marks = parse_times(other.times)[1] | parse_times(one.times)[1]
    return Told(values, as_of, _encode_fields(values, told_at, as_of, marks))


def forget_until(row: Told, until: str, kept: int) -> Told:
    """Return a row without what was told of it up to a time, which becomes its floor; the first fields are kept."""
    marks = parse_times(row.times)[1]
    marks["X"] = max(marks.get("X", ""), until)
    told_at = field_times(*row)
    values = list(row.values)
    for at in range(kept, len(values)):
        if told_at[at] <= until:
            values[at], told_at[at] = None, ""
    return Told(values, row.as_of, _encode_fields(values, told_at, row.as_of, marks))


def field_times(values: Sequence[Any], as_of: str, times: str) -> list[str]:
    """Return for each field when it was last told; "" when it never was."""
    told_at = ["" if value is None else as_of for value in values]
    for time, mask in parse_times(times)[0]:
        for at in range(len(told_at)):
            if mask >> at & 1:
                told_at[at] = time
    return told_at


def _merge_late(known: Sequence[Any], as_of: str, times: str, told: Sequence[Any], at: str) -> Told:
    told_at = field_times(known, as_of, times)
    values = list(known)
    for place, new in enumerate(told):
        if new is not None and at >= told_at[place]:
            values[place] = None if new is NULL else new
            told_at[place] = at
    return Told(values, as_of, _encode_fields(values, told_at, as_of, parse_times(times)[1]))


def _encode_fields(values: Sequence[Any], told_at: Sequence[str], as_of: str, marks: dict[str, str]) -> str:
    masks: dict[str, int] = {}
    for at, (value, time) in enumerate(zip(values, told_at, strict=True)):
        if time and (time != as_of or value is None):
            masks[time] = masks.get(time, 0) | 1 << at
    return encode_times(list(masks.items()), marks)


def _joined(masks: list[tuple[str, int]], time: str, mask: int) -> list[tuple[str, int]]:
    """Add fields to those of a time."""
    for at, (known, fields) in enumerate(masks):
        if known == time:
            masks[at] = (time, fields | mask)
            return masks
    return [*masks, (time, mask)]


def _mask(values: Sequence[Any], wanted: object) -> int:
    mask = 0
    for at, value in enumerate(values):
        if value is wanted:
            mask |= 1 << at
    return mask
