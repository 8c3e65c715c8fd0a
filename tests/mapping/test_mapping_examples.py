"""The examples inside a mapping file: they pass as shipped, and each of their expectations can fail."""

from __future__ import annotations

import re

import pytest
from feed_samples import GENERIC

from hl7bridge.mapping.compile import compile_mapping
from hl7bridge.mapping.examples import check_examples
from hl7bridge.tomlfile import parse_toml

MESSAGE = 'MSH|^~\\\\&|REG|NORTHGATE|||20260105||ADT^A04|E1|P|2.3\\rPID|1||TMRN1||TESTPATIENT^AURELIA||APRIL||||\\"\\"|'


def problems(text):
    """Return what the examples of a mapping's text find, as a person reads it."""
    file = parse_toml(text, "site.toml")
    return [str(problem) for problem in check_examples(compile_mapping(file), file)]


def site(example):
    """Return a small mapping with one example."""
    return f"""\
format = 1
name = "site"
[events]
"ADT^A04" = ["patient"]
[patient]
facility = "MSH-4.1"
number = "PID-3.1"
birth_on = {{ from = "PID-7", invalid = "ignore" }}
street = "PID-11.1"
deceased = "PID-30"
[[examples]]
name = "one"
{example}
"""


def test_the_examples_of_the_shipped_mapping_are_met():
    """And there are several."""
    assert problems(GENERIC) == []
    assert GENERIC.count("[[examples]]") >= 5


expectations = re.findall(r'^("?[\w.\[\]]+"? = )("[^"]*"|\d+)$', GENERIC.partition("[[examples]]")[2], re.MULTILINE)


@pytest.mark.parametrize(
    ("key", "value"),
    [pair for pair in expectations if not pair[0].startswith("name")],
    ids=lambda text: text.strip('" ='),
)
def test_each_expectation_of_the_shipped_mapping_can_fail(key, value):
    """An example that no change could break would prove nothing: with another expectation each is a problem."""
    head, mark, examples = GENERIC.partition("[[examples]]")
    wrong = "99" if value.isdigit() else '"SOMETHING ELSE"'
    assert examples.count(f"{key}{value}\n")
    found = problems(head + mark + examples.replace(f"{key}{value}\n", f"{key}{wrong}\n", 1))
    assert len(found) == 1
    line = (head + mark + examples.partition(f"{key}{value}\n")[0]).count("\n") + 1
    assert found[0].startswith(f"site.toml:{line}: examples["), found


def test_the_expectations_above_were_found():
    """Or the test before would pass on nothing."""
    assert len(expectations) >= 15


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ("", "site.toml:11: examples[1]: an example needs a message (message = '''MSH|...''')"),
        ("message = 5", "site.toml:11: examples[1]: an example needs a message (message = '''MSH|...''')"),
        (
            f'message = "{MESSAGE}"',
            'site.toml:11: examples[1]: an example needs what it expects ([examples.expect] then "account.number" = "1")',
        ),
        (
            f'message = "{MESSAGE}"\nexpect = {{}}',
            'site.toml:11: examples[1]: an example needs what it expects ([examples.expect] then "account.number" = "1")',
        ),
        (
            f'message = "{MESSAGE}"\n[examples.expect]\n"patient.number" = "X"',
            "site.toml:15: examples[1].expect.patient.number: found 'TMRN1', expected 'X'",
        ),
        (
            f'message = "{MESSAGE}"\n[examples.expect]\n"patient" = 2',
            "site.toml:15: examples[1].expect.patient: made 1, expected 2",
        ),
        (
            f'message = "{MESSAGE}"\n[examples.expect]\n"patient[2].number" = "X"',
            "site.toml:15: examples[1].expect.patient[2].number: made 1 of patient",
        ),
        (
            f'message = "{MESSAGE}"\n[examples.expect]\n"patient[0].number" = "TMRN1"',
            "site.toml:15: examples[1].expect.patient[0].number: made 1 of patient",
        ),
        (
            f'message = "{MESSAGE}"\n[examples.expect]\n"account.number" = "X"',
            "site.toml:15: examples[1].expect.account.number: made 0 of account",
        ),
        (
            f'message = "{MESSAGE}"\n[examples.expect]\n"patient.colour" = "X"',
            "site.toml:15: examples[1].expect.patient.colour: patient has no field colour",
        ),
        (
            f'message = "{MESSAGE}"\n[examples.expect]\n"pat-ient" = "X"',
            "site.toml:15: examples[1].expect.pat-ient: not a record or field "
            '("account.number", "entry[2].amount" or entry = 2)',
        ),
        (
            f'message = "{MESSAGE}"\n[examples.expect]\npotato = 1',
            "site.toml:15: examples[1].expect.potato: not a record or field "
            '("account.number", "entry[2].amount" or entry = 2)',
        ),
        (
            f'message = "{MESSAGE}"\n[examples.expect]\nrefused = "PID-3.1"',
            "site.toml:15: examples[1].expect.refused: accepted, expected to be refused at PID-3.1",
        ),
        (
            f'message = "{MESSAGE.replace("TMRN1", "")}"\n[examples.expect]\nrefused = "PID-7"',
            "site.toml:15: examples[1].expect.refused: refused at PID-3.1, expected PID-7",
        ),
        (
            f'message = "{MESSAGE.replace("TMRN1", "")}"\n[examples.expect]\n"patient.number" = "X"',
            "site.toml:11: examples[1]: refused at PID-3.1: patient number is required and missing "
            "(mend the mapping or the example)",
        ),
        (
            f'message = "{MESSAGE.replace("A04", "A02")}"\n[examples.expect]\n"patient.number" = "X"',
            "site.toml:11: examples[1]: no event of this mapping takes the message (see [events])",
        ),
        (
            'message = "PID|1"\n[examples.expect]\n"patient.number" = "X"',
            "site.toml:11: examples[1]: refused at MSH: a message must begin with MSH (mend the mapping or the example)",
        ),
    ],
)
def test_an_example_that_is_not_met_says_what_was_found(example, problem):
    """With the line of the expectation, or of the example."""
    assert problems(site(example)) == [problem]


@pytest.mark.parametrize("example", ["refused", "value", "nothing", "kind"])
def test_an_example_that_is_met_is_silent(example):
    """A refusal, a value, an empty value, a count."""
    expect = {
        "refused": (MESSAGE.replace("TMRN1", ""), 'refused = "PID-3.1"'),
        "value": (MESSAGE, '"patient.street" = "\\"\\""'),
        "nothing": (MESSAGE, '"patient.birth_on" = ""'),
        "kind": (MESSAGE, "patient = 1\nentry = 0\nguarantor = 0\ncoverage = 0\naccount = 0"),
    }
    message, line = expect[example]
    assert problems(site(f'message = "{message}"\n[examples.expect]\n{line}')) == []


def test_examples_that_are_no_list_are_one_problem():
    """And a file without examples has none."""
    none = site("").partition("[[examples]]")[0]
    assert problems(none) == []
    assert problems('examples = "later"\n' + none) == ["site.toml:1: examples: expected a list ([[examples]])"]
    assert problems('examples = ["later"]\n' + none)[0].startswith(
        "site.toml:1: examples[1]: an example needs a message"
    )
