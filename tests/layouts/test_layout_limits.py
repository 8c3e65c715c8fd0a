"""What a layout cannot hold is told before anything is written, one placement or notice at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_samples import ABOUT, COLUMNS, PLACEMENT, notice

from hl7bridge.layouts.fixed import Position, Record, cut_record, encode_record
from hl7bridge.layouts.placements_csv import encode_trailer, parse_trailer
from hl7bridge.layouts.plain import digits, plain, plain_or_marked
from hl7bridge.layouts.registry import LAYOUTS
from hl7bridge.placement.records import NoticeKind


@pytest.mark.parametrize(
    ("layout", "field", "value", "problem"),
    [
        ("aim", "client_account", "A" * 31, "client_account is longer than 30 characters"),
        ("aim", "placement_id", "1234567890", "placement_id is longer than 9 characters"),
        ("aim", "guarantor_street", "S" * 101, "guarantor_street is longer than 100 characters"),
        ("aim", "guarantor_family_name", "\u6e2c\u8a66", "guarantor_family_name has characters that the"),
        ("tsi", "client_account", "A" * 21, "client_account is longer than 20 characters"),
        ("tsi", "client_account", "=1+1", "client_account begins like a formula"),
        ("tsi", "placement_id", "12345678901", "placement_id has more than 10 digits"),
        ("tsi", "patient_given_name", "\u6e2c\u8a66", "patient_given_name has characters that the layout"),
    ],
)  # fmt: skip
def test_a_placement_that_does_not_fit_is_told(layout, field, value, problem):
    """The problem names the column and not the value; a file with such a placement is not written at all."""
    row = tuple((PLACEMENT | {field: value}).values())
    assert LAYOUTS[layout].placement_problem(COLUMNS, row).startswith(problem)
    with pytest.raises(ValueError, match=problem):
        LAYOUTS[layout].encode_placements(COLUMNS, [row], ABOUT)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_placement_that_fits_has_no_problem(layout):
    """Accents are written plainly, or as they are."""
    assert LAYOUTS[layout].placement_problem(COLUMNS, tuple(PLACEMENT.values())) == ""


@pytest.mark.parametrize("layout", ["csv", "jsonl"])
@given(values=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=3, max_size=3))
def test_csv_and_jsonl_hold_any_text(layout, values):
    """So nothing is ever kept back for its characters or its length."""
    columns = ("placement_id", "client_account", "balance")
    assert LAYOUTS[layout].placement_problem(columns, values) == ""
    assert LAYOUTS[layout].encode_placements(columns, [values], ABOUT)


@pytest.mark.parametrize(
    ("layout", "change", "problem"),
    [
        ("tsi", {"kind": NoticeKind.DEMOGRAPHIC}, "the layout tsi has no record for demographic"),
        ("aim", {"kind": NoticeKind.REFERENCE, "client_account": "A" * 31}, "client_account is longer than 30"),
        ("aim", {"changes": (("guarantor_street", "S" * 101),)}, "guarantor_street is longer than 100 characters"),
        ("aim", {"changes": (("guarantor_street", "\u6e2c"),)}, "guarantor_street has characters that the layout aim"),
    ],
)  # fmt: skip
def test_a_notice_that_does_not_fit_is_told(layout, change, problem):
    """A change of number or of a person that has no room; a stop always has."""
    kept = notice(**({"kind": NoticeKind.DEMOGRAPHIC} | change))
    assert LAYOUTS[layout].notice_problem(kept).startswith(problem)
    with pytest.raises(ValueError, match=problem):
        LAYOUTS[layout].encode_notices([kept], ABOUT)


def test_csv_and_jsonl_hold_any_notice():
    """None is kept back."""
    assert {LAYOUTS[name].notice_problem(notice(kind)) for name in ("csv", "jsonl") for kind in NoticeKind} == {""}


def test_tsi_writes_nothing_that_a_spreadsheet_would_run():
    """A leading sign goes, but of an amount; a pipe inside a value becomes a space."""
    values = PLACEMENT | {"guarantor_street": "=1+1|2", "guarantor_city": "-@TOWN", "balance": "-1.00"}
    line = LAYOUTS["tsi"].encode_placements(tuple(values), [tuple(values.values())], ABOUT).split(b"\r\n")[1]
    assert line.split(b"|")[4:7] == [b"1+1 2", b"", b"TOWN"]
    assert line.split(b"|")[28] == b"-1.00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AURÉLIA", "AURELIA"),
        ("Łódź ß æ", "Lodz ss ae"),
        ("O\N{RIGHT SINGLE QUOTATION MARK}BRIEN", "O'BRIEN"),
        ("", ""),
        ("\u6e2c", None),
        ("A\tB", None),
    ],
)
def test_text_is_written_plainly_or_not_at_all(text, expected):
    """Accents go; a letter with a usual spelling gets it; another script has none."""
    assert plain(text) == expected


def test_text_that_must_be_written_is_marked_where_it_cannot_be():
    """Only the reason of a notice, which stands beside its code."""
    assert plain_or_marked("É\u6e2c\t1") == "E??1"
    assert digits("+1 (555) 010-2") == "15550102"


def test_a_fixed_record_has_each_value_at_its_position():
    """Positions are counted from 1; a value that does not fit is refused, not cut."""
    record = Record("ABCD", 12, (Position("one", 5, 8), Position("two", 9, 10)))
    data = encode_record(record, {"one": "xyz"})
    assert data == b"ABCDxyz     "
    assert cut_record(data.decode(), record.positions) == {"one": "xyz", "two": ""}
    with pytest.raises(ValueError, match="two is longer than 2 characters"):
        encode_record(record, {"two": "123"})


TRAILER = {
    "file": "inventory-000001.csv",
    "number": "1",
    "agency": "sample",
    "records": "2",
    "balance_total": "275.50",
    "sha256": "ab" * 32,
}


def trailer(**changes: str) -> bytes:
    rows = (TRAILER | changes).items()
    return b"\xef\xbb\xbfkey,value\r\n" + "".join(f"{key},{value}\r\n" for key, value in rows).encode() + b"\r\n"


def test_a_trailer_of_an_agency_needs_no_more_than_proves_the_file():
    """What it leaves out has a default; a byte order mark and a blank line are taken."""
    found = parse_trailer(trailer())
    assert (found.number, found.records, found.kind, found.layout, found.layout_version) == (
        1,
        2,
        "placements",
        "csv",
        1,
    )
    said = found._replace(kind="inventory", layout="aim", layout_version=2, created_at="2026-03-02T14:00:00.000Z")
    assert parse_trailer(encode_trailer(said)) == said


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"file": "../inventory.csv"}, "the trailer's file is not understood"),
        ({"file": "a\\b.csv"}, "the trailer's file is not understood"),
        ({"number": "1.0"}, "the trailer's number is not understood"),
        ({"records": "\u0662"}, "the trailer's records is not understood"),
        ({"balance_total": "1e9"}, "the trailer's balance_total is not understood"),
        ({"sha256": "ab"}, "the trailer's sha256 is not understood"),
        ({"layout_version": "one"}, "the trailer's layout_version is not understood"),
        ({"kind": "statuses\r\nnumber,2"}, "the trailer says something twice"),
    ],
)
def test_a_trailer_that_is_not_understood_is_refused(changes, problem):
    """No path, no other digits, no number in another form, nothing said twice."""
    with pytest.raises(ValueError, match=problem):
        parse_trailer(trailer(**changes))
