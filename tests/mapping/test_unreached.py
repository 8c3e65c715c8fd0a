"""What no message can ever use is told: undefined events, conditions that never hold, segments nothing reads."""

from __future__ import annotations

import pytest
from mapping_samples import checked

HEAD = 'format = 1\nname = "site"\n'
BODY = """\
[events]
"ADT^A04" = ["patient", "account?", "guarantor"]
"DFT^P03" = ["account", "entry", "signals"]
[patient]
facility = "MSH-4.1"
number = "PID-3.1"
[account]
facility = "MSH-4.1"
number = ["PID-18.1"]
[guarantor]
number = "GT1-2.1"
[entry]
kind = "FT1-6.1"
amount = "FT1-11"
service_on = "FT1-4"
[[signals]]
name = "charity"
from = "ZFA-2"
value = "approved"
"""
SITE = HEAD + BODY


def told(text, **files):
    """Return the key and the problem of each, without file and line."""
    return [each.partition(": ")[2] for each in checked(text, **files)]


def edited(old, new):
    assert SITE.count(old) == 1
    return told(SITE.replace(old, new))


def test_a_mapping_that_uses_all_it_says_is_silent():
    """Or everything below would prove nothing."""
    assert told(SITE) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"DFT^P03" =', '"DTF^P03" =', "events.DTF^P03: HL7 defines no such event (did you mean 'DFT'?)"),
        (
            '"DFT^P03" =',
            '"DFT^P99" =',
            "events.DFT^P99: HL7 defines no such event (correct it, or add an example that shows it)",
        ),
        (
            "[entry]\n",
            '[entry]\nwhen = { events = ["ADT^A04"] }\n',
            "entry.when: no event that makes this record is one of these (made by DFT^P03)",
        ),
        (
            "[entry]\n",
            '[entry]\nwhen = [{ path = "FT1-6", is = "CG" }, { path = "FT1-6", is = "PY" }]\n',
            "entry.when: these conditions never hold together (in = [...] is for one of several texts)",
        ),
        (
            '["PID-18.1"]',
            '["PID-18.1", "PV1-19.1", "PID-18.1"]',
            "account.number[3]: the same as one before it (leave it out)",
        ),
        (
            '["PID-18.1"]',
            '["PID-18.1", { path = "PV1-19.1", when = { events = ["BAR^P01"] } }]',
            "account.number[2].when.events: no event BAR^P01 under [events] (known: ADT^A04, DFT^P03)",
        ),
        (
            'number = "GT1-2.1"',
            'number = ["GT1-2.1", { path = "GT1-3", when = { events = ["DFT^P03"] } }]',
            "guarantor.number[2].when: no event that makes this record is one of these (made by ADT^A04)",
        ),
        (
            "[guarantor]\n",
            '[guarantor]\neach = "ZGT"\n',
            'guarantor.each: nothing of this record is read from ZGT (for example "ZGT-1")',
        ),
        (
            'from = "ZFA-2"',
            'each = "FT1"\nfrom = "ZFA-2"',
            "signals[1].each: nothing of this signal is read from FT1 (leave it out)",
        ),
    ],
)
def test_what_is_never_used_is_told_at_its_place(old, new, problem):
    """With what to do."""
    assert edited(old, new) == [problem]


@pytest.mark.parametrize(
    "second",
    [
        '{ path = "PID-18.1", value = "X" }',
        '{ path = "PID-18.1", table = "t" }',
        '{ path = "PID-18.1", when = { path = "PV1-2", present = true } }',
        '{ path = "PID-18.1", when = { events = ["DFT^P03"] } }',
        "\"PID-18.1 where 5 = 'AN'\"",
        '{ constant = "X" }',
    ],
)
def test_a_place_may_be_read_twice_in_different_ways(second):
    """With another value, table, condition or choice it is another source."""
    text = SITE.replace('["PID-18.1"]', f'["PID-18.1", {second}]') + '[tables.t]\nA = "B"\n'
    assert [each for each in told(text) if "no field uses" not in each] == []


def test_a_fixed_value_beside_a_table_is_told():
    """The table would never be looked at: in a field, or in one source of it."""
    problem = "value: it is taken whatever the code: no table is looked at (leave out one of them)"
    tables = '[tables.kinds]\nA = "CG"\n'
    whole = SITE.replace('"FT1-6.1"', '{ from = "FT1-6.1", table = "kinds", value = "CG" }')
    assert told(whole + tables) == [f"entry.kind.{problem}"]
    part = SITE.replace('"FT1-6.1"', '["FT1-6.1", { path = "FT1-7.1", table = "kinds", value = "CG" }]')
    assert told(part + tables) == [f"entry.kind[2].{problem}"]
    beside = SITE.replace('"FT1-6.1"', '{ from = [{ path = "FT1-7.1", value = "CG" }, "FT1-6.1"], table = "kinds" }')
    assert told(beside + tables) == []


@pytest.mark.parametrize("event", ["ADT^Z01", "ZPM^Z01", "ADT^A60"])
def test_events_of_the_sites_own_and_of_newer_versions_are_real(event):
    """HL7 leaves Z to the sites; A60 is of version 2.8."""
    assert edited('"DFT^P03" =', f'"{event}" = ["patient"]\n"DFT^P03" =') == []


def test_an_event_that_an_example_shows_is_real():
    """Some senders have their own numbers."""
    message = "'''MSH|^~\\&||X|||||DFT^P99|E1|P|2.3\nPID|1||T1\n'''"
    example = f"\n[[examples]]\nmessage = {message}\n[examples.expect]\npatient = 1\n"
    text = SITE.replace('"DFT^P03" =', '"DFT^P99" = ["patient"]\n"DFT^P03" =')
    assert told(text) == ["events.DFT^P99: HL7 defines no such event (correct it, or add an example that shows it)"]
    assert told(text + example) == []


CONTRADICTIONS = (
    ('is = "A"', 'is = "B"'),
    ('in = ["A", "B"]', 'not_in = ["A", "B", "C"]'),
    ('in = ["A", "B"]', 'starts_with = "C"'),
    ("absent = true", "present = true"),
    ("absent = true", 'is = "A"'),
    ("absent = true", 'starts_with = ["A", "B"]'),
)
TOGETHER = (
    ('in = ["A", "B"]', 'in = ["B", "C"]'),
    ('in = ["A", "B"]', 'not_in = ["A"]'),
    ('in = ["AX", "B"]', 'starts_with = "A"'),
    ("absent = true", 'not_in = ["A"]'),
    ("present = true", 'not_in = ["A"]'),
)


@pytest.mark.parametrize(("first", "second"), CONTRADICTIONS)
def test_conditions_on_one_place_that_contradict_each_other_are_told(first, second):
    """In one source; at two places they are no contradiction."""
    pair = '["PID-18.1", {{ path = "PV1-19", when = [{{ path = "PV1-2", {0} }}, {{ path = "PV1-{2}", {1} }}] }}]'
    never = "account.number[2]: its conditions never hold together (in = [...] is for one of several texts)"
    assert edited('["PID-18.1"]', pair.format(first, second, 2)) == [never]
    assert edited('["PID-18.1"]', pair.format(second, first, 2)) == [never]
    assert edited('["PID-18.1"]', pair.format(first, second, 18)) == []


@pytest.mark.parametrize(("first", "second"), TOGETHER)
def test_conditions_that_can_hold_together_are_fine(first, second):
    """They narrow each other."""
    pair = '["PID-18.1", {{ path = "PV1-19", when = [{{ path = "PV1-2", {0} }}, {{ path = "PV1-2", {1} }}] }}]'
    assert edited('["PID-18.1"]', pair.format(first, second)) == []


def test_a_source_that_contradicts_its_record_is_told_once():
    """What the record's own conditions make impossible is not told of each of its fields."""
    record = SITE.replace("[entry]\n", '[entry]\nwhen = { path = "FT1-6", is = "CG" }\n')
    source = record.replace('"FT1-11"', '["FT1-11", { path = "FT1-22", when = { path = "FT1-6", is = "PY" } }]')
    assert told(source) == [
        "entry.amount[2]: its conditions never hold together (in = [...] is for one of several texts)"
    ]


def test_entries_of_another_segment_that_still_read_the_usual_one_are_told():
    """Every entry would get the same number: that of the first FT1."""
    base = SITE.replace('"site"', '"base"')
    text = f'{HEAD}extends = "base"\n[entry]\neach = "ZFT"\nkind = "ZFT-1"\namount = "ZFT-2"\n'
    assert told(text, base_toml=base) == [
        (
            "entry.each: inherited, and still read from the first FT1: service_on"
            " (say where each is in ZFT, or service_on = false)"
        )
    ]
    assert told(f'{text}service_on = "ZFT-3"\n', base_toml=base) == []


def test_what_is_inherited_may_be_of_no_use_to_the_site():
    """It is of use to others."""
    base = SITE.replace('"site"', '"base"').replace('"FT1-4"', '["FT1-4", "FT1-4"]')
    assert "the same as one before it" in " ".join(told(base.replace('"base"', '"site"')))
    assert told(f'{HEAD}extends = "base"\n', base_toml=base) == []


@pytest.mark.parametrize("old", ["[events]", '"ADT^A04" = ["patient", "account?", "guarantor"]'])
def test_a_file_whose_events_cannot_be_read_is_told_so_and_nothing_fails(old):
    """The other mistakes wait."""
    assert told(SITE.replace(old, "x = 1\n[events2]" if old == "[events]" else '"ADT^A04" = 5'))
