"""Dollars as HL7 sends them, as the program keeps them, and as the store counts them: never a cent lost."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.money import ZERO, cents_text, from_cents, money_text, parse_money, to_cents

CENTS = st.integers(-(10**15), 10**15)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("150", "150.00"),
        ("150.5", "150.50"),
        ("150.50", "150.50"),
        ("150.5000", "150.50"),
        ("+1", "1.00"),
        ("-25.10", "-25.10"),
        (".5", "0.50"),
        ("5.", "5.00"),
        (" 7 ", "7.00"),
        ("9999999999999.99", "9999999999999.99"),
    ],
)
def test_an_amount_is_read_with_two_places(text, amount):
    """HL7's NM, with the leniencies that are seen in the wild."""
    assert str(parse_money(text)) == amount


@pytest.mark.parametrize(
    "text",
    ["", " ", "abc", "1,000.00", "$5", "1e3", "NaN", "Infinity", "--1", "1.2.3", ".", "12345678901234", "\u0661"],
)
def test_what_is_no_amount_is_refused(text):
    """Nothing is guessed: neither separators, nor signs of currency, nor exponents, nor other digits."""
    with pytest.raises(ValueError, match="not a number with at most two decimal places"):
        parse_money(text)


def test_a_fraction_of_a_cent_is_refused():
    """Rounding would invent money."""
    with pytest.raises(ValueError, match="a fraction of a cent"):
        parse_money("1.005")


def test_zero_has_no_sign():
    """Minus nothing is nothing."""
    assert parse_money("-0.00") is ZERO
    assert money_text(parse_money("-0")) == "0.00"


@given(CENTS)
def test_cents_and_dollars_are_the_same_amount(cents):
    """What the store counts comes back as what was read."""
    amount = from_cents(cents)
    assert to_cents(amount) == cents
    assert amount == Decimal(cents) / 100
    assert money_text(amount) == cents_text(cents)


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_what_is_written_is_read_back(cents):
    """Text and amount are one."""
    assert parse_money(cents_text(cents)) == from_cents(cents)


def test_an_amount_is_written_without_separators():
    """Two places always."""
    assert cents_text(123450) == "1234.50"
    assert cents_text(-5) == "-0.05"
    assert money_text(Decimal(7)) == "7.00"
