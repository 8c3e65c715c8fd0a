"""A sender that is stopped, killed or fails, or whose store does, never sends a payment twice and never forgets one."""

from __future__ import annotations

import socket
import threading

import pytest
import sinks
import trustme
from delivery_samples import start_attempt
from payment_samples import statuses
from reactor_thread import in_reactor
from sender_bridge import SILENCE, events, tls_files, utc_now
from sinks import SECONDS, Sink, answer
from twisted.internet.defer import fail

from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.net.partner import Partner
from hl7bridge.net.turns import Turned
from hl7bridge.storage.sending import recover_sending


def test_a_stop_before_the_first_byte_puts_the_delivery_back(bridge):
    """It was no attempt, and nothing is unknown."""
    bridge.queue("A1")
    with Sink() as sink:
        stopping = []

        def stop_when_claimed(result):
            if isinstance(result, Turned) and result.claimed and not stopping:
                stopping.append(sender.stopService())

        bridge.on_result = stop_when_claimed
        sender = bridge.start(sink.port)
        bridge.wait_for(lambda: bool(stopping))
        in_reactor(lambda: stopping[0])
    assert (statuses(bridge.store), bridge.rows()[0]["attempts"]) == ([("queued", "queued")], 0)
    assert sink.received == []


def test_what_was_being_sent_when_the_daemon_died_is_not_sent_again(bridge, logs):
    """It is unknown before anything else is sent."""
    bridge.queue("A1", "A2", "B1")
    start_attempt(bridge.store, 1, utc_now())
    with Sink() as sink:
        bridge.start(sink.port)
        bridge.wait_for_statuses("unknown", "queued", "accepted")
    assert sink.control_ids() == [bridge.rows()[2]["control_id"]]
    assert ("deliveries_unknown", 1) in [(entry["event"], entry.get("count")) for entry in logs]


def test_a_stop_waits_for_the_reply_in_flight(bridge):
    """It is recorded, nothing new is begun, and the connection is closed."""
    bridge.queue("A1", "B1")
    gate = threading.Event()
    with Sink(sinks.when(gate, sinks.accept)) as sink:
        sender = bridge.start(sink.port)
        sink.wait_for(1)
        stopping = threading.Thread(target=bridge.stop, args=(sender,))
        stopping.start()
        gate.set()
        stopping.join(SECONDS)
        assert not stopping.is_alive()
    assert [status for status, _ in statuses(bridge.store)] == ["accepted", "queued"]
    assert len(sink.received) == 1


def test_a_stop_does_not_wait_for_ever(bridge):
    """A reply that does not come is given up after its time, and is unknown."""
    bridge.queue("A1")
    with Sink(after=sinks.nothing) as sink:
        sender = bridge.start(sink.port, ack_timeout=SILENCE)
        sink.wait_for(1)
        bridge.stop(sender)
    assert statuses(bridge.store) == [("unknown", "unknown")]


def test_a_sender_can_be_started_again(bridge):
    """As a reload does."""
    with Sink() as sink:
        sender = bridge.start(sink.port)
        bridge.queue("A1")
        bridge.wait_for_statuses("accepted")
        in_reactor(sender.stopService)
        bridge.queue("A2")
        in_reactor(sender.startService)
        bridge.wait_for_statuses("accepted", "accepted")
        assert sink.connections == 2


def test_a_stop_ends_a_connection_that_is_being_made(bridge):
    """And one that never began."""
    bridge.queue("A1")
    with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
        port = deaf.getsockname()[1]
        authority = trustme.CA()
        sender = bridge.start(port, tls=tls_files(bridge, authority))  # the handshake is never answered
        connection, _ = deaf.accept()
        with connection:
            bridge.stop(sender)
    assert statuses(bridge.store) == [("queued", "queued")]


def test_a_verdict_survives_a_store_that_fails_for_a_while(bridge, logs):
    """What was sent is not forgotten: it is recorded when the disk has room again, and nothing is sent twice."""
    bridge.queue("A1", "B1")
    gate = threading.Event()
    with Sink(sinks.when(gate, sinks.accept)) as sink:
        bridge.start(sink.port)
        sink.wait_for(1)
        bridge.failing = 3
        gate.set()
        bridge.wait_for_statuses("accepted", "accepted")
    assert len(sink.received) == 2
    assert events(logs).count("store_failed") == 1


def test_a_stop_does_not_wait_for_a_store_that_fails(bridge, logs):
    """The row stays ``sending``: at the next start it is unknown."""
    bridge.queue("A1")
    gate = threading.Event()
    with Sink(sinks.when(gate, sinks.accept)) as sink:
        sender = bridge.start(sink.port)
        sink.wait_for(1)
        bridge.failing = 1_000_000
        stopping = threading.Thread(target=bridge.stop, args=(sender,))
        stopping.start()
        gate.set()
        stopping.join(SECONDS)
        bridge.failing = 0
    assert statuses(bridge.store) == [("sending", "sent")]
    assert "sender_stopped_without_store" in events(logs)


@pytest.mark.parametrize(("code", "status", "is_told"), [("AA", "accepted", False), ("AR", "unknown", True)])
def test_a_reply_to_what_somebody_else_called_unknown_counts_as_a_late_one(bridge, logs, code, status, is_told):
    """Two daemons on one store: the second one's start made it unknown; the EHR's yes is a yes all the same."""
    bridge.queue("A1", "B1")
    gate = threading.Event()
    with Sink(sinks.when(gate, answer(code))) as sink:
        bridge.start(sink.port)
        sink.wait_for(1)
        with bridge.store.transaction():
            recover_sending(bridge.store, "ehr", DeliveryRules(), utc_now())
        gate.set()
        bridge.wait_for_statuses(status, "accepted")
    assert ("verdict_not_recorded" in events(logs)) is is_told
    assert len(sink.received) == 2


def test_a_message_that_cannot_be_framed_is_never_sent(bridge):
    """It waits for a person, its account behind it, and other accounts go on."""
    bridge.queue("A1", "A2", "B1")
    bridge.store.execute("UPDATE deliveries SET content = 'MSH' || char(11) WHERE id = 1")
    with Sink() as sink:
        bridge.start(sink.port)
        bridge.wait_for_statuses("held", "queued", "accepted")
    assert len(sink.received) == 1
    assert bridge.rows()[0]["last_error"] == "not sent: the message holds bytes that end a block"


def raised():
    raise RuntimeError("a fault")


@pytest.mark.parametrize("fault", [raised, lambda: fail(RuntimeError("a fault"))], ids=["at once", "later"])
def test_a_fault_of_our_own_is_said_and_does_not_end_sending(bridge, logs, monkeypatch, fault):
    """What was in flight waits for a person, and the others go on."""
    bridge.queue("A1", "A2", "B1")
    real, faults = Partner.exchange, [fault]

    def exchange(self, *arguments):
        return faults.pop()() if faults else real(self, *arguments)

    monkeypatch.setattr(Partner, "exchange", exchange)
    with Sink() as sink:
        bridge.start(sink.port)
        bridge.wait_for_statuses("unknown", "queued", "accepted")
    assert len(sink.received) == 1
    assert events(logs).count("sender_failed") == 1
