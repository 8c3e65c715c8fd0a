"""A mapping file with mistakes: each is named by file, line, key, problem and what to do, all of them in one run."""

from __future__ import annotations

import pytest

from hl7bridge.errors import ConfigError
from hl7bridge.mapping.compile import compile_mapping
from hl7bridge.tomlfile import parse_toml

BASE = """\
format = 1
name = "site"

[events]
"ADT^A04" = ["patient", "account?", "guarantor"]
"DFT^P03" = ["account", "entry"]

[patient]
facility = "MSH-4.1"
number = "PID-3.1"
birth_on = "PID-7"
deceased = { from = "PID-29", value = "Y" }

[account]
facility = "MSH-4.1"
number = ["PID-18.1", { path = "PV1-19.1", table = "renamed" }]
status = { from = "PV1-41.1", table = "statuses" }

[guarantor]
rank = "GT1-1"
phone = { from = "GT1-6", convert = "phone" }

[entry]
kind = { from = "FT1-6.1", required = true }
amount = "FT1-11"
service_on = { from = "FT1-4", invalid = "refuse" }

[tables.renamed]
"1" = "ONE"

[tables.statuses]
C = "closed"
"*" = "open"
"""


OPTIONS = "known: constant, convert, from, invalid, null, required, table, value, when"
CANNOT = "cannot be stored (leave this option out)"


def problems(text):
    """Return every problem of a mapping's text, as a person reads them."""
    with pytest.raises(ConfigError) as raised:
        compile_mapping(parse_toml(text, "site.toml"))
    return [str(problem) for problem in raised.value.problems]


def edited(old, new):
    """Return the problems of the base mapping with one edit."""
    assert BASE.count(old) == 1, old
    return problems(BASE.replace(old, new))


def test_a_mapping_without_mistakes_compiles():
    """Its events, message types, the fields to keep, and the line of each field."""
    mapping = compile_mapping(parse_toml(BASE, "site.toml"))
    assert mapping.name == "site"
    assert mapping.types == {"ADT", "DFT"}
    assert {event: [(spec.kind, optional) for spec, optional in row] for event, row in mapping.events.items()} == {
        ("ADT", "A04"): [("patient", False), ("guarantor", False), ("account", True)],
        ("DFT", "P03"): [("account", False), ("entry", False)],
    }
    assert mapping.keeps["PV1"] == (19, 41)
    assert mapping.keeps["PID"] == (3, 7, 18, 29)
    assert str(mapping.lines["account.number"]) == "site.toml:16"
    assert str(mapping.lines["entry.kind"]) == "site.toml:24"
    assert mapping.paths["account.number"] == "PID-18.1, PV1-19.1"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("format = 1", "format = 2", "site.toml:1: format: expected 1 (this release reads mapping format 1)"),
        ('name = "site"', "name = 7", 'site.toml:2: name: expected a name (as its file is named: name = "site")'),
        ('name = "site"', 'nmae = "site"\nname = "x"', "site.toml:2: nmae: unknown key (did you mean 'name'?)"),
        (
            '"ADT^A04" = ["patient", "account?", "guarantor"]',
            '"ADT-A04" = ["patient", "account?", "guarantor"]',
            'site.toml:5: events.ADT-A04: not a message type and event ("DFT^P03")',
        ),
        ('"ADT^A04" =', '"adt^a04" =', 'site.toml:5: events.adt^a04: not a message type and event ("DFT^P03")'),
        (
            '["account", "entry"]',
            '"account"',
            'site.toml:6: events.DFT^P03: expected a list of records (["patient", "account"])',
        ),
        (
            '["account", "entry"]',
            '["account", "entry", "entrie"]',
            "site.toml:6: events.DFT^P03.entrie: unknown record (did you mean 'entry'?)",
        ),
        (
            '["account", "entry"]',
            '["entry"]',
            (
                "site.toml:6: events.DFT^P03: entry, guarantor, coverage, balance and signals belong to an account"
                ' (add "account")'
            ),
        ),
        (
            '["account", "entry"]',
            '["account"]',
            "site.toml:23: entry: no event makes this record (name it under [events], or remove it)",
        ),
        (
            'birth_on = "PID-7"',
            'born_on = "PID-7"',
            "site.toml:11: patient.born_on: unknown field of patient (did you mean 'birth_on'?)",
        ),
        (
            'number = "PID-3.1"',
            "",
            "site.toml:8: patient: number is not mapped (a record of kind patient needs number)",
        ),
        ('amount = "FT1-11"', "", 'site.toml:23: entry: no amount is mapped (amount = "FT1-11")'),
        (
            'amount = "FT1-11"',
            'amount = "FT1-11.1"',
            "site.toml:25: entry.amount: the converter 'money' reads a whole field (\"FT1-11\")",
        ),
        (
            '{ from = "GT1-6", convert = "phone" }',
            '{ from = "GT1-6(2)", convert = "phone" }',
            "site.toml:21: guarantor.phone: the converter 'phone' reads a whole field (\"GT1-6\")",
        ),
        (
            'birth_on = "PID-7"',
            "birth_on = 7",
            'site.toml:11: patient.birth_on: expected a path (for example "PID-18.1")',
        ),
        (
            'birth_on = "PID-7"',
            "birth_on = []",
            'site.toml:11: patient.birth_on: expected a path (for example "PID-18.1")',
        ),
        (
            'birth_on = "PID-7"',
            'birth_on = { path = "PID-7" }',
            f"site.toml:11: patient.birth_on.path: unknown option ({OPTIONS})",
        ),
        (
            'birth_on = "PID-7"',
            'birth_on = "PID.7"',
            "site.toml:11: patient.birth_on: not a path: 'PID.7' (write it as PID-18.1, PID-3(2).4 or FT1[2]-11.1.1)",
        ),
        (
            'birth_on = "PID-7"',
            'birth_on = { from = "PID-7", convert = "dat" }',
            "site.toml:11: patient.birth_on.convert.dat: unknown converter (did you mean 'date'?)",
        ),
        (
            'birth_on = "PID-7"',
            'birth_on = { from = "PID-7", convert = "text" }',
            "site.toml:11: patient.birth_on.convert: birth_on holds date, not text (use 'date')",
        ),
        (
            'birth_on = "PID-7"',
            'birth_on = { from = "PID-7", convert = ["date"] }',
            "site.toml:11: patient.birth_on.convert.['date']: unknown converter (did you mean 'date'?)",
        ),
        (
            'birth_on = "PID-7"',
            'birth_on = { from = "PID-7", table = "renamed" }',
            "site.toml:11: patient.birth_on.table: a table gives text, and birth_on is read by the converter 'date'",
        ),
        (
            'number = "PID-3.1"',
            'number = { from = "PID-3.1", convert = "money" }',
            "site.toml:10: patient.number.convert: number holds text, not money (use 'text')",
        ),
        (
            'number = "PID-3.1"',
            'number = { from = "PID-3.1", required = false }',
            f"site.toml:10: patient.number.required: a patient without its number {CANNOT}",
        ),
        ("required = true", "required = 1", "site.toml:24: entry.kind.required: expected true or false"),
        (
            'invalid = "refuse"',
            'invalid = "drop"',
            'site.toml:26: entry.service_on.invalid: expected "refuse" or "ignore"',
        ),
        (
            'invalid = "refuse"',
            'invalid = ["ignore"]',
            'site.toml:26: entry.service_on.invalid: expected "refuse" or "ignore"',
        ),
        ('value = "Y"', "value = true", "site.toml:12: patient.deceased.value: expected text"),
        ('value = "Y"', 'value = "MAYBE"', "site.toml:12: patient.deceased.value: expected Y or N (table 0136)"),
        (
            'kind = { from = "FT1-6.1", required = true }',
            'kind = { from = "FT1-1", value = "CHARGE" }',
            "site.toml:24: entry.kind.value: kind cannot be that value (one of: AJ, CD, CG, CO, PY)",
        ),
        (
            '{ path = "PV1-19.1", table = "renamed" }',
            '{ path = "PV1-19.1", from = "PV1-50" }',
            "site.toml:16: account.number[2].from: unknown option (known: constant, convert, path, table, value, when)",
        ),
        (
            '{ path = "PV1-19.1", table = "renamed" }',
            "[]",
            'site.toml:16: account.number[2]: expected a path (for example "PID-18.1")',
        ),
        (
            'table = "statuses"',
            'table = "states"',
            "site.toml:17: account.status.table: no such table (did you mean 'statuses'?)",
        ),
        (
            'table = "statuses"',
            "table = 3",
            'site.toml:17: account.status.table: expected the name of a table (write table = "NAME")',
        ),
        (
            'C = "closed"',
            'C = "gone"',
            "site.toml:32: tables.statuses.C: status cannot be that value (one of: cancelled, closed, open)",
        ),
        (
            '"*" = "open"',
            '"*" = "merged"',
            "site.toml:33: tables.statuses.*: status cannot be that value (one of: cancelled, closed, open)",
        ),
        (
            '"1" = "ONE"',
            '"1" = 1',
            'site.toml:28: tables.renamed: expected codes and text values ([tables.renamed] then "CODE" = "value")',
        ),
        (
            'rank = "GT1-1"',
            'rank = "GT1[2]-1"',
            "site.toml:20: guarantor.rank: a guarantor is made of each GT1: a path in it takes no [number]",
        ),
        (
            'rank = "GT1-1"',
            'each = "gt1"',
            "site.toml:20: guarantor.each: expected a segment name, for guarantor, coverage and entry only",
        ),
        (
            'birth_on = "PID-7"',
            'each = "PID"',
            "site.toml:11: patient.each: expected a segment name, for guarantor, coverage and entry only",
        ),
    ],
)
def test_each_mistake_is_one_line_that_says_where_and_what_to_do(old, new, problem):
    """file:line: key: problem (hint), and the line is the one to edit."""
    assert problem in edited(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('number = "PID-3.1"', 'number = { from = "PID-3.1", convert = "money" }'),
        ('birth_on = "PID-7"', "birth_on = []"),
        ("format = 1", "format = 2"),
        ('table = "statuses"', 'table = "states"'),
    ],
)
def test_one_mistake_is_one_problem(old, new):
    """What follows from a mistake is not reported beside it."""
    assert len(edited(old, new)) == 1


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file():
    """A person mends a file in one go."""
    text = BASE.replace('"PID-7"', '"7"').replace("format = 1", "format = 3").replace('"FT1-4"', '"FT1.4"')
    assert [problem.split(" ")[0] for problem in problems(text)] == ["site.toml:1:", "site.toml:11:", "site.toml:26:"]


def test_a_file_without_events_or_with_wrong_tables_says_so():
    """Events and tables that are no tables at all."""
    no_events = BASE.replace("[events]", "[patient2]")
    assert any("events: expected at least one event" in problem for problem in problems(no_events))
    wrong_tables = 'tables = "x"\n' + BASE.replace("[tables.renamed]", "[x]").replace("[tables.statuses]", "[y]")
    assert any("tables: expected tables of codes" in problem for problem in problems(wrong_tables))
    list_of_records = BASE.replace("[guarantor]", "[[guarantor]]")
    assert any(
        "guarantor: expected a table of fields ([guarantor])" in problem for problem in problems(list_of_records)
    )


def test_a_table_without_a_vocabulary_may_give_any_text():
    """Only fields with words of our own are held to them."""
    text = BASE.replace('"1" = "ONE"', '"1" = "anything at all"')
    assert compile_mapping(parse_toml(text, "site.toml")).name == "site"
