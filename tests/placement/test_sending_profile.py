"""The allow-list of what an agency may get: what is not on it is refused before anything is sent."""

from __future__ import annotations

import pytest

from hl7bridge.errors import RefusedError
from hl7bridge.privacy.sending import NEEDED_FIELDS, SEND_FIELDS, USUAL_FIELDS, compile_fields, find_field_problems


def test_the_usual_fields_are_the_default_and_leave_birth_dates_out():
    """A birth date is sent only to an agency that is meant to have it; so is who had the account before."""
    assert compile_fields(None) == USUAL_FIELDS
    assert set(SEND_FIELDS) - set(USUAL_FIELDS) == {
        "patient_birth_on", "guarantor_birth_on", "guarantor_organization", "guarantor_number", "file_no",
        "payer_2_name", "payer_plan_type", "insurance_status", "share", "prior_placement_id", "prior_agency",
    }  # fmt: skip
    assert set(NEEDED_FIELDS) <= set(USUAL_FIELDS)


def test_an_agency_may_get_fewer_fields_in_its_own_order():
    """What is chosen is kept as it is written."""
    chosen = ("balance", "placement_id", "guarantor_birth_on", "client_account")
    assert compile_fields(list(chosen)) == chosen


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("diagnosis_codes", "diagnoses"),
        ("procedure_code", "procedures"),
        ("service_code", "procedures"),
        ("drg", "diagnosis groups"),
        ("observations", "results"),
        ("allergies", "allergies"),
        ("notes", "notes"),
        ("ward", "wards"),
        ("assigned_location", "wards"),
        ("hospital_service", "wards"),
        ("attending_physician", "providers"),
        ("provider", "providers"),
        ("mrn", "medical record numbers"),
        ("guarantor_SSN", "social security numbers"),
        ("policy_number", "policy numbers"),
    ],
)
def test_what_is_clinical_or_an_identity_number_never_leaves(name, what):
    """The refusal says what kind of thing it is."""
    [problem] = find_field_problems([*NEEDED_FIELDS, name])
    assert problem.at == 3
    assert problem.problem == f"{what} never leave for an agency"


def test_an_unknown_field_is_refused_with_a_likely_one():
    """A slip of the keyboard is mended at once; without a likely one the whole list is told."""
    slip, far = find_field_problems([*NEEDED_FIELDS, "guarantor_fone", "qqq"])
    assert slip == (3, "'guarantor_fone' is not a field that may be sent", "did you mean guarantor_phone?")
    assert far.hint == "one of " + ", ".join(SEND_FIELDS)


def test_a_field_listed_twice_and_a_needed_one_left_out_are_told():
    """Without its number, account and balance a placement cannot be answered."""
    problems = find_field_problems(["balance", "balance", "client_account"])
    assert problems == [
        (1, "'balance' is listed twice", "remove one"),
        (None, "placement_id is needed", 'add "placement_id"'),
    ]


def test_nothing_is_sent_by_a_list_with_a_problem():
    """All problems are in the refusal."""
    with pytest.raises(RefusedError, match=r"diagnoses never leave .*; balance is needed"):
        compile_fields(["placement_id", "client_account", "diagnosis"])
