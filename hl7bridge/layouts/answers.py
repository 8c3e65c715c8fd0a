"""The named values of one record that an agency sent -> what it says, or every problem by its line. All layouts use it.

Source: collections.md 1.3 (AACK, AREC, AOBJ), 1.8 (returning files).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.layouts.layout import MOST_PROBLEMS, MOST_RECORDS, LineProblem, Parsed
from hl7bridge.money import ZERO, parse_money
from hl7bridge.placement.records import (
    Acknowledgement,
    AgencyStatus,
    Answer,
    InventoryLine,
    NoticeKind,
    Objection,
    Return,
    StatusReport,
)

RETURN_KINDS: Final = ("returned", "paid_in_full", "settled", "recalled")
_ACCOUNT: Final = 64
_CODE: Final = 50
_REASON: Final = 200
_DIGITS: Final = re.compile(r"[0-9]{1,18}\Z", re.ASCII)
_MONEY: Final = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,2})?\Z", re.ASCII)
_KEY: Final = ("placement_id", "client_account")


def iso_day(text: str) -> dt.date:
    """Return the day of YYYY-MM-DD. Raises ValueError for anything else."""
    day = dt.date.fromisoformat(text)
    if day.isoformat() != text:
        raise ValueError("not YYYY-MM-DD")
    return day


class Columns(NamedTuple):
    """The names of one kind of record: all of ``needed`` have to be there, and one at least of the key's two."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def known(self) -> tuple[str, ...]:
        """Return every name, the key's first."""
        return (*_KEY, *self.needed, *self.optional)


COLUMNS: Final[Mapping[str, Columns]] = {
    "acknowledgements": Columns(
        ("accepted",), ("code", "agency_account", "balance", "received_on", "notice_id", "notice_kind")
    ),
    "statuses": Columns(("status",), ("since",)),
    "returns": Columns(("code",), ("kind", "balance", "returned_on")),
    "objections": Columns(("reason",), ("objected_on",)),
    "inventory": Columns(
        ("balance",),
        (
            "agency_account", "original_balance", "received_on", "last_payment_on", "last_payment_amount",
            "agency_status",
        ),
    ),
}  # fmt: skip


def find_kind(names: Iterable[str]) -> str:
    """Return the one kind of record that has these names, or "" when none has or several have."""
    given = set(names)
    fitting = [kind for kind, each in COLUMNS.items() if set(each.needed) <= given <= set(each.known)]
    return fitting[0] if len(fitting) == 1 else ""


def name_problems(kind: str, names: Iterable[str]) -> list[str]:
    """Return what is wrong with the names of a kind's values; an unknown one is told by its place, from 1."""
    columns = COLUMNS[kind]
    given = list(names)
    problems = [f"{name} is missing" for name in columns.needed if name not in given]
    if not set(_KEY) & set(given) and "notice_id" not in given:
        problems.append("placement_id or client_account is missing")
    unknown = [str(at) for at, name in enumerate(given, 1) if name not in columns.known]
    if unknown:
        problems.append(f"not known: number {', '.join(unknown)}; {kind} have {', '.join(columns.known)}")
    problems += [f"{name} is there twice" for name in columns.known if given.count(name) > 1]
    return problems


class Cells:
    """The values of one record by name, read one by one; every problem with them is noted for the record's line.

    A value that is not there and an empty one are the same. Nothing of a value is ever in a problem. ``form`` reads a
    day and raises ValueError.
    """

    def __init__(self, line: int, values: Mapping[str, str], form: Callable[[str], dt.date | None]) -> None:
        self.line = line
        self.problems: list[LineProblem] = []
        self._values = values
        self._form = form

    def note(self, problem: str) -> None:
        """Say that the record is wrong."""
        self.problems.append(LineProblem(self.line, problem))

    def text(self, name: str, most: int = _CODE, *, needed: bool = False) -> str:
        """Return printable text of at most so many characters."""
        value = self._values.get(name, "").strip()
        if needed and not value:
            self.note(f"{name} is empty")
        if len(value) > most or not value.isprintable():
            self.note(f"{name}: expected at most {most} printable characters")
            return ""
        return value

    def one_of(self, name: str, allowed: Iterable[str], default: str = "") -> str:
        """Return one of these words, taken in any case; ``default`` when the value is empty."""
        words = tuple(allowed)
        value = self.text(name).lower() or default
        if value not in words:
            self.note(f"{name}: expected one of {', '.join(words)}")
            return words[0]
        return value

    def number(self, name: str) -> int | None:
        """Return a whole number of digits alone, or None when the value is empty."""
        value = self.text(name)
        if value and not _DIGITS.match(value):
            self.note(f"{name}: expected digits")
            return None
        return int(value) if value else None

    def money(self, name: str) -> Decimal | None:
        """Return dollars, at most two places, or None when the value is empty."""
        value = self.text(name)
        if value and not _MONEY.match(value):
            self.note(f"{name}: expected dollars, as 1234.50")
            return None
        return parse_money(value) if value else None

    def needed_money(self, name: str) -> Decimal:
        """Return dollars that have to be there."""
        if not self.text(name, needed=True):
            return ZERO
        return self.money(name) or ZERO

    def day(self, name: str) -> dt.date | None:
        """Return a day, or None when the value is empty."""
        value = self.text(name)
        try:
            return self._form(value) if value else None
        except ValueError:
            self.note(f"{name}: not a day")
            return None

    def key(self, *, needed: bool = True) -> tuple[int | None, str]:
        """Return placement_id and client_account; one of them has to be there."""
        placement_id = self.number("placement_id")
        account = self.text("client_account", _ACCOUNT)
        if needed and placement_id is None and not account and not self.problems:
            self.note("neither placement_id nor client_account is given")
        return placement_id, account


def read_answer(kind: str, cells: Cells) -> Answer:
    """Return the record of a kind; it counts only when ``cells.problems`` is empty afterwards."""
    return _READERS[kind](cells)


def _acknowledgement(cells: Cells) -> Acknowledgement:
    notice_id = cells.number("notice_id")
    placement_id, account = cells.key(needed=notice_id is None)
    is_accepted = cells.one_of("accepted", ("yes", "no")) == "yes"
    return Acknowledgement(
        line=cells.line,
        placement_id=placement_id,
        client_account=account,
        is_accepted=is_accepted,
        code=cells.text("code", needed=not is_accepted),
        agency_account=cells.text("agency_account"),
        balance=cells.money("balance"),
        received_on=cells.day("received_on"),
        notice_id=notice_id,
        notice_kind=_notice_kind(cells, notice_id),
    )


def _notice_kind(cells: Cells, notice_id: int | None) -> str:
    """Return the kind of the notices that are acknowledged; empty when they are named by number, or none is."""
    if not cells.text("notice_kind"):
        return ""
    if notice_id is not None:
        cells.note("notice_id and notice_kind: expected one of the two")
    return cells.one_of("notice_kind", NoticeKind)


def _status(cells: Cells) -> StatusReport:
    placement_id, account = cells.key()
    status = AgencyStatus(cells.one_of("status", AgencyStatus))
    return StatusReport(cells.line, placement_id, account, status, cells.day("since"))


def _return(cells: Cells) -> Return:
    placement_id, account = cells.key()
    return Return(
        line=cells.line,
        placement_id=placement_id,
        client_account=account,
        code=cells.text("code", needed=True),
        kind=cells.one_of("kind", RETURN_KINDS, "returned"),
        balance=cells.money("balance"),
        returned_on=cells.day("returned_on"),
    )


def _objection(cells: Cells) -> Objection:
    placement_id, account = cells.key()
    reason = cells.text("reason", _REASON, needed=True)
    return Objection(cells.line, placement_id, account, reason, cells.day("objected_on"))


def _inventory(cells: Cells) -> InventoryLine:
    placement_id, account = cells.key()
    return InventoryLine(
        line=cells.line,
        placement_id=placement_id,
        client_account=account,
        balance=cells.needed_money("balance"),
        agency_account=cells.text("agency_account"),
        original_balance=cells.money("original_balance"),
        received_on=cells.day("received_on"),
        last_payment_on=cells.day("last_payment_on"),
        last_payment_amount=cells.money("last_payment_amount"),
        status=cells.text("agency_status"),
    )


_READERS: Final[Mapping[str, Callable[[Cells], Answer]]] = {
    "acknowledgements": _acknowledgement,
    "statuses": _status,
    "returns": _return,
    "objections": _objection,
    "inventory": _inventory,
}


class Collected:
    """The records of one file as they are read, and their problems up to a limit."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.records: list[Answer] = []
        self.problems: list[LineProblem] = []
        self._first: dict[tuple[int | None, str, int | None, str], int] = {}
        self._is_over = False

    @property
    def is_full(self) -> bool:
        """Return True when the file is refused whatever follows, so that nothing more need be read."""
        return self._is_over or len(self.problems) >= MOST_PROBLEMS

    def note(self, line: int, problem: str) -> None:
        """Say what is wrong with a line."""
        self.problems.append(LineProblem(line, problem))

    def add(self, cells: Cells) -> None:
        """Read one record, and note what is wrong with it."""
        if len(self.records) >= MOST_RECORDS:
            self.note(cells.line, f"more than {MOST_RECORDS} records")
            self._is_over = True
            return
        record = read_answer(self.kind, cells)
        self.problems += cells.problems
        if not cells.problems:
            self._check_once(record)
            self.records.append(record)

    def _check_once(self, record: Answer) -> None:
        if isinstance(record, StatusReport):
            return
        notice = (record.notice_id, record.notice_kind) if isinstance(record, Acknowledgement) else (None, "")
        first = self._first.setdefault((record.placement_id, record.client_account, *notice), record.line)
        if first != record.line:
            self.note(record.line, f"the same account as line {first}")

    def parsed(self) -> Parsed:
        """Return the whole file as it was read."""
        return Parsed(self.kind, tuple(self.records), tuple(self.problems))
