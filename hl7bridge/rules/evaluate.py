"""Facts, rules and a day -> a decision with every reason; and the first later day on which it could be another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.rules.facts import AccountFacts, facts_on, value_text
from hl7bridge.rules.facts_payer import first_kind
from hl7bridge.rules.holds_in_force import ADULT_YEARS, holds_known, holds_on
from hl7bridge.rules.spans import LAST, NEVER, Days, days_of, first_day, found_value, intersect, is_among, since, unite
from hl7bridge.rules.spec import Condition, Mode, Predicate, Rule, Rules, predicates_of

__all__ = [
    "ADULT_YEARS",
    "COMMON",
    "HOLDS",
    "Decision",
    "Reason",
    "check_common",
    "check_conditions",
    "decide",
    "facts_for",
    "hold_reasons",
    "holds_on",
    "next_due",
]
COMMON: Final = "common"
HOLDS: Final = "holds"
# Another account of the guarantor may change what the guarantor owes, and does not make this one due.
LOOK_AGAIN_DAYS: Final = 7
_ANY_BALANCE: Final = Decimal("Infinity")


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
    """What became of one account on one day. ``rule``, ``agency`` and so on are None when it is not eligible.

    A rule may name an ``allocation`` in place of an agency: which agency it is, is then asked of its shares.
    """

    reasons: tuple[Reason, ...]
    rule: str | None = None
    agency: str | None = None
    tier: str | None = None
    mode: Mode | None = None
    allocation: str | None = None

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
    known = facts_for(facts, rules, today)
    reasons = [*check_common(facts, rules, today)]
    clear = all(reason.held for reason in reasons)
    for rule in rules.rules:
        found = [*_own_reasons(rule, known), *_reasons(rule.name, rule.when, known, today)]
        reasons += found
        if clear and all(reason.held for reason in found):
            goal = rule.agency or None, rule.tier, rule.mode, rule.allocation or None
            return Decision(tuple(reasons), rule.name, *goal)
    return Decision(tuple(reasons))


def check_common(facts: AccountFacts, rules: Rules, today: dt.date) -> tuple[Reason, ...]:
    """Return the reasons that do not depend on a rule: holds, then the common predicates. Asked again when sending."""
    known = facts_for(facts, rules, today)
    return (*hold_reasons(facts, rules, today), *_reasons(COMMON, rules.common, known, today))


def facts_for(facts: AccountFacts, rules: Rules, today: dt.date) -> AccountFacts:
    """Return the facts on a day, as a file with codes of payers of its own sees them."""
    return _seen(facts_on(facts, today), rules)


def check_conditions(
    rule: str, conditions: Iterable[Condition], facts: AccountFacts, today: dt.date
) -> tuple[Reason, ...]:
    """Return the reasons of conditions outside a rule: those of a share. ``facts`` are those of ``facts_for``."""
    return tuple(_reasons(rule, conditions, facts, today))


def hold_reasons(facts: AccountFacts, rules: Rules, today: dt.date) -> tuple[Reason, ...]:
    """Return one failed reason for each hold, or one satisfied reason when there is none."""
    found = [f"{hold.name}: {hold.why} ({hold.source})" for hold in holds_on(facts, rules, today)]
    if not found:
        return (Reason(HOLDS, HOLDS, "none", "none", held=True),)
    return tuple(Reason(HOLDS, HOLDS, "none", text, held=False) for text in found)


def _seen(facts: AccountFacts, rules: Rules) -> AccountFacts:
    """Return facts as a file with codes of its own sees them."""
    if not rules.payer_kinds:
        return facts
    return facts._replace(payer_kind=first_kind(facts.plan_types, rules.payer_kinds))


def _own_reasons(rule: Rule, facts: AccountFacts) -> Iterator[Reason]:
    """Yield what a rule asks without a predicate: which placement it would be, and who has returned the account."""
    if rule.sequence != 1 or facts.placement_sequence != 1:
        wanted = "any" if rule.sequence is None else str(rule.sequence)
        is_next = rule.sequence in {None, facts.placement_sequence}
        yield Reason(rule.name, "placement_sequence", wanted, str(facts.placement_sequence), is_next)
    if rule.agency in facts.returned_by:
        wanted = "one that has not returned the account"
        yield Reason(rule.name, "agency", wanted, f"{rule.agency} has returned it", held=False)


def _reasons(rule: str, conditions: Iterable[Condition], facts: AccountFacts, today: dt.date) -> Iterator[Reason]:
    for condition in conditions:
        held = _is_satisfied(condition, facts, today)
        if isinstance(condition, Predicate):
            yield Reason(rule, condition.fact.name, condition.text, _found_text(condition, facts, today), held)
        else:
            yield Reason(rule, condition.joint.value, condition.text, _found_parts(condition, facts, today), held)


def _is_satisfied(condition: Condition, facts: AccountFacts, today: dt.date) -> bool:
    return is_among(today.toordinal(), days_of(condition, facts))


def _found_text(predicate: Predicate, facts: AccountFacts, today: dt.date) -> str:
    return value_text(found_value(predicate, facts), predicate.fact.type, today)


def _found_parts(condition: Condition, facts: AccountFacts, today: dt.date) -> str:
    """Return what was found of every predicate of a group, each with its verdict."""
    if isinstance(condition, Predicate):
        verdict = "yes" if _is_satisfied(condition, facts, today) else "no"
        return f"{condition.fact.name} {_found_text(condition, facts, today)}: {verdict}"
    return "; ".join(_found_parts(part, facts, today) for part in condition.parts)


def next_due(facts: AccountFacts, rules: Rules, today: dt.date) -> dt.date | None:
    """Return the first day after ``today`` on which these facts make the account eligible; None when they never do.

    Exact for these facts; new facts (a message, a signal) bring their own day. When what the guarantor owes on all
    accounts is what is missing, the account is looked at again some days later.
    """
    start = today.toordinal() + 1
    first = _next_day(facts, rules, start)
    if facts.guarantor_balance is not None and _asks_guarantor(rules):
        hoped = _next_day(_owing_more(facts), rules, start)
        if hoped is not None and hoped != first:
            first = min(first or LAST, max(hoped, min(today.toordinal() + LOOK_AGAIN_DAYS, LAST)))
    return None if first is None else dt.date.fromordinal(first)


def _asks_guarantor(rules: Rules) -> bool:
    conditions = (*rules.common, *(condition for rule in rules.rules for condition in rule.when))
    return any(predicate.fact.name == "guarantor_balance" for predicate in predicates_of(conditions))


def _owing_more(facts: AccountFacts) -> AccountFacts:
    later = facts.later
    if later is not None:
        later = later._replace(facts=_owing_more(later.facts))
    return facts._replace(guarantor_balance=_ANY_BALANCE, later=later)


def _next_day(facts: AccountFacts, rules: Rules, start: int) -> int | None:
    """Return the first day on or after ``start`` on which an account is eligible."""
    while facts.later is not None:
        end = facts.later.after.toordinal()
        found = first_day(_eligible_days(facts, rules), start)
        if found is not None and found <= end:
            return found
        start, facts = max(start, end + 1), facts.later.facts
    return first_day(_eligible_days(facts, rules), start)


def _eligible_days(facts: AccountFacts, rules: Rules) -> Days:
    """Return the days on which facts, as they stand, make the account eligible."""
    known = _seen(facts, rules)
    ends = (NEVER if hold.until is None else since(hold.until.toordinal() + 1) for hold in holds_known(facts, rules))
    common = intersect([*ends, *(days_of(condition, known) for condition in rules.common)])
    if not common:
        return NEVER
    return unite(
        intersect([common, *(days_of(condition, known) for condition in rule.when)])
        for rule in rules.rules
        if all(reason.held for reason in _own_reasons(rule, known))
    )
