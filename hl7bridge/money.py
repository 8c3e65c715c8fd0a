"""Dollars: text <-> Decimal with two places <-> whole cents. Never a float."""

from __future__ import annotations

import re
from decimal import Decimal

_CENT = Decimal("0.01")
_NUMBER = re.compile(r"[+-]?(?:\d{1,13}(?:\.\d*)?|\.\d+)\Z", re.ASCII)
_DOLLARS_AND_CENTS = re.compile(r"\d{1,13}\.\d\d\Z", re.ASCII)
ZERO = Decimal("0.00")


def parse_money(text: str) -> Decimal:
    """Return the dollars that ``text`` names, with two places.

    Takes an HL7 NM: optional sign, digits, optional point (``.5`` and ``5.`` are taken too). Zeros beyond the
    second place are dropped. Raises ValueError for anything else, also for a fraction of a cent.
    Source: HL7 v2.5.1 chapter 2A, NM; at most 16 characters.
    """
    if _DOLLARS_AND_CENTS.match(text):
        return Decimal(text) or ZERO
    stripped = text.strip()
    if not _NUMBER.match(stripped):
        raise ValueError("not a number with at most two decimal places")
    amount = Decimal(stripped)
    rounded = amount.quantize(_CENT)
    if rounded != amount:
        raise ValueError("a fraction of a cent")
    return rounded or ZERO


def to_cents(amount: Decimal) -> int:
    """Return whole cents of an amount that has at most two places."""
    return int(amount.scaleb(2)) if amount else 0


def from_cents(cents: int) -> Decimal:
    """Return the Decimal, two places, of whole cents."""
    return Decimal(cents).scaleb(-2)


def money_text(amount: Decimal) -> str:
    """Return ``1234.50``: no separators, always two places."""
    return f"{amount:.2f}"


def cents_text(cents: int) -> str:
    """Return ``1234.50`` for 123450 cents."""
    return money_text(from_cents(cents))
