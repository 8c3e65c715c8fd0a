"""Invented placements, notices and answers for the tests of layouts, and the file they are in."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal

from hl7bridge.layouts.layout import FileContext, Parsed
from hl7bridge.layouts.registry import LAYOUTS
from hl7bridge.placement.records import Notice, NoticeKind

ABOUT = FileContext("sample", 7, dt.date(2026, 3, 2), "H01")
DAY = dt.date(2026, 3, 2)

PLACEMENT = {
    "placement_id": "41",
    "client_account": "A1001",
    "creditor": "Northgate Sample Hospital",
    "tier": "primary",
    "patient_family_name": "TESTPATIENT",
    "patient_given_name": "AURÉLIA",
    "patient_birth_on": "2012-05-17",
    "guarantor_family_name": "TESTGUARANTOR",
    "guarantor_given_name": "BRUNO",
    "guarantor_middle_name": "QUENTIN",
    "guarantor_birth_on": "1975-01-31",
    "guarantor_relationship": "PAR",
    "guarantor_street": "1 SAMPLE STREET",
    "guarantor_street_2": "",
    "guarantor_city": "SAMPLETON",
    "guarantor_state": "IL",
    "guarantor_postal_code": "60601",
    "guarantor_phone": "5550101",
    "guarantor_language": "es",
    "service_from": "2025-09-23",
    "service_to": "2025-09-25",
    "balance": "150.00",
    "last_payment_on": "2025-11-03",
    "itemization_on": "2025-11-20",
}
OTHER = PLACEMENT | {
    "placement_id": "123456789",
    "client_account": "B-77",
    "guarantor_street": 'ROW "A", 2|3',
    "guarantor_city": "=SAMPLETON",
    "guarantor_phone": "+1 (555) 010-2",
    "balance": "1234.50",
    "last_payment_on": "",
    "tier": "early-out",
    "guarantor_relationship": "SEL",
}
COLUMNS = tuple(PLACEMENT)
ROWS = tuple(tuple(each.values()) for each in (PLACEMENT, OTHER))


def notice(kind: NoticeKind, number: int = 1, **changes: object) -> Notice:
    """Return a notice of an invented placement."""
    values = {
        "notice_id": number,
        "placement_id": 41,
        "client_account": "A1001",
        "agency_account": "SA-9",
        "kind": kind,
        "reason": "",
        "effective_on": DAY,
        "balance": Decimal("150.00"),
    }
    return Notice(**(values | changes))


NOTICES = (
    notice(NoticeKind.SUSPEND, 1, reason="dispute"),
    notice(NoticeKind.RESUME, 2, reason="dispute"),
    notice(NoticeKind.RECALL, 3, reason="bankruptcy"),
    notice(NoticeKind.CLOSE, 4, reason="nothing_owed", balance=Decimal("0.00")),
    notice(
        NoticeKind.PAYMENT,
        5,
        amount=Decimal("50.00"),
        balance=Decimal("100.00"),
        paid_on=dt.date(2026, 2, 27),
        payer="insurance",
        entry=9001,
    ),
    notice(NoticeKind.PAYMENT, 6, amount=Decimal("-50.00"), payer="patient", entry=9002),
    notice(NoticeKind.ADJUSTMENT, 7, amount=Decimal("25.00"), balance=Decimal("125.00"), entry=9003),
    notice(NoticeKind.ADJUSTMENT, 8, amount=Decimal("-25.00"), entry=9004),
    notice(NoticeKind.CHARGE, 9, amount=Decimal("10.00"), balance=Decimal("160.00"), entry=9005),
    notice(
        NoticeKind.DEMOGRAPHIC,
        10,
        changes=(("guarantor_street", "2 SAMPLE STREET"), ("guarantor_street_2", ""), ("guarantor_phone", "5550199")),
    ),
    notice(NoticeKind.REFERENCE, 11, client_account="A2002", former_client_account="A1001"),
)


def write_answers(layout: str, rows: list[dict[str, str]]) -> bytes:
    """Return a file as an agency would write it: csv with one header for all, jsonl with the names of each line."""
    if layout == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read_answers(layout: str, rows: list[dict[str, str]], kind: str | None = None) -> Parsed:
    """Return what is read of such a file."""
    return LAYOUTS[layout].parse_answers(kind, write_answers(layout, rows))


def answer_problems(layout: str, rows: list[dict[str, str]], kind: str) -> list[tuple[int, str]]:
    """Return its problems; lines are counted from the first record, so that csv and jsonl can be compared."""
    return [(line - (layout == "csv"), problem) for line, problem in read_answers(layout, rows, kind).problems]
