"""People decide about what is held or unknown; each decision is written down, and none can post money twice unseen."""

from __future__ import annotations

import datetime as dt

import pytest
from delivery_samples import end_attempt, start_attempt
from payment_samples import NOW, add_account, make_payment, post, statuses

from hl7bridge.delivery.delivery import DeliveryStatus
from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.retry import RetryPolicy
from hl7bridge.delivery.verdict import NO_REPLY, Outcome, Verdict
from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.storage.audit import read_audit, verify_audit
from hl7bridge.storage.deliveries import (
    cancel_delivery,
    list_deliveries,
    resolve_delivery,
    retry_delivery,
)
from hl7bridge.storage.sending import next_deliveries

SECOND = dt.timedelta(seconds=1)
RULES = DeliveryRules(RetryPolicy(SECOND, 60 * SECOND, 3))
ACCEPTED = Verdict(Outcome.ACCEPTED)
HELD = Verdict(Outcome.HELD, "AE 204 unknown key identifier")
RETRY = Verdict(Outcome.RETRY, "AR")
BY = {"now": NOW, "actor": "user:test", "reason": "looked in the EHR"}


@pytest.fixture
def accounts(store):
    return [add_account(store, f"502744{number}") for number in range(3)]


def queue(store, accounts, names):
    """Queue payments; A1 is the first account's first."""
    for name in names:
        post(store, accounts["ABC".index(name[0])], make_payment(name, "1"))


def next_id(store, now=NOW, destination="ehr"):
    found = next_deliveries(store, destination, now, 1)
    return found[0].id if found else None


def end(store, delivery_id, verdict, now=NOW):
    return end_attempt(store, delivery_id, verdict, RULES, now)


def row(store, delivery_id):
    return next(list_deliveries(store, delivery_id=delivery_id))


def stick(store, accounts, verdict):
    queue(store, accounts, ["A1", "A2"])
    start_attempt(store, 1)
    if verdict is not None:
        end(store, 1, verdict)


def decide(store, function, **more):
    with store.transaction():
        return function(store, 1, **(BY | more))


def test_a_person_has_a_held_delivery_sent_again_in_its_old_place(store, accounts):
    """With all its attempts, and written down."""
    stick(store, accounts, HELD)
    assert decide(store, retry_delivery) is DeliveryStatus.QUEUED
    assert next_id(store) == 1
    assert row(store, 1)["attempts"] == 0
    (audit,) = read_audit(store)
    assert (audit["action"], audit["actor"], audit["reason"]) == ("deliveries.retry", "user:test", "looked in the EHR")
    assert audit["subject"] == "delivery 1: retry, now queued"
    assert verify_audit(store).ok


def test_a_person_has_a_waiting_delivery_sent_now(store, accounts):
    """Instead of after the wait."""
    stick(store, accounts, RETRY)
    assert next_id(store) is None
    decide(store, retry_delivery)
    assert next_id(store) == 1


def test_a_person_says_that_the_destination_has_it(store, accounts):
    """Then it is posted, and the account goes on."""
    stick(store, accounts, NO_REPLY)
    assert next_id(store) is None
    assert decide(store, resolve_delivery, is_accepted=True) is DeliveryStatus.ACCEPTED
    assert statuses(store)[0] == ("accepted", "posted")
    assert next_id(store) == 2
    assert next(read_audit(store))["subject"] == "delivery 1: resolve --accepted, now accepted"


def test_a_person_says_that_the_destination_has_it_not(store, accounts):
    """Then, and only then, what may have arrived is sent again."""
    stick(store, accounts, NO_REPLY)
    assert decide(store, resolve_delivery, is_accepted=False) is DeliveryStatus.QUEUED
    assert next_id(store) == 1


def test_a_held_delivery_that_was_posted_by_hand_is_accepted(store, accounts):
    """The EHR's people keyed it in."""
    stick(store, accounts, HELD)
    assert decide(store, resolve_delivery, is_accepted=True) is DeliveryStatus.ACCEPTED


@pytest.mark.parametrize("verdict", [HELD, RETRY])
def test_a_person_cancels_what_is_queued_or_held(store, accounts, verdict):
    """It is never sent; the payment is not in the EHR."""
    stick(store, accounts, verdict)
    assert decide(store, cancel_delivery) is DeliveryStatus.CANCELLED
    assert statuses(store)[0] == ("cancelled", "refused")
    assert row(store, 1)["finished_at"] is not None
    assert next_id(store) == 2


@pytest.mark.parametrize(
    ("verdict", "function", "more"),
    [
        (NO_REPLY, retry_delivery, {}),
        (NO_REPLY, cancel_delivery, {}),
        (ACCEPTED, retry_delivery, {}),
        (ACCEPTED, cancel_delivery, {}),
        (ACCEPTED, resolve_delivery, {"is_accepted": False}),
        (HELD, resolve_delivery, {"is_accepted": False}),
        (RETRY, resolve_delivery, {"is_accepted": True}),
        (None, retry_delivery, {}),
        (None, cancel_delivery, {}),
        (None, resolve_delivery, {"is_accepted": True}),
    ],
)
def test_what_could_post_money_twice_is_refused(store, accounts, verdict, function, more):
    """Nothing changes and nothing is written down as done."""
    stick(store, accounts, verdict)
    before = statuses(store)
    with pytest.raises(RefusedError):
        decide(store, function, **more)
    assert statuses(store) == before
    assert list(read_audit(store)) == []


def test_a_decision_needs_a_reason_and_a_delivery_that_exists(store, accounts):
    """Blanks are no reason."""
    stick(store, accounts, HELD)
    with pytest.raises(RefusedError, match="reason"):
        decide(store, retry_delivery, reason="  ")
    with store.transaction(), pytest.raises(NotFoundError, match="no delivery 77"):
        cancel_delivery(store, 77, **BY)
