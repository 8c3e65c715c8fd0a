"""What every side of the demo counted -> figures that must be one and the same, and whether they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from hl7bridge.cli.demo_agency import Delivered
from hl7bridge.cli.demo_ehr import Posting
from hl7bridge.money import ZERO, money_text


class Figure(NamedTuple):
    """One thing that more than one side counted: who says what; right when they all say the same."""

    name: str
    sides: tuple[tuple[str, str], ...]

    @property
    def is_right(self) -> bool:
        """Whether all sides agree."""
        return len({value for _, value in self.sides}) == 1

    @property
    def text(self) -> str:
        """Return what each side says."""
        return ", ".join(f"{side} {value}" for side, value in self.sides)


class Seen(NamedTuple):
    """What each side has at the end: rows as the commands gave them, and what the partners counted."""

    replies: int  # to the EHR's feed
    status: dict[str, Any]
    accounts: Sequence[dict[str, Any]]
    placements: Sequence[dict[str, Any]]
    payments: Sequence[dict[str, Any]]
    checks: Sequence[dict[str, Any]]
    books: dict[str, Decimal]  # account -> balance, by the EHR's own books
    delivered: Delivered
    remitted: Decimal
    remitted_lines: int
    postings: Sequence[Posting]


DISPOSITIONS = ("applied", "duplicate", "ignored", "parked", "rejected", "unreadable")


def build_figures(seen: Seen) -> Iterator[Figure]:
    """Return every figure; all of them must be right."""
    status = seen.status
    parts = sum(status[name] for name in DISPOSITIONS)
    yield _counted("messages", ("answered", seen.replies), ("received", status["received"]), ("dispositions", parts))
    charges, payments, adjustments, balance = (
        sum((Decimal(row[name]) for row in seen.accounts), ZERO)
        for name in ("charges", "payments", "adjustments", "balance")
    )
    yield _dollars(
        "charges - payments - adjustments", ("come to", charges - payments - adjustments), ("balance", balance)
    )
    yield _dollars("owed in the end", ("bridge", balance), ("EHR's own books", sum(seen.books.values(), ZERO)))
    agree = sum(seen.books.get(row["account"]) == Decimal(row["balance"]) for row in seen.accounts)
    yield _counted("accounts that agree with the EHR", ("agree", agree), ("accounts", len(seen.books)))
    delivered = seen.delivered
    placed = sum((Decimal(row["balance"]) for row in seen.placements), ZERO)
    yield _dollars(
        "placed", ("bridge", placed), ("agency's rows", delivered.total), ("its trailer", delivered.control_total)
    )
    yield _counted("placements", ("bridge", len(seen.placements)), ("agency", len(delivered.placed)))
    posted = [row for row in seen.payments if row["status"] == "posted"]
    received = sum((posting.amount for posting in seen.postings), ZERO)
    yield _dollars(
        "collected", ("agency remitted", seen.remitted), ("bridge posted", sum(map(_net, posted), ZERO)),
        ("EHR received", received),
    )  # fmt: skip
    ids = {posting.transaction_id for posting in seen.postings}
    yield _counted(
        "payments", ("remitted", seen.remitted_lines), ("posted", len(posted)), ("at the EHR", len(seen.postings)),
        ("different FT1-2", len(ids)),
    )  # fmt: skip
    sound = sum(check["ok"] for check in seen.checks)
    yield _counted("store checks", ("passed", sound), ("made", len(seen.checks)))


def _net(row: dict[str, Any]) -> Decimal:
    amount = Decimal(row["amount"])
    return -amount if row["kind"] == "reversal" else amount


def _counted(name: str, *sides: tuple[str, int]) -> Figure:
    return Figure(name, tuple((side, str(value)) for side, value in sides))


def _dollars(name: str, *sides: tuple[str, Decimal]) -> Figure:
    return Figure(name, tuple((side, money_text(value)) for side, value in sides))
