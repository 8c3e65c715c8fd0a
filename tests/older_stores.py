"""Stores as former releases made them."""

from __future__ import annotations

from hl7bridge.storage import database
from hl7bridge.storage.migrations import migrations

KEY = bytes(range(32))


def make_schema_2(path, statements):
    """Make a store of schema 2 with rows: SQL alone, or SQL and its parameters."""
    make_store_before("0003_meaning", path, statements)


def make_store_before(migration, path, statements):
    """Make a store as it was before a migration, with rows."""
    path.touch()
    connection = database.driver.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA key = \"x'{KEY.hex()}'\"")
    connection.execute("PRAGMA cipher_hmac_algorithm = HMAC_SHA256")
    migrations.apply(database.Database(connection), stop_before=migration)
    for statement in statements:
        connection.execute(*((statement,) if isinstance(statement, str) else statement))
    connection.close()
