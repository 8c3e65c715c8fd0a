"""How a connection ends: what was sent is answered or kept, whoever closes first and why."""

from __future__ import annotations

import socket

import pytest
from feed_samples import adt
from listening import Listening, Sender, codes, control_ids, framed, wait_until
from reactor_thread import in_reactor

from hl7bridge.net.reactor import reactor

LONG = adt("A1", "NTE|1||" + "X" * 20_000_000)


def test_a_sender_that_closes_its_side_gets_its_replies(listening, sender):
    """Half closed: it sends no more and still reads."""
    with listening.hold():
        sender.send(adt("A1"), adt("A2"))
        sender.socket.shutdown(socket.SHUT_WR)
        wait_until(lambda: listening.connection()._is_ending)
    assert control_ids(sender.rest()) == ["A1", "A2"]
    assert listening.dispositions() == ["applied", "applied"]


def test_a_sender_that_closes_in_mid_block_has_half_of_it_kept(listening, sender):
    """And is closed in turn, unanswered: nobody knows what the other half says."""
    sender.raw(framed(adt("A1"))[:60])
    sender.socket.shutdown(socket.SHUT_WR)
    assert sender.rest() == []
    assert listening.wait_for(1) == ["unreadable"]


def test_a_sender_that_is_gone_before_its_reply_has_its_message_stored(listening, logs):
    """It will send it again, and that is a duplicate. Nobody tries to write to it."""
    with listening.hold(), Sender(listening.port) as sender:
        sender.send(*(adt(f"A{at}") for at in range(100)))
        wait_until(lambda: not listening.is_read())
        sender.reset()
        in_reactor(listening.connection().transport.resumeProducing)  # or nobody would notice yet
        listening.wait_until_gone()
    assert listening.wait_for(64)[:64] == ["applied"] * 64
    assert logs == []


def test_a_connection_that_sends_half_a_block_and_goes_has_it_kept(listening):
    """Without a word of farewell."""
    with Sender(listening.port) as sender:
        sender.raw(framed(adt("A1"))[:60])
        wait_until(lambda: listening.connection()._decoder.is_inside)
        sender.reset()
    assert listening.wait_for(1) == ["unreadable"]
    assert listening.store.row("SELECT reason FROM messages")[0] == "100 MSH: the block was cut short"


@pytest.mark.usefixtures("quick_sweep")
def test_a_block_that_does_not_end_in_time_is_kept_and_its_connection_closed(tmp_path, logs):
    """A sender that forgot the end bytes must not wait for ever; whole blocks before it are answered."""
    with Listening(tmp_path, block_seconds=0.2) as listening, Sender(listening.port) as sender:
        sender.raw(framed(adt("A1")) + framed(adt("A2"))[:60])
        assert control_ids(sender.rest()) == ["A1"]
        assert listening.dispositions() == ["applied", "unreadable"]
        assert listening.taken[1].data == adt("A2")[:59]
    assert [log for log in logs if log["event"] == "block_unfinished"] == [
        {"event": "block_unfinished", "listener": "ehr", "peer": "127.0.0.1", "seconds": 0, "log_level": "warning"}
    ]


@pytest.mark.usefixtures("quick_sweep")
def test_a_block_may_pause_while_it_is_we_who_do_not_read(tmp_path):
    """The time that the writer takes is not the sender's."""
    with Listening(tmp_path, block_seconds=0.4) as listening, Sender(listening.port) as sender:
        with listening.hold():
            sender.raw(b"".join(framed(adt(f"A{at}")) for at in range(64)) + framed(adt("B1"))[:60])
            wait_until(lambda: not listening.is_read())
            connection = listening.connection()
            wait_until(lambda: reactor.seconds() - connection.heard_at > 0.6)
        assert len(sender.replies(64)) == 64
        sender.raw(framed(adt("B1"))[60:])
        assert control_ids(sender.replies()) == ["B1"]


@pytest.mark.usefixtures("quick_sweep")
def test_a_silent_connection_is_closed_where_that_is_the_rule_and_not_while_it_waits(tmp_path, logs):
    """Its replies come first."""
    with Listening(tmp_path, idle_seconds=0.2) as listening, Sender(listening.port) as sender:
        with listening.hold():
            sender.send(adt("A1"))
            connection = listening.connection()
            wait_until(listening.waiting)
            wait_until(lambda: reactor.seconds() - connection.heard_at > 0.5)
        assert control_ids(sender.rest()) == ["A1"]
    assert [log["event"] for log in logs] == ["connection_idle"]


@pytest.mark.usefixtures("quick_sweep")
def test_a_quiet_connection_stays_where_nothing_is_said(tmp_path):
    """An EHR may be silent all night."""
    with Listening(tmp_path) as listening, Sender(listening.port) as sender:
        connection = listening.connection()
        wait_until(lambda: reactor.seconds() - connection.heard_at > 0.3)
        assert codes(sender.ask(adt("A1"))) == ["AA"]


def test_a_block_that_is_too_long_is_refused_though_its_sender_writes_on(listening, sender):
    """20 MB where one is allowed: the sender finishes, reads AE 104 and the end, not a reset. Its beginning is kept."""
    sender.send(LONG)
    (reply,) = sender.rest()
    assert (codes([reply]), control_ids([reply])) == (["AE"], ["A1"])
    assert b"|104^Value too long^HL70357|" in reply
    raw, reason = listening.store.row("SELECT raw, reason FROM messages")
    assert (raw, reason[:8]) == (LONG[:65_536], "104 MSH:")
    with Sender(listening.port) as another:
        assert codes(another.ask(adt("A1"))) == ["AA"]


def test_nothing_behind_a_block_that_is_too_long_is_taken(tmp_path):
    """Blocks before it are answered first; those behind it the sender sends again, on a new connection."""
    with Listening(tmp_path, most_bytes=2000) as listening, Sender(listening.port) as sender:
        sender.send(adt("A0"), adt("A1", "NTE|1||" + "X" * 5000), adt("A2"))
        replies = sender.rest()
        sender.raw(framed(adt("A3")))
        assert (codes(replies), control_ids(replies)) == (["AA", "AE"], ["A0", "A1"])
        assert len(listening.store.row("SELECT raw FROM messages WHERE id = 2")[0]) == 2000
        sender.socket.close()
        listening.wait_until_gone()
        assert listening.dispositions() == ["applied", "unreadable"]


@pytest.mark.usefixtures("quick_sweep")
def test_a_sender_that_never_closes_after_a_block_that_was_too_long_is_closed(tmp_path):
    """It has as long as a block may pause."""
    with Listening(tmp_path, most_bytes=2000, block_seconds=0.2) as listening, Sender(listening.port) as sender:
        sender.send(adt("A1", "NTE|1||" + "X" * 5000))
        assert codes(sender.rest()) == ["AE"]
        listening.wait_until_gone()


def test_a_drain_answers_what_was_read_and_closes(listening, sender):
    """What was sent before is not lost, and nobody new is served."""
    with listening.hold():
        sender.send(adt("A1"), adt("A2"))
        wait_until(lambda: listening.waiting() == 2)
        connection = listening.connection()
        reactor.callFromThread(connection.drain)
        wait_until(lambda: connection._is_ending)
    assert control_ids(sender.rest()) == ["A1", "A2"]
    listening.drain()
    with socket.socket() as late:
        assert late.connect_ex(("127.0.0.1", listening.port)) != 0
