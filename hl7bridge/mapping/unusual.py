"""A message -> the fields in which it has escapes or nulls: only what reads one of these is read the careful way."""

from __future__ import annotations

from collections.abc import Container
from typing import Final, NamedTuple

from hl7bridge.mapping.readings import NULL_TEXT
from hl7bridge.mapping.spec import RecordSpec, Rows
from hl7bridge.message.delimiters import DEFAULT
from hl7bridge.message.model import Message

_AFTER_MSH_2: Final = len("MSH|^~\\&|")
_HEADER: Final = "MSH"
_OWN: Final = frozenset({1, 2})  # fields of MSH that are the delimiters themselves


class Unusual(NamedTuple):
    """Numbers of fields with an escape or a null, of each segment and of all segments of a name together.

    ``plain`` are the rows of such names without these fields.
    """

    rows: dict[tuple[str, int], set[int]]
    names: dict[str, set[int]]
    plain: dict[str, list[list[str]]]


NOTHING: Final = Unusual({}, {}, {})  # as of most messages


def find_unusual(message: Message, kept: Container[str]) -> Unusual | None:
    """Return what is unusual in segments that a mapping reads; None for other delimiters than the standard's."""
    if message.delimiters[:5] != DEFAULT[:5]:
        return None
    text = message.text
    # Looking for one character is ten times as fast as for two, which matters in a document of 16 MiB.
    if not ('"' in text and NULL_TEXT in text) and text.find(DEFAULT.escape, _AFTER_MSH_2) < 0:
        return NOTHING
    found = Unusual({}, {}, {})
    counts: dict[str, int] = {}
    for segment in message.segments:
        name = segment[:3]
        if name not in kept or segment[3:4] not in ("", DEFAULT.field):
            continue
        occurrence = counts[name] = counts.get(name, 0) + 1
        if DEFAULT.escape in segment or NULL_TEXT in segment:
            _note(found, message, name, occurrence)
    return found


def _note(found: Unusual, message: Message, name: str, occurrence: int) -> None:
    row = message.fields(name)[occurrence - 1]
    numbers = {number for number, text in enumerate(row) if DEFAULT.escape in text or NULL_TEXT in text}
    if name == _HEADER:
        numbers -= _OWN
    if numbers:
        found.rows[name, occurrence] = numbers
        found.names.setdefault(name, set()).update(numbers)
        rows = found.plain.setdefault(name, list(message.fields(name)))
        rows[occurrence - 1] = ["" if number in numbers else text for number, text in enumerate(row)]


def touched(spec: RecordSpec, unusual: Unusual, occurrence: int) -> set[int]:
    """Return the places in ``spec.fields`` of what reads something unusual; of a record itself it is -1.

    ``occurrence`` is the number of the segment that the record is made of; 0 for any of them.
    """
    found: set[int] = set()
    for name, numbers in unusual.names.items():
        own = unusual.rows.get((name, occurrence), ()) if name == spec.each and occurrence else numbers
        for number in own:
            found.update(spec.readers.get((name, number), ()))
    return found


def plain_rows(unusual: Unusual, fields: Rows) -> Rows:
    """Return what gives the rows of a message without its unusual fields."""

    def rows(name: str) -> list[list[str]]:
        return unusual.plain[name] if name in unusual.plain else fields(name)

    return rows
