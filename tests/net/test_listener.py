"""Bytes on real connections, however they come: every block is answered once, in order, and harms no other."""

from __future__ import annotations

import socket
import struct

import pytest
from feed_samples import adt, dft, ft1
from listening import Listening, Sender, codes, control_ids, framed, wait_until
from structlog.testing import capture_logs

from hl7bridge.config.values import parse_network
from hl7bridge.net import listener as module


@pytest.fixture
def listening(tmp_path):
    with Listening(tmp_path) as made:
        yield made


@pytest.fixture
def sender(listening):
    with Sender(listening.port) as made:
        yield made


@pytest.fixture
def quick_sweep(monkeypatch):
    """Have the listener look for silent connections often, or each such test would wait a second for nothing."""
    monkeypatch.setattr(module, "_SWEEP", 0.05)


def test_two_blocks_in_one_segment_get_two_replies_in_order(sender):
    """Other servers drop the second, or its reply."""
    assert control_ids(sender.ask(adt("A1"), dft("D1"))) == ["A1", "D1"]


def test_a_block_that_comes_byte_by_byte_is_one_block(sender):
    """And the next comes whole."""
    for byte in framed(adt("A1")):
        sender.raw(bytes([byte]))
    assert control_ids([*sender.replies(), *sender.ask(adt("A2"))]) == ["A1", "A2"]


def test_every_split_of_two_blocks_into_two_segments_gives_the_same(listening, sender):
    """The end bytes apart, the start byte alone, the middle of a field."""
    data = framed(adt("A1")) + framed(adt("A1"))
    for at in range(0, len(data), 7):
        sender.raw(data[:at])
        sender.raw(data[at:])
    count = 2 * len(range(0, len(data), 7))
    assert len(set(sender.replies(count))) == 1
    assert listening.wait_for(count)[1:] == ["duplicate"] * (count - 1)


def test_a_block_without_its_last_byte_is_answered_after_a_moment(listening, sender):
    """The end byte counts when nothing follows for a while; the connection goes on."""
    sender.raw(framed(adt("A1"))[:-1])
    assert control_ids(sender.replies()) == ["A1"]
    sender.raw(b"\r")
    assert control_ids(sender.ask(adt("A2"))) == ["A2"]
    assert listening.dispositions() == ["applied", "applied"]


def test_an_end_byte_in_the_middle_of_a_block_is_data_though_the_bytes_pause_there(listening, sender, monkeypatch):
    """A pause shorter than the moment above ends nothing, and a look that was called for earlier does not either."""
    looks = []
    monkeypatch.setattr(module.reactor, "callLater", lambda _seconds, call: looks.append(call))
    data = framed(adt("A1").replace(b"TESTPATIENT", b"TEST\x1cPATIENT"))
    cut = data.index(b"\x1c") + 1
    sender.raw(data[:cut])
    wait_until(lambda: looks)
    sender.raw(data[cut : cut + 3])
    sender.raw(data[cut + 3 : -1])
    wait_until(lambda: len(looks) == 2)
    monkeypatch.undo()
    module.reactor.callFromThread(looks[0])
    sender.raw(data[-1:])
    assert codes(sender.replies()) == ["AA"]
    assert listening.dispositions() == ["applied"]


def test_a_block_that_begins_inside_another_is_a_new_block(listening, sender):
    """The half before it is kept and never applied, and never fused with what follows."""
    sender.raw(framed(adt("A1"))[:60] + framed(adt("A2", account="TACC2")))
    assert control_ids(sender.replies()) == ["A2"]
    assert listening.dispositions() == ["unreadable", "applied"]
    assert [row[0] for row in listening.store.rows("SELECT number FROM accounts")] == ["TACC2"]


def test_what_stands_between_blocks_is_kept_and_not_answered(listening, sender):
    """NULs, line ends and blanks are nothing; other bytes are a block that never was."""
    sender.raw(
        b"\x00\r\n "
        + framed(adt("A1"))
        + b"\r\n\x00\x00"
        + framed(adt("A2"))
        + b"GET / HTTP/1.1\r\n"
        + framed(adt("A3"))
    )
    assert control_ids(sender.replies(3)) == ["A1", "A2", "A3"]
    assert listening.dispositions() == ["applied", "applied", "unreadable", "applied"]
    assert listening.store.row("SELECT raw FROM messages WHERE id = 3")[0] == b"GET / HTTP/1.1"


def test_an_empty_block_is_answered(sender):
    """With AE 100; whoever sent it waits."""
    assert codes(sender.ask(b"")) == ["AE"]


def test_hundreds_of_blocks_sent_at_once_are_answered_in_order_and_none_is_dropped(listening, sender):
    """While the writer is busy the connection is read no further than a few; then it goes on by itself."""
    with listening.hold():
        sender.send(*(dft(f"D{at}", ft1(number=f"T{at}")) for at in range(500)))
        wait_until(lambda: listening.connection()._is_braked)
        assert module.MOST_WAITING <= listening.connection()._waiting < 500
    assert control_ids(sender.replies(500)) == [f"D{at}" for at in range(500)]
    assert listening.store.row("SELECT count(*), sum(charges) FROM accounts") == (1, 5_000_000)


def test_a_sender_that_does_not_read_its_replies_is_read_no_further(listening):
    """Its replies do not fill our memory; once it reads, all of them come, in order."""
    block = adt("A" + "1" * 60_000)
    with Sender(listening.port, receive_buffer=4096) as sender:
        sender.socket.setblocking(False)
        sent = 0
        buffer = b""
        while not listening.connection()._is_paused:
            buffer = buffer or framed(block)
            try:
                taken = sender.socket.send(buffer)
            except BlockingIOError:
                continue
            sent += taken == len(buffer)
            buffer = buffer[taken:]
        assert len(listening.factory.connections) == 1
        sender.socket.settimeout(20)
        replies = sender.replies(sent)
        sender.raw(buffer or framed(block))
        assert len(set(replies + sender.replies())) == 1


def test_a_slow_or_broken_connection_does_not_hold_up_another(listening):
    """One begins a block and stops, one sends junk, one is reset: a fourth is served."""
    with Sender(listening.port) as slow, Sender(listening.port) as junk, Sender(listening.port) as gone:
        slow.raw(framed(adt("A1"))[:40])
        junk.raw(b"\xff" * 300_000)
        gone.raw(framed(adt("A2"))[:40])
        gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.socket.close()
        with Sender(listening.port) as good:
            assert codes(good.ask(adt("A3"))) == ["AA"]
        slow.raw(framed(adt("A1"))[40:])
        assert codes(slow.replies()) == ["AA"]
        assert codes(junk.ask(adt("A4"))) == ["AA"]


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


def test_a_sender_that_is_gone_before_its_reply_has_its_message_stored(listening):
    """It will send it again, and that is a duplicate."""
    with listening.hold(), Sender(listening.port) as sender:
        sender.send(*(adt(f"A{at}") for at in range(100)))
        wait_until(lambda: listening.connection()._is_braked)
        sender.socket.close()
    wait_until(lambda: not listening.factory.connections)
    assert listening.wait_for(64)[:64] == ["applied"] * 64


def test_a_connection_that_sends_half_a_block_and_goes_has_it_kept(listening):
    """Without a word of farewell."""
    with Sender(listening.port) as sender:
        sender.raw(framed(adt("A1"))[:60])
        wait_until(lambda: listening.connection()._decoder.is_inside)
    assert listening.wait_for(1) == ["unreadable"]
    assert listening.store.row("SELECT reason FROM messages")[0] == "100 MSH: the block was cut short"


@pytest.mark.usefixtures("quick_sweep")
def test_a_block_that_does_not_end_in_time_is_kept_and_its_connection_closed(tmp_path):
    """A sender that forgot the end bytes must not wait for ever; whole blocks before it are answered."""
    with Listening(tmp_path, block_seconds=0.2) as listening, capture_logs() as logs, Sender(listening.port) as sender:
        sender.raw(framed(adt("A1")) + framed(adt("A2"))[:60])
        assert control_ids(sender.rest()) == ["A1"]
        assert listening.dispositions() == ["applied", "unreadable"]
    assert [log for log in logs if log["event"] == "block_unfinished"] == [
        {"event": "block_unfinished", "listener": "ehr", "seconds": 0, "log_level": "warning"}
    ]


@pytest.mark.usefixtures("quick_sweep")
def test_a_silent_connection_is_closed_where_that_is_the_rule_and_not_while_it_waits(tmp_path):
    """Its replies come first."""
    with Listening(tmp_path, idle_seconds=0.2) as listening, Sender(listening.port) as sender:
        with listening.hold():
            sender.send(adt("A1"))
            connection = listening.connection()
            wait_until(lambda: connection._waiting)
            wait_until(lambda: module.reactor.seconds() - connection.heard_at > 0.5)
        assert control_ids(sender.rest()) == ["A1"]


@pytest.mark.usefixtures("quick_sweep")
def test_a_quiet_connection_stays_where_nothing_is_said(tmp_path):
    """An EHR may be silent all night."""
    with Listening(tmp_path) as listening, Sender(listening.port) as sender:
        connection = listening.connection()
        wait_until(lambda: module.reactor.seconds() - connection.heard_at > 0.3)
        assert codes(sender.ask(adt("A1"))) == ["AA"]


def test_a_block_that_is_too_long_is_refused_with_its_number_and_the_connection_goes_on(tmp_path):
    """AE 104 to the sender, or it repeats for ever; its beginning is kept; nothing of it is applied."""
    with Listening(tmp_path, most_bytes=2000) as listening, Sender(listening.port) as sender:
        (reply,) = sender.ask(adt("A1", "NTE|1||" + "X" * 500_000))
        assert (codes([reply]), control_ids([reply])) == (["AE"], ["A1"])
        assert b"|104^Value too long^HL70357|" in reply
        assert codes(sender.ask(adt("A2"))) == ["AA"]
        assert listening.dispositions() == ["unreadable", "applied"]
        raw, reason = listening.store.row("SELECT raw, reason FROM messages WHERE id = 1")
        assert len(raw) == 2000
        assert reason.startswith("104 MSH: 500")


def test_only_peers_on_the_list_are_served(tmp_path):
    """Another is closed at once, and the log says who it was."""
    with (
        Listening(tmp_path, allow=[parse_network("10.0.0.0/8")]) as listening,
        capture_logs() as logs,
        Sender(listening.port) as sender,
    ):
        assert sender.socket.recv(1) == b""
    assert logs[0] == {"event": "peer_not_allowed", "listener": "ehr", "peer": "127.0.0.1", "log_level": "warning"}


def test_a_peer_on_the_list_is_served(tmp_path):
    """By address or by network."""
    allow = [parse_network("10.0.0.0/8"), parse_network("127.0.0.0/8")]
    with Listening(tmp_path, allow=allow) as listening, Sender(listening.port) as sender:
        assert codes(sender.ask(adt("A1"))) == ["AA"]


def test_a_drain_answers_what_was_read_and_closes(listening, sender):
    """What was sent before is not lost, and nobody new is served."""
    with listening.hold():
        sender.send(adt("A1"), adt("A2"))
        connection = listening.connection()
        wait_until(lambda: connection._waiting == 2)
        module.reactor.callFromThread(connection.drain)
        wait_until(lambda: connection._is_ending)
    assert control_ids(sender.rest()) == ["A1", "A2"]
    listening.drain()
    with socket.socket() as late:
        assert late.connect_ex(("127.0.0.1", listening.port)) != 0


def test_the_log_tells_of_a_refusal_and_never_a_value(listening, sender):
    """Listener, id, type, disposition, reason and time; nothing about messages that were taken."""
    with capture_logs() as logs:
        sender.ask(adt("A1"), dft("D1", ft1("TEN")), adt("A2", event="A02"))
        wait_until(lambda: logs)
    (log,) = logs
    assert log.pop("ms") >= 0
    assert log == {
        "event": "message_refused",
        "listener": "ehr",
        "message": 2,
        "type": "DFT",
        "disposition": "rejected",
        "reason": "102 FT1-11: amount: not a number with at most two decimal places",
        "log_level": "warning",
    }
