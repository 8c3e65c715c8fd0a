"""The file an agency reads: RFC 4180, UTF-8, nothing that a spreadsheet would run; and a trailer to prove it whole."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.layouts.placements_csv import (
    PlacementTable,
    Trailer,
    digest_of,
    encode_placements,
    encode_trailer,
    parse_placements,
    parse_trailer,
)

TRAILER = Trailer(
    "placements-sample-000001-20260302.csv", 1, "sample", 2, "275.50", "ab" * 32, "2026-03-02T14:00:00.000Z"
)
cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.from_regex(r"\A'{0,3}[=+\-@\t\r].{0,5}\Z")


def test_a_file_is_a_header_and_a_line_for_each_placement_with_crlf():
    """Commas and quotes inside a value are quoted as RFC 4180 says."""
    data = encode_placements(("placement_id", "street"), [("1", 'ROW "A", 2'), ("2", "ÉLAN")])
    assert data == 'placement_id,street\r\n1,"ROW ""A"", 2"\r\n2,ÉLAN\r\n'.encode()


@pytest.mark.parametrize("value", ["=1+1", "+15550100", "-HYPHEN", "@SUM", "\tTAB", "\rRETURN", "-1.5", "'=1", "''@x"])
def test_a_value_that_a_spreadsheet_would_run_gets_an_apostrophe(value):
    """Reading takes exactly that apostrophe away."""
    data = encode_placements(("name",), [(value,)])
    [_, [cell]] = csv.reader(io.StringIO(data.decode(), newline=""))
    assert cell == "'" + value
    assert parse_placements(data).rows == ((value,),)


@pytest.mark.parametrize("value", ["-12.50", "12.50", "O'BRIEN", "'QUOTED'", "A=B", ""])
def test_a_harmless_value_is_left_as_it_is(value):
    """A negative amount is an amount; an apostrophe in a name is a name."""
    [_, [cell]] = csv.reader(io.StringIO(encode_placements(("name",), [(value,)]).decode(), newline=""))
    assert cell == value


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[cells] * width), min_size=1, max_size=5)))
def test_what_is_written_is_what_is_read(rows):
    """Any text in any field, also line breaks, quotes, apostrophes and formulas."""
    columns, *others = rows
    assert parse_placements(encode_placements(columns, others)) == PlacementTable(columns, tuple(others))


@pytest.mark.parametrize("data", [b"", b"a,b\r\n1\r\n", b'a\r\n"open', b"\xff\r\n"])
def test_what_is_no_placement_file_is_not_read(data):
    """Empty, ragged, cut off, or not UTF-8."""
    with pytest.raises(ValueError, match=r"."):
        parse_placements(data)


def test_a_trailer_tells_file_number_records_total_and_digest():
    """One key and value a line."""
    data = encode_trailer(TRAILER)
    assert data.startswith(b"key,value\r\nfile,placements-sample-000001-20260302.csv\r\nnumber,1\r\nagency,sample\r\n")
    assert b"\r\nrecords,2\r\nbalance_total,275.50\r\nsha256,abab" in data
    assert parse_trailer(data) == TRAILER


def test_a_trailer_that_leaves_something_out_is_refused():
    """The answer names what is missing."""
    data = encode_trailer(TRAILER).replace(b"records,2\r\n", b"")
    with pytest.raises(ValueError, match="the trailer does not say records"):
        parse_trailer(data)


def test_the_digest_is_sha_256_in_hexadecimal():
    """What `sha256sum` prints."""
    assert digest_of(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
