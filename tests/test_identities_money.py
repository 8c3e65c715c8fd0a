"""Placements and payments of accounts that are one: an agency pays under either number, the EHR gets the target's."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from delivery_samples import end_attempt, start_attempt
from feed_samples import NOW, adt, message, pid, pv1
from identity_samples import (
    FACILITY,
    FIRST,
    SECOND,
    account_id,
    dump,
    exceptions,
    holds,
    known,
    mrg,
    open_placements,
    place,
    problems,
    renamed,
    replay,
    told,
)
from payment_samples import FORM, make_payment, never_due

from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.verdict import Outcome, Verdict
from hl7bridge.message.parse import parse_message
from hl7bridge.payments.payment import PaymentKind, batch_id
from hl7bridge.placement.state import By, Status
from hl7bridge.rules.signals import Signal
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.cases import read_facts
from hl7bridge.storage.exceptions import close_exception, list_exceptions
from hl7bridge.storage.payments import post_payment
from hl7bridge.storage.placements import move_placement, placements_of, read_events
from hl7bridge.storage.signals import add_signal, read_signals

MERGE = told("A41", pid("TACC1", "TMRN1"), mrg("TMRN1", "TACC2"))
PATIENT_MERGE = told("A40", pid("", "TMRN1"), mrg("TMRN2"))
TODAY = dt.date(2026, 11, 21)


def pay(store, number: str, payment_id: str = "CHK1", amount: str = "30.00", **changes):
    """Post what agency ``sample`` reports for an account's number."""
    with store.transaction():
        return post_payment(
            store,
            make_payment(payment_id, amount, paid_on=TODAY, **changes),
            find_account(store, number, FACILITY),
            FORM,
            now=NOW,
            posted_on=TODAY,
            batch_id=batch_id(TODAY),
            due_on=never_due,
        )


def sent_to(store, payment_id: str = "CHK1") -> tuple[str, str, str]:
    """Return PID-3, PID-18 and PV1-19 of a payment's message."""
    sql = "SELECT content FROM deliveries d JOIN payments p ON p.id = d.payment_id WHERE p.agency_payment_id = ?"
    content = parse_message(store.row(sql, (payment_id,))[0].encode())
    return tuple(str(content.get(path)) for path in ("PID-3.1", "PID-18.1", "PV1-19.1"))


def names_of(store, payment_id: str = "CHK1") -> tuple[str, str]:
    """Return MSH-10 and FT1-2 of a payment's message."""
    sql = "SELECT content FROM deliveries d JOIN payments p ON p.id = d.payment_id WHERE p.agency_payment_id = ?"
    content = parse_message(store.row(sql, (payment_id,))[0].encode())
    return str(content.get("MSH-10")), str(content.get("FT1-2"))


@pytest.mark.parametrize("number", ["TACC1", "TACC2"])
def test_an_agency_may_pay_under_the_old_number_and_the_ehr_gets_the_new_one(feed, number):
    """The payment lowers the target's balance; the message carries the target's patient and account."""
    feed.take(*FIRST, *SECOND)
    place(feed.store, "TACC2")
    feed.take(PATIENT_MERGE, MERGE)
    pay(feed.store, number)
    assert known(feed.store, "TACC1").balance == Decimal(110)
    assert sent_to(feed.store)[:2] == ("TMRN1", "TACC1")
    assert not pay(feed.store, "TACC2").is_new
    assert problems(feed.store) == []


def test_a_payment_made_before_the_merge_is_the_targets_and_can_be_taken_back(feed):
    """It is recognised when it is reported again, under either number."""
    feed.take(*FIRST, *SECOND)
    pay(feed.store, "TACC2")
    feed.take(MERGE)
    assert not pay(feed.store, "TACC1").is_new
    assert known(feed.store, "TACC1").balance == Decimal(110)
    pay(feed.store, "TACC2", "CHK2", "30.00", kind=PaymentKind.REVERSAL)
    assert known(feed.store, "TACC1").balance == Decimal(140)
    assert problems(feed.store) == []


@pytest.mark.parametrize("outcome", [None, Outcome.HELD])
def test_a_payment_that_waits_is_addressed_to_the_target(feed, outcome):
    """Queued or held: same MSH-10, same FT1-2, the ids of now."""
    feed.take(*FIRST, *SECOND)
    pay(feed.store, "TACC2")
    names = names_of(feed.store)
    assert sent_to(feed.store) == ("TMRN2", "TACC2", "TVIS2")
    if outcome is not None:
        start_attempt(feed.store, 1)
        end_attempt(feed.store, 1, Verdict(outcome, "AE 204"), DeliveryRules())
    feed.take(PATIENT_MERGE, MERGE)
    assert sent_to(feed.store)[:2] == ("TMRN1", "TACC1")
    assert names_of(feed.store) == names
    assert feed.store.row("SELECT account_id FROM deliveries")[0] == account_id(feed.store, "TACC1")


def test_a_payment_that_may_have_arrived_stays_as_it_was(feed):
    """A person compares it with what the EHR has."""
    feed.take(*FIRST, *SECOND)
    pay(feed.store, "TACC2")
    start_attempt(feed.store, 1)
    end_attempt(feed.store, 1, Verdict(Outcome.UNKNOWN, "no reply"), DeliveryRules())
    feed.take(MERGE)
    assert sent_to(feed.store) == ("TMRN2", "TACC2", "TVIS2")


def test_a_visit_that_left_is_not_echoed_for_the_account_it_left(feed):
    """The payment is still that account's."""
    feed.take(*FIRST, *SECOND)
    pay(feed.store, "TACC2")
    feed.take(told("A45", pid("TACC1"), mrg("TMRN1", "TACC2", "TVIS2"), pv1(f19="TVIS2")))
    content = parse_message(feed.store.row("SELECT content FROM deliveries")[0].encode())
    assert str(content.get("PID-18.1")) == "TACC2"
    assert not isinstance(content.get("PV1-19.1"), str)
    assert known(feed.store, "TACC2").balance == Decimal(-30)


def test_the_number_of_an_account_that_nobody_told_of_is_echoed(feed):
    """An event opened it; its own registration has not come."""
    feed.take(
        *SECOND,
        told("A41", pid("TACC1", "TMRN2"), mrg("TMRN2", "TACC9")),
        renamed("A41", "20261120130000", "TACC1", "TACC2"),
    )
    pay(feed.store, "TACC2")
    assert sent_to(feed.store)[:2] == ("TMRN1", "TACC1")


def test_a_placement_of_the_merged_account_is_the_targets_and_can_be_stopped(feed):
    """It notes why; a hold under the old number stops it; a person cancels it."""
    feed.take(*FIRST, *SECOND)
    placement = place(feed.store, "TACC2", status="queued")
    feed.take(MERGE)
    target = account_id(feed.store, "TACC1")
    assert [row.id for row in placements_of(feed.store, target)] == [placement]
    assert read_events(feed.store, placement)[-1].reason.startswith("account merged by message")
    assert exceptions(feed.store) == []
    with feed.store.transaction():
        found = find_account(feed.store, "TACC2")
        add_signal(feed.store, found.id, Signal("hold", "yes", "user:tester", TODAY), "2026-11-21T15:00:00.000Z")
        move_placement(
            feed.store, placement, Status.CANCELLED, by=By.PERSON, actor="user:tester", at="", reason="on hold"
        )
    assert [hold.name for hold in read_facts(feed.store, target).holds if hold.name == "hold"] == ["hold"]


def test_an_earlier_placement_goes_along(feed):
    """So that what an agency returned is not placed anew under another number."""
    feed.take(*FIRST, *SECOND)
    place(feed.store, "TACC2", status="returned")
    feed.take(MERGE)
    assert [row.status for row in placements_of(feed.store, account_id(feed.store, "TACC1"))] == ["returned"]


def test_signals_go_along_and_the_newest_word_counts(feed):
    """As if all had been told of one account."""
    feed.take(*FIRST, *SECOND)
    told_of = [("TACC1", "charity", "no", 1), ("TACC2", "charity", "yes", 2), ("TACC2", "dispute", "yes", 1)]
    with feed.store.transaction():
        for number, name, value, day in told_of:
            signal = Signal(name, value, "user:tester", TODAY.replace(day=day))
            add_signal(feed.store, account_id(feed.store, number), signal, f"2026-11-0{day}T10:00:00.000Z")
    feed.take(MERGE)
    found = read_signals(feed.store, account_id(feed.store, "TACC1"))
    assert {name: each.value for name, each in found.items()} == {"charity": "yes", "dispute": "yes"}


def test_nobody_is_asked_about_a_new_number_for_the_agency_is_told_of_it(feed):
    """The account is noted as changed under its placement (tests/test_reacting_events.py has what follows)."""
    feed.take(*FIRST, *SECOND)
    place(feed.store, "TACC1")
    place(feed.store, "TACC2", status="queued")
    feed.take(renamed("A49", "20261120121000", "TACC7", "TACC1"), renamed("A49", "20261120122000", "TACC8", "TACC2"))
    assert exceptions(feed.store) == []
    noted = {row[0] for row in feed.store.rows("SELECT account_id FROM stale_placements")}
    assert noted == {account_id(feed.store, "TACC7"), account_id(feed.store, "TACC8")}


def test_a_person_settles_two_placements_of_one_account(feed):
    """One is recalled, the exception closed, the hold lifted: the other is the account's, whoever's it was."""
    feed.take(*FIRST, *SECOND)
    first, second = place(feed.store, "TACC1", agency="one"), place(feed.store, "TACC2", agency="other")
    feed.take(MERGE)
    assert open_placements(feed.store) == [("one", "TACC1"), ("other", "TACC2")]
    number = next(row["exception"] for row in list_exceptions(feed.store) if row["kind"] == "both_placed")
    with feed.store.transaction():
        feed.store.execute("UPDATE placements SET status = 'recalled' WHERE id = ?", (first,))
        lifted = close_exception(
            feed.store, number, lift_hold=True, now=NOW + dt.timedelta(days=1), actor="user:tester", reason="recalled"
        )
    target = account_id(feed.store, "TACC1")
    assert lifted == [target]
    assert read_signals(feed.store, target)["hold"].value == "no"
    assert open_placements(feed.store) == [("other", "TACC1")]
    assert read_events(feed.store, second)[-1].actor == "user:tester"


def test_a_merge_told_again_after_it_was_settled_asks_nobody_again(feed):
    """The exception is closed, and stays so."""
    feed.take(*FIRST, *SECOND)
    place(feed.store, "TACC1"), place(feed.store, "TACC2")
    feed.take(MERGE)
    with feed.store.transaction():
        for row in list(list_exceptions(feed.store)):
            told_why = {"now": NOW, "actor": "user:tester", "reason": "settled"}
            assert close_exception(feed.store, row["exception"], lift_hold=False, **told_why) == []
    stored = dump(feed.store)
    replay(feed, MERGE)
    assert dump(feed.store) == stored
    assert holds(feed.store) == ["TACC1"]


def test_an_open_exception_follows_its_account_through_another_merge(feed):
    """It is about the account that is left, and so is the hold."""
    third = message("ADT^A04", "R3", "EVN|A04", pid("TACC3", "TMRN1"), pv1(), m7="20261120093000")
    feed.take(*FIRST, *SECOND, third)
    place(feed.store, "TACC1"), place(feed.store, "TACC2")
    feed.take(MERGE, renamed("A41", "20261120122000", "TACC3", "TACC1"))
    assert {row["account"] for row in list_exceptions(feed.store)} >= {"TACC3"}
    assert holds(feed.store) == ["TACC3"]


def test_a_discrepancy_of_the_merged_account_is_over(feed):
    """Nothing is left there to compare with."""
    feed.take(*FIRST, *SECOND)
    asserted = pv1(f19="TVIS2", f46="999.00")
    feed.take(message("ADT^A08", "U2", "EVN|A08", pid("TACC2", "TMRN2"), asserted, m7="20261120093000"))
    assert feed.count("discrepancies WHERE resolved_at IS NULL") == 1
    feed.take(MERGE)
    assert feed.count("discrepancies WHERE resolved_at IS NULL") == 0


def test_a_merge_in_the_batch_of_what_it_is_about_finds_it_all(feed):
    """Entries of new accounts are written before."""
    replies = feed.receive(*FIRST, *SECOND, MERGE, adt("U5", event="A08", account="TACC2", m7="20261120150000"))
    assert [reply.disposition for reply in replies] == ["applied"] * 6
    assert known(feed.store, "TACC2").charges == Decimal(140)
    assert problems(feed.store) == []


def test_a_payment_whose_patient_nothing_tells_any_more_stays_as_it_was(feed):
    """Better the old ids than none."""
    feed.take(*FIRST, *SECOND)
    pay(feed.store, "TACC2")
    feed.store.execute("UPDATE patients SET pid_3 = NULL")
    feed.take(MERGE)
    assert sent_to(feed.store) == ("TMRN2", "TACC2", "TVIS2")
