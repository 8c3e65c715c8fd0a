"""One connection in memory: when it is read and when it waits, and that what comes too late does no harm."""

from __future__ import annotations

import pytest
from listening import framed
from twisted.internet.testing import StringTransport

from hl7bridge.batch import Reply
from hl7bridge.net.limits import Limits
from hl7bridge.net.listener import ListenerFactory
from hl7bridge.net.outlet import Outlet
from hl7bridge.storage.messages import Disposition

REPLY = Reply(b"", 1, Disposition.APPLIED, "", "ADT", "C1")
NOT_STORED = REPLY._replace(message_id=0, data=framed(b"MSH|no"), disposition=Disposition.IGNORED)
NAK = b"\x0b\x15\x1c\r"


class Wire(StringTransport):
    """A connection in memory, which has no socket to set options on; ``dataBuffer`` is as a socket's."""

    dataBuffer = b""  # noqa: N815
    offset = 0
    _tempDataLen = 0  # noqa: N815

    def setTcpNoDelay(self, _on):
        """Take the option."""

    def setTcpKeepAlive(self, _on):
        """Take the option."""

    def getHandle(self):
        """Return what takes options."""
        return self

    def setsockopt(self, *_option):
        """Take the option."""


def connect(**limits):
    """Return a connection whose blocks wait until the test answers them."""
    waiting = []
    taken = []

    def submit(block, on_reply):
        taken.append(block)
        waiting.append(on_reply)

    known = Limits("ehr", 1000, 30.0, None)._replace(**limits)
    factory = ListenerFactory(known, submit, read_ahead=lambda block: block)
    made = factory.buildProtocol(None)
    made.makeConnection(Wire())
    made.waiting, made.taken = waiting, taken
    return made


@pytest.fixture
def connection():
    return connect()


def test_the_brake_of_the_writer_and_that_of_the_peer_are_two(connection):
    """Reading goes on when both are off, whichever comes off last."""
    connection.dataReceived(framed(b"x") * 80)
    assert connection.transport.producerState == "paused"
    connection.pauseProducing()
    for answer in connection.waiting[:70]:
        answer(REPLY)
    assert connection.transport.producerState == "paused"
    connection.resumeProducing()
    assert connection.transport.producerState == "producing"


def test_the_peer_takes_replies_again_while_the_writer_is_behind(connection):
    """Then it is the writer that reading waits for."""
    connection.dataReceived(framed(b"MSH|x") * 80)
    connection.pauseProducing()
    connection.resumeProducing()
    assert connection.transport.producerState == "paused"
    for answer in connection.waiting:
        answer(REPLY)
    assert connection.transport.producerState == "producing"


def test_a_reply_to_a_connection_that_is_gone_goes_nowhere(connection):
    """And closing it once more does nothing."""
    connection.dataReceived(framed(b"MSH|x") * 70)
    connection.connectionLost()
    for answer in connection.waiting:
        answer(REPLY._replace(data=framed(b"MSH|ack")))
    connection.drain()
    connection.regulate()
    connection.stopProducing()
    assert connection.transport.value() == b""
    assert connection._owner.held == 0


def test_what_comes_after_a_drain_has_begun_is_not_taken(connection):
    """TLS may have it in its hands when reading stops."""
    connection.dataReceived(framed(b"MSH|x"))
    connection.drain()
    connection.dataReceived(framed(b"MSH|y"))
    assert [block.data for block in connection.taken] == [b"MSH|x"]
    connection.waiting[0](REPLY._replace(data=framed(b"MSH|ack")))
    assert connection.transport.value() == framed(b"MSH|ack")
    assert connection.transport.disconnecting


def test_a_drain_that_nobody_asked_for_is_not_reported(connection):
    """The factory tells of the last connection's end only when it is waited for, and once."""
    factory = connection._owner
    connection.connectionLost()
    done = factory.drain()
    factory.note_gone()
    assert done.called


def test_what_could_not_be_stored_is_not_committed_and_gets_no_other_answer():
    """The sender repeats the block; a reply to what it did not hand over would be taken for one to the next."""
    connection = connect(release=2)
    connection.dataReceived(framed(b"MSH|x"))
    connection.waiting[0](NOT_STORED)
    assert connection.transport.value() == NAK


def test_a_block_of_which_a_part_could_not_be_stored_is_not_committed():
    """Its resend gives duplicates, and the part that was missing."""
    connection = connect(release=2, tolerances=frozenset({"several_messages"}))
    connection.dataReceived(framed(b"MSH|^~\\&|a\rMSH|^~\\&|b"))
    for answer, reply in zip(connection.waiting, (REPLY, NOT_STORED), strict=True):
        answer(reply)
    assert connection.transport.value() == NAK


def test_the_replies_to_a_batch_that_could_not_be_stored_come_as_a_batch():
    """It has no row's number, and so the hour for its own."""
    connection = connect()
    connection.dataReceived(framed(b"BHS|^~\\&\rMSH|^~\\&|a\rBTS|1"))
    connection.waiting[0](NOT_STORED)
    reply = connection.transport.value()
    assert reply.startswith(b"\x0bBHS|^~\\&|HL7BRIDGE|")
    assert b"MSH|no" in reply


def test_a_reply_that_cannot_be_joined_does_not_stop_what_follows(connection, monkeypatch):
    """The fault is the writer's to tell; the connection goes on."""
    monkeypatch.setattr("hl7bridge.net.gathering.build_batch_reply", lambda *_arguments, **_named: 1 / 0)
    connection.dataReceived(framed(b"BHS|^~\\&\rMSH|^~\\&|a\rBTS|1") + framed(b"MSH|b"))
    with pytest.raises(ZeroDivisionError):
        connection.waiting[0](NOT_STORED)
    connection.waiting[1](NOT_STORED)
    assert connection.transport.value() == NOT_STORED.data
    assert connection.transport.producerState == "producing"


def test_a_pause_in_what_we_do_not_read_completes_nothing():
    """The rest may lie in the kernel; when we read on, the pause begins anew."""
    connection = connect(tolerances=frozenset({"unframed"}))
    connection.dataReceived(b"MSH|^~\\&|x")
    connection.pauseProducing()
    look = connection._look
    connection.heard_at -= 10
    look.func(*look.args)
    assert (connection.taken, connection._look is look) == ([], False)
    connection.resumeProducing()
    connection.heard_at -= 10
    again = connection._look
    again.func(*again.args)
    assert [block.data for block in connection.taken] == [b"MSH|^~\\&|x"]
    assert connection._look is None
    for each in (look, again):
        each.cancel()


def test_a_socket_that_takes_even_a_little_is_not_silent():
    """The time counts from when it last took something, or had nothing to take."""
    wire = Wire()
    outlet = Outlet(wire, 0.5)
    assert outlet.silent_since(1.0) == 1.0
    wire._tempDataLen = 10
    assert [outlet.silent_since(2.0), outlet.silent_since(3.0)] == [1.0, 1.0]
    wire.dataBuffer, wire._tempDataLen = b"0123456789", 0
    assert [outlet.silent_since(4.0), outlet.silent_since(5.0)] == [4.0, 4.0]
    wire.offset = 9
    assert [outlet.silent_since(6.0), outlet.silent_since(7.0)] == [6.0, 6.0]
    wire.offset = 10
    assert outlet.silent_since(8.0) == 8.0


def test_what_waits_when_it_is_looked_at_for_the_first_time_has_waited_since_the_connection_was_made():
    """And not since the machine was started: a sender in a hurry is not closed in its first second."""
    wire = Wire()
    outlet = Outlet(wire, 5.0)
    wire._tempDataLen = 10
    assert [outlet.silent_since(6.0), outlet.silent_since(7.0)] == [5.0, 5.0]


def test_a_connection_that_is_lost_while_a_reply_is_written_takes_no_harm(connection):
    """The reactor tells of the loss in its own time."""
    outlet = connection._outlet
    outlet._is_plain = True
    connection.transport._tempDataBuffer = []
    connection.transport.writeSomeData = lambda _data: ConnectionError()
    connection.dataReceived(framed(b"MSH|x"))
    connection.waiting[0](REPLY._replace(data=b"reply"))
    assert connection.transport.value() == b""
