"""Conditions -> what an account's state alone says of the days on which they can be satisfied: never too few."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from hl7bridge.ledger.account import AccountState
from hl7bridge.rules.facts import activity_on, is_settled
from hl7bridge.rules.spans import FIRST, LAST
from hl7bridge.rules.spec_conditions import Condition, Joint, Op, Predicate

Base = Callable[[AccountState], dt.date | None]
Window = tuple[Base, int, int]  # base day, days at least, days at most
Hull = tuple[int, int]  # first and last day
Bound = Callable[[AccountState], Hull | None]  # None: on no day
NO_DAYS: Final[Hull] = (LAST + 1, FIRST)
_ALL_DAYS: Final[Hull] = (FIRST, LAST)
_FAR: Final = 100_000  # days: more than any rule counts
BASES: Final[dict[str, Base]] = {
    "days_without_payment": activity_on,
    "days_since_last_payment": lambda state: state.last_payment_on,
    "days_since_service": lambda state: state.last_service_on,
    "days_since_discharge": lambda state: state.discharged_on,
    "days_since_insurance_payment": lambda state: state.insurance_paid_on,
}
CODES: Final[dict[str, Callable[[AccountState], str | None]]] = {
    "account_status": lambda state: state.status,
    "ehr_account_status": lambda state: state.account_status or None,
    "financial_class": lambda state: state.financial_class or None,
    "patient_class": lambda state: state.patient_class or None,
    "facility": lambda state: state.facility,
}
# The day that is known at the latest, where payments below some dollars do not count: the true one may be earlier.
_AT_THE_EARLIEST: Final[dict[str, Base]] = {
    "days_without_payment": lambda state: state.last_service_on or state.discharged_on,
    "days_since_last_payment": lambda _: None,
}


def texts_of(predicate: Predicate) -> tuple[str, ...]:
    """Return the texts of which one will do; none for other facts."""
    return predicate.wanted if isinstance(predicate.wanted, tuple) else ()


def can_tell(condition: Condition, *, wanted: bool = True) -> bool:
    """Return False when no account without signals can satisfy a condition."""
    if isinstance(condition, Predicate):
        if condition.fact.name == "plan_status":  # without a signal a plan is active (PV1-24) or unknown
            return ("active" in texts_of(condition)) is wanted
        return not condition.fact.signal
    if condition.joint is Joint.NOT:
        return can_tell(condition.parts[0], wanted=not wanted)
    parts = (can_tell(part, wanted=wanted) for part in condition.parts)
    return all(parts) if (condition.joint is Joint.ALL_OF) is wanted else any(parts)


def group_bound(condition: Condition, *, wanted: bool, has_signals: bool) -> Bound:
    """Return the bound of a condition; with ``wanted=False``, of its contrary."""
    if isinstance(condition, Predicate):
        return bound_of(condition, wanted=wanted, has_signals=has_signals) or (lambda _: _ALL_DAYS)
    if condition.joint is Joint.NOT:
        return group_bound(condition.parts[0], wanted=not wanted, has_signals=has_signals)
    parts = [group_bound(part, wanted=wanted, has_signals=has_signals) for part in condition.parts]
    if (condition.joint is Joint.ALL_OF) is wanted:
        return lambda state: _inside_all([bound(state) for bound in parts])
    return lambda state: _around_all([bound(state) for bound in parts])


def _inside_all(hulls: list[Hull | None]) -> Hull | None:
    known = [hull for hull in hulls if hull is not None]
    if len(known) < len(hulls):
        return None
    return max(first for first, _ in known), min(last for _, last in known)


def _around_all(hulls: list[Hull | None]) -> Hull | None:
    known = [(first, last) for first, last in filter(None, hulls) if first <= last]
    return (min(first for first, _ in known), max(last for _, last in known)) if known else None


def bound_of(predicate: Predicate, *, wanted: bool, has_signals: bool) -> Bound | None:
    """Return the bound of one predicate, or of its contrary; None when the state says nothing of it."""
    name = predicate.fact.name
    if not has_signals and not can_tell(predicate, wanted=wanted):
        return lambda _: None
    if name == "balance":
        return lambda state: _ALL_DAYS if _compares(state.balance, predicate) is wanted else None
    if name in CODES:
        return _code_bound(predicate, wanted=wanted)
    if name == "insurance_status":
        return _insurance_bound(predicate, wanted=wanted, has_signals=has_signals)
    if name == "plan_status" and not has_signals:
        return lambda state: _ALL_DAYS if state.plan_code else None
    bases = _range_of(predicate, has_signals=has_signals)
    return None if bases is None else _days_bound(predicate, bases, wanted=wanted)


def _compares(found: Decimal, predicate: Predicate) -> bool:
    least = predicate.wanted if isinstance(predicate.wanted, Decimal) else found
    return found >= least if predicate.op is Op.AT_LEAST else found <= least


def _code_bound(predicate: Predicate, *, wanted: bool) -> Bound:
    code_of, texts = CODES[predicate.fact.name], texts_of(predicate)

    def bound(state: AccountState) -> Hull | None:
        code = code_of(state)
        return _ALL_DAYS if code is not None and (code in texts) is wanted else None

    return bound


def _insurance_bound(predicate: Predicate, *, wanted: bool, has_signals: bool) -> Bound:
    texts = texts_of(predicate)
    told = ("pending", "finished") if has_signals else ()  # a signal may say either

    def bound(state: AccountState) -> Hull | None:
        by_ledger = "pending"
        if state.insurance_paid_on is None:
            by_ledger = "none"  # or unknown, where there is a coverage
        elif is_settled(state.insurance_paid_on, state.last_service_on):
            by_ledger = "finished"
        return _ALL_DAYS if any((text in texts) is wanted for text in (by_ledger, *told)) else None

    return bound


def _range_of(predicate: Predicate, *, has_signals: bool) -> Callable[[AccountState], Hull | None] | None:
    """Return the first and last day from which the true count may start; None when the state does not tell."""
    name = predicate.fact.name
    if name == "days_since_adjudication":
        if has_signals:  # a signal may say a later day
            return lambda state: (_ordinal(state.insurance_paid_on, FIRST - _FAR), LAST + _FAR)
        return _exactly(BASES["days_since_insurance_payment"])
    if name not in BASES:
        return None
    if predicate.least_payment is None:
        return _exactly(BASES[name])
    earliest, latest = _AT_THE_EARLIEST[name], BASES[name]

    def between(state: AccountState) -> Hull | None:
        last = latest(state)
        return None if last is None else (_ordinal(earliest(state), FIRST - _FAR), last.toordinal())

    return between


def _exactly(base: Base) -> Callable[[AccountState], Hull | None]:
    def exact(state: AccountState) -> Hull | None:
        day = base(state)
        return None if day is None else (day.toordinal(), day.toordinal())

    return exact


def _ordinal(day: dt.date | None, unknown: int) -> int:
    return unknown if day is None else day.toordinal()


def _days_bound(predicate: Predicate, bases: Callable[[AccountState], Hull | None], *, wanted: bool) -> Bound:
    count = predicate.wanted if isinstance(predicate.wanted, int) else 0
    is_since = (predicate.op is Op.AT_LEAST) is wanted
    turn = count if wanted else count + 1 if is_since else count - 1

    def bound(state: AccountState) -> Hull | None:
        found = bases(state)
        if found is None:
            return None
        return (found[0] + turn, LAST) if is_since else (FIRST, found[1] + turn)

    return bound
