"""Payments -> a lockbox file, fixed width or CSV; what an EHR says of one -> which payments it took.

Source: collections.md 1.6, a public description of "Lockbox A"; what it leaves open is said in docs/payments.md.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.layouts.fixed import Position
from hl7bridge.layouts.placements_csv import is_formula
from hl7bridge.layouts.plain import plain
from hl7bridge.money import ZERO, money_text

SUFFIXES: Final = {"a": "txt", "csv": "csv"}
CHECK_LENGTH: Final = 10  # the last ten characters of FT1-2: they name a payment for ever too
HEADER: Final = (Position("date", 2, 9), Position("lockbox", 10, 19))
DETAIL: Final = (
    Position("date", 2, 9),
    Position("check", 10, 19),
    Position("amount", 20, 34),
    Position("account", 35, 54),
    Position("tender", 55, 60),
    Position("procedure", 61, 66),
    Position("second_account", 67, 86),
)
TRAILER: Final = (Position("total", 2, 16), Position("count", 17, 26))
COLUMNS: Final = (
    "transaction_id", "account", "guarantor", "date", "type", "code", "amount", "method", "agency",
    "agency_payment_id",
)  # fmt: skip
ACK_COLUMNS: Final = ("file", "transaction_id", "status", "reason")
_STATUSES: Final = {"accepted": True, "refused": False}


class LockboxRecord(NamedTuple):
    """What one FT1 of a payment's message says. ``amount`` has the sign that the destination wants."""

    transaction_id: str
    account: str
    guarantor: str
    paid_on: dt.date
    type: str
    code: str
    amount: Decimal
    method: str
    agency: str
    agency_payment_id: str


class Acknowledged(NamedTuple):
    """One line of an acknowledgement: of one payment, or of all of a file that no other line names."""

    line: int
    file: str
    transaction_id: str
    is_accepted: bool
    reason: str


def find_misfit(layout: str, record: LockboxRecord) -> str:
    """Return why a record cannot be written in a layout, in words that quote no value; "" when it can."""
    if layout != "a":
        return ""
    for position, text in _detail(record):
        written = plain(text)
        if written is None or written != text:
            return f"the {position.name.replace('_', ' ')} is not plain ASCII"
        if len(text) > position.width:
            return f"the {position.name.replace('_', ' ')} is longer than {position.width} characters"
    return ""


def encode_lockbox(layout: str, number: str, day: dt.date, records: Sequence[LockboxRecord]) -> bytes:
    """Return a file; ``number`` is the lockbox's. Each record fits: see ``find_misfit``."""
    if layout == "csv":
        return _encode_csv(records)
    total = sum((record.amount for record in records), ZERO)
    lines = [_line("H", zip(HEADER, (f"{day:%Y%m%d}", number), strict=True))]
    lines += [_line("D", _detail(record)) for record in records]
    lines.append(_line("T", zip(TRAILER, (_padded(total, 15), f"{len(records):010}"), strict=True)))
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def parse_acknowledgement(data: bytes) -> tuple[list[Acknowledged], list[str]]:
    """Return the lines of an acknowledgement (CSV, UTF-8), or none and everything that is wrong, without values."""
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        names = rows.fieldnames or []
        is_named = {"file", "transaction_id"} & set(names)
        if set(names) - set(ACK_COLUMNS) or "status" not in names or not is_named or len(set(names)) < len(names):
            return [], [f"expected the columns status, and transaction_id or file; known are {', '.join(ACK_COLUMNS)}"]
        told = list(rows)
    except (UnicodeDecodeError, csv.Error):
        return [], ["not a CSV file in UTF-8"]
    found = [_acknowledged(number, row) for number, row in enumerate(told, 2)]
    problems = [each for each in found if isinstance(each, str)]
    if not told:
        problems.append("it says nothing of any payment")
    return ([], problems) if problems else ([each for each in found if isinstance(each, Acknowledged)], [])


def _acknowledged(number: int, row: Mapping[str | None, str | None]) -> Acknowledged | str:
    if None in row or None in row.values():
        return f"line {number}: has not as many values as there are columns"
    told = {str(name): str(text).strip() for name, text in row.items()}
    status = told["status"].lower()
    file, transaction = told.get("file", ""), told.get("transaction_id", "")
    if status not in _STATUSES:
        return f"line {number}: status: expected accepted or refused"
    if not file and not transaction:
        return f"line {number}: names neither a file nor a payment"
    return Acknowledged(number, file, transaction, _STATUSES[status], told.get("reason", ""))


def _detail(record: LockboxRecord) -> list[tuple[Position, str]]:
    account = record.guarantor or record.account
    values = (
        f"{record.paid_on:%Y%m%d}",
        record.transaction_id[-CHECK_LENGTH:],
        _padded(record.amount, 15),
        account,
        record.method,
        record.code,
        record.account if record.guarantor else "",
    )
    return list(zip(DETAIL, values, strict=True))


def _padded(amount: Decimal, width: int) -> str:
    """Return ``000000000150.00``; the sign, if there is one, stands first."""
    sign = "-" if amount < ZERO else ""
    return sign + money_text(abs(amount)).rjust(width - len(sign), "0")


def _line(kind: str, values: Iterable[tuple[Position, str]]) -> str:
    line = kind
    for position, text in values:
        line = line.ljust(position.first - 1) + text.ljust(position.width)
    return line


def _encode_csv(records: Sequence[LockboxRecord]) -> bytes:
    text = io.StringIO(newline="")
    written = csv.writer(text, lineterminator="\r\n")
    written.writerow(COLUMNS)
    for record in records:
        texts = (*record[:3], record.paid_on.isoformat(), record.type, record.code)
        rest = (record.method, record.agency, record.agency_payment_id)
        written.writerow([*map(_harmless, texts), money_text(record.amount), *map(_harmless, rest)])
    return text.getvalue().encode()


def _harmless(text: str) -> str:
    return f"'{text}" if is_formula(text) else text
