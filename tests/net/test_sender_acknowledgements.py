"""Application replies reach a destination as messages of our own, again when need be: real sockets, a real store."""

from __future__ import annotations

import datetime as dt

import pytest
import sinks
from delivery_samples import start_attempt
from feed_samples import Feed, adt, code
from payment_samples import statuses
from sender_bridge import SILENCE, utc_now
from sinks import Sink, answer

from hl7bridge.message.parse import parse_message

BOTH = {"m15": "AL", "m16": "AL"}


@pytest.fixture
def line(bridge):
    """Return a listener's pipeline whose application replies go to the destination of the bridge's senders."""
    made = Feed(bridge.store, application_ack_to="ehr")
    made.now = utc_now() - dt.timedelta(minutes=1)
    return made


def wait_for(bridge, *wanted):
    """Wait until the deliveries have these statuses, in the order queued."""
    bridge.wait_for(lambda: [row["status"] for row in bridge.rows()] == list(wanted))


def test_a_sender_gets_its_commit_reply_at_once_and_its_application_reply_at_its_own_port(bridge, line, logs):
    """From the block that came in to the partner's commit reply for our acknowledgement."""
    with Sink(after=answer("CA")) as sink:
        bridge.start(sink.port)
        assert code(line.send(adt("A1", **BOTH))) == "CA"
        wait_for(bridge, "accepted")
    (payload,) = map(parse_message, sink.received)
    assert [payload.get(path) for path in ("MSH-9", "MSA-1", "MSA-2")] == ["ACK^A04^ACK", "AA", "A1"]
    assert [payload.get(path) for path in ("MSH-5", "MSH-6", "MSH-15", "MSH-16")] == ["REG", "NORTHGATE", "AL", "NE"]
    (entry,) = [each for each in logs if each["event"] == "delivery"]
    assert (entry["verdict"], entry["status"]) == ("accepted", "accepted")


@pytest.mark.parametrize(
    "misbehaviour", [sinks.close_after_read, sinks.nothing, sinks.garbage, sinks.half_a_frame_and_close, answer("AR")]
)
def test_an_acknowledgement_whose_reply_is_lost_is_sent_again_byte_for_byte(bridge, line, misbehaviour):
    """A payment would be unknown; a second acknowledgement doubles nothing."""
    with Sink(misbehaviour, after=answer("CA")) as sink:
        bridge.start(sink.port, ack_timeout=SILENCE)
        line.send(adt("A1", **BOTH))
        wait_for(bridge, "accepted")
    assert sink.received[0] == sink.received[1]
    assert len(sink.received) == 2
    assert bridge.rows()[0]["attempts"] == 2


def test_an_acknowledgement_that_nobody_answers_is_held_after_its_attempts(bridge, line):
    """And payments go out all the same."""
    with Sink(*[sinks.close_after_read] * 3, after=answer("CA")) as sink:
        line.send(adt("A1", **BOTH))
        bridge.start(sink.port)
        wait_for(bridge, "held")
        bridge.queue("A1")
        bridge.wait_for_statuses("accepted")
    assert bridge.rows()[0]["last_error"] == "the connection closed before the reply (attempt 3, the last)"
    assert statuses(bridge.store) == [("accepted", "posted")]


def test_an_acknowledgement_that_was_being_sent_when_the_daemon_ended_goes_out_at_the_next_start(bridge, line, logs):
    """Nobody is asked."""
    line.send(adt("A1", **BOTH))
    start_attempt(bridge.store, 1, utc_now())
    with Sink() as sink:
        bridge.start(sink.port)
        wait_for(bridge, "accepted")
    assert sink.control_ids() == [bridge.rows()[0]["control_id"]]
    assert "deliveries_unknown" not in [each["event"] for each in logs]
