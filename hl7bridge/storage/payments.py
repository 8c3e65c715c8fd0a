"""An agency's payment -> its row, its ledger entry and its delivery, all in the caller's transaction or not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from hl7bridge.errors import RefusedError
from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import Entry
from hl7bridge.money import ZERO, from_cents, money_text, to_cents
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.payment import (
    Payment,
    PaymentKind,
    PaymentStatus,
    payment_differences,
    transaction_id,
)
from hl7bridge.storage.database import Store
from hl7bridge.storage.entries import add_entry
from hl7bridge.storage.posting import Recorded, address_of, queue_payments, store_tag
from hl7bridge.storage.suspense import SuspenseStatus, find_suspense
from hl7bridge.times import utc_text

__all__ = ["Origin", "Recorded", "address_of", "find_payment", "list_payments", "post_payment", "record_payment"]

_LIST: Final = """
SELECT p.id AS payment, p.agency, p.agency_payment_id, a.number AS account, a.facility, p.amount, p.kind, p.paid_on,
  p.status, p.received_at, d.delivery_id AS delivery, p.fee, p.trust_on, p.method, p.reverses, p.settlement, p.settles
FROM payments AS p JOIN accounts AS a ON a.id = p.account_id LEFT JOIN delivery_payments AS d ON d.payment_id = p.id
"""
_KNOWN: Final = (
    "SELECT p.kind, p.amount, p.paid_on, p.fee, p.settlement IS NOT NULL, p.id, p.status, p.account_id, p.reverses,"
    " coalesce((SELECT o.agency_payment_id FROM payments o WHERE o.id = p.reverses), ''), p.settlement"
    " FROM payments p WHERE p.agency = ? AND p.agency_payment_id = ?"
)
# Of an account and an agency: payments, and the cents of each that nobody has taken back.
_REVERSIBLE: Final = (
    "SELECT p.id, p.amount, p.amount - (SELECT coalesce(sum(r.amount), 0) FROM payments r WHERE r.reverses = p.id),"
    " p.agency_payment_id, p.taken_back_at IS NOT NULL FROM payments p"
    " WHERE p.account_id = ? AND p.agency = ? AND p.kind = 'payment' ORDER BY p.id DESC"
)


class PostedPayment(NamedTuple):
    """A payment in the store; ``is_new`` is False when it had been posted before and nothing was done."""

    payment_id: int
    is_new: bool
    status: PaymentStatus


class Origin(NamedTuple):
    """Where a payment is from: the remittance it came in, the settlement of which it writes off the rest.

    ``suspense_id`` is where it waited until a person assigned it.
    """

    remittance_id: int | None = None
    settles: int | None = None
    suspense_id: int | None = None


class KnownPayment(NamedTuple):
    """A payment of the store under an agency's id."""

    payment: Payment
    payment_id: int
    status: PaymentStatus
    account_id: int
    reverses: int | None


def post_payment(
    store: Store,
    payment: Payment,
    account: AccountState,
    destination: DestinationForm,
    *,
    now: dt.datetime,
    posted_on: dt.date,
    batch_id: str,
    due_on: Callable[[AccountState], dt.date | None],
) -> PostedPayment:
    """Store a payment once: lower (a reversal: raise) the account's balance, and queue the message for the EHR.

    The same (agency, agency_payment_id) with the same content is the same payment: nothing is written. Raises
    RefusedError as ``record_payment`` does. ``posted_on`` is the facility's day, ``batch_id`` FT1-3.
    """
    recorded = record_payment(store, payment, account, destination, now=now, posted_on=posted_on, due_on=due_on)
    if recorded.is_new:
        queue_payments(store, destination, account, [recorded], posted_on=posted_on, batch_id=batch_id, now=now)
    return PostedPayment(recorded.payment_id, recorded.is_new, recorded.status)


def record_payment(
    store: Store,
    payment: Payment,
    account: AccountState,
    destination: DestinationForm,
    *,
    now: dt.datetime,
    posted_on: dt.date,
    due_on: Callable[[AccountState], dt.date | None],
    origin: Origin | None = None,
) -> Recorded:
    """Store a payment and its ledger entry once; the caller queues its message in the same transaction.

    Raises RefusedError when it is another payment under a known id, takes back what this agency has not paid on the
    account or has taken back already, waits in suspense or went back from there, or the EHR could not tell whose it is.
    """
    known = _known_payment(store, payment, account)
    if known is not None:
        return known
    told = origin or Origin()
    _require_unsuspended(store, payment, told)
    reverses = _find_original(store, payment, account) if payment.kind is PaymentKind.REVERSAL else None
    address_of(store, account, destination)
    time = utc_text(now)
    entry = Entry(
        kind=payment.ledger_kind,
        amount=payment.ledger_amount,
        payer="patient",
        service_on=payment.paid_on,
        posted_on=posted_on,
        transaction_id=payment.agency_payment_id,
    )
    left = None
    if payment.is_settlement:
        left = max(account.balance - payment.amount, ZERO) if payment.left is None else payment.left
    payment_id = store.insert(
        "INSERT INTO payments (agency, agency_payment_id, account_id, kind, amount, paid_on, status, received_at,"
        " updated_at, fee, trust_on, method, reverses, settlement, settles, remittance_id, destination)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            payment.agency, payment.agency_payment_id, account.id, payment.kind, to_cents(payment.amount),
            payment.paid_on.isoformat(), PaymentStatus.QUEUED, time, time, to_cents(payment.fee),
            payment.trust_on.isoformat() if payment.trust_on else None, payment.method, reverses,
            None if left is None else to_cents(left), told.settles, told.remittance_id, destination.name,
        ),
    )  # fmt: skip
    store.execute(
        "UPDATE payments SET transaction_id = ? WHERE id = ?",
        (transaction_id(store_tag(store), payment_id), payment_id),
    )
    source = f"agency:{payment.agency}"
    add_entry(store, account, entry, source=source, recorded_at=time, due_on=due_on, payment_id=payment_id)
    return Recorded(payment_id, payment, reverses, is_new=True, status=PaymentStatus.QUEUED)


def find_payment(store: Store, agency: str, agency_payment_id: str) -> KnownPayment | None:
    """Return the payment that an agency's id names, or None; trust date and method are not read."""
    row = store.row(_KNOWN, (agency, agency_payment_id))
    if row is None:
        return None
    known = Payment(
        agency,
        agency_payment_id,
        PaymentKind(row[0]),
        from_cents(row[1]),
        dt.date.fromisoformat(row[2]),
        from_cents(row[3]),
        reversal_of=row[9],
        is_settlement=bool(row[4]),
        left=None if row[10] is None else from_cents(row[10]),
    )
    return KnownPayment(known, row[5], PaymentStatus(row[6]), row[7], row[8])


def list_payments(
    store: Store, *, payment_id: int | None = None, status: str | None = None
) -> Iterator[dict[str, Any]]:
    """Return payments, newest first, one at a time; ``amount`` is Decimal dollars, always above zero."""
    conditions = {"p.id = ?": payment_id, "p.status = ?": status}
    chosen = {text: value for text, value in conditions.items() if value is not None}
    where = f" WHERE {' AND '.join(chosen)}" if chosen else ""
    for row in store.dicts(f"{_LIST}{where} ORDER BY p.id DESC", tuple(chosen.values())):
        left = row["settlement"]
        dollars = {name: from_cents(row[name]) for name in ("amount", "fee")}
        yield row | dollars | {"settlement": None if left is None else from_cents(left)}


def _known_payment(store: Store, payment: Payment, account: AccountState) -> Recorded | None:
    known = find_payment(store, payment.agency, payment.agency_payment_id)
    if known is None:
        return None
    differences = payment_differences(known.payment, payment)
    if known.account_id != account.id:
        differences = ("account", *differences)
    if differences:
        raise RefusedError(
            f"payment {known.payment_id} has this agency_payment_id with another {', '.join(differences)}; "
            "a correction is a reversal and a new payment, each with its own id"
        )
    return Recorded(known.payment_id, payment, known.reverses, is_new=False, status=known.status)


def _require_unsuspended(store: Store, payment: Payment, told: Origin) -> None:
    """Refuse money that waits in suspense, but for a person who assigns it, and money that went back."""
    found = find_suspense(store, payment.agency, payment.agency_payment_id)
    if found is None or found.id == told.suspense_id:
        return
    if found.status is SuspenseStatus.RETURNED:
        raise RefusedError(f"a payment of this id went back to the agency as suspense {found.id}: it is never posted")
    raise RefusedError(f"the payment waits in suspense: 'hl7bridge suspense assign {found.id}' posts it")


def _find_original(store: Store, payment: Payment, account: AccountState) -> int:
    """Return the payment that a reversal takes back: the one it names, or the only one that it can mean.

    Raises RefusedError for money that this agency never reported for the account, or has taken back already.
    """
    paid = from_cents(
        store.rows(
            "SELECT coalesce(sum(CASE kind WHEN 'payment' THEN amount WHEN 'reversal' THEN -amount ELSE 0 END), 0)"
            " FROM payments WHERE account_id = ? AND agency = ?",
            (account.id, payment.agency),
        )[0][0]
    )
    if payment.amount > paid:
        raise RefusedError(
            f"the reversal takes back {money_text(payment.amount)}, and this agency's payments on the account, "
            f"less reversals, are {money_text(paid)}"
        )
    able = [row for row in store.rows(_REVERSIBLE, (account.id, payment.agency)) if row[2] >= to_cents(payment.amount)]
    if payment.reversal_of:
        able = [row for row in able if row[3] == payment.reversal_of]
        if not able:
            raise RefusedError(
                "the reversal names no payment of this agency on the account that has so much and was not taken back"
            )
    else:
        able = [row for row in able if row[1] == row[2]]  # the rest of one that was taken back in part has to be named
    exact = [row for row in able if row[1] == to_cents(payment.amount)]
    if not exact and len(able) != 1:
        raise RefusedError("the reversal could mean several payments or none; have it name one in reversal_of")
    for payment_id, *_, is_taken_back in exact or able:
        if is_taken_back:
            raise RefusedError(f"the EHR took back payment {payment_id} itself, and the ledger counts that")
    return int((exact or able)[0][0])
