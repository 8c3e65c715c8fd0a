"""What every layout of agency files is: which text it writes for placements and notices, and how it reads answers.

A layout is pure: bytes in, bytes out. Numbers, names, trailers and folders are ``exchange``'s.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.money import ZERO
from hl7bridge.payments.remittance import Remitted
from hl7bridge.placement.records import Acknowledgement, Answer, InventoryLine, Notice, NoticeKind, Return

Record = Answer | Remitted

MOST_BYTES: Final = 32 * 1024 * 1024  # of one file that is read
MOST_RECORDS: Final = 100_000
MOST_COLUMNS: Final = 64
MOST_PROBLEMS: Final = 100  # of one file that are told
MOST_WRITTEN: Final = 2000  # placements or notices of one file that is written


def _nothing(_: Sequence[str]) -> tuple[str, ...]:
    return ()


class FileContext(NamedTuple):
    """The file that is written: for whom, its number, its day (UTC), and what the agency calls the hospital."""

    agency: str
    number: int
    created_on: dt.date
    client_number: str = ""


class LineProblem(NamedTuple):
    """What is wrong with one line (counted from 1, the file's first); it quotes no value."""

    line: int
    problem: str


class Stated(NamedTuple):
    """What a file says of itself in a record of its own: how many records, and their dollars when it says so."""

    records: int
    total: Decimal | None = None


class Parsed(NamedTuple):
    """A file that an agency sent: when there is one problem or more, nothing of it may be applied.

    ``kind`` is one of ``placement.records.KINDS`` or ``remittances``, or "" when the file does not tell.
    """

    kind: str
    records: tuple[Record, ...] = ()
    problems: tuple[LineProblem, ...] = ()
    stated: Stated | None = None

    @property
    def total(self) -> Decimal:
        """Return the dollars that a trailer states: the sum of the records' balances; of payments, the cheque."""
        return sum((balance_of(record) for record in self.records), ZERO)


class Layout(NamedTuple):
    """One form of agency files. ``version`` grows when what an agency has to read changes.

    ``encode_placements`` takes columns, rows and the file; ``encode_notices`` takes notices and the file: both raise
    ValueError when the layout cannot hold a value. What it cannot hold is asked before, one by one:
    ``placement_problem`` and ``notice_problem`` return what is wrong, or "". ``carries`` are the notices that it has
    records for; every stop is among them. ``parse_answers`` takes the kind that the file's name says (None: the file
    itself tells) and never raises. ``most_records`` is how many placements or notices a file has at most;
    ``leaves_out`` returns those of an agency's columns that the layout has no place for.
    """

    name: str
    version: int
    suffix: str
    encode_placements: Callable[[Sequence[str], Sequence[Sequence[str]], FileContext], bytes]
    encode_notices: Callable[[Sequence[Notice], FileContext], bytes]
    parse_answers: Callable[[str | None, bytes], Parsed]
    placement_problem: Callable[[Sequence[str], Sequence[str]], str]
    notice_problem: Callable[[Notice], str]
    carries: frozenset[NoticeKind]
    most_records: int = MOST_WRITTEN
    leaves_out: Callable[[Sequence[str]], tuple[str, ...]] = _nothing


def balance_of(record: Record) -> Decimal:
    """Return the balance that a record tells, or what a payment adds to the cheque; zero when it tells none."""
    if isinstance(record, Remitted):
        return record.net
    if isinstance(record, Acknowledgement | InventoryLine | Return):
        return record.balance or ZERO
    return ZERO
