"""What the sink answers in each of its ways, byte by byte, by a clock that the test moves."""

from __future__ import annotations

import datetime as dt

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from hl7bridge.net.sink import Behaviour, Script, SinkFactory
from hl7bridge.wire.mllp import Block, Decoder

NOW = dt.datetime(2026, 1, 15, 16, 30, tzinfo=dt.UTC)
PAYMENT = (
    b"MSH|^~\\&|HL7BRIDGE||EHR||20260115103000||DFT^P03|%b|P|2.5.1|||%b\rPID|1||TMRN1||TESTPATIENT^AURELIA\r"
    b"FT1|1|T1|B1|20260114|20260115|PY|C\rFT1|2|T2|B1|20260114|20260115|PY|C\rFT1|3\r"
)


class Talk:
    """One connection to a sink that behaves as told."""

    def __init__(self, *behaviours, delay=5.0):
        self.got = []
        self.clock = Clock()
        self.factory = SinkFactory(self.clock, Script(behaviours), self.got.append, delay=delay, now=lambda: NOW)
        self.connect()

    def connect(self):
        """Open a connection; the one before stays as it is."""
        self.transport = StringTransport()
        self.sink = self.factory.buildProtocol(None)
        self.sink.makeConnection(self.transport)

    def send(self, *control_ids, asks=b""):
        """Send payments in one piece; return what came back at once."""
        self.sink.dataReceived(b"".join(framed(PAYMENT % (each.encode(), asks)) for each in control_ids))
        return self.came()

    def came(self):
        """Return what came back since the last look."""
        found = self.transport.value()
        self.transport.clear()
        return found


def framed(payload):
    return b"\x0b" + payload + b"\x1c\r"


def verdicts(data):
    """Return MSA-1 and MSA-2 of each block."""
    blocks = [event.data for event in Decoder().feed(data) if isinstance(event, Block)]
    return [tuple(block.split(b"\rMSA|")[1].split(b"\r")[0].decode().split("|")[:2]) for block in blocks]


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Behaviour.ACCEPT, [("AA", "HB1")]),
        (Behaviour.REFUSE, [("AE", "HB1")]),
        (Behaviour.REJECT, [("AR", "HB1")]),
        (Behaviour.WRONG_ID, [("AA", "SOMEBODY-ELSES-1")]),
        (Behaviour.WRONG_THEN_RIGHT, [("AA", "SOMEBODY-ELSES-1"), ("AA", "HB1")]),
    ],
)
def test_an_acknowledgement_says_what_the_behaviour_says(behaviour, said):
    """A code of table 0008, and MSA-2: the message's own id or another's."""
    assert verdicts(Talk(behaviour).send("HB1")) == said


def test_enhanced_mode_is_answered_as_the_message_asks():
    """MSH-15 and MSH-16 AL: a commit and an application acknowledgement."""
    assert verdicts(Talk().send("HB1", asks=b"AL|AL")) == [("CA", "HB1"), ("AA", "HB1")]
    assert verdicts(Talk(Behaviour.REFUSE).send("HB1", asks=b"AL|NE")) == [("CE", "HB1")]


def test_what_came_is_told_before_it_is_answered():
    """Its number, its connection, its ids, the payments in it, and whether its id came before."""
    talk = Talk()
    talk.send("HB1")
    talk.connect()
    talk.send("HB1", "HB2")
    assert [(got.number, got.connection, got.control_id, got.is_repeat) for got in talk.got] == [
        *((1, 1, "HB1", False), (2, 2, "HB1", True), (3, 2, "HB2", False)),
    ]
    first, again, other = talk.got
    assert first.transactions == ("T1", "T2")
    assert (first.message_type, first.at) == ("DFT^P03", NOW)
    assert first.digest == again.digest != other.digest


def test_what_is_no_message_is_told_too():
    """Without ids; the answer is no yes, whatever the behaviour."""
    talk = Talk()
    talk.sink.dataReceived(framed(b"hello"))
    assert [(got.control_id, got.message_type, got.transactions) for got in talk.got] == [("", "", ())]
    assert verdicts(talk.came()) == [("AR", "")]


def test_a_message_may_come_in_any_pieces():
    """It is answered once, when it is whole."""
    talk = Talk()
    block = framed(PAYMENT % (b"HB1", b""))
    for at in range(len(block) - 1):
        talk.sink.dataReceived(block[at : at + 1])
    assert talk.came() == b""
    talk.sink.dataReceived(block[-1:])
    assert verdicts(talk.came()) == [("AA", "HB1")]


def test_a_delayed_answer_holds_back_the_next_message_of_its_connection():
    """It is not even read before."""
    talk = Talk(Behaviour.DELAY, Behaviour.ACCEPT)
    assert talk.send("HB1", "HB2") == b""
    assert len(talk.got) == 1
    talk.clock.advance(5)
    assert verdicts(talk.came()) == [("AA", "HB1"), ("AA", "HB2")]


def test_a_late_answer_lets_the_next_message_pass():
    """And comes after its answer."""
    talk = Talk(Behaviour.LATE, Behaviour.ACCEPT)
    assert verdicts(talk.send("HB1", "HB2")) == [("AA", "HB2")]
    talk.clock.advance(5)
    assert verdicts(talk.came()) == [("AA", "HB1")]


def test_nobody_is_answered_on_a_connection_that_is_gone():
    """Neither late, nor for what had come and was waiting."""
    talk = Talk(Behaviour.DELAY, Behaviour.ACCEPT)
    talk.send("HB1", "HB2")
    talk.sink.connectionLost()
    talk.clock.advance(5)
    assert talk.came() == b""
    assert len(talk.got) == 1


@pytest.mark.parametrize(
    ("behaviour", "begins", "is_closed", "is_aborted"),
    [
        (Behaviour.CLOSE, b"", True, False),
        (Behaviour.RESET, b"", True, True),
        (Behaviour.HALF_AND_CLOSE, b"\x0bMSH|", True, False),
        (Behaviour.HALF, b"\x0bMSH|", False, False),
        (Behaviour.GARBAGE, b"\x0b<html>", False, False),
        (Behaviour.UNFRAMED, b"MSH|", False, False),
        (Behaviour.OVERSIZE, b"\x0bMSH|", False, False),
        (Behaviour.SILENT, b"", False, False),
    ],
)
def test_what_is_no_acknowledgement_is_none(behaviour, begins, is_closed, is_aborted):
    """No block in it says AA to the message; what is closed reads nothing more."""
    talk = Talk(behaviour, Behaviour.ACCEPT)
    came = talk.send("HB1")
    assert came.startswith(begins)
    assert bool(came) == bool(begins)
    assert not any(b"|AA|" in event.data for event in Decoder().feed(came) if isinstance(event, Block))
    assert (talk.transport.disconnecting, talk.transport.disconnected) == (is_closed, is_aborted)
    assert verdicts(talk.send("HB2")) == ([] if is_closed else [("AA", "HB2")])


def test_a_script_without_words_accepts():
    """As a sink does that is told nothing."""
    assert verdicts(Talk().send("HB1", "HB2")) == [("AA", "HB1"), ("AA", "HB2")]
