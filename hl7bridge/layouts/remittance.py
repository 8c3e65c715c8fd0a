"""The named values of payment records -> a whole parsed file, or every problem by its line. All layouts use it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final, NamedTuple

from hl7bridge.layouts.layout import MOST_PROBLEMS, MOST_RECORDS, LineProblem, Parsed
from hl7bridge.payments.remittance import REMITTANCES, Remitted, read_remitted

_COMPACT: Final = 8  # digits of CCYYMMDD and of MMDDYYYY


class Reading(NamedTuple):
    """What reading a file of payments needs to know: whose it is (None: the file says), and the time (aware)."""

    agency: str | None
    now: dt.datetime


class RemittedLines:
    """The records of one file of payments as they are read, and their problems up to a limit."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._records: list[Remitted] = []
        self._problems: list[LineProblem] = []
        self._first: dict[tuple[str, str], int] = {}
        self._is_over = False

    @property
    def is_full(self) -> bool:
        """Return True when the file is refused whatever follows, so that nothing more need be read."""
        return self._is_over or len(self._problems) >= MOST_PROBLEMS

    @property
    def is_empty(self) -> bool:
        """Return True while nothing was read and nothing was wrong."""
        return not self._records and not self._problems

    @property
    def records(self) -> tuple[Remitted, ...]:
        """Return what was read so far."""
        return tuple(self._records)

    def note(self, line: int, problem: str) -> None:
        """Say what is wrong with a line."""
        self._problems.append(LineProblem(line, problem))

    def add(self, line: int, values: Mapping[str, str]) -> None:
        """Read one record, and note what is wrong with it."""
        if len(self._records) >= MOST_RECORDS:
            self.note(line, f"more than {MOST_RECORDS} records")
            self._is_over = True
            return
        record, problems = read_remitted(line, values, self._reading.agency, self._reading.now)
        for problem in problems:
            self.note(line, problem)
        if record is None:
            return
        self._records.append(record)
        first = self._first.setdefault((record.payment.agency, record.payment.agency_payment_id), line)
        if first != line:
            self.note(line, f"the same agency_payment_id as line {first}")

    def parsed(self) -> Parsed:
        """Return the whole file as it was read."""
        return Parsed(REMITTANCES, self.records, tuple(self._problems))


def refused(line: int, problem: str) -> Parsed:
    """Return a file of which nothing could be read."""
    return Parsed(REMITTANCES, problems=(LineProblem(line, problem),))


def spell_day(text: str, *, year_first: bool) -> str:
    """Return YYYY-MM-DD for CCYYMMDD or MMDDYYYY; what has another form as it is, to be refused as a day."""
    if len(text) != _COMPACT or not (text.isascii() and text.isdigit()):
        return text
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if year_first else f"{text[4:]}-{text[:2]}-{text[2:4]}"
