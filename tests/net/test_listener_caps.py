"""How many connections there may be, in all and from one address; and which one goes when there is one too many."""

from __future__ import annotations

import contextlib
import socket

import pytest
from feed_samples import adt
from listening import Listening, Sender, codes, framed, wait_until
from reactor_thread import in_reactor

from hl7bridge.net import door

OTHER = "127.0.0.2"


@pytest.fixture
def opened():
    """Open connections that stay to the end of the test."""
    with contextlib.ExitStack() as stack:
        yield lambda listening, **options: stack.enter_context(Sender(listening.port, **options))


def events(logs, *names):
    """Return the lines of these events, without their level."""
    return [{key: value for key, value in log.items() if key != "log_level"} for log in logs if log["event"] in names]


def is_served(sender, control_id="A1"):
    """Return whether a connection answers."""
    try:
        return codes(sender.ask(adt(control_id))) == ["AA"]
    except (EOFError, ConnectionError):
        return False


@pytest.mark.usefixtures("quick_sweep")
def test_a_connection_too_many_is_closed_at_once_and_the_log_tells_of_it_once(tmp_path, opened, logs, monkeypatch):
    """Not of each that is refused; and once more when for a while nobody was."""
    with Listening(tmp_path, most_connections=2) as listening:
        first, second = opened(listening), opened(listening)
        wait_until(lambda: len(listening.factory.connections) == 2)
        for _ in range(3):
            assert opened(listening).socket.recv(1) == b""
        assert (is_served(first), is_served(second)) == (True, True)
        first.socket.close()
        wait_until(lambda: len(listening.factory.connections) == 1)
        assert is_served(opened(listening))
        monkeypatch.setattr(door, "QUIET_SECONDS", 0.0)
        wait_until(lambda: events(logs, "connections_full_cleared"))
    assert events(logs, "connections_full", "connections_full_cleared") == [
        {"event": "connections_full", "listener": "ehr", "limit": "max_connections", "peer": "127.0.0.1"},
        {"event": "connections_full_cleared", "listener": "ehr", "limit": "max_connections", "refused": 3},
    ]


def test_a_silent_connection_makes_room_for_a_new_one_of_its_address(tmp_path, opened, logs):
    """A client that was dropped without our knowing must not keep the only slot. What it had begun is kept."""
    with Listening(tmp_path, most_per_peer=1, takeover_seconds=0.0) as listening:
        lost = opened(listening)
        lost.raw(framed(adt("A1"))[:60])
        stale = listening.connection()
        wait_until(lambda: stale._decoder.is_inside)
        assert is_served(opened(listening), "A2")
        assert lost.rest() == []
        assert listening.dispositions() == ["unreadable", "applied"]
    assert events(logs, "connection_taken_over", "connections_full") == [
        {"event": "connection_taken_over", "listener": "ehr", "peer": "127.0.0.1", "seconds": 0}
    ]


def test_it_is_the_quietest_that_makes_room(tmp_path, opened):
    """Not the oldest."""
    with Listening(tmp_path, most_per_peer=2, takeover_seconds=0.0) as listening:
        busy, quiet = opened(listening), opened(listening)
        assert is_served(quiet, "A1")
        assert is_served(busy, "A2")
        assert is_served(opened(listening), "A3")
        assert quiet.rest() == []
        assert is_served(busy, "A4")


def test_a_connection_that_is_in_use_makes_no_room(tmp_path, opened, logs):
    """Then it is the new one that is refused; another address has slots of its own."""
    with Listening(tmp_path, most_per_peer=1) as listening:
        known = opened(listening)
        assert is_served(known, "A1")
        assert opened(listening).socket.recv(1) == b""
        assert opened(listening).socket.recv(1) == b""
        assert is_served(opened(listening, source=OTHER), "A2")
        assert is_served(known, "A3")
    assert events(logs, "connections_full") == [
        {"event": "connections_full", "listener": "ehr", "limit": "max_connections_per_peer", "peer": "127.0.0.1"}
    ]


def test_a_connection_that_waits_for_its_reply_makes_no_room(tmp_path, opened):
    """However long it has been silent."""
    with Listening(tmp_path, most_per_peer=1, takeover_seconds=0.0) as listening:
        waits = opened(listening)
        with listening.hold():
            waits.send(adt("A1"))
            wait_until(listening.waiting)
            assert opened(listening).socket.recv(1) == b""
        assert codes(waits.replies()) == ["AA"]


def test_a_place_that_was_made_counts_though_the_other_is_not_yet_gone(tmp_path, opened):
    """The cap over all addresses is not in its way; and one that makes room is not counted twice."""
    with Listening(tmp_path, most_per_peer=1, most_connections=1, takeover_seconds=0.0) as listening:
        lost = opened(listening)
        lost.raw(framed(adt("A1"))[:60])
        stale = listening.connection()
        wait_until(lambda: stale._decoder.is_inside)
        with listening.hold():
            one = opened(listening)
            wait_until(lambda: len(listening.factory.connections) == 2)
            assert stale.is_leaving
            two = opened(listening)
            wait_until(lambda: sum(each.is_leaving for each in listening.factory.connections) == 1)
            assert one.rest() == []
        assert is_served(two, "A2")


def test_the_kernel_is_told_to_find_peers_that_are_gone(tmp_path, opened):
    """After two minutes, or as long as replies may be unread."""
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    for seconds, timeout in ((60.0, 120_000), (600.0, 600_000)):
        folder = tmp_path / str(timeout)
        folder.mkdir()
        with Listening(folder, reply_seconds=seconds) as listening, Sender(listening.port):
            handle = listening.connection().transport.getHandle()
            found = [in_reactor(handle.getsockopt, socket.IPPROTO_TCP, getattr(socket, name)) for name in names]
            assert found == [60, 15, 4, timeout]
            assert in_reactor(handle.getsockopt, socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_what_the_system_has_no_name_for_is_not_set(tmp_path, monkeypatch):
    """Not every system can find such peers so soon."""
    for name in ("TCP_KEEPIDLE", "TCP_USER_TIMEOUT"):
        monkeypatch.delattr(socket, name)
    with Listening(tmp_path) as listening, Sender(listening.port) as sender:
        assert is_served(sender)
