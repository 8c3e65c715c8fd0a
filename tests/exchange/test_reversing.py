"""A person takes a payment back: once, whole, and the EHR hears of it only when it has the payment."""

from __future__ import annotations

from decimal import Decimal

import pytest
from exchange_samples import POSTING
from payment_samples import add_account, make_payment, post, statuses

from hl7bridge.delivery.delivery import DeliveryEvent
from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.exchange.reversing import reverse_payment
from hl7bridge.exchange.settlement import Decided, approve_settlement
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.audit import read_audit
from hl7bridge.storage.deliveries import cancel_delivery, move_delivery
from hl7bridge.storage.verify import verify_store

E = DeliveryEvent
WHO = Decided("user:tester", "cheque bounced, J.D.")


@pytest.fixture
def account(store):
    """An account of 500.00."""
    return add_account(store)


def move(store, delivery, *events):
    with store.transaction():
        for event in events:
            move_delivery(store, delivery, event, POSTING.now)


def reverse(store, payment=1, decided=WHO):
    with store.transaction():
        return reverse_payment(store, payment, POSTING, decided)


def balance(store, account) -> Decimal:
    return read_account(store, account.id).balance


def check(store) -> None:
    assert [problem for each in verify_store(store) for problem in each.problems] == []


def test_what_the_ehr_has_it_is_told_to_take_back(store, account):
    """The balance is what it was, and the reversal goes out behind the payment."""
    post(store, account)
    move(store, 1, E.STARTED, E.ACCEPTED)
    assert reverse(store) == (2, True, None)
    assert (balance(store, account), statuses(store)) == (
        Decimal("500.00"), [("accepted", "posted"), ("queued", "queued")],
    )  # fmt: skip
    assert store.rows("SELECT agency_payment_id, kind, amount, reverses FROM payments WHERE id = 2") == [
        ("reversal-of-1", "reversal", 15000, 1)
    ]
    first = next(each for each in read_audit(store) if each["action"] == "payments.reverse")
    assert (first["subject"], first["reason"]) == ("payment 1: 150.00 taken back as payment 2", "cheque bounced, J.D.")
    check(store)


@pytest.mark.parametrize("events", [(), (E.STARTED, E.NOT_SENT), (E.STARTED, E.REFUSED), (E.CANCEL,)])
def test_what_the_ehr_never_had_it_is_told_nothing_of(store, account, events):
    """Neither the payment nor its reversal is ever sent; the ledger is as if it had not been."""
    post(store, account)
    move(store, 1, *events)
    assert reverse(store) == (2, False, None)
    assert balance(store, account) == Decimal("500.00")
    assert statuses(store) == [("cancelled", "refused")] * 2
    check(store)


@pytest.mark.parametrize("events", [(E.STARTED,), (E.STARTED, E.LOST)])
def test_what_may_be_in_the_ehr_is_found_out_first(store, account, events):
    """On its way, or lost: a person looks, and nothing changes."""
    post(store, account)
    move(store, 1, *events)
    with pytest.raises(RefusedError, match="deliveries resolve 1"):
        reverse(store)
    assert balance(store, account) == Decimal("350.00")


def test_what_was_lost_before_it_was_queued_again_may_be_there(store, account):
    """A resend that waits is no reason to believe that the EHR has nothing."""
    post(store, account)
    store.execute("UPDATE deliveries SET lost = 1")
    with pytest.raises(RefusedError, match="may be in the EHR"):
        reverse(store)


def test_what_came_back_is_there_whatever_its_delivery_says(store, account):
    """It was cancelled, and the feed has shown it: the EHR is told to take it back."""
    post(store, account)
    with store.transaction():
        cancel_delivery(store, 1, now=POSTING.now, actor="user:t", reason="a test")
        store.execute("UPDATE payments SET echoed_at = 'then'")
    assert reverse(store).is_sent


def test_once_and_no_more(store, account):
    """Nor after the agency has taken it back itself."""
    post(store, account)
    reverse(store)
    with pytest.raises(RefusedError, match="taken back before, by payment 2"):
        reverse(store)
    post(store, account, make_payment("CHK2", "20.00"))
    post(store, account, make_payment("REV2", "20.00", PaymentKind.REVERSAL, reversal_of="CHK2"))
    with pytest.raises(RefusedError, match="taken back before, by payment 4"):
        reverse(store, 3)
    with pytest.raises(RefusedError, match="is a reversal"):
        reverse(store, 4)
    with pytest.raises(NotFoundError, match="no payment 9"):
        reverse(store, 9)
    with pytest.raises(RefusedError, match="reason"):
        reverse(store, 3, Decided("user:tester", " "))


@pytest.mark.parametrize("which", [1, 2])
def test_payments_that_wait_in_one_message_go_together(store, account, which):
    """Neither is taken out of a message that carries others: it is taken back once the EHR has it."""
    post(store, account)
    post(store, account, make_payment("CHK2", "20.00"))
    store.execute("UPDATE delivery_payments SET delivery_id = 1 WHERE payment_id = 2")
    with pytest.raises(RefusedError, match="one message with other payments"):
        reverse(store, which)


def test_a_settlement_that_is_taken_back_keeps_what_was_written_off(store, account):
    """The person is told which payment that was."""
    post(store, account, make_payment("SET1", "100.00", is_settlement=True))
    with store.transaction():
        approve_settlement(store, 1, None, POSTING, WHO)
    assert reverse(store).adjustment == 2
    assert balance(store, account) == Decimal("100.00")
    check(store)
