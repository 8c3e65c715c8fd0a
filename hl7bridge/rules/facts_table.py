"""The vocabulary of facts: name, kind, meaning, source, and when each is unknown; the docs are held against it."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from hl7bridge.mapping.signal_names import SIGNALS
from hl7bridge.rules.facts_payer import KINDS, NO_COVERAGE


class FactType(Enum):
    """What kind of value a fact has."""

    MONEY = "money"  # dollars, two places
    DAYS = "days"  # whole days from a day in the past to the day of the decision; negative when it lies ahead
    YEARS = "years"  # whole years of age on the day of the decision
    NUMBER = "number"  # a whole number
    FLAG = "flag"
    TEXT = "text"
    LIST = "list"


class FactSpec(NamedTuple):
    """One fact: the docs are made from this. ``attribute`` is where AccountFacts has it: a date, for days and years.

    ``signal`` names the signal without which it is unknown.
    """

    name: str
    type: FactType
    attribute: str
    meaning: str
    source: str
    unknown: str
    values: tuple[str, ...] = ()
    signal: str = ""


def _told(name: str, kind: FactType, attribute: str, meaning: str, signal: str) -> FactSpec:
    """Return a fact that only a signal tells."""
    values = SIGNALS[signal].values if kind is FactType.TEXT else ()
    return FactSpec(name, kind, attribute, meaning, f"signal {signal}", "no such signal", values, signal)


_TABLE: Final = (
    FactSpec(
        "balance", FactType.MONEY, "balance", "what is owed: charges less payments less adjustments",
        "the ledger (FT1)", "never",
    ),
    FactSpec(
        "guarantor_balance", FactType.MONEY, "guarantor_balance",
        "what the guarantor owes on all open accounts of the facility", "the ledger (FT1), GT1-2",
        "the guarantor's number is unknown, or stands for too many accounts",
    ),
    FactSpec(
        "days_without_payment", FactType.DAYS, "activity_on",
        "days since the later of last payment and last service; since the discharge when no service is known",
        "FT1-4, PV1-45", "no payment, service or discharge day is known",
    ),
    FactSpec(
        "days_since_last_payment", FactType.DAYS, "last_payment_on", "days since the last payment by anybody", "FT1-4",
        "nobody has paid",
    ),
    FactSpec(
        "days_since_service", FactType.DAYS, "last_service_on", "days since the last service", "FT1-4 of a CG",
        "no charge is known",
    ),
    FactSpec(
        "days_since_discharge", FactType.DAYS, "discharged_on", "days since discharge", "PV1-45",
        "no discharge is known",
    ),
    FactSpec(
        "days_since_insurance_payment", FactType.DAYS, "insurance_paid_on",
        "days since the last payment or contractual adjustment by an insurer", "FT1-4 of an insurer's PY or AJ",
        "no insurer has paid or adjusted",
    ),
    FactSpec(
        "days_since_adjudication", FactType.DAYS, "adjudicated_on",
        "days since an insurer last paid, adjusted or decided", "FT1-4 of an insurer's PY or AJ, signal adjudicated",
        "no insurer has paid or adjusted, and no such signal",
    ),
    _told(
        "days_since_first_statement", FactType.DAYS, "first_statement_on", "days since the first statement",
        "first_statement",
    ),
    _told(
        "days_since_last_statement", FactType.DAYS, "last_statement_on", "days since the newest statement",
        "last_statement",
    ),
    _told("days_since_final_notice", FactType.DAYS, "final_notice_on", "days since the final notice", "final_notice"),
    _told(
        "days_since_self_pay", FactType.DAYS, "self_pay_on", "days since the balance became the guarantor's to pay",
        "self_pay",
    ),
    _told("statement_count", FactType.NUMBER, "statement_count", "how many statements were sent", "statement_count"),
    _told(
        "plan_payments_missed", FactType.NUMBER, "plan_payments_missed",
        "how many payments of a plan were missed one after another", "plan_payments_missed",
    ),
    _told("score", FactType.NUMBER, "score", "how likely the balance is paid, as the site computes it", "score"),
    FactSpec(
        "insurance_status", FactType.TEXT, "insurance_status",
        "none: no coverage; pending: a claim is open, or there are services after the insurer's last payment;"
        " finished: an insurer paid, adjusted or decided and nothing newer is open",
        "IN1, FT1, signals insurance_pending and adjudicated",
        "there is a coverage and no insurer has paid, adjusted or decided", ("none", "pending", "finished"),
    ),
    FactSpec(
        "payer_kind", FactType.TEXT, "payer_kind",
        "what the first coverage for the time of service is; none: there is no coverage", "IN1-15, `[payer_kinds]`",
        "there is a coverage, and its plan type says nothing that is known", (NO_COVERAGE, *KINDS),
    ),
    _told(
        "segment", FactType.TEXT, "segment", "how the guarantor is insured, as the site sorts its accounts", "segment"
    ),
    FactSpec(
        "plan_status", FactType.TEXT, "plan_status", "the payment plan", "signal plan_status; PV1-24 alone: active",
        "no signal, and PV1-24 is empty", ("active", "completed", "failed", "none"),
    ),
    FactSpec(
        "has_address", FactType.FLAG, "has_address", "street, city, state and postal code are all known",
        "GT1-5; PID-11 when the guarantor is the patient", "no guarantor is known",
    ),
    FactSpec(
        "address_quality", FactType.TEXT, "address_quality",
        "complete: as has_address; returned: mail came back; incomplete: something is missing",
        "GT1-5, PID-11, signal mail_returned", "no guarantor is known", ("complete", "returned", "incomplete"),
    ),
    FactSpec(
        "guarantor_age", FactType.YEARS, "guarantor_birth_on", "the first guarantor's age",
        "GT1-8; PID-7 when the guarantor is the patient", "no guarantor or no birth date is known",
    ),
    FactSpec(
        "guarantor_state", FactType.TEXT, "guarantor_state", "the state of the guarantor's address",
        "GT1-5; PID-11 when the guarantor is the patient", "no guarantor or no state is known",
    ),
    FactSpec(
        "language", FactType.TEXT, "language", "the language that the guarantor speaks, the EHR's code",
        "GT1-36; PID-15 when the guarantor is the patient", "no guarantor or no language is known",
    ),
    FactSpec(
        "account_status", FactType.TEXT, "account_status", "the account's own state", "ADT and BAR events", "never",
        ("open", "closed", "merged", "cancelled"),
    ),
    FactSpec(
        "ehr_account_status", FactType.TEXT, "ehr_account_status", "the EHR's account status code", "PV1-41",
        "PV1-41 is empty",
    ),
    FactSpec(
        "financial_class", FactType.TEXT, "financial_class", "the EHR's financial class code", "PV1-20",
        "PV1-20 is empty",
    ),
    FactSpec(
        "patient_class", FactType.TEXT, "patient_class", "inpatient, outpatient and so on, the EHR's code", "PV1-2",
        "PV1-2 is empty",
    ),
    FactSpec("facility", FactType.TEXT, "facility", "the facility's code", "MSH-4", "never"),
    FactSpec(
        "placement_sequence", FactType.NUMBER, "placement_sequence",
        "which placement of the account it would be: 1 for the first; the rule's key sequence asks it already",
        "placements", "never",
    ),
    FactSpec(
        "holds", FactType.LIST, "holds", "whatever forbids placement; overrides every rule by itself",
        "PID-29/30, GT1-22/24/25, PV1-24, IN1-15, the account, the ledger, signals", "never",
    ),
)  # fmt: skip
FACTS: Final = {spec.name: spec for spec in _TABLE}
