"""Lockbox files byte for byte, what does not fit into them, and what an acknowledgement may say."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from hl7bridge.layouts.lockbox import Acknowledged, LockboxRecord, encode_lockbox, find_misfit, parse_acknowledgement

DAY = dt.date(2026, 1, 15)
RECORD = LockboxRecord(
    "A1B200000001", "5027440", "", dt.date(2026, 1, 14), "PY", "AGYPAY", Decimal("150.00"), "CHK", "sample", "CHK4417"
)
BACK = RECORD._replace(transaction_id="A1B200000002", guarantor="70088", amount=Decimal("-1150.05"), method="")


def test_a_fixed_width_file_has_everything_at_its_position():
    """Header, a record for each FT1, and a trailer with the sum and the count; a guarantor's account goes first."""
    lines = encode_lockbox("a", "77", DAY, [RECORD, BACK]).decode("ascii").split("\r\n")
    assert lines == [
        "H2026011577        ",
        "D20260114B200000001000000000150.005027440             CHK   AGYPAY                    ",
        "D20260114B200000002-00000001150.0570088                     AGYPAY5027440             ",
        "T-00000001000.050000000002",
        "",
    ]
    detail = lines[2]
    assert (detail[9:19], detail[19:34], detail[34:54].strip()) == ("B200000002", "-00000001150.05", "70088")
    assert (detail[54:60].strip(), detail[60:66], detail[66:86].strip()) == ("", "AGYPAY", "5027440")
    assert (lines[3][1:16], lines[3][16:26]) == ("-00000001000.05", "0000000002")


def test_a_csv_file_has_a_column_for_each_value_and_no_formulas():
    """Whatever a program that opens it makes of a text."""
    data = encode_lockbox("csv", "1", DAY, [RECORD._replace(agency_payment_id="=1+1", method='A"B')])
    assert data.decode().split("\r\n") == [
        "transaction_id,account,guarantor,date,type,code,amount,method,agency,agency_payment_id",
        'A1B200000001,5027440,,2026-01-14,PY,AGYPAY,150.00,"A""B",sample,\'=1+1',
        "",
    ]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, ""),
        ({"code": "AGYPAY7"}, "the procedure is longer than 6 characters"),
        ({"account": "5" * 21}, "the account is longer than 20 characters"),
        ({"guarantor": "1", "account": "5" * 21}, "the second account is longer than 20 characters"),
        ({"method": "CHÉQUE"}, "the tender is not plain ASCII"),
        ({"account": "漢"}, "the account is not plain ASCII"),
        ({"amount": Decimal("9999999999999.99")}, "the amount is longer than 15 characters"),
    ],
)
def test_what_does_not_fit_is_said_without_its_value(changes, wanted):
    """Nothing is cut off; a CSV file takes all."""
    assert find_misfit("a", RECORD._replace(**changes)) == wanted
    assert find_misfit("csv", RECORD._replace(**changes)) == ""


def test_an_acknowledgement_names_payments_and_files():
    """In any case of letters; spaces around do not count."""
    text = "file,transaction_id,status,reason\n,A1B200000001,Accepted,\n"
    text += "lockbox-ehr-000001.txt, ,refused, no such account\n"
    assert parse_acknowledgement(text.encode("utf-8-sig")) == (
        [
            Acknowledged(2, "", "A1B200000001", is_accepted=True, reason=""),
            Acknowledged(3, "lockbox-ehr-000001.txt", "", is_accepted=False, reason="no such account"),
        ],
        [],
    )
    lines, problems = parse_acknowledgement(b"transaction_id,status\r\nA1B200000001,accepted\r\n")
    assert (len(lines), problems) == (1, [])


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"\xff", "not a CSV file in UTF-8"),
        (b'status,file\naccepted,"x', "not a CSV file in UTF-8"),
        (b"", "expected the columns status, and transaction_id or file"),
        (b"status,reason\n", "expected the columns status"),
        (b"file,reason\n", "expected the columns status"),
        (b"file,file,status\n", "expected the columns status"),
        (b"file,status,colour\n", "expected the columns status"),
        (b"file,status\n", "it says nothing of any payment"),
        (b"file,status\nx,maybe\n", "line 2: status: expected accepted or refused"),
        (b"file,status\n,accepted\n", "line 2: names neither a file nor a payment"),
        (b"file,status\nx\n", "line 2: has not as many values as there are columns"),
        (b"file,status\nx,accepted,y\n", "line 2: has not as many values as there are columns"),
    ],
)
def test_an_acknowledgement_that_cannot_be_read_is_told_line_by_line(data, wanted):
    """And says nothing."""
    lines, problems = parse_acknowledgement(data)
    assert lines == []
    assert len(problems) == 1
    assert problems[0].startswith(wanted)
