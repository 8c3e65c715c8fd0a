"""Payments AIM-style: fixed APAY records are read at their positions, and each type is what it says."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from payment_samples import NOW

from hl7bridge.layouts.layout import MOST_BYTES
from hl7bridge.layouts.remittance import Reading
from hl7bridge.layouts.remittance_aim import LONGEST_LINE, TYPES, parse_remittance_aim
from hl7bridge.payments.remittance import RecordKind


def apay(number="41", account="A1001", amount="150.00", date="20260114", kind="PA", name="CHK1", comment=""):
    return f"APAY{number:<9}{account:<30}{amount:<12}{date:<8}{kind:<3}{name:<30}{comment:<30}"


def parse(*lines, end="\r\n"):
    return parse_remittance_aim(end.join(lines).encode("utf-8"), Reading("sample", NOW))


def problems(*lines):
    return [(each.line, each.problem) for each in parse(*lines).problems]


def test_a_record_becomes_a_payment():
    """Comment and buckets are not read."""
    [found] = parse(apay(comment="a note about nobody")).records
    assert (found.placement_id, found.account, found.payment.agency_payment_id) == (41, "A1001", "CHK1")
    assert (found.payment.amount, found.payment.paid_on) == (Decimal("150.00"), dt.date(2026, 1, 14))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_type_is_what_it_says(end):
    """The amount is never negative; FO and FOR are the agency's fee."""
    lines = [apay(kind=kind, name=f"N{at}") for at, kind in enumerate(TYPES)]
    parsed = parse(*lines, "", "ATRL" + " " * 80 + f"{len(lines):<10}", end=end)
    assert parsed.problems == ()
    assert [each.kind for each in parsed.records] == [RecordKind(kind) for kind in TYPES.values()]
    # 150 - 150 of payment and reversal, fee and fee back
    assert parsed.total == Decimal("0.00")


def test_trailing_blanks_may_be_left_out():
    """A line ends where its last value does."""
    assert len(parse(apay().rstrip()).records) == 1


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("AACK", "not a record that is read"),
        (apay()[:60], "cut short"),
        (apay(kind="XX"), "type: expected one of PA"),
        (apay(date="2026-1-4"), "date: expected a day"),
        (apay(amount="-1.00"), "amount: expected more than zero"),
        (apay(name=""), "agency_payment_id: "),
        (apay(name="É"), "longer than"),
        (apay() + "x" * LONGEST_LINE, "longer than"),
    ],
)
def test_what_is_wrong_is_told_by_line(line, wanted):
    """No value of it is."""
    [(number, problem)] = problems(apay(name="GOOD"), line)
    assert number == 2
    assert problem.startswith(wanted)


def test_the_trailer_record_has_to_agree_and_be_the_last():
    """A file without one is taken: the trailer file proves it."""
    assert problems(apay(), "ATRL" + " " * 80 + "2")[0][0] == 2
    assert problems(apay(), "ATRL")[0][1].startswith("the trailer record does not say 1 records")
    assert problems("ATRL" + " " * 80 + "0", apay()) == [(2, "a record after the trailer record")]
    assert problems("") == [(1, "there is no record")]


def test_a_file_that_is_too_long_is_not_read():
    """Nor is one with a hundred problems read further."""
    assert parse_remittance_aim(b" " * (MOST_BYTES + 1), Reading("sample", NOW)).problems[0].line == 1
    assert len(problems(*["X"] * 200)) == 100
