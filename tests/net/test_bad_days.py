"""Outages, restarts and full queues: what goes out goes out once, in order, and nobody waits for another's trouble."""

from __future__ import annotations

from payment_samples import FORM, make_payment, post, statuses
from reactor_thread import in_reactor
from sender_bridge import QUICK
from sinks import SECONDS, Sink, field

from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.net.lanes import Link
from hl7bridge.net.reactor import reactor
from hl7bridge.net.sender import Sender


def start_other(bridge, port):
    """Start a sender to a second destination."""
    link = Link("other", "127.0.0.1", port, SECONDS, SECONDS, rules=DeliveryRules(QUICK))
    sender = in_reactor(Sender, reactor, link, bridge.submit, poll_seconds=0.02, jitter=lambda: 0.0)
    bridge._senders.append(sender)
    in_reactor(sender.startService)


def test_a_destination_that_takes_messages_and_is_silent_does_not_slow_another(bridge):
    """Each has lanes of its own; they share only the writer."""
    from sinks import nothing

    for number in range(20):
        post(bridge.store, bridge.accounts[number % 3], make_payment(f"O{number}"), form=FORM.__class__("other"))
    with Sink(after=nothing) as dead, Sink() as alive:
        bridge.start(dead.port)
        bridge.store.execute("UPDATE deliveries SET destination = 'ehr' WHERE id = 1")  # its account's first is stuck
        start_other(bridge, alive.port)
        bridge.wait_for(lambda: len(alive.received) == 13)  # all of the two other accounts
        assert [status for status, _ in statuses(bridge.store)].count("accepted") in (12, 13)
        assert len(dead.wait_for(1)) == 1


def test_stops_and_starts_in_the_middle_of_a_queue_lose_nothing_and_repeat_nothing(bridge):
    """Each payment once; of each account in the order in which it came."""
    names = [f"{account}{number}" for number in range(20) for account in "ABC"]
    bridge.queue(*names)
    with Sink() as sink:
        for count in (7, 20, 41):
            sender = bridge.start(sink.port, window=3)
            sink.wait_for(count)
            bridge.stop(sender)
        bridge.start(sink.port, window=3)
        bridge.wait_for_statuses(*["accepted"] * 60)
    by_account = {}
    for payload in sink.received:
        by_account.setdefault(field(payload, b"PID", 18), []).append(field(payload, b"MSH", 10))
    assert all(each == sorted(each) for each in by_account.values())
    assert len(sink.received) == len(set(sink.control_ids())) == 60


def test_outages_end_with_every_payment_there_once(bridge):
    """The port goes and comes; what is queued meanwhile waits, nothing is unknown, nothing is an attempt."""
    received = []
    sink = Sink()
    bridge.start(sink.port)
    for number in (0, 2, 4):
        bridge.queue(f"A{number}")
        bridge.wait_for(lambda number=number: statuses(bridge.store)[number:] == [("accepted", "posted")])
        sink.close()
        bridge.queue(f"B{number}")
        bridge.wait_for(lambda number=number: bridge.rows()[number + 1]["last_error"] != "")
        assert [(each["status"], each["attempts"]) for each in bridge.rows()[number + 1 :]] == [("queued", 0)]
        received += sink.control_ids()
        sink = Sink(port=sink.port)
        bridge.wait_for(lambda number=number: statuses(bridge.store)[number + 1][0] == "accepted")
    received += sink.control_ids()
    sink.close()
    assert received == [row["control_id"] for row in bridge.rows()]
