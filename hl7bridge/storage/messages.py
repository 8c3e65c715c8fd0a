"""Received blocks <-> the messages table: one row and one disposition for every block; counts that foot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from hl7bridge.storage.database import Store

SentId = tuple[str, str, str]  # MSH-10, MSH-3.1 and MSH-4.1


class Disposition(StrEnum):
    """What became of a block."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    PARKED = "parked"
    REJECTED = "rejected"
    UNREADABLE = "unreadable"


class MessageRow(NamedTuple):
    """One received block as it is stored. ``content`` has the kept fields; ``raw`` only what could not be read.

    ``patient_id`` is of a message that is about a person and no account.
    """

    id: int
    received_at: str
    listener: str
    sending_application: str
    sending_facility: str
    message_type: str
    trigger_event: str
    control_id: str
    digest: bytes
    disposition: str
    ack_code: str
    reason: str
    mapping: str
    account_id: int | None
    content: str
    raw: bytes | None
    reply: bytes
    patient_id: int | None = None


class Earlier(NamedTuple):
    """A block received before with the same sender and control id."""

    id: int
    digest: bytes
    disposition: str
    ack_code: str
    reason: str
    reply: bytes
    account_id: int | None


_INSERT: Final = (
    f"INSERT INTO messages ({', '.join(MessageRow._fields)}) VALUES ({', '.join('?' * len(MessageRow._fields))})"
)
_EARLIER: Final = (
    "SELECT id, digest, disposition, ack_code, reason, reply, account_id FROM messages"
    " WHERE control_id = ? AND sending_application = ? AND sending_facility = ? AND disposition <> 'duplicate'"
    " AND control_id <> '' ORDER BY id DESC"
)
_OF_IDS: Final = (  # the index named: it is the better one, whatever the planner makes of an order by id
    "SELECT control_id, sending_application, sending_facility, id, digest, disposition, ack_code, reason, reply,"
    " account_id FROM messages INDEXED BY messages_by_control_id WHERE control_id IN"
)
_OF_IDS_REST: Final = " AND disposition <> 'duplicate' AND control_id <> '' ORDER BY id DESC"
_LIST: Final = (
    "SELECT m.id, m.received_at, m.listener, m.sending_application, m.sending_facility, m.message_type,"
    " m.trigger_event, m.control_id, m.disposition, m.ack_code, m.reason, a.number AS account"
    " FROM messages m LEFT JOIN accounts a ON a.id = m.account_id"
)


def next_message_id(store: Store) -> int:
    """Return the id that the next message gets; true until this transaction ends."""
    row = store.row("SELECT coalesce(max(id), 0) + 1 FROM messages")
    return int(row[0]) if row else 1


def last_received(store: Store) -> dt.datetime | None:
    """Return when the last block came in, whatever became of it; None when none ever did."""
    row = store.row("SELECT received_at FROM messages ORDER BY id DESC LIMIT 1")
    return None if row is None else dt.datetime.fromisoformat(row[0])


def insert_messages(store: Store, rows: Sequence[MessageRow]) -> None:
    """Store received blocks."""
    store.insert_all(_INSERT, rows)


def earlier_messages(store: Store, control_id: str, application: str, facility: str) -> list[Earlier]:
    """Return the blocks that a sender sent before with a control id, newest first; duplicates are left out."""
    return [Earlier(*row) for row in store.execute(_EARLIER, (control_id, application, facility))]


def earlier_of_ids(store: Store, control_ids: Iterable[str]) -> dict[SentId, list[Earlier]]:
    """Return what ``earlier_messages`` does for several control ids, by control id and sender."""
    found: dict[SentId, list[Earlier]] = {}
    for row in store.rows_in(_OF_IDS, list(control_ids), _OF_IDS_REST):
        found.setdefault(row[:3], []).append(Earlier(*row[3:]))
    return found


def count(store: Store, counts: Mapping[tuple[str, str], int]) -> None:
    """Add to the counters of listeners; ``(listener, name)`` -> how many more."""
    store.executemany(
        "INSERT INTO counters (listener, name, value) VALUES (?, ?, ?)"
        " ON CONFLICT (listener, name) DO UPDATE SET value = counters.value + excluded.value",
        [(listener, name, value) for (listener, name), value in counts.items()],
    )


def read_counters(store: Store) -> dict[str, dict[str, int]]:
    """Return listener -> counter -> value."""
    counters: dict[str, dict[str, int]] = {}
    for listener, name, value in store.execute("SELECT listener, name, value FROM counters ORDER BY listener, name"):
        counters.setdefault(listener, {})[name] = value
    return counters


def list_messages(
    store: Store, *, disposition: str | None, limit: int, is_waiting: bool = False
) -> Iterator[dict[str, Any]]:
    """Return messages newest first; ``limit`` 0 is all, ``is_waiting`` only those that are parked for a person."""
    conditions = ["m.disposition = ?"] if disposition else []
    parameters: list[Any] = [disposition] if disposition else []
    if is_waiting:
        conditions.append("m.id IN (SELECT message_id FROM parked)")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    limits = " LIMIT ?" if limit else ""
    return store.dicts(f"{_LIST}{where} ORDER BY m.id DESC{limits}", [*parameters, *([limit] if limit else [])])


def read_digest(store: Store, message_id: int) -> bytes | None:
    """Return what tells a stored block's content from others, or None."""
    row = store.row("SELECT digest FROM messages WHERE id = ?", (message_id,))
    return None if row is None else row[0]


def read_message(store: Store, message_id: int) -> MessageRow | None:
    """Return one stored block, or None."""
    row = store.row(f"SELECT {', '.join(MessageRow._fields)} FROM messages WHERE id = ?", (message_id,))
    return None if row is None else MessageRow(*row)
