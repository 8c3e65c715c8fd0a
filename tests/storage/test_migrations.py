"""The schema grows by numbered steps, forward only, each applied once; and it is strict about what it holds."""

from __future__ import annotations

import pytest
from feed_samples import Feed, adt, dft, gt1, in1
from older_stores import KEY, make_schema_2

from hl7bridge.errors import StoreError
from hl7bridge.storage.accounts import find_account, read_coverages, read_guarantors, read_patient
from hl7bridge.storage.database import IntegrityError, open_store, schema_version
from hl7bridge.storage.entries import read_entries
from hl7bridge.storage.migrations import SCHEMA_VERSION, migrations, statements
from hl7bridge.storage.verify import verify_store


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


ROWS_OF_SCHEMA_2 = (
    (
        "INSERT INTO patients (id, facility, number, authority, family_name, as_of, message_id)"
        " VALUES (1, 'NORTHGATE', 'TMRN1', 'HOSP', 'TESTPATIENT', '20261101080000.000000 ', 1)"
    ),
    (
        "INSERT INTO accounts (id, facility, number, status, pid_18, patient_id, charges, payments, adjustments,"
        " insurance_payments, first_service_on, last_service_on, as_of, message_id, created_at, updated_at) VALUES"
        " (1, 'NORTHGATE', 'TACC1', 'open', 'TACC1', 1, 10000, 0, 0, 0, '2026-01-05', '2026-01-05',"
        " '20261101080000.000000 ', 1, '', '')"
    ),
    (
        "INSERT INTO guarantors (account_id, rank, number, city, as_of, message_id)"
        " VALUES (1, 1, 'TGUA1', 'TESTVILLE', '20261101080000.000000 ', 1)"
    ),
    (
        "INSERT INTO coverages (account_id, rank, plan, company, plan_type, as_of, message_id)"
        " VALUES (1, 1, 'PLAN1', '00001', 'HMO', '20261101080000.000000 ', 1)"
    ),
    (
        "INSERT INTO entries (account_id, kind, amount, payer, service_on, transaction_id, batch_id, source,"
        " message_id, recorded_at) VALUES (1, 'CG', 10000, 'unknown', '2026-01-05', 'TTX1', '', 'REG|NORTHGATE', 1, '')"
    ),
    (
        "INSERT INTO messages (id, received_at, listener, sending_application, sending_facility, message_type,"
        " trigger_event, control_id, digest, disposition, ack_code, reason, mapping, account_id, content, reply)"
        " VALUES (1, '', 'ehr', 'REG', 'NORTHGATE', 'DFT', 'P03', 'D0', x'00', 'applied', 'AA', '', 'g', 1, '', x'')"
    ),
    "INSERT INTO counters (listener, name, value) VALUES ('ehr', 'received', 1), ('ehr', 'applied', 1)",
)


def test_a_store_of_the_release_before_is_taken_over_with_all_its_rows(tmp_path):
    """Nothing is lost, resends are still recognised, and messages go on where they stopped."""
    make_schema_2(tmp_path / "a.db", ROWS_OF_SCHEMA_2)
    store = open_store(tmp_path / "a.db", KEY)
    account = find_account(store, "TACC1")
    assert (account.balance, account.authority, account.merged_into, account.field_times) == (100, "", None, "")
    assert read_patient(store, 1).deleted is None
    assert [(each.visit_number, each.reverses) for each in read_entries(store, 1)] == [(None, None)]
    feed = Feed(store)
    late = adt("A1", gt1(f36="EN"), in1(), m7="20261001080000")
    feed.take(dft("D1"), late, adt("A2", gt1(f5=""), in1()))
    assert find_account(store, "TACC1").balance == 100
    ((guarantor,), (coverage,)) = read_guarantors(store, 1), read_coverages(store, 1)
    assert (guarantor.city, guarantor.language, coverage.plan_type) == ("TESTVILLE", "EN", "HMO")
    feed.check_footing()
    assert [check.problems for check in verify_store(store) if check.wrong] == []
    store.close()


def test_a_store_that_was_just_made_is_opened_again_so_that_no_statement_is_compiled_twice(store, tmp_path):
    """A connection that altered tables is slow for the rest of its life: the one in use did not."""
    made = open_store(tmp_path / "new.db", KEY, create=True)
    assert made.connection.total_changes == 0
    made.close()


def test_a_script_is_cut_at_the_ends_of_its_statements():
    """A semicolon inside a line, as a trigger has, does not end one."""
    assert statements("A (\n x\n);\nB BEGIN y; END;\n\n") == ["A (\n x\n)", "B BEGIN y; END"]
