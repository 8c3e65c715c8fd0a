"""A turn at the store records what a destination says of its own deliveries, and what has run out."""

from __future__ import annotations

import datetime as dt

import pytest
from delivery_samples import end_attempt, read_delivery, start_attempt
from payment_samples import NOW, add_account, post, statuses

from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.verdict import NO_REPLY, Outcome, Reply, Verdict
from hl7bridge.net.turns import Order, take_turn

ENHANCED = DeliveryRules(is_enhanced=True)
RULES = DeliveryRules()


@pytest.fixture
def sent(store):
    """Return a store with a payment on its way to ``ehr``."""
    post(store, add_account(store))
    start_attempt(store, 1)
    return store


def test_the_reply_of_one_destination_does_not_settle_what_another_was_sent(sent):
    """A test system that answers its copy first says nothing of the real one."""
    end_attempt(sent, 1, NO_REPLY, RULES)
    order = Order(replies=(Reply("AA", read_delivery(sent, 1).control_id),))
    assert take_turn(sent, "test", RULES, order, NOW).settled == [None]
    assert statuses(sent) == [("unknown", "unknown")]
    assert take_turn(sent, "ehr", RULES, order, NOW).settled[0].status == "accepted"


def test_what_was_committed_runs_out_though_enhanced_mode_was_switched_off_since(sent):
    """It does not wait for ever."""
    end_attempt(sent, 1, Verdict(Outcome.COMMITTED), ENHANCED)
    turned = take_turn(sent, "ehr", RULES, Order(has_deadlines=True), NOW + dt.timedelta(hours=1))
    assert (turned.unknown, statuses(sent)) == (1, [("unknown", "unknown")])
