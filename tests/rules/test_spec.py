"""A rules file is compiled once, and every mistake in it is named with file, line, key and the fix."""

from __future__ import annotations

from decimal import Decimal

import pytest
from placement_samples import rules_of, shipped_rules

from hl7bridge.errors import ConfigError
from hl7bridge.rules.facts import FACTS
from hl7bridge.rules.spec import Mode, Op

RULE = '[[rules]]\nname = "one"\nagency = "sample"\n'
WHEN = 'when = [{ fact = "days_without_payment", at_least = 90 }]\n'


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        rules_of(text)
    return [str(problem) for problem in caught.value.problems]


def test_the_shipped_rules_are_the_three_that_are_promised():
    """aged, adjudicated, broken plan; and what is common to all."""
    rules = shipped_rules()
    assert [(rule.name, rule.tier, rule.mode) for rule in rules.rules] == [
        ("aged", "primary", Mode.AUTOMATIC),
        ("adjudicated", "primary", Mode.AUTOMATIC),
        ("broken_plan", "primary", Mode.AUTOMATIC),
    ]
    assert [(predicate.fact.name, predicate.op, predicate.wanted) for predicate in rules.common] == [
        ("balance", Op.AT_LEAST, Decimal("25.00")),
        ("account_status", Op.IS, ("open",)),
        ("has_address", Op.IS, True),
        ("guarantor_age", Op.AT_LEAST, 18),
    ]
    assert rules.agencies == ("sample",)


def test_the_version_changes_with_the_meaning_and_not_with_a_comment():
    """A comment must not make every account due again."""
    text = "format = 1\n" + RULE + WHEN
    assert rules_of(text).version == rules_of("# a comment\n" + text).version
    assert rules_of(text).version != rules_of(text.replace("90", "91")).version


def test_a_rule_needs_little_more_than_a_name_and_an_agency():
    """Tier and mode have defaults; common may be left out."""
    [rule] = rules_of("format = 1\n" + RULE + WHEN).rules
    assert (rule.tier, rule.mode) == ("primary", Mode.AUTOMATIC)
    assert rules_of("format = 1\n" + RULE + 'tier = "early"\nmode = "review"\n' + WHEN).rules[0].tier == "early"


def test_agencies_are_told_once_each():
    """However many rules name them."""
    text = "format = 1\n" + RULE + WHEN + RULE.replace("one", "two") + WHEN
    assert rules_of(text).agencies == ("sample",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RULE + WHEN, "rules.toml:1: format: this program reads format 1 (write: format = 1)"),
        ("format = 2\n" + RULE + WHEN, "rules.toml:1: format: this program reads format 1 (write: format = 1)"),
        (
            "format = 1\ncomon = 1\n" + RULE + WHEN,
            "rules.toml:2: comon: unknown key (did you mean common?)",
        ),
        (
            "format = 1\ncommon = 1\n" + RULE + WHEN,
            "rules.toml:2: common: expected a table (write: [common])",
        ),
        (
            "format = 1\n[common]\nrequire = 5\n" + RULE + WHEN,
            'rules.toml:3: common.require: expected a list of predicates ([{ fact = "balance", at_least = "25.00" }])',
        ),
        (
            "format = 1\n[common]\nzzz = []\n" + RULE + WHEN,
            "rules.toml:3: common.zzz: unknown key (one of require)",
        ),
        ("format = 1\n", "rules.toml:1: rules: there is no rule (add a table: [[rules]])"),
        ("format = 1\nrules = 3\n", "rules.toml:2: rules: there is no rule (add a table: [[rules]])"),
        ("format = 1\nrules = [3]\n", "rules.toml:2: rules: there is no rule (add a table: [[rules]])"),
        (
            "format = 1\n" + RULE + WHEN + RULE + WHEN,
            "rules.toml:7: rules[2].name: another rule has this name (names are unique)",
        ),
        (
            "format = 1\n" + RULE + 'mode = "manual"\n' + WHEN,
            "rules.toml:5: rules[1].mode: not a mode (one of automatic, review)",
        ),
        (
            "format = 1\n" + RULE,
            'rules.toml:2: rules[1].when: a rule needs at least one predicate (when = [{ fact = "...", ... }])',
        ),
        (
            "format = 1\n" + RULE + 'tier = ""\n' + WHEN,
            'rules.toml:5: rules[1].tier: a name is needed (write: tier = "...")',
        ),
        (
            'format = 1\n[[rules]]\nname = "one"\n' + WHEN,
            'rules.toml:2: rules[1].agency: a name is needed (write: agency = "...")',
        ),
        (
            "format = 1\n" + RULE + "when = [3]\n",
            'rules.toml:5: rules[1].when[1]: a predicate names a fact ({ fact = "balance", at_least = "25.00" })',
        ),
        (
            "format = 1\n" + RULE + "when = [{ at_least = 3 }]\n",
            'rules.toml:5: rules[1].when[1]: a predicate names a fact ({ fact = "balance", at_least = "25.00" })',
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "days_wo_payment", at_least = 3 }]\n',
            "rules.toml:5: rules[1].when[1].fact: unknown fact 'days_wo_payment' (did you mean days_without_payment?)",
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "holds", is = "none" }]\n',
            "rules.toml:5: rules[1].when[1].fact: holds overrides every rule already (leave this predicate out)",
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "balance", is = "25.00" }]\n',
            "rules.toml:5: rules[1].when[1]: balance (money) takes one comparison (one of at_least, at_most)",
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "balance", at_least = "25.00", at_most = "50.00" }]\n',
            "rules.toml:5: rules[1].when[1]: balance (money) takes one comparison (one of at_least, at_most)",
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "balance", at_least = 25.00 }]\n',
            'rules.toml:5: rules[1].when[1].at_least: balance is dollars (in quotes, as "25.00")',
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "balance", at_least = "25.001" }]\n',
            'rules.toml:5: rules[1].when[1].at_least: balance is dollars (in quotes, as "25.00")',
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "has_address", is = "yes" }]\n',
            "rules.toml:5: rules[1].when[1].is: has_address is true or false (true or false, without quotes)",
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "days_without_payment", at_least = "90" }]\n',
            (
                "rules.toml:5: rules[1].when[1].at_least: days_without_payment is a whole number of days"
                " (0 to 36500, without quotes)"
            ),
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "days_without_payment", at_least = true }]\n',
            (
                "rules.toml:5: rules[1].when[1].at_least: days_without_payment is a whole number of days"
                " (0 to 36500, without quotes)"
            ),
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "days_without_payment", at_least = -1 }]\n',
            (
                "rules.toml:5: rules[1].when[1].at_least: days_without_payment is a whole number of days"
                " (0 to 36500, without quotes)"
            ),
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "guarantor_age", at_most = 151 }]\n',
            (
                "rules.toml:5: rules[1].when[1].at_most: guarantor_age is a whole number of years"
                " (0 to 150, without quotes)"
            ),
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "plan_status", is = "broken" }]\n',
            (
                "rules.toml:5: rules[1].when[1].is: 'broken' is not a value of plan_status"
                " (one of active, completed, failed, none)"
            ),
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "financial_class", in = [] }]\n',
            'rules.toml:5: rules[1].when[1].in: financial_class is a text (is = "..." or in = ["...", "..."])',
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "financial_class", in = "SP" }]\n',
            'rules.toml:5: rules[1].when[1].in: financial_class is a text (is = "..." or in = ["...", "..."])',
        ),
        (
            "format = 1\n" + RULE + 'when = [{ fact = "financial_class", is = 7 }]\n',
            'rules.toml:5: rules[1].when[1].is: financial_class is a text (is = "..." or in = ["...", "..."])',
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_its_key_and_the_fix(text, expected):
    """One mistake, one line."""
    assert problems(text) == [expected]


def test_all_mistakes_are_told_at_once():
    """A person mends them in one go."""
    text = 'format = 3\n[common]\nrequire = [{ fact = "bal" }]\n[[rules]]\nmode = "x"\ncolour = "red"\n'
    assert [line.split(": ")[1] for line in problems(text)] == [
        "format",
        "common.require[1].fact",
        "rules[1].colour",
        "rules[1].mode",
        "rules[1].when",
        "rules[1].name",
        "rules[1].agency",
    ]


def test_a_fact_that_is_near_nothing_is_answered_with_the_whole_list():
    """All facts are told."""
    [line] = problems("format = 1\n" + RULE + 'when = [{ fact = "qqq", at_least = 3 }]\n')
    assert line.endswith("(one of " + ", ".join(FACTS) + ")")
