"""The tsi layout: placements and notices -> pipe-separated lines of 33 and of 6 fields, with a header line.

TSI-style: the records that the public Open Dental program exchanges, no more. Nothing is known of an agency's answers
in this form, so they come in csv or jsonl. Source: collections.md 1.4.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from hl7bridge.layouts.layout import FileContext, Layout, LineProblem, Parsed
from hl7bridge.layouts.plain import digits, plain
from hl7bridge.money import ZERO, money_text
from hl7bridge.placement.records import Notice, NoticeKind

PLACEMENT_HEADER: Final = (
    "CLIENT NUMBER|TRANSMITTAL NUMBER|DEBTOR REFERENCE|DEBTOR NAME|ADDRESS|ADDRESS2|CITY|STATE|ZIP|DEBTOR PHONE"
    "|SECONDARY PHONE|DEBTOR SSN|DEBTOR DATE OF BIRTH|PATIENTTYPE|PATIENTFIRSTNAME|PATIENTLASTNAME|PATIENTPHONE1"
    "|PATIENTPHONE2|PATIENTDOB|PATIENTSSN|PATIENTADDRESS|PATIENTADDRESS2|PATIENTCITY|PATIENTSTATE|PATIENTZIP"
    "|PATIENTCOUNTRY|LANGUAGE|DATE OF DEBT|AMOUNT DUE|DATE OF LAST PAY|SERVICETYPE|SERVICECODE|COMMENTS"
)
UPDATE_HEADER: Final = (
    "CLIENT NUMBER|TRANSMITTAL/REFERENCE NUMBER|TRANSACTION TYPE|TRANSACTION DATE|TRANSACTION AMOUNT|NEW BALANCE"
)
# Columns of the allow-list that a placement line has a place for.
CARRIED: Final = (
    "placement_id", "client_account", "creditor", "tier", "patient_family_name", "patient_given_name",
    "patient_birth_on", "guarantor_family_name", "guarantor_given_name", "guarantor_middle_name",
    "guarantor_organization", "guarantor_birth_on", "guarantor_relationship", "guarantor_street", "guarantor_street_2",
    "guarantor_city", "guarantor_state", "guarantor_postal_code", "guarantor_phone", "guarantor_language",
    "first_delinquency_on", "service_from", "balance", "last_payment_on",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@")  # what a spreadsheet would run
_AMOUNT: Final = re.compile(r"-\d+\.\d\d\Z", re.ASCII)
_TRANSMITTAL: Final = 10  # digits
_REFERENCE: Final = 20  # characters
# GT1-11 tells what the guarantor is to the patient; PATIENTTYPE what the patient is to the debtor: a parent's child.
_PATIENT_TYPES: Final = {
    **dict.fromkeys(("SEL", "SELF"), "0"),
    **dict.fromkeys(("SPO", "SPOUSE", "DOM"), "1"),
    **dict.fromkeys(("CHD", "CHILD", "SCH", "FCH", "NCH"), "2"),
    **dict.fromkeys(("PAR", "PARENT", "MTH", "FTH", "GRD", "CGV"), "3"),
}
_OTHER: Final = "4"
_EARLY_OUT: Final = "early-out"
_PROFIT_RECOVERY, _COLLECTIONS = "1", "2"
_DIPLOMATIC: Final = "1"
_TYPES: Final = {
    NoticeKind.SUSPEND: "SS",
    NoticeKind.RESUME: "RI",
    NoticeKind.RECALL: "CN",
    NoticeKind.CLOSE: "PF",
}


def _placement_problem(columns: Sequence[str], row: Sequence[str]) -> str:
    values = dict(zip(columns, row, strict=True))
    if len(values["placement_id"]) > _TRANSMITTAL:
        return f"placement_id has more than {_TRANSMITTAL} digits"
    if len(values["client_account"]) > _REFERENCE:
        return f"client_account is longer than {_REFERENCE} characters"
    if values["client_account"].startswith(_FORMULA):
        return "client_account begins like a formula"
    unplain = [name for name in CARRIED if plain(values.get(name, "")) is None]
    return f"{unplain[0]} has characters that the layout tsi cannot hold" if unplain else ""


def _encode_placements(columns: Sequence[str], rows: Sequence[Sequence[str]], about: FileContext) -> bytes:
    lines = [PLACEMENT_HEADER]
    for row in rows:
        problem = _placement_problem(columns, row)
        if problem:
            raise ValueError(problem)
        lines.append(_line(_placement(dict(zip(columns, row, strict=True)), about)))
    return _encode(lines)


def _placement(values: Mapping[str, str], about: FileContext) -> tuple[str, ...]:
    def value(name: str) -> str:
        return values.get(name, "")

    return (
        about.client_number,
        value("placement_id"),
        value("client_account"),
        _debtor(values),
        value("guarantor_street"),
        value("guarantor_street_2"),
        value("guarantor_city"),
        value("guarantor_state"),
        value("guarantor_postal_code"),
        digits(value("guarantor_phone")),
        "",  # secondary phone
        "",  # social security numbers are never sent
        _day(value("guarantor_birth_on")),
        _PATIENT_TYPES.get(value("guarantor_relationship").upper(), _OTHER),
        value("patient_given_name"),
        value("patient_family_name"),
        *("", ""),  # the patient's telephones
        _day(value("patient_birth_on")),
        "",  # social security number
        *("", "", "", "", "", ""),  # the patient's address
        value("guarantor_language"),
        _day(value("first_delinquency_on") or value("service_from")),
        value("balance"),
        _day(value("last_payment_on")),
        _PROFIT_RECOVERY if value("tier") == _EARLY_OUT else _COLLECTIONS,
        _DIPLOMATIC,
        value("creditor"),
    )


def _debtor(values: Mapping[str, str]) -> str:
    """Return ``FAMILY, GIVEN M``, or the organization when the guarantor is no person."""
    family = values.get("guarantor_family_name", "")
    if not family:
        return values.get("guarantor_organization", "")
    given = f"{values.get('guarantor_given_name', '')} {values.get('guarantor_middle_name', '')[:1]}".strip()
    return f"{family}, {given}" if given else family


def _notice_problem(notice: Notice) -> str:
    if notice.kind not in TSI.carries:
        return f"the layout tsi has no record for {notice.kind}"
    return ""


def _encode_notices(notices: Sequence[Notice], about: FileContext) -> bytes:
    lines = [UPDATE_HEADER]
    for notice in notices:
        problem = _notice_problem(notice)
        if problem:
            raise ValueError(problem)
        lines.append(
            _line(
                (
                    about.client_number,
                    str(notice.placement_id),
                    update_type(notice),
                    _day((notice.paid_on or notice.effective_on).isoformat()),
                    money_text(abs(notice.amount or ZERO)),
                    money_text(notice.balance),
                )
            )
        )
    return _encode(lines)


def update_type(notice: Notice) -> str:
    """Return the type of an update; the amount beside it is never negative, so the type says which way it goes."""
    if notice.kind in _TYPES:
        return _TYPES[notice.kind]
    amount: Decimal = notice.amount or ZERO
    if notice.kind is NoticeKind.CHARGE or amount < 0:
        return "DB"
    if notice.kind is NoticeKind.ADJUSTMENT:
        return "CR"
    return "PP" if notice.balance > 0 else "PF"


def _day(text: str) -> str:
    """Return MMDDYYYY for YYYY-MM-DD."""
    return dt.date.fromisoformat(text).strftime("%m%d%Y") if text else ""


def _line(fields: Sequence[str]) -> str:
    return "|".join(map(_inert, fields))


def _inert(field: str) -> str:
    """Return a field that neither ends early nor is run by a spreadsheet; a negative amount is left alone."""
    text = (plain(field) or "").replace("|", " ")
    return text if _AMOUNT.match(text) else text.lstrip("".join(_FORMULA))


def _encode(lines: Sequence[str]) -> bytes:
    return "".join(line + "\r\n" for line in lines).encode("ascii")


def _parse_answers(kind: str | None, _: bytes) -> Parsed:
    return Parsed(kind or "", problems=(LineProblem(1, "the layout tsi has no answers; they come as csv or jsonl"),))


def _leaves_out(columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in columns if name not in (*CARRIED, "file_no"))


TSI: Final = Layout(
    name="tsi",
    version=1,
    suffix="txt",
    encode_placements=_encode_placements,
    encode_notices=_encode_notices,
    parse_answers=_parse_answers,
    placement_problem=_placement_problem,
    notice_problem=_notice_problem,
    carries=frozenset(NoticeKind) - {NoticeKind.DEMOGRAPHIC, NoticeKind.REFERENCE},
    leaves_out=_leaves_out,
)
