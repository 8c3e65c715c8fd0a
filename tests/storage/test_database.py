"""The encrypted store: who can open it, what a transaction promises, and what the schema itself refuses."""

from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hl7bridge.errors import StoreError
from hl7bridge.storage import database
from hl7bridge.storage.database import (
    DatabaseError,
    IntegrityError,
    new_key,
    open_store,
    read_key,
    schema_version,
)
from hl7bridge.storage.migrations import statements

KEY = bytes(range(32))
ACCOUNT = (
    "INSERT INTO accounts (id, facility, number, status, charges, payments, adjustments, insurance_payments, as_of,"
    " message_id, created_at, updated_at) VALUES (1, 'NORTHGATE', '42', 'open', 0, 0, 0, 0, '', 1, '', '')"
)


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "data" / "a.db", KEY, create=True)
    yield store
    store.close()


def put(store, key, value="1"):
    store.execute("INSERT INTO meta (key, value) VALUES (?, ?)", (key, value))


def put_and_fail(store, key, and_then="SELECT 1"):
    put(store, key)
    store.execute(and_then)
    raise KeyError


def put_account_of_nobody(store):
    store.execute("PRAGMA defer_foreign_keys = ON")
    store.execute(ACCOUNT)
    store.execute("UPDATE accounts SET patient_id = 99")


def test_a_store_is_made_when_asked_with_its_folder_and_nobody_else_can_read_it(store):
    """Both folder and file are the owner's alone."""
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


def test_a_missing_store_is_an_error_that_says_what_makes_one(tmp_path):
    """Opening never makes a store by accident."""
    with pytest.raises(StoreError, match=r"there is no store here.*hl7bridge init"):
        open_store(tmp_path / "a.db", KEY)
    assert not (tmp_path / "a.db").exists()


def test_the_wrong_key_is_one_clear_line(store):
    """The line names the file and never the key."""
    with pytest.raises(StoreError, match="the key does not open this store") as raised:
        open_store(store.path, bytes(32))
    assert "\n" not in str(raised.value)
    assert "00000000" not in str(raised.value)


def test_a_path_that_cannot_be_a_store_is_one_clear_line(tmp_path):
    """A folder in the place of the file."""
    with pytest.raises(StoreError, match="cannot open the store"):
        open_store(tmp_path, KEY)


def test_nothing_written_can_be_read_in_the_files(store):
    """Database and log are encrypted: a name that is stored is in neither."""
    with store.transaction():
        put(store, "name", "TESTPATIENT^AURELIA")
    for file in store.path.parent.iterdir():
        content = file.read_bytes()
        assert b"AURELIA" not in content
        assert b"SQLite format" not in content


def test_a_store_has_a_tag_that_stays(store):
    """Outbound identifiers are made with it, so it never changes."""
    (tag,) = store.row("SELECT value FROM meta WHERE key = 'tag'")
    assert len(tag) == 4
    again = open_store(store.path, KEY)
    assert again.row("SELECT value FROM meta WHERE key = 'tag'") == (tag,)
    again.close()


def test_a_store_that_many_open_at_once_is_made_once(tmp_path):
    """Daemon and commands may start together on a machine that has no store yet."""
    together = threading.Barrier(4)

    def make(path):
        together.wait()
        store = open_store(path, KEY, create=True)
        tag = store.row("SELECT value FROM meta WHERE key = 'tag'")
        store.close()
        return tag

    with ThreadPoolExecutor(4) as pool:
        for number in range(5):
            assert len(set(pool.map(make, [tmp_path / f"{number}.db"] * 4))) == 1


def test_the_store_is_durable_and_checks_references(store):
    """WAL with synchronous=FULL (2): what is committed is on disk; foreign keys are on."""
    assert store.row("PRAGMA journal_mode") == ("wal",)
    assert store.row("PRAGMA synchronous") == (2,)
    assert store.row("PRAGMA foreign_keys") == (1,)
    assert store.row("PRAGMA temp_store") == (2,)


def test_a_transaction_writes_all_or_nothing(store):
    """An exception inside the block undoes what the block wrote, and goes on its way."""
    with store.transaction():
        put(store, "a")
    with pytest.raises(KeyError), store.transaction():
        put_and_fail(store, "b")
    assert store.rows("SELECT key FROM meta WHERE key IN ('a', 'b')") == [("a",)]


def test_a_transaction_that_the_database_ended_itself_raises_what_ended_it(store):
    """Some failures (a full disk) roll back on their own; the first error is the one that is seen."""
    with pytest.raises(KeyError), store.transaction():
        put_and_fail(store, "a", and_then="ROLLBACK")
    assert store.row("SELECT 1 FROM meta WHERE key = 'a'") is None


def test_a_commit_that_fails_is_undone_and_said(store):
    """A reference that is left dangling is found at the commit."""
    with pytest.raises(StoreError, match="cannot write: FOREIGN KEY"), store.transaction():
        put_account_of_nobody(store)
    assert store.row("SELECT 1 FROM accounts") is None
    assert not store.connection.in_transaction


def test_a_commit_outside_any_transaction_is_said(store):
    """What committed behind the block's back is not undone, and does not go unnoticed."""
    with pytest.raises(StoreError, match="cannot write"), store.transaction():
        store.execute("COMMIT")


def test_a_writer_waits_for_another_and_then_goes_on(store):
    """Two processes use one store: the second waits its turn."""
    store.execute("PRAGMA busy_timeout = 0")  # the driver gives up at once; the store does not
    other = open_store(store.path, KEY)
    begun, release = threading.Event(), threading.Event()

    def hold():
        with other.transaction():
            begun.set()
            release.wait(10)
            put(other, "first")

    holder = threading.Thread(target=hold)
    holder.start()
    begun.wait(10)
    threading.Timer(0.05, release.set).start()
    with store.transaction():
        assert store.row("SELECT 1 FROM meta WHERE key = 'first'") == (1,)
    holder.join()
    other.close()


def test_a_writer_that_waits_too_long_says_so(store, monkeypatch):
    """No wait is for ever."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.0)
    store.execute("PRAGMA busy_timeout = 0")
    other = open_store(store.path, KEY)
    with other.transaction(), pytest.raises(StoreError, match="cannot write: database is locked"), store.transaction():
        pass
    other.close()


def test_a_savepoint_undoes_only_its_own(store):
    """One bad message of a batch leaves the others."""
    with store.transaction():
        put(store, "a")
        with pytest.raises(KeyError), store.savepoint():
            put_and_fail(store, "b")
        with store.savepoint():
            put(store, "c")
    assert store.rows("SELECT key FROM meta WHERE key IN ('a', 'b', 'c') ORDER BY key") == [("a",), ("c",)]


def test_a_savepoint_whose_transaction_is_gone_raises_what_ended_it(store):
    """As in a transaction: the first error is the one that is seen."""
    with pytest.raises(KeyError), store.transaction(), store.savepoint():
        put_and_fail(store, "a", and_then="ROLLBACK")


def test_rows_come_as_tuples_or_by_name(store):
    """One, all, or each as a dict."""
    with store.transaction():
        put(store, "a", "x")
    assert store.row("SELECT value FROM meta WHERE key = ?", ("a",)) == ("x",)
    assert store.row("SELECT value FROM meta WHERE key = 'none'") is None
    assert list(store.dicts("SELECT key, value FROM meta WHERE key = ?", ("a",))) == [{"key": "a", "value": "x"}]


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE entries SET amount = 1", "append-only"),
        ("DELETE FROM entries", "append-only"),
        ("UPDATE accounts SET charges = 'many'", "cannot store TEXT"),
        ("UPDATE accounts SET status = 'lost'", "CHECK"),
        ("UPDATE accounts SET patient_id = 9", "FOREIGN KEY"),
    ],
)
def test_the_schema_itself_keeps_the_ledger_whole(store, statement, refusal):
    """No program error can change an entry, or put a word where cents belong."""
    with store.transaction():
        store.execute(ACCOUNT)
        store.execute(
            "INSERT INTO entries (account_id, kind, amount, payer, service_on, batch_id, source, recorded_at)"
            " VALUES (1, 'CG', 100, 'unknown', '2026-01-01', '', 'test', '')"
        )
    with pytest.raises(IntegrityError, match=refusal), store.transaction():
        store.execute(statement)


def test_an_account_has_at_most_one_open_placement(store):
    """Held by the database, whatever the program does."""
    insert = (
        "INSERT INTO placements (account_id, decision_id, agency, tier, rule, sequence, status, balance, decided_at,"
        " updated_at) VALUES (1, 1, 'sample', 'primary', 'aged', 1, ?, 100, '', '')"
    )
    with store.transaction():
        store.execute(ACCOUNT)
        store.execute(
            "INSERT INTO decisions (id, account_id, as_of, decided_at, rules_version, eligible, balance, reasons)"
            " VALUES (1, 1, '', '', '', 1, 100, '[]')"
        )
        store.execute(insert, ("returned",))
        store.execute(insert, ("queued",))
    with pytest.raises(DatabaseError, match="UNIQUE"), store.transaction():
        store.execute(insert, ("review",))


def test_a_key_file_holds_hexadecimal_digits_or_raw_bytes(tmp_path):
    """What init writes, and what a credential store may hand over."""
    file = tmp_path / "store.key"
    text = new_key()
    file.write_text(f"{text}\n")
    assert read_key(file) == bytes.fromhex(text)
    file.write_bytes(KEY)
    assert read_key(file) == KEY


def test_no_two_keys_are_alike():
    """64 digits, new each time."""
    assert len({new_key() for _ in range(10)}) == 10
    assert {len(new_key())} == {64}


def test_a_key_that_is_missing_unreadable_or_no_key_is_one_clear_line(tmp_path):
    """None of the lines quotes what the file holds."""
    with pytest.raises(StoreError, match="the key file is missing"):
        read_key(tmp_path / "store.key")
    with pytest.raises(StoreError, match="cannot read the key file: Is a directory"):
        read_key(tmp_path)
    file = tmp_path / "short.key"
    file.write_text("secret")
    with pytest.raises(StoreError, match="expected 64 hexadecimal digits, found 6 bytes") as raised:
        read_key(file)
    assert "secret" not in str(raised.value)


def test_the_schema_has_a_number_and_its_script_is_split_at_the_ends_of_statements():
    """A semicolon inside a line, as in a trigger, does not end a statement."""
    assert schema_version() == 5
    assert statements("A;\nB 'x; y';\n\n") == ["A", "B 'x; y'"]


def test_a_closed_store_leaves_no_transaction(store):
    """Closing undoes what was open, as a crash would."""
    other = open_store(store.path, KEY)
    other.execute("BEGIN IMMEDIATE")
    put(other, "a")
    other.close()
    assert store.row("SELECT 1 FROM meta WHERE key = 'a'") is None
