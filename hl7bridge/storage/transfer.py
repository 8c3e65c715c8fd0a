"""Entries of one account -> another: each is undone where it stood and copied to where it belongs, and none is changed.

The entry that undoes another has the source ``moved:MESSAGE``, the opposite amount, no id of its own, and names the
other in ``reverses``. A copy has all that the original has, its ids too, so that a resend is recognised. What returns
to an account that it left before cannot have its ids twice there: its source is ``back:MESSAGE`` and it names the entry
that undid it.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.mapping.records import Entry
from hl7bridge.money import from_cents
from hl7bridge.storage.accounts import day_of
from hl7bridge.storage.database import Store

MOVED: Final = "moved:"
BACK: Final = "back:"


class _Row(NamedTuple):
    """A stored entry; ``amount`` in cents."""

    id: int
    kind: str
    amount: int
    payer: str
    service_on: str
    posted_on: str | None
    code: str | None
    transaction_id: str | None
    batch_id: str
    source: str
    message_id: int | None
    payment_id: int | None
    recorded_at: str
    visit_number: str | None
    reverses: int | None


class Transferred(NamedTuple):
    """What to fold into the totals of the account that was left and of the one that got the entries.

    ``alike`` counts entries whose ids the target has for others: they were copied without theirs.
    """

    undone: list[Entry]
    added: list[Entry]
    alike: int


_COLUMNS: Final = ", ".join(_Row._fields)
_READ: Final = f"SELECT {_COLUMNS} FROM entries WHERE account_id = ? ORDER BY id"
_WRITTEN: Final = _Row._fields[1:]
_INSERT: Final = (
    f"INSERT INTO entries (account_id, {', '.join(_WRITTEN)}) VALUES ({', '.join('?' * (len(_WRITTEN) + 1))})"
)


class _Ledger:
    """The entries of one account: which of them count, and which entry each of those was at first."""

    def __init__(self, store: Store, account_id: int) -> None:
        self.rows = [_Row._make(row) for row in store.execute(_READ, (account_id,))]
        self._by_id = {row.id: row for row in self.rows}
        undone = {row.reverses for row in self.rows if row.source.startswith(MOVED)}
        self.live = [row for row in self.rows if row.id not in undone and not row.source.startswith(MOVED)]
        self._undoing = {self.first(row).id: row.id for row in self.rows if row.source.startswith(MOVED)}
        self._counts = {self.first(row).id for row in self.live}
        self._by_key = {
            (row.source, row.transaction_id, row.batch_id): row for row in self.rows if row.transaction_id is not None
        }

    def first(self, row: _Row) -> _Row:
        """Return the entry that a chain of leaving and coming back began with."""
        while row.reverses is not None and row.source.startswith((MOVED, BACK)):
            row = self._by_id[row.reverses]
        return row

    def find_twin(self, row: _Row) -> _Row | None:
        """Return the entry that has the ids of one of another account, if any."""
        return None if row.transaction_id is None else self._by_key.get((row.source, row.transaction_id, row.batch_id))

    def undone_by(self, row: _Row) -> int | None:
        """Return the entry that undoes one of this account; None when it counts."""
        return None if row.id in self._counts else self._undoing[row.id]


def transfer_entries(
    store: Store, source_id: int, target_id: int, *, message_id: int, now: str, visits: Collection[str] | None = None
) -> Transferred:
    """Have the entries of an account, or of some of its visits, count in another; the totals are the caller's.

    An entry that the target has already, by the sender's ids and with the same content, is undone and not copied.
    """
    source, target = _Ledger(store, source_id), _Ledger(store, target_id)
    copies: dict[int, int] = {}
    result = Transferred([], [], 0)
    for row in source.live:
        if visits is not None and row.visit_number not in visits:
            continue
        undoing = row._replace(
            amount=-row.amount, transaction_id=None, batch_id="", source=f"{MOVED}{message_id}", message_id=message_id,
            payment_id=None, recorded_at=now, reverses=row.id,
        )  # fmt: skip
        _insert(store, source_id, undoing)
        result.undone.append(_entry(undoing))
        first = source.first(row)
        twin = target.find_twin(first)
        copy = first._replace(recorded_at=now, reverses=copies.get(first.reverses or 0))
        if twin is not None and _is_alike(twin, first):
            undone_by = target.undone_by(twin)
            if undone_by is None:
                copies[row.id] = twin.id
                continue
            copy = copy._replace(
                transaction_id=None, batch_id="", source=f"{BACK}{message_id}", payment_id=None, reverses=undone_by
            )
        elif twin is not None:
            copy = copy._replace(transaction_id=None)
            result = result._replace(alike=result.alike + 1)
        copies[row.id] = copies[first.id] = _insert(store, target_id, copy)
        result.added.append(_entry(copy))
    return result


def _is_alike(one: _Row, other: _Row) -> bool:
    return (one.kind, one.amount, one.service_on) == (other.kind, other.amount, other.service_on)


def _insert(store: Store, account_id: int, row: _Row) -> int:
    return store.insert(_INSERT, (account_id, *row[1:]))


def _entry(row: _Row) -> Entry:
    amount: Decimal = from_cents(row.amount)
    return Entry(row.kind, amount, row.payer, day_of(row.service_on))
