"""The last sequence number of each sender <-> its table. Source: HL7 v2.5.1 section 2.10.1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hl7bridge.storage.database import Store


class SenderKey(NamedTuple):
    """Whose numbers are counted: a listener, MSH-3.1 and MSH-4.1."""

    listener: str
    application: str
    facility: str


def read_sequence(store: Store, key: SenderKey) -> int | None:
    """Return the number of the last message that was taken in order; None when none is known."""
    row = store.row("SELECT last FROM sequences WHERE listener = ? AND application = ? AND facility = ?", key)
    return None if row is None else int(row[0])


def write_sequences(store: Store, numbers: Iterable[tuple[SenderKey, int | None]]) -> None:
    """Store the last number of each sender; None forgets it."""
    for key, last in numbers:
        if last is None:
            store.execute("DELETE FROM sequences WHERE listener = ? AND application = ? AND facility = ?", key)
        else:
            store.execute(
                "INSERT INTO sequences (listener, application, facility, last) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (listener, application, facility) DO UPDATE SET last = excluded.last",
                (*key, last),
            )
