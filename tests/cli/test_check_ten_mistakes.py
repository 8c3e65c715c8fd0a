"""A person edits a mapping and makes ten different mistakes: one run of `check` tells all ten, each with its line."""

from __future__ import annotations

import pytest
from cli_samples import init_folder, run

SITE = """\
format = 1
name = "lakeside"
extends = "generic"
inherit_examples = false

[events]
"ADT^A04" = ["patient", "account?", "guarantor", "signals"]
"ADT^A38" = ["patient", "account?"]

[patient]
number = [
  "PID-3.1 where 5 = 'MR' and 4.1 = 'LAKESIDE'",
  "PID-3.1 where 5 = 'MR'",
  "PID-3.1",
]
birth_on = { from = "PID-7", convert = { name = "date", formats = ["%m/%d/%Y", "hl7"] }, invalid = "ignore" }

[account]
number = ["PID-18.1", "PV1-19.1"]
status = [
  { constant = "cancelled", when = { events = ["ADT^A38"] } },
  { constant = "closed", when = { path = "PV1-41.1", in = ["CL", "PD"] } },
]

[entry]
when = { path = "FT1-6.1", not_in = ["MEMO"] }
amount = { from = "FT1-11", convert = { name = "money", implied_decimals = 2 } }

[tables.payer]
file = "lakeside-payers.csv"
LKOLD = "unknown"

[[signals]]
name = "charity"
from = "ZFA-2"
value = "approved"

[[examples]]
name = "a registration"
message = '''
MSH|^~\\&|REG|LAKESIDE|||20260105||ADT^A04|LK1|P|2.3
PID|1||X7^^^LAKESIDE^PI~TST7^^^LAKESIDE^MR||TESTPATIENT^AURELIA||04/18/1971|||||||||||TACC7
'''
[examples.expect]
"patient.number" = "TST7"
"patient.birth_on" = "1971-04-18"
"""
CODES = "code,value\nLKINS,insurance\nLKPAT,patient\n"
TEN = (
    ('"ADT^A04" = ["patient", ', '"ADT^A04" = ["pacient", ', 7, "events.ADT^A04.pacient: unknown record (did you mean"),
    ('"ADT^A38" = ', '"AD^A38" = ', 8, "events.AD^A38: not a message type and event"),
    (
        "  \"PID-3.1 where 5 = 'MR'\",",
        "  \"PID-3.1 where 5 == 'MR'\",",
        13,
        "patient.number[2]: cannot read what follows",
    ),
    ('"%m/%d/%Y"', '"%m/%d/%y"', 16, "patient.birth_on.convert.formats: '%m/%d/%y' has %y"),
    ('"PV1-19.1"', '"PVI-19.1"', 19, "account.number[2]: PVI-19: HL7 defines no such field"),
    ('{ constant = "closed"', '{ constant = "shut"', 22, "account.status[2].constant: status cannot be that value"),
    ("not_in = ", "except = ", 26, "entry.when.except: unknown word of a condition"),
    ("implied_decimals = 2", "implied_decimals = 20", 27, "entry.amount.convert.implied_decimals: expected a number"),
    ('LKOLD = "unknown"', 'LKOLD = "nobody"', 31, "tables.payer.LKOLD: payer cannot be that value"),
    ('name = "charity"', 'name = "charitey"', 34, "signals[1].name.charitey: unknown signal (did you mean 'charity'?)"),
)


@pytest.fixture
def config(tmp_path):
    return init_folder(tmp_path / "d")


def check(config, text, codes=CODES):
    """Return what the command says of a mapping beside the shipped one."""
    folder = config.parent / "mappings"
    (folder / "lakeside.toml").write_text(text)
    (folder / "lakeside-payers.csv").write_text(codes)
    return run("check", "--config", config)


def edited(edits):
    text = SITE
    for old, new, *_ in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def test_ten_different_mistakes_give_ten_messages_with_their_lines_in_one_run(config):
    """No more than ten: what follows from a mistake is not told; no fewer: nothing waits for another run."""
    result = check(config, edited(TEN))
    file = config.parent / "mappings" / "lakeside.toml"
    lines = result.stdout.splitlines()
    assert (result.exit_code, result.stderr, len(lines)) == (1, "10 problems\n", 10)
    for line, (*_, number, told) in zip(lines, TEN, strict=True):
        assert line.startswith(f"{file}:{number}: {told}")


@pytest.mark.parametrize(("old", "new", "line", "told"), TEN)
def test_each_mistake_alone_is_told_with_its_line(config, old, new, line, told):
    """And how to mend it."""
    result = check(config, edited([(old, new)]))
    file = config.parent / "mappings" / "lakeside.toml"
    assert f"{file}:{line}: {told}" in result.stdout
    assert result.exit_code == 1


def test_a_mistake_in_a_csv_table_is_told_in_the_csv_file(config):
    """With the line that it stands in there."""
    result = check(config, SITE, CODES.replace("patient", "pateint"))
    file = config.parent / "mappings" / "lakeside-payers.csv"
    assert result.stdout.startswith(f"{file}:3: tables.payer.LKPAT: payer cannot be that value (one of: insurance,")


def test_the_mapping_without_mistakes_is_right(config):
    """Or the tests above would find their problems in what was wrong before."""
    assert (check(config, SITE).exit_code, check(config, SITE).stderr) == (0, "")
