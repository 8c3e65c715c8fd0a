"""The writer's thread: one transaction for all that came, replies only after it, and nothing that ends the thread."""

from __future__ import annotations

import threading

from feed_samples import adt, code, dft
from listening import Listening, wait_until
from reactor_thread import in_reactor
from structlog.testing import capture_logs

from hl7bridge.batch import Received
from hl7bridge.net import writer as module
from hl7bridge.net.reactor import reactor
from hl7bridge.storage.database import DatabaseError


def run(listening, job):
    """Run a job in the writer's thread and return what it returns, or raise what it raises."""
    return in_reactor(listening.writer.run, job)


def submit(listening, *blocks, on_reply=None):
    """Submit blocks while the writer is held, so that they come in one batch, and return their replies."""
    replies = []
    with listening.hold():
        for block in blocks:
            listening.writer.submit(Received("ehr", block), on_reply or replies.append)
    return wait_until(lambda: len(replies) == len(blocks) and replies) if on_reply is None else replies


def test_what_came_together_is_one_transaction(listening):
    """Hundreds of blocks cost a few commits: group commit is what makes an fsync for each affordable."""
    commits = []
    run(listening, lambda store: store.connection.set_trace_callback(commits.append))
    replies = submit(listening, *(adt(f"A{at}") for at in range(100)))
    assert {code(reply) for reply in replies} == {"AA"}
    assert commits.count("COMMIT") <= 3


def test_a_reply_comes_when_its_message_is_on_disk(listening):
    """Whoever hears AA can read the row over another connection."""
    seen = []
    done = threading.Event()

    def on_reply(reply):
        seen.append(listening.store.row("SELECT disposition FROM messages WHERE id = ?", (reply.message_id,)))
        done.set()

    listening.writer.submit(Received("ehr", adt("A1")), on_reply)
    assert done.wait(10)
    assert seen == [("applied",)]


def test_a_job_runs_in_the_thread_that_writes_and_its_result_comes_back(listening):
    """And what it wrote is there by then."""
    name = run(
        listening,
        lambda store: (store.execute("INSERT INTO meta VALUES ('a', 'b')"), threading.current_thread().name)[1],
    )
    assert name == "writer"
    assert listening.store.row("SELECT value FROM meta WHERE key = 'a'") == ("b",)


def test_a_job_that_fails_is_undone_alone(listening):
    """Whoever asked gets the failure; the block beside it is stored."""

    def fail(store):
        store.execute("INSERT INTO meta VALUES ('a', 'b')")
        raise KeyError("gone")

    failures = []
    replies = []
    with listening.hold():
        listening.writer.submit(Received("ehr", adt("A1")), replies.append)
        listening.writer.run(fail).addErrback(lambda failure: failures.append(failure.type))
    wait_until(lambda: replies and failures)
    assert failures == [KeyError]
    assert code(replies[0]) == "AA"
    assert listening.store.row("SELECT count(*) FROM meta WHERE key = 'a'") == (0,)


def test_when_a_transaction_fails_jobs_and_blocks_are_each_tried_alone(listening):
    """One job undoes the transaction under all the others, as a full disk may: the others are done all the same."""

    def undo(store):
        store.execute("ROLLBACK")
        raise DatabaseError("database or disk is full")

    results, replies = [], []
    with capture_logs() as logs:
        with listening.hold():
            listening.writer.submit(Received("ehr", dft("D1")), replies.append)
            listening.writer.run(undo).addErrback(lambda failure: results.append(failure.type))
            listening.writer.run(lambda store: store.execute("INSERT INTO meta VALUES ('a', 'b')")).addCallback(
                lambda _: results.append("done")
            )
        wait_until(lambda: len(results) == 2 and replies)
    assert results == [DatabaseError, "done"]
    assert code(replies[0]) == "AA"
    assert listening.store.row("SELECT count(*) FROM entries") == (1,)
    assert listening.store.row("SELECT value FROM meta WHERE key = 'a'") == ("b",)
    assert [log["event"] for log in logs] == ["batch_not_stored"]


def test_a_failure_that_nobody_foresaw_ends_neither_the_thread_nor_says_what_was_sent(listening, monkeypatch):
    """The block is answered AR 207, the log names the kind of failure, and the next block is served."""
    real = listening.writer._pipeline._receive_one

    def fail(block, batch):
        if b"A1" in block.data[:60]:
            raise RuntimeError("TESTPATIENT")
        return real(block, batch)

    monkeypatch.setattr(listening.writer._pipeline, "_receive_one", fail)
    with capture_logs() as logs:
        replies = submit(listening, adt("A1"), adt("A2"))
    assert [code(reply) for reply in replies] == ["AR", "AA"]
    assert {log["error"] for log in logs} == {"RuntimeError"}
    assert "TESTPATIENT" not in str(replies[0].reason)


def test_a_reply_that_cannot_be_written_does_not_keep_others_from_theirs(listening):
    """One connection's trouble is its own."""
    replies = []
    with capture_logs() as logs:
        with listening.hold():
            listening.writer.submit(Received("ehr", adt("A1")), lambda _reply: 1 / 0)
            listening.writer.submit(Received("ehr", adt("A2")), replies.append)
        wait_until(lambda: replies)
    assert [reply.control_id for reply in replies] == ["A2"]
    assert logs == [{"event": "reply_not_written", "message": 1, "kind": "ZeroDivisionError", "log_level": "error"}]


def test_no_transaction_is_longer_than_so_many_blocks(listening, monkeypatch):
    """Or the first of them would wait for the last of a flood."""
    monkeypatch.setattr(module, "MOST_BLOCKS", 5)
    commits = []
    run(listening, lambda store: store.connection.set_trace_callback(commits.append))
    submit(listening, *(adt(f"A{at}") for at in range(20)))
    assert commits.count("COMMIT") >= 4


def test_senders_that_wait_for_their_replies_share_every_transaction(listening, monkeypatch):
    """Also when some are slower: or there would be two groups that take turns, each with a transaction of its own."""
    monkeypatch.setattr(module, "PAUSE", 0.05)
    monkeypatch.setattr(module, "PATIENCE", 1000)
    rounds = 8
    answered, turns = [], []
    real = listening.writer._turn
    monkeypatch.setattr(listening.writer, "_turn", lambda jobs, blocks: turns.append(len(blocks)) or real(jobs, blocks))

    def send(sender, number):
        def on_reply(reply):
            answered.append(reply.disposition)
            if number < rounds:
                reactor.callLater(0.002 * (sender > 3), send, sender, number + 1)

        listening.writer.submit(Received("ehr", adt(f"A{sender}N{number}")), on_reply)

    with listening.hold():
        for sender in range(1, 7):
            send(sender, 1)
    wait_until(lambda: len(answered) == 6 * rounds)
    assert set(answered) == {"applied"}
    assert turns.count(6) >= rounds - 1


def test_nobody_is_waited_for_who_does_not_come(listening, monkeypatch):
    """Two got their replies and send nothing more: a third's message is taken after one pause."""
    monkeypatch.setattr(module, "PATIENCE", 1e6)
    monkeypatch.setattr(module, "MOST_PAUSES", 1 << 30)
    submit(listening, adt("A1"), adt("A2"))
    assert [code(reply) for reply in submit(listening, adt("A3"))] == ["AA"]


def test_replies_that_cannot_be_written_yet_hold_nothing_up_for_long(listening):
    """The reactor is busy with something else: what waits is taken all the same."""
    begun = threading.Event()
    stored = []

    def on_reply(_reply):
        begun.set()
        stored.append(listening.wait_for(3))

    with listening.hold():
        listening.writer.submit(Received("ehr", adt("A1")), on_reply)
        listening.writer.submit(Received("ehr", adt("A2")), lambda _reply: None)
    assert begun.wait(10)
    listening.writer.submit(Received("ehr", adt("A3")), lambda _reply: None)
    wait_until(lambda: stored)
    assert stored == [["applied"] * 3]


def test_stopping_finishes_what_was_submitted(tmp_path):
    """And only then ends the thread."""
    with Listening(tmp_path) as listening:
        replies = []
        with listening.hold():
            for at in range(10):
                listening.writer.submit(Received("ehr", adt(f"A{at}")), replies.append)
        listening.writer.stop()
        assert listening.dispositions() == ["applied"] * 10
        wait_until(lambda: len(replies) == 10)
