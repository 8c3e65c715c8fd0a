"""Money that no account is known for <-> its table: kept with its dollars until a person assigns or returns it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.money import from_cents, money_text, to_cents
from hl7bridge.payments.payment import Payment, PaymentKind
from hl7bridge.payments.remittance import Remitted
from hl7bridge.storage.database import Row, Store
from hl7bridge.times import utc_text

_LIST: Final = """
SELECT s.id AS suspense, s.agency, s.agency_payment_id, s.account, s.facility, s.kind, s.amount, s.fee, s.paid_on,
  s.status, s.reason, s.opened_at, s.closed_at, s.closed_by, s.resolution, s.payment_id AS payment
FROM suspense AS s
"""
_READ: Final = (
    "SELECT id, status, agency, agency_payment_id, kind, amount, paid_on, fee, content, remittance_id, account"
)


class SuspenseStatus(StrEnum):
    """Where money in suspense is."""

    OPEN = "open"
    ASSIGNED = "assigned"  # a person told the account, and it was posted there
    RETURNED = "returned"  # it went back to the agency


class Suspended(NamedTuple):
    """A payment in suspense; ``account`` is whose it is in the agency's words."""

    id: int
    status: SuspenseStatus
    payment: Payment
    remittance_id: int | None
    account: str


def named_account(record: Remitted) -> str:
    """Return whose payment it is in the agency's words: the account's number, or the placement's."""
    return record.account or f"placement {record.placement_id}"


def add_suspense(store: Store, record: Remitted, remittance_id: int | None, reason: str, now: dt.datetime) -> int:
    """Keep a payment for a person, inside the caller's transaction, and return its id."""
    payment = record.payment
    account = named_account(record)
    return store.insert(
        "INSERT INTO suspense (agency, agency_payment_id, account, facility, kind, amount, fee, paid_on, content,"
        " remittance_id, reason, status, opened_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?)",
        (
            payment.agency, payment.agency_payment_id, account, record.facility or "", payment.kind,
            to_cents(payment.amount), to_cents(payment.fee), payment.paid_on.isoformat(), _content(payment),
            remittance_id, reason, utc_text(now),
        ),
    )  # fmt: skip


def find_suspense(store: Store, agency: str, agency_payment_id: str) -> Suspended | None:
    """Return what an agency's id names in suspense, whatever became of it, or None."""
    row = store.row(f"{_READ} FROM suspense WHERE agency = ? AND agency_payment_id = ?", (agency, agency_payment_id))
    return None if row is None else _suspended(row)


def read_suspense(store: Store, suspense_id: int) -> Suspended:
    """Return one payment in suspense that waits. Raises NotFoundError; RefusedError when it was settled before."""
    row = store.row(f"{_READ} FROM suspense WHERE id = ?", (suspense_id,))
    if row is None:
        raise NotFoundError(f"nothing in suspense has number {suspense_id}")
    found = _suspended(row)
    if found.status is not SuspenseStatus.OPEN:
        raise RefusedError(f"suspense {suspense_id} was {found.status} before")
    return found


def close_suspense(
    store: Store,
    suspense_id: int,
    status: SuspenseStatus,
    *,
    now: dt.datetime,
    actor: str,
    reason: str,
    payment_id: int | None = None,
) -> None:
    """Say what a person did with money in suspense, inside the caller's transaction."""
    store.execute(
        "UPDATE suspense SET status = ?, closed_at = ?, closed_by = ?, resolution = ?, payment_id = ? WHERE id = ?",
        (status, utc_text(now), actor, reason, payment_id, suspense_id),
    )


def list_suspense(store: Store, *, is_open: bool = False, agency: str | None = None) -> Iterator[dict[str, Any]]:
    """Return what is in suspense, newest first, one at a time; with ``is_open`` what waits for a person."""
    where = " WHERE s.agency = coalesce(?, s.agency)" + (" AND s.status = 'open'" if is_open else "")
    for row in store.dicts(f"{_LIST}{where} ORDER BY s.id DESC", (agency,)):
        yield row | {"amount": from_cents(row["amount"]), "fee": from_cents(row["fee"])}


def count_suspense(store: Store) -> tuple[int, Decimal]:
    """Return how many payments wait in suspense and their dollars, money that went back taken off."""
    count, cents = store.rows(
        "SELECT count(*), coalesce(sum(CASE kind WHEN 'payment' THEN amount WHEN 'reversal' THEN -amount ELSE 0 END),"
        " 0) FROM suspense WHERE status = 'open'"
    )[0]
    return int(count), from_cents(cents)


def _content(payment: Payment) -> str:
    told = {
        "trust_on": payment.trust_on.isoformat() if payment.trust_on else None,
        "method": payment.method,
        "reversal_of": payment.reversal_of,
        "is_settlement": payment.is_settlement,
        "left": None if payment.left is None else money_text(payment.left),
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _suspended(row: Row) -> Suspended:
    told = json.loads(row[8])
    payment = Payment(
        row[2],
        row[3],
        PaymentKind(row[4]),
        from_cents(row[5]),
        dt.date.fromisoformat(row[6]),
        from_cents(row[7]),
        dt.date.fromisoformat(told["trust_on"]) if told["trust_on"] else None,
        told["method"],
        told["reversal_of"],
        told["is_settlement"],
        None if told["left"] is None else Decimal(told["left"]),
    )
    return Suspended(row[0], SuspenseStatus(row[1]), payment, row[9], row[10])
