"""The demo's agency: proves the placement files it is given by their trailers, takes them, and writes a remittance."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from hl7bridge.cli.demo_people import PEOPLE
from hl7bridge.layouts.placements_csv import (
    Trailer,
    digest_of,
    encode_placements,
    encode_trailer,
    parse_placements,
    parse_trailer,
)
from hl7bridge.money import ZERO, money_text
from hl7bridge.times import utc_text

_TRAILER: Final = ".trailer.csv"


class Placed(NamedTuple):
    """What the agency knows of one account that was placed with it."""

    account: str
    name: str
    balance: Decimal


class Delivered(NamedTuple):
    """What the agency found in its folder: each file's trailer, and the accounts of all files."""

    trailers: tuple[Trailer, ...]
    placed: tuple[Placed, ...]
    problems: tuple[str, ...]

    @property
    def total(self) -> Decimal:
        """Return what the agency adds up itself, from the rows."""
        return sum((each.balance for each in self.placed), ZERO)

    @property
    def control_total(self) -> Decimal:
        """Return what the trailers say."""
        return sum((Decimal(each.balance_total) for each in self.trailers), ZERO)


def read_delivered(folder: Path) -> Delivered:
    """Return the files that have a trailer, and everything in which one differs from its trailer."""
    trailers: list[Trailer] = []
    placed: list[Placed] = []
    problems: list[str] = []
    for path in sorted(folder.glob(f"*{_TRAILER}")):
        trailer = parse_trailer(path.read_bytes())
        data = (folder / trailer.file).read_bytes()
        table = parse_placements(data)
        rows = [_placed(dict(zip(table.columns, row, strict=True))) for row in table.rows]
        if digest_of(data) != trailer.sha256:
            problems.append(f"{trailer.file}: not the digest that its trailer has")
        if len(rows) != trailer.records:
            problems.append(f"{trailer.file}: {len(rows)} rows, and its trailer says {trailer.records}")
        if sum((each.balance for each in rows), ZERO) != Decimal(trailer.balance_total):
            problems.append(f"{trailer.file}: the balances do not come to {trailer.balance_total}")
        trailers.append(trailer)
        placed += rows
    return Delivered(tuple(trailers), tuple(placed), tuple(problems))


def acknowledge(folder: Path, agency: str, delivered: Delivered, now: dt.datetime) -> str:
    """Put a file into the folder in which the agency takes every placement, then its trailer; return its name."""
    rows = [(each.account, "yes", money_text(each.balance)) for each in delivered.placed]
    data = encode_placements(("client_account", "accepted", "balance"), rows)
    name = "acknowledgements-000001"
    total = money_text(delivered.total)
    trailer = Trailer(f"{name}.csv", 1, agency, len(rows), total, digest_of(data), utc_text(now), "acknowledgements")
    (folder / trailer.file).write_bytes(data)
    (folder / f"{name}{_TRAILER}").write_bytes(encode_trailer(trailer))
    return trailer.file


def write_remittance(path: Path, delivered: Delivered, paid_on: dt.date) -> tuple[int, Decimal]:
    """Write what people paid the agency as a CSV file, and return its lines and dollars, reversals taken off."""
    accounts = {each.account for each in delivered.placed}
    net = ZERO
    lines = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("agency_payment_id", "account", "amount", "date", "kind"))
        for person in PEOPLE:
            for kind, dollars in person.remits if person.account in accounts else ():
                lines += 1
                writer.writerow((f"SA-{lines:04}", person.account, dollars, paid_on.isoformat(), kind))
                net += -Decimal(dollars) if kind == "reversal" else Decimal(dollars)
    return lines, net


def _placed(row: dict[str, str]) -> Placed:
    name = f"{row['patient_family_name']}, {row['patient_given_name']}"
    return Placed(row["client_account"], name, Decimal(row["balance"]))
