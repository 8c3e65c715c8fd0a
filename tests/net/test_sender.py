"""Deliveries reach an EHR in order and at most once, whatever it does with them: real sockets, a real store."""

from __future__ import annotations

import threading

import pytest
import sinks
from payment_samples import statuses
from reactor_thread import in_reactor
from sender_bridge import SILENCE, SLOW, events, free_port, utc_now
from sinks import Sink, answer

from hl7bridge.message.parse import parse_message
from hl7bridge.net.reactor import reactor
from hl7bridge.net.sender import Link, Sender
from hl7bridge.storage.deliveries import retry_delivery


def test_a_payment_is_posted_when_the_ehr_accepts_it(bridge, logs):
    """One DFT^P03 whose amount and account are right; the row says posted; the log says how long it took."""
    bridge.queue("A1")
    with Sink() as sink:
        bridge.start(sink.port)
        bridge.wait_for_statuses("accepted")
    (payload,) = sink.received
    message = parse_message(payload)
    assert (message.get("FT1-11.1.1"), message.get("PID-18.1")) == ("150.00", "502740")
    assert statuses(bridge.store) == [("accepted", "posted")]
    (entry,) = [each for each in logs if each["event"] == "delivery"]
    assert (entry["delivery"], entry["destination"], entry["verdict"], entry["status"]) == (
        1, "ehr", "accepted", "accepted",
    )  # fmt: skip
    assert entry["ms"] >= 0
    assert not any("TESTPATIENT" in str(each) or "502740" in str(each) for each in logs)


# What the EHR does with a first delivery -> what becomes of it, and why.
MISBEHAVIOURS = {
    "says AE": (answer("AE"), "held", "AE"),
    "says AE and where": (answer("AE", b"ERR||PID^1^3|204|E\r"), "held", "AE 204 unknown key identifier at PID-3"),
    "says CE": (answer("CE"), "held", "CE"),
    "says CA": (answer("CA"), "accepted", ""),
    "says nonsense": (answer("OK"), "unknown", "MSA-1 is no code of table 0008"),
    "closes after it read": (sinks.close_after_read, "unknown", "the connection closed before the reply"),
    "resets after it read": (sinks.reset, "unknown", "the connection closed before the reply"),
    "says nothing": (sinks.nothing, "unknown", "no reply in time"),
    "accepts another message": (sinks.another_id, "unknown", "no reply in time"),
    "accepts another message first": (sinks.another_then_accept, "accepted", ""),
    "answers with garbage": (sinks.garbage, "unknown", "the reply is not HL7"),
    "accepts outside a block": (sinks.bare_acknowledgement, "unknown", "only bytes outside a block came back"),
    "sends half a reply": (sinks.half_a_frame, "unknown", "the reply broke off half way"),
    "sends half a reply and closes": (sinks.half_a_frame_and_close, "unknown", "the reply broke off half way"),
    "sends too much": (sinks.endless, "unknown", "the reply was too large"),
    "accepts byte by byte": (sinks.accept_byte_by_byte, "accepted", ""),
    "accepts without the last byte": (sinks.accept_without_cr, "accepted", ""),
    "accepts and closes": (sinks.accept_and_close, "accepted", ""),
}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_a_payment_is_sent_once_whatever_the_ehr_does(bridge, name):
    """No blind resend: what may have arrived waits for a person, its account behind it, and other accounts go on."""
    misbehaviour, status, reason = MISBEHAVIOURS[name]
    bridge.queue("A1", "A2", "B1")
    with Sink(misbehaviour) as sink:
        bridge.start(sink.port, ack_timeout=SILENCE)
        is_stuck = status != "accepted"
        bridge.wait_for_statuses(status, "queued" if is_stuck else "accepted", "accepted")
    ids = [row["control_id"] for row in bridge.rows()]
    assert sink.control_ids() == ([ids[0], ids[2]] if is_stuck else ids)
    assert len(set(sink.transaction_ids())) == len(sink.received)
    assert bridge.rows()[0]["last_error"] == reason
    assert bridge.rows()[0]["attempts"] == 1


@pytest.mark.parametrize("code", ["AR", "CR"])
def test_what_the_ehr_puts_off_is_sent_again_byte_for_byte(bridge, code):
    """And nothing overtakes it."""
    bridge.queue("A1", "B1")
    with Sink(answer(code), answer(code)) as sink:
        bridge.start(sink.port)
        bridge.wait_for_statuses("accepted", "accepted")
    assert sink.received[0] == sink.received[1] == sink.received[2]
    assert len(sink.received) == 4
    assert [row["attempts"] for row in bridge.rows()] == [3, 1]


def test_what_the_ehr_always_puts_off_is_held_in_the_end(bridge):
    """After as many attempts as the settings allow; then other accounts go on."""
    bridge.queue("A1", "B1")
    with Sink(*[answer("AR", b"ERR||FT1|206|E\r")] * 3) as sink:
        bridge.start(sink.port)
        bridge.wait_for_statuses("held", "accepted")
    assert len(sink.received) == 4
    assert bridge.rows()[0]["last_error"] == "AR 206 application record locked at FT1 (attempt 3, the last)"
    assert statuses(bridge.store)[0] == ("held", "refused")


def test_a_late_reply_is_never_taken_for_the_next_one(bridge):
    """The first EHR answer comes when the second message waits: neither is confused."""
    bridge.queue("A1", "B1")
    late = threading.Event()
    second = threading.Event()
    with Sink(sinks.when(late, sinks.accept), sinks.when(second, answer("AE"))) as sink:
        bridge.start(sink.port, ack_timeout=SILENCE)
        bridge.wait_for_statuses("unknown", "sending")
        late.set()
        second.set()
        bridge.wait_for_statuses("unknown", "held")
    assert sink.connections == 2


def test_many_payments_go_in_order_over_one_connection(bridge):
    """One in flight; the next leaves when the reply is on disk."""
    names = [f"{account}{number}" for number in range(10) for account in "ABC"]
    bridge.queue(*names)
    with Sink() as sink:
        bridge.start(sink.port)
        bridge.wait_for_statuses(*["accepted"] * 30)
    assert sink.control_ids() == [row["control_id"] for row in bridge.rows()]
    assert sink.connections == 1


def test_what_is_queued_while_the_sender_runs_goes_out(bridge):
    """The command line writes, the daemon sends, over the connection that is open."""
    with Sink() as sink:
        bridge.start(sink.port)
        bridge.queue("A1")
        bridge.wait_for_statuses("accepted")
        bridge.queue("A2")
        bridge.wait_for_statuses("accepted", "accepted")
        assert sink.connections == 1
        sink.hang_up()
        bridge.queue("A3")
        bridge.wait_for(lambda: statuses(bridge.store)[2][0] != "queued" and len(sink.received) == 3)


def test_a_sender_that_sleeps_is_woken(bridge):
    """The service says that something was queued."""
    with Sink() as sink:
        sender = bridge.start(sink.port, poll_seconds=3600)
        while not in_reactor(lambda: sender._rest.can_wake):
            pass
        bridge.queue("A1")
        in_reactor(sender.wake)
        bridge.wait_for_statuses("accepted")


def test_a_sender_that_is_woken_while_it_looks_looks_again(bridge):
    """What is queued between its look and its sleep is not forgotten."""

    def queue_behind_its_back(result):
        bridge.on_result = queue_and_wake if result == 0 else bridge.on_result  # it has recovered and looks now

    def queue_and_wake(_result):
        bridge.on_result = lambda _result: None
        bridge.queue("A1")
        sender.wake()

    with Sink() as sink:
        bridge.on_result = queue_behind_its_back
        sender = in_reactor(Sender, reactor, Link("ehr", "127.0.0.1", sink.port), bridge.submit, poll_seconds=3600)
        bridge._senders.append(sender)
        in_reactor(sender.startService)
        bridge.wait_for_statuses("accepted")


def test_an_ehr_that_is_down_keeps_the_queue_and_warns_once(bridge, logs):
    """No attempt is counted, nothing is unknown; one warning at the start, one line when it is over."""
    port = free_port()
    bridge.queue("A1", "B1")
    bridge.start(port)
    bridge.wait_for(lambda: bridge.rows()[0]["last_error"] != "")
    first = bridge.rows()[0]
    bridge.wait_for(lambda: bridge.rows()[0]["next_attempt_at"] != first["next_attempt_at"])
    assert first["last_error"] == "connection refused"
    assert [(row["status"], row["attempts"]) for row in bridge.rows()] == [("queued", 0), ("queued", 0)]
    with Sink(port=port) as sink:
        bridge.wait_for_statuses("accepted", "accepted")
    assert len(sink.received) == 2
    assert events(logs).count("destination_down") == 1
    assert events(logs).count("destination_up") == 1
    assert bridge.rows()[0]["last_error"] == ""


def test_a_person_can_end_the_wait(bridge):
    """``deliveries retry`` on what waits for the EHR tries at once."""
    port = free_port()
    bridge.queue("A1")
    bridge.start(port, retry=SLOW)
    bridge.wait_for(lambda: bridge.rows()[0]["last_error"] != "")
    with Sink(port=port):
        with bridge.store.transaction():
            retry_delivery(bridge.store, 1, now=utc_now(), actor="user:test", reason="the EHR is up again")
        bridge.wait_for_statuses("accepted")


def test_an_ehr_that_never_answers_does_not_swallow_the_queue(bridge, logs):
    """After a lost reply the sender rests: one unknown delivery, not a hundred."""
    bridge.queue("A1", "B1", "C1")
    with Sink(after=sinks.nothing) as sink:
        sender = bridge.start(sink.port, ack_timeout=SILENCE, retry=SLOW)
        bridge.wait_for_statuses("unknown", "queued", "queued")
        in_reactor(sender.wake)  # being woken is no reason to send either
        bridge.stop(sender)
    assert len(sink.received) == 1
    assert events(logs).count("destination_down") == 1
