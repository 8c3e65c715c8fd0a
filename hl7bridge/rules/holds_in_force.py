"""Facts, rules and a day -> the holds in force on that day, each with what the rules want done about it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from hl7bridge.rules.facts import AccountFacts, birthday, facts_on
from hl7bridge.rules.facts_payer import payer_kinds
from hl7bridge.rules.holds import Hold, make_hold
from hl7bridge.rules.spec import Rules

ADULT_YEARS: Final = 18
_ONE_DAY: Final = dt.timedelta(days=1)
_COVERED: Final = {
    "medicaid": ("medicaid_coverage", "a coverage for the time of service is Medicaid's"),
    "workers_compensation": ("liability_coverage", "a coverage is workers' compensation"),
    "liability": ("liability_coverage", "a coverage is motor or other liability"),
}


def holds_on(facts: AccountFacts, rules: Rules, day: dt.date) -> tuple[Hold, ...]:
    """Return the holds on a day (the facility's); what the rules turn off is left out, their actions are in place."""
    return tuple(hold for hold in holds_known(facts_on(facts, day), rules) if hold.until is None or day <= hold.until)


def holds_known(facts: AccountFacts, rules: Rules) -> Iterator[Hold]:
    """Yield the holds of facts as they stand, also those that have ended: ``until`` says when."""
    for hold in (*facts.holds, *_minor(facts), *_recent_payment(facts, rules), *_covered(facts, rules)):
        action = rules.holds.get(hold.name, hold.action)
        if action is not None:
            yield hold._replace(action=action)


def _minor(facts: AccountFacts) -> Iterator[Hold]:
    born = facts.guarantor_birth_on
    if born is not None:
        until = birthday(born, ADULT_YEARS) - _ONE_DAY
        yield make_hold("minor_guarantor", "GT1-8", "the guarantor is under 18", until=until)


def _recent_payment(facts: AccountFacts, rules: Rules) -> Iterator[Hold]:
    days, least = rules.dates.recent_payment_days, rules.dates.recent_payment_least
    counted = (payment.paid_on for payment in facts.payments if payment.is_patients and payment.amount >= least)
    paid_on = next(counted, None)
    if days and paid_on is not None:
        until = dt.date.fromordinal(min(paid_on.toordinal() + days - 1, dt.date.max.toordinal()))
        why = f"the patient has paid less than {days} days ago"
        yield make_hold("recent_payment", "FT1", why, since=paid_on, until=until)


def _covered(facts: AccountFacts, rules: Rules) -> Iterator[Hold]:
    kinds = payer_kinds(facts.plan_types, rules.payer_kinds)
    for kind, (name, why) in _COVERED.items():
        if kind in kinds:
            yield make_hold(name, "IN1-15", why)
