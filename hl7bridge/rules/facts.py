"""Facts: what the bridge knows of an account -> the named, typed values that placement rules may ask about.

An unknown fact is None: it satisfies no predicate, so an account that is not known well enough is not placed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import Coverage, Guarantor, Patient
from hl7bridge.money import money_text
from hl7bridge.rules.facts_payer import covering_types, first_kind
from hl7bridge.rules.facts_people import birthday, has_address, known_day, known_text, responsible, years_on
from hl7bridge.rules.facts_table import FACTS, FactSpec, FactType
from hl7bridge.rules.holds import Hold, find_holds
from hl7bridge.rules.signals import Signal, first_end, is_holding, signal_day, signal_number, signals_after

__all__ = [
    "FACTS",
    "AccountFacts",
    "FactSpec",
    "FactType",
    "Further",
    "Payment",
    "activity_on",
    "birthday",
    "build_facts",
    "fact_text",
    "has_address",
    "is_settled",
    "known_day",
    "known_text",
    "responsible",
    "years_on",
]
ANY_AMOUNT: Final = Decimal("Infinity")
FactValue = Decimal | dt.date | bool | int | str | tuple[Hold, ...] | None


class Payment(NamedTuple):
    """One payment of more than zero: its day, dollars, and whether it may be the patient's (not an insurer's)."""

    paid_on: dt.date
    amount: Decimal
    is_patients: bool


class Further(NamedTuple):
    """What else the store knows of an account, beyond its own row, people, coverages and signals.

    ``payments`` None: only the day of the last one is known, and it counts whatever its dollars. ``sequence`` is the
    number that its next placement would have; ``returned_by`` are the agencies that have returned it.
    """

    guarantor_balance: Decimal | None = None
    payments: tuple[Payment, ...] | None = None
    sequence: int = 1
    returned_by: frozenset[str] = frozenset()


class AccountFacts(NamedTuple):
    """What is known of one account: days and ages are kept as the dates they count from.

    It is the same on every day until ``later`` begins. ``payments`` are newest first, ``plan_types`` those of the
    coverages for the time of service.
    """

    balance: Decimal
    account_status: str
    activity_on: dt.date | None = None
    last_payment_on: dt.date | None = None
    last_service_on: dt.date | None = None
    discharged_on: dt.date | None = None
    insurance_paid_on: dt.date | None = None
    adjudicated_on: dt.date | None = None
    first_statement_on: dt.date | None = None
    last_statement_on: dt.date | None = None
    final_notice_on: dt.date | None = None
    self_pay_on: dt.date | None = None
    statement_count: int | None = None
    plan_payments_missed: int | None = None
    score: int | None = None
    insurance_status: str | None = None
    payer_kind: str | None = None
    segment: str | None = None
    plan_status: str | None = None
    has_address: bool | None = None
    address_quality: str | None = None
    guarantor_birth_on: dt.date | None = None
    guarantor_state: str | None = None
    guarantor_balance: Decimal | None = None
    language: str | None = None
    ehr_account_status: str | None = None
    financial_class: str | None = None
    patient_class: str | None = None
    facility: str = ""
    placement_sequence: int = 1
    holds: tuple[Hold, ...] = ()
    payments: tuple[Payment, ...] = ()
    plan_types: tuple[str, ...] = ()
    returned_by: frozenset[str] = frozenset()
    later: Later | None = None


class Later(NamedTuple):
    """What is known after a day, because a signal ends by itself."""

    after: dt.date
    facts: AccountFacts


_NOTHING_FURTHER: Final = Further()


def build_facts(
    account: AccountState,
    patient: Patient | None,
    guarantors: Sequence[Guarantor],
    coverages: Sequence[Coverage],
    signals: Mapping[str, Signal],
    *,
    last_ended: str = "",
    further: Further = _NOTHING_FURTHER,
) -> AccountFacts:
    """Return the facts of an account. ``signals`` are the current ones (``current_signals``).

    ``last_ended`` is the final status of the account's newest ended placement, "" when there is none.
    """
    end = first_end(signals)
    later = None
    if end is not None:
        left = signals_after(signals, end)
        known = build_facts(account, patient, guarantors, coverages, left, last_ended=last_ended, further=further)
        later = Later(end, known)
    types = covering_types(account, coverages)
    facts = AccountFacts(
        balance=account.balance,
        account_status=account.status,
        activity_on=activity_on(account),
        last_payment_on=account.last_payment_on,
        last_service_on=account.last_service_on,
        discharged_on=account.discharged_on,
        insurance_paid_on=account.insurance_paid_on,
        payer_kind=first_kind(types, {}),
        plan_status=_plan_status(account, signals.get("plan_status")),
        guarantor_balance=further.guarantor_balance,
        ehr_account_status=account.account_status or None,
        financial_class=account.financial_class or None,
        patient_class=account.patient_class or None,
        facility=account.facility,
        placement_sequence=further.sequence,
        holds=find_holds(account, patient, guarantors, signals, last_ended=last_ended),
        payments=_payments(account, further.payments),
        plan_types=types,
        returned_by=further.returned_by,
        later=later,
    )
    return _with_signals(_with_guarantor(facts, responsible(guarantors, patient), signals), account, coverages, signals)


def _with_guarantor(facts: AccountFacts, guarantor: Guarantor | None, signals: Mapping[str, Signal]) -> AccountFacts:
    if guarantor is None:
        return facts
    is_complete, returned = has_address(guarantor), signals.get("mail_returned")
    quality = "complete" if is_complete else "incomplete"
    if returned is not None and returned.value == "yes":
        quality = "returned"
    return facts._replace(
        has_address=is_complete,
        address_quality=quality,
        guarantor_birth_on=known_day(guarantor.birth_on),
        guarantor_state=known_text(guarantor.state),
        language=known_text(guarantor.language),
    )


def _with_signals(
    facts: AccountFacts, account: AccountState, coverages: Sequence[Coverage], signals: Mapping[str, Signal]
) -> AccountFacts:
    decided = [day for day in (account.insurance_paid_on, signal_day(signals, "adjudicated")) if day is not None]
    adjudicated_on = max(decided, default=None)
    segment = signals.get("segment")
    return facts._replace(
        adjudicated_on=adjudicated_on,
        insurance_status=_insurance_status(account, adjudicated_on, coverages, signals.get("insurance_pending")),
        first_statement_on=signal_day(signals, "first_statement"),
        last_statement_on=signal_day(signals, "last_statement"),
        final_notice_on=signal_day(signals, "final_notice"),
        self_pay_on=signal_day(signals, "self_pay"),
        statement_count=signal_number(signals, "statement_count"),
        plan_payments_missed=signal_number(signals, "plan_payments_missed"),
        score=signal_number(signals, "score"),
        segment=None if segment is None else segment.value,
    )


def activity_on(account: AccountState) -> dt.date | None:
    """Return the later of last payment and last service, else the discharge; None when none is known.

    A payment that came before the last service says nothing about that service, so the later day counts. A discharge
    counts only where no charge tells of a service: registration systems fill it in late, and in copies of messages.
    """
    return later_of(account.last_payment_on, account.last_service_on or account.discharged_on)


def later_of(one: dt.date | None, other: dt.date | None) -> dt.date | None:
    """Return the later of two days, or the one that is known."""
    return one or other if one is None or other is None else max(one, other)


def is_settled(decided_on: dt.date | None, service_on: dt.date | None) -> bool:
    """Return True when an insurer has paid, adjusted or decided and no service is newer than that."""
    return decided_on is not None and (service_on is None or service_on <= decided_on)


def _payments(account: AccountState, payments: Sequence[Payment] | None) -> tuple[Payment, ...]:
    """Return payments, the newest first, none of them later than the last that counts.

    When the account's row is all there is, it tells the day of the last; who paid is guessed to be the patient.
    """
    last_on = account.last_payment_on
    if last_on is None:
        return ()
    if payments is None:
        return (Payment(last_on, ANY_AMOUNT, last_on != account.insurance_paid_on),)
    return tuple(sorted((each for each in payments if each.paid_on <= last_on), reverse=True))


def _insurance_status(
    account: AccountState, decided_on: dt.date | None, coverages: Sequence[Coverage], pending: Signal | None
) -> str | None:
    if pending is not None and is_holding(pending):
        return "pending"
    if decided_on is None:
        return None if coverages else "none"
    return "finished" if is_settled(decided_on, account.last_service_on) else "pending"


def _plan_status(account: AccountState, signal: Signal | None) -> str | None:
    if signal is not None:
        return signal.value
    return "active" if account.plan_code else None


def facts_on(facts: AccountFacts, day: dt.date) -> AccountFacts:
    """Return what is known on a day: signals that have ended by then are left out."""
    while facts.later is not None and day > facts.later.after:
        facts = facts.later.facts
    return facts


def fact_text(facts: AccountFacts, spec: FactSpec, today: dt.date) -> str:
    """Return a fact's value as people read it: ``unknown`` for None, yes and no for a flag."""
    return value_text(getattr(facts, spec.attribute), spec.type, today)


def value_text(value: FactValue, kind: FactType, today: dt.date) -> str:
    """Return a value as people read it."""
    if value is None:
        return "unknown"
    if isinstance(value, dt.date):
        return str((today - value).days if kind is FactType.DAYS else years_on(value, today))
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, tuple):
        return ", ".join(hold.name for hold in value) or "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
