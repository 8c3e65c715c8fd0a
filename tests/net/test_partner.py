"""One connection to a destination: every way in which it can fail has its words, and none passes for a reply."""

from __future__ import annotations

import pytest
from memory_wire import ACK, Wire, lose
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from hl7bridge.delivery.verdict import CLOSED, HALF_REPLY, NO_REPLY, NOT_FRAMED, NOT_SENT, OVERSIZE, Outcome
from hl7bridge.net.partner import (
    LARGEST_REPLY,
    ClientTls,
    Partner,
    _endpoint,
    _read_certificates,
    connection_failure,
    open_connection,
)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def partner(clock):
    made = Partner(clock, is_tls=False)
    made.makeConnection(Wire())
    return made


def verdict_of(waiting):
    found = []

    def keep(verdict):
        found.append(verdict)
        return verdict

    waiting.addCallback(keep)
    return found[0] if found else None


def test_a_reply_of_its_own_is_the_verdict(partner, clock):
    """And the clock is stopped."""
    waiting = partner.exchange(b"block", "HB1", 5)
    assert partner.transport.value() == b"block"
    partner.dataReceived(ACK)
    assert verdict_of(waiting).outcome is Outcome.ACCEPTED
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("at", range(1, len(ACK)))
def test_a_reply_may_come_in_any_two_pieces(partner, at):
    """Split at every byte."""
    waiting = partner.exchange(b"block", "HB1", 5)
    partner.dataReceived(ACK[:at])
    partner.dataReceived(ACK[at:])
    assert verdict_of(waiting).outcome is Outcome.ACCEPTED


def test_what_comes_when_nothing_waits_is_counted_and_forgotten(partner):
    """An early reply, even of the right name, answers nothing."""
    partner.dataReceived(ACK)
    waiting = partner.exchange(b"block", "HB1", 5)
    assert verdict_of(waiting) is None
    assert partner.ignored == 1
    partner.dataReceived(ACK + ACK)
    assert verdict_of(waiting).outcome is Outcome.ACCEPTED
    assert partner.ignored == 2


@pytest.mark.parametrize(
    ("data", "verdict"),
    [(b"", NO_REPLY), (b"MSA|AA|HB1\r", NOT_FRAMED), (ACK[:-9], HALF_REPLY), (ACK.replace(b"HB1", b"HB2"), NO_REPLY)],
)
def test_when_the_time_is_up_what_came_decides_the_words(partner, clock, data, verdict):
    """Never a yes."""
    waiting = partner.exchange(b"block", "HB1", 5)
    partner.dataReceived(data)
    clock.advance(5)
    assert verdict_of(waiting) == verdict


def test_a_reply_without_its_last_byte_counts_after_a_moment(partner, clock):
    """Everything that matters is there."""
    waiting = partner.exchange(b"block", "HB1", 5)
    partner.dataReceived(ACK[:-1])
    assert verdict_of(waiting) is None
    clock.advance(0.3)
    assert verdict_of(waiting).outcome is Outcome.ACCEPTED


def test_a_reply_without_its_last_byte_counts_when_the_connection_closes(partner):
    """Nothing more can come."""
    waiting = partner.exchange(b"block", "HB1", 5)
    partner.dataReceived(ACK[:-1])
    lose(partner)
    assert verdict_of(waiting).outcome is Outcome.ACCEPTED


def test_an_end_byte_in_the_middle_of_a_reply_ends_nothing(partner, clock):
    """What follows within the moment belongs to it."""
    waiting = partner.exchange(b"block", "HB1", 5)
    partner.dataReceived(ACK[:20] + b"\x1c")
    partner.dataReceived(ACK[20:])
    assert verdict_of(waiting).outcome is Outcome.ACCEPTED
    clock.advance(0.3)


def test_a_connection_that_closes_leaves_the_delivery_unknown(partner, clock):
    """And nothing more is written to it."""
    waiting = partner.exchange(b"block", "HB1", 5)
    lose(partner)
    assert verdict_of(waiting) == CLOSED
    assert verdict_of(partner.exchange(b"block", "HB2", 5)) == NOT_SENT
    assert partner.transport.value() == b"block"
    assert partner.closed.called
    assert clock.getDelayedCalls() == []


def test_a_connection_that_closes_in_the_handshake_was_never_ready(clock):
    """So nothing was written."""
    partner = Partner(clock, is_tls=True)
    partner.makeConnection(Wire())
    assert not partner.is_open
    lose(partner)
    failed = []
    partner.ready.addErrback(lambda failure: failed.append(failure.value))
    assert connection_failure(failed[0]) == "the connection closed at once"


def test_dropping_what_is_not_connected_does_nothing(clock):
    """There is nothing to close."""
    partner = Partner(clock, is_tls=True)
    partner.ready.addErrback(lambda failure: failure.trap(CancelledError))
    partner.ready.cancel()
    assert not partner.is_open


def test_a_connection_that_is_not_made_in_time_is_given_up():
    """All in all: name, connect and handshake together."""
    reactor = MemoryReactorClock()
    failed = []
    open_connection(reactor, "127.0.0.1", 2576, timeout=5).addErrback(lambda failure: failed.append(failure.value))
    reactor.advance(5)
    assert connection_failure(failed[0]) == "no connection in time"


@pytest.mark.parametrize(
    ("host", "kind"),
    [("127.0.0.1", TCP4ClientEndpoint), ("::1", TCP6ClientEndpoint), ("ehr.test", HostnameEndpoint)],
)
def test_an_address_is_connected_to_and_a_name_is_looked_up(host, kind):
    """Both families."""
    assert isinstance(_endpoint(MemoryReactorClock(), host, 2576, 5.0), kind)


def test_a_block_that_is_too_large_ends_the_connection_whether_or_not_a_reply_is_due(clock):
    """Nothing after it is read, so that no later message can be waited for in vain."""
    for is_due in (True, False):
        partner = Partner(clock, is_tls=False)
        partner.makeConnection(Wire())
        waiting = partner.exchange(b"block", "HB1", 30.0) if is_due else None
        partner.dataReceived(b"\x0b" + b"x" * (LARGEST_REPLY + 1))
        assert partner.transport.disconnecting
        assert not partner.is_open
        if waiting:
            assert verdict_of(waiting) == OVERSIZE
        assert verdict_of(partner.exchange(b"block", "HB2", 30.0)) == NOT_SENT


def test_an_acknowledgement_that_nobody_waits_for_is_handed_on_and_other_blocks_are_not(clock):
    """It may be late, or answer a message on another connection."""
    heard = []
    partner = Partner(clock, is_tls=False, on_other=heard.append)
    partner.makeConnection(Wire())
    partner.dataReceived(ACK + b"\x0bgarbage\x1c\r")
    assert [(reply.code, reply.control_id) for reply in heard] == [("AA", "HB1")]
    assert partner.ignored == 2


def test_a_close_in_good_order_becomes_an_abrupt_one_when_the_other_side_does_not_follow(partner, clock):
    """After five seconds; and closing what is closed does nothing."""
    partner.close()
    assert partner.transport.disconnecting
    partner.transport.disconnecting = False
    clock.advance(5)
    assert partner.transport.disconnecting
    lose(partner)
    partner.close()
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (error.ConnectionRefusedError(), "connection refused"),
        (error.TimeoutError(), "no connection in time"),
        (error.DNSLookupError(), "the host name is not known"),
        (error.ConnectionLost(), "the connection closed at once"),
        (VerificationError(errors=[]), "TLS: the certificate is for another host"),
        (SSL.Error([("SSL routines", "", "certificate verify failed")]), "TLS: certificate verify failed"),
        (SSL.Error(), "TLS: the connection broke"),
        (SSL.Error(-1, "Unexpected EOF"), "TLS: the connection broke"),
        (FileNotFoundError(2, "no", "ca.pem"), "TLS: cannot read ca.pem"),
        (OSError(113, "no route"), "no connection (OSError)"),
        (ValueError("TESTPATIENT"), "no connection (ValueError)"),
    ],
)
def test_why_there_is_no_connection_is_said_in_words(problem, words):
    """Nothing of a message is in them."""
    assert connection_failure(problem) == words


def test_a_file_without_a_certificate_is_named(tmp_path):
    """Whatever else is in it."""
    path = tmp_path / "ca.pem"
    path.write_text("not a certificate")
    with pytest.raises(OSError, match="no certificate"):
        _read_certificates(path)
    reactor = MemoryReactorClock()
    with pytest.raises(OSError, match="no certificate"):
        open_connection(reactor, "127.0.0.1", 2576, timeout=5, tls=ClientTls(path))
