"""The schema grows by numbered steps, forward only, each applied once; and it is strict about what it holds."""

from __future__ import annotations

import pytest

from hl7bridge.errors import StoreError
from hl7bridge.storage.database import IntegrityError, open_store, schema_version
from hl7bridge.storage.migrations import SCHEMA_VERSION, migrations, statements

KEY = bytes(range(32))


def test_a_store_has_every_migration_and_opening_it_again_changes_nothing(store):
    """Names are numbered from 0001 without a gap, and the newest is the schema's version."""
    names = [migration.name for migration in migrations.applied(store.db)]
    assert [int(name[:4]) for name in names] == list(range(1, SCHEMA_VERSION + 1))
    assert schema_version() == SCHEMA_VERSION
    before = store.rows("SELECT sql FROM sqlite_master ORDER BY name")
    tag = store.row("SELECT value FROM meta WHERE key = 'tag'")
    again = open_store(store.path, KEY)
    assert again.rows("SELECT sql FROM sqlite_master ORDER BY name") == before
    assert again.row("SELECT value FROM meta WHERE key = 'tag'") == tag
    again.close()


def test_every_table_of_ours_is_strict(store):
    """A column holds what it says or the statement fails; only the migrations' own table is not ours."""
    loose = [
        row[0]
        for row in store.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        if "STRICT" not in row[1]
    ]
    assert loose == ["_sqlite_migrations"]
    with pytest.raises(IntegrityError):
        store.execute("INSERT INTO counters (listener, name, value) VALUES ('ehr', 'received', 'many')")


def test_money_is_whole_cents_in_every_table(store):
    """No column that holds dollars has a fraction."""
    for table, column in (
        ("accounts", "charges"),
        ("entries", "amount"),
        ("placements", "balance"),
        ("payments", "amount"),
    ):
        kinds = {row[1]: row[2] for row in store.rows(f"PRAGMA table_info({table})")}
        assert kinds[column] == "INTEGER", table
    assert not [row for row in store.rows("SELECT sql FROM sqlite_master") if row[0] and " REAL" in row[0].upper()]


def test_a_store_of_a_newer_release_is_left_alone(store):
    """An older program says so and touches nothing."""
    store.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('hl7bridge', '9999_later', '2030')"
    )
    with pytest.raises(StoreError, match="newer hl7bridge"):
        open_store(store.path, KEY)


def test_references_are_held(store):
    """A guarantor without an account cannot be."""
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        store.execute("INSERT INTO guarantors (account_id, rank, as_of, message_id) VALUES (9, 1, '', 1)")


def test_a_script_is_cut_at_the_ends_of_its_statements():
    """A semicolon inside a line, as a trigger has, does not end one."""
    assert statements("A (\n x\n);\nB BEGIN y; END;\n\n") == ["A (\n x\n)", "B BEGIN y; END"]
