"""Ledger entries <-> their table, which is append-only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState, fold_entries
from hl7bridge.mapping.records import Entry
from hl7bridge.money import from_cents, to_cents
from hl7bridge.storage.accounts import day_of, day_text, update_account
from hl7bridge.storage.database import Row, RowSink, Store

_ENTRY_COLUMNS: Final = (
    "account_id, kind, amount, payer, service_on, posted_on, code, transaction_id, batch_id, source,"
    " message_id, payment_id, recorded_at"
)
_INSERT_ENTRY: Final = f"INSERT INTO entries ({_ENTRY_COLUMNS}) VALUES ({', '.join('?' * 13)})"


class EntryRow(NamedTuple):
    """A stored entry. ``source`` is the sending application|facility, or ``agency:NAME``."""

    id: int
    entry: Entry
    source: str
    message_id: int | None
    payment_id: int | None
    recorded_at: str


def entries_by_transaction(
    store: Store, account_id: int, source: str, transaction_ids: Sequence[str]
) -> dict[tuple[str, str], Entry]:
    """Return stored entries of an account and sender by (FT1-2, FT1-3)."""
    found: dict[tuple[str, str], Entry] = {}
    for transaction_id in set(transaction_ids):
        for row in store.execute(
            "SELECT kind, amount, payer, service_on, posted_on, code, transaction_id, batch_id FROM entries"
            " WHERE account_id = ? AND source = ? AND transaction_id = ?",
            (account_id, source, transaction_id),
        ):
            found[row[6], row[7]] = _entry(row)
    return found


def insert_entries(
    sink: RowSink,
    account_id: int,
    entries: Iterable[Entry],
    *,
    source: str,
    recorded_at: str,
    message_id: int | None = None,
    payment_id: int | None = None,
) -> None:
    """Append entries to the ledger; the totals are the caller's to update in the same transaction."""
    sink.executemany(
        _INSERT_ENTRY,
        [
            (
                account_id, entry.kind, to_cents(entry.amount or Decimal()), entry.payer or "unknown",
                day_text(entry.service_on), day_text(entry.posted_on), _known(entry.code),
                _known(entry.transaction_id), _known(entry.batch_id) or "", source, message_id, payment_id,
                recorded_at,
            )
            for entry in entries
        ],
    )  # fmt: skip


def add_entry(
    store: Store,
    account: AccountState,
    entry: Entry,
    *,
    source: str,
    recorded_at: str,
    due_on: Callable[[AccountState], dt.date | None],
    payment_id: int | None = None,
) -> AccountState:
    """Append one entry, update the account's totals and due day, and return the new state."""
    insert_entries(store, account.id, [entry], source=source, recorded_at=recorded_at, payment_id=payment_id)
    state = fold_entries(account, [entry])
    state = state._replace(due_on=due_on(state))
    update_account(store, state, recorded_at)
    return state


def read_entries(store: Store, account_id: int) -> Iterator[EntryRow]:
    """Return an account's entries in the order they were recorded."""
    for row in store.execute(
        "SELECT id, source, message_id, payment_id, recorded_at, kind, amount, payer, service_on, posted_on, code,"
        " transaction_id, batch_id FROM entries WHERE account_id = ? ORDER BY id",
        (account_id,),
    ):
        yield EntryRow(row[0], _entry(row[5:]), row[1], row[2], row[3], row[4])


def _entry(row: Row) -> Entry:
    day = day_of(row[3])
    return Entry(row[0], from_cents(row[1]), row[2], day, day_of(row[4]), row[5], row[6], row[7])


def _known(value: object) -> str | None:
    return value if isinstance(value, str) else None
