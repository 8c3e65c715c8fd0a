"""The converters a mapping may name: what each takes, what each refuses, and that no refusal quotes what was sent."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.mapping.convert import CONVERTERS, WHOLE_FIELD, convert_field, convert_money
from hl7bridge.mapping.records import NULL
from hl7bridge.message.datatypes import parse_amount
from hl7bridge.message.delimiters import DEFAULT
from hl7bridge.message.escape import escape, unescape
from hl7bridge.message.model import Delimiters

OWN = Delimiters("$", "*", "+", "!", "%")
THREE = Delimiters("|", "^", "~", "\\", "")


@pytest.mark.parametrize(
    ("converter", "text", "value"),
    [
        ("text", " TESTVILLE ", "TESTVILLE"),
        ("text", r"AT\T\T \S\ \F\ \R\ \E\\X41\ ", "AT&T ^ | ~ \\A"),
        ("text", r"left \as is", r"left \as is"),
        ("date", "20260105", dt.date(2026, 1, 5)),
        ("date", "20260105103000-0600", dt.date(2026, 1, 5)),
        ("date", "202601051030", dt.date(2026, 1, 5)),
        ("money", "150.00", Decimal("150.00")),
        ("money", "150", Decimal("150.00")),
        ("money", "-.5", Decimal("-0.50")),
        ("money", "+7.", Decimal("7.00")),
        ("money", "0.000000", Decimal("0.00")),
        ("money", "100&USD", Decimal("100.00")),
        ("money", "100.00&usd", Decimal("100.00")),
        ("money", "150.00^USD", Decimal("150.00")),
        ("money", "150.00&USD^UP^1.00^2.00", Decimal("150.00")),
        ("money", "150.00^UP^1.00", Decimal("150.00")),
        ("number", " 2 ", Decimal(2)),
        ("number", "-1.5", Decimal("-1.5")),
        ("number", ".25", Decimal("0.25")),
        ("number", "3.", Decimal(3)),
        ("flag", "Y", True),
        ("flag", " n", False),
        ("flag", "Yes", True),
        ("integer", " 12", 12),
        ("integer", "0", 0),
        ("phone", "(555)555-0143^PRN^PH", "(555)555-0143"),
        ("phone", "^PRN^PH^^1^555^5550143", "5555550143"),
        ("phone", "^PRN^PH^^^^^^^^^555 0143", "555 0143"),
        ("phone", "~555-0143", ""),
        ("phone", '""^PRN^PH', NULL),
        ("phone", r"555\T\0143", "555&0143"),
        ("phone", "555-0143~555-0199", "555-0143"),
        ("field", "T1^^^HOSP&1.2.3&ISO^MR~T2\\T\\", "T1^^^HOSP&1.2.3&ISO^MR~T2\\T\\"),
    ],
)
def test_a_converter_gives_what_a_person_would_read(converter, text, value):
    """Each converter, in the forms that senders use."""
    assert CONVERTERS[converter](text, DEFAULT) == value


@pytest.mark.parametrize(
    ("converter", "text"),
    [
        ("date", "2026"),
        ("date", "202601"),
        ("date", "20260230"),
        ("date", "05/01/2026"),
        ("date", "\uff12\uff10\uff12\uff16\uff10\uff11\uff10\uff15"),  # digits, and not ASCII
        ("money", ""),
        ("money", "TEN"),
        ("money", "1,000.00"),
        ("money", "$5.00"),
        ("money", "10.001"),
        ("money", "--5"),
        ("money", "1e5"),
        ("money", "100.00&EUR"),
        ("money", "100.00^EUR"),
        ("money", "100.00~50.00"),
        ("number", "two"),
        ("number", "NaN"),
        ("number", "1e999999999"),
        ("number", "1_000"),
        ("number", "Infinity"),
        ("number", "."),
        ("number", "9" * 16),
        ("flag", "MAYBE"),
        ("flag", "1"),
        ("integer", "-1"),
        ("integer", "1.0"),
        ("integer", "²"),
        ("integer", "9" * 10),
    ],
)
def test_what_is_not_of_the_kind_is_refused_and_never_quoted(converter, text):
    """The error says what was expected; the text may be a patient's and is not in it."""
    with pytest.raises(ValueError, match=r"\w") as raised:
        CONVERTERS[converter](text, DEFAULT)
    assert len(text) < 3 or text not in str(raised.value)


def test_every_converter_has_its_line_in_the_documentation_of_itself():
    """What a mapping's author reads about a converter is its docstring."""
    assert all(convert.__doc__ for convert in CONVERTERS.values())
    assert CONVERTERS.keys() > WHOLE_FIELD


def test_money_without_a_subcomponent_sign_is_read_as_one_component():
    """MSH-2 of three signs has no subcomponents: the ampersand is no division, and no part of a number."""
    assert convert_money("5.00", THREE) == Decimal("5.00")
    assert convert_money("5^USD", THREE) == Decimal("5.00")


@given(st.from_regex(r"[-+]?[0-9]{1,4}(\.[0-9]{0,2})?(&[A-Z]{0,3})?(\^[A-Z0-9.]{0,5}){0,2}", fullmatch=True))
def test_money_is_the_amount_of_the_data_type_whatever_stands_beside_it(text):
    """The short way for the usual forms gives what the data type's own parser gives, or refuses likewise."""
    try:
        amount = parse_amount(text, DEFAULT)
        expected = amount.amount if amount.currency in {None, "USD"} else None
    except ValueError:
        expected = None
    try:
        found = convert_money(text, DEFAULT)
    except ValueError:
        found = None
    assert found == expected


def test_a_whole_field_is_sent_back_in_the_standards_signs_when_the_sender_used_others():
    """What divides stays dividing, what is data stays data: a caret in a name is escaped, a star is not."""
    assert convert_field("T1***HOSP%1.2*MR+T2", OWN) == "T1^^^HOSP&1.2^MR~T2"
    assert convert_field("O^NEIL|A", OWN) == r"O\S\NEIL\F\A"
    assert convert_field("FIVE!S!STAR!F!!E!", OWN) == "FIVE*STAR$!"
    assert convert_field("A!", OWN) == "A!"
    assert convert_field("A&B", THREE) == r"A\T\B"


data = st.text(st.sampled_from("AB ^~&|\\*+!%$\r\n"), max_size=6)


@given(st.lists(st.lists(data, min_size=1, max_size=3), min_size=1, max_size=3))
def test_every_value_of_a_field_survives_the_change_of_signs(repetitions):
    """Whatever a component says, in any signs, reads the same in the field that is echoed."""
    text = OWN.repetition.join(
        OWN.component.join(escape(value, OWN) for value in components) for components in repetitions
    )
    echoed = convert_field(text, OWN)
    found = [
        [unescape(part, DEFAULT) for part in repetition.split(DEFAULT.component)]
        for repetition in echoed.split(DEFAULT.repetition)
    ]
    assert found == repetitions
