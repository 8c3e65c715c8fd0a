"""An account's ledger entries -> what of them is news to the agency that has it, and what the agency collected."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from hl7bridge.money import from_cents
from hl7bridge.placement.ledger_news import News
from hl7bridge.storage.accounts import day_of
from hl7bridge.storage.database import Store

# What was moved is written in pairs: the undoing where it stood, then the copy where it belongs (storage.transfer).
_NEWS: Final = (
    "SELECT e.id, e.kind, e.amount, e.payer, e.service_on, e.source, e.message_id, e.payment_id,"
    " e.source GLOB 'moved:*' OR e.source GLOB 'back:*' OR EXISTS (SELECT 1 FROM entries u WHERE u.id = e.id - 1"
    " AND u.source GLOB 'moved:*' AND u.account_id <> e.account_id AND u.amount = -e.amount AND u.kind = e.kind)"
    " FROM entries e WHERE e.account_id = ? AND e.id > ? ORDER BY e.id"
)
_COLLECTED: Final = (
    "SELECT coalesce(sum(CASE kind WHEN 'payment' THEN amount WHEN 'reversal' THEN -amount ELSE 0 END), 0)"
    " FROM payments WHERE account_id = ? AND agency = ?"
)


def read_news(store: Store, account_id: int, after: int, agency: str) -> tuple[News, ...]:
    """Return an account's entries with an id above ``after``, oldest first."""
    own = f"agency:{agency}"
    return tuple(
        News(entry, kind, from_cents(cents), payer, day_of(day), _cause(message_id, payment_id), source == own,
             bool(is_moved))
        for entry, kind, cents, payer, day, source, message_id, payment_id, is_moved in store.execute(
            _NEWS, (account_id, after)
        )
    )  # fmt: skip


def last_entry(store: Store, account_id: int) -> int:
    """Return the id of an account's newest entry, 0 when it has none."""
    return int(store.rows("SELECT coalesce(max(id), 0) FROM entries WHERE account_id = ?", (account_id,))[0][0])


def collected(store: Store, account_id: int, agency: str) -> Decimal:
    """Return what an agency was paid on an account, less what it took back, dollars."""
    return from_cents(store.rows(_COLLECTED, (account_id, agency))[0][0])


def _cause(message_id: int | None, payment_id: int | None) -> str:
    if payment_id is not None:
        return f"payment {payment_id}"
    return "" if message_id is None else f"message {message_id}"
