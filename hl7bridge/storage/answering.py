"""What an agency's record names -> the placement it is about, or why none is; and what the agency tells of that one."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.money import from_cents, to_cents
from hl7bridge.placement.state import OPEN, Status
from hl7bridge.storage.database import Row, Store
from hl7bridge.storage.placements import decode_snapshot
from hl7bridge.storage.signals import DUE_AT_ONCE
from hl7bridge.storage.tellings import merged_accounts

_SELECT: Final = (
    "SELECT p.id, p.account_id, a.number, a.facility, p.agency, p.status, p.balance,"
    " a.charges - a.payments - a.adjustments, p.acknowledged_at, coalesce(p.agency_account, ''), p.recall_by,"
    " p.snapshot FROM placements p JOIN accounts a ON a.id = p.account_id"
)
# The account of a number, and what it was merged into: the placement goes with the account that is left.
_BY_NUMBER: Final = f"""
WITH RECURSIVE named (id) AS (
  SELECT id FROM accounts WHERE number = ?
  UNION SELECT a.merged_into FROM accounts a JOIN named n ON a.id = n.id WHERE a.merged_into IS NOT NULL
)
{_SELECT} WHERE p.account_id IN (SELECT id FROM named) AND p.agency = ? AND p.sent_at IS NOT NULL ORDER BY p.id DESC
"""


class Answered(NamedTuple):
    """The placement that an agency's record is about. Money is dollars; ``owed`` is the ledger's balance now."""

    id: int
    account_id: int
    account: str
    facility: str
    agency: str
    status: Status
    sent: Decimal
    owed: Decimal
    acknowledged_at: str | None
    agency_account: str
    recall_by: str | None


def find_answered(store: Store, agency: str, placement_id: int | None, account: str) -> Answered | str:
    """Return the placement that this agency means by a placement's number, an account's, or both; or why none is it."""
    if placement_id is None:
        return _by_account(store, agency, account)
    row = store.row(f"{_SELECT} WHERE p.id = ? AND p.agency = ? AND p.sent_at IS NOT NULL", (placement_id, agency))
    if row is None:
        return "no placement of that number was sent to this agency"
    found = _answered(row)
    if account not in {"", found.account} and account not in _numbers(store, found, row[-1]):
        return "the placement of that number is of another account"
    return found


def sent_to(store: Store, agency: str) -> set[int]:
    """Return every placement that was sent to an agency."""
    return {
        row[0] for row in store.execute("SELECT id FROM placements WHERE agency = ? AND sent_at IS NOT NULL", (agency,))
    }


def find_notice(store: Store, agency: str, notice_id: int) -> Answered | str:
    """Return the placement of a notice that was sent to this agency."""
    row = store.row(
        f"{_SELECT} WHERE p.id = (SELECT placement_id FROM notices WHERE id = ? AND agency = ?"
        " AND sent_at IS NOT NULL)",
        (notice_id, agency),
    )
    return "no notice of that number was sent to this agency" if row is None else _answered(row)


def sent_of_kind(store: Store, placement_id: int, kind: str) -> list[tuple[int, bool]]:
    """Return the notices of a kind that an agency was sent of a placement, oldest first, and which it acknowledged."""
    rows = store.rows(
        "SELECT id, acknowledged_at IS NOT NULL FROM notices WHERE placement_id = ? AND kind = ?"
        " AND sent_at IS NOT NULL ORDER BY id",
        (placement_id, kind),
    )
    return [(row[0], bool(row[1])) for row in rows]


def _by_account(store: Store, agency: str, account: str) -> Answered | str:
    rows = list(map(_answered, store.rows(_BY_NUMBER, (account, agency))))
    if not rows:
        return "no placement of that account was sent to this agency"
    if len({each.account_id for each in rows}) > 1:
        return "accounts of several facilities have that number, and the placement's is not given"
    return next((each for each in rows if each.status in OPEN), rows[0])


def _numbers(store: Store, found: Answered, snapshot: str | None) -> set[str]:
    """Return every number under which an agency may know an account: its own, those merged into it, the one sent."""
    accounts = merged_accounts(store, found.account_id)
    marks = ", ".join("?" * len(accounts))
    numbers = {row[0] for row in store.execute(f"SELECT number FROM accounts WHERE id IN ({marks})", accounts)}
    sent = decode_snapshot(snapshot).get("client_account", "") if snapshot else ""
    return numbers | {sent}


def note_acknowledged(
    store: Store, placement_id: int, *, agency_account: str, balance: Decimal | None, at: str
) -> None:
    """Keep what an agency said when it took a placement; inside the caller's transaction."""
    store.execute(
        "UPDATE placements SET acknowledged_at = ?, acknowledged_balance = coalesce(?, balance),"
        " agency_account = ? WHERE id = ?",
        (at, None if balance is None else to_cents(balance), agency_account or None, placement_id),
    )


def note_agency_account(store: Store, placement_id: int, agency_account: str) -> None:
    """Keep an agency's own number of an account when it tells it late or anew; inside the caller's transaction."""
    store.execute("UPDATE placements SET agency_account = ? WHERE id = ?", (agency_account, placement_id))


def set_recall_by(store: Store, placement_id: int, at: str) -> None:
    """Keep until when a recall has to be over; inside the caller's transaction."""
    store.execute("UPDATE placements SET recall_by = ? WHERE id = ?", (at, placement_id))


def make_due(store: Store, account_id: int) -> None:
    """Have the next decisions look at an account whose placement has ended; inside the caller's transaction."""
    store.execute("UPDATE accounts SET due_on = ? WHERE id = ? AND status = 'open'", (DUE_AT_ONCE, account_id))


def has_open_exception(store: Store, kind: str, account_id: int) -> bool:
    """Return whether an exception of a kind waits for a person, of an account."""
    row = store.row(
        "SELECT 1 FROM exceptions WHERE kind = ? AND account_id = ? AND closed_at IS NULL", (kind, account_id)
    )
    return row is not None


def _answered(row: Row) -> Answered:
    return Answered._make((*row[:5], Status(row[5]), from_cents(row[6]), from_cents(row[7]), *row[8:11]))
