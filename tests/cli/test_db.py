"""``db verify``: a whole store passes every check; whatever is changed behind the ledger's back is named by its row."""

from __future__ import annotations

import json

import pytest
from bridge_samples import NOW, Bridge, charges, registration

from hl7bridge.assemble import assemble
from hl7bridge.batch import Received
from hl7bridge.cli.common import App
from hl7bridge.pipeline import Pipeline
from hl7bridge.storage import verify
from hl7bridge.storage.database import DatabaseError
from hl7bridge.storage.verify import CHECKS, verify_store

PAYMENT = ("payments", "post", "--agency", "sample", "--account", "5027440", "--date", "2026-01-14")


@pytest.fixture
def bridge(tmp_path):
    """A store in which everything is present: messages, entries, a placement, a file, payments, deliveries."""
    made = Bridge(tmp_path / "d")
    made.receive(registration(), charges(), charges(), b"nonsense")
    made.run("decide", "--as-of", "2026-03-01")
    made.run(*PAYMENT, "--id", "CHK1", "--amount", "100.00")
    made.run(*PAYMENT, "--id", "REV1", "--amount", "30.00", "--kind", "reversal")
    return made


def tamper(bridge, *statements):
    """Change rows as somebody with the key could."""
    with bridge.store() as store:
        store.execute("PRAGMA foreign_keys = OFF")
        for name in ("entries_are_never_changed", "entries_are_never_deleted", "audit_is_never_changed"):
            store.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            store.execute(statement)


def wrong(bridge):
    """Return check -> problems of the checks that failed, having checked the exit code."""
    result = bridge.run("db", "verify", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    found = {row["check"]: row["problems"] for row in rows if not row["ok"]}
    assert result.exit_code == bool(found)
    assert [row["check"] for row in rows] == list(CHECKS)
    return found


def test_a_whole_store_passes_every_check_with_counts(bridge):
    """A line for each."""
    result = bridge.run("db", "verify")
    assert result.exit_code == 0
    lines = [line.split(None, 1) for line in result.stdout.splitlines()[:-1]]
    assert {line[0] for line in lines} == {"ok"}
    assert "accounts      1 accounts, 5 entries" in result.stdout
    assert "messages      4 messages, 1 listeners" in result.stdout
    assert "payments      2 payments" in result.stdout
    assert "agency files  1 files" in result.stdout
    assert result.stdout.endswith("the store is whole\n")


def test_an_empty_store_is_whole(tmp_path):
    """As ``init`` makes it."""
    assert wrong(Bridge(tmp_path / "new")) == {}


@pytest.mark.parametrize(
    ("statement", "check", "problem"),
    [
        ("UPDATE accounts SET payments = payments + 1", "accounts", "account id 1: payments not what its entries"),
        ("UPDATE accounts SET last_payment_on = '2026-01-01'", "accounts", "account id 1: last_payment_on not what"),
        ("DELETE FROM entries WHERE id = 2", "accounts", "payments, insurance_payments not what"),
        ("UPDATE accounts SET status = 'merged'", "identities", "account id 1: merged, merged into None: not as a"),
        ("UPDATE accounts SET merged_into = 1", "identities", "account id 1: open, merged into 1: not as a merge"),
        ("UPDATE identifiers SET target_id = 9 WHERE kind = 'visit'", "identities", "visit leads to row 9, which is"),
        ("UPDATE counters SET value = 9 WHERE name = 'received'", "messages", "listener ehr: received 9, disp"),
        ("DELETE FROM counters WHERE name = 'duplicate'", "messages", "listener ehr: 0 duplicate, and 1 rows"),
        ("DELETE FROM messages WHERE id = 4", "messages", "listener ehr: 1 unreadable, and 0 rows"),
        ("DELETE FROM counters", "messages", "listener ehr: 0 applied, and 2 rows"),
        ("UPDATE accounts SET patient_id = 77", "references", "accounts: row 1 names a row of patients that is not"),
        ("UPDATE guarantors SET account_id = 77", "references", "guarantors: a row names a row of accounts that"),
        ("DELETE FROM entries WHERE payment_id = 1", "payments", "payment 1: no entry in the ledger"),
        ("UPDATE entries SET payment_id = 2 WHERE payment_id = 1", "payments", "payment 1: its entry names payment 2"),
        ("UPDATE entries SET amount = 1 WHERE payment_id = 2", "payments", "payment 2: its entry has another kind"),
        ("UPDATE entries SET payment_id = 9 WHERE id = 1", "payments", "entry 1: its payment is not there"),
        ("UPDATE payments SET status = 'posted' WHERE id = 1", "deliveries", "delivery 1 is queued, and its payment p"),
        ("UPDATE deliveries SET payment_id = NULL WHERE id = 1", "deliveries", "delivery 1 carries no payment"),
        ("DELETE FROM delivery_payments WHERE payment_id = 2", "deliveries", "payment 2 is in no delivery"),
        ("UPDATE placements SET balance = 1", "agency files", "agency file 1: its count or total is not that of"),
        ("UPDATE agency_files SET records = 2", "agency files", "agency file 1: its count or total is not that of"),
        ("UPDATE placements SET snapshot = '{\"a\":\"b\"}'", "agency files", "agency file 1: what was frozen of it"),
        ("UPDATE placements SET snapshot = NULL", "agency files", "agency file 1: what was frozen of it has changed"),
        ("UPDATE audit SET actor = 'nobody' WHERE id = 2", "audit log", "row 2: row 2 is not what was written"),
    ],
)  # fmt: skip
def test_what_was_changed_behind_the_ledgers_back_is_named(bridge, statement, check, problem):
    """By row ids alone; exit 1."""
    tamper(bridge, statement)
    found = wrong(bridge)
    assert any(problem in each for each in found[check]), found


def test_two_open_placements_of_one_account_are_named(bridge):
    """The database holds them to one; should its index be lost, this finds it."""
    columns = "account_id, decision_id, agency, tier, rule, sequence, status, balance, decided_at, updated_at"
    tamper(
        bridge,
        "DROP INDEX placements_open",
        f"INSERT INTO placements ({columns}) SELECT {columns} FROM placements",
    )
    assert wrong(bridge) == {"placements": ["account id 1: 2 open placements"]}


def test_entries_of_an_account_that_is_not_there_are_counted_and_named(bridge):
    """Before, between and after the accounts that are."""
    tamper(
        bridge,
        "UPDATE entries SET account_id = 0 WHERE id = 1",
        "UPDATE entries SET account_id = 9 WHERE id IN (2, 3)",
    )
    found = wrong(bridge)
    assert found["references"] == [
        f"entries: row {each} names a row of accounts that is not there" for each in (1, 2, 3)
    ]
    assert "5 entries" in bridge.run("db", "verify").stdout


def test_an_index_that_disagrees_with_its_table_is_found(bridge):
    """By the database's own check."""
    with bridge.store() as store:
        store.execute("PRAGMA writable_schema = ON")
        store.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'status = ''queued''', 'status = ''sent''')"
            " WHERE name = 'placements_queued'"
        )
    assert "placements_queued" in " ".join(wrong(bridge)["structure"])


def test_a_page_that_was_changed_on_disk_is_found(bridge):
    """Its authentication code does not fit any more; what cannot be read is said and does not end the run."""
    path = bridge.folder / "data" / "hl7bridge.db"
    with bridge.store() as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = store.rows("SELECT rootpage FROM sqlite_master WHERE name = 'messages'")[0][0]
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 + 100] ^= 0xFF
    path.write_bytes(data)
    result = bridge.run("db", "verify")
    assert result.exit_code == 1
    assert "WRONG  pages" in result.stdout
    assert f"page {page}" in result.stdout
    assert "WRONG  messages      cannot be read" in result.stdout
    assert "the store is whole" not in result.stdout
    assert "problems" in result.stderr


def test_a_page_that_is_written_at_this_moment_is_read_again(bridge, monkeypatch):
    """Only what reads badly three times is wrong."""
    with bridge.store() as store:

        class Torn:
            """A store whose pages read badly once."""

            def __init__(self):
                self.reads = 0

            def execute(self, sql, *arguments):
                self.reads += "cipher" in sql
                return [("HMAC verification failed for page 2",)] if self.reads == 1 else store.execute(sql)

            rows = staticmethod(store.rows)

        torn = Torn()
        found, _ = CHECKS["pages"](torn)
        assert (found.wrong, torn.reads) == (0, 2)


def test_only_the_first_problems_of_a_check_are_told_and_all_are_counted(bridge, monkeypatch):
    """A store that is wrong throughout must not fill a terminal."""
    monkeypatch.setattr(verify, "MOST_PROBLEMS", 2)
    tamper(bridge, "DELETE FROM counters")
    result = bridge.run("db", "verify")
    assert "and 1 more" in result.stdout
    assert result.stderr == "3 problems\n"


def test_the_store_is_checked_as_it_stood_at_one_moment_while_the_daemon_writes(bridge):
    """Messages that come in between are not seen, so no count is caught half way."""
    pipeline_setup = assemble(App(bridge.config).settings).setup
    with bridge.store() as reader, bridge.store() as writer:
        checks = verify_store(reader)
        found = [next(checks)]
        pipeline = Pipeline(writer, pipeline_setup)
        for check in checks:
            found.append(check)
            pipeline.receive([Received("ehr", charges(f"N{len(found)}", "5027999"))], NOW)
        assert [check.problems for check in found] == [()] * len(CHECKS)
        assert "4 messages" in {each.name: each for each in found}["messages"].looked_at
    assert wrong(bridge) == {}


def test_a_snapshot_that_the_database_has_ended_itself_is_not_ended_twice(bridge, monkeypatch):
    """An error of the disk undoes the transaction; each check then says that it cannot read."""

    def fail(store):
        store.execute("ROLLBACK")
        raise DatabaseError("disk I/O error")

    monkeypatch.setattr(verify, "CHECKS", {"pages": fail})
    with bridge.store() as store:
        (check,) = verify_store(store)
    assert (check.looked_at, check.wrong, check.problems) == ("cannot be read", 1, ("disk I/O error",))
