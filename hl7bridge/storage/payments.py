"""An agency's payment -> its row, its ledger entry and its delivery, all in the caller's transaction or not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from hl7bridge.errors import RefusedError, StoreError
from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import Entry
from hl7bridge.message.escape import escape
from hl7bridge.money import from_cents, money_text, to_cents
from hl7bridge.payments.message import (
    MESSAGE_KIND,
    Addressed,
    DestinationForm,
    Identifiers,
    build_payment_message,
)
from hl7bridge.payments.payment import (
    Payment,
    PaymentKind,
    PaymentStatus,
    control_id,
    payment_differences,
    transaction_id,
)
from hl7bridge.storage.accounts import read_patient
from hl7bridge.storage.database import Store
from hl7bridge.storage.deliveries import add_delivery
from hl7bridge.storage.entries import add_entry
from hl7bridge.times import utc_text

_LIST: Final = """
SELECT p.id AS payment, p.agency, p.agency_payment_id, a.number AS account, a.facility, p.amount, p.kind, p.paid_on,
  p.status, p.received_at, d.id AS delivery
FROM payments AS p JOIN accounts AS a ON a.id = p.account_id LEFT JOIN deliveries AS d ON d.payment_id = p.id
"""


class PostedPayment(NamedTuple):
    """A payment in the store; ``is_new`` is False when it had been posted before and nothing was done."""

    payment_id: int
    is_new: bool
    status: PaymentStatus


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
    RefusedError when it is another payment under a known id, takes back more than the agency has paid on the account,
    or the EHR could not tell whose it is. ``posted_on`` is the facility's day, ``batch_id`` FT1-3.
    """
    known = _known_payment(store, payment, account)
    if known is not None:
        return known
    if payment.kind is PaymentKind.REVERSAL:
        _require_paid(store, payment, account)
    addressed = address_of(store, account)
    time = utc_text(now)
    cursor = store.execute(
        "INSERT INTO payments (agency, agency_payment_id, account_id, kind, amount, paid_on, status, received_at,"
        " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            payment.agency, payment.agency_payment_id, account.id, payment.kind, to_cents(payment.amount),
            payment.paid_on.isoformat(), PaymentStatus.QUEUED, time, time,
        ),
    )  # fmt: skip
    payment_id = int(cursor.lastrowid)
    entry = Entry(
        kind=payment.ledger_kind,
        amount=payment.ledger_amount,
        payer="patient",
        service_on=payment.paid_on,
        posted_on=posted_on,
        transaction_id=payment.agency_payment_id,
    )
    source = f"agency:{payment.agency}"
    add_entry(store, account, entry, source=source, recorded_at=time, due_on=due_on, payment_id=payment_id)
    tag = _store_tag(store)
    identifiers = Identifiers(control_id(tag, payment_id), transaction_id(tag, payment_id), batch_id)
    add_delivery(
        store,
        destination=destination.name,
        kind=MESSAGE_KIND,
        control_id=identifiers.control_id,
        account_id=account.id,
        payment_id=payment_id,
        content=build_payment_message(destination, payment, addressed, identifiers, posted_on=posted_on, at=now),
        now=now,
    )
    return PostedPayment(payment_id, is_new=True, status=PaymentStatus.QUEUED)


def list_payments(
    store: Store, *, payment_id: int | None = None, status: str | None = None
) -> Iterator[dict[str, Any]]:
    """Return payments, newest first, one at a time; ``amount`` is Decimal dollars, always above zero."""
    conditions = {"p.id = ?": payment_id, "p.status = ?": status}
    chosen = {text: value for text, value in conditions.items() if value is not None}
    where = f" WHERE {' AND '.join(chosen)}" if chosen else ""
    for row in store.dicts(f"{_LIST}{where} ORDER BY p.id DESC", tuple(chosen.values())):
        yield row | {"amount": from_cents(row["amount"])}


def _known_payment(store: Store, payment: Payment, account: AccountState) -> PostedPayment | None:
    row = store.row(
        "SELECT id, kind, amount, paid_on, status, account_id FROM payments WHERE agency = ? AND agency_payment_id = ?",
        (payment.agency, payment.agency_payment_id),
    )
    if row is None:
        return None
    known = Payment(
        payment.agency,
        payment.agency_payment_id,
        PaymentKind(row[1]),
        from_cents(row[2]),
        dt.date.fromisoformat(row[3]),
    )
    differences = payment_differences(known, payment)
    if row[5] != account.id:
        differences = ("account", *differences)
    if differences:
        raise RefusedError(
            f"payment {row[0]} has this agency_payment_id with another {', '.join(differences)}; "
            "a correction is a reversal and a new payment, each with its own id"
        )
    return PostedPayment(row[0], is_new=False, status=PaymentStatus(row[4]))


def _require_paid(store: Store, payment: Payment, account: AccountState) -> None:
    """Refuse a reversal of money that this agency never reported for the account, or has taken back already."""
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


def address_of(store: Store, account: AccountState) -> Addressed:
    """Return by what ids the EHR knows an account now; raises RefusedError when nothing tells whose it is."""
    patient = read_patient(store, account.patient_id)
    pid_3 = patient.pid_3 if patient else None
    if not isinstance(pid_3, str):
        raise RefusedError(
            "no message has brought the account's patient identifier (PID-3) yet: the EHR could not match it"
        )
    pid_5 = patient.pid_5 if patient and isinstance(patient.pid_5, str) else ""
    pid_18 = account.pid_18 or ""
    if not (pid_18 or account.pv1_19 or account.pv1_50):
        pid_18 = escape(account.number)
    visit, alternate = account.pv1_19 or "", account.pv1_50 or ""
    return Addressed(pid_3, pid_5, pid_18, visit, alternate, account.patient_class or "", account.number)


def _store_tag(store: Store) -> str:
    row = store.row("SELECT value FROM meta WHERE key = 'tag'")
    if row is None:
        raise StoreError(f"{store.path}: the store has no tag; restore it from a backup")
    return str(row[0])
