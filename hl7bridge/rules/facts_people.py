"""Patient and guarantors -> the person who owes, whether a letter reaches them, and how old they are on a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from hl7bridge.mapping.records import NULL, Guarantor, Null, Patient

SELF_CODES: Final = frozenset({"SEL", "SELF"})  # GT1-11, table 0063: the guarantor is the patient


def responsible(guarantors: Sequence[Guarantor], patient: Patient | None) -> Guarantor | None:
    """Return the first guarantor, or None. What is not known is the patient's when the two are one person."""
    if not guarantors:
        return None
    guarantor = guarantors[0]
    relationship = known_text(guarantor.relationship)
    if patient is None or relationship is None or relationship.upper() not in SELF_CODES:
        return guarantor
    if not any(map(known_text, (guarantor.street, guarantor.city, guarantor.state, guarantor.postal_code))):
        guarantor = guarantor._replace(
            street=patient.street,
            street_2=patient.street_2,
            city=patient.city,
            state=patient.state,
            postal_code=patient.postal_code,
            country=patient.country,
        )
    if not (known_text(guarantor.family_name) or known_text(guarantor.organization)):
        guarantor = guarantor._replace(
            family_name=patient.family_name, given_name=patient.given_name, middle_name=patient.middle_name
        )
    return guarantor._replace(
        birth_on=known_day(guarantor.birth_on) or patient.birth_on,
        phone=known_text(guarantor.phone) or patient.phone,
        language=known_text(guarantor.language) or patient.language,
    )


def has_address(guarantor: Guarantor) -> bool:
    """Return True when a letter can reach the guarantor."""
    return all(map(known_text, (guarantor.street, guarantor.city, guarantor.state, guarantor.postal_code)))


def known_text(value: str | Null | None) -> str | None:
    """Return a text that says something; None for absent, deleted and empty."""
    return value if isinstance(value, str) and value else None


def known_day(value: dt.date | Null | None) -> dt.date | None:
    """Return a day; None for absent and deleted."""
    return None if value is NULL else value


def years_on(birth_on: dt.date, day: dt.date) -> int:
    """Return whole years of age. Who was born on 29 February has the birthday on 1 March in other years."""
    return day.year - birth_on.year - ((day.month, day.day) < (birth_on.month, birth_on.day))


def birthday(birth_on: dt.date, years: int) -> dt.date:
    """Return the first day on which a person is ``years`` old; the last day there is when that lies beyond it."""
    year = birth_on.year + years
    if year > dt.MAXYEAR:
        return dt.date.max
    if (birth_on.month, birth_on.day) == (2, 29) and not _is_leap(year):
        return dt.date(year, 3, 1)
    return birth_on.replace(year=year)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
