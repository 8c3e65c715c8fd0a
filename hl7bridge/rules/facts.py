"""Facts: what the bridge knows of an account -> the named, typed values that placement rules may ask about.

An unknown fact is None: it satisfies no predicate, so an account that is not known well enough is not placed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import NULL, Coverage, Guarantor, Null, Patient
from hl7bridge.money import money_text
from hl7bridge.rules.holds import Hold, find_holds
from hl7bridge.rules.signals import Signal, is_day, is_holding

SELF_CODES: Final = frozenset({"SEL", "SELF"})  # GT1-11, table 0063: the guarantor is the patient


class FactType(Enum):
    """What kind of value a fact has."""

    MONEY = "money"  # dollars, two places
    DAYS = "days"  # whole days from a day in the past to the day of the decision; negative when it lies ahead
    YEARS = "years"  # whole years of age on the day of the decision
    FLAG = "flag"
    TEXT = "text"
    LIST = "list"


class FactSpec(NamedTuple):
    """One fact: the docs are made from this. ``attribute`` is where AccountFacts has it: a date, for days and years."""

    name: str
    type: FactType
    attribute: str
    meaning: str
    source: str
    unknown: str
    values: tuple[str, ...] = ()


_TABLE: Final = (
    FactSpec(
        "balance", FactType.MONEY, "balance", "what is owed: charges less payments less adjustments",
        "the ledger (FT1)", "never",
    ),
    FactSpec(
        "days_without_payment", FactType.DAYS, "activity_on",
        "days since the later of last payment and last service; since the discharge when no service is known",
        "FT1-4, PV1-45",
        "no payment, service or discharge day is known",
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
        "days_since_first_statement", FactType.DAYS, "first_statement_on", "days since the first statement",
        "signal first_statement", "no such signal",
    ),
    FactSpec(
        "insurance_status", FactType.TEXT, "insurance_status",
        "none: no coverage; pending: a claim is open, or there are services after the insurer's last payment;"
        " finished: an insurer paid or adjusted and nothing newer is open", "IN1, FT1, signal insurance_pending",
        "there is a coverage and no insurer has paid or adjusted", ("none", "pending", "finished"),
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
        "guarantor_age", FactType.YEARS, "guarantor_birth_on", "the first guarantor's age",
        "GT1-8; PID-7 when the guarantor is the patient", "no guarantor or no birth date is known",
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
    FactSpec(
        "holds", FactType.LIST, "holds", "whatever forbids placement; overrides every rule by itself",
        "PID-29/30, GT1-22/24/25, PV1-24, the account, the ledger, signals", "never",
    ),
)  # fmt: skip
FACTS: Final = {spec.name: spec for spec in _TABLE}

FactValue = Decimal | dt.date | bool | str | tuple[Hold, ...] | None


class AccountFacts(NamedTuple):
    """What is known of one account, the same on every day: days and ages are kept as the dates they count from."""

    balance: Decimal
    activity_on: dt.date | None
    discharged_on: dt.date | None
    insurance_paid_on: dt.date | None
    first_statement_on: dt.date | None
    insurance_status: str | None
    plan_status: str | None
    has_address: bool | None
    guarantor_birth_on: dt.date | None
    account_status: str
    ehr_account_status: str | None
    financial_class: str | None
    patient_class: str | None
    holds: tuple[Hold, ...]


def build_facts(
    account: AccountState,
    patient: Patient | None,
    guarantors: Sequence[Guarantor],
    coverages: Sequence[Coverage],
    signals: Mapping[str, Signal],
    *,
    last_ended: str = "",
) -> AccountFacts:
    """Return the facts of an account. ``signals`` are the current ones (``current_signals``).

    ``last_ended`` is the final status of the account's newest ended placement, "" when there is none.
    """
    guarantor = responsible(guarantors, patient)
    return AccountFacts(
        balance=account.balance,
        activity_on=activity_on(account),
        discharged_on=account.discharged_on,
        insurance_paid_on=account.insurance_paid_on,
        first_statement_on=_signal_day(signals.get("first_statement")),
        insurance_status=_insurance_status(account, coverages, signals.get("insurance_pending")),
        plan_status=_plan_status(account, signals.get("plan_status")),
        has_address=None if guarantor is None else has_address(guarantor),
        guarantor_birth_on=None if guarantor is None else known_day(guarantor.birth_on),
        account_status=account.status,
        ehr_account_status=account.account_status or None,
        financial_class=account.financial_class or None,
        patient_class=account.patient_class or None,
        holds=find_holds(account, patient, guarantors, signals, last_ended=last_ended),
    )


def activity_on(account: AccountState) -> dt.date | None:
    """Return the later of last payment and last service, else the discharge; None when none is known.

    A payment that came before the last service says nothing about that service, so the later day counts. A discharge
    counts only where no charge tells of a service: registration systems fill it in late, and in copies of messages.
    """
    paid_on, service_on = account.last_payment_on, account.last_service_on or account.discharged_on
    if paid_on is None or service_on is None:
        return paid_on or service_on
    return max(paid_on, service_on)


def is_insurance_settled(account: AccountState) -> bool:
    """Return True when an insurer has paid or adjusted and no service is newer than that."""
    paid_on, service_on = account.insurance_paid_on, account.last_service_on
    return paid_on is not None and (service_on is None or service_on <= paid_on)


def _insurance_status(account: AccountState, coverages: Sequence[Coverage], pending: Signal | None) -> str | None:
    if pending is not None and is_holding(pending):
        return "pending"
    if account.insurance_paid_on is None:
        return None if coverages else "none"
    return "finished" if is_insurance_settled(account) else "pending"


def _plan_status(account: AccountState, signal: Signal | None) -> str | None:
    if signal is not None:
        return signal.value
    return "active" if account.plan_code else None


def _signal_day(signal: Signal | None) -> dt.date | None:
    return dt.date.fromisoformat(signal.value) if signal is not None and is_day(signal.value) else None


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


def fact_text(facts: AccountFacts, spec: FactSpec, today: dt.date) -> str:
    """Return a fact's value as people read it: ``unknown`` for None, yes and no for a flag."""
    value: FactValue = getattr(facts, spec.attribute)
    if value is None:
        return "unknown"
    if isinstance(value, dt.date):
        return str((today - value).days if spec.type is FactType.DAYS else years_on(value, today))
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, tuple):
        return ", ".join(hold.name for hold in value) or "none"
    return ("yes" if value else "no") if isinstance(value, bool) else value
