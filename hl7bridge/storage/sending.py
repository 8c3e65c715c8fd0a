"""What senders do with the outbox: claims, verdicts and what was left behind, of many lanes in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from hl7bridge.delivery.delivery import (
    APPLICATION_ACK,
    PAYMENT_STATUS,
    TRANSITIONS,
    Delivery,
    DeliveryEvent,
    DeliveryStatus,
    next_status,
)
from hl7bridge.delivery.policy import DeliveryRules, Step, decide_lost, decide_step
from hl7bridge.delivery.verdict import INTERRUPTED, NO_APPLICATION_REPLY, Verdict
from hl7bridge.storage.database import Store
from hl7bridge.storage.deliveries import SET_PAYMENTS, move_delivery
from hl7bridge.storage.late import unsettled_destinations
from hl7bridge.storage.settling import note_verdict_against
from hl7bridge.times import utc_text

# Each query has the condition of the partial index it reads; without those words SQLite would scan the table.
_COLUMNS: Final = "id, destination, control_id, account_id, payment_id, content, attempts, lost"
_NEXT: Final = f"""
SELECT {_COLUMNS}, CASE WHEN attempts = 0 AND last_error = '' THEN '' ELSE next_attempt_at END FROM deliveries AS d
WHERE d.destination = ? AND (d.payment_id IS NULL) = ? AND d.status = 'queued'
AND NOT EXISTS (
  SELECT 1 FROM deliveries AS earlier
  WHERE earlier.account_id = d.account_id AND earlier.id < d.id
  AND earlier.status IN ('queued', 'sending', 'held', 'unknown'))
ORDER BY d.id LIMIT ?
"""
_IN_FLIGHT: Final = "FROM deliveries WHERE destination = ? AND status = 'sending' AND committed_at IS NULL"
_ACKNOWLEDGING: Final = f"SELECT 1 {_IN_FLIGHT} AND payment_id IS NULL LIMIT 1"
_LEFT: Final = f"SELECT id, kind, attempts, lost {_IN_FLIGHT} ORDER BY id LIMIT ?"
_OVERDUE: Final = (
    "SELECT id, kind, attempts, lost FROM deliveries WHERE destination = ? AND status = 'sending'"
    " AND committed_at <= ? ORDER BY committed_at, id LIMIT ?"
)
_COMMITTED: Final = (
    "SELECT id, kind, attempts, lost FROM deliveries WHERE destination = ? AND status = 'sending'"
    " AND committed_at IS NOT NULL ORDER BY committed_at, id LIMIT ?"
)
_GONE: Final = "committed, and its destination is no longer in the settings"
_ORPHANED: Final = DeliveryRules()
_CLAIM: Final = "UPDATE deliveries SET status = 'sending', attempts = attempts + 1, last_error = '' WHERE id = ?"
_RECORD: Final = (
    "UPDATE deliveries SET status = ?, finished_at = ?, committed_at = ?, last_error = ?, next_attempt_at = ?,"
    " attempts = ?, lost = ? WHERE id = ? AND status = 'sending' AND committed_at IS NULL"
)
_MOST_LEFT: Final = 256  # rows at a time of what was left behind: no store is too large for memory
_LATE: Final = {
    DeliveryEvent.ACCEPTED: DeliveryEvent.LATE_ACCEPTED,
    DeliveryEvent.REFUSED: DeliveryEvent.LATE_REFUSED,
}
_SETTLED: Final = (DeliveryStatus.ACCEPTED, DeliveryStatus.HELD)
_LOSSES: Final = (DeliveryEvent.LOST, DeliveryEvent.RESENT)


class Attempt(NamedTuple):
    """How an attempt at a delivery ended: the verdict, and what decides about another (``jitter``: 0 up to 1)."""

    delivery: Delivery
    verdict: Verdict
    jitter: float


def next_deliveries(
    store: Store, destination: str, now: dt.datetime, limit: int, after: Delivery | None = None
) -> list[Delivery]:
    """Return up to ``limit`` deliveries whose turn it is, of as many accounts, and none while the first has to wait.

    The payments of an account go out one by one in the order in which they were queued: behind one that is queued,
    sending, held or unknown the others wait, and other accounts go on. One that was put off, or for which there is no
    connection, holds back all that were queued behind it at its destination; one that was never tried waits for no
    clock, which may have been set back since. Acknowledgements go out one by one; the
    two kinds do not wait for each other: ``after`` a payment it is an acknowledgement's turn when there is one.
    """
    payments = _ready(store.rows(_NEXT, (destination, 0, limit)), now)
    if store.row(_ACKNOWLEDGING, (destination,)) is None:
        replies = _ready(store.rows(_NEXT, (destination, 1, 1)), now)
        is_payments_turn = after is None or after.payment_id is None
        if replies and (limit > 1 or not (is_payments_turn and payments)):
            return [*payments[: limit - 1], *replies]
    return payments


def _ready(rows: Sequence[tuple[object, ...]], now: dt.datetime) -> list[Delivery]:
    time = utc_text(now)
    found: list[Delivery] = []
    for row in rows:
        if str(row[-1]) > time:
            break
        found.append(Delivery(*row[:-1]))  # type: ignore[arg-type]
    return found


def claim_deliveries(
    store: Store, destination: str, now: dt.datetime, limit: int, after: Delivery | None = None
) -> list[Delivery]:
    """Take the next deliveries and mark them as sending; the caller commits before it writes the first byte."""
    claimed = next_deliveries(store, destination, now, limit, after)
    if claimed:
        time, sent = utc_text(now), PAYMENT_STATUS[next_status(DeliveryStatus.QUEUED, DeliveryEvent.STARTED)]
        store.executemany(_CLAIM, [(each.id,) for each in claimed])
        store.executemany(SET_PAYMENTS, [(sent, time, each.id) for each in claimed if each.payment_id is not None])
    return [each._replace(attempts=each.attempts + 1) for each in claimed]


def record_attempts(
    store: Store, attempts: Sequence[Attempt], rules: DeliveryRules, now: dt.datetime
) -> list[DeliveryStatus | None]:
    """End attempts as their verdicts and the destination's rules say, and return what each delivery is now.

    A verdict on what is not being sent any more (another's start made it unknown, its application reply or its echo was
    faster) counts as a late reply does; None: it changes nothing. What was not sent counts as no attempt.
    """
    return [_record(store, each, rules, now) for each in attempts]


def _record(store: Store, attempt: Attempt, rules: DeliveryRules, now: dt.datetime) -> DeliveryStatus | None:
    delivery = attempt.delivery
    kind = APPLICATION_ACK if delivery.payment_id is None else ""
    step = decide_step(rules, attempt.verdict, kind, delivery.attempts, attempt.jitter)
    status = _take_step(store, delivery, step, now)
    return _take_late(store, attempt, step, now) if status is None else status


def _take_late(store: Store, attempt: Attempt, step: Step, now: dt.datetime) -> DeliveryStatus | None:
    delivery = attempt.delivery
    status = DeliveryStatus(store.rows("SELECT status FROM deliveries WHERE id = ?", (delivery.id,))[0][0])
    if delivery.payment_id is not None:
        note_verdict_against(store, delivery, status, attempt.verdict, now=now)
    if step.event is DeliveryEvent.COMMITTED:  # what it became was said before we heard that it had arrived
        return status if status in _SETTLED else None
    event = _LATE.get(step.event)
    if event is None or (status, event) not in TRANSITIONS:
        return status if event is DeliveryEvent.LATE_ACCEPTED and status is DeliveryStatus.ACCEPTED else None
    return move_delivery(store, delivery.id, event, now, step.reason)


def _take_step(store: Store, delivery: Delivery, step: Step, now: dt.datetime) -> DeliveryStatus | None:
    event, time = step.event, utc_text(now)
    status = next_status(DeliveryStatus.SENDING, event)
    taken = store.execute(
        _RECORD,
        (
            status,
            time if status is DeliveryStatus.ACCEPTED else None,
            time if event is DeliveryEvent.COMMITTED else None,
            step.reason,
            utc_text(now + step.wait) if step.wait else time,
            delivery.attempts - (event is DeliveryEvent.NOT_SENT),
            delivery.lost + (event in _LOSSES),
            delivery.id,
        ),
    )
    if not taken.rowcount:
        return None
    if delivery.payment_id is not None:
        store.execute(SET_PAYMENTS, (PAYMENT_STATUS[status], time, delivery.id))
    return status


def record_no_connection(store: Store, delivery_id: int, reason: str, retry_at: dt.datetime) -> None:
    """Note why the next delivery could not be tried and when it will be; no attempt is counted."""
    store.execute(
        "UPDATE deliveries SET last_error = ?, next_attempt_at = ? WHERE id = ? AND status = 'queued'",
        (reason, utc_text(retry_at), delivery_id),
    )


def recover_sending(store: Store, destination: str, rules: DeliveryRules, now: dt.datetime) -> int:
    """Settle what was being sent when the program ended, and return how many payments are ``unknown`` for it.

    Called before a sender starts. The destination may have each of them or not: its policy says what is done. An
    acknowledgement is queued again. What the destination has committed to goes on waiting for its application reply.
    """
    return _settle_left(store, _LEFT, (destination,), INTERRUPTED.reason, rules, now)


def recover_orphans(store: Store, configured: Collection[str], now: dt.datetime) -> int:
    """Settle what was left behind as being sent to destinations that are in no settings, and return how many payments.

    They are ``unknown`` for it, so that a person can say what was found.
    """
    return sum(
        recover_sending(store, name, _ORPHANED, now) + _settle_left(store, _COMMITTED, (name,), _GONE, _ORPHANED, now)
        for name in list(unsettled_destinations(store))
        if name not in configured
    )


def expire_committed(store: Store, destination: str, rules: DeliveryRules, now: dt.datetime) -> int:
    """Settle what was committed and had no application reply in time, and return how many payments are ``unknown``."""
    overdue = (destination, utc_text(now - rules.application_ack_within))
    return _settle_left(store, _OVERDUE, overdue, NO_APPLICATION_REPLY.reason, rules, now)


def _settle_left(
    store: Store, query: str, chosen: tuple[str, ...], reason: str, rules: DeliveryRules, now: dt.datetime
) -> int:
    unknown = 0
    time = utc_text(now)
    while rows := store.rows(query, (*chosen, _MOST_LEFT)):  # none of them is being sent after this
        for delivery_id, kind, attempts, lost in rows:
            if kind == APPLICATION_ACK:
                step, lost_now = Step(DeliveryEvent.RESENT, dt.timedelta(0), reason), lost
            else:
                step, lost_now = decide_lost(rules, reason, attempts, 0.0), lost + 1
            status = next_status(DeliveryStatus.SENDING, step.event)
            store.execute(
                "UPDATE deliveries SET status = ?, last_error = ?, next_attempt_at = ?, committed_at = NULL, lost = ?"
                " WHERE id = ?",
                (status, step.reason, utc_text(now + step.wait), lost_now, delivery_id),
            )
            store.execute(SET_PAYMENTS, (PAYMENT_STATUS[status], time, delivery_id))
            unknown += status is DeliveryStatus.UNKNOWN
    return unknown
