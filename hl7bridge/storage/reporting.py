"""What reports share: a period of time, and counts of lengths from which a median or a 99th of 100 is read."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from hl7bridge.times import utc_text

ALL: Final = "(all)"
_ONE_DAY: Final = dt.timedelta(days=1)
_SECOND: Final = 1000  # milliseconds
_FIRST: Final = ""
_LAST: Final = "9999"


class Period(NamedTuple):
    """The times that a report is of, as they are stored: from ``start`` to before ``end``."""

    start: str = _FIRST
    end: str = _LAST


def period_of(first: dt.date | None, last: dt.date | None, zone: str) -> Period:
    """Return the period of whole days of a zone, both included; None leaves it open."""
    return Period(
        _FIRST if first is None else _midnight(first, zone), _LAST if last is None else _midnight(last + _ONE_DAY, zone)
    )


def _midnight(day: dt.date, zone: str) -> str:
    return utc_text(dt.datetime.combine(day, dt.time(), ZoneInfo(zone)))


class Spread:
    """Lengths of time, counted: memory is for as many as differ, not for as many as there are."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, length: int) -> None:
        """Count one; what would be negative (clocks that differ) counts as 0."""
        self._counts[max(0, length)] += 1

    @property
    def count(self) -> int:
        """Return how many were counted."""
        return self._counts.total()

    def percentile(self, percent: int) -> int | None:
        """Return the smallest length that at least so many of a hundred do not pass (nearest rank); None of none."""
        rank = max(1, math.ceil(self.count * percent / 100))
        for length in sorted(self._counts):
            rank -= self._counts[length]
            if rank <= 0:
                return length
        return None

    def mean(self) -> float | None:
        """Return the mean to a tenth; None of none."""
        count = self.count
        total = sum(length * times for length, times in self._counts.items())
        return round(total / count, 1) if count else None

    def longest(self) -> int | None:
        """Return the longest; None of none."""
        return max(self._counts, default=None)


def seconds_between(start: str, end: str) -> int:
    """Return whole seconds from one stored time to another."""
    return int((dt.datetime.fromisoformat(end) - dt.datetime.fromisoformat(start)).total_seconds())


def milliseconds_between(start: str, end: str) -> int:
    """Return whole milliseconds from one stored time to another."""
    return round((dt.datetime.fromisoformat(end) - dt.datetime.fromisoformat(start)).total_seconds() * _SECOND)


def seconds_of(milliseconds: int | None) -> float | None:
    """Return seconds to a tenth; None of None."""
    return None if milliseconds is None else round(milliseconds / _SECOND, 1)


def days_between(start: str, end: str) -> int:
    """Return the days from one stored day to another."""
    return (dt.date.fromisoformat(end) - dt.date.fromisoformat(start)).days
