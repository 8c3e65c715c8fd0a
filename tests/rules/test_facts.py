"""Facts say what is known of an account, and None for what is not."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from placement_samples import COVERAGE, GUARANTOR, PATIENT, TODAY, account, charge, days_ago, facts, payment, signal

from hl7bridge.mapping.records import NULL, Guarantor
from hl7bridge.rules.facts import FACTS, AccountFacts, birthday, fact_text, responsible, years_on


def text(found: AccountFacts, name: str) -> str:
    return fact_text(found, FACTS[name], TODAY)


def test_each_fact_says_what_it_means_and_where_it_is_kept():
    """The vocabulary is complete: meaning, source, what unknown means, and a place in AccountFacts."""
    for name, spec in FACTS.items():
        assert spec.name == name
        assert spec.meaning
        assert spec.source
        assert spec.unknown
        assert spec.attribute in AccountFacts._fields


def test_a_well_known_account_has_every_fact_in_words():
    """Values are text a person reads; a day is counted to the day asked for."""
    found = facts(
        account(
            [charge("150.00", 160), payment("20.00", 120, "insurance")],
            discharged_on=days_ago(158),
            financial_class="SP",
            patient_class="I",
            account_status="BD",
        ),
        signals=[signal("first_statement", days_ago(130).isoformat()), signal("plan_status", "failed")],
    )
    assert text(found, "balance") == "130.00"
    assert text(found, "days_without_payment") == "120"
    assert text(found, "days_since_discharge") == "158"
    assert text(found, "days_since_insurance_payment") == "120"
    assert text(found, "days_since_first_statement") == "130"
    assert text(found, "insurance_status") == "finished"
    assert text(found, "plan_status") == "failed"
    assert text(found, "has_address") == "yes"
    assert text(found, "guarantor_age") == "51"
    assert text(found, "account_status") == "open"
    assert text(found, "ehr_account_status") == "BD"
    assert text(found, "financial_class") == "SP"
    assert text(found, "patient_class") == "I"
    assert text(found, "holds") == "none"


def test_a_bare_account_has_unknown_facts():
    """Nothing is guessed: what no message and no signal told is unknown."""
    found = facts(account([payment("-10.00", 3, kind="AJ")]), patient=None, guarantors=(), coverages=(COVERAGE,))
    unknown = {name for name in FACTS if text(found, name) == "unknown"}
    told_by_signals = {spec.name for spec in FACTS.values() if spec.signal}
    assert "days_since_first_statement" in told_by_signals
    assert unknown == told_by_signals | {
        "guarantor_balance",
        "days_without_payment",
        "days_since_last_payment",
        "days_since_service",
        "days_since_adjudication",
        "address_quality",
        "guarantor_state",
        "language",
        "days_since_discharge",
        "days_since_insurance_payment",
        "insurance_status",
        "plan_status",
        "has_address",
        "guarantor_age",
        "ehr_account_status",
        "financial_class",
        "patient_class",
    }


@pytest.mark.parametrize(
    ("entries", "discharged", "days"),
    [
        ([charge("9.00", 160)], None, "160"),
        ([payment("-9.00", 160, kind="AJ")], days_ago(150), "150"),
        ([charge("9.00", 160)], days_ago(150), "160"),
        ([charge("9.00", 160)], days_ago(170), "160"),
        ([charge("9.00", 160), payment("1.00", 100)], days_ago(150), "100"),
        ([charge("9.00", 160), charge("9.00", 40), payment("1.00", 100)], None, "40"),
        ([charge("9.00", 160), payment("1.00", 100), payment("-1.00", 10)], None, "100"),
    ],
    ids=[
        "service",
        "discharge alone",
        "later discharge",
        "service after discharge",
        "payment",
        "service after payment",
        "reversal is none",
    ],
)
def test_days_without_payment_count_from_the_later_of_payment_and_service_or_else_the_discharge(
    entries, discharged, days
):
    """A payment before the last service says nothing about that service; a reversed payment is no payment."""
    assert text(facts(account(entries, discharged_on=discharged)), "days_without_payment") == days


@pytest.mark.parametrize(
    ("entries", "coverages", "pending", "status"),
    [
        ([], (), None, "none"),
        ([], (COVERAGE,), None, "unknown"),
        ([payment("1.00", 30, "insurance")], (COVERAGE,), None, "finished"),
        ([payment("1.00", 30, "insurance")], (), None, "finished"),
        ([payment("1.00", 30, "insurance", kind="AJ")], (COVERAGE,), None, "finished"),
        ([payment("1.00", 30, "insurance"), charge("5.00", 20)], (COVERAGE,), None, "pending"),
        ([payment("1.00", 30, "insurance")], (COVERAGE,), "yes", "pending"),
        ([payment("1.00", 30, "insurance")], (COVERAGE,), "no", "finished"),
        ([payment("1.00", 30)], (COVERAGE,), None, "unknown"),
    ],
    ids=[
        "no coverage",
        "coverage, insurer silent",
        "insurer paid",
        "insurer paid, coverage never sent",
        "insurer adjusted",
        "a newer service",
        "a claim is open",
        "no claim is open",
        "only the patient paid",
    ],
)
def test_insurance_has_finished_when_the_insurer_acted_and_nothing_newer_is_open(entries, coverages, pending, status):
    """It needs an insurer's payment or adjustment; silence of a known insurer is unknown."""
    signals = [] if pending is None else [signal("insurance_pending", pending)]
    state = account([charge("50.00", 160), *entries])
    assert text(facts(state, coverages=coverages, signals=signals), "insurance_status") == status


def test_insurance_can_finish_before_any_service_day_is_known():
    """An insurer's payment on an account without charges still counts."""
    state = account([payment("1.00", 30, "insurance")])
    assert text(facts(state), "insurance_status") == "finished"


def test_a_plan_code_alone_means_an_active_plan_and_a_signal_says_more():
    """PV1-24 says that a plan was entered into; only a signal can say how it went."""
    planned = account(plan_code="PLAN12")
    assert text(facts(planned), "plan_status") == "active"
    assert text(facts(planned, signals=[signal("plan_status", "failed")]), "plan_status") == "failed"


def test_a_first_statement_that_is_no_day_is_unknown():
    """A value that an older program stored is not trusted."""
    found = facts(signals=[signal("first_statement", "last week")])
    assert text(found, "days_since_first_statement") == "unknown"


@pytest.mark.parametrize("part", ["street", "city", "state", "postal_code"])
def test_an_address_needs_all_its_parts(part):
    """A letter without street, city, state or postal code does not arrive."""
    for gap in (None, NULL, ""):
        found = facts(guarantors=(GUARANTOR._replace(**{part: gap}),))
        assert text(found, "has_address") == "no"


def test_a_guarantor_who_is_the_patient_is_known_by_what_the_patient_is():
    """GT1 often leaves out what PID says when the two are one person."""
    bare = Guarantor(rank=1, relationship="SEL")
    found = responsible([bare], PATIENT)
    assert found is not None
    assert (found.family_name, found.given_name) == ("TESTPATIENT", "AURELIA")
    assert (found.street, found.postal_code) == ("9 PATIENT WAY", "60601")
    assert (found.birth_on, found.phone, found.language) == (dt.date(1980, 5, 17), "5550100", "en")
    assert text(facts(guarantors=(bare,)), "has_address") == "yes"
    assert text(facts(guarantors=(bare,)), "guarantor_age") == "45"


def test_what_the_guarantor_says_goes_before_what_the_patient_says():
    """A value of GT1 is kept, and an address is never mixed from two people's parts."""
    own = GUARANTOR._replace(relationship="self", city=None)
    found = responsible([own], PATIENT)
    assert found == own
    firm = Guarantor(rank=1, relationship="SEL", organization="SAMPLE ESTATE")
    assert responsible([firm], PATIENT).family_name is None


@pytest.mark.parametrize("relationship", ["SPO", None, NULL, ""])
def test_a_guarantor_who_is_someone_else_borrows_nothing_from_the_patient(relationship):
    """Another person's age and address are not the patient's."""
    other = Guarantor(rank=1, relationship=relationship)
    assert responsible([other], PATIENT) == other
    assert responsible([other._replace(relationship="SEL")], None) is not None
    assert text(facts(guarantors=(other,)), "guarantor_age") == "unknown"


def test_only_the_first_guarantor_is_asked_for_address_and_age():
    """A second guarantor's address does not make up for the first one's."""
    first = Guarantor(rank=1, relationship="PAR")
    assert text(facts(guarantors=(first, GUARANTOR._replace(rank=2))), "has_address") == "no"


def test_who_is_born_on_29_february_is_18_on_1_march():
    """The day before is too early, in a year that has no 29 February."""
    born = dt.date(2008, 2, 29)
    assert birthday(born, 18) == dt.date(2026, 3, 1)
    assert years_on(born, dt.date(2026, 2, 28)) == 17
    assert years_on(born, dt.date(2026, 3, 1)) == 18
    assert birthday(born, 20) == dt.date(2028, 2, 29)
    assert birthday(dt.date(1904, 2, 29), 196) == dt.date(2100, 3, 1)
    assert birthday(dt.date(1904, 2, 29), 96) == dt.date(2000, 2, 29)
    assert birthday(dt.date(9990, 1, 1), 18) == dt.date.max


@given(st.dates(), st.integers(0, 150))
def test_a_birthday_is_the_first_day_of_that_age(born, years):
    """Age and birthday agree for every day of birth; beyond the last day there is, the last day stands."""
    day = birthday(born, years)
    if born.year + years > dt.MAXYEAR:
        assert day == dt.date.max
    else:
        assert years_on(born, day) == years
        if years:
            assert years_on(born, day - dt.timedelta(days=1)) == years - 1


def test_a_money_fact_is_exact():
    """The balance is Decimal all the way."""
    assert facts(account([charge("0.10", 1), charge("0.20", 1)])).balance == Decimal("0.30")
