"""What `check` says of a mapping in one run: mistakes, examples, what nothing uses, codes that no table lists."""

from __future__ import annotations

import pytest
from mapping_samples import checked

GOOD = """\
format = 1
name = "site"

[events]
"ADT^A04" = ["patient", "account?"]
"DFT^P03" = ["account", "entry", "signals"]

[patient]
facility = { constant = "GOODHOPE" }
number = ["PID-3.1 where 5 = 'MR'", "PID-3.1"]
birth_on = { from = "PID-7", convert = { name = "date", formats = ["hl7", "%m/%d/%Y"] } }
language = { from = "PID-15", table = "languages", invalid = "ignore" }

[account]
facility = { constant = "GOODHOPE" }
number = "PID-18.1"

[entry]
when = { path = "FT1-6.1", not_in = ["MEMO"] }
kind = { from = "FT1-6.1", table = "kinds" }
amount = "FT1-11"
payer = [{ path = "FT1-7.1", table = "payers" }, { path = "FT1-13", when = { path = "FT1-7.1", absent = true } }]
service_on = "FT1-4"

[[signals]]
name = "charity"
each = "FT1"
from = "FT1-7.1"
table = "charity"

[tables.kinds]
CHG = "CG"
PMT = "PY"

[tables.languages]
E = "en"

[tables.payers]
"1" = "patient"

[tables.charity]
CH1 = "approved"

[[examples]]
name = "a registration"
message = '''
MSH|^~\\&|REG|EXAMPLE|||20260105||ADT^A04|EX1|P|2.3
PID|1||X1^^^^PI~TST1^^^^MR||||01/31/1971|||||||||||TACC1
'''
[examples.expect]
"patient.number" = "TST1"
"account.number" = "TACC1"

[[examples]]
name = "a charge"
message = '''
MSH|^~\\&|REG|EXAMPLE|||20260105||DFT^P03|EX2|P|2.3
PID|1||TST1|||||||||||||||TACC1
FT1|1|||20260105||CHG|1||||5.00
FT1|1|||20260105||MEMO|CH1|||||||1
FT1|2|||20260105||MEMO
'''
[examples.expect]
entry = 1
signals = 1
"signals.charity" = "approved"
"signals.dispute" = ""
"signals[1].path" = "FT1[2]-7.1"
"entry[1].payer" = "patient"
"""


def edited(*edits):
    """Return what a check says of the mapping with some edits."""
    text = GOOD
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return checked(text)


def test_a_mapping_without_mistakes_is_silent():
    """Every part of the language is in it."""
    assert checked(GOOD) == []


TEN = (
    ("format = 1", "format = 1\ndescripton = 'x'", "descripton: unknown key (did you mean 'description'?)"),
    ('["patient", "account?"]', '["patient", "acount?"]', "events.ADT^A04.acount: unknown record (did you mean"),
    ("where 5 = 'MR'", "where 5 is 'MR'", "patient.number[1]: cannot read what follows where (write it as 5 = 'MR'"),
    ('"%m/%d/%Y"', '"%m/%d/%y"', "patient.birth_on.convert.formats: '%m/%d/%y' has %y (a year of two digits"),
    ("not_in", "not", "entry.when.not: unknown word of a condition (did you mean 'not_in'?)"),
    ('"kinds" }', '"kind" }', "entry.kind.table: no such table (did you mean 'kinds'?)"),
    ('"FT1-11"', '"FT1-11.1"', "entry.amount: the converter 'money' reads a whole field (\"FT1-11\")"),
    ('service_on = "FT1-4"', 'servced_on = "FT1-4"', "entry.servced_on: unknown field of entry (did you mean"),
    ('name = "charity"', 'name = "charty"', "signals[1].name.charty: unknown signal (did you mean 'charity'?)"),
    ('"1" = "patient"', '"1" = "pateint"', "tables.payers.1: payer cannot be that value (one of: insurance, patient"),
)


def test_ten_mistakes_are_ten_messages_with_their_lines_in_one_run():
    """What follows from a mistake is not told with it; each message says where, what and how to mend."""
    found = edited(*((old, new) for old, new, _ in TEN))
    text = GOOD
    for old, new, _ in TEN:
        text = text.replace(old, new)
    lines = text.splitlines()
    for _, new, problem in TEN:
        line = next(number for number, row in enumerate(lines, 1) if new.splitlines()[-1] in row)
        assert any(each.startswith(f"site.toml:{line}: {problem}") for each in found), (line, problem, found)
    assert len(found) == len(TEN)  # neither the table that the misspelt name means, nor the day that is missing now
    assert found == sorted(found, key=lambda each: int(each.split(":")[1]))


@pytest.mark.parametrize(("old", "new", "problem"), TEN)
def test_each_of_them_alone_is_told_too(old, new, problem):
    """Whatever else is right."""
    assert any(problem in each for each in edited((old, new)))


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        (
            '"ADT^A04" =',
            '"ADT^A08" =',
            ["site.toml:44: examples[1]: no event of this mapping takes the message (see [events])"],
        ),
        (
            "[tables.kinds]",
            '[tables.more]\nX = "y"\n[tables.kinds]',
            ['site.toml:31: tables.more: no field uses this table (table = "more", or remove it)'],
        ),
        (
            'CHG = "CG"\n',
            "",
            [
                (
                    "site.toml:53: examples[2]: refused at FT1-6.1: kind: expected one of PMT"
                    ' (add the code to the table, "*" for every code that is not listed, or mend the example)'
                )
            ],
        ),
        ('"TACC1"\n', '"TACC1"\n[examples.expected]\n', ["site.toml:53: examples[1].expected: unknown key (known: "]),
        (
            '"signals.charity" =',
            '"signals.charty" =',
            ["site.toml:66: examples[2].expect.signals.charty: signals has no"],
        ),
        (
            '"signals[1].path"',
            '"signals[2].path"',
            ["site.toml:68: examples[2].expect.signals[2].path: made 1 of signals"],
        ),
        ('"signals.charity" = "approved"', '"signals.charity" = "no"', ["charity: found 'approved', expected 'no'"]),
        (
            'when = { path = "FT1-6.1", not_in',
            'wen = { path = "FT1-6.1", not_in',
            ["entry.wen: unknown field of entry"],
        ),
    ],
)
def test_what_serves_for_nothing_is_told(old, new, problems):
    """Events, tables, examples, expectations."""
    found = edited((old, new))
    assert len(found) == len(problems), found
    for each, problem in zip(found, problems, strict=True):
        assert problem in each


def test_an_example_that_sends_a_code_which_leaves_a_field_empty_is_told_at_the_table():
    """The message is taken, and the value is lost in silence: for two fields, one with several sources."""
    found = edited(
        ("|X1^^^^PI~TST1^^^^MR||||01/31/1971||||||||", "|TST1||||01/31/1971||||||||F"), ("CHG|1||||5", "CHG|9||||5")
    )
    assert found == [
        (
            "site.toml:35: tables.languages: examples[1] has a code at PID-15 that is not listed:"
            ' patient.language stays empty (add it, or "*" for every code not listed)'
        ),
        (
            "site.toml:38: tables.payers: examples[2] has a code at FT1-7.1 that is not listed: entry.payer stays empty"
            ' (add it, or "*" for every code not listed)'
        ),
        "site.toml:69: examples[2].expect.entry[1].payer: found '', expected 'patient'",
    ]


def test_a_file_that_cannot_be_compiled_still_says_what_its_examples_need():
    """An example of an event that no event takes; examples without a message that can be read wait."""
    text = GOOD.replace('"FT1-11"', '"FT1.11"').replace('"ADT^A04" =', '"ADT^A08" =')
    text += "[[examples]]\nmessage = 'PID|1'\n[[examples]]\nmessage = 5\n"
    assert [each.split(" ")[1] for each in checked(text)] == ["entry.amount:", "examples[1]:"]
    assert [each.split(" ")[1] for each in checked("events = 5\n" + text.replace("[events]", "[other]"))][:1] == [
        "events:"
    ]


@pytest.mark.parametrize("text", ["x = 1", "tables = 5\nexamples = 5", "examples = [5]\ntables.x = 5", "entry = 5"])
def test_whatever_a_file_holds_it_is_told_and_nothing_fails(text):
    """A file may be anything."""
    assert len(checked(text)) >= 3


def test_what_cannot_be_extended_is_all_that_is_said():
    """Everything else depends on it."""
    assert checked('extends = "gone"\nformat = 5\n') == [
        "site.toml:1: extends: gone.toml: there is no such file (it must be in the same folder)"
    ]


def test_a_table_that_only_the_base_has_may_be_of_no_use_to_the_site():
    """The base uses it; a site that maps the field anew does not."""
    base = GOOD.replace('name = "site"', 'name = "base"')
    text = 'format = 1\nname = "site"\nextends = "base"\n[patient]\nlanguage = "PID-15"\n'
    assert checked(text, base_toml=base) == []


CONDITIONS = (
    ("5", "expected a condition or a list of them"),
    ("[]", "expected a condition or a list of them"),
    ('{ path = "FT1-6.1" }', "a condition is a path and one comparison"),
    ('{ path = "FT1-6.1", is = "A", in = ["A"] }', "a condition is a path and one comparison"),
    ('{ is = "A" }', 'expected a path (for example "PID-18.1")'),
    ('{ path = "FT1", is = "A" }', "not a path: 'FT1'"),
    ('{ path = "FT1-6", is = ["A"] }', "entry.when.is: expected a text (absent = true is for nothing)"),
    ('{ path = "FT1-6", is = "" }', "entry.when.is: expected a text (absent = true is for nothing)"),
    ('{ path = "FT1-6", in = [] }', "entry.when.in: expected a text or a list of texts"),
    ('{ path = "FT1-6", in = [5] }', "entry.when.in: expected a text or a list of texts"),
    ('{ path = "FT1-6", present = false }', "entry.when.present: expected true (present and absent are"),
    ('{ path = "FT1-6", absent = "yes" }', "entry.when.absent: expected true"),
    ('{ events = ["DFT^P03"], path = "FT1-6", is = "A" }', "events stand in a condition of their own"),
    ('{ events = ["DFT-P03"] }', "entry.when.events: expected a list of message types and events"),
    ("{ events = [] }", "entry.when.events: expected a list of message types and events"),
    ('{ events = ["DFT^P11"] }', "entry.when.events: no event DFT^P11 under [events] (did you mean 'DFT^P03'?)"),
)


@pytest.mark.parametrize(("condition", "problem"), CONDITIONS)
def test_a_mistake_in_a_condition_is_told_at_its_line(condition, problem):
    """With what a condition looks like."""
    found = edited(('{ path = "FT1-6.1", not_in = ["MEMO"] }', condition))
    assert any(each.startswith("site.toml:19: entry.when") and problem in each for each in found), found


FIELDS = (
    ('{ constant = "en", from = "PID-15" }', "patient.language: a constant and a path: one of them"),
    ('{ constant = "en", table = "languages" }', "patient.language.table: a constant is taken as it is"),
    ("{ constant = 5 }", "patient.language.constant: expected text"),
    ('{ constant = " " }', "patient.language.constant: expected text"),
    ('[{ constant = "en" }, "PID-15"]', "patient.language[2]: nothing after a constant is ever read"),
    ('[{ constant = "en", path = "PID-15" }]', "patient.language[1]: a constant and a path: one of them"),
    ('{ from = "PID-15", null = "drop" }', 'patient.language.null: expected "clear" or "keep"'),
)


@pytest.mark.parametrize(("field", "problem"), FIELDS)
def test_a_mistake_in_a_constant_or_a_null_is_told_at_its_line(field, problem):
    """As in any other option."""
    found = edited(('{ from = "PID-15", table = "languages", invalid = "ignore" }', field))
    assert any(each.startswith(f"site.toml:12: {problem}") for each in found), found


def test_an_event_that_names_a_record_which_is_not_there_says_which_table_to_add():
    """A known kind of record is not misspelt: it is not defined."""
    found = edited(('"account", "entry", "signals"]', '"account", "entry", "signals", "balance"]'))
    assert found == ["site.toml:6: events.DFT^P03.balance: this record is not defined (add [balance])"]


def test_a_converter_named_by_its_table_is_told_how_it_is_named():
    """The name stands in the table, beside the options."""
    found = edited(
        ('amount = "FT1-11"', 'amount = { from = "FT1-11", convert = { money = { implied_decimals = 2 } } }')
    )
    assert found == [
        'site.toml:21: entry.amount.convert: options of no converter: name is missing ({ name = "money", ... })'
    ]


def test_an_empty_file_is_told_the_name_it_should_have():
    """That of its file."""
    assert 'site.toml:1: name: expected a name (as its file is named: name = "site")' in checked("")
