"""A payment that the EHR never had -> its reversal is not sent either, or a person says so.

Source: collections.md 3.5: no reversal without its original.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hl7bridge.delivery.delivery import DeliveryEvent, DeliveryStatus
from hl7bridge.storage.database import Store
from hl7bridge.storage.exceptions import open_exception

ALONE: Final = "reversal_alone"
# The delivery of a payment that was cancelled and has not come back on the feed.
_CANCELLED: Final = (
    "SELECT p.id, d.id, d.lost FROM delivery_payments c JOIN deliveries d ON d.id = c.delivery_id"
    " JOIN payments p ON p.id = c.payment_id WHERE p.id = ? AND d.status = 'cancelled' AND p.echoed_at IS NULL"
)
# Reversals of a delivery's payments, and whether all that their own message posts takes such payments back.
_REVERSALS: Final = (
    "SELECT r.id, p.id, r.account_id, d.id, d.status, d.lost = 0 AND NOT EXISTS (SELECT 1 FROM delivery_payments o"
    " JOIN payments x ON x.id = o.payment_id WHERE o.delivery_id = d.id AND NOT EXISTS (SELECT 1 FROM payments y"
    " JOIN delivery_payments yc ON yc.payment_id = y.id"
    " WHERE y.id = x.reverses AND yc.delivery_id = c.delivery_id AND y.echoed_at IS NULL))"
    " FROM delivery_payments c JOIN payments p ON p.id = c.payment_id JOIN payments r ON r.reverses = p.id"
    " JOIN delivery_payments rc ON rc.payment_id = r.id JOIN deliveries d ON d.id = rc.delivery_id"
    " WHERE c.delivery_id = ? AND p.echoed_at IS NULL AND d.status <> 'cancelled' ORDER BY r.id"
)
_WAITING: Final = (DeliveryStatus.QUEUED, DeliveryStatus.HELD)


class Move(NamedTuple):
    """What becomes of a delivery, and why."""

    delivery_id: int
    event: DeliveryEvent
    reason: str


class Unsent(NamedTuple):
    """The delivery of a payment that was cancelled; with ``may_be_there`` it may have arrived all the same."""

    payment_id: int
    delivery_id: int
    may_be_there: bool


def find_unsent(store: Store, payment_id: int | None) -> Unsent | None:
    """Return what was cancelled of a payment that a reversal takes back; None: the EHR has it, or will."""
    row = store.row(_CANCELLED, (payment_id,))
    return None if row is None else Unsent(row[0], row[1], bool(row[2]))


def judge_reversal(store: Store, reversal: int, account_id: int, delivery_id: int, unsent: Unsent, at: str) -> Move:
    """Return what becomes of the message of a reversal alone, which is queued; inside the caller's transaction."""
    payment = unsent.payment_id
    if not unsent.may_be_there:
        return Move(delivery_id, DeliveryEvent.CANCEL, _never(payment))
    why = f"whose delivery {unsent.delivery_id} was cancelled and may have arrived: delivery {delivery_id} is held"
    return _ask(store, reversal, payment, account_id, at, Move(delivery_id, DeliveryEvent.LATE_REFUSED, why))


def judge_reversals(store: Store, delivery_id: int, at: str) -> list[Move]:
    """Return what becomes of the reversals of payments that a delivery carries which is cancelled now.

    Inside the caller's transaction. What can be cancelled is; else it is held, and what is out already is a person's.
    """
    moves: dict[int, Move] = {}
    for reversal, payment, account_id, found, status, is_plain in store.rows(_REVERSALS, (delivery_id,)):
        if status in _WAITING and is_plain:
            moves.setdefault(found, Move(found, DeliveryEvent.CANCEL, _never(payment)))
            continue
        why = f"which the EHR never had: delivery {found} is {status if status not in _WAITING else 'held'}"
        move = _ask(store, reversal, payment, account_id, at, Move(found, DeliveryEvent.LATE_REFUSED, why))
        if status == DeliveryStatus.QUEUED:
            moves.setdefault(found, move)
    return list(moves.values())


def _never(payment: int) -> str:
    return f"the EHR never had payment {payment}"


def _ask(store: Store, reversal: int, payment: int, account_id: int, at: str, move: Move) -> Move:
    reason = f"payment {reversal} takes back payment {payment}, {move.reason}; see what the EHR has of both"
    open_exception(store, ALONE, account_id, None, message_id=None, reason=reason, at=at, each_reason=True)
    return move
