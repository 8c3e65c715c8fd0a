"""Money that goes back is counted once: by the EHR's own word, by an agency's, or by a person's."""

from __future__ import annotations

from decimal import Decimal

import pytest
from echo_samples import Bridge
from exchange_samples import POSTING
from feed_samples import dft

from hl7bridge.delivery.delivery import DeliveryEvent
from hl7bridge.errors import RefusedError
from hl7bridge.exchange.reversing import reverse_payment
from hl7bridge.exchange.settlement import Decided, approve_settlement
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.storage.sending import next_deliveries
from hl7bridge.storage.verify import verify_store

WHO = Decided("user:tester", "bounced, J.D.")
ALL = Decimal("500.00")


@pytest.fixture
def bridge(store):
    """One account of 500 dollars."""
    return Bridge(store)


def posted(bridge, number="CHK1", **more) -> tuple[int, str]:
    """Have the EHR accept a payment of 150 dollars; return it, and its FT1 with the opposite sign."""
    payment = bridge.sent(bridge.pay(number, **more))
    bridge.move(payment, DeliveryEvent.ACCEPTED)
    return payment, bridge.own(payment).replace("150.00", "-150.00")


def reverse(bridge, payment):
    with bridge.store.transaction():
        return reverse_payment(bridge.store, payment, POSTING, WHO)


def test_what_the_ehr_took_back_it_takes_back_once(bridge):
    """Under another batch number too; with or without an echo before."""
    for number in ("CHK1", "CHK2"):
        payment, back = posted(bridge, number)
        if number == "CHK1":
            bridge.take(dft(f"E{payment}", bridge.own(payment)))
        bridge.take(dft(f"F{payment}", back), dft(f"G{payment}", back.replace("|B1|", "|B7|")))
        assert bridge.balance == ALL
    assert bridge.counter("echoes_repeated") == 2
    assert bridge.asked() == ["echo_taken_back"] * 2
    bridge.check()


def test_neither_an_agency_nor_a_person_takes_it_back_again(bridge):
    """It is refused (of a file: to suspense), and the EHR is told nothing."""
    payment, back = posted(bridge)
    bridge.take(dft("E1", bridge.own(payment)), dft("E2", back))
    for name in ("CHK1", ""):
        with pytest.raises(RefusedError, match=r"the EHR took back payment 1 itself, and the ledger counts that"):
            bridge.pay("NSF1", "150.00", PaymentKind.REVERSAL, reversal_of=name)
    with pytest.raises(RefusedError, match="the EHR took back payment 1 itself"):
        reverse(bridge, payment)
    assert (bridge.balance, bridge.store.rows("SELECT count(*) FROM deliveries")) == (ALL, [(1,)])
    bridge.check()


def test_a_reversal_that_names_nothing_may_mean_what_the_ehr_took_back(bridge):
    """Another payment of that amount is not taken back in its place; one that is named is."""
    payment, back = posted(bridge)
    posted(bridge, "CHK2")
    bridge.take(dft("E1", bridge.own(payment)), dft("E2", back))
    with pytest.raises(RefusedError, match="the EHR took back payment 1 itself"):
        bridge.pay("NSF1", "150.00", PaymentKind.REVERSAL)
    bridge.pay("NSF2", "150.00", PaymentKind.REVERSAL, reversal_of="CHK2")
    assert bridge.balance == ALL
    bridge.check()


def test_the_ehrs_void_after_our_reversal_is_that_reversals_echo(bridge):
    """Under the id of the payment: once, and the same again is no money either."""
    payment, back = posted(bridge)
    reversal = bridge.sent(reverse(bridge, payment).reversal)
    bridge.take(dft("E1", back))
    assert (bridge.balance, bridge.status(reversal), bridge.asked()) == (ALL, "posted", [])
    bridge.take(dft("E2", back.replace("|B1|", "|B7|")), dft("E3", bridge.own(reversal)))
    assert (bridge.balance, bridge.counter("echoes"), bridge.counter("echoes_repeated")) == (ALL, 1, 2)
    bridge.check()


def test_a_void_that_is_ahead_of_our_reversal_is_its_echo_too(bridge):
    """The EHR has undone it before we could say so: the reversal is not sent any more."""
    payment, back = posted(bridge)
    reversal = reverse(bridge, payment).reversal
    bridge.take(dft("E1", back))
    assert next_deliveries(bridge.store, "ehr", bridge.now, 8) == []
    assert (bridge.balance, bridge.status(reversal), bridge.asked()) == (ALL, "refused", ["echo_against"])
    bridge.check()


def test_more_than_our_reversal_took_back_is_for_a_person(bridge):
    """The EHR has undone all of it, the agency a part: what lies between is in no ledger by itself."""
    _, back = posted(bridge)
    reversal = bridge.pay("NSF1", "30.00", PaymentKind.REVERSAL, reversal_of="CHK1")
    bridge.take(dft("E1", back))
    assert (bridge.balance, bridge.status(reversal), bridge.asked()) == (Decimal("380.00"), "queued", ["echo_differs"])
    bridge.check()


def test_a_settlement_that_the_ehr_took_back_is_not_approved(bridge):
    """And what was written off before is said."""
    first, back = posted(bridge, is_settlement=True)
    with bridge.store.transaction():
        adjustment = approve_settlement(bridge.store, first, Decimal("1.00"), POSTING, WHO)[0].payment_id
    bridge.take(dft("E1", back))
    (reason,) = bridge.store.rows("SELECT reason FROM exceptions WHERE kind = 'echo_taken_back'")[0]
    assert reason.endswith(f"adjustment {adjustment} wrote off what it had left")
    second, back = posted(bridge, "CHK2", is_settlement=True)
    bridge.take(dft("E2", back))
    with pytest.raises(RefusedError, match="the EHR took back payment 3"), bridge.store.transaction():
        approve_settlement(bridge.store, second, Decimal("1.00"), POSTING, WHO)


def test_money_that_went_back_twice_is_found(bridge):
    """By `db verify`."""
    payment, _ = posted(bridge)
    reverse(bridge, payment)
    bridge.store.execute("UPDATE payments SET taken_back_at = 'then' WHERE id = 1")
    problems = [problem for each in verify_store(bridge.store) for problem in each.problems]
    assert problems == ["payment 1 was taken back by the EHR itself, and by payment 2"]
