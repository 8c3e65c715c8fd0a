"""An agency that pays: its payment files in the incoming folder, and accounts that the EHR knows by PID-3."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from exchange_samples import put_file, take
from placement_samples import PATIENT, put_account

from hl7bridge.money import from_cents
from hl7bridge.storage.database import Store
from hl7bridge.storage.received_files import read_outcomes

PAYER = PATIENT._replace(pid_3="100234^^^HOSP^MR")


def put_payer(store: Store, number: str = "A1001", **changes: object) -> int:
    """Store an account of 150.00 whose patient the EHR can match."""
    return put_account(store, number, patient=PAYER, **changes)


def paid(name: str = "CHK1", account: str = "A1001", amount: str = "100.00", **more: str) -> dict[str, str]:
    """Return one record of a payment file."""
    return {"agency_payment_id": name, "account": account, "amount": amount, "date": "2026-03-01"} | more


def put_payments(folder: Path, rows: list[dict[str, str]], number: int = 1, cheque: str = "", **more: object) -> Path:
    """Write a payment file and its trailer, whose total is the cheque: what the rows come to, unless it is given."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    rows = [dict.fromkeys(names, "") | row for row in rows]
    total = sum((_net(row) for row in rows), Decimal("0.00"))
    told = {"balance_total": cheque or f"{total:.2f}"}
    return put_file(folder, "remittances", number, rows, told=told, **more)


def _net(row: dict[str, str]) -> Decimal:
    kind, amount, fee = row.get("kind") or "payment", Decimal(row["amount"]), Decimal(row.get("fee") or "0")
    if kind in {"payment", "settlement"}:
        return amount - fee
    return fee - amount if kind == "reversal" else -fee


def remit(store: Store, folder: Path, rows: list[dict[str, str]], number: int = 1) -> list[tuple[str, str]]:
    """Have the agency send a payment file, and return the outcome and reason of each line."""
    put_payments(folder, rows, number)
    [came] = take(store, folder).files
    assert came.file.status == "taken", came.file.problem
    return [(row["outcome"], row["reason"]) for row in read_outcomes(store, came.file.id)]


def owed(store: Store, account_id: int) -> Decimal:
    """Return an account's balance, which is the sum of its entries."""
    kept, summed = store.rows(
        "SELECT a.charges - a.payments - a.adjustments,"
        " sum(CASE e.kind WHEN 'CG' THEN e.amount ELSE -e.amount END)"
        " FROM accounts a JOIN entries e ON e.account_id = a.id WHERE a.id = ?",
        (account_id,),
    )[0]
    assert kept == summed
    return from_cents(kept)


def payments_of(store: Store) -> list[tuple]:
    """Return agency's id, kind and cents of every payment, in the order posted."""
    return store.rows("SELECT agency_payment_id, kind, amount FROM payments ORDER BY id")


def suspense_of(store: Store) -> list[tuple]:
    """Return agency's id, account, cents and status of what is or was in suspense."""
    return store.rows("SELECT agency_payment_id, account, amount, status FROM suspense ORDER BY id")
