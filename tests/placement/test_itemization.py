"""The itemization of an account: one day, what was owed on it, and what has come off it since, to the cent."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some
from placement_samples import TODAY, days_ago, signal

from hl7bridge.placement.itemization import Line, first_service, itemize, last_paid, last_service, signal_day
from hl7bridge.rules.signals import Signal
from hl7bridge.rules.spec_dates import KINDS as ITEMIZATION_KINDS
from hl7bridge.rules.spec_dates import Dates

DEFAULT = Dates().itemization


def line(kind: str, amount: str, days: int, payer: str = "unknown", message: int | None = 12) -> Line:
    """Return an entry of so many days before TODAY."""
    return Line(kind, Decimal(amount), payer, days_ago(days), message)


def told(*signals: Signal) -> dict[str, Signal]:
    """Return signals in force, by name."""
    return {each.name: each for each in signals}


LINES = (
    line("CG", "200.00", 160),
    line("CG", "50.00", 155, message=13),
    line("PY", "80.00", 120, "insurance", 14),
    line("AJ", "30.00", 120, "insurance", 14),
    line("PY", "15.00", 60, "patient", 15),
    line("AJ", "5.00", 50, message=16),
)
STATEMENT = signal("last_statement", days_ago(90).isoformat())


def test_what_was_owed_on_the_day_of_the_last_statement_and_what_came_since():
    """The insurer paid before it, the patient and a credit came after it."""
    item = itemize(LINES, told(STATEMENT), DEFAULT, TODAY)
    assert item.kind == "last_statement"
    assert item.day == (days_ago(90), "signal last_statement (test)")
    assert (item.balance, item.payments_since, item.credits_since) == (Decimal(140), Decimal(15), Decimal(5))
    assert (item.interest, item.fees, item.comes_to) == (0, 0, Decimal(120))


def test_without_a_statement_the_last_payment_is_the_day():
    """The payment of the day itself is in the balance of the day."""
    item = itemize(LINES, {}, DEFAULT, TODAY)
    assert (item.kind, item.day) == ("last_payment", (days_ago(60), "message 15, FT1-4"))
    assert (item.balance, item.payments_since, item.credits_since) == (Decimal(125), 0, Decimal(5))


def test_without_a_payment_the_last_service_is_the_day():
    """Regulation F's date of the transaction."""
    item = itemize(LINES[:2], {}, DEFAULT, TODAY)
    assert (item.kind, item.day) == ("transaction", (days_ago(155), "message 13, FT1-4"))
    assert (item.balance, item.payments_since, item.credits_since) == (Decimal(250), 0, 0)


@pytest.mark.parametrize(
    ("days", "kind"), [(156, "last_payment"), (155, "last_statement"), (0, "last_statement"), (-1, "last_payment")]
)
def test_a_day_before_the_last_charge_or_in_the_future_is_of_no_use(days, kind):
    """What is owed for a later service was not owed then; the day of the service itself will do, and so will today."""
    statement = signal("last_statement", days_ago(days).isoformat())
    assert itemize(LINES, told(statement), DEFAULT, TODAY).kind == kind


def test_a_charge_taken_back_since_is_a_credit():
    """It lowers what is owed, as an adjustment does."""
    lines = (line("CG", "100.00", 160), line("CG", "-20.00", 10))
    item = itemize(lines, told(STATEMENT), DEFAULT, TODAY)
    assert (item.kind, item.balance, item.credits_since) == ("last_statement", Decimal(100), Decimal(20))


def test_a_charge_that_came_and_was_taken_back_since_does_not_matter():
    """What the two leave is nothing."""
    lines = (line("CG", "100.00", 160), line("CG", "20.00", 10), line("CG", "-20.00", 10))
    assert itemize(lines, told(STATEMENT), DEFAULT, TODAY).kind == "last_statement"
    assert itemize(lines[:2], told(STATEMENT), DEFAULT, TODAY).kind == "transaction"


def test_a_cheque_that_bounced_since_is_a_payment_of_less_than_zero():
    """The parts still come to what is owed."""
    lines = (line("CG", "100.00", 160), line("PY", "40.00", 100), line("PY", "-40.00", 20))
    item = itemize(lines, told(STATEMENT), DEFAULT, TODAY)
    assert (item.balance, item.payments_since, item.comes_to) == (Decimal(60), Decimal(-40), Decimal(100))


def test_the_other_days_of_the_regulation_come_from_signals():
    """Charge-off and judgment, when the rules ask for them."""
    signals = told(signal("charge_off", days_ago(30).isoformat()), signal("judgment", days_ago(3).isoformat()))
    assert itemize(LINES, signals, ("charge_off",), TODAY).day.on == days_ago(30)
    assert itemize(LINES, signals, ("judgment", "charge_off"), TODAY).day.source == "signal judgment (test)"


def test_where_no_kind_can_be_used_there_is_no_itemization():
    """Nothing is made up."""
    assert itemize(LINES, {}, ("last_statement", "judgment"), TODAY) is None
    assert itemize((), {}, ITEMIZATION_KINDS, TODAY) is None


def test_a_signal_that_is_not_a_day_tells_no_day():
    """An older program's value is not guessed at."""
    assert signal_day(told(signal("last_statement", "soon")), "last_statement") is None


def test_the_days_of_the_ledger_have_the_message_that_told_them():
    """An agency's payment was told by no message."""
    assert first_service(LINES) == (days_ago(160), "message 12, FT1-4")
    assert last_service(LINES) == (days_ago(155), "message 13, FT1-4")
    assert last_paid(LINES, "insurance") == LINES[2]
    assert last_paid(LINES[:2]) is None
    agency = line("PY", "1.00", 5, "patient", None)
    assert itemize((*LINES, agency), {}, DEFAULT, TODAY).day == (days_ago(5), "an agency's payment")


def test_of_two_payments_of_one_day_the_one_recorded_last_counts():
    """Its amount and payer are told."""
    first, second = line("PY", "1.00", 5, "insurance"), line("CO", "2.00", 5, "patient")
    assert last_paid((first, second)) == second


KINDS = some.sampled_from(["CG", "PY", "CO", "AJ", "CD"])
CENTS = some.integers(-5_000, 50_000).map(lambda cents: Decimal(cents) / 100)
ENTRIES = some.builds(
    Line, KINDS, CENTS, some.sampled_from(["insurance", "patient"]), some.dates(dt.date(2025, 1, 1), TODAY), some.none()
)


@given(some.lists(ENTRIES), some.dates(dt.date(2024, 12, 1), dt.date(2026, 4, 1)), some.permutations(ITEMIZATION_KINDS))
def test_whatever_the_ledger_holds_the_parts_come_to_the_balance(lines, statement, kinds):
    """For any entries, day and order of kinds."""
    item = itemize(lines, told(signal("last_statement", statement.isoformat())), kinds, TODAY)
    if item is not None:
        assert item.comes_to == sum(each.amount if each.kind == "CG" else -each.amount for each in lines)
        assert item.day.on <= TODAY
        assert sum(each.amount for each in lines if each.kind == "CG" and each.on > item.day.on) <= 0
