"""Converters with options: what each option changes, what is refused, and what a mistake in an option says."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from feed_samples import message, pid
from mapping_samples import HEAD, person, problems

from hl7bridge.mapping.convert_options import CONVERTER_NAMES, OPTIONS, compile_converter
from hl7bridge.mapping.records import NULL
from hl7bridge.message.delimiters import DEFAULT
from hl7bridge.message.model import Delimiters

THREE = Delimiters("|", "^", "~", "\\", "")
FORMS = {"formats": ["%m/%d/%Y", "%d-%b-%Y", "%Y %j", "%m/%d/%Y %H:%M %z", "hl7"]}
CHICAGO = {"zone": "America/Chicago"}
CENTS = {"implied_decimals": 2}
LOOSE = {"loose": True}
E164 = {"form": "e164"}
LINE = "1 SAMPLE ST, APT 2, TESTVILLE, IL 60000-1234, USA"


def day(text):
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("name", "options", "text", "value"),
    [
        ("date", FORMS, "01/31/2026", day("2026-01-31")),
        ("date", FORMS, " 1/5/2026 ", day("2026-01-05")),
        ("date", FORMS, "31-Jan-2026", day("2026-01-31")),
        ("date", FORMS, "2026 032", day("2026-02-01")),
        ("date", FORMS, "01/31/2026 23:30 -0800", day("2026-01-31")),
        ("date", FORMS | CHICAGO, "01/31/2026 23:30 -0800", day("2026-02-01")),
        ("date", FORMS | CHICAGO, "01/31/2026", day("2026-01-31")),
        ("date", FORMS, "20260131233000-0800", day("2026-01-31")),
        ("date", CHICAGO, "20260131233000-0800", day("2026-02-01")),
        ("date", CHICAGO, "202601312330", day("2026-01-31")),
        ("date", CHICAGO, "20260131", day("2026-01-31")),
        ("date", CHICAGO, "20260131-0800", day("2026-01-31")),
        ("money", CENTS, "8500", Decimal("85.00")),
        ("money", CENTS, "5", Decimal("0.05")),
        ("money", CENTS, "-105&USD", Decimal("-1.05")),
        ("money", CENTS, "+0^USD", Decimal("0.00")),
        ("money", {"implied_decimals": 3}, "8500", Decimal("8.50")),
        ("money", {"sign": "negate"}, "85.00&USD", Decimal("-85.00")),
        ("money", {"sign": "negate"}, "0", Decimal("0.00")),
        ("money", {"sign": "absolute"}, "-85.00", Decimal("85.00")),
        ("money", {"sign": "as_sent"}, "-85.00", Decimal("-85.00")),
        ("money", LOOSE, "$1,234.50", Decimal("1234.50")),
        ("money", LOOSE, "-$5", Decimal("-5.00")),
        ("money", LOOSE, "$-5", Decimal("-5.00")),
        ("money", LOOSE, "(1,000,000.25)", Decimal("-1000000.25")),
        ("money", LOOSE, "25.00-", Decimal("-25.00")),
        ("money", LOOSE, "+.5", Decimal("0.50")),
        ("money", LOOSE, " 150.00&USD^UP", Decimal("150.00")),
        ("money", LOOSE | CENTS | {"sign": "negate"}, "$1,250", Decimal("-12.50")),
        ("flag", {"yes": ["Y", "1", "t"], "no": ["N", "0"]}, " T ", True),
        ("flag", {"yes": ["Y", "1", "t"], "no": ["N", "0"]}, "0", False),
        ("phone", E164, "(555)555-0143^PRN^PH", "+15555550143"),
        ("phone", E164, "^PRN^PH^^1^555^5550143", "+15555550143"),
        ("phone", E164 | {"region": "GB"}, "020 7946 0018", "+442079460018"),
        ("phone", E164, "+44 20 7946 0018", "+442079460018"),
        ("phone", E164, "^PRN^PH", None),
        ("phone", E164, '""^PRN', NULL),
        ("phone", {"form": "as_sent"}, "(555)555-0143^PRN^PH", "(555)555-0143"),
        ("name", {"part": "family"}, "TESTPATIENT, AURELIA Q", "TESTPATIENT"),
        ("name", {"part": "given"}, "TESTPATIENT, AURELIA Q X", "AURELIA"),
        ("name", {"part": "middle"}, "TESTPATIENT, AURELIA Q X", "Q X"),
        ("name", {"part": "middle"}, "TESTPATIENT, AURELIA", None),
        ("name", {"part": "given"}, "TESTPATIENT", None),
        ("name", {"part": "family"}, "AURELIA Q TESTPATIENT", "TESTPATIENT"),
        ("name", {"part": "given"}, "AURELIA Q TESTPATIENT", "AURELIA"),
        ("name", {"part": "middle"}, "AURELIA Q TESTPATIENT", "Q"),
        ("name", {"part": "family"}, " ", None),
        ("name", {"part": "family"}, "TESTPATIENT&VAN^AURELIA~OTHER", "TESTPATIENT"),
        ("name", {"part": "given"}, "TESTPATIENT^AURELIA", "AURELIA"),
        ("name", {"part": "middle"}, "TESTPATIENT^AURELIA", None),
        ("name", {"part": "given"}, 'TESTPATIENT^""', NULL),
        ("name", {"part": "given"}, '""~TESTPATIENT, AURELIA', NULL),
        ("name", {"part": "family"}, r"TEST\T\CO, AURELIA", "TEST&CO"),
        ("address", {"part": "street"}, LINE, "1 SAMPLE ST"),
        ("address", {"part": "street_2"}, LINE, "APT 2"),
        ("address", {"part": "city"}, LINE, "TESTVILLE"),
        ("address", {"part": "state"}, LINE, "IL"),
        ("address", {"part": "postal_code"}, LINE, "60000-1234"),
        ("address", {"part": "country"}, LINE, "USA"),
        ("address", {"part": "country"}, "1 SAMPLE ST, TESTVILLE, il, 60000", None),
        ("address", {"part": "state"}, "1 SAMPLE ST, TESTVILLE, il, 60000", "IL"),
        ("address", {"part": "street_2"}, "1 SAMPLE ST, A, B, TESTVILLE IL 60000", "A, B"),
        ("address", {"part": "city"}, "1 SAMPLE ST TESTVILLE IL 60000", None),
        ("address", {"part": "street"}, "1 SAMPLE ST TESTVILLE IL 60000", "1 SAMPLE ST TESTVILLE"),
        ("address", {"part": "street"}, "IL 60000", None),
        ("address", {"part": "street"}, " ", None),
        ("address", {"part": "city"}, '""~x', NULL),
        ("address", {"part": "street"}, "1 SAMPLE ST&X^APT 2^TESTVILLE^IL^60000", "1 SAMPLE ST"),
        ("address", {"part": "country"}, "1 SAMPLE ST^APT 2^TESTVILLE^IL^60000", None),
        ("address", {"part": "postal_code"}, "1 SAMPLE ST^APT 2^TESTVILLE^IL^60000", "60000"),
        ("address", {"part": "state"}, "1 SAMPLE ST^^TESTVILLE, IL 60000", "IL"),
        ("address", {"part": "city"}, "1 SAMPLE ST^^TESTVILLE, IL 60000", "TESTVILLE"),
        ("address", {"part": "postal_code"}, "1 SAMPLE ST^^TESTVILLE^^IL 60000", "60000"),
        ("address", {"part": "city"}, "1 SAMPLE ST^^TESTVILLE^^IL 60000", "TESTVILLE"),
        ("address", {"part": "city"}, "1 SAMPLE ST^^TESTVILLE^^60000", "TESTVILLE"),
        ("address", {"part": "street"}, "1 SAMPLE ST^^TESTVILLE IL 60000", "1 SAMPLE ST"),
        ("address", {"part": "state"}, '1 SAMPLE ST^^TESTVILLE^""^60000', NULL),
    ],
)
def test_an_option_changes_what_is_read(name, options, text, value):
    """And nothing else of the converter."""
    assert compile_converter(name, options)(text, DEFAULT) == value


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("date", FORMS, "31/01/2026"),
        ("date", FORMS, "2026-01-31"),
        ("date", {"formats": ["%m/%d/%Y"]}, "20260131"),
        ("date", FORMS, "\uff10\uff11/31/2026"),
        ("date", CHICAGO, "202601"),
        ("date", CHICAGO, "SOON"),
        ("money", {}, "$5.00"),
        ("money", CENTS, "85.00"),
        ("money", CENTS, "TEN"),
        ("money", CENTS, ""),
        ("money", {"implied_decimals": 3}, "8505"),
        ("money", LOOSE, "1,23.00"),
        ("money", LOOSE, "(5.00"),
        ("money", LOOSE, "-5.00-"),
        ("money", LOOSE, "TEN"),
        ("money", LOOSE, "$5.00^EUR"),
        ("money", LOOSE, ""),
        ("flag", {"yes": ["1"], "no": ["0"]}, "Y"),
        ("phone", E164, "CALL ME"),
        ("phone", E164, "555"),
        ("address", {"part": "city"}, "1 SAMPLE ST, TESTVILLE"),
        ("address", {"part": "city"}, "1 SAMPLE ST " * 50),
    ],
)
def test_what_does_not_fit_is_refused_and_never_quoted(name, options, text):
    """The text may be a patient's."""
    with pytest.raises(ValueError, match=r"\w") as raised:
        compile_converter(name, options)(text, DEFAULT)
    assert len(text) < 3 or text not in str(raised.value)


def test_a_sender_without_subcomponents_has_each_part_whole():
    """The ampersand is a letter, in amounts and names."""
    assert compile_converter("money", LOOSE)("$5^USD", THREE) == Decimal("5.00")
    assert compile_converter("name", {"part": "family"})("A&B^C", THREE) == "A&B"


def test_a_name_or_an_address_is_read_of_the_component_that_a_path_names():
    """Some senders put the whole name into the first component and something else into the second."""
    fields = """\
family_name = { from = "PID-5.1", convert = { name = "name", part = "family" } }
given_name = { from = "PID-5(2)", convert = { name = "name", part = "given" } }
city = { from = "PID-11.1", convert = { name = "address", part = "city" } }
"""
    block = message("ADT^A04", "C1", pid(f5="TEST, AURELIA^X~OTHER, BOREAS", f11="1 A ST, TESTVILLE, IL 60000^Y"))
    made = person(fields, block)
    assert (made.family_name, made.given_name, made.city) == ("TEST", "BOREAS", "TESTVILLE")


def test_every_option_belongs_to_a_converter_that_there_is():
    """The tables of names agree."""
    assert set(OPTIONS) < set(CONVERTER_NAMES)


@pytest.mark.parametrize(
    ("field", "convert", "problem"),
    [
        ("birth_on", 'name = "date", format = "x"', "convert.format: unknown option of the converter date"),
        ("birth_on", 'name = "date", formats = []', "convert.formats: expected a list of texts"),
        ("birth_on", 'name = "date", formats = "hl7"', "convert.formats: expected a list of texts"),
        ("birth_on", 'name = "date", formats = ["%m/%d/%y"]', "has %y (a year of two digits does not name its century"),
        ("birth_on", 'name = "date", formats = ["%q"]', "convert.formats: '%q' has %q (known: %Y"),
        ("birth_on", 'name = "date", formats = ["%m/%Y"]', "convert.formats: '%m/%Y' names no day"),
        ("birth_on", 'name = "date", formats = ["%d/%m"]', "convert.formats: '%d/%m' names no day"),
        ("birth_on", 'name = "date", zone = "Chicago"', "convert.zone: not a time zone"),
        ("birth_on", 'name = "date", zone = 5', "convert.zone: not a time zone"),
        ("birth_on", 'name = "date", zone = "../x"', "convert.zone: not a time zone"),
        ("deceased", 'name = "flag", yes = ["Y"]', "convert.no: expected a list of texts"),
        ("deceased", 'name = "flag", yes = ["Y"], no = ["y"]', "convert.no: a text is there twice"),
        ("deceased", 'name = "flag", yes = [1], no = ["y"]', "convert.yes: expected a list of texts"),
        ("phone", 'name = "phone", form = "e.164"', "convert.form: expected one of as_sent, e164"),
        ("phone", 'name = "phone", form = "e164", region = "us"', "convert.region: not a region"),
        ("phone", 'name = "phone", region = "US"', "convert.region: a number that is left as sent has no region"),
        ("street", 'name = "address"', "convert.part: expected one of street, street_2, city"),
        ("street", 'name = "name", part = "title"', "convert.part: expected one of family, given, middle"),
        ("street", 'name = "text", part = "x"', "convert.part: the converter text has no options"),
        ("street", 'name = "money", sign = "x"', "convert: street holds text, not money"),
        ("street", 'nam = "text"', "street.convert: options of no converter: name is missing"),
    ],
)
def test_a_mistake_in_an_option_says_what_would_be_right(field, convert, problem):
    """At the line of its field."""
    person_of = 'facility = "MSH-4.1"\nnumber = "PID-3.1"\n'
    text = f'{HEAD}[events]\n"ADT^A04" = ["patient"]\n[patient]\n{person_of}'
    (found,) = problems(f'{text}{field} = {{ from = "PID-7", convert = {{ {convert} }} }}\n')
    assert found.startswith(f"site.toml:8: patient.{field}.")
    assert problem in found


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("implied_decimals = 5", "convert.implied_decimals: expected a number from 0 to 4"),
        ("implied_decimals = true", "convert.implied_decimals: expected a number from 0 to 4"),
        ('sign = "minus"', "convert.sign: expected one of as_sent, negate, absolute"),
        ("loose = 1", "convert.loose: expected true or false"),
    ],
)
def test_a_mistake_in_an_option_of_money_says_what_would_be_right(options, problem):
    """As above."""
    text = f'{HEAD}[events]\n"ADT^A04" = ["account", "balance"]\n[account]\nfacility = "MSH-4.1"\nnumber = "PID-18.1"\n'
    convert = f'convert = {{ name = "money", {options} }}'
    (found,) = problems(f'{text}[balance]\nbalance = {{ from = "PV1-46", {convert} }}\n')
    assert found.startswith("site.toml:9: balance.balance.")
    assert problem in found
