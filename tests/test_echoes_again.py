"""A payment that a person had sent again, or cancelled, and that comes back under the EHR's id is no second money."""

from __future__ import annotations

from decimal import Decimal

import pytest
from echo_samples import Bridge, ehr
from exchange_samples import POSTING
from feed_samples import dft

from hl7bridge.delivery.delivery import DeliveryEvent
from hl7bridge.errors import RefusedError
from hl7bridge.exchange.reversing import reverse_payment
from hl7bridge.exchange.settlement import Decided
from hl7bridge.storage.deliveries import cancel_delivery, resolve_delivery, retry_delivery
from hl7bridge.storage.sending import next_deliveries


@pytest.fixture
def bridge(store):
    """One account of 500 dollars."""
    return Bridge(store)


def decide(bridge, decision, **more):
    with bridge.store.transaction():
        decision(bridge.store, 1, now=bridge.now, actor="user:t", reason="a test", **more)


@pytest.mark.parametrize("found_by", ["id", "content"])
@pytest.mark.parametrize(
    ("event", "decision", "more"),
    [
        (DeliveryEvent.LOST, resolve_delivery, {"is_accepted": False}),
        (DeliveryEvent.REFUSED, retry_delivery, {}),
    ],
)
def test_it_came_back_before_it_was_sent_again(bridge, event, decision, more, found_by):
    """It is posted, counts once, and nothing is left to send."""
    payment = bridge.sent(bridge.pay())
    bridge.move(payment, event)
    decide(bridge, decision, **more)
    bridge.take(dft("E1", bridge.own(payment) if found_by == "id" else ehr()))
    assert (bridge.balance, bridge.status(payment), bridge.asked()) == (Decimal("350.00"), "posted", [])
    assert next_deliveries(bridge.store, "ehr", bridge.now, 1) == []
    bridge.check()


def test_what_was_sent_and_cancelled_comes_back_and_is_said(bridge):
    """Under the EHR's own id: the ledger has it once."""
    payment = bridge.sent(bridge.pay())
    bridge.move(payment, DeliveryEvent.REFUSED)
    decide(bridge, cancel_delivery)
    bridge.take(dft("E1", ehr()))
    assert (bridge.balance, bridge.status(payment), bridge.asked()) == (Decimal("350.00"), "refused", ["echo_against"])
    bridge.check()


def test_one_that_is_on_its_way_is_meant_before_one_that_was_cancelled(bridge):
    """Of two alike."""
    first = bridge.sent(bridge.pay("CHK1", "50.00"))
    bridge.move(first, DeliveryEvent.REFUSED)
    decide(bridge, cancel_delivery)
    second = bridge.sent(bridge.pay("CHK2", "50.00"))
    bridge.take(dft("E1", ehr("50.00")))
    assert (bridge.status(second), bridge.asked()) == ("posted", [])
    bridge.check()


def test_one_that_was_never_sent_and_comes_back_is_held_for_a_person(bridge):
    """Our own id: a store that was restored. It does not go out while somebody looks."""
    payment = bridge.pay()
    bridge.take(dft("E1", bridge.own(payment)))
    assert (bridge.balance, bridge.asked()) == (Decimal("350.00"), ["echo_against"])
    assert bridge.store.rows("SELECT status FROM deliveries") == [("held",)]
    assert next_deliveries(bridge.store, "ehr", bridge.now, 1) == []
    bridge.check()


def test_what_was_lost_and_then_refused_can_be_taken_back_once_a_person_has_looked(bridge):
    """Not before: a part of the money may be in the EHR. Cancelled, it could never be."""
    payment = bridge.sent(bridge.pay())
    bridge.move(payment, DeliveryEvent.REFUSED)
    bridge.store.execute("UPDATE deliveries SET lost = 1")
    for decision in (cancel_delivery, reverse):
        with pytest.raises(RefusedError, match=r"may (have arrived|be in the EHR)"):
            decide(bridge, decision)
    decide(bridge, resolve_delivery, is_accepted=False)
    decide(bridge, reverse)
    assert bridge.balance == Decimal("500.00")
    assert bridge.store.rows("SELECT status FROM deliveries") == [("cancelled",), ("cancelled",)]
    bridge.check()


def reverse(store, payment_id, *, now, actor, reason):
    return reverse_payment(store, payment_id, POSTING._replace(now=now), Decided(actor, reason))
