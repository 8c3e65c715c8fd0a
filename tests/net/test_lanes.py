"""Several connections at once keep every account's order, and the partner's own rules: real sockets, a real store."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
import sinks
from payment_samples import statuses
from sender_bridge import SILENCE, events
from sinks import SECONDS, Sink, accept, acknowledgement, answer, field, framed

from hl7bridge.delivery.policy import UnknownPolicy
from hl7bridge.delivery.verdict import Reply
from hl7bridge.net.reactor import reactor
from hl7bridge.net.sender import MOST_REPLIES, Link, Sender
from hl7bridge.storage.deliveries import list_deliveries
from hl7bridge.storage.exceptions import list_exceptions

RESEND = {"rules": {"on_unknown": UnknownPolicy.RESEND_SAME}}
NAMES = [f"{account}{number}" for number in range(6) for account in "ABC"]


def accounts_of(sink):
    """Return PID-18 of what was received, in order."""
    return [field(payload, b"PID", 18) for payload in sink.received]


def test_accounts_go_out_side_by_side_and_each_in_its_own_order(bridge):
    """As many connections as the window allows, one message in flight on each; none of an account overtakes another."""
    met = threading.Barrier(3, timeout=SECONDS)

    def together(connection, payload):
        met.wait()  # three are in flight at once, or this fails
        return accept(connection, payload)

    bridge.queue(*NAMES)
    with Sink(accept, *[together] * 15, after=accept) as sink:
        bridge.start(sink.port, window=3)
        bridge.wait_for_statuses(*["accepted"] * 18)
    assert sink.connections == 3
    for account in set(accounts_of(sink)):
        sent = [each for each, whose in zip(sink.control_ids(), accounts_of(sink), strict=True) if whose == account]
        assert sent == sorted(sent)
    assert len(set(sink.transaction_ids())) == 18


def test_until_the_ehr_has_answered_one_message_is_at_risk(bridge):
    """A window of three and a silent partner: one unknown payment, not three."""
    bridge.queue("A1", "B1", "C1")
    with Sink(after=sinks.nothing) as sink:
        bridge.start(sink.port, window=3, ack_timeout=SILENCE)
        bridge.wait_for(lambda: statuses(bridge.store)[0][0] == "unknown")
        assert len(sink.received) == 1


def test_a_partner_that_takes_fewer_connections_than_configured_gets_everything_all_the_same(bridge, logs):
    """Those that it refuses are tried again later; it is not called down for it."""
    bridge.queue(*NAMES[:12])
    with Sink() as sink:
        first = threading.Event()

        def close_the_door(connection, payload):
            sink.refuse_connections()
            first.set()
            return accept(connection, payload)

        sink._script.append(close_the_door)
        bridge.start(sink.port, window=3)
        bridge.wait_for_statuses(*["accepted"] * 12)
    assert sink.connections == 1
    assert "destination_down" not in events(logs)


def test_a_connection_for_each_message_is_closed_after_its_reply(bridge):
    """Never two at once where one is allowed."""
    bridge.queue("A1", "B1", "C1")
    with Sink() as sink:
        bridge.start(sink.port, is_kept=False)
        bridge.wait_for_statuses("accepted", "accepted", "accepted")
    assert sink.connections == 3


def test_a_connection_that_nobody_needs_is_closed_and_opened_again_for_work(bridge):
    """``idle_close``."""
    gone = threading.Event()

    def tell_when_closed(connection, payload):
        accept(connection, payload)
        if connection.recv(1) == b"":
            gone.set()
        return False

    with Sink(tell_when_closed) as sink:
        bridge.start(sink.port, idle_close=0.05)
        bridge.queue("A1")
        bridge.wait_for_statuses("accepted")
        assert gone.wait(SECONDS)
        bridge.queue("A2")
        bridge.wait_for_statuses("accepted", "accepted")
    assert sink.connections == 2


def late(gate, code=b"AA"):
    """Answer when the gate opens, though the time is up by then."""

    def run(connection, payload):
        gate.wait(SECONDS)
        connection.sendall(framed(acknowledgement(code, field(payload, b"MSH", 10))))
        return True

    return run


@pytest.mark.parametrize(("code", "status"), [(b"AA", "accepted"), (b"AE", "held")])
def test_a_reply_after_its_time_reaches_its_own_row_on_the_same_connection(bridge, logs, code, status):
    """It is listened for as long again before the connection is given up; then sending goes on."""
    bridge.queue("A1", "B1")
    gate = threading.Event()
    with Sink(late(gate, code)) as sink:
        bridge.start(sink.port, ack_timeout=2.0)
        bridge.wait_for(lambda: statuses(bridge.store)[0][0] == "unknown")
        gate.set()
        bridge.wait_for_statuses(status, "accepted")
        assert sink.connections == 1
    assert "delivery_settled" in events(logs)


def test_a_late_reply_takes_a_payment_off_the_queue_that_would_be_sent_again(bridge):
    """Even where the same may be sent again."""
    bridge.queue("A1")
    gate = threading.Event()
    with Sink(late(gate)) as sink:
        from sender_bridge import SLOW

        bridge.start(sink.port, ack_timeout=1.0, retry=SLOW, **RESEND)
        bridge.wait_for_statuses("queued")
        bridge.wait_for(lambda: bridge.rows()[0]["lost"] == 1)
        gate.set()
        bridge.wait_for_statuses("accepted")
    assert len(sink.received) == 1


@pytest.mark.parametrize(
    "misbehaviour", [sinks.close_after_read, sinks.nothing, sinks.garbage, sinks.half_a_frame_and_close, sinks.reset]
)
def test_resend_same_sends_the_same_bytes_until_they_are_answered(bridge, misbehaviour):
    """For a partner that is known to take one MSH-10 once."""
    bridge.queue("A1", "B1")
    with Sink(misbehaviour) as sink:
        bridge.start(sink.port, ack_timeout=SILENCE, **RESEND)
        bridge.wait_for_statuses("accepted", "accepted")
    assert sink.received[0] == sink.received[1]
    assert len(sink.received) == 3
    assert [(row["attempts"], row["lost"]) for row in bridge.rows()] == [(2, 1), (1, 0)]


def test_in_enhanced_mode_the_application_reply_may_come_on_the_same_connection(bridge, logs):
    """CA, and then AA: the lane is free in between, the account is not."""
    bridge.queue("A1", "A2", "B1")
    gate = threading.Event()
    held = []

    def commit(connection, payload):
        held.append(field(payload, b"MSH", 10))
        return answer("CA")(connection, payload)

    def commit_and_apply(connection, payload):
        answer("CA")(connection, payload)
        gate.wait(SECONDS)
        for control_id in (held[0], field(payload, b"MSH", 10)):
            connection.sendall(framed(acknowledgement(b"AA", control_id)))
        return True

    with Sink(commit, commit_and_apply, commit_and_apply) as sink:
        bridge.start(sink.port, rules={"is_enhanced": True})
        bridge.wait_for(lambda: [row["committed_at"] is not None for row in bridge.rows()] == [True, False, True])
        assert [status for status, _ in statuses(bridge.store)] == ["sending", "queued", "sending"]
        gate.set()
        bridge.wait_for_statuses("accepted", "accepted", "accepted")
    assert sink.control_ids()[1] == bridge.rows()[2]["control_id"]


def test_a_commit_without_an_application_reply_is_unknown_after_its_time(bridge, logs):
    """And the log says how many."""
    bridge.queue("A1")
    with Sink(after=answer("CA")) as sink:
        rules = {"is_enhanced": True, "application_ack_within": dt.timedelta(milliseconds=10)}
        bridge.start(sink.port, rules=rules)
        bridge.wait_for_statuses("unknown")
    assert "deliveries_unknown" in events(logs)
    assert next(list_deliveries(bridge.store))["last_error"] == "committed, and no application reply in time"


def test_a_reply_that_contradicts_what_was_settled_is_told(bridge, logs):
    """AA first, and then AE for the same message."""

    def both(connection, payload):
        accept(connection, payload)
        return answer("AE")(connection, payload)

    bridge.queue("A1", "B1")
    with Sink(both) as sink:
        bridge.start(sink.port)
        bridge.wait_for(lambda: "reply_against" in events(logs) and len(sink.received) == 2)
    assert statuses(bridge.store)[0] == ("accepted", "posted")
    (kind,) = {row["kind"] for row in list_exceptions(bridge.store, is_open=True)}
    assert kind == "reply_against"


def test_what_was_committed_runs_out_when_enhanced_mode_was_switched_off(bridge, logs):
    """At the next start of the sender: it is not being sent for ever."""
    bridge.queue("A1")
    with Sink(after=answer("CA")) as sink:
        sender = bridge.start(sink.port, rules={"is_enhanced": True})
        bridge.wait_for(lambda: bridge.rows()[0]["committed_at"] is not None)
        bridge.stop(sender)
        bridge.start(sink.port, rules={"application_ack_within": dt.timedelta(milliseconds=10)})
        bridge.wait_for_statuses("unknown")


def test_an_ehr_that_lets_us_in_and_closes_is_not_asked_in_a_hurry(bridge, logs):
    """It counts as no connection: the wait grows, nothing is an attempt."""
    bridge.queue("A1")
    with Sink(greets=False) as sink:
        sender = bridge.start(sink.port)
        bridge.wait_for(lambda: sink.connections >= 3)
        bridge.stop(sender)
    assert events(logs).count("destination_down") == 1
    assert (statuses(bridge.store), bridge.rows()[0]["attempts"]) == ([("queued", "queued")], 0)


def test_a_flood_of_replies_to_nothing_does_not_fill_the_memory(bridge):
    """What waits for the store is bounded."""
    sender = Sender(reactor, Link("ehr", "127.0.0.1", 1), bridge.submit)
    for number in range(MOST_REPLIES + 5):
        sender.lane_heard(Reply("AA", f"NONE{number}"))
    assert len(sender._replies) == MOST_REPLIES
