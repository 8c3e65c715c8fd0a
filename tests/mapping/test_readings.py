"""Paths whose repetition is chosen by what it holds: what they mean, what they find, what cannot be read."""

from __future__ import annotations

import pytest
from feed_samples import OWN_SIGNS, message, pid
from mapping_samples import compiled as mapping_of
from mapping_samples import person, records

from hl7bridge.mapping.readings import parse_reading
from hl7bridge.mapping.records import NULL

IDS = "T1^^^CLINIC^PI~T2^^^CLINIC&1.2.3&ISO^MR~T3^^^GOODHOPE&4.5&ISO^MR~T4^^^GOODHOPE^MR"


def registered(**fields):
    return message("ADT^A04", "C1", pid(**fields))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("PID-3.1 where 5 = 'MR'", "T2"),
        ("PID-3.1 where 5='MR' and 4.1='GOODHOPE'", "T3"),
        ("PID-3.1 where 4.2 = '4.5'", "T3"),
        ("PID-3 where 1 = 'T4'", "T4"),
        ("PID-3.4 where 1 = 'T3'", "GOODHOPE&4.5&ISO"),
        ("PID-3.4.2 where 1 = 'T3'", "4.5"),
        ("PID-3.4.2 where 1 = 'T4'", None),
        ("PID-3.1 where 5 = 'AN'", None),
        ("PID-3.1 where 7 = 'MR'", None),
        ("PID-3.1   where   5   =   'MR'   and   1 = 'T4'", "T4"),
    ],
)
def test_the_first_repetition_that_holds_all_of_it_is_the_one(path, found):
    """By type, by authority, by both; when none does, nothing was said."""
    assert person(f'language = "{path}"', registered(f3=IDS)).language == found


def test_a_subcomponent_of_the_first_component_is_read_without_the_others():
    """Alone, as most fields are read; one that is not there says nothing."""
    made = person(
        'language = "PID-15.1.2"\ncity = "PID-16.1.1"\nstate = "PID-22.1.3"',
        registered(f15="A&B^C~D", f16="E&F", f22="G&H"),
    )
    assert (made.language, made.city, made.state) == ("B", "E", None)


def test_either_kind_of_quotes_may_stand_around_the_text():
    """As is easier inside the file's own."""
    assert person("language = 'PID-3.1 where 5 = \"MR\"'", registered(f3=IDS)).language == "T2"


def test_blanks_and_escapes_in_what_is_held_are_read_as_in_any_value():
    """The text that is compared is the text that would be stored."""
    block = registered(f3="T1^^^^AT\\T\\T~T2^^^^ MR ")
    assert person("language = \"PID-3.1 where 5 = 'AT&T'\"", block).language == "T1"
    assert person("language = \"PID-3.1 where 5 = 'MR'\"", block).language == "T2"


def test_a_whole_field_with_where_is_the_repetition_that_was_chosen():
    """The echo of an identifier holds that one alone; a telephone number is the one of its kind."""
    block = registered(f3=IDS, f13="555-0143^PRN^PH~555-0199^PRN^CP")
    made = person(
        "pid_3 = { from = \"PID-3 where 4 = 'GOODHOPE'\", convert = 'field' }\n"
        "phone = { from = \"PID-13 where 3 = 'CP'\", convert = 'phone' }\n"
        "pid_5 = { from = \"PID-3 where 5 = 'XX'\", convert = 'field' }",
        block,
    )
    assert (made.pid_3, made.phone, made.pid_5) == ("T3^^^GOODHOPE&4.5&ISO^MR", "555-0199", None)


def test_a_null_deletes_whatever_would_have_been_chosen():
    """A field of two quotes has no repetition to choose from; a component of two quotes is one."""
    fields = "language = \"PID-15.1 where 2 = 'x'\"\ncity = \"PID-3.1 where 5 = 'MR'\""
    made = person(fields, registered(f3='T1~""^^^^MR', f15='""'))
    assert (made.language, made.city) == (NULL, NULL)


def test_a_sender_with_its_own_signs_is_read_alike():
    """What divides is what MSH says."""
    block = registered(f3="T1^^^A&B^PI~T2^^^A&B^MR").translate(OWN_SIGNS)
    assert person("language = \"PID-3.1 where 5 = 'MR' and 4.2 = 'B'\"", block).language == "T2"


def test_a_sender_without_subcomponents_holds_what_stands_there():
    """The ampersand is a letter like others."""
    block = message("ADT^A04", "C1", pid(f3="T1^^^A&B^PI"), m2="^~\\")
    assert person("language = \"PID-3.1 where 4 = 'A&B'\"", block).language == "T1"
    assert person("language = \"PID-3.1 where 4.2 = 'B'\"", block).language is None


def test_sources_in_order_may_choose_differently():
    """The record number of this hospital, else any, else the first."""
    text = """
format = 1
name = "site"
[events]
"ADT^A04" = ["patient"]
[patient]
facility = "MSH-4.1"
number = ["PID-3.1 where 5 = 'MR' and 4 = 'GOODHOPE'", "PID-3.1 where 5 = 'MR'", "PID-3.1"]
"""
    mapping = mapping_of(text)
    found = [records(mapping, registered(f3=each)).patient.number for each in (IDS, IDS[:40], "T9")]
    assert found == ["T3", "T2", "T9"]


def test_a_reading_says_itself_as_the_file_has_it():
    """For provenance."""
    assert str(parse_reading('FT1[2]-7.1 where 5 = "MR" and 4.2 = "X"')) == "FT1[2]-7.1 where 5 = 'MR' and 4.2 = 'X'"
    assert str(parse_reading("PID-3(2).4")) == "PID-3(2).4"


@pytest.mark.parametrize(
    "text",
    [
        "PID-3.1 where",
        "PID-3.1 where 5",
        "PID-3.1 where 5 = MR",
        "PID-3.1 where 5 = ''",
        "PID-3.1 where 0 = 'MR'",
        "PID-3.1 where 5 = 'MR' or 4 = 'X'",
        "PID-3.1 where 5 = 'MR' and",
        "PID-3.1 where 5 = 'MR' 4 = 'X'",
        "PID-3.1 where 5.1.1 = 'MR'",
        "PID-3(2).1 where 5 = 'MR'",
        "where 5 = 'MR'",
        "PID.3 where 5 = 'MR'",
    ],
)
def test_what_cannot_be_read_says_how_to_write_it(text):
    """Every mistake has its answer in the message."""
    with pytest.raises(ValueError, match="write"):
        parse_reading(text)
