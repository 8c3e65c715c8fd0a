"""A text and the name of its data type -> the rule that it breaks. Source: HL7 v2.5.1 chapter 2A, hl7apy."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from hl7bridge.message.findings import Rule

_LONGEST: Final = {"FT": 65536, "GTS": 199, "IS": 20, "NM": 16, "SI": 4, "ST": 199, "TN": 199, "TX": 65536}
_LONGEST_ST_IN_2_6: Final = 999
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")
_SEQUENCE = re.compile(r"[0-9]+")
_DATE = re.compile(r"[0-9]{4}(?:[0-9]{2}){0,2}")
_TIME_TEXT: Final = r"(?:[01][0-9]|2[0-3])(?:[0-5][0-9](?:[0-5][0-9](?:\.[0-9]{1,4})?)?)?"
_ZONE_TEXT: Final = r"(?:[+-](?:0[0-9]|1[0-4])[0-5][0-9])?"
_TIME = re.compile(_TIME_TEXT + _ZONE_TEXT)
_DATE_TIME = re.compile(rf"([0-9]{{4}}(?:[0-9]{{2}}){{0,2}}|[0-9]{{8}}{_TIME_TEXT}){_ZONE_TEXT}")
_DAY_DIGITS: Final = 8
_FIRST_DAY: Final = "00000101"


def longest(type_name: str, version: str) -> int:
    """Return how many characters a value of a type may have in a version; 0 when the tables set no limit."""
    if type_name == "ST" and version == "2.6":
        return _LONGEST_ST_IN_2_6
    return _LONGEST.get(type_name, 0)


def find_breach(text: str, type_name: str, version: str) -> Rule | None:
    """Return what is wrong with a text, escapes decoded, as a value of a type without components; None when nothing.

    Codes are not looked up in tables: sites add to most of them.
    """
    limit = longest(type_name, version)
    if limit and len(text) > limit:
        return Rule.TOO_LONG
    return None if _is_value(text, type_name) else Rule.NO_VALUE


def _is_value(text: str, type_name: str) -> bool:
    if type_name == "NM":
        return bool(_NUMBER.fullmatch(text))
    if type_name == "SI":
        return bool(_SEQUENCE.fullmatch(text))
    if type_name == "DT":
        return bool(_DATE.fullmatch(text)) and _is_day(text)
    if type_name == "TM":
        return bool(_TIME.fullmatch(text))
    if type_name == "DTM":
        found = _DATE_TIME.fullmatch(text)
        return found is not None and _is_day(found[1][:_DAY_DIGITS])
    return True


def _is_day(digits: str) -> bool:
    """Return whether YYYY[MM[DD]] is in the calendar."""
    whole = digits + _FIRST_DAY[len(digits) :]
    try:
        dt.date(int(whole[:4]), int(whole[4:6]), int(whole[6:]))
    except ValueError:
        return False
    return True
