"""The day an account is due: never later than the first day on which it is eligible, and cheap to know."""

from __future__ import annotations

import datetime as dt

import pytest
from placement_samples import (
    TODAY,
    account,
    charge,
    days_ago,
    payment,
    rules_of,
    shipped_rules,
)

from hl7bridge.rules.due import DueDays
from hl7bridge.rules.spec import Rules

RULES = shipped_rules()
DUE = DueDays(RULES)


def rules_when(*predicates: str) -> Rules:
    return rules_of('format = 1\n[[rules]]\nname = "one"\nagency = "sample"\nwhen = [' + ", ".join(predicates) + "]\n")


WORDS = {
    "DISCHARGED": '{ fact = "days_since_discharge", at_least = 110 }',
    "RICH": '{ fact = "balance", at_least = "500.00" }',
    "SERVED": '{ fact = "days_since_service", at_least = 190 }',
}


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
        ('is = "pending"', [payment("1.00", 3, "insurance"), charge("9.00", 1)], dt.date.min),
        ('is = "pending"', [], None),
        ('in = ["none", "finished"]', [payment("1.00", 3, "insurance")], dt.date.min),
    ],
)
def test_what_the_ledger_says_of_insurance_leaves_accounts_out(wanted, entries, due_on):
    """Signals may say otherwise, so of accounts that have some only looking can tell."""
    due = DueDays(rules_when(f'{{ fact = "insurance_status", {wanted} }}'))
    state = account([charge("150.00", 160), *entries])
    assert due(state, has_signals=False) == due_on
    if "none" not in wanted:
        assert due(state) == dt.date.min


def test_no_signal_makes_an_insured_account_one_without_insurance():
    """Once an insurer has paid there is one."""
    due = DueDays(rules_when('{ fact = "insurance_status", is = "none" }'))
    assert due(account([charge("150.00", 160), payment("1.00", 3, "insurance")])) is None


@pytest.mark.parametrize(
    ("predicate", "needs"),
    [
        ('{ fact = "plan_status", is = "failed" }', True),
        ('{ not = { fact = "plan_status", in = ["failed", "active"] } }', True),
        ('{ fact = "days_since_first_statement", at_least = 120 }', True),
        ('{ fact = "has_address", is = true }', False),
        ('{ fact = "guarantor_age", at_least = 21 }', False),
        ('{ fact = "statement_count", at_least = 3 }', True),
        ('{ not = { fact = "score", at_least = 3 } }', True),
        ('{ any_of = [{ fact = "score", is = 3 }, { fact = "has_address", is = true }] }', False),
        ('{ any_of = [{ fact = "score", is = 3 }, { fact = "segment", is = "insured" }] }', True),
        ('{ all_of = [{ fact = "score", is = 3 }, { fact = "has_address", is = true }] }', True),
        ('{ not = { all_of = [{ fact = "score", is = 3 }, { fact = "has_address", is = true }] } }', False),
    ],
)
def test_a_rule_that_needs_a_signal_is_left_out_for_accounts_that_have_none(predicate, needs):
    """It keeps a daily run from looking at every account that was touched."""
    due = DueDays(rules_when(predicate))
    assert due(account()) == dt.date.min
    assert due(account(), has_signals=False) == (None if needs else dt.date.min)


def test_an_active_plan_is_on_the_account_or_in_a_signal():
    """PV1-24 alone says active."""
    due = DueDays(rules_when('{ fact = "plan_status", in = ["failed", "active"] }'))
    assert due(account()) == dt.date.min
    assert due(account(), has_signals=False) is None
    assert due(account(plan_code="PLAN12"), has_signals=False) == dt.date.min


@pytest.mark.parametrize(
    ("condition", "due_on"),
    [
        ('{ not = { fact = "days_since_discharge", at_most = 120 } }', TODAY + dt.timedelta(days=21)),
        ('{ not = { fact = "days_since_discharge", at_least = 99 } }', dt.date.min),
        ('{ not = { fact = "balance", at_least = "100.00" } }', None),
        ('{ not = { fact = "balance", at_most = "100.00" } }', dt.date.min),
        ('{ not = { fact = "financial_class", is = "SP" } }', dt.date.min),
        ('{ not = { fact = "financial_class", in = ["SP", "MC"] } }', None),
        ('{ not = { fact = "ehr_account_status", is = "BD" } }', None),
        ('{ not = { fact = "guarantor_age", at_least = 21 } }', dt.date.min),
        (
            "{ any_of = [DISCHARGED, RICH] }",
            TODAY + dt.timedelta(days=10),
        ),
        (
            "{ all_of = [DISCHARGED, SERVED] }",
            TODAY + dt.timedelta(days=30),
        ),
        (
            '{ all_of = [{ fact = "days_since_discharge", at_most = 10 }, SERVED] }',
            None,
        ),
        (
            '{ any_of = [{ fact = "days_since_last_payment", at_least = 1 }, RICH] }',
            None,
        ),
    ],
)
def test_groups_are_looked_into(condition, due_on):
    """Discharged 100 days ago, 160 since the service, 150.00 owed, nothing paid; class MC, no status of the EHR."""
    for word, predicate in WORDS.items():
        condition = condition.replace(word, predicate)
    due = DueDays(rules_when(condition))
    state = account(discharged_on=days_ago(100), financial_class="MC")
    assert due(state, has_signals=False) == due_on


def test_a_payment_below_the_least_does_not_make_the_day_too_late():
    """The row tells only of the last payment, so with a least payment the service is what counts."""
    least = 'least_payment = "25.00"'
    state = account([charge("150.00", 160), payment("5.00", 3)])
    assert DueDays(rules_when('{ fact = "days_without_payment", at_least = 90 }'))(state) == TODAY + dt.timedelta(87)
    assert DueDays(rules_when(f'{{ fact = "days_without_payment", at_least = 170, {least} }}'))(state) == TODAY + (
        dt.timedelta(10)
    )
    at_most = DueDays(rules_when(f'{{ fact = "days_since_last_payment", at_most = 170, {least} }}'))
    assert at_most(state) == dt.date.min
    assert at_most(account()) is None


def test_what_an_insurer_decided_may_be_told_by_a_signal():
    """Without signals the ledger's day counts; with some it can only be later, or it is not known here."""
    due = DueDays(rules_when('{ fact = "days_since_adjudication", at_least = 30 }'))
    insured = account([charge("150.00", 160), payment("1.00", 3, "insurance")])
    assert due(insured, has_signals=False) == due(insured) == TODAY + dt.timedelta(days=27)
    assert due(account(), has_signals=False) is None
    assert due(account()) == dt.date.min
    at_most = DueDays(rules_when('{ fact = "days_since_adjudication", at_most = 1 }'))
    assert at_most(insured) == dt.date.min


def test_no_rules_no_day():
    """A rules file has at least one rule; without any nothing is due."""
    assert DueDays(Rules("none", (), ()))(account()) is None
