"""A hold stops placement whatever the rules say; each one has a test."""

from __future__ import annotations

import datetime as dt

import pytest
from placement_samples import (
    GUARANTOR,
    PATIENT,
    TODAY,
    account,
    charge,
    days_ago,
    facts,
    payment,
    shipped_rules,
    signal,
)

from hl7bridge.mapping.records import NULL
from hl7bridge.rules.evaluate import decide
from hl7bridge.rules.signals import (
    SIGNALS,
    Signal,
    current_signals,
    is_holding,
    signal_problem,
)

HOLDING = [(name, value) for name, spec in SIGNALS.items() for value in spec.values if value in spec.holding]
HARMLESS = [(name, value) for name, spec in SIGNALS.items() for value in spec.values if value not in spec.holding]

VALUES = [("first_statement", "2026-02-28"), ("statement_count", "3"), ("score", "0")]


def hold_names(found) -> set[str]:
    return {hold.name for hold in found.holds}


def refused(found) -> list[str]:
    """Return the failed reasons about holds of an account that must not be placed."""
    decision = decide(found, shipped_rules(), TODAY)
    assert not decision.eligible
    return [reason.found for reason in decision.reasons if reason.fact == "holds" and not reason.held]


def test_the_sample_account_is_placed_when_nothing_holds_it():
    """Every test below changes one thing of an account that would be placed."""
    assert facts().holds == ()
    assert decide(facts(), shipped_rules(), TODAY).eligible


@pytest.mark.parametrize(("name", "value"), HOLDING)
def test_a_holding_signal_stops_placement_and_says_so(name, value):
    """The reason names the signal, its value, since when, and who said it."""
    found = facts(signals=[signal(name, value, 3)])
    expected = "payment_plan" if name == "plan_status" else name
    assert hold_names(found) == {expected}
    [why] = refused(found)
    assert f"{name} is {value} since {days_ago(3)} (test)" in why


@pytest.mark.parametrize(("name", "value"), HARMLESS)
def test_a_harmless_value_does_not_hold(name, value):
    """Denied charity, a resolved dispute or a dismissed bankruptcy let an account go on."""
    assert facts(signals=[signal(name, value)]).holds == ()


def test_the_last_signal_of_a_name_in_order_of_time_is_in_force():
    """The store puts them in order; whether one holds is asked of the last alone."""
    held, lifted, other = signal("dispute", "open", 9), signal("dispute", "resolved", 2), signal("cease", "yes", 5)
    assert current_signals([held, other, lifted]) == {"dispute": lifted, "cease": other}
    assert current_signals([lifted, held])["dispute"] == held


def test_a_signal_that_this_program_does_not_know_holds():
    """Fail closed: a newer program's signal is not waved through by an older one."""
    assert is_holding(signal("invented_later", "no"))
    assert is_holding(signal("dispute", "maybe"))
    assert hold_names(facts(signals=[signal("invented_later", "no")])) == {"invented_later"}


@pytest.mark.parametrize(
    ("changes", "source"),
    [({"deceased": True}, "PID-30"), ({"died_on": days_ago(9)}, "PID-30")],
    ids=["death indicator", "date of death"],
)
def test_a_patient_who_has_died_holds(changes, source):
    """PID-30 or PID-29, either is enough."""
    found = facts(patient=PATIENT._replace(**changes))
    assert [(hold.name, hold.source) for hold in found.holds] == [("deceased", source)]
    assert len(refused(found)) == 1


def test_any_guarantor_who_has_died_holds():
    """Also when it is the second one."""
    found = facts(guarantors=(GUARANTOR, GUARANTOR._replace(rank=2, deceased=True)))
    assert hold_names(found) == {"deceased"}


def test_a_patient_whom_the_sender_has_deleted_holds():
    """ADT^A29: nothing is erased here, and nothing is collected."""
    assert hold_names(facts(patient=PATIENT._replace(deleted=True))) == {"patient_deleted"}


def test_the_values_of_a_signal_are_told_as_people_read_them():
    """Words, a day, or a number."""
    told = [SIGNALS[name].values_text for name in ("plan_status", "first_statement", "score")]
    assert told == ["active, completed, failed, none", "YYYY-MM-DD", "a whole number"]


def test_a_billing_hold_of_the_hospital_holds():
    """GT1-22."""
    assert hold_names(facts(guarantors=(GUARANTOR._replace(billing_hold=True),))) == {"billing_hold"}


@pytest.mark.parametrize("flag", [False, None, NULL])
def test_a_flag_that_is_no_or_unknown_does_not_hold(flag):
    """Most messages say nothing about death or a billing hold."""
    guarantor = GUARANTOR._replace(deceased=flag, billing_hold=flag)
    assert facts(guarantors=(guarantor,), patient=PATIENT._replace(deceased=flag)).holds == ()


@pytest.mark.parametrize("status", ["closed", "merged", "cancelled"])
def test_an_account_that_is_not_open_holds(status):
    """Closed, merged and cancelled accounts are not collected."""
    assert hold_names(facts(account(status=status))) == {f"account_{status}"}


@pytest.mark.parametrize("paid", ["150.00", "150.01"], ids=["paid", "in credit"])
def test_an_account_that_owes_nothing_holds(paid):
    """Zero and credit balances never go to an agency, whatever minimum a rule names."""
    state = account([charge("150.00", 160), payment(paid, 120)])
    assert hold_names(facts(state)) == {"zero_or_credit_balance"}


def test_an_active_payment_plan_holds_by_code_or_by_signal():
    """PV1-24 alone means active; a signal that the plan failed lifts that."""
    planned = account(plan_code="PLAN12")
    assert hold_names(facts(planned)) == {"payment_plan"}
    assert hold_names(facts(planned, signals=[signal("plan_status", "active")])) == {"payment_plan"}
    assert facts(planned, signals=[signal("plan_status", "failed")]).holds == ()


@pytest.mark.parametrize("ended", ["recalled", "paid_in_full", "settled", "rejected"])
def test_an_account_that_an_agency_had_is_not_placed_again_by_itself(ended):
    """One that was cancelled before it was acknowledged may be tried again; one that was returned, by a second rule."""
    assert hold_names(facts(last_ended=ended)) == {"placed_before"}
    assert facts(last_ended="cancelled").holds == ()
    assert facts(last_ended="returned").holds == ()


def test_a_minor_guarantor_holds_until_the_birthday():
    """The day before the 18th birthday holds; the birthday does not."""
    minor = facts(guarantors=(GUARANTOR._replace(birth_on=dt.date(2008, 3, 3)),))
    assert refused(minor) == ["minor_guarantor: the guarantor is under 18 (GT1-8)"]
    of_age = facts(guarantors=(GUARANTOR._replace(birth_on=dt.date(2008, 3, 2)),))
    assert decide(of_age, shipped_rules(), TODAY).eligible


def test_every_hold_is_told_not_only_the_first():
    """A person who lifts one hold must see the others."""
    found = facts(
        account(status="closed"),
        patient=PATIENT._replace(deceased=True),
        signals=[signal("bankruptcy", "filed"), signal("attorney", "yes")],
    )
    names = [why.partition(":")[0] for why in refused(found)]
    assert names == ["account_closed", "deceased", "attorney", "bankruptcy"]


def test_no_hold_tells_a_name_or_an_address():
    """Reasons are kept and shown; they carry codes and days only."""
    found = facts(patient=PATIENT._replace(deceased=True), guarantors=(GUARANTOR._replace(billing_hold=True),))
    told = " ".join(f"{hold.why} {hold.source}" for hold in found.holds)
    for value in ("TESTPATIENT", "AURELIA", "TESTGUARANTOR", "BRUNO", "SAMPLE STREET", "MRN-CANARY-1"):
        assert value not in told


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("bankrupcy", "yes", ("name", "not a signal", "did you mean bankruptcy?")),
        ("dispute", "perhaps", ("value", "not a value of dispute", "one of no, resolved, yes, open")),
        ("first_statement", "2026-02-30", ("value", "first_statement takes a day", "YYYY-MM-DD")),
        ("first_statement", "20260228", ("value", "first_statement takes a day", "YYYY-MM-DD")),
        ("statement_count", "-1", ("value", "statement_count takes a whole number", "at most 9 digits")),
        ("statement_count", "1234567890", ("value", "statement_count takes a whole number", "at most 9 digits")),
    ],
)
def test_a_wrong_signal_is_refused_with_what_would_be_right(name, value, problem):
    """Names and values are checked against the table."""
    assert signal_problem(name, value) == problem


def test_an_unlikely_name_is_answered_with_the_whole_list():
    """Nothing is near: all names are told."""
    assert signal_problem("zzzz", "yes").hint.startswith("one of adjudicated, attorney")


@pytest.mark.parametrize(("name", "value"), [*HOLDING, *HARMLESS, *VALUES])
def test_every_value_of_the_table_is_taken(name, value):
    """The table is the vocabulary."""
    assert signal_problem(name, value) is None


def test_a_signal_knows_its_day():
    """A signal is a value on a day from a source."""
    assert Signal("dispute", "open", "test", TODAY).observed_on == TODAY
