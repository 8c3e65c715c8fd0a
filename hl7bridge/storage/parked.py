"""Messages that were taken though they could not be applied <-> the table of those that wait for a person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store


class Waiting(NamedTuple):
    """How many messages wait for a person, and since when the oldest does: ISO 8601 UTC, None when none waits."""

    messages: int
    oldest_at: str | None


def park_messages(store: Store, message_ids: Iterable[int], parked_at: str) -> None:
    """Have stored messages wait for a person."""
    store.executemany(
        "INSERT INTO parked (message_id, parked_at) VALUES (?, ?)", [(each, parked_at) for each in message_ids]
    )


def unpark_message(store: Store, message_id: int) -> None:
    """Take a message off the list, and with it those of the same sender, control id and content."""
    store.execute(
        "DELETE FROM parked WHERE message_id IN (SELECT m.id FROM messages AS m JOIN messages AS done"
        " ON m.control_id = done.control_id AND m.sending_application = done.sending_application"
        " AND m.sending_facility = done.sending_facility AND m.digest = done.digest"
        " WHERE done.id = ? AND m.control_id <> '' AND m.disposition <> 'duplicate')",
        (message_id,),
    )


def dismiss_message(store: Store, message_id: int, *, now: dt.datetime, actor: str, reason: str) -> None:
    """Have a message wait no longer, by a person's word. Raises NotFoundError; RefusedError when it does not wait."""
    if not reason.strip():
        raise RefusedError("a reason is needed: say what was done instead")
    if not store.execute("DELETE FROM parked WHERE message_id = ?", (message_id,)).rowcount:
        row = store.row("SELECT disposition FROM messages WHERE id = ?", (message_id,))
        if row is None:
            raise NotFoundError(f"no message {message_id}")
        was = "it was replayed or dismissed already" if row[0] == "parked" else f"it is {row[0]}"
        raise RefusedError(f"message {message_id} does not wait for a person: {was}")
    subject = f"message {message_id}"
    append_audit(store, at=now, actor=actor, action="messages.dismiss", subject=subject, reason=reason.strip())


def count_waiting(store: Store) -> Waiting:
    """Return what waits for a person."""
    return Waiting(*store.rows("SELECT count(*), min(parked_at) FROM parked")[0])
