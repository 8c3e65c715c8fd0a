"""Conditions and facts -> the runs of days on which they are satisfied: what decides a day also finds the next one.

Of an unknown fact nothing is true, and nothing is false either: it satisfies no predicate, inside ``not`` neither.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from functools import reduce
from typing import Final

from hl7bridge.rules.facts import AccountFacts, FactType, birthday, later_of
from hl7bridge.rules.spec_conditions import Condition, Joint, Op, Predicate

FIRST: Final = dt.date.min.toordinal()
LAST: Final = dt.date.max.toordinal()
Span = tuple[int, int]  # first and last day, both included, as proleptic ordinals
Days = tuple[Span, ...]  # in order, and apart from each other
NEVER: Final[Days] = ()
ALWAYS: Final[Days] = ((FIRST, LAST),)


def days_of(condition: Condition, facts: AccountFacts, *, wanted: bool = True) -> Days:
    """Return the days on which it is certain that a condition is true (or, with ``wanted=False``, that it is not).

    ``facts`` as they stand: of what is known later nothing is asked.
    """
    if isinstance(condition, Predicate):
        days = _days_of_predicate(condition, facts)
        if days is None:
            return NEVER
        return days if wanted else complement(days)
    if condition.joint is Joint.NOT:
        return days_of(condition.parts[0], facts, wanted=not wanted)
    parts = [days_of(part, facts, wanted=wanted) for part in condition.parts]
    return intersect(parts) if (condition.joint is Joint.ALL_OF) is wanted else unite(parts)


def _days_of_predicate(predicate: Predicate, facts: AccountFacts) -> Days | None:
    """Return the days on which a predicate is true of these facts; None when the fact is unknown."""
    found, wanted = found_value(predicate, facts), predicate.wanted
    if found is None:
        return None
    if isinstance(wanted, tuple):
        return ALWAYS if found in wanted else NEVER
    if predicate.op is Op.IS:
        return ALWAYS if found == wanted else NEVER
    if isinstance(found, dt.date):
        return _dated(predicate, found, int(wanted))
    amount, bound = Decimal(found), Decimal(wanted)
    return ALWAYS if (amount >= bound if predicate.op is Op.AT_LEAST else amount <= bound) else NEVER


def found_value(predicate: Predicate, facts: AccountFacts) -> Decimal | dt.date | bool | int | str | None:
    """Return what a predicate compares: a day for days and years; None when it is unknown."""
    least = predicate.least_payment
    if least is None:
        found: Decimal | dt.date | bool | int | str | None = getattr(facts, predicate.fact.attribute)
        return found
    paid_on = next((payment.paid_on for payment in facts.payments if payment.amount >= least), None)
    if predicate.fact.name == "days_since_last_payment":
        return paid_on
    return later_of(paid_on, facts.last_service_on or facts.discharged_on)


def _dated(predicate: Predicate, base: dt.date, count: int) -> Days:
    at_least = predicate.op is Op.AT_LEAST
    if predicate.fact.type is FactType.DAYS:
        turn = base.toordinal() + count
        return since(turn) if at_least else up_to(turn)
    return since(birthday(base, count).toordinal()) if at_least else up_to(birthday(base, count + 1).toordinal() - 1)


def since(day: int) -> Days:
    """Return a day and all after it."""
    return ((day, LAST),) if day <= LAST else NEVER


def up_to(day: int) -> Days:
    """Return a day and all before it."""
    return ((FIRST, min(day, LAST)),)


def is_among(day: int, days: Days) -> bool:
    """Return True when a day is one of these."""
    return any(first <= day <= last for first, last in days)


def complement(days: Days) -> Days:
    """Return all other days."""
    found, start = [], FIRST
    for first, last in days:
        if start < first:
            found.append((start, first - 1))
        start = last + 1
    if start <= LAST:
        found.append((start, LAST))
    return tuple(found)


def intersect(parts: Iterable[Days]) -> Days:
    """Return the days that are in all parts."""
    return reduce(_intersect_two, parts, ALWAYS)


def _intersect_two(one: Days, other: Days) -> Days:
    met = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple(sorted((first, last) for first, last in met if first <= last))


def unite(parts: Iterable[Days]) -> Days:
    """Return the days that are in one part or more."""
    return complement(intersect(map(complement, parts)))


def first_day(days: Days, start: int) -> int | None:
    """Return the first of the days on or after ``start``; None when there is none."""
    return next((max(first, start) for first, last in days if last >= start), None)
