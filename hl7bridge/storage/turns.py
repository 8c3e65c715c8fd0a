"""A long job's transactions among those of others: a gap after each, in which whoever waits for the lock gets it."""

from __future__ import annotations

import time
from typing import Final

from hl7bridge.storage.database import Store

_NOBODY_WRITES: Final = 0.002  # seconds: long enough to be seen by whoever waits
_OTHERS_WRITE: Final = 0.012


class Turns:
    """One long job's transactions among those of others: between two of them it lets the others write.

    It waits longer while others do write, so that it takes a part of the time that is left, not half of all.
    """

    def __init__(self, store: Store, pause: float = _OTHERS_WRITE) -> None:
        self._store = store
        self._pause = pause  # seconds, while others write
        self._version = self._read_version()

    def give_way(self) -> None:
        """Wait, for whoever wants to write."""
        version = self._read_version()
        time.sleep(_NOBODY_WRITES if version == self._version else self._pause)
        self._version = version

    def _read_version(self) -> int:
        """Return a number that changes when another connection has written. Source: SQLite, PRAGMA data_version."""
        return int(self._store.rows("PRAGMA data_version")[0][0])
