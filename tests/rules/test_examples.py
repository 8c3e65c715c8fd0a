"""A rules file carries its own examples, and they are decided by its rules."""

from __future__ import annotations

import datetime as dt

import pytest
from placement_samples import rules_of, shipped_rules

from hl7bridge.errors import ConfigError
from hl7bridge.rules.evaluate_examples import try_examples

RULES = """
format = 1
[common]
require = [{ fact = "balance", at_least = "25.00" }]
[[rules]]
name = "aged"
agency = "sample"
when = [{ fact = "days_without_payment", at_least = 90, least_payment = "10.00" }]
[[examples]]
name = "tried"
"""
FACTS = 'facts = { balance = "150.00", days_without_payment = 90 }\n'


def tried(text: str):
    [each] = try_examples(rules_of(RULES + text))
    return each


def test_the_shipped_rules_do_what_their_examples_say():
    """Each rule has one that is placed."""
    found = try_examples(shipped_rules())
    assert [each.problem for each in found] == [""] * len(found)
    assert {each.found for each in found} == {"none", *(rule.name for rule in shipped_rules().rules)}


def test_examples_do_not_change_the_version_of_the_rules():
    """Another example makes no account due again."""
    plain = RULES.partition("[[examples]]")[0]
    assert rules_of(plain).version == rules_of(RULES + FACTS + 'expect = "aged"\n').version
    assert rules_of(plain).examples == ()


@pytest.mark.parametrize(
    ("text", "found", "problem"),
    [
        (FACTS + 'expect = "aged"\n', "aged", ""),
        (FACTS + 'expect = "none"\n', "aged", "expected none, found aged (holds: wanted none, found none: yes; "),
        (FACTS + 'holds = ["charity"]\nexpect = "none"\nbecause = ["holds"]\n', "none", ""),
        (FACTS + 'holds = ["charity"]\nexpect = "aged"\n', "none", "expected aged, found none (holds: wanted none, "),
        (
            FACTS.replace("150.00", "24.99") + 'expect = "none"\nbecause = ["balance", "holds"]\n',
            "none",
            "not placed, but not because of holds",
        ),
    ],
)
def test_an_example_comes_out_as_it_says_or_tells_why_not(text, found, problem):
    """With the reasons that settle it."""
    each = tried(text)
    assert each.found == found
    assert each.problem == "" if not problem else each.problem.startswith(problem)


def test_days_and_years_count_back_from_the_day_of_the_example():
    """Also from 29 February."""
    facts = (
        'facts = { balance = "1.00", guarantor_age = 19, days_since_discharge = 59, score = 7, has_address = false }\n'
    )
    example = tried("as_of = 2028-02-29\n" + facts + 'expect = "none"\n').example
    assert example.as_of == dt.date(2028, 2, 29)
    assert example.facts.guarantor_birth_on == dt.date(2009, 2, 28)
    assert example.facts.discharged_on == dt.date(2028, 1, 1)
    assert (example.facts.score, example.facts.has_address, example.facts.account_status) == (7, False, "open")


def test_a_payment_of_an_example_is_the_patients():
    """So one of yesterday holds the account back."""
    each = tried('facts = { balance = "99.00", days_since_last_payment = 1 }\nexpect = "none"\nbecause = ["holds"]\n')
    assert each.problem == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('expect = "none"\n', "examples[1].facts: an example has facts, the balance at least"),
        ('facts = { score = 3 }\nexpect = "none"\n', "examples[1].facts: an example has facts, the balance at least"),
        (FACTS, 'examples[1].expect: neither a rule\'s name nor "none" (one of aged, none)'),
        (FACTS + 'expect = "agd"\n', 'examples[1].expect: neither a rule\'s name nor "none" (did you mean aged?)'),
        (FACTS + 'expect = "aged"\nas_of = "2026-01-01"\n', "examples[1].as_of: expected a day"),
        (FACTS + 'expect = "aged"\nas_of = 2026-01-01T05:00:00\n', "examples[1].as_of: expected a day"),
        (FACTS + 'expect = "aged"\nbecause = ["balance"]\n', "examples[1].because: says what keeps an account"),
        (FACTS + 'expect = "none"\nbecause = 3\n', "examples[1].because: expected a list of names"),
        (FACTS + 'expect = "none"\nholds = ["charitee"]\n', "examples[1].holds[1]: 'charitee' is not known"),
        (FACTS.replace("}", ", scor = 3 }") + 'expect = "none"\n', "examples[1].facts.scor: unknown fact 'scor'"),
        (FACTS.replace("}", ", holds = 3 }") + 'expect = "none"\n', "examples[1].facts.holds: unknown fact 'holds'"),
        (
            FACTS.replace("}", ", score = -3 }") + 'expect = "none"\n',
            "examples[1].facts.score: score is a whole number (0 to 999999999, without quotes)",
        ),
    ],
)
def test_a_wrong_example_is_named(text, problem):
    """With the fix."""
    with pytest.raises(ConfigError) as caught:
        rules_of(RULES + text)
    [told] = caught.value.problems
    assert str(told).partition(": ")[2].startswith(problem)


def test_examples_are_tables():
    """As rules are."""
    with pytest.raises(ConfigError, match="expected a list of tables"):
        rules_of("examples = 3\n" + RULES.partition("[[examples]]")[0])
