"""What the text of a date, an amount, an identifier, a name, an address and a phone means."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.message.datatypes import (
    CX,
    XAD,
    XPN,
    XTN,
    Amount,
    Precision,
    parse_amount,
    parse_cx,
    parse_date,
    parse_timestamp,
    parse_xad,
    parse_xpn,
    parse_xtn,
)
from hl7bridge.message.delimiters import Delimiters

NEW_YORK = ZoneInfo("America/New_York")
THREE_SIGNS = Delimiters("|", "^", "~", "\\", "")


@pytest.mark.parametrize("text", ["20261121", "202611210930", "20261121093015.123-0500", "20261121235959+1400"])
def test_a_date_is_the_day_that_was_sent_whatever_follows_it(text):
    assert parse_date(text) == dt.date(2026, 11, 21)


@pytest.mark.parametrize("text", ["2026", "202611"])
def test_a_year_or_a_month_is_not_a_date(text):
    with pytest.raises(ValueError, match="a date without its day"):
        parse_date(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '""',
        "20260231",
        "00000000",
        "2026112",
        "2026-11-21",
        "20261121 ",
        "20261121T0930",
        "\uff12\uff10\uff12\uff16\uff11\uff11\uff12\uff11",
        "²²²²²²²²",
    ],
)
def test_what_is_not_a_date_is_refused_and_never_quoted(text):
    with pytest.raises(ValueError, match=r"not a date|no such day") as caught:
        parse_date(text)
    assert len(text) < 2 or text not in str(caught.value)


@given(st.dates())
def test_every_day_of_the_calendar_is_read(day):
    assert parse_date(f"{day:%Y%m%d}".zfill(8)) == day


@pytest.mark.parametrize(
    ("text", "parts", "precision"),
    [
        ("2026", (2026, 1, 1), Precision.YEAR),
        ("202611", (2026, 11, 1), Precision.MONTH),
        ("20261121", (2026, 11, 21), Precision.DAY),
        ("2026112109", (2026, 11, 21, 9), Precision.HOUR),
        ("202611210930", (2026, 11, 21, 9, 30), Precision.MINUTE),
        ("20261121093015", (2026, 11, 21, 9, 30, 15), Precision.SECOND),
        ("20261121093015.5", (2026, 11, 21, 9, 30, 15, 500_000), Precision.FRACTION),
        ("20261121093015.1234567", (2026, 11, 21, 9, 30, 15, 123_456), Precision.FRACTION),
    ],
)
def test_a_time_has_the_precision_that_was_sent_and_the_senders_zone(text, parts, precision):
    at = dt.datetime(*parts, tzinfo=NEW_YORK)
    assert parse_timestamp(text, NEW_YORK) == (at, precision)
    west = parse_timestamp(f"{text}-0330", NEW_YORK)
    assert west.at == at.replace(tzinfo=dt.timezone(-dt.timedelta(hours=3, minutes=30)))
    assert parse_timestamp(f"{text}+0000", NEW_YORK).at == at.replace(tzinfo=dt.UTC)


@pytest.mark.parametrize("text", ["", "20261321", "20261121240000", "20261121+0560", "20261121+2500", "202611211", "x"])
def test_what_is_not_a_time_is_refused_and_never_quoted(text):
    with pytest.raises(ValueError, match=r"not a time of|no such time") as caught:
        parse_timestamp(text, NEW_YORK)
    assert len(text) < 2 or text not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("150.00", "150.00", None),
        ("150", "150.00", None),
        ("-12.5", "-12.50", None),
        ("100&USD", "100.00", "USD"),
        ("100&usd&x", "100.00", "USD"),
        ("150.00^USD", "150.00", "USD"),
        ("150.00^UP", "150.00", None),
        ("100&USD^UP^1", "100.00", "USD"),
        ("100&US1", "100.00", None),
        ("0.000000", "0.00", None),
        (".5", "0.50", None),
    ],
)
def test_an_amount_is_read_in_every_form_that_senders_use(text, amount, currency):
    assert parse_amount(text) == Amount(Decimal(amount), currency)


def test_an_amount_is_read_without_a_subcomponent_separator():
    assert parse_amount("150.00^USD", THREE_SIGNS) == Amount(Decimal("150.00"), "USD")


@pytest.mark.parametrize("text", ["", '""', "IRIS", "1,000.00", "$5", "&USD", "10.005", "1e3"])
def test_what_is_not_an_amount_is_refused_and_never_quoted(text):
    with pytest.raises(ValueError, match="a") as caught:
        parse_amount(text)
    assert len(text) < 2 or text not in str(caught.value)


def test_an_identifier_has_its_issuer_and_type():
    assert parse_cx("AC\\T\\1^7^M11^NORTHGATE&1.2.3&ISO^AN^EAST&4.5&ISO~OTHER") == CX(
        "AC&1", "7", "M11", "NORTHGATE", "AN", "EAST"
    )
    assert parse_cx("777^^^^MRN") == CX("777", "", "", "", "MRN", "")
    assert parse_cx("777^^^&1.2.3&ISO").authority == "1.2.3"
    assert parse_cx("777^^^X&Y", THREE_SIGNS).authority == "X&Y"


def test_a_name_has_its_parts_and_null_parts_are_empty():
    assert parse_xpn('VAN TESTPATIENT&VAN^AURELIA^""^JR^DR^MD^L^extra') == XPN(
        "VAN TESTPATIENT", "AURELIA", "", "JR", "DR", "MD", "L"
    )
    assert parse_xpn("") == XPN("", "", "", "", "", "", "")


def test_an_address_has_its_parts():
    assert parse_xad("1 MAIN ST&MAIN ST&1^APT 2^ROCHESTER^NY^14604^USA^H^^MONROE") == XAD(
        "1 MAIN ST", "APT 2", "ROCHESTER", "NY", "14604", "USA", "H", "", "MONROE"
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("(585)555-0143^PRN^PH^^1^585^5550143", "(585)555-0143"),
        ("^PRN^PH^a@example.org^1^585^5550143", "5855550143"),
        ("^PRN^PH^^^^^^^^^+15855550143", "+15855550143"),
        ("^NET^Internet^a@example.org", ""),
    ],
)
def test_a_phone_number_is_the_best_form_that_was_sent(text, number):
    assert parse_xtn(text).number == number
    assert parse_xtn("^NET^Internet^a@example.org") == XTN("", "NET", "Internet", "a@example.org")
