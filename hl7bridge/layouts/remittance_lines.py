"""Delimited payment lines, TSI-style and YGC-style -> payments, or every problem by its line.

Neither form has an id of a payment: it is made of what the line says and of how many such lines the file has had, so
that the same line in another file is the same payment. Source: collections.md 1.4, 1.5.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from hl7bridge.layouts.layout import MOST_BYTES, Parsed
from hl7bridge.layouts.remittance import Reading, RemittedLines, refused, spell_day
from hl7bridge.layouts.tsi import UPDATE_HEADER
from hl7bridge.money import ZERO, money_text, parse_money

TSI_HEADER: Final = tuple(UPDATE_HEADER.split("|"))
TSI_MORE: Final = ("TRANSACTION ID", "FEE")  # agreed on: may follow the six
TSI_TYPES: Final = {
    "PP": "payment",
    "PF": "payment",
    "PT": "payment",
    "CR": "adjustment",
    "DB": "reversal",
}
YGC_HEADER: Final = (
    "RECORD", "FILENO", "FORW_FILE", "MASCO_FILE", "FORW_ID", "FIRM_ID", "RET_CODE", "PAY_DATE", "GROSS_PAY",
    "NET_CLIENT", "CHECK_AMT", "COST_RET", "FEES",
)  # fmt: skip
YGC_MORE: Final = ("PAY_ID",)  # agreed on: may follow
YGC_RECORD: Final = "30"
YGC_CODES: Final = {"1": "payment", "3": "settlement", "6": "direct"}
_YGC_BACK: Final = {"payment": "reversal", "settlement": "reversal", "direct": "direct_reversal"}
_BOM: Final = b"\xef\xbb\xbf"
_ID_DIGITS: Final = 24  # of SHA-256, in hexadecimal: 96 bits
_Row = Mapping[str, str]


def parse_remittance_tsi(data: bytes, reading: Reading) -> Parsed:
    """Return the payments of a file of updates in six fields, with a header line, days MMDDYYYY."""
    return _parse(data, reading, (TSI_HEADER, TSI_MORE), _tsi_values)


def parse_remittance_ygc(data: bytes, reading: Reading) -> Parsed:
    """Return the payments of a file of records 30, with a header line of the record's names, days CCYYMMDD.

    What CHECK_AMT tells has to be the cheque: on one record or on each the whole, or on each its part.
    """
    checks: list[Decimal] = []
    parsed = _parse(data, reading, (YGC_HEADER, YGC_MORE), lambda row: _ygc_values(row, checks))
    if parsed.problems or not checks or parsed.total in {sum(checks, ZERO), *_same(checks)}:
        return parsed
    difference = f"CHECK_AMT: the cheque is not gross less reversals less fees, {money_text(parsed.total)}"
    return refused(1, difference)


def _same(checks: list[Decimal]) -> set[Decimal]:
    return set(checks) if len(set(checks)) == 1 else set()


def _parse(
    data: bytes,
    reading: Reading,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    values_of: Callable[[_Row], dict[str, str]],
) -> Parsed:
    if len(data) > MOST_BYTES:
        return refused(1, f"more than {MOST_BYTES} bytes")
    if not data.isascii():
        body = data.removeprefix(_BOM)
        if not body.isascii():
            return refused(1, "characters that are not ASCII")
        data = body
    needed, more = names
    found = RemittedLines(reading)
    seen: Counter[tuple[str, ...]] = Counter()
    header: list[str] = []
    for line, fields in _lines(data.decode("ascii")):
        if not header:
            header = [field.upper() for field in fields]
            rest = header[len(needed) :]
            if tuple(header[: len(needed)]) != needed or not set(rest) <= set(more) or len(set(rest)) < len(rest):
                found.note(line, f"the header is not {'|'.join(needed)}")
                break
        elif len(fields) != len(header):
            found.note(line, f"{len(fields)} fields, and the header has {len(header)}")
        else:
            _add(found, line, dict(zip(header, fields, strict=True)), values_of, seen)
        if found.is_full:
            break
    if found.is_empty:
        found.note(1, "no payments" if header else "there is no header")
    return found.parsed()


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    for line, each in enumerate(text.split("\n"), 1):
        if each.strip():
            yield line, [field.strip() for field in each.rstrip("\r").split("|")]


def _add(
    found: RemittedLines,
    line: int,
    row: _Row,
    values_of: Callable[[_Row], dict[str, str]],
    seen: Counter[tuple[str, ...]],
) -> None:
    try:
        values = values_of(row)
    except ValueError as error:
        found.note(line, str(error))
        return
    if not values.get("agency_payment_id"):
        key = tuple(row.values())
        seen[key] += 1
        told = "|".join((*key, str(seen[key])))
        values["agency_payment_id"] = hashlib.sha256(told.encode("ascii")).hexdigest()[:_ID_DIGITS]
    found.add(line, values)


def _tsi_values(row: _Row) -> dict[str, str]:
    kind = TSI_TYPES.get(row["TRANSACTION TYPE"].upper())
    if kind is None:
        raise ValueError(f"TRANSACTION TYPE: expected one of {', '.join(TSI_TYPES)}")
    return {
        "agency_payment_id": row.get("TRANSACTION ID", ""),
        "placement_id": row["TRANSMITTAL/REFERENCE NUMBER"],
        "account": "",
        "amount": row["TRANSACTION AMOUNT"],
        "date": spell_day(row["TRANSACTION DATE"], year_first=False),
        "kind": kind,
        "fee": row.get("FEE", ""),
    }


def _ygc_values(row: _Row, checks: list[Decimal]) -> dict[str, str]:
    if row["RECORD"] != YGC_RECORD:
        raise ValueError(f"RECORD: expected {YGC_RECORD}")
    kind = YGC_CODES.get(row["RET_CODE"])
    if kind is None:
        raise ValueError(f"RET_CODE: expected one of {', '.join(YGC_CODES)}")
    if row["COST_RET"] and _money(row, "COST_RET"):
        raise ValueError("COST_RET: costs are not posted; expected 0.00")
    gross, fee = _money(row, "GROSS_PAY"), _money(row, "FEES")
    if gross < ZERO:
        kind, gross, fee = _YGC_BACK[kind], -gross, -fee
    if row["CHECK_AMT"]:
        checks.append(_money(row, "CHECK_AMT"))
    return {
        "agency_payment_id": row.get("PAY_ID", ""),
        "account": row["FORW_FILE"],
        "amount": money_text(gross),
        "fee": money_text(fee),
        "net": row["NET_CLIENT"] if kind not in {"direct", "direct_reversal"} else "",
        "date": spell_day(row["PAY_DATE"], year_first=True),
        "kind": kind,
    }


def _money(row: _Row, name: str) -> Decimal:
    try:
        return parse_money(row[name] or "0")
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
