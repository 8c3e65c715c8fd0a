"""The three shipped rules at their boundaries, what is unknown, and a reason for everything that was looked at."""

from __future__ import annotations

import datetime as dt

import pytest
from placement_samples import (
    COVERAGE,
    GUARANTOR,
    TODAY,
    account,
    charge,
    facts,
    payment,
    rules_of,
    shipped_rules,
    signal,
)

from hl7bridge.mapping.records import Guarantor
from hl7bridge.rules.evaluate import check_common, decide, next_due
from hl7bridge.rules.spec import Mode

RULES = shipped_rules()


def failed(found, rules=RULES, today=TODAY) -> set[str]:
    return {reason.fact for reason in decide(found, rules, today).reasons if not reason.held}


@pytest.mark.parametrize(("days", "eligible"), [(89, False), (90, True), (91, True)])
def test_an_account_is_aged_after_90_days_without_payment(days, eligible):
    """Day 89 is too early, day 90 is not."""
    decision = decide(facts(account([charge("150.00", days)])), RULES, TODAY)
    assert decision.eligible is eligible
    assert decision.rule == ("aged" if eligible else None)


@pytest.mark.parametrize(("days", "rule"), [(29, None), (30, "adjudicated"), (31, "adjudicated")])
def test_an_account_is_adjudicated_30_days_after_the_insurer_finished(days, rule):
    """A patient balance must remain for thirty days."""
    state = account([charge("150.00", 60), payment("50.00", days, "insurance")])
    assert decide(facts(state), RULES, TODAY).rule == rule


def test_an_account_whose_plan_failed_is_placed_at_once():
    """broken_plan asks no days."""
    state = account([charge("150.00", 5)])
    assert decide(facts(state), RULES, TODAY).rule is None
    decision = decide(facts(state, signals=[signal("plan_status", "failed")]), RULES, TODAY)
    assert (decision.rule, decision.agency, decision.tier, decision.mode) == (
        "broken_plan",
        "sample",
        "primary",
        Mode.AUTOMATIC,
    )


@pytest.mark.parametrize(("balance", "eligible"), [("24.99", False), ("25.00", True)])
def test_a_cent_below_the_minimum_is_not_placed(balance, eligible):
    """The minimum itself is."""
    assert decide(facts(account([charge(balance, 160)])), RULES, TODAY).eligible is eligible


def test_a_service_on_29_february_is_90_days_old_on_29_may():
    """Days are calendar days, also in a leap year."""
    found = facts(account([charge("150.00", 0)])._replace(last_service_on=dt.date(2028, 2, 29)))
    assert not decide(found, RULES, dt.date(2028, 5, 28)).eligible
    assert decide(found, RULES, dt.date(2028, 5, 29)).eligible


@pytest.mark.parametrize(
    ("found", "fact", "told"),
    [
        (facts(guarantors=()), "guarantor_age", "unknown"),
        (facts(guarantors=()), "has_address", "unknown"),
        (facts(guarantors=(GUARANTOR._replace(birth_on=None),)), "guarantor_age", "unknown"),
        (facts(guarantors=(Guarantor(rank=1, organization="SAMPLE LTD"),)), "guarantor_age", "unknown"),
        (facts(guarantors=(GUARANTOR._replace(postal_code=None),)), "has_address", "no"),
        (facts(account([payment("-50.00", 160, kind="AJ")])), "days_without_payment", "unknown"),
    ],
    ids=["no guarantor: age", "no guarantor: address", "no birth date", "an organization", "no postal code", "no day"],
)
def test_an_account_that_is_not_known_well_enough_is_not_placed(found, fact, told):
    """Fail closed: what is unknown satisfies nothing, and the reason says unknown."""
    decision = decide(found, RULES, TODAY)
    assert not decision.eligible
    [reason] = {reason for reason in decision.reasons if reason.fact == fact}
    assert (reason.found, reason.held) == (told, False)


@pytest.mark.parametrize(
    ("fact", "comparison"),
    [
        ("days_without_payment", "at_most = 36500"),
        ("days_since_discharge", "at_most = 36500"),
        ("days_since_insurance_payment", "at_least = 0"),
        ("days_since_first_statement", "at_least = 0"),
        ("insurance_status", 'in = ["none", "pending", "finished"]'),
        ("plan_status", 'in = ["active", "completed", "failed", "none"]'),
        ("has_address", "is = false"),
        ("guarantor_age", "at_most = 150"),
        ("ehr_account_status", 'is = "BD"'),
        ("financial_class", 'is = "SP"'),
        ("patient_class", 'is = "I"'),
    ],
)
def test_an_unknown_fact_satisfies_no_predicate(fact, comparison):
    """Not even one that every known value would satisfy."""
    rules = rules_of(
        f'format = 1\n[[rules]]\nname = "one"\nagency = "sample"\nwhen = [{{ fact = "{fact}", {comparison} }}]\n'
    )
    found = facts(account([payment("-50.00", 9, kind="AJ")]), guarantors=(), coverages=(COVERAGE,))
    decision = decide(found, rules, TODAY)
    assert not decision.eligible
    assert [(reason.found, reason.held) for reason in decision.reasons if reason.fact == fact] == [("unknown", False)]


def test_the_first_rule_that_is_satisfied_wins_and_later_ones_are_not_asked():
    """Rules are in order of preference."""
    state = account([charge("150.00", 160), payment("50.00", 120, "insurance")])
    decision = decide(facts(state), RULES, TODAY)
    assert decision.rule == "aged"
    assert {reason.rule for reason in decision.reasons} == {"holds", "common", "aged"}


def test_a_refusal_keeps_every_predicate_of_every_rule():
    """Nothing stops at the first failure: a person sees all that is missing."""
    decision = decide(facts(account([charge("10.00", 5)]), guarantors=()), RULES, TODAY)
    told = [(reason.rule, reason.fact, reason.wanted, reason.found, reason.held) for reason in decision.reasons]
    assert told == [
        ("holds", "holds", "none", "none", True),
        ("common", "balance", "at least 25.00", "10.00", False),
        ("common", "account_status", "open", "open", True),
        ("common", "has_address", "yes", "unknown", False),
        ("common", "guarantor_age", "at least 18", "unknown", False),
        ("aged", "days_without_payment", "at least 90", "5", False),
        ("adjudicated", "insurance_status", "finished", "unknown", False),
        ("adjudicated", "days_since_adjudication", "at least 30", "unknown", False),
        ("broken_plan", "plan_status", "failed", "unknown", False),
    ]
    assert decision.deciding == tuple(reason for reason in decision.reasons if not reason.held)
    assert decision.deciding[0].text == "balance: wanted at least 25.00, found 10.00: no"


def test_an_eligible_account_is_settled_by_its_own_rule():
    """The reasons to show are the holds, the common predicates and the winning rule's."""
    state = account([charge("150.00", 60), payment("50.00", 40, "insurance")])
    decision = decide(facts(state), RULES, TODAY)
    assert {reason.rule for reason in decision.deciding} == {"holds", "common", "adjudicated"}
    assert all(reason.held for reason in decision.deciding)
    assert decision.deciding[0].text == "holds: wanted none, found none: yes"


def test_what_is_asked_again_at_sending_is_what_every_rule_needs():
    """Holds and the common predicates, not the rule's own days."""
    found = facts(account([charge("20.00", 5)]), signals=[signal("cease", "yes")])
    assert [reason.fact for reason in check_common(found, RULES, TODAY) if not reason.held] == ["holds", "balance"]


EVERY_COMPARISON = """
format = 1
[common]
require = [{ fact = "balance", at_most = "500.00" }, { fact = "has_address", is = false }]
[[rules]]
name = "window"
agency = "sample"
mode = "review"
when = [
  { fact = "days_without_payment", at_least = 10 },
  { fact = "days_without_payment", at_most = 20 },
  { fact = "guarantor_age", at_most = 64 },
  { fact = "financial_class", in = ["SP", "UN"] },
]
"""


def test_a_window_of_days_opens_and_closes():
    """at_least and at_most both hold their own day."""
    rules = rules_of(EVERY_COMPARISON)
    state = account([charge("150.00", 0)], financial_class="UN")
    found = facts(state, guarantors=(GUARANTOR._replace(city=None),))
    true_days = [day for day in range(30) if decide(found, rules, TODAY + dt.timedelta(days=day)).eligible]
    assert true_days == list(range(10, 21))
    assert decide(found, rules, TODAY + dt.timedelta(days=10)).mode is Mode.REVIEW
    assert decide(found, rules, TODAY + dt.timedelta(days=10)).reasons[-1].wanted == "SP or UN"


def test_an_age_limit_ends_on_the_next_birthday():
    """At most 64 is true until the day before the 65th birthday."""
    rules = rules_of(EVERY_COMPARISON)
    found = facts(
        account([charge("150.00", 15)], financial_class="SP"),
        guarantors=(GUARANTOR._replace(city=None, birth_on=dt.date(1961, 3, 3)),),
    )
    assert decide(found, rules, TODAY).eligible
    assert failed(found, rules, TODAY + dt.timedelta(days=1)) == {"guarantor_age"}


def test_the_next_day_to_decide_is_the_first_day_that_could_come_out_differently():
    """For an account that is too young it is the day on which it is old enough."""
    young = facts(account([charge("150.00", 5)]))
    assert next_due(young, RULES, TODAY) == TODAY + dt.timedelta(days=85)


def test_an_account_that_waits_for_news_has_no_next_day():
    """A hold, a small balance or a missing address does not go away with time."""
    assert next_due(facts(signals=[signal("dispute", "open")]), RULES, TODAY) is None
    assert next_due(facts(account([charge("24.00", 5)])), RULES, TODAY) is None
    assert next_due(facts(guarantors=()), RULES, TODAY) is None


def test_a_minor_guarantor_is_due_on_the_18th_birthday():
    """The hold lifts by itself on that day."""
    found = facts(guarantors=(GUARANTOR._replace(birth_on=dt.date(2009, 6, 1)),))
    assert next_due(found, RULES, TODAY) == dt.date(2027, 6, 1)


def test_a_window_that_has_closed_has_no_next_day():
    """Twenty-one days without payment never become twenty again by waiting."""
    rules = rules_of(EVERY_COMPARISON)
    state = account([charge("150.00", 21)], financial_class="SP")
    assert next_due(facts(state, guarantors=(GUARANTOR._replace(city=None),)), rules, TODAY) is None


def test_days_that_lie_beyond_the_calendar_are_not_reached():
    """A service day at the end of the calendar neither fails nor comes true."""
    found = facts(account()._replace(last_service_on=dt.date.max))
    assert not decide(found, RULES, dt.date.max).eligible
    assert next_due(found, RULES, TODAY) is None
