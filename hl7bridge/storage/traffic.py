"""The messages table -> kept messages in the order in which they came, and those that belong to accounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from hl7bridge.storage.database import Store

CHUNK: Final = 500  # rows a read: none stays open, or the daemon could not fold its log into the store meanwhile
_COLUMNS: Final = "id, received_at, listener, account_id, patient_id, content, raw, reason"
_FROM: Final = f"SELECT {_COLUMNS} FROM messages WHERE disposition <> 'duplicate'"
# What the listener says of bytes that never were a whole message: nothing of them was kept that could be read again.
_CUT: Final = ("the block was cut short", "bytes outside a block")
_HEAD_ONLY: Final = "this listener takes at most"


class KeptMessage(NamedTuple):
    """One message as it was kept: its text, or the bytes of one that could not be read (then ``text`` is "").

    ``account_id`` and ``patient_id`` are what it was applied to.
    """

    id: int
    received_at: str
    listener: str
    account_id: int | None
    patient_id: int | None
    text: str
    raw: bytes | None
    reason: str

    @property
    def is_whole(self) -> bool:
        """Return whether these bytes were a message, as far as the listener could tell."""
        return self.raw is None or not (self.reason.endswith(_CUT) or _HEAD_ONLY in self.reason)

    @property
    def is_header_only(self) -> bool:
        """Return whether no more than MSH was kept: no mapping named its event when it came."""
        return self.raw is None and "\r" not in self.text


def first_since(store: Store, since: str) -> int:
    """Return the id of the first message received at or after a time, as ``utc_text`` has it; found by halving."""
    row = store.row("SELECT coalesce(max(id), 0) FROM messages")
    low, high = 1, (int(row[0]) if row else 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = store.row("SELECT received_at FROM messages WHERE id >= ? ORDER BY id LIMIT 1", (middle,))
        if found is not None and found[0] < since:
            low = middle + 1
        else:
            high = middle
    return low


def count_from(store: Store, first: int) -> int:
    """Return how many ids there are from one on: how far a reader may have to go."""
    row = store.row("SELECT coalesce(max(id), 0) FROM messages")
    return max(0, (int(row[0]) if row else 0) + 1 - first)


def read_traffic(store: Store, first: int) -> Iterator[KeptMessage]:
    """Return what is kept of messages from an id on, oldest first; what repeats an earlier message is left out."""
    while True:
        rows = store.rows(f"{_FROM} AND id >= ? ORDER BY id LIMIT ?", (first, CHUNK))
        for row in rows:
            yield KeptMessage(*row)
        if len(rows) < CHUNK:
            return
        first = rows[-1][0] + 1


def messages_of(
    store: Store, accounts: Iterable[int], patients: Iterable[int], others: Iterable[int]
) -> list[KeptMessage]:
    """Return all messages of accounts, those that told of patients alone, and others by their id; oldest first."""
    found: dict[int, KeptMessage] = {}
    asked = [("account_id = ?", each) for each in accounts]
    asked += [("account_id IS NULL AND patient_id = ?", each) for each in patients]
    asked += [("id = ?", each) for each in others]
    for where, value in asked:
        for row in store.rows(f"{_FROM} AND {where}", (value,)):
            found[row[0]] = KeptMessage(*row)
    return [found[each] for each in sorted(found)]


def accounts_by_number(store: Store, facility: str, number: str) -> set[int]:
    """Return the accounts that a number leads to: their own, one they had, or that of a visit."""
    found = store.rows("SELECT id FROM accounts WHERE number = ? AND facility = ?", (number, facility))
    found += store.rows(
        "SELECT target_id FROM identifiers WHERE kind IN ('account', 'visit', 'alternate_visit')"
        " AND number = ? AND facility = ?",
        (number, facility),
    )
    return {row[0] for row in found}


def patients_by_number(store: Store, facility: str, number: str) -> set[int]:
    """Return the patients that a number leads to."""
    found = store.rows("SELECT id FROM patients WHERE number = ? AND facility = ?", (number, facility))
    found += store.rows(
        "SELECT target_id FROM identifiers WHERE kind = 'patient' AND number = ? AND facility = ?", (number, facility)
    )
    return {row[0] for row in found}


def patient_of(store: Store, account_id: int) -> int | None:
    """Return the patient of an account."""
    row = store.row("SELECT patient_id FROM accounts WHERE id = ?", (account_id,))
    return row[0] if row else None


def accounts_of_patient(store: Store, patient_id: int) -> list[int]:
    """Return the accounts of a patient."""
    return [row[0] for row in store.rows("SELECT id FROM accounts WHERE patient_id = ?", (patient_id,))]


def merged_with(store: Store, account_id: int) -> set[int]:
    """Return the account that one was merged into, and those that were merged into it."""
    found = store.rows("SELECT merged_into FROM accounts WHERE id = ? AND merged_into IS NOT NULL", (account_id,))
    found += store.rows(
        "SELECT a.id FROM identifiers i JOIN accounts a ON a.number = i.number AND a.facility = i.facility"
        " WHERE i.target_id = ? AND i.kind = 'account'",
        (account_id,),
    )
    return {row[0] for row in found}


def owing_accounts(store: Store) -> Iterator[int]:
    """Return the open accounts that owe and are not placed: those that a run of decisions may place."""
    last = 0
    while True:
        rows = store.rows(
            "SELECT id FROM accounts WHERE id > ? AND status = 'open' AND charges - payments - adjustments > 0"
            " ORDER BY id LIMIT ?",
            (last, CHUNK),
        )
        yield from (row[0] for row in rows)
        if len(rows) < CHUNK:
            return
        last = rows[-1][0]
