"""A store that is in memory alone: for what is tried and thrown away, with nothing on any disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlcipher3.dbapi2 as driver

from hl7bridge.storage.database import Store
from hl7bridge.storage.migrations import migrations

_NOWHERE: Final = Path(":memory:")


@contextmanager
def scratch_store() -> Iterator[Store]:
    """Give an empty store with today's schema for the block; it is gone after it."""
    connection = driver.connect(str(_NOWHERE), isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA temp_store = MEMORY")  # a temporary file would hold patients in the clear
        connection.execute("PRAGMA foreign_keys = ON")
        store = Store(connection, _NOWHERE)
        with store.transaction():
            migrations.apply(store.db)
        yield store
    finally:
        connection.close()
