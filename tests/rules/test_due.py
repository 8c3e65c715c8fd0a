"""The day an account is due: never later than the first day on which it is eligible, and cheap to know."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_samples import (
    COVERAGE,
    GUARANTOR,
    PATIENT,
    TODAY,
    account,
    charge,
    days_ago,
    payment,
    rules_of,
    shipped_rules,
)

from hl7bridge.ledger.account import AccountState, new_account
from hl7bridge.rules.due import DueDays
from hl7bridge.rules.evaluate import decide, next_due
from hl7bridge.rules.facts import FACTS, FactType, build_facts
from hl7bridge.rules.signals import SIGNALS, Signal
from hl7bridge.rules.spec import Mode, Op, Predicate, Rule, Rules

RULES = shipped_rules()
DUE = DueDays(RULES)


def rules_when(*predicates: str) -> Rules:
    return rules_of('format = 1\n[[rules]]\nname = "one"\nagency = "sample"\nwhen = [' + ", ".join(predicates) + "]\n")


def test_an_account_that_only_ages_is_due_on_its_ninetieth_day():
    """No payment, no insurer: day 90 after the service."""
    assert DUE(account([charge("150.00", 10)]), has_signals=False) == TODAY + dt.timedelta(days=80)


def test_an_insurers_payment_makes_an_account_due_thirty_days_later():
    """The earlier of the two rules counts."""
    state = account([charge("150.00", 10), payment("50.00", 5, "insurance")])
    assert DUE(state, has_signals=False) == TODAY + dt.timedelta(days=25)


def test_with_signals_only_looking_can_tell():
    """A plan may have failed: the account is due at the next run, whatever day that is for."""
    assert DUE(account([charge("150.00", 10)])) == dt.date.min


@pytest.mark.parametrize(
    "state",
    [
        account([charge("24.99", 160)]),
        account([charge("150.00", 160), payment("150.00", 120)]),
        account(status="closed"),
        account(status="merged"),
        account(status="cancelled"),
    ],
    ids=["a cent below the minimum", "paid", "closed", "merged", "cancelled"],
)
def test_an_account_below_the_minimum_or_not_open_is_never_due(state):
    """Until something changes, which brings a new day."""
    assert DUE(state) is None
    assert DUE(state, has_signals=False) is None


def test_an_account_without_any_day_is_not_due_by_age():
    """Its days are unknown, so no predicate on them can come true."""
    state = account([payment("-150.00", 160, kind="AJ")])
    assert DUE(state, has_signals=False) is None
    assert DUE(state) == dt.date.min


def test_codes_that_do_not_match_leave_an_account_out():
    """Financial class, patient class and the EHR's status are on the account: no need to look further."""
    due = DueDays(rules_when('{ fact = "financial_class", is = "SP" }', '{ fact = "patient_class", in = ["I", "E"] }'))
    assert due(account(financial_class="SP", patient_class="E")) == dt.date.min
    assert due(account(financial_class="SP", patient_class="O")) is None
    assert due(account(patient_class="E")) is None
    ehr = DueDays(rules_when('{ fact = "ehr_account_status", is = "BD" }'))
    assert ehr(account(account_status="BD")) == dt.date.min
    assert ehr(account()) is None


def test_each_rule_has_its_own_amounts():
    """A rule's own minimum and maximum count beside the common ones."""
    due = DueDays(rules_when('{ fact = "balance", at_least = "100.00" }', '{ fact = "balance", at_most = "200.00" }'))
    assert due(account([charge("99.99", 1)])) is None
    assert due(account([charge("100.00", 1)])) == dt.date.min
    assert due(account([charge("200.00", 1)])) == dt.date.min
    assert due(account([charge("200.01", 1)])) is None


def test_a_balance_that_suits_one_rule_does_not_open_another():
    """The cheapest test is the smallest minimum; each rule is then asked for its own."""
    small = '{ fact = "balance", at_least = "30.00" }, { fact = "days_since_discharge", at_least = 400 }'
    text = (
        f'format = 1\n[[rules]]\nname = "small"\nagency = "sample"\nwhen = [{small}]\n'
        '[[rules]]\nname = "large"\nagency = "sample"\nwhen = [{ fact = "balance", at_least = "90.00" }]\n'
    )
    due = DueDays(rules_of(text))
    assert due(account([charge("50.00", 1)], discharged_on=days_ago(10))) == TODAY + dt.timedelta(days=390)
    assert due(account([charge("95.00", 1)], discharged_on=days_ago(10))) == dt.date.min


def test_a_window_that_can_never_open_is_never_due():
    """At least 20 days since discharge and at most 10 since payment, with the payment first."""
    due = DueDays(
        rules_when(
            '{ fact = "days_since_discharge", at_least = 20 }',
            '{ fact = "days_since_discharge", at_least = 15 }',
            '{ fact = "days_without_payment", at_most = 12 }',
            '{ fact = "days_without_payment", at_most = 10 }',
        )
    )
    assert due(account([charge("50.00", 30)], discharged_on=days_ago(5))) is None


@pytest.mark.parametrize(
    ("wanted", "entries", "due_on"),
    [
        ('is = "none"', [], dt.date.min),
        ('is = "none"', [payment("1.00", 3, "insurance")], None),
        ('is = "finished"', [], None),
        ('is = "finished"', [payment("1.00", 3, "insurance")], dt.date.min),
        ('is = "finished"', [payment("1.00", 3, "insurance"), charge("9.00", 1)], None),
        ('is = "pending"', [], dt.date.min),
        ('in = ["none", "finished"]', [payment("1.00", 3, "insurance")], dt.date.min),
    ],
)
def test_what_the_ledger_says_of_insurance_leaves_accounts_out(wanted, entries, due_on):
    """An open claim may come from a signal, so there only looking can tell."""
    due = DueDays(rules_when(f'{{ fact = "insurance_status", {wanted} }}'))
    assert due(account([charge("150.00", 160), *entries])) == due_on


@pytest.mark.parametrize(
    ("predicate", "needs"),
    [
        ('{ fact = "plan_status", is = "failed" }', True),
        ('{ fact = "plan_status", in = ["failed", "active"] }', False),
        ('{ fact = "days_since_first_statement", at_least = 120 }', True),
        ('{ fact = "has_address", is = true }', False),
        ('{ fact = "guarantor_age", at_least = 21 }', False),
    ],
)
def test_a_rule_that_needs_a_signal_is_left_out_for_accounts_that_have_none(predicate, needs):
    """It keeps a daily run from looking at every account that was touched."""
    due = DueDays(rules_when(predicate))
    assert due(account()) == dt.date.min
    assert due(account(), has_signals=False) == (None if needs else dt.date.min)


def test_no_rules_no_day():
    """A rules file has at least one rule; without any nothing is due."""
    assert DueDays(Rules("none", (), ()))(account()) is None


days = st.one_of(st.none(), st.dates(dt.date(2025, 1, 1), dt.date(2026, 12, 31)))
cents = st.integers(-5_000, 20_000).map(lambda number: Decimal(number).scaleb(-2))
codes = st.sampled_from([None, "", "A", "B"])


@st.composite
def states(draw: st.DrawFn) -> AccountState:
    insured = draw(days)
    return new_account("NORTHGATE", "A1", as_of="1", message_id=1)._replace(
        status=draw(st.sampled_from(["open", "open", "open", "closed"])),
        charges=draw(cents),
        payments=draw(cents),
        adjustments=draw(cents),
        discharged_on=draw(days),
        last_service_on=draw(days),
        last_payment_on=draw(days),
        insurance_paid_on=insured,
        financial_class=draw(codes),
        patient_class=draw(codes),
        account_status=draw(codes),
        plan_code=draw(st.sampled_from([None, "P"])),
    )


@st.composite
def predicates(draw: st.DrawFn) -> Predicate:
    fact = draw(st.sampled_from([spec for spec in FACTS.values() if spec.type is not FactType.LIST]))
    bound = draw(st.sampled_from([Op.AT_LEAST, Op.AT_MOST]))
    if fact.type is FactType.MONEY:
        return Predicate(fact, bound, draw(cents))
    if fact.type is FactType.FLAG:
        return Predicate(fact, Op.IS, draw(st.booleans()))
    if fact.type is FactType.TEXT:
        texts = st.sampled_from(fact.values or ("A", "B"))
        return Predicate(fact, Op.IN, tuple(draw(st.lists(texts, min_size=1, max_size=2, unique=True))))
    return Predicate(fact, bound, draw(st.integers(0, 120)))


@st.composite
def rule_sets(draw: st.DrawFn) -> Rules:
    lists = st.lists(predicates(), max_size=2).map(tuple)
    rules = [
        Rule(f"rule {at}", "sample", "primary", Mode.AUTOMATIC, draw(lists)) for at in range(draw(st.integers(1, 3)))
    ]
    return Rules("drawn", draw(lists), tuple(rules))


@st.composite
def signal_sets(draw: st.DrawFn) -> dict[str, Signal]:
    found: dict[str, Signal] = {}
    for name in draw(st.lists(st.sampled_from(["plan_status", "first_statement", "insurance_pending", "dispute"]))):
        value = draw(st.sampled_from(SIGNALS[name].values or ("2026-01-05", "2025-06-30")))
        found[name] = Signal(name, value, "test", TODAY)
    return found


@settings(max_examples=400)
@given(
    state=states(),
    rules=st.one_of(st.just(RULES), rule_sets()),
    signals=signal_sets(),
    insured=st.booleans(),
    born=st.one_of(st.none(), st.dates(dt.date(1930, 1, 1), dt.date(2015, 12, 31))),
    day=st.dates(dt.date(2025, 1, 1), dt.date(2027, 12, 31)),
)
def test_no_day_on_which_an_account_is_eligible_comes_before_it_is_due(state, rules, signals, insured, born, day):
    """For any state, rules, people, signals and day: eligible on a day means due on or before it.

    And the next day to look, from any day, is never later than the first day on which the account is eligible.
    """
    coverages = (COVERAGE,) if insured else ()
    facts = build_facts(state, PATIENT, (GUARANTOR._replace(birth_on=born),), coverages, signals)
    due_on = DueDays(rules)(state, has_signals=bool(signals))
    if decide(facts, rules, day).eligible:
        assert due_on is not None
        assert due_on <= day
        earlier = day - dt.timedelta(days=40)
        next_on = next_due(facts, rules, earlier)
        assert next_on is not None
        assert earlier < next_on <= day
        assert decide(facts, rules, next_on).eligible


@settings(max_examples=200)
@given(state=states(), signals=signal_sets(), born=st.dates(dt.date(2007, 1, 1), dt.date(2009, 12, 31)))
def test_the_next_day_to_decide_is_exact(state, signals, born):
    """On that day the account is eligible, and on no day between."""
    facts = build_facts(state, PATIENT, (GUARANTOR._replace(birth_on=born),), (COVERAGE,), signals)
    next_on = next_due(facts, RULES, TODAY)
    last = TODAY + dt.timedelta(days=120) if next_on is None else next_on - dt.timedelta(days=1)
    span = min((last - TODAY).days, 120)
    assert not any(decide(facts, RULES, TODAY + dt.timedelta(days=1 + ahead)).eligible for ahead in range(span))
    if next_on is not None:
        assert decide(facts, RULES, next_on).eligible
