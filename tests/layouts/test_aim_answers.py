"""Fixed records from an agency that works AIM-style: only what is publicly described is read, and nothing else kept."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from hl7bridge.layouts.registry import LAYOUTS
from hl7bridge.placement.records import (
    Acknowledgement,
    AgencyStatus,
    InventoryLine,
    Objection,
    Return,
    StatusReport,
)

DAY = dt.date(2026, 3, 2)
PRINTABLE = "expected at most 64 printable characters"
CODES = "expected one of ACT, PTP, PLN, DSP, CEA, ATY, BKP, DEC, SKP, INS"


def fixed(length: int, kind: str, *values: tuple[int, str]) -> bytes:
    """Return a record: each value from its position, counted from 1."""
    record = bytearray(kind.encode().ljust(length))
    for first, value in values:
        record[first - 1 : first - 1 + len(value)] = value.encode("latin-1")
    return bytes(record) + b"\r\n"


def balances(kind: str, current: str = "100.00", paid_on: str = "20260302") -> bytes:
    return fixed(
        126,
        kind,
        (5, "000000041"),
        (14, "A1001"),
        (44, "150.00"),
        (56, "20260302"),
        (64, current),
        (76, paid_on),
        (84, "50.00"),
    )


def trailer(records: object) -> bytes:
    return fixed(126, "ATRL", (5, "SA"), (85, str(records)), (95, "20260302"))


def read(*records: bytes, kind: str | None = None):
    return LAYOUTS["aim"].parse_answers(kind, b"".join(records))


def problems(*records: bytes, kind: str | None = None) -> list[tuple[int, str]]:
    return list(read(*records, kind=kind).problems)


def test_an_acknowledgement_is_acceptance_with_the_balance_that_was_taken_in():
    """AACK has no refusal and no account number of the agency; those come in csv or jsonl."""
    found = read(balances("AACK"), trailer(1))
    assert found.problems == ()
    assert found.records == (Acknowledgement(1, 41, "A1001", True, "", "", Decimal("150.00"), DAY),)
    assert (found.kind, found.total, found.stated.records) == ("acknowledgements", Decimal("150.00"), 1)


def test_the_inventory_has_the_current_balance():
    """The day that stands for none, and a blank one, are no day."""
    found = read(balances("AREC"), balances("AREC", paid_on="19000101").replace(b"41A", b"42A"), b"\r\n")
    assert found.problems == ()
    first, second = found.records
    assert first == InventoryLine(
        1, 41, "A1001", Decimal("100.00"), "", Decimal("150.00"), DAY, DAY, Decimal("50.00"), ""
    )
    assert second.last_payment_on is None
    assert (found.kind, found.total, found.stated) == ("inventory", Decimal("200.00"), None)


def test_an_objection_has_its_reason_code_and_day():
    """AOBJ: three characters of reason; blanks at the end of a line may be left out."""
    record = fixed(102, "AOBJ", (5, "000000041"), (14, "A1001"), (44, "PTP"), (47, "20260302"))
    assert read(record).records == (Objection(1, 41, "A1001", "PTP", DAY),)
    assert read(record[:46]).records == (Objection(1, 41, "A1001", "PTP"),)


def test_a_close_is_a_return_of_which_no_more_than_the_key_is_read():
    """The positions of the code are not public, so the code is the record's name."""
    record = fixed(80, "ACLS", (5, "000000041"), (14, "A1001"), (44, "PIF"))
    assert read(record).records == (Return(1, 41, "A1001", "ACLS", "returned"),)


def test_statuses_bankruptcies_and_deaths_are_statuses():
    """ASTS has a code that both sides agreed on; its note, and the court of ABKP, are not read."""
    found = read(
        fixed(111, "ASTS", (14, "000000041"), (23, "PTP"), (26, "NOTE-CANARY"), (101, "20260302")),
        fixed(200, "ABKP", (14, "000000042"), (23, "13"), (25, "20260302"), (33, "CASE-CANARY")),
        fixed(200, "ADEC", (5, "000000001"), (14, "000000043"), (23, "CANARY")),
    )
    assert found.problems == ()
    assert found.records == (
        StatusReport(1, 41, "", AgencyStatus.PROMISE_TO_PAY, DAY),
        StatusReport(2, 42, "", AgencyStatus.BANKRUPTCY, DAY),
        StatusReport(3, 43, "", AgencyStatus.DECEASED),
    )
    assert "CANARY" not in repr(found)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([b""], [(1, "there is no record")]),
        ([b"XXXX0000\r\n"], [(1, "not a record that is read (one of AACK, AREC, AOBJ, ACLS, ASTS, ABKP, ADEC)")]),
        ([balances("AACK"), balances("AREC")], [(2, "AREC in a file of acknowledgements")]),
        ([balances("AACK")[:54]], [(1, "cut short: AACK has 55 characters at least")]),
        ([balances("AREC", current="")], [(1, "balance is empty")]),
        ([balances("AREC", current="1OO.00")], [(1, "balance: expected dollars, as 1234.50")]),
        ([balances("AREC", paid_on="20260230")], [(1, "last_payment_on: not a day")]),
        ([balances("AREC", paid_on="2026032 ")], [(1, "last_payment_on: not a day")]),
        ([balances("AREC").replace(b"A1001", b"A\xe9001")], [(1, "characters that are not ASCII")]),
        ([balances("AREC").replace(b"A1001", b"A\x00001")], [(1, f"client_account: {PRINTABLE}")]),
        ([balances("AREC").replace(b"000000041", b"00000004X")], [(1, "placement_id: expected digits")]),
        ([balances("AREC"), balances("AREC")], [(2, "the same account as line 1")]),
        ([fixed(5000, "AREC")], [(1, "longer than 4096 characters")]),
        ([fixed(111, "ASTS", (14, "000000041"), (23, "XXX"))], [(1, f"status: {CODES}")]),
        ([balances("AREC"), trailer(2)], [(2, "the trailer record says 2 records, and there are 1")]),
        ([trailer("")], [(1, "the trailer record does not say how many records there are")]),
        ([balances("AREC"), trailer(1), balances("AREC")], [(3, "a record after the trailer record")]),
        ([b"\n" * (32 * 1024 * 1024 + 1)], [(1, "more than 33554432 bytes")]),
    ],
    ids=range(18),
)  # fmt: skip
def test_a_problem_is_told_by_its_line(records, expected):
    """Truncation, other records, other characters and a trailer record that disagrees among them."""
    assert problems(*records) == expected


def test_the_kind_that_the_name_says_has_to_be_the_kind_of_the_records():
    """A file of statuses with acknowledgements in it is held."""
    assert problems(balances("AACK"), kind="statuses") == [(1, "AACK in a file of statuses")]


def test_a_trailer_record_alone_is_a_file_with_no_records():
    """It says zero, so nothing was cut off."""
    found = read(b"\xef\xbb\xbf" + trailer(0), kind="inventory")
    assert (found.problems, found.records, found.stated.records) == ((), (), 0)


def test_reading_stops_after_enough_problems():
    """A file of another form does not fill the store."""
    assert len(problems(b"XXXX\n" * 500)) == 100
