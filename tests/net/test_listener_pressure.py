"""When the writer falls behind, or a peer does not read: reading stops, memory does not grow, nothing is dropped."""

from __future__ import annotations

import contextlib

import pytest
from feed_samples import adt, dft, ft1
from listening import Listening, Sender, codes, control_ids, framed, wait_until
from reactor_thread import in_reactor

from hl7bridge.net import backlog, connection, listener
from hl7bridge.net.limits import MOST_WAITING


@pytest.fixture
def listening(tmp_path):
    with Listening(tmp_path, most_bytes=8 << 20) as made:
        yield made


def note(control_id, size):
    """Return a message of about so many bytes."""
    return adt(control_id, "NTE|1||" + "X" * size)


def send_while_taken(sender, data, is_enough):
    """Send the same bytes again and again until that is enough; return how often they went out whole, and the rest."""
    sender.socket.setblocking(False)
    count, rest = 0, b""
    while not is_enough():
        rest = rest or data
        with contextlib.suppress(BlockingIOError):
            rest = rest[sender.socket.send(rest) :]
            count += not rest
    sender.socket.settimeout(20)
    return count, rest


def test_hundreds_of_blocks_sent_at_once_are_answered_in_order_and_none_is_dropped(listening):
    """While the writer is busy the connection is read no further than a few; then it goes on by itself."""
    with Sender(listening.port) as sender:
        with listening.hold():
            sender.send(*(dft(f"D{at}", ft1(number=f"T{at}")) for at in range(500)))
            wait_until(lambda: not listening.is_read())
            assert MOST_WAITING <= listening.waiting() < 500
        assert control_ids(sender.replies(500)) == [f"D{at}" for at in range(500)]
    assert listening.store.row("SELECT count(*), sum(charges) FROM accounts") == (1, 5_000_000)


def test_long_blocks_are_counted_by_their_bytes(listening):
    """Four MiB may wait, however few blocks they are; or one block of any length."""
    with Sender(listening.port) as sender:
        with listening.hold():
            sender.socket.setblocking(False)
            data = b"".join(framed(note(f"A{at}", 200_000)) for at in range(100))
            while listening.is_read():
                with contextlib.suppress(BlockingIOError):
                    data = data[sender.socket.send(data) :]
            assert 4 << 20 < listening.connection()._backlog._held < 6 << 20
        sender.socket.settimeout(20)
        sender.raw(data)
        assert control_ids(sender.replies(100)) == [f"A{at}" for at in range(100)]
        assert control_ids(sender.ask(note("B1", 7_000_000))) == ["B1"]
        assert listening.factory.held == 0


def test_what_waits_over_all_connections_has_a_limit_too(listening, monkeypatch):
    """Then no connection is read, also one that comes now, until enough is done; each gets its replies."""
    monkeypatch.setattr(connection, "MOST_HELD_BY_ALL", 1_000_000)
    monkeypatch.setattr(listener, "MOST_HELD_BY_ALL", 1_000_000)
    monkeypatch.setattr(listener, "FEWEST_HELD_BY_ALL", 700_000)
    with contextlib.ExitStack() as stack:
        one, other, quiet = (stack.enter_context(Sender(listening.port)) for _ in range(3))
        with listening.hold():
            one.send(note("A1", 600_000))
            other.send(note("A2", 600_000))
            wait_until(lambda: listening.factory.is_full)
            late = stack.enter_context(Sender(listening.port))
            wait_until(lambda: len(listening.factory.connections) == 4)
            assert not any(each._reads for each in listening.factory.connections)
            quiet.send(adt("A3"))
            late.send(adt("A4"))
        senders = one, other, quiet, late
        assert [control_ids(each.replies()) for each in senders] == [["A1"], ["A2"], ["A3"], ["A4"]]
        assert listening.factory.held == 0


def test_a_sender_that_does_not_read_its_replies_is_read_no_further(listening):
    """Its replies do not fill our memory; once it reads, all of them come, in order."""
    data = framed(adt("A" + "1" * 60_000))
    with Sender(listening.port, receive_buffer=4096) as sender:
        listening.connection()
        count, rest = send_while_taken(sender, data, lambda: listening.connection()._backlog.is_paused)
        replies = sender.replies(count)
        sender.raw(rest or data)
        assert len(set(replies + sender.replies())) == 1


@pytest.mark.usefixtures("quick_sweep")
def test_a_sender_that_leaves_its_replies_unread_for_too_long_is_closed(tmp_path, logs):
    """What it sent is stored; its resend gets the stored reply."""
    data = framed(adt("A" + "1" * 60_000))
    with (
        Listening(tmp_path, reply_seconds=0.2) as listening,
        Sender(listening.port, receive_buffer=4096) as sender,
        Sender(listening.port, receive_buffer=4096) as quiet,
    ):
        wait_until(lambda: len(listening.factory.connections) == 2)
        with contextlib.suppress(ConnectionError):
            send_while_taken(sender, data, lambda: len(listening.factory.connections) == 1)
        assert codes(quiet.ask(adt("A2"))) == ["AA"]
    (log,) = [log for log in logs if log["event"] == "replies_unread"]
    assert (log.pop("seconds"), log) == (
        0,
        {"event": "replies_unread", "listener": "ehr", "peer": "127.0.0.1", "log_level": "warning"},
    )


def test_a_batch_of_a_sender_that_does_not_read_waits_too(listening, monkeypatch):
    """Nothing more of it is submitted until the peer reads."""
    monkeypatch.setattr(backlog, "MOST_WAITING", 4)
    texts = [dft(f"D{at}", ft1(number=f"T{at}")) for at in range(20)]
    with Sender(listening.port) as sender:
        connected = listening.connection()
        with listening.hold():
            sender.send(b"BHS|^~\\&|REG|NORTHGATE\r" + b"".join(texts) + b"BTS|20\r")
            wait_until(lambda: listening.waiting() == 4)
            in_reactor(connected.pauseProducing)
        wait_until(lambda: listening.waiting() == 0)
        assert len(listening.taken) == 4
        in_reactor(connected.resumeProducing)
        assert sender.replies()[0].count(b"\rMSA|AA|D") == 20
