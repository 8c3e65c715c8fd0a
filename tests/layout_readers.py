"""Readers of agency files as an agency would write them: by the public descriptions, with nothing of hl7bridge.

Each returns dictionaries: ``placement`` (int), ``account``, ``balance`` (Decimal) and, of a notice, ``kind`` in the
layout's own word, ``amount`` (Decimal, never negative in aim and tsi) and ``notice`` (int, None in tsi).
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal


def read_placements(layout: str, data: bytes) -> list[dict]:
    """Return the placements of a file."""
    return {"csv": _csv, "jsonl": _jsonl, "aim": _aim_placements, "tsi": _tsi_placements}[layout](data)


def read_notices(layout: str, data: bytes) -> list[dict]:
    """Return the notices of a file."""
    return {"csv": _csv, "jsonl": _jsonl, "aim": _aim_notices, "tsi": _tsi_notices}[layout](data)


def _csv(data: bytes) -> list[dict]:
    assert data.endswith(b"\r\n")
    rows = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
    return [_named({name: _without_apostrophe(value) for name, value in row.items()}) for row in rows]


def _without_apostrophe(value: str) -> str:
    return value[1:] if value.startswith("'") and value.lstrip("'")[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def _jsonl(data: bytes) -> list[dict]:
    assert data.endswith(b"\n")
    return [_named(json.loads(line)) for line in data.decode("utf-8").split("\n")[:-1]]


def _named(values: dict[str, str]) -> dict:
    assert all(isinstance(value, str) for value in values.values())
    return {
        "placement": int(values["placement_id"]),
        "account": values["client_account"],
        "balance": Decimal(values["balance"]),
        "kind": values.get("kind"),
        "amount": Decimal(values["amount"]) if values.get("amount") else None,
        "notice": int(values["notice_id"]) if "notice_id" in values else None,
        "fields": values,
    }


def _records(data: bytes) -> list[bytes]:
    """The records of a fixed file, its trailer record last: it has to count the others."""
    assert data.endswith(b"\r\n")
    *records, trailer = data.split(b"\r\n")[:-1]
    assert trailer[:4] == b"CTRL"
    assert int(trailer[84:94]) == len(records)
    return [*records, trailer]


def _aim_placements(data: bytes) -> list[dict]:
    *records, trailer = _records(data)
    placements: dict[int, dict] = {}
    for record in records:
        assert len(record) == 3000
        kind = record[:4]
        if kind == b"CACT":
            amounts = [Decimal(_at(record, first, first + 11)) for first in range(44, 152, 12)]
            placements[int(_at(record, 5, 13))] = {
                "placement": int(_at(record, 5, 13)),
                "account": _at(record, 14, 43),
                "balance": sum(amounts),
                "last_charge": _ccyymmdd(_at(record, 152, 159)),
                "last_paid": _ccyymmdd(_at(record, 160, 167)),
                "phones": [],
                "fields": {},
            }
        elif kind == b"CUPP":
            placements[int(_at(record, 14, 22))]["phones"].append((_at(record, 73, 73), _at(record, 76, 105)))
        else:
            assert kind == b"CMIS"
            placements[int(_at(record, 5, 13))]["fields"][_at(record, 44, 73)] = _at(record, 74, 173)
    assert Decimal(_at(trailer, 95, 106)) == sum(each["balance"] for each in placements.values())
    assert _ccyymmdd(_at(trailer, 107, 114)) is not None
    return list(placements.values())


def _aim_notices(data: bytes) -> list[dict]:
    *records, _ = _records(data)
    notices: list[dict] = []
    found: dict = {"fields": {}, "phones": []}
    for record in records:
        kind = record[:4].decode()
        if kind == "CMIS" and _at(record, 44, 73) == "NOTICE":
            number, name, _, balance, *reason = _at(record, 74, 173).split(" ")
            notices.append(
                {"record": None, "amount": None, "account": _at(record, 14, 43), "placement": int(_at(record, 5, 13))}
                | found
                | {"notice": int(number), "name": name, "balance": Decimal(balance), "reason": " ".join(reason)}
            )
            found = {"fields": {}, "phones": []}
        elif kind == "CMIS":
            found["fields"][_at(record, 44, 73)] = _at(record, 74, 173)
        elif kind == "CUPP":
            found["phones"].append(_at(record, 76, 105))
        elif kind == "CPAY":
            found |= {"record": kind, "amount": Decimal(_at(record, 44, 55)), "kind": _at(record, 160, 162)}
            found |= {"paid_on": _ccyymmdd(_at(record, 152, 159)), "payment": _at(record, 163, 192)}
        else:
            assert kind in {"CPEN", "CFIN"}
            found |= {"record": kind, "kind": _at(record, 44, 46), "objection": _ccyymmdd(_at(record, 47, 54))}
    return notices


def _at(record: bytes, first: int, last: int) -> str:
    """What stands at positions counted from 1."""
    return record[first - 1 : last].decode("ascii").strip()


def _ccyymmdd(text: str) -> dt.date | None:
    return None if text == "19000101" else dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))


_TSI_PLACEMENT = 33
_TSI_UPDATE = 6


def _tsi_lines(data: bytes, fields: int) -> list[list[str]]:
    header, *lines = data.decode("ascii").split("\r\n")[:-1]
    assert len(header.split("|")) == fields
    rows = [line.split("|") for line in lines]
    assert all(len(row) == fields for row in rows)
    return rows


def _tsi_placements(data: bytes) -> list[dict]:
    return [
        {
            "placement": int(row[1]),
            "account": row[2],
            "balance": Decimal(row[28]),
            "client": row[0],
            "debtor": row[3],
            "street": row[4],
            "phone": row[9],
            "patient_type": row[13],
            "birth_on": _mmddyyyy(row[12]),
            "debt_on": _mmddyyyy(row[27]),
            "paid_on": _mmddyyyy(row[29]),
            "service": row[30],
            "social_security_numbers": row[11] + row[19],
        }
        for row in _tsi_lines(data, _TSI_PLACEMENT)
    ]


def _tsi_notices(data: bytes) -> list[dict]:
    return [
        {
            "client": row[0],
            "placement": int(row[1]),
            "kind": row[2],
            "day": _mmddyyyy(row[3]),
            "amount": Decimal(row[4]),
            "balance": Decimal(row[5]),
            "notice": None,
        }
        for row in _tsi_lines(data, _TSI_UPDATE)
    ]


def _mmddyyyy(text: str) -> dt.date | None:
    return dt.date(int(text[4:]), int(text[:2]), int(text[2:4])) if text else None
