"""The aim layout: placements and notices -> fixed ASCII records, CR LF after each, with a trailer record at the end.

AIM-style: the records of Latitude AIM whose positions are publicly described, no more (``aim_records``). What has no
position of its own goes into CMIS records, title and data, and an agency agrees on the titles. Source: collections.md
1.3.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from hl7bridge.layouts.aim_answers import parse_answers
from hl7bridge.layouts.aim_records import (
    ACCOUNT_WIDTH,
    CACT,
    CFIN,
    CMIS,
    CPAY,
    CPEN,
    CUPP,
    DATA_WIDTH,
    FILE_NUMBER_DIGITS,
    NO_DAY,
    NOTICE_TRAILER,
    PLACEMENT_TRAILER,
)
from hl7bridge.layouts.fixed import Record, encode_record
from hl7bridge.layouts.layout import FileContext, Layout
from hl7bridge.layouts.plain import digits, plain, plain_or_marked
from hl7bridge.money import ZERO, money_text, parse_money
from hl7bridge.placement.records import Notice, NoticeKind

MOST_RECORDS: Final = 200  # placements of one file: a placement is up to 40 records of 3000 bytes
OBJECTABLE: Final = "keep_at_most"  # the reason of the one recall that an agency may object to
_MONEY_WIDTH: Final = 12
# Columns with a position of their own.
_PLACED: Final = frozenset(
    {
        "placement_id",
        "file_no",
        "client_account",
        "balance",
        "service_to",
        "last_payment_on",
        "guarantor_phone",
        "guarantor_relationship",
    }
)
_WIDTHS: Final = {
    "placement_id": FILE_NUMBER_DIGITS,
    "client_account": ACCOUNT_WIDTH,
    "balance": _MONEY_WIDTH,
    "guarantor_phone": 30,
    "guarantor_relationship": 50,
}
_HOME, _UNKNOWN, _NOT_ON_HOLD = "1", "0", "0"  # GT1-6 is the guarantor's home telephone


def _placement_problem(columns: Sequence[str], row: Sequence[str]) -> str:
    return _first_problem(zip(columns, row, strict=True))


def _first_problem(values: Iterable[tuple[str, str]]) -> str:
    for name, value in values:
        text = plain(value)
        if text is None:
            return f"{name} has characters that the layout aim cannot hold"
        if len(text) > _WIDTHS.get(name, DATA_WIDTH):
            return f"{name} is longer than {_WIDTHS.get(name, DATA_WIDTH)} characters"
    return ""


def _encode_placements(columns: Sequence[str], rows: Sequence[Sequence[str]], about: FileContext) -> bytes:
    records: list[bytes] = []
    total = ZERO
    for row in rows:
        problem = _placement_problem(columns, row)
        if problem:
            raise ValueError(problem)
        values = {name: plain(value) or "" for name, value in zip(columns, row, strict=True)}
        total += parse_money(values["balance"])
        records += _placement_records(values)
    return _file(records, PLACEMENT_TRAILER, about, {"total": money_text(total)})


def _placement_records(values: Mapping[str, str]) -> Iterator[bytes]:
    file_number = values["placement_id"].zfill(FILE_NUMBER_DIGITS)
    account = values["client_account"]
    yield encode_record(
        CACT,
        {
            "file_number": file_number,
            "account": account,
            **_money(values["balance"]),
            "last_charge": _day(values.get("service_to", "")),
            "last_paid": _day(values.get("last_payment_on", "")),
            **dict.fromkeys(("userdate1", "userdate2", "userdate3"), NO_DAY),
        },
    )
    if values.get("guarantor_phone"):
        yield _phone(file_number, values.get("guarantor_relationship", ""), values["guarantor_phone"])
    for name, value in values.items():
        if value and name not in _PLACED:
            yield _extra(file_number, account, name.upper(), value)


def _phone(file_number: str, relationship: str, number: str) -> bytes:
    """Return the telephone record. There is one debtor to a file, and its number is the file's."""
    return encode_record(
        CUPP,
        {
            "debtor_number": file_number,
            "file_number": file_number,
            "relationship": relationship,
            "phone_type": _HOME,
            "status": _UNKNOWN,
            "on_hold": _NOT_ON_HOLD,
            "number": digits(number),
        },
    )


def _extra(file_number: str, account: str, title: str, data: str) -> bytes:
    return encode_record(CMIS, {"file_number": file_number, "account": account, "title": title, "data": data})


def _money(principal: str) -> dict[str, str]:
    """Return the amounts of a record: all of it principal, nothing in the other eight."""
    others = dict.fromkeys(("interest", *(f"other{number}" for number in range(3, 10))), money_text(ZERO))
    return {"principal": principal, **others}


def _notice_problem(notice: Notice) -> str:
    """Return what keeps a notice back; never a stop's, which needs nothing but the file number."""
    if notice.kind is NoticeKind.REFERENCE and not _account(notice):
        return f"client_account is longer than {ACCOUNT_WIDTH} characters, or not plain"
    return _first_problem(notice.changes)


def _encode_notices(notices: Sequence[Notice], about: FileContext) -> bytes:
    records: list[bytes] = []
    for notice in notices:
        problem = _notice_problem(notice)
        if problem:
            raise ValueError(problem)
        records += _notice_records(notice)
    return _file(records, NOTICE_TRAILER, about, {})


def _notice_records(notice: Notice) -> Iterator[bytes]:
    """Yield the record of a notice, then a CMIS record NOTICE that has all of it in words."""
    file_number = str(notice.placement_id).zfill(FILE_NUMBER_DIGITS)
    account = _account(notice)
    if notice.kind in (NoticeKind.RECALL, NoticeKind.CLOSE):
        yield _recall(notice, file_number, account)
    elif notice.kind in (NoticeKind.PAYMENT, NoticeKind.ADJUSTMENT, NoticeKind.CHARGE):
        yield _payment(notice, file_number, account)
    elif notice.kind is NoticeKind.REFERENCE:
        yield _extra(file_number, account, "FORMER_CLIENT_ACCOUNT", _cut(notice.former_client_account))
    for name, value in notice.changes:
        text = plain(value) or ""
        if name == "guarantor_phone" and text:
            yield _phone(file_number, "", text)
        else:
            yield _extra(file_number, account, name.upper(), text)
    words = (
        str(notice.notice_id),
        notice.kind.value,
        notice.effective_on.isoformat(),
        money_text(notice.balance),
        plain_or_marked(notice.reason),
    )
    yield _extra(file_number, account, "NOTICE", _cut(" ".join(words)))


def _recall(notice: Notice, file_number: str, account: str) -> bytes:
    """Return a final recall; a pending one only for the reason that an agency may object to."""
    values = {"file_number": file_number, "account": account, "objection_date": NO_DAY}
    if notice.kind is NoticeKind.CLOSE:
        return encode_record(CFIN, {**values, "recall_reason": "PIF"})
    record = CPEN if notice.reason == OBJECTABLE else CFIN
    return encode_record(record, {**values, "recall_reason": plain_or_marked(notice.reason)[:3].upper()})


def _payment(notice: Notice, file_number: str, account: str) -> bytes:
    """Return a payment record: the amount is never negative, and its type says which way it goes."""
    amount = notice.amount or ZERO
    batch_type = "PC" if notice.kind is NoticeKind.PAYMENT else "DA"
    if amount < 0 or notice.kind is NoticeKind.CHARGE:
        batch_type += "R"
    return encode_record(
        CPAY,
        {
            "file_number": file_number,
            "account": account,
            **_money(money_text(abs(amount))),
            "payment_date": _day((notice.paid_on or notice.effective_on).isoformat()),
            "batch_type": batch_type,
            "payment_identifier": f"N{notice.notice_id}" if notice.entry is None else f"E{notice.entry}",
            "comment": notice.payer or notice.kind.value,
        },
    )


def _account(notice: Notice) -> str:
    """Return the account's number, or "" when it has no room: the file number alone names the placement."""
    account = plain(notice.client_account) or ""
    return account if len(account) <= ACCOUNT_WIDTH else ""


def _cut(text: str) -> str:
    return plain_or_marked(text)[:DATA_WIDTH].rstrip()


def _day(text: str) -> str:
    """Return CCYYMMDD for YYYY-MM-DD, and the day that stands for none when there is none."""
    return dt.date.fromisoformat(text).strftime("%Y%m%d") if text else NO_DAY


def _file(records: list[bytes], trailer: Record, about: FileContext, more: Mapping[str, str]) -> bytes:
    values = {
        "agency": plain_or_marked(about.agency)[:30],
        "agency_name": plain_or_marked(about.agency)[:50],
        "records": str(len(records)).zfill(10),
        "created_date": about.created_on.strftime("%Y%m%d"),
        **more,
    }
    return b"".join(record + b"\r\n" for record in (*records, encode_record(trailer, values)))


AIM: Final = Layout(
    name="aim",
    version=1,
    suffix="txt",
    encode_placements=_encode_placements,
    encode_notices=_encode_notices,
    parse_answers=parse_answers,
    placement_problem=_placement_problem,
    notice_problem=_notice_problem,
    carries=frozenset(NoticeKind),
    most_records=MOST_RECORDS,
)
