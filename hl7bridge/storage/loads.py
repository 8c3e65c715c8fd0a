"""Files of messages <-> the loads table: how far each got, in the same transaction as its messages."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.errors import RefusedError
from hl7bridge.storage.database import Store
from hl7bridge.storage.messages import Disposition
from hl7bridge.times import utc_text


class LoadStatus(StrEnum):
    """How a file stands."""

    LOADING = "loading"
    LOADED = "loaded"
    HELD = "held"  # its counts do not agree, and nothing of it was loaded


class FileLoad(NamedTuple):
    """A file that is known by its SHA-256 and the listener whose policy it was given to; ``name`` has no folder.

    ``reason`` says why a file is held; of another, how many of its messages became what.
    """

    id: int
    sha256: str
    listener: str
    name: str
    messages: int
    done: int
    status: str
    reason: str
    started_at: str
    updated_at: str

    @property
    def counts(self) -> Counter[str]:
        """Return how many of its messages became what."""
        parts = [] if self.status == LoadStatus.HELD else self.reason.split(", ")
        return Counter({name: int(count) for count, _, name in (part.partition(" ") for part in parts) if name})


_COLUMNS: Final = ", ".join(FileLoad._fields)


def find_load(store: Store, sha256: str, listener: str) -> FileLoad | None:
    """Return what is known of a file, or None."""
    row = store.row(f"SELECT {_COLUMNS} FROM loads WHERE sha256 = ? AND listener = ?", (sha256, listener))
    return None if row is None else FileLoad(*row)


def put_load(store: Store, load: FileLoad, now: dt.datetime) -> FileLoad:
    """Write a file down as it stands, in the caller's transaction; returns it with its id."""
    at = utc_text(now)
    store.execute(
        "INSERT INTO loads (sha256, listener, name, messages, done, status, reason, started_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256, listener) DO UPDATE SET name = excluded.name,"
        " messages = excluded.messages, done = excluded.done, status = excluded.status, reason = excluded.reason,"
        " updated_at = excluded.updated_at",
        (load.sha256, load.listener, load.name, load.messages, load.done, load.status, load.reason, at, at),
    )
    found = find_load(store, load.sha256, load.listener)
    assert found is not None  # noqa: S101  (for the type checker: it was written a line above)
    return found


def advance_load(store: Store, load: FileLoad, found: Mapping[str, int], now: dt.datetime) -> FileLoad:
    """Count messages of a file as done, in the transaction that stores them; ``found`` is what became of them.

    The last of them makes it loaded. Raises RefusedError when somebody else has gone on with the file meanwhile.
    """
    counts = load.counts + Counter(found)
    done = load.done + sum(found.values())
    status = LoadStatus.LOADED if done == load.messages else LoadStatus.LOADING
    reason = ", ".join(f"{counts[name]} {name}" for name in Disposition if counts[name])
    changed = store.execute(
        "UPDATE loads SET done = ?, status = ?, reason = ?, updated_at = ?"
        " WHERE id = ? AND done = ? AND status = 'loading'",
        (done, status, reason, utc_text(now), load.id, load.done),
    ).rowcount
    if changed != 1:
        raise RefusedError(f"{load.name}: somebody else is loading this file; run this again when they are done")
    return load._replace(done=done, status=status, reason=reason, updated_at=utc_text(now))
