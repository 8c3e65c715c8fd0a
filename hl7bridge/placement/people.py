"""Patient and guarantors -> the names, addresses and telephones that may be sent, as text; "" is unknown."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Final

from hl7bridge.mapping.records import NULL, Guarantor, Null, Patient
from hl7bridge.rules.facts import known_text, responsible

# A line break or a tab inside a value is legal in CSV and breaks the agencies' importers all the same.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_PATIENT: Final = ("family_name", "given_name", "middle_name", "birth_on")
_GUARANTOR: Final = (
    "family_name", "given_name", "middle_name", "organization", "birth_on", "relationship", "street", "street_2",
    "city", "state", "postal_code", "country", "phone", "language",
)  # fmt: skip
PEOPLE_FIELDS: Final = (
    *(f"patient_{name}" for name in _PATIENT),
    *(f"guarantor_{name}" for name in _GUARANTOR),
)


def people_values(patient: Patient | None, guarantors: Sequence[Guarantor]) -> dict[str, str]:
    """Return the fields of ``privacy.sending`` that tell of people, by name; days YYYY-MM-DD."""
    person, guarantor = patient or Patient(), responsible(guarantors, patient) or Guarantor()
    values = [value_text(getattr(person, name)) for name in _PATIENT]
    values += [value_text(getattr(guarantor, name)) for name in _GUARANTOR]
    return dict(zip(PEOPLE_FIELDS, values, strict=True))


def value_text(value: str | dt.date | Null | None) -> str:
    """Return a stored value as it is sent: on one line, "" when it is not known or was deleted."""
    if value is None or value is NULL:
        return ""
    if isinstance(value, dt.date):
        return value.isoformat()
    return _CONTROL.sub(" ", known_text(value) or "").strip()
