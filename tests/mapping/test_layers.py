"""A site's file of ten lines: what it inherits, what it changes, takes away, adds; and tables in CSV files."""

from __future__ import annotations

import pytest
from feed_samples import GENERIC, adt, dft, ft1
from mapping_samples import HEAD, checked, compiled, problems, reader, records

from hl7bridge.errors import ConfigError
from hl7bridge.mapping.layers import gather
from hl7bridge.tomlfile import parse_toml

BASE = """\
format = 1
name = "base"
description = "what many sites have"

[events]
"ADT^A04" = ["patient", "account?", "guarantor", "signals"]
"DFT^P03" = ["account", "entry", "signals"]

[patient]
facility = "MSH-4.1"
number = "PID-3.1"
language = { from = "PID-15", invalid = "ignore" }

[account]
facility = "MSH-4.1"
number = "PID-18.1"

[guarantor]
number = "GT1-2.1"

[entry]
kind = { from = "FT1-6.1", table = "kinds" }
amount = "FT1-11"
service_on = "FT1-4"

[tables.kinds]
CHG = "CG"
PMT = "PY"

[[signals]]
name = "hold"
from = "ZHO-1"
value = "yes"

[[signals]]
name = "charity"
from = "ZCH-1"

[[examples]]
name = "a registration"
message = '''
MSH|^~\\&|REG|EXAMPLE|||20260105||ADT^A04|EX1|P|2.3
PID|1||TST1
'''
[examples.expect]
"patient.number" = "TST1"
"""
SITE = 'format = 1\nname = "site"\nextends = "base"\n'
LEFT_OUT = "mend it, or leave them out with inherit_examples = false and give examples of your own"


def site(text=""):
    return compiled(SITE + text, base_toml=BASE)


def wrong(text):
    return problems(SITE + text, base_toml=BASE)


def test_a_file_that_only_extends_is_the_base_under_another_name():
    """Every record is made as the base makes it, and every line points into the base."""
    mapping = site()
    assert mapping.name == "site"
    made = records(mapping, adt("A1", "GT1|1|TGUA1", "ZHO|x"))
    assert (made.patient.number, made.account.number, made.guarantors[0].number) == ("TMRN1", "TACC1", "TGUA1")
    assert [signal.name for signal in made.signals] == ["hold"]
    assert str(mapping.lines["patient.number"]) == "base.toml:11"
    assert str(mapping.lines["signals[1]"]) == "base.toml:30"


def test_a_key_of_the_site_wins_and_the_others_stay():
    """Key by key in events, records and tables; each line is of the file whose value is in effect."""
    mapping = site(
        '[events]\n"ADT^A08" = ["patient"]\n[patient]\nnumber = "PID-2.1"\nlanguage.from = "PID-16"\n'
        '[tables.kinds]\nCHG = "CD"\nADJ = "AJ"\n'
    )
    assert set(mapping.events) == {("ADT", "A04"), ("ADT", "A08"), ("DFT", "P03")}
    assert str(mapping.lines["patient.number"]) == "site.toml:7"
    assert str(mapping.lines["patient.language"]) == "site.toml:8"
    assert str(mapping.lines["patient.facility"]) == "base.toml:10"
    kinds = [ft1(kind=kind) for kind in ("CHG", "PMT", "ADJ")]
    assert [entry.kind for entry in records(mapping, dft("D1", *kinds)).entries] == ["CD", "PY", "AJ"]


def test_false_takes_away_an_event_a_record_a_field_a_code_or_a_signal():
    """A record that is gone leaves the events that are inherited."""
    mapping = site(
        'guarantor = false\n[events]\n"ADT^A04" = ["patient"]\n[patient]\nlanguage = false\n'
        '[tables.kinds]\nPMT = false\n[[signals]]\nname = "hold"\nfrom = false\n'
    )
    assert "guarantor.number" not in mapping.lines
    assert "patient.language" not in mapping.lines
    assert [spec.kind for spec, _ in mapping.events["ADT", "A04"]] == ["patient"]
    signals = next(spec for spec, _ in mapping.events["DFT", "P03"] if spec.kind == "signals")
    assert [field.name for field in signals.fields] == ["charity"]
    assert mapping.events.keys() == {("ADT", "A04"), ("DFT", "P03")}


def test_an_event_of_nothing_but_what_was_taken_away_goes_too():
    """And signals may be taken away as a whole."""
    base = BASE.replace('"DFT^P03"', '"ADT^A08" = ["account", "guarantor"]\n"ADT^A31" = ["patient"]\n"DFT^P03"')
    mapping = compiled(f"{SITE}patient = false\nsignals = false\n", base_toml=base)
    assert set(mapping.events) == {("ADT", "A04"), ("ADT", "A08"), ("DFT", "P03")}
    assert [spec.kind for spec, _ in mapping.events["ADT", "A04"]] == ["guarantor", "account"]


def test_an_event_may_be_taken_away_alone():
    """What only that event made is then of no use, and the file says so."""
    found = wrong('[events]\n"DFT^P03" = false\n')
    assert found == ["base.toml:21: entry: no event makes this record (name it under [events], or remove it)"]
    assert set(site('entry = false\n[events]\n"DFT^P03" = false\n').events) == {("ADT", "A04")}


def test_a_signal_of_the_site_takes_the_place_of_the_inherited_one():
    """Of the same name; the others stay, and each line is that of its own file."""
    mapping = site('[[signals]]\nname = "hold"\nfrom = "ZNO-3"\nvalue = "no"\n')
    assert mapping.paths["signals[1]"] == "ZNO-3"
    assert [str(mapping.lines[f"signals[{number}]"]) for number in (1, 2)] == ["site.toml:4", "base.toml:35"]
    assert [signal.value for signal in records(mapping, adt("A1", "ZHO|x", "ZNO|||x")).signals] == ["no"]


def test_a_chain_of_files_is_followed_to_its_end():
    """The nearest word wins."""
    middle = 'format = 1\nname = "middle"\nextends = "base"\n[patient]\nnumber = "PID-4.1"\nlanguage = "PID-16"\n'
    text = 'format = 1\nname = "site"\nextends = "middle"\n[patient]\nlanguage = "PID-17"\n'
    mapping = compiled(text, middle_toml=middle, base_toml=BASE)
    assert mapping.paths["patient.number"] == "PID-4.1"
    assert [str(mapping.lines[f"patient.{name}"]) for name in ("number", "language", "facility")] == [
        "middle.toml:5",
        "site.toml:5",
        "base.toml:10",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('extends = "gone"', "site.toml:3: extends: gone.toml: there is no such file (it must be in the same folder)"),
        ('extends = "site"', "site.toml:3: extends: goes round in a circle: site -> site (one of them must end it)"),
        ('extends = "round"', "round.toml:1: extends: goes round in a circle: site -> round -> site"),
        ('extends = "../base"', 'site.toml:3: extends: expected the name of a mapping (extends = "generic")'),
        ("extends = 5", 'site.toml:3: extends: expected the name of a mapping (extends = "generic")'),
        ('extends = "broken"', "broken.toml:1: (syntax):"),
    ],
)
def test_what_cannot_be_extended_is_one_problem(text, problem):
    """Nothing else can be told of the file before that is mended."""
    (found,) = problems(f"{HEAD}{text}\n", round_toml='extends = "site"\n', broken_toml="x =\n")
    assert found.startswith(problem), found


def test_a_mapping_that_stands_alone_reads_no_other_file():
    """When nobody says how."""
    with pytest.raises(ConfigError, match="no other file can be read here"):
        gather(parse_toml(SITE, "site.toml"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[events]\n"ADT^A40" = false', "site.toml:5: events.ADT^A40: nothing to take away: it is not inherited"),
        ("coverage = false", "site.toml:4: coverage: nothing to take away: it is not inherited"),
        ("[patient]\nlangage = false", "(did you mean 'language'?)"),
        ("[coverage]\nplan = false", "site.toml:5: coverage.plan: nothing to take away: it is not inherited (remove"),
        ("[tables.kinds]\nCHX = false", "tables.kinds.CHX: nothing to take away: it is not inherited (did you mean"),
        ("[tables.other]\nX = false", "tables.other.X: nothing to take away: it is not inherited (remove the line)"),
        ("[tables]\nother = false", "tables.other: nothing to take away: it is not inherited"),
        ('[[signals]]\nname = "dispute"\nfrom = false', "signals[1]: nothing to take away: no such signal"),
    ],
)
def test_what_is_taken_away_must_have_been_there(text, problem):
    """A misspelt name would leave in effect what the site meant to lose."""
    assert any(problem in found for found in wrong(text)), wrong(text)


def test_a_file_alone_has_nothing_to_take_away():
    """False is for what is inherited."""
    found = problems(
        BASE.replace('"DFT^P03" =', '"DFT^P11" = false\n"DFT^P03" =').replace("PMT =", "PMX = false\nPMT =")
    )
    assert [each.split(" ")[1] for each in found] == ["events.DFT^P11:", "tables.kinds.PMX:"]
    assert len(problems("tables = { t = false }\n" + BASE.replace("[tables.kinds]", "[x]"))) >= 2


def test_a_mistake_in_the_base_is_told_in_the_base():
    """With that file's name and line."""
    found = problems(SITE, base_toml=BASE.replace('"PID-3.1"', '"PID.3"').replace('value = "yes"', 'value = "perhaps"'))
    assert [each.split(" ")[0] for each in found] == ["base.toml:11:", "base.toml:33:"]


def test_examples_of_the_base_are_run_through_the_sites_mapping():
    """Those that no longer hold are one problem of the site's file, with how to be rid of them."""
    assert checked(SITE, base_toml=BASE) == []
    changed = '[patient]\nnumber = "PID-1"\n'
    assert checked(SITE + changed, base_toml=BASE) == [
        (
            "site.toml:3: extends: an inherited example is not met, first base.toml:46:"
            f" examples[1].expect.patient.number: found '1', expected 'TST1' ({LEFT_OUT})"
        )
    ]
    both = BASE + BASE[BASE.index("[[examples]]") :]
    (found,) = checked(SITE + changed, base_toml=both)
    assert found.startswith("site.toml:3: extends: 2 inherited examples are not met, first base.toml:46: examples[1]")
    assert checked(f"{SITE}inherit_examples = false\n{changed}", base_toml=BASE) == []
    own = (
        "[[examples]]\nname = 'mine'\nmessage = 'MSH|^~\\&||EXAMPLE|||||ADT^A04|E|P|2.3'\nexpect.refused = 'PID-3.1'\n"
    )
    assert checked(f"{SITE}inherit_examples = false\n{own}", base_toml=BASE) == []
    found = checked(SITE + changed + own, base_toml=BASE)
    assert found[0].startswith("site.toml:3: extends: an inherited example is not met")
    assert found[1].startswith("site.toml:9: examples[1].expect.refused: refused at PID-1")


def test_an_example_of_an_event_that_the_site_took_away_is_left_out():
    """It went with its event."""
    text = 'patient = false\nguarantor = false\n[events]\n"ADT^A04" = false\n'
    assert checked(SITE + text, base_toml=BASE) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("inherit_examples = 1", "site.toml:4: inherit_examples: expected true or false"),
        ("inherit_examples = false", None),
    ],
)
def test_whether_examples_are_inherited_is_yes_or_no(text, problem):
    """And is said only by a file that inherits."""
    assert wrong(text) == ([problem] if problem else [])
    alone = problems(f"inherit_examples = false\n{BASE}")
    assert alone == [
        'base.toml:1: inherit_examples: nothing is inherited (remove it, or add extends = "generic")'.replace(
            "base", "site"
        )
    ]


def test_a_value_that_is_no_table_replaces_what_is_inherited():
    """And is told as what it is."""
    assert (
        "description"
        not in gather(parse_toml(f"{SITE}description = false", "s.toml"), reader({"base.toml": BASE})).data
    )
    assert any(": patient: expected a table of fields" in each for each in wrong("patient = 5"))
    assert any(": events: expected at least one event" in each for each in wrong("events = 5"))
    assert any(": signals: expected a list of signals" in each for each in wrong('signals = "x"'))
    assert any(": tables: expected tables of codes" in each for each in wrong("tables = 5"))
    assert any(": events: expected at least one event" in each for each in wrong("events = 5\nguarantor = false"))
    base = BASE.replace('["patient", "account?", "guarantor", "signals"]', "5")
    assert any(
        ": events.ADT^A04: expected a list" in each for each in problems(f"{SITE}guarantor = false\n", base_toml=base)
    )
    strange = 'signals = ["x"]\n' + BASE.partition("[[signals]]")[0]
    assert any("base.toml:1: signals[1]: expected a signal" in each for each in problems(SITE, base_toml=strange))
    odd = "signals = 5\n" + BASE.partition("[[signals]]")[0]
    assert problems(SITE + '[[signals]]\nname = "hold"\nfrom = "ZHO-1"\n', base_toml=odd) == []
    assert problems("tables = 5\n" + SITE, base_toml=BASE)[0].endswith("expected tables of codes ([tables.payer])")


# ---- tables in CSV files --------------------------------------------------------------------------------------------


def test_the_shipped_mapping_can_be_extended_in_ten_lines():
    """As docs/mapping.md says."""
    text = """\
format = 1
name = "northgate"
extends = "generic"
[account]
number = ["PID-18.1", "PV1-19.1"]
[tables.payer]
NGPAY = "insurance"
"""
    assert checked(text, generic_toml=GENERIC) == []
