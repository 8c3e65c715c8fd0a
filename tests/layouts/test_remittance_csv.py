"""An agency's file is read whole, or every problem is named by its line."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payment_samples import NOW

from hl7bridge.layouts.layout import MOST_BYTES
from hl7bridge.layouts.registry import REMITTANCE_LAYOUTS, remittance_layout
from hl7bridge.layouts.remittance import Reading
from hl7bridge.layouts.remittance_csv import parse_remittance_csv, parse_remittance_jsonl
from hl7bridge.payments.payment import PaymentKind

READING = Reading("sample", NOW)
HEADER = "agency_payment_id,account,amount,date"


def parse_remittance(text, agency, now):
    return parse_remittance_csv(text.encode("utf-8", "surrogatepass"), Reading(agency, now))


def problems(text):
    return [(line, problem) for line, problem in parse_remittance(text, "sample", NOW).problems]


def test_a_file_becomes_payments():
    """With the line each came from."""
    text = f"{HEADER},kind,facility\nCHK1,5027440,150.00,2026-01-14,payment,NORTHGATE\nCHK2,77,5,2026-01-13,reversal,\n"
    remittance = parse_remittance(text, "sample", NOW)
    assert remittance.problems == ()
    one, two = remittance.records
    assert (one.line, one.account, one.facility, one.payment.amount) == (2, "5027440", "NORTHGATE", Decimal("150.00"))
    assert (two.line, two.account, two.facility, two.payment.kind) == (3, "77", None, PaymentKind.REVERSAL)
    assert two.payment.agency == "sample"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_blank_lines_and_any_line_end_are_taken(end):
    """As spreadsheets write them; columns in any order."""
    rows = [
        "\ufeffdate,Amount,account,agency_payment_id",
        "2026-01-14,1.00,77,A",
        "",
        ",,,",
        "2026-01-14,2.00,77,B",
        "",
    ]
    remittance = parse_remittance(end.join(rows), "sample", NOW)
    assert remittance.problems == ()
    assert [(line.line, line.payment.agency_payment_id) for line in remittance.records] == [(2, "A"), (5, "B")]


def test_every_problem_is_named_by_its_line():
    """Good lines do not hide bad ones."""
    text = f"{HEADER}\nA,77,1.00,2026-01-14\nB,77,x,y\nC,,1.00,2026-01-14\nD,77,1.00\nE,77,1.00,2026-01-14,,\n"
    found = problems(text)
    assert [line for line, _ in found] == [3, 3, 4, 5, 6]
    assert found[2][1].startswith("account:")
    assert found[3][1] == "1 cell too few"
    assert found[4][1] == "2 cells too many"


def test_a_quoted_cell_may_hold_a_comma_and_a_line_end_moves_the_count():
    """Lines are counted as an editor counts them."""
    text = f'{HEADER}\n"A,1",77,1.00,2026-01-14\n"B\n2",77,1.00,2026-01-14\nC,77,zero,2026-01-14\n'
    assert [line for line, _ in problems(text)] == [3, 5]


def test_the_same_id_twice_in_a_file_is_refused():
    """Even with the same content: somebody pasted it twice."""
    text = f"{HEADER}\nA,77,1.00,2026-01-14\nB,77,1.00,2026-01-14\nA,77,1.00,2026-01-14\n"
    assert problems(text) == [(4, "the same agency_payment_id as line 2")]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "@SUM(A1)"])
def test_what_a_spreadsheet_would_run_is_refused(cell):
    """In any column."""
    assert any("formula" in problem for _, problem in problems(f"{HEADER}\nA,{cell},1.00,2026-01-14\n"))


def test_an_amount_below_zero_is_refused():
    """Money that went back is kind reversal."""
    assert problems(f"{HEADER}\nA,77,-1.00,2026-01-14\n")[0][1].startswith("amount: expected more than zero")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "no header"),
        ("\n\n", "no header"),
        (f"{HEADER}\n", "no payments"),
        ("A,77,1.00,2026-01-14\n", "the header has no agency_payment_id, account, amount, date"),
        ("agency_payment_id,account,amount\n", "the header has no date"),
        (f"{HEADER},patient_name\nA,77,1.00,2026-01-14,TESTPATIENT\n", "1 unknown column;"),
        (f"{HEADER},x,y\n", "2 unknown columns;"),
        (f"{HEADER},date\n", "names a column twice"),
        (f'{HEADER}\n"A,77,1.00,2026-01-14\n', "not CSV"),
    ],
)
def test_a_file_of_another_shape_is_refused(text, wanted):
    """In words that name what was expected; no cell is quoted."""
    found = problems(text)
    assert any(wanted in problem for _, problem in found)
    assert not any("TESTPATIENT" in problem for _, problem in found)


@given(st.text(max_size=200))
def test_no_text_is_too_strange(text):
    """Whatever it is, there are lines or there are problems."""
    remittance = parse_remittance(text, "sample", NOW)
    assert bool(remittance.records) or bool(remittance.problems)


@given(st.lists(st.decimals(Decimal("0.01"), Decimal("99999.99"), places=2), min_size=1, max_size=30))
def test_the_payments_of_a_file_add_up_to_the_cent(amounts):
    """No float anywhere."""
    rows = [f"CHK{number},77,{amount},2026-01-14" for number, amount in enumerate(amounts)]
    remittance = parse_remittance("\n".join([HEADER, *rows]), "sample", NOW)
    assert sum(line.payment.amount for line in remittance.records) == sum(amounts)


def test_a_file_may_say_whose_payments_they_are():
    """By a column; it must agree with whom the file is imported for, and is needed when nobody is named."""
    text = f"{HEADER},agency\nA,77,1.00,2026-01-14,sample\nA,77,1.00,2026-01-14,second\nB,77,1.00,2026-01-14,\n"
    for_all = parse_remittance(text, None, NOW)
    assert [line.payment.agency for line in for_all.records] == ["sample", "second"]
    assert [(line, problem) for line, problem in for_all.problems if line == 4] == [(4, "agency: none is named")]
    assert problems(text) == [(3, "agency: not the one the file is imported for")]


def test_a_file_that_is_too_long_is_not_read_and_one_with_a_hundred_problems_not_further():
    """Whatever else is in it."""
    for parse in (parse_remittance_csv, parse_remittance_jsonl):
        assert parse(b" " * (MOST_BYTES + 1), READING).problems[0].line == 1
    assert len(problems(f"{HEADER}\n" + "A\n" * 200)) == 100
    assert len(parse_remittance_jsonl(b"x\n" * 200, READING).problems) == 100


def test_more_records_than_are_taken_are_a_problem(monkeypatch):
    """The file is read no further."""
    monkeypatch.setattr("hl7bridge.layouts.remittance.MOST_RECORDS", 2)
    rows = "".join(f"A{number},77,1.00,2026-01-14\n" for number in range(9))
    assert problems(f"{HEADER}\n{rows}") == [(4, "more than 2 records")]


def test_bytes_that_are_not_utf_8_are_told_by_their_line():
    """Also after a byte order mark."""
    parsed = parse_remittance_csv(b"\xef\xbb\xbfa\nb\xff", READING)
    assert parsed.problems == ((2, "not UTF-8; save the file as CSV UTF-8"),)


def test_an_object_a_line_is_a_payment():
    """With the names of csv; numbers are read digit by digit, blank lines are skipped."""
    lines = [
        b'\xef\xbb\xbf{"agency_payment_id":"A","account":"77","amount":0.10,"date":"2026-01-14","fee":null}',
        b"",
        b'{"agency_payment_id":"B","placement_id":41,"amount":"5","date":"2026-01-14"}',
    ]
    parsed = parse_remittance_jsonl(b"\n".join(lines), READING)
    assert parsed.problems == ()
    assert [(each.line, each.account, each.placement_id) for each in parsed.records] == [(1, "77", None), (3, "", 41)]
    assert parsed.total == Decimal("5.10")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"", "no payments"),
        (b"[]", "not an object"),
        (b"{", "not JSON, at column"),
        (b'{"a": [1]}', "an object or a list inside"),
        (b"\xff", "not UTF-8"),
        (b'{"account":"77"}', "the object has no agency_payment_id, amount, date"),
        (b'{"agency_payment_id":"A","account":"7","amount":"1","date":"2026-01-14","x":1}', "the object has 1 unknown"),
    ],
)
def test_what_is_wrong_with_an_object_is_told(text, wanted):
    """By its line, and without its values."""
    [problem] = parse_remittance_jsonl(text, READING).problems
    assert problem.line == 1
    assert problem.problem.startswith(wanted)


@pytest.mark.parametrize(
    ("own", "name", "layout"), [("aim", "r-1.csv", "csv"), ("aim", "r-1.JSONL", "jsonl"), ("ygc", "r-1.txt", "ygc")]
)
def test_the_suffix_tells_how_a_file_is_written(own, name, layout):
    """Else it is as the agency writes."""
    assert remittance_layout(own, name) == layout
    assert layout in REMITTANCE_LAYOUTS
