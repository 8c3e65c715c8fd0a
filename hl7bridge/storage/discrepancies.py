"""What a sender says an account or visit stands at <-> the discrepancies table: open until a later word agrees."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import Balance
from hl7bridge.money import ZERO, from_cents, to_cents
from hl7bridge.storage.database import Store
from hl7bridge.storage.entries import visit_totals
from hl7bridge.storage.identifiers import VISIT, identifiers_of

_COLUMNS: Final = "id, account_id, kind, level, visit_number, ours, theirs, message_id, found_at, resolved_at"
_KINDS: Final = Balance._fields[1:]
_UPDATE: Final = "UPDATE discrepancies SET ours = ?, theirs = ?, message_id = ? WHERE id = ?"
_RESOLVE: Final = "UPDATE discrepancies SET resolved_at = ? WHERE id = ?"
_OPEN: Final = (
    "SELECT kind, id FROM discrepancies WHERE account_id = ? AND level = ? AND visit_number = ? AND resolved_at IS NULL"
)
_INSERT: Final = (
    "INSERT INTO discrepancies (account_id, kind, level, visit_number, ours, theirs, message_id, found_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class Discrepancy(NamedTuple):
    """One figure (balance, charges, adjustments, payments) of which ours is not theirs. Dollars.

    ``level`` is account or visit; ``found_at`` is when it was first seen, ``message_id`` the newest that says so.
    """

    id: int
    account_id: int
    kind: str
    level: str
    visit_number: str
    ours: Decimal
    theirs: Decimal
    message_id: int
    found_at: str
    resolved_at: str | None


def compare_balance(
    store: Store, state: AccountState, told: Balance, visit_number: str | None, *, message_id: int, now: str
) -> None:
    """Store where the sender's figures are not ours, and close what agrees now; inside the caller's transaction.

    A visit is compared by its own entries, and by the account's when the account has no other visit. Where entries of
    several visits are not told apart nothing is compared. The ledger is never changed.
    """
    level = told.level or "account"
    if level == "visit":
        found = None if visit_number is None else _visit_figures(store, state, visit_number)
    else:
        found = (state.charges, state.payments, state.adjustments)
    if found is None:
        return
    charges, payments, adjustments = found
    ours = Balance(level, charges - payments - adjustments, charges, adjustments, payments)
    visit = visit_number or "" if level == "visit" else ""
    known = {row[0]: row[1] for row in store.rows(_OPEN, (state.id, level, visit))}
    for kind, mine, theirs in zip(_KINDS, ours[1:], told[1:], strict=True):
        if not isinstance(theirs, Decimal) or not isinstance(mine, Decimal):
            continue
        if mine == theirs:
            if kind in known:
                store.execute(_RESOLVE, (now, known[kind]))
        elif kind in known:
            store.execute(_UPDATE, (to_cents(mine), to_cents(theirs), message_id, known[kind]))
        else:
            store.execute(_INSERT, (state.id, kind, level, visit, to_cents(mine), to_cents(theirs), message_id, now))


def _visit_figures(store: Store, state: AccountState, visit_number: str) -> tuple[Decimal, Decimal, Decimal] | None:
    """Return charges, payments and adjustments of a visit; None when its entries cannot be told from others'."""
    visits = {each.number for each in identifiers_of(store, VISIT, state.id)} | {state.visit_number}
    if visits <= {visit_number, None} and not state.moved_visits:
        return state.charges, state.payments, state.adjustments
    if visit_totals(store, state.id, None):
        return None
    sums = visit_totals(store, state.id, visit_number)
    charges = sums.get("CG", ZERO)
    return charges, sums.get("PY", ZERO) + sums.get("CO", ZERO), sums.get("AJ", ZERO) + sums.get("CD", ZERO)


def discrepancies_of(store: Store, account_id: int) -> list[Discrepancy]:
    """Return all discrepancies that an account ever had, in the order they were found."""
    rows = store.execute(f"SELECT {_COLUMNS} FROM discrepancies WHERE account_id = ? ORDER BY id", (account_id,))
    return [Discrepancy._make((*row[:5], from_cents(row[5]), from_cents(row[6]), *row[7:])) for row in rows]


def count_open(store: Store) -> int:
    """Return how many discrepancies are open."""
    return int(store.rows("SELECT count(*) FROM discrepancies WHERE resolved_at IS NULL")[0][0])
