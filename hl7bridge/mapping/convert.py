"""A field's text -> the value a record holds: the converters a mapping file may name.

Each takes the text of a field or component and the message's delimiters, and raises ValueError with what was
expected, never with the text itself.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from hl7bridge.mapping.records import NULL, Null
from hl7bridge.message.datatypes import parse_amount, parse_date, parse_xtn
from hl7bridge.message.delimiters import DEFAULT
from hl7bridge.message.escape import escape, unescape
from hl7bridge.message.model import Delimiters
from hl7bridge.money import parse_money

Converter = Callable[[str, Delimiters], Any]
_DOLLARS: Final = ("", "USD")
_FLAGS: Final = {"Y": True, "N": False, "YES": True, "NO": False}  # the words are not the standard's, and are sent
_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})", re.ASCII)
_MOST_DIGITS: Final = 9  # SI has four; more than this would not fit the store


def convert_text(text: str, delimiters: Delimiters) -> str:
    """Plain text: escapes decoded, outer blanks dropped."""
    return (unescape(text, delimiters) if delimiters.escape in text else text).strip()


@lru_cache(maxsize=16384)  # a feed speaks of few days, and of each many times
def convert_date(text: str, _delimiters: Delimiters) -> dt.date:
    """A day: the first eight digits of a DT, TS, DTM or of the start of a DR."""
    return parse_date(text)


def convert_money(text: str, delimiters: Delimiters) -> Decimal:
    """Dollars from an NM, MO or CP field: ``150.00``, ``150.00&USD``, ``150.00^USD``."""
    number, _, currency = text.partition(delimiters.subcomponent or "&")
    # 150.00 and 150.00&USD, as nearly all are; CP's further components may be numbers too.
    if currency in _DOLLARS and number[-3:-2] == "." and delimiters.component not in number:
        return parse_money(number)
    amount = parse_amount(text, delimiters)
    if (amount.currency or "") not in _DOLLARS:
        raise ValueError("expected dollars (USD or no currency)")
    return amount.amount


def convert_number(text: str, _delimiters: Delimiters) -> Decimal:
    """A number (NM), for a quantity."""
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        raise ValueError("expected a number")
    return Decimal(stripped)


def convert_flag(text: str, _delimiters: Delimiters) -> bool:
    """Yes or no: ``Y`` or ``N``. Source: HL7 table 0136."""
    try:
        return _FLAGS[text.strip().upper()]
    except KeyError:
        raise ValueError("expected Y or N (table 0136)") from None


def convert_integer(text: str, _delimiters: Delimiters) -> int:
    """A whole number, zero or more, of at most nine digits."""
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit() and len(stripped) <= _MOST_DIGITS):
        raise ValueError("expected a whole number")
    return int(stripped)


def convert_phone(text: str, delimiters: Delimiters) -> str | Null:
    """A telephone number from the first repetition of an XTN or TN field, as a person would dial it."""
    first = text.partition(delimiters.repetition)[0].partition(delimiters.component)[0]
    if first == NULL.value:
        return NULL
    if first and delimiters.escape not in first:  # XTN.1, as most senders fill it
        return first.strip()
    return parse_xtn(text, delimiters).number.strip()


def convert_field(text: str, delimiters: Delimiters) -> str:
    """The whole field with all repetitions and components, escaped, in the standard's delimiters: for echoes."""
    if delimiters[:5] == DEFAULT[:5]:
        return text
    # An escape names a sign of the sender's: what it stands for is escaped anew, or kept where ours has no need to.
    parts = re.split(f"([{re.escape(delimiters.component + delimiters.repetition + delimiters.subcomponent)}])", text)
    signs = {delimiters.component: "^", delimiters.repetition: "~", delimiters.subcomponent: "&"}
    parts[::2] = [escape(unescape(part, delimiters), DEFAULT) for part in parts[::2]]
    parts[1::2] = [signs[sign] for sign in parts[1::2]]
    return "".join(parts)


# These read the field whole, and split it themselves.
WHOLE_FIELD: Final = frozenset({"money", "phone", "field"})
CONVERTERS: Final[dict[str, Converter]] = {
    "text": convert_text,
    "date": convert_date,
    "money": convert_money,
    "flag": convert_flag,
    "integer": convert_integer,
    "number": convert_number,
    "phone": convert_phone,
    "field": convert_field,
}
