"""any_of, all_of and not: what they are true of, what unknown facts make of them, and what their reasons say."""

from __future__ import annotations

import datetime as dt

import pytest
from placement_samples import TODAY, account, charge, facts, rules_of, signal

from hl7bridge.errors import ConfigError
from hl7bridge.rules.evaluate import decide, next_due
from hl7bridge.rules.spec import predicates_of

HEAD = 'format = 1\n[[rules]]\nname = "one"\nagency = "sample"\n'
TRUE = '{ fact = "balance", at_least = "1.00" }'
FALSE = '{ fact = "balance", at_least = "1000.00" }'
UNKNOWN = '{ fact = "score", at_least = 1 }'


def rules_when(*conditions: str):
    return rules_of(HEAD + "when = [" + ", ".join(conditions) + "]\n")


def any_of(*parts: str) -> str:
    return "{ any_of = [" + ", ".join(parts) + "] }"


def all_of(*parts: str) -> str:
    return "{ all_of = [" + ", ".join(parts) + "] }"


def none_of(part: str) -> str:
    return "{ not = " + part + " }"


@pytest.mark.parametrize(
    ("condition", "placed"),
    [
        (any_of(FALSE, TRUE), True),
        (any_of(FALSE, FALSE), False),
        (any_of(UNKNOWN, TRUE), True),
        (any_of(UNKNOWN, FALSE), False),
        (all_of(TRUE, TRUE), True),
        (all_of(TRUE, FALSE), False),
        (all_of(TRUE, UNKNOWN), False),
        (none_of(FALSE), True),
        (none_of(TRUE), False),
        (none_of(UNKNOWN), False),
        (none_of(none_of(TRUE)), True),
        (none_of(none_of(UNKNOWN)), False),
        (none_of(any_of(FALSE, FALSE)), True),
        (none_of(any_of(FALSE, TRUE)), False),
        (none_of(any_of(FALSE, UNKNOWN)), False),
        (none_of(all_of(TRUE, TRUE)), False),
        (none_of(all_of(TRUE, UNKNOWN)), False),
        (none_of(all_of(FALSE, UNKNOWN)), True),
        (all_of(any_of(FALSE, none_of(FALSE)), TRUE), True),
    ],
)
def test_groups_join_what_is_certain(condition, placed):
    """Unknown satisfies nothing, under ``not`` neither; what one part settles, an unknown part cannot change."""
    assert decide(facts(), rules_when(condition), TODAY).eligible is placed


def test_a_group_is_one_reason_that_tells_every_part():
    """What each part wanted, and what was found of it."""
    rules = rules_when(any_of(FALSE, all_of(TRUE, none_of(UNKNOWN))))
    [reason] = [reason for reason in decide(facts(), rules, TODAY).reasons if reason.rule == "one"]
    assert reason.fact == "any_of"
    assert reason.wanted == "balance at least 1000.00; all_of (balance at least 1.00; not (score at least 1))"
    assert reason.found == "balance 150.00: no; balance 150.00: yes; score unknown: no"
    assert reason.held is False


def test_days_inside_groups_find_their_day():
    """Either 120 days after the service, or 30 when the plan failed; never on the 100th to 110th day."""
    rules = rules_when(
        any_of(
            '{ fact = "days_since_service", at_least = 100 }',
            all_of('{ fact = "plan_status", is = "failed" }', '{ fact = "days_since_service", at_least = 30 }'),
        ),
        none_of(
            all_of('{ fact = "days_since_service", at_least = 100 }', '{ fact = "days_since_service", at_most = 110 }')
        ),
    )
    found = facts(account([charge("150.00", 0)]))
    assert next_due(found, rules, TODAY) == TODAY + dt.timedelta(days=111)
    failed = facts(account([charge("150.00", 0)]), signals=[signal("plan_status", "failed")])
    assert next_due(failed, rules, TODAY) == TODAY + dt.timedelta(days=30)
    days = [day for day in range(130) if decide(failed, rules, TODAY + dt.timedelta(days=day)).eligible]
    assert days == [*range(30, 100), *range(111, 130)]


@pytest.mark.parametrize(
    ("comparison", "days"),
    [("at_least = 21", range(9)), ("at_most = 20", range(9, 30))],
)
def test_an_age_may_be_denied(comparison, days):
    """Whose 21st birthday is on the tenth day."""
    born = TODAY.replace(year=TODAY.year - 21) + dt.timedelta(days=9)
    rules = rules_when(none_of(f'{{ fact = "guarantor_age", {comparison} }}'))
    found = facts()._replace(guarantor_birth_on=born)
    placed = [day for day in range(30) if decide(found, rules, TODAY + dt.timedelta(days=day)).eligible]
    assert placed == list(days)


def test_the_predicates_of_groups_are_found():
    """Whoever asks which facts a rule needs sees inside the groups."""
    [rule] = rules_when(any_of(FALSE, none_of(UNKNOWN)), TRUE).rules
    assert [predicate.fact.name for predicate in predicates_of(rule.when)] == ["balance", "score", "balance"]


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("{ any_of = [] }", 'when[1].any_of: any_of needs at least one predicate ([{ fact = "...", ... }])'),
        ("{ any_of = 3 }", "when[1].any_of: expected a list of predicates"),
        ("{ not = 3 }", "when[1].not: a predicate names a fact"),
        ("{ not = [] }", "when[1].not: a predicate names a fact"),
        ('{ all_of = [{ fact = "blance", at_least = "1.00" }] }', "when[1].all_of[1].fact: unknown fact 'blance'"),
        (
            '{ any_of = [{ fact = "score", at_least = 1 }], fact = "balance" }',
            "when[1]: any_of stands alone (put the others into a table of their own)",
        ),
        (
            none_of(none_of(none_of(none_of(none_of(none_of(TRUE)))))),
            "when[1].not.not.not.not.not: more than 5 groups inside each other (say it with several rules)",
        ),
    ],
)
def test_a_mistake_in_a_group_is_named_where_it_stands(condition, problem):
    """As for any other predicate."""
    with pytest.raises(ConfigError) as caught:
        rules_when(condition)
    [told] = caught.value.problems
    assert str(told).startswith(f"rules.toml:5: rules[1].{problem}")
