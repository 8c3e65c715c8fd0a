"""The holds of a day: what each does to a live placement, what the rules change, and which end by themselves."""

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

from hl7bridge.errors import ConfigError
from hl7bridge.rules.evaluate import decide, holds_on, next_due
from hl7bridge.rules.facts import Further, Payment, build_facts
from hl7bridge.rules.holds import HOLDS, Action, Hold
from hl7bridge.rules.signals import SIGNALS

RULES = shipped_rules()
AGED = (
    'format = 1\n[[rules]]\nname = "aged"\nagency = "sample"\nwhen = [{ fact = "days_since_service", at_least = 90 }]\n'
)


def actions(found, rules=RULES, day=TODAY) -> dict[str, str]:
    return {hold.name: hold.action.value for hold in holds_on(found, rules, day)}


def test_every_hold_that_there_is_has_an_action_and_says_when():
    """The table is what the docs and the rules file name."""
    for name, spec in HOLDS.items():
        assert spec.name == name
        assert spec.when
        assert spec.source
    holding = {name for name, spec in SIGNALS.items() if spec.holding} - {"plan_status"}
    assert holding <= HOLDS.keys()


@pytest.mark.parametrize(
    ("name", "value", "action"),
    [
        ("bankruptcy", "filed", "recall"),
        ("deceased", "yes", "recall"),
        ("nsa_dispute", "yes", "recall"),
        ("qmb", "yes", "recall"),
        ("part_2", "yes", "recall"),
        ("charity", "pending", "suspend"),
        ("charity", "approved", "recall"),
        ("charity", "presumptive", "recall"),
        ("charity", "yes", "recall"),
        ("fap_pending", "yes", "suspend"),
        ("insurance_pending", "yes", "suspend"),
        ("dispute", "open", "suspend"),
        ("attorney", "yes", "suspend"),
        ("cease", "yes", "suspend"),
        ("plan_status", "active", "suspend"),
        ("unbilled", "yes", "suspend"),
    ],
)
def test_a_hold_suspends_or_recalls_what_an_agency_has(name, value, action):
    """Unless the rules file says otherwise."""
    hold = "payment_plan" if name == "plan_status" else name
    assert actions(facts(signals=[signal(name, value)])) == {hold: action}


def test_a_hold_that_is_only_about_placing_touches_no_live_placement():
    """Nothing owed is told as a close; merged accounts and ended placements have their own ways."""
    paid = account([charge("150.00", 160), payment("150.00", 120)])
    assert actions(facts(paid)) == {"zero_or_credit_balance": "none"}
    assert actions(facts(account(status="merged"))) == {"account_merged": "none"}
    assert actions(facts(last_ended="recalled")) == {"placed_before": "none"}
    assert actions(facts(account(status="cancelled"))) == {"account_cancelled": "recall"}


def test_a_hold_says_since_when():
    """A signal's day, the day of a death, of a payment."""
    [hold] = holds_on(facts(signals=[signal("dispute", "open", 9)]), RULES, TODAY)
    assert hold == Hold(
        "dispute", "signal dispute", f"dispute is open since {days_ago(9)} (test)", Action.SUSPEND, days_ago(9)
    )
    [died] = holds_on(facts(patient=PATIENT._replace(died_on=days_ago(3))), RULES, TODAY)
    assert (died.name, died.since, died.action) == ("deceased", days_ago(3), Action.RECALL)
    [dead] = holds_on(facts(patient=PATIENT._replace(deceased=True)), RULES, TODAY)
    assert dead.since is None


def test_the_rules_change_what_a_hold_does_and_turn_some_off():
    """By the hold's name."""
    rules = rules_of(AGED + '[holds]\ndispute = "recall"\nvip = "off"\npayment_plan = "none"\n')
    found = facts(account(plan_code="P12"), signals=[signal("dispute", "open"), signal("vip", "yes")])
    assert actions(found, rules) == {"dispute": "recall", "payment_plan": "none"}
    assert actions(found) == {"dispute": "suspend", "payment_plan": "suspend", "vip": "suspend"}
    assert decide(facts(signals=[signal("vip", "yes")]), rules, TODAY).eligible


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('dispute = "off"', "holds.dispute: dispute cannot be turned off (one of suspend, recall, none)"),
        ('dispute = "stop"', "holds.dispute: not an action (one of suspend, recall, none)"),
        ('vip = "stop"', "holds.vip: not an action (one of suspend, recall, none, off)"),
        ('bankrupcy = "recall"', "holds.bankrupcy: there is no such hold (did you mean bankruptcy?)"),
    ],
)
def test_a_wrong_action_is_named(line, problem):
    """With what would be right."""
    with pytest.raises(ConfigError) as caught:
        rules_of(AGED + f"[holds]\n{line}\n")
    assert [str(each) for each in caught.value.problems] == [f"rules.toml:7: {problem}"]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("holds = 3", "holds: expected a table (write: [holds])"),
        ("payer_kinds = 3", 'payer_kinds: expected a table (write: [payer_kinds] then medicare = ["MCR"])'),
        ('payer_kinds = { medicar = ["X"] }', "payer_kinds.medicar: not a kind of payer (did you mean medicare?)"),
        ("payer_kinds = { medicare = 3 }", 'payer_kinds.medicare: expected a list of codes (medicare = ["..."])'),
        ('payer_kinds = { medicare = [" "] }', 'payer_kinds.medicare: expected a list of codes (medicare = ["..."])'),
        ("dates = 3", "dates: expected a table (write: [dates])"),
        ("dates = { eca_day = 3 }", "dates.eca_day: unknown key (did you mean eca_days?)"),
        ("dates = { eca_days = -1 }", "dates.eca_days: expected a whole number of days (0 to 36500, without quotes)"),
        ("dates = { fap_days = true }", "dates.fap_days: expected a whole number of days (0 to 36500, without quotes)"),
        ("dates = { recent_payment_least = 5 }", "dates.recent_payment_least: recent_payment_least is dollars"),
        ("dates = { itemization = [] }", "dates.itemization: expected a list of kinds"),
        (
            'dates = { itemization = ["judgement"] }',
            "dates.itemization[1]: 'judgement' is not a kind of",
        ),
        ('dates = { itemization = ["judgment", "judgment"] }', "dates.itemization[2]: 'judgment' is there twice"),
    ],
)
def test_a_wrong_table_of_the_file_is_named(table, problem):
    """With what would be right."""
    with pytest.raises(ConfigError) as caught:
        rules_of(table + "\n" + AGED)
    [told] = caught.value.problems
    assert str(told).startswith(f"rules.toml:1: {problem}")


def test_the_dates_of_a_file_stand_beside_the_usual_ones():
    """What is not said keeps its default."""
    assert rules_of(AGED).dates == shipped_rules().dates
    dates = rules_of('dates = { eca_days = 150, itemization = ["transaction"] }\n' + AGED).dates
    assert (dates.eca_days, dates.fap_days, dates.itemization) == (150, 240, ("transaction",))


# ---- holds that end by themselves -----------------------------------------------------------------------------------


def test_a_hold_with_a_last_day_ends_after_it():
    """On that day it still holds; the next day the account is eligible."""
    last = TODAY + dt.timedelta(days=9)
    found = facts(signals=[signal("dispute", "open", 3)._replace(until=last)])
    [hold] = holds_on(found, RULES, last)
    assert hold.until == last
    assert hold.why == f"dispute is open since {days_ago(3)} until {last} (test)"
    assert holds_on(found, RULES, last + dt.timedelta(days=1)) == ()
    assert next_due(found, RULES, TODAY) == last + dt.timedelta(days=1)


def test_a_hold_without_end_outlasts_one_that_ends():
    """There is no day then."""
    told = [signal("dispute", "open")._replace(until=TODAY), signal("cease", "yes")]
    assert next_due(facts(signals=told), RULES, TODAY) is None


@pytest.mark.parametrize(("days", "held"), [(29, True), (30, False)])
def test_a_patient_who_has_just_paid_is_left_alone(days, held):
    """Thirty days by default; the next day to look is the day on which it ends."""
    state = account([charge("150.00", 160), payment("20.00", days)])
    found = facts(state)
    assert actions(found) == ({"recent_payment": "none"} if held else {})
    ended = TODAY + dt.timedelta(days=1)
    assert actions(found, RULES, ended) == {}
    assert not held or holds_on(found, RULES, TODAY)[0].until == TODAY


def test_an_insurers_payment_is_not_the_patients():
    """Nor does a small one count, or any where the rules say so."""
    state = account([charge("150.00", 160), payment("20.00", 5, "insurance"), payment("5.00", 4)])
    paid = (Payment(days_ago(5), Decimal(20), is_patients=False), Payment(days_ago(4), Decimal(5), is_patients=True))
    found = build_facts(state, PATIENT, (GUARANTOR,), (COVERAGE,), {}, further=Further(payments=paid))
    assert actions(found) == {"recent_payment": "none"}
    assert actions(found, rules_of('dates = { recent_payment_least = "5.01" }\n' + AGED)) == {}
    assert actions(found, rules_of("dates = { recent_payment_days = 0 }\n" + AGED)) == {}
    assert actions(found, rules_of(AGED + '[holds]\nrecent_payment = "off"\n')) == {}


def test_a_payment_at_the_end_of_the_calendar_holds_to_its_end():
    """No day lies beyond it."""
    state = account()._replace(last_payment_on=dt.date.max)
    [hold] = holds_on(facts(state), RULES, TODAY)
    assert hold.until == dt.date.max


@pytest.mark.parametrize(
    ("plan_type", "expected"),
    [
        ("MC", {"medicaid_coverage": "recall"}),
        ("WC", {"liability_coverage": "suspend"}),
        ("AM", {"liability_coverage": "suspend"}),
        ("CI", {}),
    ],
)
def test_a_coverage_that_forbids_billing_holds(plan_type, expected):
    """Medicaid's, workers' compensation's or another liability's, be it the first coverage or the second."""
    found = facts(coverages=(COVERAGE, COVERAGE._replace(rank=2, plan_type=plan_type)))
    assert actions(found) == expected
    off = rules_of(AGED + '[holds]\nmedicaid_coverage = "off"\nliability_coverage = "off"\n')
    assert actions(found, off) == {}
