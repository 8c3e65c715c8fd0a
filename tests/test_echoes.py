"""Our own payments on the EHR's feed: each confirms its payment, and none is money a second time."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from echo_samples import Bridge, ehr
from feed_samples import adt, code, dft, ft1, refusal

from hl7bridge.delivery.delivery import DeliveryEvent
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.storage import echoes
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.deliveries import cancel_delivery
from hl7bridge.storage.echoes import count_echoes
from hl7bridge.storage.verify import verify_store


@pytest.fixture
def bridge(store):
    """One account of 500 dollars."""
    return Bridge(store)


@pytest.mark.parametrize("events", [(), (DeliveryEvent.LOST,), (DeliveryEvent.REFUSED,), (DeliveryEvent.ACCEPTED,)])
def test_our_own_id_confirms_the_payment_and_changes_no_balance(bridge, events):
    """Whatever the reply was: on its way, lost, refused and then posted by hand, or accepted."""
    payment = bridge.sent(bridge.pay())
    bridge.move(payment, *events)
    assert bridge.balance == Decimal("350.00")
    reply = bridge.take(dft("E1", bridge.own(payment)))[0]
    assert reply.reason == f"echo of payment {payment}"
    assert (bridge.status(payment), bridge.balance, bridge.counter("echoes")) == ("posted", Decimal("350.00"), 1)
    assert count_echoes(bridge.store) == (1, 0)
    bridge.check()


def test_our_own_id_again_is_no_money_either(bridge):
    """In another message, with another batch number, or twice in one."""
    payment = bridge.sent(bridge.pay())
    own = bridge.own(payment)
    bridge.take(dft("E1", own, own), dft("E2", own), dft("E3", own.replace("B1", "B9")))
    assert (bridge.balance, bridge.counter("echoes"), bridge.counter("echoes_repeated")) == (Decimal("350.00"), 1, 2)
    bridge.check()


@pytest.mark.parametrize("kind", list(PaymentKind))
@pytest.mark.parametrize("form", [DestinationForm("ehr"), DestinationForm("ehr", "2.3", payment_sign="negative",
                                                                          adjustment_sign="negative",
                                                                          reversal="credit")])  # fmt: skip
def test_every_kind_and_sign_that_is_sent_is_known_when_it_comes_back(bridge, kind, form):
    """By our id, and under the EHR's own by its content."""
    bridge.sent(bridge.pay("CHK0", "300.00", form=form))
    first = bridge.sent(bridge.pay("CHK1", "25.00", kind, form=form, reversal_of="CHK0" if kind == "reversal" else ""))
    second = bridge.sent(bridge.pay("CHK2", "30.00", form=form))
    before = bridge.balance
    fields = bridge.own(second).split("|")
    fields[2] = "EHR77"
    bridge.take(dft("E1", bridge.own(first)), dft("E2", "|".join(fields)))
    assert (bridge.balance, bridge.counter("echoes")) == (before, 2)
    assert [bridge.status(each) for each in (first, second)] == ["posted", "posted"]
    bridge.check()


def test_under_the_ehrs_id_it_is_an_echo_once_and_then_real_money(bridge):
    """Two payments of one day and amount take one echo each; the third such entry is money at the hospital."""
    for number in ("CHK1", "CHK2"):
        bridge.sent(bridge.pay(number, "50.00"))
    bridge.take(dft("E1", ehr("50.00", number="E1")), dft("E2", ehr("50.00", number="E2")))
    assert (bridge.balance, bridge.counter("echoes")) == (Decimal("400.00"), 2)
    bridge.take(dft("E3", ehr("50.00", number="E1")), dft("E4", ehr("50.00", number="E3")))
    assert (bridge.balance, bridge.counter("echoes_repeated")) == (Decimal("350.00"), 1)
    bridge.check()


def test_an_entry_without_an_id_is_an_echo_by_its_content_too(bridge):
    """Once; without an id nothing tells a resend of it from other money."""
    payment = bridge.sent(bridge.pay())
    bridge.take(dft("E1", ehr(number="")))
    assert (bridge.status(payment), bridge.balance) == ("posted", Decimal("350.00"))
    bridge.take(dft("E2", ehr(number="")))
    assert bridge.balance == Decimal("200.00")
    bridge.check()


def test_an_echo_that_is_noted_on_one_side_only_is_found(bridge):
    """By `db verify`."""
    payment = bridge.pay()
    bridge.store.execute("UPDATE payments SET echoed_at = 'then'")
    problems = [problem for each in verify_store(bridge.store) for problem in each.problems]
    assert problems == [f"payment {payment}: what is noted of its echo does not agree"]


def test_an_id_that_was_an_echo_cannot_become_something_else(bridge):
    """As with every entry: the same id with another amount is refused, and changes nothing."""
    bridge.sent(bridge.pay())
    bridge.take(dft("E1", ehr()))
    reply = bridge.send(dft("E2", ft1("5.00", number="N1"), ehr("10.00")))
    assert refusal(reply)[:2] == ("AE", "205")
    assert "FT1[2]-2" in reply.reason
    assert bridge.balance == Decimal("350.00")
    bridge.check()


@pytest.mark.parametrize(
    "entry",
    [ehr("150.01"), ehr(day="20260115"), ehr(code="CASH"), ehr(kind="AJ"), ehr("-150.00"), ehr(kind="CO"), ehr("0.00")],
)
def test_other_money_of_the_account_is_counted(bridge, entry):
    """Nothing but the payment itself is taken for it."""
    payment = bridge.sent(bridge.pay())
    before = bridge.balance
    bridge.take(dft("E1", entry))
    assert bridge.store.rows("SELECT count(*) FROM entries WHERE transaction_id = 'E1'") == [(1,)]
    assert (bridge.status(payment), bridge.counter("echoes")) == ("sent", 0)
    assert bridge.balance != before or "0.00" in entry
    bridge.check()


def test_a_payment_that_was_never_sent_has_no_echo_by_content(bridge):
    """What looks like it is other money; neither is what was cancelled."""
    bridge.pay()
    bridge.take(dft("E1", ehr()))
    assert (bridge.balance, bridge.counter("echoes")) == (Decimal("200.00"), 0)
    bridge.check()


def test_a_repeat_of_an_older_entry_stays_a_repeat(bridge):
    """Money that was there before the payment is not taken for its echo when it is told again."""
    bridge.take(dft("E1", ehr()))
    payment = bridge.sent(bridge.pay())
    bridge.take(dft("E2", ehr()))
    assert (bridge.status(payment), bridge.balance) == ("sent", Decimal("200.00"))


def test_an_echo_among_other_entries_leaves_them_be(bridge):
    """A charge and a payment of the patient's in the same message count."""
    payment = bridge.sent(bridge.pay())
    bridge.take(dft("E1", ft1("20.00", number="N1"), bridge.own(payment), ft1("5.00", "PY", "N2")))
    assert bridge.balance == Decimal("365.00")
    assert bridge.status(payment) == "posted"


def test_posted_otherwise_than_sent_is_for_a_person_and_no_money(bridge):
    """Another amount under our id; and on another account, known or new."""
    payment = bridge.sent(bridge.pay())
    own = bridge.own(payment)
    bridge.take(dft("E1", own.replace("150.00", "140.00")), adt("A2", account="TACC2"))
    bridge.take(dft("E2", own, account="TACC2"), dft("E3", own, account="TACC3"))
    assert bridge.asked() == ["echo_differs", "echo_elsewhere"]
    assert (bridge.balance, bridge.status(payment)) == (Decimal("350.00"), "sent")
    assert find_account(bridge.store, "TACC2").balance == find_account(bridge.store, "TACC3").balance == Decimal(0)
    bridge.check()


def test_what_the_ehr_takes_back_counts_and_is_said(bridge):
    """The balance rises as it does there; a person sees to it that the agency does not take it back once more."""
    payment = bridge.sent(bridge.pay())
    own = bridge.own(payment)
    bridge.take(dft("E1", own), dft("E2", own.replace("150.00", "-150.00")))
    assert (bridge.balance, bridge.asked()) == (Decimal("500.00"), ["echo_taken_back"])
    bridge.take(dft("E3", own.replace("150.00", "-150.00")))
    assert bridge.balance == Decimal("500.00")
    bridge.check()


def test_an_echo_of_what_was_cancelled_is_said_at_once(bridge):
    """The EHR has it: nobody may post it again; it is no second money either."""
    payment = bridge.pay()
    with bridge.store.transaction():
        cancel_delivery(bridge.store, 1, now=bridge.now, actor="user:t", reason="a test")
    bridge.take(dft("E1", bridge.own(payment)))
    assert (bridge.balance, bridge.asked()) == (Decimal("350.00"), ["echo_against"])
    bridge.check()


def test_after_a_merge_the_echo_is_the_other_accounts(bridge):
    """The payment goes with its account, and so does what is known of its echo."""
    first, second = bridge.sent(bridge.pay()), bridge.sent(bridge.pay("CHK2", "60.00"))
    own = bridge.own(first)
    bridge.take(dft("E1", ehr("60.00")), adt("A2", account="TACC2"))
    merge = "MRG|TMRN1^^^HOSP^MR||TACC1"
    bridge.take(adt("M1", merge, event="A35", account="TACC2"))
    bridge.take(dft("E2", own, account="TACC2"), dft("E3", ehr("60.00"), account="TACC2"))
    assert find_account(bridge.store, "TACC2").balance == Decimal("290.00")
    assert [bridge.status(each) for each in (first, second)] == ["posted", "posted"]
    bridge.check()


def test_a_message_that_is_refused_confirms_nothing(bridge):
    """The echo is undone with all else of its message."""
    payment = bridge.sent(bridge.pay())
    bridge.take(dft("N1", ft1("5.00", number="N1")))
    reply = bridge.send(dft("E1", bridge.own(payment), ft1("6.00", number="N1")))
    assert code(reply) == "AE"
    assert (bridge.status(payment), bridge.counter("echoes")) == ("sent", 0)


def test_a_delivery_of_several_payments_is_accepted_once_all_came_back(bridge):
    """The first echo confirms its own payment's arrival, not the other's."""
    first, second = bridge.sent(bridge.pay()), bridge.pay("CHK2", "60.00")
    with bridge.store.transaction():
        bridge.store.execute("DELETE FROM delivery_payments WHERE payment_id = ?", (second,))
        bridge.store.execute("DELETE FROM deliveries WHERE payment_id = ?", (second,))
        bridge.store.execute("INSERT INTO delivery_payments VALUES (1, ?)", (second,))
        bridge.store.execute("UPDATE payments SET status = 'sent'")
    own = bridge.own(first)
    bridge.take(dft("E1", own))
    assert bridge.status(first) == "sent"
    (txn,) = bridge.store.rows("SELECT transaction_id FROM payments WHERE id = ?", (second,))[0]
    bridge.take(dft("E2", ft1("60.00", "PY", txn)))
    assert (bridge.status(first), bridge.status(second)) == ("posted", "posted")
    bridge.check()


def test_the_fee_of_a_payment_is_no_ones_money_here(bridge):
    """Its id is the payment's with an F behind the tag; with another amount, or of no payment, it is ordinary money."""
    payment = bridge.sent(bridge.pay(fee=Decimal("30.00")))
    (txn,) = bridge.store.rows("SELECT transaction_id FROM payments WHERE id = ?", (payment,))[0]
    fee = f"{txn[:4]}F{txn[5:]}"
    bridge.take(dft("E1", ft1("30.00", "AJ", fee)))
    assert (bridge.balance, bridge.counter("echoes_of_fees")) == (Decimal("350.00"), 1)
    bridge.take(dft("E2", ft1("31.00", "AJ", fee)), dft("E3", ft1("1.00", "AJ", f"{txn[:4]}F9999999")))
    assert bridge.balance == Decimal("318.00")
    bridge.check()


def test_the_time_of_the_echo_and_its_message_are_kept(bridge):
    """For whoever asks when the EHR said so."""
    payment = bridge.sent(bridge.pay())
    reply = bridge.take(dft("E1", bridge.own(payment)))[0]
    row = bridge.store.rows("SELECT echoed_at, echo_message_id FROM payments WHERE id = ?", (payment,))[0]
    assert (dt.datetime.fromisoformat(row[0]), row[1]) == (bridge.now, reply.message_id)


def test_no_question_reads_the_whole_table(bridge):
    """With a hundred thousand payments the feed is as fast as with none."""
    queries = (echoes._BY_ID, echoes._BY_CONTENT, echoes._KNOWN, echoes._WORTH, echoes._REVERSAL)
    for query in queries:
        values = ("x",) * query.count("?")
        plan = [row[3] for row in bridge.store.rows(f"EXPLAIN QUERY PLAN {query}", values)]
        assert not [step for step in plan if step.startswith("SCAN") and "CONSTANT" not in step], plan
