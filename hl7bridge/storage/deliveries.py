"""The outbox: deliveries <-> their table, and the status of the payment each one carries, in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from hl7bridge.delivery.delivery import (
    APPLICATION_ACK,
    PAYMENT_STATUS,
    DeliveryEvent,
    DeliveryStatus,
    next_status,
)
from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.reversals import judge_reversals
from hl7bridge.times import utc_text

_LIST: Final = """
SELECT d.id AS delivery, d.destination, d.kind, d.control_id, d.status, d.attempts,
  CASE WHEN d.status = 'queued' THEN d.next_attempt_at END AS next_attempt_at, d.last_error,
  d.payment_id AS payment, d.message_id AS message, d.created_at, d.finished_at, d.committed_at, d.lost,
  (SELECT count(*) FROM delivery_payments AS c WHERE c.delivery_id = d.id) AS payments
FROM deliveries AS d
"""
_FINAL: Final = (DeliveryStatus.ACCEPTED, DeliveryStatus.CANCELLED)
_AGAIN: Final = (DeliveryEvent.RETRY, DeliveryEvent.RESOLVE_NOT_RECEIVED)
PAYMENTS_OF: Final = "SELECT payment_id FROM delivery_payments WHERE delivery_id = ?"
SET_PAYMENTS: Final = f"UPDATE payments SET status = ?, updated_at = ? WHERE id IN ({PAYMENTS_OF})"


class Acknowledgement(NamedTuple):
    """An application reply that goes to a destination as a message of our own; ``content`` is the whole of it."""

    destination: str
    control_id: str
    message_id: int
    content: str


def add_delivery(
    store: Store,
    *,
    destination: str,
    kind: str,
    control_id: str,
    account_id: int,
    payment_ids: Sequence[int],
    content: str,
    now: dt.datetime,
) -> int:
    """Queue a whole message behind all others of its destination, and return the delivery's id.

    It posts one payment or several of an account. A payment is carried by one delivery for ever: a second one is
    refused by the database.
    """
    time = utc_text(now)
    delivery_id = store.insert(
        "INSERT INTO deliveries (destination, kind, control_id, account_id, payment_id, content, status, attempts,"
        " next_attempt_at, last_error, created_at) VALUES (?, ?, ?, ?, ?, ?, 'queued', 0, ?, '', ?)",
        (destination, kind, control_id, account_id, payment_ids[0], content, time, time),
    )
    store.executemany(
        "INSERT INTO delivery_payments (delivery_id, payment_id) VALUES (?, ?)",
        [(delivery_id, each) for each in payment_ids],
    )
    return delivery_id


def add_acknowledgements(store: Store, acknowledgements: Iterable[Acknowledgement], now: str) -> None:
    """Queue application replies; they carry no payment and belong to no account's order."""
    store.executemany(
        "INSERT INTO deliveries (destination, control_id, message_id, content, kind, status, attempts,"
        f" next_attempt_at, last_error, created_at) VALUES (?, ?, ?, ?, '{APPLICATION_ACK}', 'queued', 0, ?, '', ?)",
        [(*each, now, now) for each in acknowledgements],
    )


def retry_delivery(store: Store, delivery_id: int, *, now: dt.datetime, actor: str, reason: str) -> DeliveryStatus:
    """Have a held delivery sent again, or a queued one now. It keeps its place, its control id and its content."""
    return _decide(store, delivery_id, DeliveryEvent.RETRY, now=now, actor=actor, reason=reason)


def resolve_delivery(
    store: Store, delivery_id: int, *, is_accepted: bool, now: dt.datetime, actor: str, reason: str
) -> DeliveryStatus:
    """Record what a person found at the destination: it has the message, or it has not and gets it again."""
    event = DeliveryEvent.RESOLVE_ACCEPTED if is_accepted else DeliveryEvent.RESOLVE_NOT_RECEIVED
    return _decide(store, delivery_id, event, now=now, actor=actor, reason=reason)


def cancel_delivery(store: Store, delivery_id: int, *, now: dt.datetime, actor: str, reason: str) -> DeliveryStatus:
    """Never send a queued or held delivery, nor the reversal of what it carries: the EHR never had either.

    The ledger keeps the money: a reversal takes it out.
    """
    status = _decide(store, delivery_id, DeliveryEvent.CANCEL, now=now, actor=actor, reason=reason)
    for move in judge_reversals(store, delivery_id, utc_text(now)):
        move_delivery(store, move.delivery_id, move.event, now, move.reason)
    return status


def list_deliveries(
    store: Store, *, delivery_id: int | None = None, status: str | None = None, destination: str | None = None
) -> Iterator[dict[str, Any]]:
    """Return deliveries, newest first, one at a time; ``next_attempt_at`` only for those that are queued."""
    conditions = {"d.id = ?": delivery_id, "d.status = ?": status, "d.destination = ?": destination}
    chosen = {text: value for text, value in conditions.items() if value is not None}
    where = f" WHERE {' AND '.join(chosen)}" if chosen else ""
    return store.dicts(f"{_LIST}{where} ORDER BY d.id DESC", tuple(chosen.values()))


def move_delivery(
    store: Store, delivery_id: int, event: DeliveryEvent, now: dt.datetime, reason: str | None = None
) -> DeliveryStatus:
    """Change the status of a delivery and of its payments as the table of transitions says, and return it.

    ``reason`` is kept with it, unless it is None. Raises RefusedError when that cannot be, NotFoundError when there is
    no such delivery.
    """
    row = store.row("SELECT status FROM deliveries WHERE id = ?", (delivery_id,))
    if row is None:
        raise NotFoundError(f"no delivery {delivery_id}")
    status = next_status(DeliveryStatus(row[0]), event)
    time = utc_text(now)
    store.execute(
        "UPDATE deliveries SET status = ?, finished_at = ?, committed_at = ?, last_error = coalesce(?, last_error)"
        " WHERE id = ?",
        (
            status,
            time if status in _FINAL else None,
            time if event is DeliveryEvent.COMMITTED else None,
            reason,
            delivery_id,
        ),
    )
    store.execute(SET_PAYMENTS, (PAYMENT_STATUS[status], time, delivery_id))
    return status


def _decide(
    store: Store, delivery_id: int, event: DeliveryEvent, *, now: dt.datetime, actor: str, reason: str
) -> DeliveryStatus:
    if not reason.strip():
        raise RefusedError("a reason is needed: say what was found, and where")
    _require_sense(store, delivery_id, event)
    status = move_delivery(store, delivery_id, event, now)
    if status is DeliveryStatus.QUEUED:
        store.execute(
            "UPDATE deliveries SET was_sent = max(was_sent, attempts + lost > 0), attempts = 0, next_attempt_at = ?"
            " WHERE id = ?",
            (utc_text(now), delivery_id),
        )
    if event is DeliveryEvent.RESOLVE_NOT_RECEIVED:
        store.execute("UPDATE deliveries SET lost = 0 WHERE id = ?", (delivery_id,))
    action = f"deliveries.{event.value.split()[0]}"
    subject = f"delivery {delivery_id}: {event.value}, now {status.value}"
    append_audit(store, at=now, actor=actor, action=action, subject=subject, reason=reason.strip())
    return status


def _require_sense(store: Store, delivery_id: int, event: DeliveryEvent) -> None:
    """Refuse to call accepted what was never sent, to cancel what may have arrived, and to send again what is there."""
    row = store.row("SELECT status, lost FROM deliveries WHERE id = ? AND status <> 'sending'", (delivery_id,))
    if row is None:
        return
    status, lost = row
    if event is DeliveryEvent.RESOLVE_ACCEPTED and status == DeliveryStatus.QUEUED and not lost:
        raise RefusedError("the delivery is queued and has not been sent; it goes out by itself, or cancel it")
    if event is DeliveryEvent.CANCEL and lost and status in (DeliveryStatus.QUEUED, DeliveryStatus.HELD):
        raise RefusedError(
            "the delivery may have arrived: look in the destination; resolve --accepted when it is there,"
            " resolve --not-received when it is not"
        )
    if event is DeliveryEvent.RESOLVE_NOT_RECEIVED and status == DeliveryStatus.HELD and not lost:
        raise RefusedError("the destination refused the delivery, so it is not there: retry or cancel it")
    if event in _AGAIN:
        _require_unseen(store, delivery_id)


def _require_unseen(store: Store, delivery_id: int) -> None:
    """Refuse to send again what posts a payment that came back on the EHR's feed."""
    seen = store.row(
        "SELECT min(p.id), (SELECT count(*) FROM delivery_payments o WHERE o.delivery_id = c.delivery_id)"
        " FROM delivery_payments c JOIN payments p ON p.id = c.payment_id WHERE c.delivery_id = ?"
        " AND p.echoed_at IS NOT NULL GROUP BY c.delivery_id",
        (delivery_id,),
    )
    if seen is None:
        return
    payment_id, carried = seen
    rest = "" if carried == 1 else "; have what is not there of the other payments posted by hand first"
    raise RefusedError(
        f"payment {payment_id} came back on the feed: it is there; look again, then resolve --accepted{rest}"
    )
