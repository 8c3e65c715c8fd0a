"""The examples inside a mapping file: they pass as shipped, and each of their expectations can fail."""

from __future__ import annotations

import re

import pytest
from feed_samples import GENERIC, adt, gt1

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


EXPECT = f'message = "{MESSAGE}"\n[examples.expect]\n'
UNKNOWN = EXPECT.replace("TMRN1", "")
HINT = '("account.number", "entry[2].amount" or entry = 2)'


@pytest.mark.parametrize(
    ("example", "line", "problem"),
    [
        ("", 11, ": an example needs a message (message = '''MSH|...''')"),
        ("message = 5", 11, ": an example needs a message (message = '''MSH|...''')"),
        (
            EXPECT.partition("\n")[0],
            11,
            ': an example needs what it expects ([examples.expect] then "account.number" = "1")',
        ),
        (EXPECT, 11, ': an example needs what it expects ([examples.expect] then "account.number" = "1")'),
        (f'{EXPECT}"patient.number" = "X"', 15, ".expect.patient.number: found 'TMRN1', expected 'X'"),
        (f"{EXPECT}patient = 2", 15, ".expect.patient: made 1, expected 2"),
        (f'{EXPECT}"patient[2].number" = "X"', 15, ".expect.patient[2].number: made 1 of patient"),
        (f'{EXPECT}"patient[0].number" = "TMRN1"', 15, ".expect.patient[0].number: made 1 of patient"),
        (f'{EXPECT}"account.number" = "X"', 15, ".expect.account.number: made 0 of account"),
        (f'{EXPECT}"patient.colour" = "X"', 15, ".expect.patient.colour: patient has no field colour"),
        (f'{EXPECT}"pat-ient" = "X"', 15, f".expect.pat-ient: not a record or field {HINT}"),
        (f"{EXPECT}potato = 1", 15, f".expect.potato: not a record or field {HINT}"),
        (f'{EXPECT}refused = "PID-3.1"', 15, ".expect.refused: accepted, expected to be refused at PID-3.1"),
        (f'{UNKNOWN}refused = "PID-7"', 15, ".expect.refused: refused at PID-3.1, expected PID-7"),
        (
            f"{UNKNOWN}patient = 1",
            11,
            ": refused at PID-3.1: patient number is required and missing (mend the mapping or the example)",
        ),
        (
            f"{EXPECT.replace('A04', 'A02')}patient = 1",
            11,
            ": no event of this mapping takes the message (see [events])",
        ),
        (
            f"{EXPECT.replace('MSH|', 'PID|')}patient = 1",
            11,
            ": refused at MSH: a message must begin with MSH (mend the mapping or the example)",
        ),
    ],
)
def test_an_example_that_is_not_met_says_what_was_found(example, line, problem):
    """With the line of the expectation, or of the example."""
    assert problems(site(example)) == [f"site.toml:{line}: examples[1]{problem}"]


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


def test_a_guarantors_date_of_death_says_so_without_the_flag(feed):
    """GT1-24 alone is a death, two quotes in it are none, and the flag counts where there is no date."""
    for number, (died_on, flag, expected) in enumerate(
        [("20260101", "", 1), ("20260101", "N", 1), ('""', "Y", 1), ('""', "N", 0), ("", "", None)]
    ):
        account = f"TACC{number}"
        feed.take(adt(f"D{number}", gt1(f24=died_on, f25=flag), account=account))
        row = feed.store.row(
            "SELECT g.deceased FROM guarantors g JOIN accounts a ON a.id = g.account_id WHERE a.number = ?", (account,)
        )
        assert row == (expected,)
