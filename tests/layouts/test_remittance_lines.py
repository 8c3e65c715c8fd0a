"""Payments TSI-style and YGC-style: delimited lines under a header, with ids made where the form has none."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from payment_samples import NOW

from hl7bridge.layouts.layout import MOST_BYTES
from hl7bridge.layouts.remittance import Reading
from hl7bridge.layouts.remittance_lines import (
    TSI_HEADER,
    YGC_HEADER,
    parse_remittance_tsi,
    parse_remittance_ygc,
)
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.payments.remittance import RecordKind

READING = Reading("sample", NOW)
TSI = "|".join(TSI_HEADER)
YGC = "|".join(YGC_HEADER)


def tsi(*lines, header=TSI):
    return parse_remittance_tsi("\r\n".join([header, *lines]).encode("utf-8"), READING)


def ygc(*rows, header=YGC, more=""):
    usual = dict.fromkeys(YGC_HEADER, "") | {
        "RECORD": "30", "FORW_FILE": "A1001", "RET_CODE": "1", "PAY_DATE": "20260114", "GROSS_PAY": "100.00",
    }  # fmt: skip
    lines = ["|".join((usual | row).values()) + more for row in rows]
    return parse_remittance_ygc("\n".join([header, *lines]).encode("utf-8"), READING)


def test_tsi_updates_are_payments_adjustments_and_reversals():
    """By their type; the reference is the placement."""
    parsed = tsi(
        "C1|41|PP|01142026|100.00|50.00",
        "C1|42|PF|01142026|50.00|0.00",
        "C1|42|PT|01142026|1.00|0.00",
        "C1|43|CR|01142026|5.00|1.00",
        "C1|41|DB|01142026|100.00|150.00",
    )
    assert parsed.problems == ()
    assert [each.placement_id for each in parsed.records] == [41, 42, 42, 43, 41]
    assert [each.kind for each in parsed.records] == [
        RecordKind.PAYMENT, RecordKind.PAYMENT, RecordKind.PAYMENT, RecordKind.ADJUSTMENT, RecordKind.REVERSAL,
    ]  # fmt: skip
    assert parsed.records[0].payment.paid_on == dt.date(2026, 1, 14)
    assert parsed.total == Decimal("51.00")


def test_the_same_line_is_the_same_payment_in_every_file_and_two_of_it_are_two():
    """The form has no id of a payment, so it is made of what the line says."""
    line, other = "C1|41|PP|01142026|100.00|50.00", "C1|41|PP|01142026|100.00|25.00"
    first = [each.payment.agency_payment_id for each in tsi(line, line, other).records]
    assert len(set(first)) == 3
    assert [each.payment.agency_payment_id for each in tsi(other, line).records] == [first[2], first[0]]


def test_an_id_and_a_fee_may_be_agreed_on():
    """As columns after the six."""
    [found] = tsi("C1|41|PP|01142026|100.00|50.00|T9|20.00", header=f"{TSI}|TRANSACTION ID|FEE").records
    assert (found.payment.agency_payment_id, found.payment.fee) == ("T9", Decimal("20.00"))


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["C1|41|XX|01142026|1.00|0.00"], (2, "TRANSACTION TYPE: expected one of PP")),
        (["C1|41|PP|01142026|1.00"], (2, "5 fields, and the header has 6")),
        (["C1|41|PP|14.01.26|1.00|0.00"], (2, "date: expected a day")),
        ([], (1, "no payments")),
    ],
)
def test_what_is_wrong_with_a_tsi_line_is_told(lines, wanted):
    """By its line."""
    [problem] = tsi(*lines).problems
    assert problem.line == wanted[0]
    assert problem.problem.startswith(wanted[1])


@pytest.mark.parametrize("header", ["A|B", f"{TSI}|SOMETHING", f"{TSI}|FEE|FEE", ""])
def test_another_header_is_refused(header):
    """Nothing of the file is read then."""
    parsed = tsi("C1|41|PP|01142026|1.00|0.00", header=header)
    assert parsed.records == ()
    assert parsed.problems[0].problem.startswith("the header is not CLIENT NUMBER|")


def test_an_empty_file_other_letters_and_a_file_that_is_too_long_are_refused():
    """A byte order mark is taken."""
    assert parse_remittance_tsi(b"", READING).problems[0].problem == "there is no header"
    assert parse_remittance_tsi(b" " * (MOST_BYTES + 1), READING).problems[0].line == 1
    assert parse_remittance_tsi("É".encode(), READING).problems[0].problem == "characters that are not ASCII"
    marked = b"\xef\xbb\xbf" + f"{TSI}\nC1|41|PP|01142026|1.00|0.00".encode()
    assert parse_remittance_tsi(marked, READING).problems == ()
    assert len(tsi(*["x"] * 200).problems) == 100


def test_ygc_records_are_payments_settlements_and_what_the_hospital_was_paid():
    """By RET_CODE; a gross below zero is money that went back."""
    parsed = ygc(
        {"FEES": "20.00", "NET_CLIENT": "80.00"},
        {"RET_CODE": "3", "GROSS_PAY": "60"},
        {"RET_CODE": "6", "FEES": "5.00", "NET_CLIENT": "0.00"},
        {"GROSS_PAY": "-100.00", "FEES": "-20.00", "NET_CLIENT": "-80.00"},
        {"RET_CODE": "6", "GROSS_PAY": "-10", "FEES": "-1"},
        {"RET_CODE": "3", "GROSS_PAY": "-60", "COST_RET": "0.00"},
    )
    assert parsed.problems == ()
    assert [each.kind for each in parsed.records] == [
        "payment", "settlement", "direct", "reversal", "direct_reversal", "reversal",
    ]  # fmt: skip
    assert parsed.records[1].payment.is_settlement
    assert parsed.records[3].payment.kind is PaymentKind.REVERSAL
    assert (parsed.records[3].payment.amount, parsed.records[3].payment.fee) == (Decimal("100.00"), Decimal("20.00"))
    assert parsed.records[0].account == "A1001"
    assert parsed.total == Decimal("-4.00")


@pytest.mark.parametrize("checks", [("160.00", "160.00"), ("160.00", ""), ("100.00", "60.00")])
def test_the_cheque_of_ygc_records_has_to_agree(checks):
    """It is told on one record or on each, whole or in parts."""
    rows = [{"CHECK_AMT": checks[0]}, {"CHECK_AMT": checks[1], "GROSS_PAY": "60.00"}]
    assert ygc(*rows).problems == ()
    rows[0]["CHECK_AMT"] = "1.00"
    [problem] = ygc(*rows).problems
    assert problem.problem == "CHECK_AMT: the cheque is not gross less reversals less fees, 160.00"


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"RECORD": "12"}, "RECORD: expected 30"),
        ({"RET_CODE": "2"}, "RET_CODE: expected one of 1, 3, 6"),
        ({"COST_RET": "5.00"}, "COST_RET: "),
        ({"GROSS_PAY": "x"}, "GROSS_PAY: "),
        ({"GROSS_PAY": ""}, "amount: expected more than zero"),
        ({"NET_CLIENT": "1.00"}, "net: is not what amount and fee come to"),
    ],
)
def test_what_is_wrong_with_a_ygc_record_is_told(row, wanted):
    """By its line."""
    [problem] = ygc(row).problems
    assert problem.line == 2
    assert problem.problem.startswith(wanted)


def test_an_id_may_be_agreed_on_for_ygc():
    """As PAY_ID."""
    [found] = ygc({}, header=f"{YGC}|PAY_ID", more="|P7").records
    assert found.payment.agency_payment_id == "P7"
