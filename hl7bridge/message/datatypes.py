"""Field text -> dates, times, amounts, identifiers, names, addresses, phones. Source: HL7 v2.5.1 chapter 2A.

No ValueError raised here quotes the value: it may be a patient's.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from enum import IntEnum
from typing import Final, NamedTuple

from hl7bridge.message.delimiters import DEFAULT, Delimiters
from hl7bridge.message.escape import unescape
from hl7bridge.money import parse_money

_DAY_DIGITS: Final = 8
_CURRENCY_LETTERS: Final = 3  # ISO 4217
_TIMESTAMP = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6})\d*)?)?)?)?)?)?([+-]\d{4})?", re.ASCII
)
_NULL: Final = '""'


class Precision(IntEnum):
    """How much of a time was sent: the number of its parts, so that they compare."""

    YEAR = 1
    MONTH = 2
    DAY = 3
    HOUR = 4
    MINUTE = 5
    SECOND = 6
    FRACTION = 7


class Timestamp(NamedTuple):
    """A time as sent: ``at`` is aware, parts that were not sent are the first of their range."""

    at: dt.datetime
    precision: Precision


class Amount(NamedTuple):
    """Dollars with two places, and the ISO 4217 currency if one was sent."""

    amount: Decimal
    currency: str | None


class CX(NamedTuple):
    """An identifier; ``authority`` is who issued it (its namespace, or its universal id when that is all)."""

    number: str
    check_digit: str
    check_scheme: str
    authority: str
    type_code: str
    facility: str


class XPN(NamedTuple):
    """A person's name; ``family`` is the surname alone, without own or partner's prefix."""

    family: str
    given: str
    middle: str
    suffix: str
    prefix: str
    degree: str
    type_code: str


class XAD(NamedTuple):
    """An address; ``street`` is the street line alone."""

    street: str
    street_2: str
    city: str
    state: str
    postal_code: str
    country: str
    type_code: str
    other: str
    county: str


class XTN(NamedTuple):
    """A telephone or e-mail address; ``number`` is the best form that was sent, digits and punctuation."""

    number: str
    use: str
    equipment: str
    email: str


def parse_date(text: str) -> dt.date:
    """Return the day of a date or time sent with day precision or better; ValueError otherwise.

    The day is the sender's own: an offset does not move it.
    """
    if len(text) == _DAY_DIGITS and text.isdecimal() and text.isascii():
        digits = text
    else:
        found = _TIMESTAMP.fullmatch(text)
        if not found:
            raise ValueError("not a date of the form YYYYMMDD")
        if not found[3]:
            raise ValueError("a date without its day; YYYYMMDD is needed")
        digits = text[:_DAY_DIGITS]
    try:
        return dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        raise ValueError("no such day in the calendar") from None


def parse_timestamp(text: str, default_zone: dt.tzinfo) -> Timestamp:
    """Return the time that ``YYYY[MM[DD[HH[MM[SS[.S+]]]]]][+-ZZZZ]`` names; ValueError otherwise.

    Without an offset it is a time of ``default_zone``. Digits beyond microseconds are dropped.
    """
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        raise ValueError("not a time of the form YYYYMMDDHHMMSS")
    *parts, fraction, offset = found.groups()
    numbers = [int(part) for part in parts if part is not None]
    precision = Precision(len(numbers) + bool(fraction))
    year, month, day, hour, minute, second = (*numbers, *(1, 1, 1, 0, 0, 0)[len(numbers) :])
    microsecond = int(fraction.ljust(6, "0")) if fraction else 0
    try:
        zone = _parse_offset(offset) if offset else default_zone
        at = dt.datetime(year, month, day, hour, minute, second, microsecond, zone)
    except ValueError:
        raise ValueError("no such time in the calendar") from None
    return Timestamp(at, precision)


def _parse_offset(text: str) -> dt.timezone:
    minutes = int(text[3:])
    if minutes >= 60:  # noqa: PLR2004 - minutes of an hour
        raise ValueError("an offset has less than 60 minutes")
    offset = dt.timedelta(hours=int(text[1:3]), minutes=minutes)
    return dt.timezone(-offset if text[0] == "-" else offset)


def parse_amount(text: str, delimiters: Delimiters = DEFAULT) -> Amount:
    """Return the amount of an NM, MO or CP field: ``150.00``, ``150.00&USD``, and ``150.00^USD`` as some send.

    Raises ValueError when the quantity is empty or not a number of whole cents.
    """
    price, _, rest = text.partition(delimiters.component)
    quantity, currency = price, ""
    if delimiters.subcomponent:
        quantity, _, currency = price.partition(delimiters.subcomponent)
        currency = currency.partition(delimiters.subcomponent)[0]
    if not currency:
        currency = rest.partition(delimiters.component)[0]
    # CP's second component is a price type of two letters, so three letters can only be a currency.
    named = len(currency) == _CURRENCY_LETTERS and currency.isascii() and currency.isalpha()
    return Amount(parse_money(quantity), currency.upper() if named else None)


def parse_cx(text: str, delimiters: Delimiters = DEFAULT) -> CX:
    """Return one repetition of a CX (or CK) field; parts that were not sent, or sent as null, are ""."""
    parts = _components(text, delimiters, 6)
    authority = _subcomponent(parts[3], delimiters) or _subcomponent(parts[3], delimiters, 1)
    facility = _subcomponent(parts[5], delimiters)
    number, digit, scheme, type_code = _plain((*parts[:3], parts[4]), delimiters)
    return CX(number, digit, scheme, authority, type_code, facility)


def parse_xpn(text: str, delimiters: Delimiters = DEFAULT) -> XPN:
    """Return one repetition of an XPN (or PN) field; parts that were not sent, or sent as null, are ""."""
    family, *others = _components(text, delimiters, 7)
    return XPN(_subcomponent(family, delimiters), *_plain(others, delimiters))


def parse_xad(text: str, delimiters: Delimiters = DEFAULT) -> XAD:
    """Return one repetition of an XAD (or AD) field; parts that were not sent, or sent as null, are ""."""
    street, *others = _components(text, delimiters, 9)
    street_2, city, state, postal_code, country, type_code, other, county = _plain(others, delimiters)
    street = _subcomponent(street, delimiters)
    return XAD(street, street_2, city, state, postal_code, country, type_code, other, county)


def parse_xtn(text: str, delimiters: Delimiters = DEFAULT) -> XTN:
    """Return one repetition of an XTN (or TN) field; parts that were not sent, or sent as null, are "".

    The number is XTN.1, or XTN.12 where a sender leaves XTN.1 empty, or area code and local number.
    """
    parts = _plain(_components(text, delimiters, 12), delimiters)
    number = parts[0] or parts[11] or f"{parts[5]}{parts[6]}"
    return XTN(number, parts[1], parts[2], parts[3])


def _components(text: str, delimiters: Delimiters, count: int) -> list[str]:
    """Return exactly ``count`` components of the first repetition, as sent, null as ""."""
    parts = text.partition(delimiters.repetition)[0].split(delimiters.component)
    parts.extend([""] * (count - len(parts)))
    return ["" if part == _NULL else part for part in parts[:count]]


def _subcomponent(text: str, delimiters: Delimiters, index: int = 0) -> str:
    parts = text.split(delimiters.subcomponent) if delimiters.subcomponent else [text]
    return unescape(parts[index], delimiters) if index < len(parts) else ""


def _plain(parts: list[str] | tuple[str, ...], delimiters: Delimiters) -> list[str]:
    return [unescape(part, delimiters) for part in parts]
