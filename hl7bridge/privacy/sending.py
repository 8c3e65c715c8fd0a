"""The fields that may be sent to an agency: the allow-list that every placement passes, and what is never sent.

Source: 45 CFR 164.502(b) and 164.514(d), minimum necessary; collections.md 1.2, the placement record.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final, NamedTuple

from hl7bridge.errors import RefusedError


class SendField(NamedTuple):
    """One field that may be sent. ``source`` is where it comes from; ``usual`` ones are sent when nothing is chosen."""

    name: str
    meaning: str
    source: str
    usual: bool = True


_TABLE: Final = (
    SendField("placement_id", "this placement's number, for every later message about it", "hl7bridge"),
    SendField("client_account", "the hospital's account number", "PID-18"),
    SendField("facility", "the facility's code", "the mapping, most often MSH-4"),
    SendField("creditor", "the facility's name, or its code when no name is configured", "[[facilities]]"),
    SendField("tier", "the tier of the rule", "rules"),
    SendField("rule", "the rule that placed the account", "rules"),
    SendField("sequence", "1 for the account's first placement, 2 for its second ...", "hl7bridge"),
    SendField("placed_on", "the day of sending, the facility's", "hl7bridge"),
    SendField("patient_family_name", "", "PID-5.1"),
    SendField("patient_given_name", "", "PID-5.2"),
    SendField("patient_middle_name", "", "PID-5.3"),
    SendField("patient_birth_on", "", "PID-7", usual=False),
    SendField("guarantor_family_name", "", "GT1-3.1"),
    SendField("guarantor_given_name", "", "GT1-3.2"),
    SendField("guarantor_middle_name", "", "GT1-3.3"),
    SendField("guarantor_organization", "the guarantor when it is not a person", "GT1-21", usual=False),
    SendField("guarantor_birth_on", "", "GT1-8", usual=False),
    SendField("guarantor_relationship", "to the patient, table 0063 as sent", "GT1-11"),
    SendField("guarantor_street", "", "GT1-5.1"),
    SendField("guarantor_street_2", "", "GT1-5.2"),
    SendField("guarantor_city", "", "GT1-5.3"),
    SendField("guarantor_state", "", "GT1-5.4"),
    SendField("guarantor_postal_code", "", "GT1-5.5"),
    SendField("guarantor_country", "", "GT1-5.6"),
    SendField("guarantor_phone", "", "GT1-6"),
    SendField("guarantor_language", "", "GT1-36"),
    SendField("service_from", "the first day of service", "FT1-4 of charges"),
    SendField("service_to", "the last day of service", "FT1-4 of charges"),
    SendField("discharged_on", "", "PV1-45"),
    SendField("charges", "dollars", "FT1, CG"),
    SendField("insurance_payments", "dollars", "FT1, PY by an insurer"),
    SendField("other_payments", "dollars", "FT1, PY and CO by others"),
    SendField("adjustments", "dollars", "FT1, AJ and CD"),
    SendField("balance", "dollars: charges less payments less adjustments", "the ledger"),
    SendField("last_payment_on", "", "FT1-4 of payments"),
    SendField("payer_name", "the primary insurer", "IN1-4"),
    SendField("file_no", "placement_id in nine digits, for layouts that number files so", "hl7bridge", usual=False),
    SendField(
        "itemization_on", "the itemization date: a day on which the balance of that day was owed", "see rules.md"
    ),
    SendField(
        "itemization_kind", "which day it is: last_statement, charge_off, last_payment, transaction, judgment", "rules"
    ),
    SendField("itemization_balance", "dollars owed on that day", "the ledger"),
    SendField("interest", "dollars of interest since; the ledger has none, so 0.00", "the ledger"),
    SendField("fees", "dollars of fees since; the ledger has none, so 0.00", "the ledger"),
    SendField("payments_since", "dollars paid since, whoever paid", "FT1, PY and CO"),
    SendField("credits_since", "dollars of adjustments and of charges taken back since", "FT1, AJ, CD and CG"),
    SendField("first_delinquency_on", "the last day of service, else the discharge", "FT1-4 of charges, PV1-45"),
    SendField("first_statement_on", "", "signal first_statement"),
    SendField("last_statement_on", "", "signal last_statement"),
    SendField("statement_count", "how many statements were sent", "signal statement_count"),
    SendField("eca_not_before", "the first statement and `[dates] eca_days` after it", "first_statement_on, rules"),
    SendField("fap_deadline", "the first statement and `[dates] fap_days` after it", "first_statement_on, rules"),
    SendField("last_payment_amount", "dollars", "FT1-10 of the last payment"),
    SendField("last_payment_by", "insurance, patient or unknown", "the mapping, of the last payment"),
    SendField("last_insurance_payment_on", "", "FT1-4 of payments by an insurer"),
    SendField("service_class", "I, O or E: inpatient, outpatient, emergency; of any other class nothing", "PV1-2"),
    SendField("payer_2_name", "the second insurer", "IN1-4", usual=False),
    SendField("payer_plan_type", "the primary insurance's kind of plan, the site's code", "IN1-15", usual=False),
    SendField("insurance_status", "none, pending or finished, as the rules see it", "IN1, FT1", usual=False),
    SendField("guarantor_number", "one number for all accounts of a guarantor", "GT1-2", usual=False),
    SendField("share", "the share of the allocation that chose the agency, as champion", "rules", usual=False),
    SendField("prior_placement_id", "the placement that ended before this one", "hl7bridge", usual=False),
    SendField("prior_agency", "the agency that had it", "hl7bridge", usual=False),
)
SEND_FIELDS: Final = {field.name: field for field in _TABLE}
USUAL_FIELDS: Final = tuple(field.name for field in _TABLE if field.usual)
# Without these an agency could not name the account or the amount in its answers.
NEEDED_FIELDS: Final = ("placement_id", "client_account", "balance")

_NEVER: Final = (
    ("diagnos", "diagnoses"),
    ("procedure", "procedures"),
    ("service_code", "procedures"),
    ("drg", "diagnosis groups"),
    ("observation", "results"),
    ("result", "results"),
    ("allerg", "allergies"),
    ("note", "notes"),
    ("comment", "notes"),
    ("ward", "wards"),
    ("location", "wards"),
    ("hospital_service", "wards"),
    ("department", "wards"),
    ("provider", "providers"),
    ("physician", "providers"),
    ("doctor", "providers"),
    ("mrn", "medical record numbers"),
    ("medical_record", "medical record numbers"),
    ("ssn", "social security numbers"),
    ("social_security", "social security numbers"),
    ("policy", "policy numbers"),
)


class FieldProblem(NamedTuple):
    """What is wrong with a choice of fields; ``at`` is the place in the list from 0, None for the list as a whole."""

    at: int | None
    problem: str
    hint: str


def find_field_problems(names: Sequence[str]) -> list[FieldProblem]:
    """Return everything that is wrong with an agency's ``fields``."""
    problems: list[FieldProblem] = []
    for index, name in enumerate(names):
        if name in names[:index]:
            problems.append(FieldProblem(index, f"{name!r} is listed twice", "remove one"))
        elif name not in SEND_FIELDS:
            problems.append(_refused(index, name))
    problems += [
        FieldProblem(None, f"{name} is needed", f'add "{name}"') for name in NEEDED_FIELDS if name not in names
    ]
    return problems


def _refused(index: int, name: str) -> FieldProblem:
    for part, what in _NEVER:
        if part in name.lower():
            return FieldProblem(index, f"{what} never leave for an agency", "remove it; it is not needed to collect")
    near = difflib.get_close_matches(name, SEND_FIELDS, 1)
    hint = f"did you mean {near[0]}?" if near else "one of " + ", ".join(SEND_FIELDS)
    return FieldProblem(index, f"{name!r} is not a field that may be sent", hint)


def compile_fields(names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the fields to send, in the order chosen; the usual ones for None. Raises RefusedError."""
    if names is None:
        return USUAL_FIELDS
    problems = find_field_problems(names)
    if problems:
        raise RefusedError("fields: " + "; ".join(f"{each.problem} ({each.hint})" for each in problems))
    return tuple(names)
