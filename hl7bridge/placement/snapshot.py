"""An account at the moment of sending -> what the agency gets: the allowed fields as text, frozen from then on.

Each dated value and sum comes with where it is from, so that a placement explains itself years later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import Coverage, Guarantor, Patient
from hl7bridge.money import money_text
from hl7bridge.placement.footing import check_footing
from hl7bridge.placement.itemization import (
    DatedFact,
    Itemization,
    Line,
    dated,
    first_service,
    itemize,
    last_paid,
    last_service,
    signal_day,
)
from hl7bridge.placement.lineage import ToldBy, record_sources
from hl7bridge.placement.people import people_values, value_text
from hl7bridge.rules.facts import AccountFacts, responsible
from hl7bridge.rules.signals import Signal
from hl7bridge.rules.spec_dates import Dates

# PV1-2 may tell of obstetrics; only these three leave, and say no more than how long a stay was. Source: table 0004.
_SERVICE_CLASSES: Final = frozenset({"I", "O", "E"})
_SUMS: Final = "the sum of the ledger's entries"


class Terms(NamedTuple):
    """What the decision settled: number, rule and day of a placement, for whom it is made, and which came before it."""

    placement_id: int
    tier: str
    rule: str
    sequence: int
    placed_on: dt.date
    creditor: str
    share: str = ""
    prior_placement_id: int | None = None
    prior_agency: str = ""


class Known(NamedTuple):
    """What is known of an account. ``signals`` are those in force, ``lines`` all its entries in order."""

    account: AccountState
    patient: Patient | None
    guarantors: Sequence[Guarantor]
    coverages: Sequence[Coverage]
    signals: Mapping[str, Signal]
    facts: AccountFacts
    lines: Sequence[Line]
    told_by: ToldBy


class Snapshot(NamedTuple):
    """Every field that may be sent, as text: "" when unknown, money "123.45", days YYYY-MM-DD."""

    placement_id: str
    client_account: str
    facility: str
    creditor: str
    tier: str
    rule: str
    sequence: str
    placed_on: str
    patient_family_name: str
    patient_given_name: str
    patient_middle_name: str
    patient_birth_on: str
    guarantor_family_name: str
    guarantor_given_name: str
    guarantor_middle_name: str
    guarantor_organization: str
    guarantor_birth_on: str
    guarantor_relationship: str
    guarantor_street: str
    guarantor_street_2: str
    guarantor_city: str
    guarantor_state: str
    guarantor_postal_code: str
    guarantor_country: str
    guarantor_phone: str
    guarantor_language: str
    service_from: str
    service_to: str
    discharged_on: str
    charges: str
    insurance_payments: str
    other_payments: str
    adjustments: str
    balance: str
    last_payment_on: str
    payer_name: str
    file_no: str
    itemization_on: str
    itemization_kind: str
    itemization_balance: str
    interest: str
    fees: str
    payments_since: str
    credits_since: str
    first_delinquency_on: str
    first_statement_on: str
    last_statement_on: str
    statement_count: str
    eca_not_before: str
    fap_deadline: str
    last_payment_amount: str
    last_payment_by: str
    last_insurance_payment_on: str
    service_class: str
    payer_2_name: str
    payer_plan_type: str
    insurance_status: str
    guarantor_number: str
    share: str
    prior_placement_id: str
    prior_agency: str

    def choose(self, fields: Sequence[str]) -> tuple[str, ...]:
        """Return the values of the chosen fields, in their order."""
        return tuple(getattr(self, field) for field in fields)


class Frozen(NamedTuple):
    """What is kept of a placement for good: the values, and by field where each is from that was not made here."""

    snapshot: Snapshot
    sources: Mapping[str, str]


def build_snapshot(terms: Terms, known: Known, dates: Dates) -> Frozen:
    """Return what may be sent of an account, and where it is from.

    Raises RefusedError with the difference when the account's totals, or the parts of its itemization, do not come to
    its balance by its entries: an amount that does not foot is not sent.
    """
    account = known.account
    item = itemize(known.lines, known.signals, dates.itemization, terms.placed_on)
    check_footing(account, known.lines, item)
    sources: dict[str, str] = {}
    values = {
        **_of_terms(terms),
        **people_values(known.patient, known.guarantors),
        **_of_ledger(known, sources),
        **_of_itemization(item, sources),
        **_of_statements(known, dates, sources),
        **_of_insurance(known),
    }
    sources.update(record_sources(values, known.guarantors, known.told_by))
    return Frozen(Snapshot(**values), sources)


def _of_terms(terms: Terms) -> dict[str, str]:
    return {
        "placement_id": str(terms.placement_id),
        "file_no": f"{terms.placement_id:09}",
        "creditor": value_text(terms.creditor),
        "tier": terms.tier,
        "rule": terms.rule,
        "sequence": str(terms.sequence),
        "placed_on": value_text(terms.placed_on),
        "share": terms.share,
        "prior_placement_id": "" if terms.prior_placement_id is None else str(terms.prior_placement_id),
        "prior_agency": terms.prior_agency,
    }


def _of_ledger(known: Known, sources: dict[str, str]) -> dict[str, str]:
    account, lines = known.account, known.lines
    guarantor = responsible(known.guarantors, known.patient)
    paid, insured = last_paid(lines), last_paid(lines, "insurance")
    first, last = first_service(lines), last_service(lines)
    sources.update(dict.fromkeys(("charges", "insurance_payments", "other_payments", "adjustments", "balance"), _SUMS))
    delinquent_on = account.discharged_on if last is None else last.on
    if delinquent_on is not None:
        sources["first_delinquency_on"] = "discharged_on" if last is None else "service_to"
    return {
        "client_account": value_text(account.number),
        "guarantor_number": value_text(guarantor.number) if guarantor else "",
        "facility": value_text(account.facility),
        "charges": money_text(account.charges),
        "insurance_payments": money_text(account.insurance_payments),
        "other_payments": money_text(account.payments - account.insurance_payments),
        "adjustments": money_text(account.adjustments),
        "balance": money_text(account.balance),
        "service_from": _dated("service_from", first, sources),
        "service_to": _dated("service_to", last, sources),
        "discharged_on": value_text(account.discharged_on),
        "first_delinquency_on": value_text(delinquent_on),
        "last_payment_on": _dated("last_payment_on", None if paid is None else dated(paid), sources),
        "last_payment_amount": "" if paid is None else money_text(paid.amount),
        "last_payment_by": "" if paid is None else paid.payer,
        "last_insurance_payment_on": _dated(
            "last_insurance_payment_on", None if insured is None else dated(insured), sources
        ),
        "service_class": kind if (kind := account.patient_class) in _SERVICE_CLASSES else "",
    }


def _of_itemization(item: Itemization | None, sources: dict[str, str]) -> dict[str, str]:
    if item is None:
        names = ("on", "kind", "balance")
        blank = (*(f"itemization_{name}" for name in names), "interest", "fees", "payments_since", "credits_since")
        sources["itemization_on"] = "none of the wanted kinds is known"
        return dict.fromkeys(blank, "")
    on_or_before = f"entries up to {value_text(item.day.on)}"
    sources["itemization_balance"] = on_or_before
    sources["payments_since"] = sources["credits_since"] = f"entries after {value_text(item.day.on)}"
    return {
        "itemization_on": _dated("itemization_on", item.day, sources),
        "itemization_kind": item.kind,
        "itemization_balance": money_text(item.balance),
        "interest": money_text(item.interest),
        "fees": money_text(item.fees),
        "payments_since": money_text(item.payments_since),
        "credits_since": money_text(item.credits_since),
    }


def _of_statements(known: Known, dates: Dates, sources: dict[str, str]) -> dict[str, str]:
    first, last = (signal_day(known.signals, name) for name in ("first_statement", "last_statement"))
    count = known.signals.get("statement_count")
    if count is not None:
        sources["statement_count"] = f"signal statement_count ({count.source})"
    return {
        "first_statement_on": _dated("first_statement_on", first, sources),
        "last_statement_on": _dated("last_statement_on", last, sources),
        "statement_count": "" if count is None else count.value,
        "eca_not_before": _dated("eca_not_before", _later(first, dates.eca_days), sources),
        "fap_deadline": _dated("fap_deadline", _later(first, dates.fap_days), sources),
    }


def _later(first_statement: DatedFact | None, days: int) -> DatedFact | None:
    if first_statement is None:
        return None
    on = dt.date.fromordinal(min(first_statement.on.toordinal() + days, dt.date.max.toordinal()))
    return DatedFact(on, f"first_statement_on + {days} days")


def _of_insurance(known: Known) -> dict[str, str]:
    first, second = (*known.coverages[:2], None, None)[:2]
    return {
        "payer_name": "" if first is None else value_text(first.company_name),
        "payer_plan_type": "" if first is None else value_text(first.plan_type),
        "payer_2_name": "" if second is None else value_text(second.company_name),
        "insurance_status": known.facts.insurance_status or "",
    }


def _dated(field: str, fact: DatedFact | None, sources: dict[str, str]) -> str:
    """Return a day as text, and keep where it is from."""
    if fact is None:
        return ""
    sources[field] = fact.source
    return value_text(fact.on)
