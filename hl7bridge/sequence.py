"""MSH-13 and the last number of its sender -> taken in order or refused, and MSA-4. Source: HL7 v2.5.1 section 2.10.1.

Every message of a sender has a number one above the last one's. 0 starts the link: the answer says which number comes
next, -1 when none is known. -1 resynchronises it: the next number, whichever it is, is the first.
"""

from __future__ import annotations

import re
from typing import Final

from hl7bridge.checks import SenderError
from hl7bridge.errors import DATA_TYPE, REQUIRED_FIELD, SEGMENT_SEQUENCE, Location
from hl7bridge.storage.database import Store
from hl7bridge.storage.sequences import SenderKey, read_sequence, write_sequences

_MSH_13: Final = Location("MSH", field=13)
_NUMBER = re.compile(r"-1|\d{1,15}", re.ASCII)  # NM, at most 15 characters
RESYNCHRONISE: Final = -1
UNKNOWN: Final = -1


class SequenceError(SenderError):
    """A message that is refused for its number; ``expected`` is the one that comes next."""

    expected = UNKNOWN


class Sequences:
    """The last number of each sender, as the messages of one transaction leave it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: dict[SenderKey, int | None] = {}
        self._changed: set[SenderKey] = set()

    def check(self, key: SenderKey, text: str, *, earlier_reason: str | None) -> None:
        """Raise SequenceError when this is not the sender's next number: 101, 102 or 100 at MSH-13.

        ``earlier_reason`` is why the same message was refused before: refused for what it says, it has used up its
        number, and comes again with the same.
        """
        last = self._known(key)
        number = _parse_number(text)
        if number is not None and last is not None and 0 < number <= last and _was_counted(earlier_reason):
            return
        if number is None:
            if text:
                error = SequenceError(DATA_TYPE, _MSH_13, "not a sequence number: expected -1, 0 or a whole number")
            else:
                error = SequenceError(REQUIRED_FIELD, _MSH_13, "this listener takes messages with sequence numbers")
        elif last is None or number in (0, RESYNCHRONISE, last + 1):
            return
        else:
            error = SequenceError(SEGMENT_SEQUENCE, _MSH_13, f"out of sequence: number {last + 1} comes next")
        error.expected = _next(last)
        raise error

    def count(self, key: SenderKey, text: str) -> int:
        """Note the number of a message that was heard, whether it was taken or refused for what it says.

        Returns its MSA-4: the number itself, or the one that comes next when it has none or another.
        """
        last = self._known(key)
        number = _parse_number(text)
        if number is None or number == 0:
            return _next(last)
        if number == RESYNCHRONISE:
            self._set(key, None)
        elif last is None or number == last + 1:
            self._set(key, number)
        elif number > last:
            return _next(last)
        return number

    def write(self) -> None:
        """Store what changed."""
        if self._changed:
            write_sequences(self._store, [(key, self._last[key]) for key in sorted(self._changed)])

    def _known(self, key: SenderKey) -> int | None:
        if key not in self._last:
            self._last[key] = read_sequence(self._store, key)
        return self._last[key]

    def _set(self, key: SenderKey, last: int | None) -> None:
        self._last[key] = last
        self._changed.add(key)


def starts_link(text: str) -> bool:
    """Return whether MSH-13 starts or resynchronises the link: such a message may be a header and nothing else."""
    return _parse_number(text) in (0, RESYNCHRONISE)


def _was_counted(earlier_reason: str | None) -> bool:
    """Return whether a message was refused before, and not for its number."""
    return earlier_reason is not None and not earlier_reason.partition(":")[0].endswith(f" {_MSH_13}")


def _parse_number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


def _next(last: int | None) -> int:
    return UNKNOWN if last is None else last + 1
