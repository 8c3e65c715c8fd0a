"""One connection in memory: when it is read and when it waits, and that what comes too late does no harm."""

from __future__ import annotations

import pytest
from listening import framed
from twisted.internet.testing import StringTransport

from hl7bridge.batch import Reply
from hl7bridge.net.listener import Limits, ListenerFactory
from hl7bridge.storage.messages import Disposition

REPLY = Reply(b"", 1, Disposition.APPLIED, "", "ADT", "C1")


class Wire(StringTransport):
    """A connection in memory, which has no socket to set options on."""

    def setTcpNoDelay(self, _on):  # noqa: N802
        """Take the option."""

    def setTcpKeepAlive(self, _on):  # noqa: N802
        """Take the option."""


@pytest.fixture
def connection():
    """Return a connection whose blocks wait until the test answers them."""
    factory = ListenerFactory(Limits("ehr", 1000, 30.0, None), lambda _block, on_reply: waiting.append(on_reply))
    waiting = []
    made = factory.buildProtocol(None)
    made.makeConnection(Wire())
    made.waiting = waiting
    return made


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
    connection.dataReceived(framed(b"x") * 80)
    connection.pauseProducing()
    connection.resumeProducing()
    assert connection.transport.producerState == "paused"
    for answer in connection.waiting:
        answer(REPLY)
    assert connection.transport.producerState == "producing"


def test_a_reply_to_a_connection_that_is_gone_goes_nowhere(connection):
    """And closing it once more does nothing."""
    connection.dataReceived(framed(b"x") * 70)
    connection.connected = False
    connection.connectionLost()
    for answer in connection.waiting:
        answer(REPLY)
    connection.drain()
    connection.stopProducing()
    assert connection.transport.value() == b""


def test_a_peer_that_reads_no_more_is_closed(connection):
    """No reply would reach it, so none is promised."""
    connection.writeConnectionLost()
    assert connection.transport.disconnecting


def test_a_drain_that_nobody_asked_for_is_not_reported(connection):
    """The factory tells of the last connection's end only when it is waited for, and once."""
    factory = connection._owner
    connection.connectionLost()
    done = factory.drain()
    factory.note_gone()
    assert done.called
