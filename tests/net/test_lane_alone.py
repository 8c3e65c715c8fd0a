"""One lane and what it tells its owner, on a connection in memory: the corners that a real socket rarely meets."""

from __future__ import annotations

import pytest
from memory_wire import ACK, Wire, lose
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from hl7bridge.delivery.delivery import Delivery
from hl7bridge.delivery.verdict import NO_REPLY, NOT_SENT
from hl7bridge.net import lanes
from hl7bridge.net.lanes import Lane, LaneState, Link
from hl7bridge.net.partner import Partner

DELIVERY = Delivery(1, "ehr", "HB1", 1, 1, "MSH|^~\\&|A\r", 1)


class Owner:
    """Notes what a lane tells."""

    def __init__(self):
        self.told = []

    def lane_changed(self):
        self.told.append("changed")

    def lane_not_opened(self, lane, problem):
        self.told.append(type(problem).__name__)

    def lane_ended(self, lane, delivery, verdict, milliseconds):
        self.told.append((verdict, lane.take_ignored(), milliseconds))

    def lane_heard(self, reply):
        self.told.append(reply.code)


@pytest.fixture
def make(monkeypatch):
    """Return what makes an open lane: its owner, clock, and the partner behind it."""

    def made(**link):
        clock, owner = Clock(), Owner()
        partner = Partner(clock, is_tls=False)

        def opened(*_arguments, on_other, **_options):
            partner._on_other = on_other
            return succeed(partner)

        partner.makeConnection(Wire())
        monkeypatch.setattr(lanes, "open_connection", opened)
        lane = Lane(clock, Link("ehr", "127.0.0.1", 1, 5.0, **link), owner)
        lane.open()
        return lane, owner, clock, partner

    return made


def test_what_a_connection_that_is_being_dropped_cannot_take_is_not_sent(make):
    """It is closed for us before the other side knows."""
    lane, owner, _, partner = make()
    partner.drop()
    lane.send(DELIVERY)
    assert owner.told == ["changed", (NOT_SENT, 0, 0.0)]
    assert lane.state is LaneState.CLOSING


def test_a_lane_that_lost_its_connection_sends_nothing(make):
    """And has nothing to close."""
    lane, owner, _, partner = make()
    lose(partner)
    assert owner.told == ["changed", "ConnectionDone"]
    lane.send(DELIVERY)
    assert owner.told[-1] == (NOT_SENT, 0, 0.0)
    lane.drop()
    lane.leave()
    assert lane.state is LaneState.CLOSED


def test_a_lane_listens_as_long_again_as_it_waited_and_then_closes(make):
    """No reply is no proof that none comes."""
    lane, owner, clock, partner = make()
    lane.send(DELIVERY)
    clock.advance(5)
    assert owner.told[-1] == (NO_REPLY, 0, 5000.0)
    assert lane.state is LaneState.LISTENING
    clock.advance(5)
    assert lane.state is LaneState.CLOSING
    lose(partner)
    assert lane.state is LaneState.CLOSED


def test_a_stop_does_not_listen_for_what_is_late(make):
    """What comes after it finds the store by another way, or a person does."""
    lane, _, clock, partner = make()
    lane.send(DELIVERY)
    clock.advance(5)
    lane.leave()
    assert (lane.state, clock.getDelayedCalls()) == (LaneState.CLOSING, [])
    lose(partner)


@pytest.mark.parametrize(("is_kept", "state"), [(True, LaneState.FREE), (False, LaneState.CLOSING)])
def test_a_late_reply_frees_the_lane_or_ends_the_message_it_was_opened_for(make, is_kept, state):
    """A connection for each message is closed after its reply, whenever that comes."""
    lane, owner, clock, partner = make(is_kept=is_kept)
    lane.send(DELIVERY)
    clock.advance(5)
    partner.dataReceived(ACK.replace(b"HB1", b"HB9"))
    assert lane.state is LaneState.LISTENING
    partner.dataReceived(ACK)
    assert (lane.state, owner.told[-2:]) == (state, ["AA", "AA"])


def test_the_end_of_a_lane_waits_for_its_connection(make):
    """Also of one that is still being made."""
    lane, _, _, partner = make()
    ended = lane.end()
    assert not ended.called
    lose(partner)
    assert ended.called
    assert lane.end().called


@pytest.mark.parametrize("way", [Lane.leave, Lane.end])
def test_a_connection_that_is_being_made_is_given_up(monkeypatch, way):
    """The owner hears of it."""
    opening = Deferred()
    monkeypatch.setattr(lanes, "open_connection", lambda *_arguments, **_options: opening)
    owner = Owner()
    lane = Lane(Clock(), Link("ehr", "127.0.0.1", 1), owner)
    lane.open()
    way(lane)
    assert owner.told == ["CancelledError"]
    assert lane.state is LaneState.CLOSED
