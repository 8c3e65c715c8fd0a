"""A file of signals is read whole, or every problem in it is told by its line."""

from __future__ import annotations

import datetime as dt

import pytest

from hl7bridge.layouts.signals_csv import SignalLine, parse_signals


def told(text: str) -> list[tuple[int, str]]:
    found = parse_signals(text)
    return [(problem.line, problem.problem) for problem in found.problems]


def test_columns_may_stand_in_any_order_and_the_optional_ones_be_left_out():
    """A byte order mark, blank lines, spaces and bare line feeds are taken."""
    found = parse_signals("\ufeffvalue, NAME,account\n\nyes, cease ,A1001\n,,\n")
    assert found.problems == ()
    assert found.lines == (SignalLine(3, "A1001", None, "cease", "yes", None, None),)


def test_the_optional_columns_are_read():
    """Facility, day and source; an empty cell is as good as none."""
    text = "account,name,value,facility,observed_on,source,until\r\n"
    found = parse_signals(
        text + "A1,dispute,open,NORTHGATE,2026-02-28,ledger desk,2026-04-30\r\nA2,dispute,open,,,,\r\n"
    )
    assert found.lines == (
        SignalLine(2, "A1", "NORTHGATE", "dispute", "open", dt.date(2026, 2, 28), "ledger desk", dt.date(2026, 4, 30)),
        SignalLine(3, "A2", None, "dispute", "open", None, None),
    )


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", [(1, "there is no header; it names account, name, value")]),
        ("account,name\n", [(1, "column value is missing")]),
        (
            "account,name,value,colour,name\n",
            [
                (1, "column 4 is not known (one of account, name, value, facility, observed_on, until, source)"),
                (1, "column name is there twice"),
            ],
        ),
        ("account,name,value\nA1,cease\n", [(2, "2 fields, and the header has 3")]),
        ("account,name,value\n,cease,yes\n", [(2, "account is empty")]),
        ("account,name,value\n,,yes\n", [(2, "account is empty"), (2, "name is empty")]),
        ("account,name,value\nA1,ceese,yes\n", [(2, "name: not a signal (did you mean cease?)")]),
        ("account,name,value\nA1,cease,maybe\n", [(2, "value: not a value of cease (one of no, yes)")]),
        (
            "account,name,value,observed_on\nA1,cease,yes,28.2.2026\n",
            [(2, "observed_on: not a day (YYYY-MM-DD)")],
        ),
        (
            "account,name,value,until\nA1,cease,yes,tomorrow\n",
            [(2, "until: not a day (YYYY-MM-DD)")],
        ),
    ],
)
def test_a_problem_is_told_with_its_line_and_no_value(text, problems):
    """Lines are counted as an editor counts them."""
    assert told(text) == problems


def test_all_problems_of_a_file_are_told():
    """Good lines between bad ones are still read, and it is the caller who stores all or nothing."""
    text = 'account,name,value\nA1,cease,maybe\nA2,cease,yes\nA3,"ce\nase",yes\nA4,cease,"yes\n'
    found = parse_signals(text)
    assert [line.account for line in found.lines] == ["A2"]
    assert told(text) == [
        (2, "value: not a value of cease (one of no, yes)"),
        (4, "name: not a signal (did you mean cease?)"),
        (6, "not CSV: unexpected end of data"),
    ]
