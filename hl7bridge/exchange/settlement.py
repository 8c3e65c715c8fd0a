"""What a person decides about agencies' money -> postings: the rest of a settlement, and what waits in suspense."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import NamedTuple

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.exchange.remitting import SETTLEMENT, Posting, ask_about_settled, ask_settlement
from hl7bridge.ledger.account import AccountState
from hl7bridge.money import ZERO, from_cents, money_text
from hl7bridge.payments.payment import Payment, PaymentKind, batch_id
from hl7bridge.storage.accounts import find_account, read_account, surviving
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.payments import Origin, PostedPayment, record_payment
from hl7bridge.storage.posting import queue_payments
from hl7bridge.storage.suspense import SuspenseStatus, close_suspense, read_suspense
from hl7bridge.times import utc_text


class Decided(NamedTuple):
    """Who decides, and why."""

    actor: str
    reason: str

    def require_reason(self) -> str:
        """Return the reason; raises RefusedError without one."""
        if not self.reason.strip():
            raise RefusedError("a reason is needed: say what was found, and what was done")
        return self.reason.strip()


def post(
    store: Store, payment: Payment, account: AccountState, posting: Posting, origin: Origin | None = None
) -> PostedPayment:
    """Post one payment inside the caller's transaction.

    Raises RefusedError as ``storage.payments.record_payment`` does, and when no destination takes it.
    """
    form, now = posting.destination(account.facility), posting.now
    today = posting.today_of(account.facility)
    recorded = record_payment(
        store, payment, account, form, now=now, posted_on=today, due_on=posting.due_on, origin=origin
    )
    if recorded.is_new:
        queue_payments(store, form, account, [recorded], posted_on=today, batch_id=batch_id(today), now=now)
        if payment.is_settlement:
            ask_settlement(store, recorded.payment_id, account, utc_text(now))
        ask_about_settled(store, recorded.reverses, account, utc_text(now))
    return PostedPayment(recorded.payment_id, recorded.is_new, recorded.status)


def approve_settlement(
    store: Store, payment_id: int, amount: Decimal | None, posting: Posting, decided: Decided
) -> tuple[PostedPayment, Decimal]:
    """Write off what a settlement left, once, inside the caller's transaction; return the adjustment and its dollars.

    ``amount`` None is what the agency told, or what was left when the settlement was received. Raises NotFoundError;
    RefusedError for a payment that settles nothing, was taken back or approved before, and for more than is owed now.
    """
    reason = decided.require_reason()
    row = store.row(
        "SELECT agency, account_id, settlement, (SELECT id FROM payments r WHERE r.reverses = p.id),"
        " (SELECT id FROM payments s WHERE s.settles = p.id), taken_back_at IS NOT NULL FROM payments p WHERE p.id = ?",
        (payment_id,),
    )
    if row is None:
        raise NotFoundError(f"no payment {payment_id}")
    agency, account_id, left, reversal, adjustment, is_taken_back = row
    if left is None:
        raise RefusedError(f"payment {payment_id} settles nothing: only a settlement is approved")
    if reversal is not None:
        raise RefusedError(f"payment {payment_id} was taken back by payment {reversal}: nothing was settled")
    if is_taken_back:
        raise RefusedError(f"the EHR took back payment {payment_id} itself: nothing was settled")
    if adjustment is not None:
        raise RefusedError(f"payment {payment_id} was approved before: the rest is adjustment {adjustment}")
    account = surviving(store, read_account(store, account_id))
    chosen = from_cents(left) if amount is None else amount
    if not ZERO < chosen <= account.balance:
        raise RefusedError(
            f"{money_text(chosen)} dollars cannot be written off: {money_text(account.balance)} are owed;"
            " say how much with --amount"
        )
    today = posting.today_of(account.facility)
    payment = Payment(agency, f"settlement-of-{payment_id}", PaymentKind.ADJUSTMENT, chosen, today)
    posted = post(store, payment, account, posting, Origin(settles=payment_id))
    _close_exception(store, payment_id, account.id, posting.now, decided.actor, reason)
    subject = f"payment {payment_id}: {money_text(chosen)} written off as payment {posted.payment_id}"
    _audit(store, posting.now, decided, "payments.approve", subject)
    return posted, chosen


def _close_exception(store: Store, payment_id: int, account_id: int, now: dt.datetime, actor: str, reason: str) -> None:
    """End what asked for the approval: it names the payment."""
    store.execute(
        "UPDATE exceptions SET closed_at = ?, closed_by = ?, resolution = ? WHERE kind = ? AND closed_at IS NULL"
        " AND account_id IN (?, (SELECT account_id FROM payments WHERE id = ?)) AND reason LIKE ?",
        (utc_text(now), actor, reason, SETTLEMENT, account_id, payment_id, f"payment {payment_id} settles %"),
    )


def assign_suspense(
    store: Store, suspense_id: int, number: str, facility: str | None, posting: Posting, decided: Decided
) -> PostedPayment:
    """Post what waits in suspense to the account a person names, once, inside the caller's transaction.

    Raises NotFoundError; RefusedError when it was settled before, or cannot be posted there.
    """
    reason = decided.require_reason()
    found = read_suspense(store, suspense_id)
    account = find_account(store, number, facility)
    posted = post(store, found.payment, account, posting, Origin(found.remittance_id, suspense_id=suspense_id))
    close_suspense(
        store,
        suspense_id,
        SuspenseStatus.ASSIGNED,
        now=posting.now,
        actor=decided.actor,
        reason=reason,
        payment_id=posted.payment_id,
    )
    _audit(store, posting.now, decided, "suspense.assign", f"suspense {suspense_id}: payment {posted.payment_id}")
    return posted


def return_suspense(store: Store, suspense_id: int, now: dt.datetime, decided: Decided) -> Decimal:
    """Say that money in suspense goes back to its agency, inside the caller's transaction; return its dollars.

    Nothing is posted, nor will be: the same payment again is known. Raises as ``assign_suspense`` does.
    """
    reason = decided.require_reason()
    found = read_suspense(store, suspense_id)
    close_suspense(store, suspense_id, SuspenseStatus.RETURNED, now=now, actor=decided.actor, reason=reason)
    _audit(store, now, decided, "suspense.return", f"suspense {suspense_id}")
    return found.payment.amount


def _audit(store: Store, now: dt.datetime, decided: Decided, action: str, subject: str) -> None:
    append_audit(store, at=now, actor=decided.actor, action=action, subject=subject, reason=decided.reason.strip())
