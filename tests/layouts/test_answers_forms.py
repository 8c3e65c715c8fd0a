"""Answers in csv and jsonl as they may be written, and files that are made to do harm."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_samples import answer_problems as problems
from layout_samples import read_answers as read

from hl7bridge.layouts.layout import MOST_PROBLEMS
from hl7bridge.layouts.registry import LAYOUTS
from hl7bridge.placement.records import KINDS, Acknowledgement

READABLE = ["csv", "jsonl"]
RECORDS = [b"AACK", b"AREC", b"AOBJ", b"ACLS", b"ASTS", b"ABKP", b"ATRL"]
ONE = {"placement_id": "41"}


def test_csv_takes_any_order_line_ends_blank_lines_and_a_byte_order_mark():
    """Names in capitals too; the line told is that of an editor."""
    data = b"\xef\xbb\xbfSTATUS, placement_id\n\nskip,41\r\n,,\n\ndispute,42\n"
    found = LAYOUTS["csv"].parse_answers("statuses", data.replace(b",,", b","))
    assert found.problems == ()
    assert [(each.line, each.placement_id) for each in found.records] == [(3, 41), (6, 42)]


def test_csv_with_no_records_is_an_empty_file_and_no_problem():
    """An agency that has no account of ours has an empty inventory."""
    assert LAYOUTS["csv"].parse_answers("inventory", b"placement_id,balance\r\n").records == ()


@pytest.mark.parametrize("value", ["=1+1", "+15550100", "@SUM(A1)", "-1-1", "\tTAB"])
def test_csv_refuses_what_a_spreadsheet_would_run(value):
    """Unless it has the apostrophe that our own files put there: an agency may send our account number back."""
    [(_, problem)] = problems("csv", [{"client_account": value, "status": "skip"}], "statuses")
    assert problem == "client_account: begins like a formula"
    [record] = read("csv", [{"client_account": "'" + value, "status": "skip"}], "statuses").records
    assert record.client_account == value.strip()


def test_csv_takes_a_negative_amount():
    """A credit balance is no formula."""
    [line] = read("csv", [ONE | {"balance": "-12.50"}], "inventory").records
    assert line.balance == Decimal("-12.50")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", [(1, "there is no header")]),
        (b"placement_id,status\r\n41,skip\r\n42,\xff\r\n", [(3, "not UTF-8")]),
        (b"placement_id,status\r\n41,skip,1\r\n", [(2, "3 values, and the header has 2 columns")]),
        (b'placement_id,status\r\n41,"skip\r\n', [(2, "not CSV: unexpected end of data")]),
        (b'"placement_id,status', [(1, "not CSV: unexpected end of data")]),
        (b"status,status,placement_id\r\n", [(1, "the header: status is there twice")]),
        (b",".join(b"c%d" % n for n in range(65)), [(1, "more than 64 columns")]),
        (b"x" * (32 * 1024 * 1024 + 1), [(1, "more than 33554432 bytes")]),
    ],
    ids=range(8),
)
def test_what_is_no_csv_file_is_told_by_line(data, expected):
    """Empty, another encoding, ragged, cut off, too many columns, too large."""
    assert list(LAYOUTS["csv"].parse_answers("statuses", data).problems) == expected


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"[]", "not an object"),
        (b'{"status": ["skip"], "placement_id": 41}', "an object or a list inside"),
        (b'{"status": "skip", "status": "skip", "placement_id": 41}', "a name is there twice"),
        (b'{"placement_id": NaN}', "not a number of JSON"),
        (b'{"placement_id": 41,', "not JSON, at column 21"),
        (b'{"placement_id": "\xff"}', "not UTF-8"),
        (b"[" * 60_000, "not JSON"),
        (b'{"placement_id": "' + b"4" * 65_536 + b'"}', "more than 65536 bytes"),
        (b"{" + b",".join(b'"c%d": 1' % n for n in range(65)) + b"}", "more than 64 names"),
    ],
    ids=range(9),
)
def test_what_is_no_jsonl_record_is_told_by_line(line, problem):
    """Depth, size and doubtful numbers among them; the record before it was read."""
    found = LAYOUTS["jsonl"].parse_answers("statuses", b'{"placement_id": 40, "status": "skip"}\n\n' + line + b"\n")
    assert list(found.problems) == [(3, problem)]
    assert len(found.records) == 1


def test_jsonl_takes_numbers_words_and_null_for_values():
    """Numbers are read digit by digit, never as floats."""
    first = b'{"placement_id": 41, "accepted": true, "balance": 150.10, "code": null}'
    second = b'{"notice_id": 3, "accepted": false, "code": 7}'
    found = LAYOUTS["jsonl"].parse_answers(None, b"\xef\xbb\xbf" + first + b"\n" + second)
    assert found.problems == ()
    assert found.records[0] == Acknowledgement(1, 41, "", True, balance=Decimal("150.10"))
    assert found.records[1] == Acknowledgement(2, None, "", False, "7", notice_id=3)


def test_jsonl_that_is_empty_or_too_large_is_refused():
    """A file that was cut to nothing is not an empty inventory."""
    assert LAYOUTS["jsonl"].parse_answers("inventory", b"\n").problems == ((1, "there is no record"),)
    assert LAYOUTS["jsonl"].parse_answers(None, b"\n" * (32 * 1024 * 1024 + 1)).problems == (
        (1, "more than 33554432 bytes"),
    )
    assert LAYOUTS["jsonl"].parse_answers(None, b"{").problems == ((1, "not JSON, at column 2"),)


@pytest.mark.parametrize("layout", READABLE)
def test_reading_stops_after_enough_problems(layout):
    """A file of another kind does not fill the store with problems."""
    rows = [{"placement_id": "x", "status": "skip"}] * (MOST_PROBLEMS + 50)
    assert len(read(layout, rows, "statuses").problems) == MOST_PROBLEMS


@pytest.mark.parametrize("layout", READABLE)
def test_a_file_with_too_many_records_is_refused(layout, monkeypatch):
    """The limit is told; nothing after it is read."""
    monkeypatch.setattr("hl7bridge.layouts.answers.MOST_RECORDS", 2)
    rows = [{"placement_id": str(number), "status": "skip"} for number in range(5)]
    assert problems(layout, rows, "statuses") == [(3, "more than 2 records")]


def test_tsi_has_no_answers():
    """They come as csv or jsonl, and the problem says so."""
    assert LAYOUTS["tsi"].parse_answers(None, b"H01|41|PL").problems == (
        (1, "the layout tsi has no answers; they come as csv or jsonl"),
    )


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@given(
    kind=st.sampled_from([None, *KINDS]),
    data=st.binary(max_size=200)
    | st.text(st.sampled_from(",\"'\r\n{}[]:=-AREC0123 placement_idstatus"), max_size=200).map(str.encode)
    | st.tuples(st.sampled_from(RECORDS), st.binary(max_size=120)).map(b"".join),
)
def test_no_bytes_make_a_reader_fail(layout, kind, data):
    """Whatever comes: records, or problems with a line; never both none."""
    found = LAYOUTS[layout].parse_answers(kind, data)
    assert all(problem.line >= 1 and problem.problem for problem in found.problems)
    assert all(isinstance(each, KINDS[found.kind]) for each in found.records)
