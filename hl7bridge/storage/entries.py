"""Ledger entries <-> their table, which is append-only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from hl7bridge.ledger.account import AccountState, fold_entries
from hl7bridge.mapping.records import Entry
from hl7bridge.money import from_cents, to_cents
from hl7bridge.storage.accounts import day_of, day_text, update_account
from hl7bridge.storage.database import Row, RowSink, Store

_ENTRY_COLUMNS: Final = (
    "account_id, kind, amount, payer, service_on, posted_on, code, transaction_id, batch_id, source,"
    " message_id, payment_id, recorded_at, visit_number, reverses"
)
_INSERT_ENTRY: Final = f"INSERT INTO entries ({_ENTRY_COLUMNS}) VALUES ({', '.join('?' * 15)})"
_MANY: Final = 50  # ids to a statement; a message of more takes several
_BY_TRANSACTION: Final = (
    "SELECT kind, amount, payer, service_on, posted_on, code, transaction_id, batch_id FROM entries"
    " WHERE account_id = ? AND source = ? AND transaction_id IN"
)
_HAS_REVERSAL: Final = "SELECT 1 FROM entries WHERE account_id = ? AND amount < 0 LIMIT 1"
# The other half of a sender's reversal: named by its id, or the same in type, code and date; half of no other pair.
_COUNTERPART: Final = (
    "SELECT id FROM entries e WHERE account_id = ? AND source = ? AND kind = ? AND amount = ?"
    " AND (transaction_id = ? OR (service_on = ? AND code IS ?)) AND reverses IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM entries r WHERE r.reverses = e.id)"
    " ORDER BY transaction_id IS NOT ?, id LIMIT 1"
)
_BY_KIND: Final = (
    "SELECT kind, coalesce(sum(amount), 0) FROM entries WHERE account_id = ? AND visit_number IS ? GROUP BY kind"
)


class EntryRow(NamedTuple):
    """A stored entry. ``source`` is the sending application|facility, ``agency:NAME`` or ``moved:MESSAGE``.

    ``reverses`` is the other half of a reversal: of the two the negative one takes the other back.
    """

    id: int
    entry: Entry
    source: str
    message_id: int | None
    payment_id: int | None
    recorded_at: str
    visit_number: str | None = None
    reverses: int | None = None


def entries_by_transaction(
    store: Store, account_id: int, source: str, transaction_ids: Sequence[str]
) -> dict[tuple[str, str], Entry]:
    """Return stored entries of an account and sender by (FT1-2, FT1-3)."""
    found: dict[tuple[str, str], Entry] = {}
    for at in range(0, len(transaction_ids), _MANY):
        ids = transaction_ids[at : at + _MANY]
        for row in store.rows(f"{_BY_TRANSACTION} ({', '.join('?' * len(ids))})", (account_id, source, *ids)):
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
    visit_number: str | None = None,
) -> None:
    """Append entries to the ledger; the totals are the caller's to update in the same transaction."""
    told = (source, message_id, payment_id, recorded_at, visit_number, None)
    sink.executemany(_INSERT_ENTRY, [(account_id, *_values(entry), *told) for entry in entries])


def has_reversal(store: Store, account_id: int) -> bool:
    """Return whether an account has an entry of less than zero, to which one that comes late may belong."""
    return store.row(_HAS_REVERSAL, (account_id,)) is not None


def pair_entries(
    store: Store,
    account_id: int,
    entries: Iterable[Entry],
    *,
    source: str,
    recorded_at: str,
    message_id: int,
    visit_number: str | None,
) -> None:
    """Append entries as ``insert_entries`` does, each with the other half of its reversal, if that is there."""
    told = (source, message_id, None, recorded_at, visit_number)
    for entry in entries:
        values = _values(entry)
        kind, amount, _, service_on, _, code, transaction_id, _ = values
        wanted = (account_id, source, kind, -amount, transaction_id, service_on, code, transaction_id)
        found = store.row(_COUNTERPART, wanted) if amount else None
        store.insert(_INSERT_ENTRY, (account_id, *values, *told, None if found is None else found[0]))


def visit_totals(store: Store, account_id: int, visit_number: str | None) -> dict[str, Decimal]:
    """Return an account's dollars by type of entry for one visit; None: for entries that no visit is known of."""
    return {kind: from_cents(cents) for kind, cents in store.execute(_BY_KIND, (account_id, visit_number))}


def _values(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.kind, to_cents(entry.amount or Decimal()), entry.payer or "unknown", day_text(entry.service_on),
        day_text(entry.posted_on), _known(entry.code), _known(entry.transaction_id), _known(entry.batch_id) or "",
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
        " transaction_id, batch_id, visit_number, reverses FROM entries WHERE account_id = ? ORDER BY id",
        (account_id,),
    ):
        yield EntryRow(row[0], _entry(row[5:]), *row[1:5], *row[13:])


def _entry(row: Row) -> Entry:
    day = day_of(row[3])
    return Entry(row[0], from_cents(row[1]), row[2], day, day_of(row[4]), row[5], row[6], row[7])


def _known(value: object) -> str | None:
    return value if isinstance(value, str) else None
