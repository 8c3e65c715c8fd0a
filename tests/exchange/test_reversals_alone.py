"""A reversal whose payment the EHR never had is never sent: whichever is told first, the cancelling or the reversal."""

from __future__ import annotations

import pytest
from exchange_samples import POSTING, exceptions
from payment_samples import add_account, make_payment, post, statuses
from remitting_samples import owed

from hl7bridge.delivery.delivery import DeliveryEvent
from hl7bridge.exchange.reversing import reverse_payment
from hl7bridge.exchange.settlement import Decided
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.storage.deliveries import cancel_delivery, move_delivery
from hl7bridge.storage.verify import verify_store

E = DeliveryEvent
TOGETHER = DestinationForm("ehr", batch="account")


@pytest.fixture
def account(store):
    """An account of 500.00."""
    return add_account(store)


def move(store, delivery, *events):
    with store.transaction():
        for event in events:
            move_delivery(store, delivery, event, POSTING.now)


def cancel(store, delivery=1):
    with store.transaction():
        cancel_delivery(store, delivery, now=POSTING.now, actor="user:t", reason="the EHR does not take it")


def take_back(store, account, name="CHK1", **more):
    """Have the agency take a payment back."""
    post(store, account, make_payment(f"NSF-{name}", "150.00", PaymentKind.REVERSAL, reversal_of=name), **more)


def check(store) -> None:
    assert [problem for each in verify_store(store) for problem in each.problems] == []


@pytest.mark.parametrize("form", [DestinationForm("ehr"), TOGETHER])
@pytest.mark.parametrize("is_first", [True, False])
def test_the_ehr_hears_of_neither(store, account, is_first, form):
    """A refused payment is cancelled before or after the agency takes it back; the ledger is as if it had not been."""
    post(store, account)
    move(store, 1, E.STARTED, E.REFUSED)
    if is_first:
        cancel(store)
    take_back(store, account, form=form)
    if not is_first:
        cancel(store)
    assert statuses(store) == [("cancelled", "refused")] * 2
    assert store.rows("SELECT last_error FROM deliveries WHERE id = 2") == [("the EHR never had payment 1",)]
    assert (owed(store, account.id), exceptions(store)) == (500, [])
    check(store)


def test_what_waits_for_the_account_goes_out_without_it(store, account):
    """Where an account's payments go together, what must not be sent is not put among them."""
    post(store, account)
    cancel(store)
    post(store, account, make_payment("CHK2", "20.00"), form=TOGETHER)
    with store.transaction():
        posting = POSTING._replace(form_of=lambda _: TOGETHER)
        assert not reverse_payment(store, 1, posting, Decided("user:t", "bounced")).is_sent
    assert [each[0] for each in statuses(store)] == ["cancelled", "queued", "cancelled"]
    check(store)


def test_a_payment_that_may_have_arrived_has_its_reversal_held(store, account):
    """It was lost once: a person looks whether the EHR has it."""
    post(store, account)
    move(store, 1, E.STARTED, E.RESENT, E.STARTED, E.REFUSED, E.CANCEL)
    store.execute("UPDATE deliveries SET lost = 1")
    take_back(store, account)
    assert [each[0] for each in statuses(store)] == ["cancelled", "held"]
    [(kind, _, reason)] = exceptions(store)
    assert kind == "reversal_alone"
    assert reason == (
        "payment 2 takes back payment 1, whose delivery 1 was cancelled and may have arrived: delivery 2 is held;"
        " see what the EHR has of both"
    )


def test_a_reversal_in_a_message_with_others_is_held_with_them(store, account):
    """They are one message: a person says what of it is posted by hand."""
    post(store, account)
    move(store, 1, E.STARTED, E.REFUSED)
    post(store, account, make_payment("CHK2", "20.00"), form=TOGETHER)
    take_back(store, account, form=TOGETHER)
    cancel(store)
    assert [each[0] for each in statuses(store)] == ["cancelled", "held"]
    [(kind, _, reason)] = exceptions(store)
    assert (kind, "delivery 2 is held" in reason) == ("reversal_alone", True)


@pytest.mark.parametrize(("echoed", "status"), [(0, "cancelled"), (3, "held")])
def test_reversals_that_wait_in_one_message_go_together(store, account, echoed, status):
    """All of them are of what the EHR never had; once it has one of the payments, they wait for a person."""
    for name in ("CHK1", "CHK2"):
        post(store, account, make_payment(name), form=TOGETHER)
    move(store, 1, E.STARTED, E.REFUSED)
    post(store, account, make_payment("NSF0", "50.00", PaymentKind.REVERSAL, reversal_of="CHK1"), form=TOGETHER)
    post(store, account, make_payment("NSF1", "50.00", PaymentKind.REVERSAL, reversal_of="CHK1"), form=TOGETHER)
    take_back(store, account, "CHK2", form=TOGETHER)
    store.execute("UPDATE payments SET echoed_at = 'then' WHERE id = ? - 1", (echoed,))
    cancel(store)
    assert [each[0] for each in statuses(store)] == ["cancelled", status]
    assert len(exceptions(store)) == (2 if echoed else 0)


@pytest.mark.parametrize(("events", "status"), [((E.STARTED,), "sending"), ((E.STARTED, E.LOST), "unknown"),
                                                 ((E.STARTED, E.ACCEPTED), "accepted")])  # fmt: skip
def test_a_reversal_that_is_out_already_is_said(store, account, events, status):
    """By another destination, or another way: it cannot be called back."""
    post(store, account)
    take_back(store, account)
    move(store, 2, *events)
    cancel(store)
    assert [each[0] for each in statuses(store)] == ["cancelled", status]
    assert [each[0] for each in exceptions(store)] == ["reversal_alone"]


def test_the_reversal_of_what_came_back_on_the_feed_is_sent(store, account):
    """The EHR has the payment, whatever its delivery says."""
    post(store, account)
    cancel(store)
    store.execute("UPDATE payments SET echoed_at = 'then'")
    take_back(store, account)
    assert [each[0] for each in statuses(store)] == ["cancelled", "queued"]
    post(store, account, make_payment("CHK3"))
    take_back(store, account, "CHK3")
    store.execute("UPDATE payments SET echoed_at = 'then'")
    cancel(store, 3)
    assert [each[0] for each in statuses(store)][2:] == ["cancelled", "queued"]
