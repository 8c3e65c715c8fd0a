"""When something fails: a message is rolled back alone; a batch that cannot be stored leaves nothing but AR 207."""

from __future__ import annotations

from decimal import Decimal

import pytest
from feed_samples import NOW, Feed, adt, code, dft, ft1, generic_mapping, message, pid, refusal

from hl7bridge.batch import Received
from hl7bridge.errors import StoreError
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.database import DatabaseError, open_store

TABLES = ("messages", "counters", "patients", "accounts", "guarantors", "coverages", "entries")


def rows(feed):
    """Return how many rows each table of intake has."""
    return {table: feed.count(table) for table in TABLES}


def fail_for(feed, number, failure):
    """Have deciding the due day of one account fail."""
    due_on = feed.pipeline.setup.due_on

    def fail(state, **options):
        if state.number == number:
            failure(feed.store)
        return due_on(state, **options)

    feed.pipeline.use(feed.pipeline.setup._replace(due_on=fail))


def raise_value_error(_store):
    raise ValueError("TESTPATIENT")


def undo_the_transaction(store):
    """Do what SQLite may do by itself when a disk is full."""
    store.execute("ROLLBACK")
    raise DatabaseError("database or disk is full")


def test_a_message_that_fails_is_rolled_back_alone_and_its_neighbours_are_stored(feed):
    """Nothing of the middle one stays, not even its patient; the text of the failure is kept nowhere."""
    fail_for(feed, "TACC2", raise_value_error)
    other = message("DFT^P03", "D2", "EVN|P03", pid("TACC2", "TMRN2"), ft1())
    replies = feed.receive(dft("D1"), other, dft("D3", account="TACC3"))
    assert [code(reply) for reply in replies] == ["AA", "AR", "AA"]
    assert refusal(replies[1]) == ("AR", "207", "MSH^1")
    assert [row[0] for row in feed.store.rows("SELECT number FROM accounts ORDER BY id")] == ["TACC1", "TACC3"]
    assert [row[0] for row in feed.store.rows("SELECT DISTINCT number FROM patients")] == ["TMRN1"]
    assert feed.dispositions() == ["applied", "rejected", "applied"]
    assert feed.store.row("SELECT reason FROM messages WHERE id = 2")[0] == "internal error: ValueError"


def test_a_refused_message_leaves_its_neighbours_in_the_batch_alone(feed):
    """The second entry's id is known with another amount: its first entry is not posted, the others are."""
    replies = feed.receive(dft("D1"), dft("D2", ft1(number="T9"), ft1("7.00")), dft("D3", ft1("5.00", number="T5")))
    assert [code(reply) for reply in replies] == ["AA", "AE", "AA"]
    assert find_account(feed.store, "TACC1").balance == Decimal("105.00")


def test_a_transaction_that_the_database_undid_by_itself_is_never_taken_for_done(feed):
    """The whole batch is tried again, each block alone: no acknowledgement is given for what was undone."""
    fail_for(feed, "TACC2", undo_the_transaction)
    replies = feed.receive(dft("D1"), dft("D2", account="TACC2"), dft("D3", account="TACC3"))
    assert [code(reply) for reply in replies] == ["AA", "AR", "AA"]
    assert [row[0] for row in feed.store.rows("SELECT number FROM accounts ORDER BY id")] == ["TACC1", "TACC3"]
    assert feed.dispositions() == ["applied", "applied"]
    assert replies[1].reason.startswith("not stored: ")
    assert find_account(feed.store, "TACC1").balance == Decimal("100.00")


def test_a_batch_whose_transaction_is_gone_at_its_end_is_not_written_piece_by_piece(feed):
    """Rows without effects would be worse than none."""
    fail_for(feed, "TACC1", lambda store: store.execute("ROLLBACK"))
    (reply,) = feed.receive(dft("D1", account="TACC1"))
    assert refusal(reply) == ("AR", "207", "MSH^1")
    assert rows(feed) == dict.fromkeys(TABLES, 0)


def test_when_nothing_can_be_stored_every_sender_is_told_and_nothing_is(tmp_path, feed):
    """AR 207 with the sender's own control id, so that it sends again; then all is as if it had never come."""
    other = open_store(feed.store.path, bytes(range(32)))
    feed.store.execute("PRAGMA query_only = ON")
    unanswered = Received("ehr", b"half", is_answered=False), message("ACK", "K1")
    replies = feed.receive(adt("A1"), dft("D1"), b"junk", *unanswered)
    assert [refusal(reply)[:2] for reply in replies[:3]] == [("AR", "207")] * 3
    assert [reply.data for reply in replies[3:]] == [b"", b""]
    assert [reply.control_id for reply in replies] == ["A1", "D1", "", "", "K1"]
    assert other.row("SELECT count(*) FROM messages")[0] == 0
    feed.store.execute("PRAGMA query_only = OFF")
    feed.take(adt("A1"), dft("D1"))
    assert feed.dispositions() == ["applied", "applied"]
    other.close()


def test_a_batch_that_cannot_be_committed_is_answered_alike(feed, monkeypatch):
    """The disk is full only when the transaction ends."""
    real = feed.store.execute

    def execute(sql, *parameters):
        if sql == "COMMIT":
            raise DatabaseError("database or disk is full")
        return real(sql, *parameters)

    monkeypatch.setattr(feed.store, "execute", execute)
    replies = feed.receive(adt("A1"), dft("D1"))
    monkeypatch.undo()
    assert [refusal(reply)[:2] for reply in replies] == [("AR", "207")] * 2
    assert rows(feed) == dict.fromkeys(TABLES, 0)


def test_a_failure_in_writing_down_one_message_does_not_take_the_others_with_it(feed, monkeypatch):
    """Whatever of ours fails, and wherever: that message is answered 207, and the batch goes on."""
    from hl7bridge import pipeline

    real = pipeline.kept_text

    def kept_text(parsed, pickers):
        if parsed.control_id == "D2":
            raise IndexError
        return real(parsed, pickers)

    monkeypatch.setattr(pipeline, "kept_text", kept_text)
    replies = feed.receive(dft("D1"), dft("D2", account="TACC2"), dft("D3", account="TACC3"))
    assert [code(reply) for reply in replies] == ["AA", "AR", "AA"]
    assert feed.dispositions() == ["applied", "applied"]


def test_a_listener_whose_mapping_is_gone_refuses_and_goes_on(feed):
    """A configuration that names what is not there is a fault of ours: AR 207, kept with its header."""
    setup = feed.pipeline.setup
    feed.pipeline.use(setup._replace(default_mapping="gone"))
    reply = feed.send(dft("D1"))
    assert refusal(reply) == ("AR", "207", "MSH^1")
    assert feed.store.row("SELECT content, disposition FROM messages")[1] == "rejected"
    feed.pipeline.use(setup)
    feed.take(dft("D1"))


def test_a_field_far_out_in_a_segment_of_the_sites_own_is_kept_or_refused_by_the_check(store):
    """A Z-segment may be long: the fields that a mapping names are kept, however short the segment is that comes."""
    feed = Feed(store, generic_mapping(lambda text: text.replace('plan_code = "PV1-24.1"', 'plan_code = "ZPM-60.1"')))
    feed.take(message("ADT^A04", "A1", pid(), "ZPM|1"), message("ADT^A04", "A2", pid(), "ZPM|1" + "|" * 59 + "PLAN"))
    assert find_account(store, "TACC1").plan_code == "PLAN"


def test_a_savepoint_needs_a_transaction(store):
    """By itself it would be one, and commit what its caller may have to undo."""
    with pytest.raises(StoreError, match="there is no transaction"), store.savepoint():
        pass


def test_a_setup_is_replaced_between_batches(feed):
    """What is in hand is finished with what it began with."""
    feed.take(adt("A1"))
    feed.use(refuse_unmapped=True)
    assert code(feed.send(adt("A2", event="A02"))) == "AR"
    assert feed.now > NOW
