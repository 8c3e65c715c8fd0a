"""Facts beyond the ledger's dates: payments that count, payers, addresses, what signals count, what ends by itself."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from placement_samples import (
    COVERAGE,
    GUARANTOR,
    PATIENT,
    TODAY,
    account,
    charge,
    days_ago,
    facts,
    payment,
    rules_of,
    shipped_rules,
    signal,
)

from hl7bridge.rules.evaluate import decide, next_due
from hl7bridge.rules.facts import FACTS, Further, Payment, build_facts, fact_text, facts_on
from hl7bridge.rules.facts_payer import USUAL_CODES

RULE = 'format = 1\n[dates]\nrecent_payment_days = 0\n[[rules]]\nname = "one"\nagency = "sample"\nwhen = [{ %s }]\n'


def text(found, name: str) -> str:
    return fact_text(found, FACTS[name], TODAY)


def further(state=None, **known):
    """Return the facts of an account of which the store knows more."""
    return build_facts(state or account(), PATIENT, (GUARANTOR,), (COVERAGE,), {}, further=Further(**known))


def is_placed(found, predicate: str, *, ahead: int = 0) -> bool:
    return decide(found, rules_of(RULE % predicate), TODAY + dt.timedelta(days=ahead)).eligible


def paid(amount: str, days: int, *, is_patients: bool = True) -> Payment:
    return Payment(days_ago(days), Decimal(amount), is_patients)


def test_signals_count_and_date_what_hl7_has_no_field_for():
    """Statements, the final notice, self-pay, missed payments, a score, a segment."""
    found = facts(
        signals=[
            signal("last_statement", days_ago(20).isoformat()),
            signal("final_notice", days_ago(15).isoformat()),
            signal("self_pay", days_ago(130).isoformat()),
            signal("statement_count", "4"),
            signal("plan_payments_missed", "2"),
            signal("score", "640"),
            signal("segment", "high_deductible"),
        ]
    )
    assert text(found, "days_since_last_statement") == "20"
    assert text(found, "days_since_final_notice") == "15"
    assert text(found, "days_since_self_pay") == "130"
    assert text(found, "statement_count") == "4"
    assert text(found, "plan_payments_missed") == "2"
    assert text(found, "score") == "640"
    assert text(found, "segment") == "high_deductible"


def test_what_the_account_and_its_guarantor_say_of_place_and_language():
    """Facility, state, language; service and payment days."""
    found = facts(account([charge("150.00", 160), payment("20.00", 100)]))
    assert text(found, "facility") == "NORTHGATE"
    assert text(found, "guarantor_state") == "IL"
    assert text(found, "language") == "es"
    assert text(found, "days_since_service") == "160"
    assert text(found, "days_since_last_payment") == "100"
    assert text(found, "placement_sequence") == "1"


@pytest.mark.parametrize(
    ("guarantors", "signals", "quality"),
    [
        ((), (), "unknown"),
        ((GUARANTOR,), (), "complete"),
        ((GUARANTOR._replace(city=None),), (), "incomplete"),
        ((GUARANTOR,), (signal("mail_returned", "yes"),), "returned"),
        ((GUARANTOR,), (signal("mail_returned", "no"),), "complete"),
    ],
    ids=["nobody", "complete", "incomplete", "mail came back", "mail no longer comes back"],
)
def test_an_address_is_complete_incomplete_or_one_that_mail_came_back_from(guarantors, signals, quality):
    """Nobody known, nothing known."""
    assert text(facts(guarantors=guarantors, signals=signals), "address_quality") == quality


@pytest.mark.parametrize(("count", "placed"), [("2", False), ("3", True), ("4", True)])
def test_three_statements_are_at_least_three(count, placed):
    """One fewer is too few."""
    found = facts(signals=[signal("statement_count", count)])
    assert is_placed(found, 'fact = "statement_count", at_least = 3') is placed
    assert is_placed(found, 'fact = "statement_count", is = 3') is (count == "3")


# ---- payments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "placed"), [("24.99", True), ("25.00", False)])
def test_a_payment_below_the_least_does_not_start_the_days_anew(amount, placed):
    """Of a payment of 25.00 or more the days count; a cent less, and they count from the older one."""
    state = account([charge("900.00", 300), payment("50.00", 120), payment(amount, 10)])
    found = further(state, payments=(paid("50.00", 120), paid(amount, 10)))
    assert is_placed(found, 'fact = "days_since_last_payment", at_least = 90, least_payment = "25.00"') is placed
    assert is_placed(found, 'fact = "days_without_payment", at_least = 90, least_payment = "25.00"') is placed
    assert not is_placed(found, 'fact = "days_since_last_payment", at_least = 90')


def test_a_service_after_the_last_payment_that_counts_starts_the_days_without_payment_anew():
    """The days since the last payment go on."""
    state = account([charge("900.00", 20), payment("50.00", 120)])
    found = further(state, payments=(paid("50.00", 120),))
    assert not is_placed(found, 'fact = "days_without_payment", at_least = 90, least_payment = "25.00"')
    assert is_placed(found, 'fact = "days_since_last_payment", at_least = 90, least_payment = "25.00"')


def test_when_no_payment_is_large_enough_nothing_is_known_of_it():
    """Days without payment then count from the service."""
    found = further(account([charge("900.00", 160), payment("5.00", 20)]), payments=(paid("5.00", 20),))
    assert not is_placed(found, 'fact = "days_since_last_payment", at_most = 36500, least_payment = "25.00"')
    assert is_placed(found, 'fact = "days_without_payment", at_least = 160, least_payment = "25.00"')


def test_when_only_the_day_of_the_last_payment_is_known_it_counts():
    """Fail closed: it may have been a large one."""
    found = facts(account([charge("900.00", 300), payment("5.00", 20)]))
    assert not is_placed(found, 'fact = "days_since_last_payment", at_least = 90, least_payment = "25.00"')
    assert facts().payments == ()


def test_a_reason_names_the_least_payment():
    """A person sees why a payment did not count."""
    rules = rules_of(RULE % 'fact = "days_since_last_payment", at_least = 90, least_payment = "25.00"')
    reason = decide(further(payments=()), rules, TODAY).reasons[-1]
    assert (reason.wanted, reason.found) == ("at least 90 (payments from 25.00)", "unknown")


# ---- payers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coverages", "kind"),
    [
        ((), "none"),
        ((COVERAGE,), "commercial"),
        ((COVERAGE._replace(plan_type="mb"), COVERAGE), "medicare"),
        ((COVERAGE._replace(plan_type="Medicaid"),), "medicaid"),
        ((COVERAGE._replace(plan_type="WC"),), "workers_compensation"),
        ((COVERAGE._replace(plan_type="X9"),), "unknown"),
        ((COVERAGE._replace(plan_type=None), COVERAGE), "unknown"),
        ((COVERAGE._replace(plan_type="MC", expires_on=days_ago(161)),), "none"),
        ((COVERAGE._replace(plan_type="MC", expires_on=days_ago(160)),), "medicaid"),
        ((COVERAGE._replace(plan_type="MC", effective_on=days_ago(159)), COVERAGE), "commercial"),
        ((COVERAGE._replace(plan_type="MC", effective_on=days_ago(160)),), "medicaid"),
    ],
)
def test_the_first_coverage_for_the_time_of_service_says_who_pays(coverages, kind):
    """The service was 160 days ago: what ended before or began after does not count."""
    assert text(facts(coverages=coverages), "payer_kind") == kind


def test_a_site_has_codes_of_its_own():
    """They are asked before the usual ones; capitals make no difference."""
    own = '[payer_kinds]\nmedicare = ["senior", "HMO"]\n'
    rules = rules_of((RULE % 'fact = "payer_kind", is = "medicare"') + own)
    for code in ("HMO", "Senior ", "MA"):
        assert decide(facts(coverages=(COVERAGE._replace(plan_type=code),)), rules, TODAY).eligible
    assert not decide(facts(coverages=(COVERAGE._replace(plan_type="BL"),)), rules, TODAY).eligible
    assert not decide(facts(coverages=()), rules, TODAY).eligible


def test_every_usual_code_is_in_capitals():
    """Or it would never be found."""
    assert all(code == code.upper() for code in USUAL_CODES)


# ---- insurers that decided ------------------------------------------------------------------------------------------


def test_an_insurer_that_denied_has_decided():
    """It paid nothing, so only a signal tells; a newer service opens the question again."""
    denied = signal("adjudicated", days_ago(40).isoformat())
    found = facts(account([charge("150.00", 60)]), signals=[denied])
    assert (text(found, "insurance_status"), text(found, "days_since_adjudication")) == ("finished", "40")
    newer = facts(account([charge("150.00", 30)]), signals=[denied])
    assert text(newer, "insurance_status") == "pending"
    both = facts(account([charge("150.00", 60), payment("9.00", 35, "insurance")]), signals=[denied])
    assert text(both, "days_since_adjudication") == "35"
    assert decide(found, shipped_rules(), TODAY).rule == "adjudicated"


# ---- what ends by itself --------------------------------------------------------------------------------------------


def test_after_its_last_day_a_signal_is_as_if_nobody_had_told_it():
    """An open claim until a day: then what the ledger says counts again, and the next day to look is exact."""
    state = account([charge("150.00", 80), payment("50.00", 60, "insurance")])
    last = TODAY + dt.timedelta(days=9)
    told = [signal("insurance_pending", "yes")._replace(until=last), signal("dispute", "open")._replace(until=TODAY)]
    found = facts(state, signals=told)
    assert text(facts_on(found, last), "insurance_status") == "pending"
    assert text(facts_on(found, last + dt.timedelta(days=1)), "insurance_status") == "finished"
    assert not decide(found, shipped_rules(), last).eligible
    assert next_due(found, shipped_rules(), TODAY) == last + dt.timedelta(days=1)
    assert decide(found, shipped_rules(), last + dt.timedelta(days=1)).rule == "adjudicated"


def test_a_plan_that_a_signal_tells_until_a_day_may_still_be_on_the_account():
    """PV1-24 alone says active again."""
    told = [signal("plan_status", "active")._replace(until=days_ago(1))]
    assert text(facts_on(facts(account(plan_code="P12"), signals=told), TODAY), "plan_status") == "active"
    assert text(facts_on(facts(signals=told), TODAY), "plan_status") == "unknown"
