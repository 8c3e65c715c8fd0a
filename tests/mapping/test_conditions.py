"""Conditions, constants and what a null clears: when a record, a source or a segment counts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from feed_samples import adt, dft, ft1, message, pid, pv1
from mapping_samples import ACCOUNT, HEAD, compiled, person, problems, records

from hl7bridge.errors import MessageError
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.records import NULL
from hl7bridge.message.parse import parse_message

ENTRY = """[entry]
{0}
kind = "FT1-6.1"
amount = "FT1-11"
service_on = "FT1-4"
"""
DFT = f'{HEAD}[events]\n"DFT^P03" = ["account", "entry"]\n{ACCOUNT}'


def registered(**fields):
    return message("ADT^A04", "C1", pid(**fields))


@pytest.mark.parametrize(
    ("condition", "kinds"),
    [
        ('{ path = "FT1-6.1", is = "CG" }', ["CG"]),
        ('{ path = "FT1-6", in = ["CG", "PY"] }', ["CG", "PY"]),
        ('{ path = "FT1-6", in = "PY" }', ["PY"]),
        ('{ path = "FT1-6", not_in = ["CG", "PY"] }', ["AJ"]),
        ('{ path = "FT1-6", starts_with = ["C", "A"] }', ["CG", "AJ"]),
        ('{ path = "FT1-13.2", present = true }', ["PY"]),
        ('{ path = "FT1-13.2", absent = true }', ["CG", "AJ"]),
        ('{ path = "FT1-13.2.1", is = "LAB" }', ["PY"]),
        ('{ path = "FT1-13.2.2", is = "X" }', ["PY"]),
        ('{ path = "FT1-13(2)", is = "LAB2" }', ["PY"]),
        ("{ path = \"FT1-13 where 1 = 'LAB2'\", present = true }", ["PY"]),
        ('[{ path = "FT1-6", starts_with = "C" }, { path = "FT1-2", is = "TTX2" }]', []),
        ('{ path = "PID-18.1", is = "TACC1" }', ["CG", "PY", "AJ"]),
        ('{ path = "FT1[3]-6.1", is = "AJ" }', ["CG", "PY", "AJ"]),
        ('{ path = "FT1[4]-6.1", absent = true }', ["CG", "PY", "AJ"]),
    ],
)
def test_a_segment_counts_when_its_record_says_so(condition, kinds):
    """Of three FT1, those that fit are made; a condition may also look at other segments."""
    if "[3]" in condition or "[4]" in condition:
        condition = condition.replace("FT1[", "ZZ1[")
    mapping = compiled(DFT + ENTRY.format(f"when = {condition}"))
    entries = [ft1("1.00"), ft1("2.00", "PY", "TTX2", f13="^LAB&X~LAB2"), ft1("3.00", "AJ", "TTX3")]
    zz = ["ZZ1||||||CG", "ZZ1", "ZZ1||||||AJ"]
    assert [entry.kind for entry in records(mapping, dft("D1", *entries, *zz)).entries] == kinds


def test_a_source_counts_when_its_condition_holds():
    """Field by field, and the others of the list as before."""
    fields = 'language = ["PID-15", { path = "PID-16", when = { path = "PID-22.1", is = "Y" } }, { constant = "en" }]'
    found = [person(fields, registered(f15=a, f16="FR", f22=b)).language for a, b in (("ES", "Y"), ("", "Y"), ("", ""))]
    assert found == ["ES", "FR", "en"]


def test_a_condition_of_a_field_is_one_of_all_its_sources():
    """Beside each source's own."""
    fields = (
        'language = { from = ["PID-15", { path = "PID-16", when = { path = "PID-22", is = "Y" } }],'
        ' when = { path = "PID-30", absent = true } }'
    )
    rows = [{"f15": "ES"}, {"f15": "ES", "f30": "Y"}, {"f16": "FR", "f22": "Y"}, {"f16": "FR"}]
    assert [person(fields, registered(**row)).language for row in rows] == ["ES", None, "FR", None]


def test_a_null_is_nothing_that_was_said_to_a_condition():
    """Neither present nor any text."""
    fields = (
        'language = { constant = "x", when = { path = "PID-22", present = true } }\n'
        'city = { constant = "x", when = { path = "PID-22", absent = true } }'
    )
    made = person(fields, registered(f22='""'))
    assert (made.language, made.city) == (None, "x")


def test_an_event_may_be_a_condition():
    """A cancelled registration says so by its event alone; a list means that all must hold."""
    text = f"""{HEAD}
[events]
"ADT^A04" = ["account"]
"ADT^A11" = ["account"]
"ADT^A08" = ["account"]
{ACCOUNT}status = [
  {{ constant = "cancelled", when = {{ events = ["ADT^A11"] }} }},
  {{ constant = "closed", when = [{{ events = ["ADT^A08", "ADT^A04"] }}, {{ events = "ADT^A08" }}] }},
]
"""
    mapping = compiled(text)
    found = {event: records(mapping, adt(event=event)).account.status for event in ("A04", "A08", "A11")}
    assert found == {"A04": None, "A08": "closed", "A11": "cancelled"}


def test_a_record_may_be_one_of_some_events_only():
    """It is not even looked at for others, whatever it lacks."""
    text = f"""{HEAD}
[events]
"ADT^A04" = ["account", "patient"]
"ADT^A08" = ["account", "patient"]
{ACCOUNT}
[patient]
when = {{ events = ["ADT^A08"] }}
facility = "MSH-4.1"
number = "PID-3.9"
"""
    mapping = compiled(text)
    assert records(mapping, adt()).patient is None
    with pytest.raises(MessageError, match=r"PID-3\.9: patient number is required"):
        apply_mapping(mapping, parse_message(adt(event="A08")))


def test_a_required_field_that_no_source_can_fill_in_an_event_is_a_mistake():
    """Every message of that event would be refused."""
    text = f"""{HEAD}
[events]
"ADT^A04" = ["patient"]
"ADT^A08" = ["patient"]
[patient]
facility = "MSH-4.1"
number = {{ from = "PID-3.1", when = {{ events = ["ADT^A08"] }} }}
"""
    assert problems(text) == [
        (
            "site.toml:9: patient.number: nothing says it for ADT^A04"
            " (add a source without events, or this event to one of them)"
        )
    ]


def test_a_constant_is_there_whatever_is_sent_and_is_read_as_its_field():
    """A facility that is not in MSH, a day, an amount, a flag."""
    text = f"""{HEAD}
[events]
"DFT^P03" = ["account", "entry"]
[account]
facility = {{ constant = "GOODHOPE" }}
number = "PID-18.1"
[entry]
kind = {{ constant = "CG" }}
amount = ["FT1-11", {{ constant = "5.00" }}]
service_on = {{ constant = "20260101" }}
"""
    made = records(compiled(text), dft("D1", ft1(""), ft1("7.00")))
    assert made.account.facility == "GOODHOPE"
    assert [entry.amount for entry in made.entries] == [Decimal("5.00"), Decimal("7.00")]
    assert made.entries[0].service_on == dt.date(2026, 1, 1)
    assert person('deceased = { constant = "Y" }', registered()).deceased is True


def test_a_constant_that_is_needed_and_does_not_hold_is_missing_at_its_condition():
    """There is no other place to name."""
    text = f"""{HEAD}
[events]
"ADT^A04" = ["patient"]
[patient]
facility = {{ constant = "A", when = {{ path = "MSH-4(2)", is = "A" }} }}
number = "PID-3.1"
"""
    with pytest.raises(MessageError) as raised:
        apply_mapping(compiled(text), parse_message(adt()))
    assert str(raised.value.location) == "MSH-4(2)"


def test_what_a_null_clears_is_the_mappings_word():
    """By default it deletes; with keep it says nothing, and the next source is asked."""
    block = registered(f15='""', f16="FR", f30='""')
    assert person('language = ["PID-15", "PID-16"]', block).language is NULL
    assert person('language = { from = ["PID-15", "PID-16"], null = "keep" }', block).language == "FR"
    assert person('deceased = { from = "PID-30", null = "clear" }', block).deceased is NULL
    assert person('deceased = { from = "PID-30", null = "keep" }', block).deceased is None


def test_entries_may_come_from_a_sites_own_segments():
    """Conditions, choices and tables as in any other."""
    text = f"""{HEAD}
[events]
"DFT^P03" = ["account", "entry"]
{ACCOUNT}
[entry]
each = "ZFT"
when = {{ path = "ZFT-1", is = "P" }}
kind = {{ constant = "PY" }}
amount = "ZFT-3"
service_on = "ZFT-2"
transaction_id = "ZFT-4.1 where 2 = 'ID'"
"""
    rows = ["ZFT|C|20260101|9.00", "ZFT|P|20260102|5.00|X^NO~TTX5^ID", "ZFT|P|20260103|6.00"]
    made = records(compiled(text), dft("D1", ft1(), *rows))
    assert [(entry.amount, entry.transaction_id) for entry in made.entries] == [
        (Decimal("5.00"), "TTX5"),
        (Decimal("6.00"), None),
    ]
    with pytest.raises(MessageError) as raised:
        apply_mapping(compiled(text), parse_message(dft("D1", *rows, "ZFT|P|SOON|1.00")))
    assert str(raised.value.location) == "ZFT[4]-2"


def test_what_conditions_and_choices_look_at_is_kept_so_that_a_replay_sees_it():
    """Fields that no record holds are kept all the same."""
    text = f"""{HEAD}
[events]
"ADT^A04" = ["patient"]
[patient]
when = {{ path = "PV1-2", is = "O" }}
facility = "MSH-4.1"
number = "PID-3.1 where 5 = 'MR'"
language = {{ from = "PID-15", when = {{ path = "PD1-12", absent = true }} }}
city = {{ constant = "TESTVILLE" }}
"""
    mapping = compiled(text)
    assert mapping.keeps == {"PV1": (2,), "MSH": (4,), "PD1": (12,), "PID": (3, 15)}
    assert mapping.named_at["PV1", 2] == ("patient.when", mapping.named_at["PV1", 2][1])
    assert [str(mapping.named_at[at][1]) for at in (("PV1", 2), ("PD1", 12))] == ["site.toml:7", "site.toml:10"]


def test_an_optional_record_whose_condition_fails_is_left_out():
    """As one that is required: a condition is no error."""
    text = f"""{HEAD}
[events]
"ADT^A04" = ["account", "patient"]
{ACCOUNT}when = {{ path = "PV1-2", is = "I" }}
[patient]
facility = "MSH-4.1"
number = "PID-3.1"
"""
    assert records(compiled(text), adt()).account is None
    inpatient = message("ADT^A04", "C1", pid(), pv1(f2="I"))
    assert records(compiled(text), inpatient).account.number == "TACC1"
