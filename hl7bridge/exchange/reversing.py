"""A person takes a payment back: its balance rises, and the EHR is told only when it has the payment.

Source: collections.md 3.5: no reversal without its original, and none twice.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hl7bridge.delivery.delivery import DeliveryStatus
from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.exchange.remitting import Posting
from hl7bridge.exchange.settlement import Decided, post
from hl7bridge.money import from_cents, money_text
from hl7bridge.payments.payment import Payment, PaymentKind
from hl7bridge.storage.accounts import read_account, surviving
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.deliveries import cancel_delivery

_PAYMENT: Final = (
    "SELECT p.agency, p.agency_payment_id, p.account_id, p.kind, p.amount, p.echoed_at IS NOT NULL, d.id, d.status,"
    " d.lost, (SELECT count(*) FROM delivery_payments o WHERE o.delivery_id = d.id),"
    " (SELECT r.id FROM payments r WHERE r.reverses = p.id), (SELECT s.id FROM payments s WHERE s.settles = p.id),"
    " p.taken_back_at IS NOT NULL"
    " FROM payments p JOIN delivery_payments c ON c.payment_id = p.id JOIN deliveries d ON d.id = c.delivery_id"
    " WHERE p.id = ?"
)
_NOT_THERE: Final = (DeliveryStatus.QUEUED, DeliveryStatus.HELD, DeliveryStatus.CANCELLED)
_TOGETHER: Final = "it waits in one message with other payments of the account: take it back once the EHR has that"


class Reversed(NamedTuple):
    """The reversal of a payment; ``is_sent`` False: the EHR never had the payment, and hears of neither.

    ``adjustment`` is the payment that wrote off the rest of a settlement; it stays.
    """

    reversal: int
    is_sent: bool
    adjustment: int | None


class _Original(NamedTuple):
    agency: str
    agency_payment_id: str
    account_id: int
    kind: str
    amount: int
    is_echoed: int
    delivery_id: int
    status: str
    lost: int
    together: int
    reversal: int | None
    adjustment: int | None
    is_taken_back: int


def reverse_payment(store: Store, payment_id: int, posting: Posting, decided: Decided) -> Reversed:
    """Take a payment back, whole and once, inside the caller's transaction.

    What the EHR has, it is told to take back. What it never had is cancelled, if that still waits, and posting sees to
    it that the reversal is not sent either. Raises NotFoundError; RefusedError when nobody knows whether the EHR has
    it, when it was taken back before, also in part, and for what is no payment.
    """
    reason = decided.require_reason()
    row = store.row(_PAYMENT, (payment_id,))
    if row is None:
        raise NotFoundError(f"no payment {payment_id}")
    original = _Original(*row)
    is_there = _is_there(original, payment_id)
    now, actor = posting.now, decided.actor
    if not is_there and original.status != DeliveryStatus.CANCELLED:
        if original.together > 1:
            raise RefusedError(_TOGETHER)
        cancel_delivery(store, original.delivery_id, now=now, actor=actor, reason=reason)
    account = surviving(store, read_account(store, original.account_id))
    payment = Payment(
        original.agency,
        f"reversal-of-{payment_id}",
        PaymentKind.REVERSAL,
        from_cents(original.amount),
        posting.today_of(account.facility),
        reversal_of=original.agency_payment_id,
    )
    posted = post(store, payment, account, posting)
    subject = f"payment {payment_id}: {money_text(payment.amount)} taken back as payment {posted.payment_id}"
    subject += "" if is_there else "; the EHR never had it"
    append_audit(store, at=now, actor=actor, action="payments.reverse", subject=subject, reason=reason)
    return Reversed(posted.payment_id, is_there, original.adjustment)


def _is_there(original: _Original, payment_id: int) -> bool:
    """Return whether the EHR has a payment that can be taken back; raises RefusedError when that cannot be told."""
    if original.kind != PaymentKind.PAYMENT:
        raise RefusedError(f"payment {payment_id} is a {original.kind}: only a payment is taken back")
    if original.reversal is not None:
        raise RefusedError(f"payment {payment_id} was taken back before, by payment {original.reversal}")
    if original.is_taken_back:
        raise RefusedError(f"the EHR took back payment {payment_id} itself, and the ledger counts that")
    if original.status == DeliveryStatus.ACCEPTED or original.is_echoed:
        return True
    if original.status in _NOT_THERE and not original.lost:
        return False
    raise RefusedError(
        f"delivery {original.delivery_id} is {original.status} and may be in the EHR: wait for its reply, or say what"
        f" was found there with 'hl7bridge deliveries resolve {original.delivery_id}'"
    )
