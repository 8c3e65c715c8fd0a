"""The examples of an ``[outbound]`` section: what they may say, and what a check says when the message is another."""

from __future__ import annotations

import pytest
from outbound_samples import example_problems

RULES = """
[outbound]
version = "2.3"
[outbound.payment]
codes = { "north CHK" = "7102" }
[outbound.nsf]
methods = ["NSF"]
type = "NS"
[outbound.fee]
code = "7900"
"""


def test_examples_that_are_met_say_nothing():
    """Every kind; by default a payment of 150.00 of an agency named sample."""
    text = """
[[outbound.examples]]
name = "a cheque of north"
agency = "north"
method = "CHK"
amount = "80.00"
fee = "20.00"
[outbound.examples.expect]
"FT1-6" = "PY"
"FT1-7.1" = "7102"
"FT1-11.1.1" = "80.00"
"FT1[2]-11.1.1" = "20.00"
"FT1-30" = ""
FT1 = 2
[[outbound.examples]]
posting = "nsf"
expect = { "FT1-6" = "NS", FT1 = 1 }
[[outbound.examples]]
posting = "settlement"
expect = { "FT1-6" = "AJ" }
[[outbound.examples]]
posting = "reversal"
expect = { "FT1-11.1.1" = "-150.00" }
"""
    assert example_problems(RULES + text) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('expect = { "FT1-6" = "AJ" }', "[1].expect.FT1-6: found 'PY', expected 'AJ'"),
        ("expect = { FT1 = 2 }", "[1].expect.FT1: there are 1, expected 2"),
        ('expect = { FT1-6-1 = "" }', '[1].expect.FT1-6-1: not a path: "FT1-7.1", or a segment alone'),
        ('name = "x"', "[1]: an example needs what it expects"),
        ("expect = {}", "[1]: an example needs what it expects"),
        ('kind = "nsf"\nexpect = { FT1 = 1 }', "[1].kind: unknown key"),
        ("amount = 150\nexpect = { FT1 = 1 }", "[1].amount: expected a text"),
        ('amount = "x"\nexpect = { FT1 = 1 }', "[1]: amount and fee: not a number"),
        ('posting = "fee"\nexpect = { FT1 = 1 }', "[1].posting: expected one of payment"),
    ],
)
def test_each_mistake_of_an_example_is_told(text, wanted):
    """At its place."""
    (found,) = example_problems(f"{RULES}[[outbound.examples]]\n{text}\n")
    assert found.startswith(f"outbound.examples{wanted}")


def test_a_bounced_cheque_needs_a_method_that_says_so():
    """Without one there is nothing to try."""
    (found,) = example_problems('[[outbound.examples]]\nposting = "nsf"\nexpect = { FT1 = 1 }\n')
    assert found == "outbound.examples[1].posting: no method is a bounced cheque"


def test_examples_are_a_list_and_its_entries_are_tables():
    """Told as such."""
    assert example_problems("[outbound]\nexamples = 3\n") == ["outbound.examples: expected a list"]
    assert example_problems("[outbound]\nexamples = [3]\n")[0].endswith("an example needs what it expects")


def test_a_form_that_breaks_the_standard_is_told_without_a_destination():
    """So a mapping can be checked before it is in use."""
    found = example_problems('[outbound]\nversion = "2.3"\n[outbound.fields]\n"FT1-30" = "X"\n')
    assert found[0].startswith("outbound: payment: FT1-30: ")
