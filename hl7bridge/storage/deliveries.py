"""The outbox: deliveries <-> their table, and the status of the payment each one carries, in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from hl7bridge.delivery.delivery import (
    APPLICATION_ACK,
    PAYMENT_STATUS,
    Delivery,
    DeliveryEvent,
    DeliveryStatus,
    next_status,
)
from hl7bridge.delivery.retry import RetryPolicy, decide_retry
from hl7bridge.delivery.verdict import EVENTS, INTERRUPTED, Outcome, Verdict
from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.times import utc_text

# Each query repeats the condition of the partial index it reads; without those words SQLite would scan the table.
_COLUMNS: Final = "id, destination, control_id, account_id, payment_id, content, attempts"
_NEXT: Final = f"""
SELECT {_COLUMNS}, next_attempt_at FROM deliveries AS d
WHERE d.destination = ? AND (d.payment_id IS NULL) = ? AND d.status IN ('queued', 'sending') AND d.status = 'queued'
AND NOT EXISTS (
  SELECT 1 FROM deliveries AS earlier
  WHERE earlier.account_id = d.account_id AND earlier.id < d.id
  AND earlier.status IN ('queued', 'sending', 'held', 'unknown') AND earlier.status <> 'queued')
ORDER BY d.id LIMIT 1
"""
_SENDING: Final = "status IN ('queued', 'sending') AND status = 'sending' AND (destination = ? OR ?)"
_LIST: Final = """
SELECT d.id AS delivery, d.destination, d.kind, d.control_id, d.status, d.attempts,
  CASE WHEN d.status = 'queued' THEN d.next_attempt_at END AS next_attempt_at, d.last_error,
  d.payment_id AS payment, d.message_id AS message, d.created_at, d.finished_at
FROM deliveries AS d
"""


class Acknowledgement(NamedTuple):
    """An application reply that goes to a destination as a message of our own; ``content`` is the whole of it."""

    destination: str
    control_id: str
    message_id: int
    content: str


class Attempt(NamedTuple):
    """How an attempt ended: the verdict, and what decides about another one (``jitter`` is random, 0 up to 1)."""

    verdict: Verdict
    policy: RetryPolicy
    jitter: float


def add_delivery(
    store: Store,
    *,
    destination: str,
    kind: str,
    control_id: str,
    account_id: int,
    payment_id: int,
    content: str,
    now: dt.datetime,
) -> int:
    """Queue a whole message behind all others of its destination, and return the delivery's id."""
    time = utc_text(now)
    cursor = store.execute(
        "INSERT INTO deliveries (destination, kind, control_id, account_id, payment_id, content, status, attempts,"
        " next_attempt_at, last_error, created_at) VALUES (?, ?, ?, ?, ?, ?, 'queued', 0, ?, '', ?)",
        (destination, kind, control_id, account_id, payment_id, content, time, time),
    )
    return int(cursor.lastrowid)


def add_acknowledgements(store: Store, acknowledgements: Iterable[Acknowledgement], now: str) -> None:
    """Queue application replies; they carry no payment and belong to no account's order."""
    store.executemany(
        "INSERT INTO deliveries (destination, control_id, message_id, content, kind, status, attempts,"
        f" next_attempt_at, last_error, created_at) VALUES (?, ?, ?, ?, '{APPLICATION_ACK}', 'queued', 0, ?, '', ?)",
        [(*each, now, now) for each in acknowledgements],
    )


def next_delivery(store: Store, destination: str, now: dt.datetime, after: Delivery | None = None) -> Delivery | None:
    """Return the delivery whose turn it is, or None while there is none or it waits for its next attempt.

    Payments go out in the order in which they were queued, and so do acknowledgements: one that waits holds back all
    of its kind behind it. Only those of an account with an earlier delivery that is sending, held or unknown are passed
    over, so that other accounts go on. The two kinds do not wait for each other: ``after`` a payment it is an
    acknowledgement's turn when there is one, and the other way round.
    """
    is_payments_turn = after is None or after.payment_id is None
    for is_without_payment in (not is_payments_turn, is_payments_turn):
        row = store.row(_NEXT, (destination, is_without_payment))
        if row is not None and row[-1] <= utc_text(now):
            return Delivery(*row[:-1])
    return None


def claim_next(store: Store, destination: str, now: dt.datetime, after: Delivery | None = None) -> Delivery | None:
    """Take the next delivery and mark it as sending; the caller commits before it writes the first byte."""
    delivery = next_delivery(store, destination, now, after)
    return None if delivery is None else mark_sending(store, delivery.id, now)


def mark_sending(store: Store, delivery_id: int, now: dt.datetime) -> Delivery:
    """Begin an attempt: one more, sending; raises RefusedError when the delivery is not queued."""
    _move(store, delivery_id, DeliveryEvent.STARTED, now)
    store.execute("UPDATE deliveries SET attempts = attempts + 1, last_error = '' WHERE id = ?", (delivery_id,))
    return Delivery(*store.rows(f"SELECT {_COLUMNS} FROM deliveries WHERE id = ?", (delivery_id,))[0])


def record_verdict(store: Store, delivery_id: int, attempt: Attempt, now: dt.datetime) -> DeliveryStatus:
    """End an attempt as its verdict says, and return what the delivery is now.

    Put off by the destination, it is queued again for later, or held when this was the last attempt; so is an
    acknowledgement whose reply was lost, for a second one doubles nothing. What was not sent counts as no attempt.
    Raises RefusedError when the delivery is not being sent.
    """
    verdict, reason = attempt.verdict, attempt.verdict.reason
    event = EVENTS[verdict.outcome]
    wait = dt.timedelta(0)
    attempts, kind = store.rows("SELECT attempts, kind FROM deliveries WHERE id = ?", (delivery_id,))[0]
    if verdict.outcome is Outcome.RETRY or (verdict.outcome is Outcome.UNKNOWN and kind == APPLICATION_ACK):
        later = decide_retry(attempt.policy, attempts, attempt.jitter)
        event = DeliveryEvent.POSTPONED
        if later is None:
            event, reason = DeliveryEvent.REFUSED, f"{reason} (attempt {attempts}, the last)"
        else:
            wait = later
    status = _move(store, delivery_id, event, now)
    store.execute(
        "UPDATE deliveries SET last_error = ?, next_attempt_at = ?, attempts = attempts - ? WHERE id = ?",
        (reason, utc_text(now + wait), int(verdict.outcome is Outcome.NOT_SENT), delivery_id),
    )
    return status


def record_no_connection(store: Store, delivery_id: int, reason: str, retry_at: dt.datetime) -> None:
    """Note why the next delivery could not be tried and when it will be; no attempt is counted."""
    store.execute(
        "UPDATE deliveries SET last_error = ?, next_attempt_at = ? WHERE id = ? AND status = 'queued'",
        (reason, utc_text(retry_at), delivery_id),
    )


def recover_sending(store: Store, now: dt.datetime, destination: str | None = None) -> int:
    """Turn what was being sent when the program ended into ``unknown``, and return how many there were.

    Called before a sender starts. The destination may have each of them or not: only a person can tell. An
    acknowledgement is queued again instead, and not counted.
    """
    chosen = (destination, destination is None)
    store.execute(
        f"UPDATE deliveries SET status = 'queued', last_error = ? WHERE {_SENDING} AND kind = '{APPLICATION_ACK}'",
        (INTERRUPTED.reason, *chosen),
    )
    store.execute(
        "UPDATE payments SET status = 'unknown', updated_at = ?"
        f" WHERE id IN (SELECT payment_id FROM deliveries WHERE {_SENDING})",
        (utc_text(now), *chosen),
    )
    cursor = store.execute(
        f"UPDATE deliveries SET status = 'unknown', last_error = ? WHERE {_SENDING}", (INTERRUPTED.reason, *chosen)
    )
    return int(cursor.rowcount)


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
    """Never send a queued or held delivery. The ledger keeps the money: a reversal takes it out."""
    return _decide(store, delivery_id, DeliveryEvent.CANCEL, now=now, actor=actor, reason=reason)


def list_deliveries(
    store: Store, *, delivery_id: int | None = None, status: str | None = None
) -> Iterator[dict[str, Any]]:
    """Return deliveries, newest first, one at a time; ``next_attempt_at`` only for those that are queued."""
    conditions = {"d.id = ?": delivery_id, "d.status = ?": status}
    chosen = {text: value for text, value in conditions.items() if value is not None}
    where = f" WHERE {' AND '.join(chosen)}" if chosen else ""
    return store.dicts(f"{_LIST}{where} ORDER BY d.id DESC", tuple(chosen.values()))


def _decide(
    store: Store, delivery_id: int, event: DeliveryEvent, *, now: dt.datetime, actor: str, reason: str
) -> DeliveryStatus:
    if not reason.strip():
        raise RefusedError("a reason is needed: say what was found, and where")
    status = _move(store, delivery_id, event, now)
    if status is DeliveryStatus.QUEUED:
        store.execute(
            "UPDATE deliveries SET attempts = 0, next_attempt_at = ? WHERE id = ?", (utc_text(now), delivery_id)
        )
    action = f"deliveries.{event.value.split()[0]}"
    subject = f"delivery {delivery_id}: {event.value}, now {status.value}"
    append_audit(store, at=now, actor=actor, action=action, subject=subject, reason=reason.strip())
    return status


def _move(store: Store, delivery_id: int, event: DeliveryEvent, now: dt.datetime) -> DeliveryStatus:
    """Change the status of a delivery and of its payment as the table of transitions says."""
    row = store.row("SELECT status, payment_id FROM deliveries WHERE id = ?", (delivery_id,))
    if row is None:
        raise NotFoundError(f"no delivery {delivery_id}")
    status = next_status(DeliveryStatus(row[0]), event)
    finished_at = utc_text(now) if status in (DeliveryStatus.ACCEPTED, DeliveryStatus.CANCELLED) else None
    store.execute("UPDATE deliveries SET status = ?, finished_at = ? WHERE id = ?", (status, finished_at, delivery_id))
    if row[1] is not None:
        store.execute(
            "UPDATE payments SET status = ?, updated_at = ? WHERE id = ?",
            (PAYMENT_STATUS[status], utc_text(now), row[1]),
        )
    return status
