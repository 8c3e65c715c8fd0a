"""The audit log: each row carries a digest of all before it, so that what was changed, removed or cut off shows."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.errors import StoreError
from hl7bridge.storage.audit import append_audit, read_audit, verify_audit
from hl7bridge.storage.database import open_store

KEY = bytes(range(32))
AT = dt.datetime(2026, 1, 15, 16, 30, tzinfo=dt.timezone(dt.timedelta(hours=1)))


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "a.db", KEY, create=True)
    yield store
    store.close()


def append(store, count=1, reason=""):
    with store.transaction():
        for number in range(count):
            append_audit(
                store, at=AT, actor="user:a", action="accounts.show", subject=f"account {number}", reason=reason
            )


def tamper(store, statement):
    """Change the log as somebody with the key could: the triggers are no wall against them."""
    with store.transaction():
        store.execute("DROP TRIGGER IF EXISTS audit_is_never_changed")
        store.execute("DROP TRIGGER IF EXISTS audit_is_never_deleted")
        store.execute(statement)


def test_an_empty_log_is_whole(store):
    """A store that is new."""
    assert verify_audit(store) == (0, True, None, "")


def test_rows_are_numbered_in_order_and_the_log_is_whole(store):
    """Times are kept in UTC."""
    append(store, 3, reason="a call")
    report = verify_audit(store)
    assert (report.rows, report.ok, report.first_bad) == (3, True, None)
    newest = next(read_audit(store))
    assert newest == {
        "id": 3,
        "at": "2026-01-15T15:30:00.000Z",
        "actor": "user:a",
        "action": "accounts.show",
        "subject": "account 2",
        "reason": "a call",
    }
    assert [row["id"] for row in read_audit(store, limit=2)] == [3, 2]
    assert [row["id"] for row in read_audit(store)] == [3, 2, 1]


def test_a_time_that_is_text_is_kept_as_it_is(store):
    """The pipeline has its time as text already."""
    with store.transaction():
        assert append_audit(store, at="2026-01-15T00:00:00Z", actor="daemon", action="x", subject="y") == 1
    assert next(read_audit(store))["at"] == "2026-01-15T00:00:00Z"
    assert verify_audit(store).ok


def test_a_row_is_undone_with_what_it_tells(store):
    """Who reads the log reads what happened, not what was tried."""
    append(store)
    with store.transaction():
        append_audit(store, at=AT, actor="a", action="b", subject="c")
        store.execute("ROLLBACK")
        store.execute("BEGIN")
    append(store)
    assert verify_audit(store) == (2, True, None, "")


def test_a_row_outside_a_transaction_is_refused(store):
    """It would tell of something that may not happen."""
    with pytest.raises(StoreError, match="in the transaction of what it tells"):
        append_audit(store, at=AT, actor="a", action="b", subject="c")


@pytest.mark.parametrize("column", ["at", "actor", "action", "subject", "reason", "digest"])
def test_a_row_that_was_changed_is_found(store, column):
    """Whichever part of it."""
    append(store, 5)
    tamper(store, f"UPDATE audit SET {column} = 'x' WHERE id = 3")
    report = verify_audit(store)
    assert (report.ok, report.first_bad, report.rows) == (False, 3, 2)
    assert report.why == "row 3 is not what was written"


@pytest.mark.parametrize("row", [1, 3])
def test_a_row_that_was_removed_is_found(store, row):
    """The first, or one in between."""
    append(store, 5)
    tamper(store, f"DELETE FROM audit WHERE id = {row}")
    assert verify_audit(store)[1:] == (False, row, f"row {row} is gone")


def test_rows_cut_off_the_end_are_found(store):
    """The chain that is left is whole in itself; the head kept apart tells."""
    append(store, 5)
    tamper(store, "DELETE FROM audit WHERE id > 3")
    report = verify_audit(store)
    assert (report.ok, report.first_bad) == (False, 4)
    assert report.why == "the log ends at row 3 and was written up to row 5"


def test_rows_cut_off_the_end_stay_found_when_others_follow(store):
    """The program goes on at the number it had reached, so the gap stays."""
    append(store, 5)
    tamper(store, "DELETE FROM audit WHERE id > 3")
    append(store)
    assert verify_audit(store)[1:] == (False, 4, "row 4 is gone")


def test_a_row_written_past_the_program_is_found(store):
    """With a digest that somebody made up, or copied."""
    append(store, 2)
    tamper(store, "INSERT INTO audit SELECT 3, at, actor, action, subject, reason, digest FROM audit WHERE id = 2")
    assert verify_audit(store).first_bad == 3


def test_a_head_that_is_gone_or_not_a_head_is_found_and_nothing_more_is_written(store):
    """Without it a cut could not be seen: the program stops rather than begin a second chain."""
    append(store, 2)
    tamper(store, "DELETE FROM meta WHERE key = 'audit_head'")
    assert verify_audit(store)[1:] == (False, 3, "the head of the log is gone")
    with pytest.raises(StoreError, match="lost its head; see 'hl7bridge audit verify'"):
        append(store)
    tamper(store, "INSERT INTO meta VALUES ('audit_head', 'nonsense')")
    assert verify_audit(store)[1:3] == (False, 1)


def test_the_database_itself_refuses_changes(store):
    """A slip of the program cannot change the log."""
    append(store)
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(Exception, match="append-only"), store.transaction():
            store.execute(statement)


def test_a_log_is_verified_while_others_write_and_within_a_transaction(store):
    """The walk sees the log as it stood when it began."""
    append(store, 2)
    other = open_store(store.path, KEY)
    store.execute("BEGIN")
    assert store.row("SELECT count(*) FROM audit") == (2,)
    append(other)
    assert verify_audit(store) == (2, True, None, "")
    store.execute("ROLLBACK")
    assert verify_audit(store) == (3, True, None, "")
    other.close()


WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(rows=st.lists(st.tuples(WORDS, WORDS, WORDS, WORDS), min_size=1, max_size=6), which=st.integers(0, 5))
def test_any_text_makes_a_chain_that_holds_and_no_text_moves_between_columns_unseen(tmp_path_factory, rows, which):
    """Digests are of the parts, not of their letters in a row."""
    store = open_store(tmp_path_factory.mktemp("audit") / "a.db", KEY, create=True)
    with store.transaction():
        for actor, action, subject, reason in rows:
            append_audit(store, at=AT, actor=actor, action=action, subject=subject, reason=reason)
    assert verify_audit(store).ok
    row = which % len(rows) + 1
    tamper(store, f"UPDATE audit SET actor = actor || action || 'x', action = '' WHERE id = {row}")
    assert verify_audit(store).first_bad == row
    store.close()
