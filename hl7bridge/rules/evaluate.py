"""Facts, rules and a day -> a decision with every reason; and the days on which a decision could come out differently.

A predicate on known facts is true on one run of days (a span), so deciding and finding the next day to decide are one
computation. Unknown facts have no span: nothing is placed that is not known.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.rules.facts import AccountFacts, FactType, birthday, fact_text
from hl7bridge.rules.spec import Mode, Op, Predicate, Rules

ADULT_YEARS: Final = 18
COMMON: Final = "common"
HOLDS: Final = "holds"
_FIRST: Final = dt.date.min.toordinal()
_LAST: Final = dt.date.max.toordinal()
_ALWAYS: Final = (_FIRST, _LAST)

Span = tuple[int, int]  # first and last day, both included, as proleptic ordinals


class Reason(NamedTuple):
    """One predicate or hold: what was wanted, what was found (never a name or address), and whether it was satisfied.

    ``rule`` is the rule's name, or common (every rule needs it), or holds (overrides every rule).
    """

    rule: str
    fact: str
    wanted: str
    found: str
    held: bool

    @property
    def text(self) -> str:
        """Return the reason as a line for people."""
        verdict = "yes" if self.held else "no"
        return f"{self.fact}: wanted {self.wanted}, found {self.found}: {verdict}"


class Decision(NamedTuple):
    """What became of one account on one day. ``rule``, ``agency`` and so on are None when it is not eligible."""

    reasons: tuple[Reason, ...]
    rule: str | None = None
    agency: str | None = None
    tier: str | None = None
    mode: Mode | None = None

    @property
    def eligible(self) -> bool:
        """Return True when a rule was satisfied and nothing holds."""
        return self.rule is not None

    @property
    def deciding(self) -> tuple[Reason, ...]:
        """Return the reasons that settle it: the winning rule's when eligible, else those that were not satisfied."""
        if self.eligible:
            return tuple(reason for reason in self.reasons if reason.rule in {HOLDS, COMMON, self.rule})
        return tuple(reason for reason in self.reasons if not reason.held)


def decide(facts: AccountFacts, rules: Rules, today: dt.date) -> Decision:
    """Return the decision for a day (the facility's). The first rule that is satisfied wins; a hold overrides all.

    Every predicate is looked at and kept in the reasons, also after one has failed, up to the rule that wins.
    """
    reasons = list(check_common(facts, rules, today))
    clear = all(reason.held for reason in reasons)
    for rule in rules.rules:
        found = [_reason(rule.name, predicate, facts, today) for predicate in rule.when]
        reasons += found
        if clear and all(reason.held for reason in found):
            return Decision(tuple(reasons), rule.name, rule.agency, rule.tier, rule.mode)
    return Decision(tuple(reasons))


def check_common(facts: AccountFacts, rules: Rules, today: dt.date) -> tuple[Reason, ...]:
    """Return the reasons that do not depend on a rule: holds, then the common predicates. Asked again when sending."""
    return (
        *hold_reasons(facts, today),
        *(_reason(COMMON, predicate, facts, today) for predicate in rules.common),
    )


def hold_reasons(facts: AccountFacts, today: dt.date) -> tuple[Reason, ...]:
    """Return one failed reason for each hold, or one satisfied reason when there is none."""
    found = [f"{hold.name}: {hold.why} ({hold.source})" for hold in facts.holds]
    if today.toordinal() < _adult_on(facts):
        found.append("minor_guarantor: the guarantor is under 18 (GT1-8)")
    if not found:
        return (Reason(HOLDS, HOLDS, "none", "none", held=True),)
    return tuple(Reason(HOLDS, HOLDS, "none", text, held=False) for text in found)


def _reason(rule: str, predicate: Predicate, facts: AccountFacts, today: dt.date) -> Reason:
    span = span_of(predicate, facts)
    held = span is not None and span[0] <= today.toordinal() <= span[1]
    return Reason(rule, predicate.fact.name, predicate.text, fact_text(facts, predicate.fact, today), held)


def span_of(predicate: Predicate, facts: AccountFacts) -> Span | None:
    """Return the days on which a predicate is true of these facts; None when on none, or when the fact is unknown."""
    found, wanted = getattr(facts, predicate.fact.attribute), predicate.wanted
    if found is None:
        return None
    if isinstance(wanted, Decimal):
        true = found >= wanted if predicate.op is Op.AT_LEAST else found <= wanted
    elif isinstance(wanted, tuple):
        true = found in wanted
    elif isinstance(wanted, bool):
        true = found is wanted
    else:
        return _dated_span(predicate, found, wanted)
    return _ALWAYS if true else None


def _dated_span(predicate: Predicate, base: dt.date, count: int) -> Span:
    if predicate.fact.type is FactType.DAYS:
        turn = base.toordinal() + count
        return (turn, _LAST) if predicate.op is Op.AT_LEAST else (_FIRST, turn)
    if predicate.op is Op.AT_LEAST:
        return birthday(base, count).toordinal(), _LAST
    return _FIRST, birthday(base, count + 1).toordinal() - 1


def _adult_on(facts: AccountFacts) -> int:
    born = facts.guarantor_birth_on
    return _FIRST if born is None else birthday(born, ADULT_YEARS).toordinal()


def next_due(facts: AccountFacts, rules: Rules, today: dt.date) -> dt.date | None:
    """Return the first day after ``today`` on which these facts make the account eligible; None when they never do.

    Exact for these facts. New facts (a message, a signal) bring their own day.
    """
    if facts.holds:
        return None
    start = (max(today.toordinal() + 1, _adult_on(facts)), _LAST)
    days = [
        first for rule in rules.rules if (first := _first_day(start, (*rules.common, *rule.when), facts)) is not None
    ]
    return dt.date.fromordinal(min(days)) if days else None


def _first_day(start: Span, predicates: tuple[Predicate, ...], facts: AccountFacts) -> int | None:
    first, last = start
    for predicate in predicates:
        span = span_of(predicate, facts)
        if span is None:
            return None
        first, last = max(first, span[0]), min(last, span[1])
    return first if first <= last else None
