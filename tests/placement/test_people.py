"""Patient and guarantors -> the text in which agencies get them, the same in a placement and in an update."""

from __future__ import annotations

import datetime as dt

from placement_samples import GUARANTOR, PATIENT

from hl7bridge.mapping.records import NULL
from hl7bridge.placement.people import PEOPLE_FIELDS, people_values, value_text
from hl7bridge.privacy.sending import SEND_FIELDS


def test_every_field_is_one_that_may_be_sent():
    """And the allow-list has no other field of a name or address."""
    assert set(PEOPLE_FIELDS) <= set(SEND_FIELDS)


def test_values_are_one_line_of_text_and_empty_when_they_are_not_known():
    """Deleted is not known."""
    values = people_values(PATIENT, [GUARANTOR])
    assert list(values) == list(PEOPLE_FIELDS)
    assert (values["patient_birth_on"], values["guarantor_city"]) == ("1980-05-17", "SAMPLETON")
    assert (value_text(NULL), value_text(None), value_text(" A\r\nB\t")) == ("", "", "A B")
    assert value_text(dt.date(2026, 3, 2)) == "2026-03-02"


def test_without_people_every_field_is_empty():
    """As when only a charge has come."""
    assert set(people_values(None, []).values()) == {""}
