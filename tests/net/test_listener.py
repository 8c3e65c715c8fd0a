"""Bytes on real connections, however they come: every block is answered once, in order, and harms no other."""

from __future__ import annotations

import socket

from feed_samples import adt, dft, ft1
from listening import Listening, Sender, codes, control_ids, framed, wait_until
from reactor_thread import in_reactor
from structlog.testing import capture_logs

from hl7bridge.config.values import parse_network
from hl7bridge.net.door import Door
from hl7bridge.net.limits import Limits
from hl7bridge.net.reactor import reactor


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
    """A pause shorter than the moment above ends nothing, and the look that was called for finds nothing to take."""
    looks = []
    monkeypatch.setattr(reactor, "callLater", lambda _seconds, *call: looks.append(call))
    data = framed(adt("A1").replace(b"TESTPATIENT", b"TEST\x1cPATIENT"))
    cut = data.index(b"\x1c") + 1
    sender.raw(data[:cut])
    wait_until(lambda: looks)
    heard_at = listening.connection().heard_at
    sender.raw(data[cut:-1])
    wait_until(lambda: listening.connection().heard_at > heard_at)
    monkeypatch.undo()
    in_reactor(*looks[0])
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


def test_a_block_of_megabytes_comes_whole(listening, sender):
    """Not only its last packet; and it is answered like any other."""
    assert codes(sender.ask(adt("A1", *["NTE|1||" + "X" * 1000] * 900))) == ["AA"]
    assert len(listening.taken[0].data) > 900_000


def test_a_byte_that_was_never_a_start_byte_makes_no_message(listening, sender):
    """A sender of another protocol gets no acknowledgement, and what it said is kept."""
    sender.raw(adt("A1") + b"\r")
    sender.socket.shutdown(socket.SHUT_WR)
    assert sender.rest() == []
    assert listening.wait_for(1) == ["unreadable"]


def test_a_slow_or_broken_connection_does_not_hold_up_another(listening):
    """One begins a block and stops, one sends junk, one is reset: a fourth is served."""
    with Sender(listening.port) as slow, Sender(listening.port) as junk, Sender(listening.port) as gone:
        slow.raw(framed(adt("A1"))[:40])
        junk.raw(b"\xff" * 300_000)
        gone.raw(framed(adt("A2"))[:40])
        gone.reset()
        with Sender(listening.port) as good:
            assert codes(good.ask(adt("A3"))) == ["AA"]
        slow.raw(framed(adt("A1"))[40:])
        assert codes(slow.replies()) == ["AA"]
        assert codes(junk.ask(adt("A4"))) == ["AA"]


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


def test_a_peer_that_came_in_by_ipv6_with_an_ipv4_address_is_on_the_list_by_that(tmp_path):
    """As a socket that listens for both tells it."""
    allow = [parse_network("10.0.0.0/8")]
    door = Door(Limits("ehr", 1000, 30.0, None, allow))
    with capture_logs():
        assert [door.admits(peer, (), 0.0) for peer in ("::ffff:10.1.2.3", "::1", "10.1.2.3")] == [True, False, True]


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
