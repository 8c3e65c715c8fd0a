"""What an agency wrote becomes a payment, or is refused with words that help."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payment_samples import NOW, make_payment

from hl7bridge.payments.payment import (
    Payment,
    PaymentKind,
    PaymentText,
    batch_id,
    control_id,
    parse_payment,
    payment_differences,
    transaction_id,
)


def test_what_the_agency_wrote_becomes_a_payment():
    """Amount and day are exact; blanks around them do not matter."""
    payment, problems = parse_payment("sample", PaymentText("CHK 1", " 150.5 ", " 2026-01-14 "), NOW)
    assert problems == ()
    assert payment == Payment("sample", "CHK 1", PaymentKind.PAYMENT, Decimal("150.50"), dt.date(2026, 1, 14))


@pytest.mark.parametrize("kind", ["payment", "adjustment", "reversal", "REVERSAL", ""])
def test_a_kind_is_one_of_three_and_payment_when_left_out(kind):
    """An empty cell of a file means payment; capitals do not matter."""
    payment, _ = parse_payment("sample", PaymentText("1", "1", "2026-01-14", kind), NOW)
    assert payment is not None
    assert payment.kind is PaymentKind(kind.lower() or "payment")


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (PaymentText("", "1", "2026-01-14"), "agency_payment_id"),
        (PaymentText(" CHK1", "1", "2026-01-14"), "agency_payment_id"),
        (PaymentText("CHK\r1", "1", "2026-01-14"), "agency_payment_id"),
        (PaymentText("9" * 51, "1", "2026-01-14"), "agency_payment_id"),
        (PaymentText("1", "1", "2026-01-14", "refund"), "kind"),
        (PaymentText("1", "1,000.00", "2026-01-14"), "amount"),
        (PaymentText("1", "$5", "2026-01-14"), "amount"),
        (PaymentText("1", "0.001", "2026-01-14"), "amount"),
        (PaymentText("1", "0.00", "2026-01-14"), "amount"),
        (PaymentText("1", "-5.00", "2026-01-14"), "amount"),
        (PaymentText("1", "NaN", "2026-01-14"), "amount"),
        (PaymentText("1", "1", "01/14/2026"), "date"),
        (PaymentText("1", "1", "2026-02-30"), "date"),
        (PaymentText("1", "1", "20260114"), "date"),
        (PaymentText("1", "1", "2026-01-17"), "date"),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(written, wanted):
    """One problem each, naming the field."""
    payment, problems = parse_payment("sample", written, NOW)
    assert payment is None
    assert len(problems) == 1
    assert problems[0].startswith(wanted)


def test_all_problems_are_told_at_once():
    """A person mends them in one go."""
    payment, problems = parse_payment("sample", PaymentText("", "x", "y", "z"), NOW)
    assert payment is None
    assert [problem.partition(":")[0] for problem in problems] == ["agency_payment_id", "kind", "amount", "date"]


def test_a_day_that_has_begun_somewhere_is_taken():
    """At 16:30 UTC on the 15th it is the 16th in the earliest zone."""
    assert parse_payment("sample", PaymentText("1", "1", "2026-01-16"), NOW)[0] is not None


@pytest.mark.parametrize("length", [1, 2, 50])
def test_an_id_has_1_to_50_characters(length):
    """The shortest and the longest."""
    assert parse_payment("sample", PaymentText("7" * length, "1", "2026-01-14"), NOW)[0] is not None


def test_a_reversal_raises_the_balance_and_the_others_lower_it():
    """PY for money, AJ for what the agency gave up; a reversal is PY below zero."""
    entries = [(make_payment(kind=kind).ledger_kind, make_payment(kind=kind).ledger_amount) for kind in PaymentKind]
    assert entries == [("PY", Decimal("150.00")), ("AJ", Decimal("150.00")), ("PY", Decimal("-150.00"))]


def test_the_same_content_has_no_differences():
    """Equal is equal."""
    assert payment_differences(make_payment(), make_payment()) == ()


def test_differences_name_field_and_both_values():
    """A person sees what changed."""
    offered = make_payment(amount="175", kind=PaymentKind.REVERSAL, paid_on=dt.date(2026, 1, 13))
    assert payment_differences(make_payment(), offered) == (
        "kind (payment, now reversal)",
        "amount (150.00, now 175.00)",
        "date (2026-01-14, now 2026-01-13)",
    )


@given(st.integers(1, 10**12 - 1))
def test_identifiers_keep_the_standards_lengths(payment_id):
    """MSH-10 within 20 characters, FT1-2 within 12, for as many payments as there can be."""
    assert len(control_id("A1B2", payment_id)) == 18
    assert len(transaction_id("A1B2", payment_id)) == 12
    assert int(transaction_id("A1B2", payment_id)[4:], 36) == payment_id


def test_identifiers_are_readable():
    """As they stand in a message."""
    assert control_id("A1B2", 123) == "HBA1B2000000000123"
    assert transaction_id("A1B2", 1296) == "A1B200000100"


@given(st.dates(dt.date(2000, 1, 1), dt.date(2099, 12, 31)), st.integers(0, 65535))
def test_a_batch_id_has_10_characters(day, number):
    """FT1-3."""
    assert len(batch_id(day, number)) == 10


def test_a_batch_id_names_the_day():
    """And three more characters."""
    assert batch_id(dt.date(2026, 1, 15)) == "B260115001"
