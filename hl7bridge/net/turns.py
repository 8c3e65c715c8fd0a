"""What all lanes of a destination have to record, and what they want next -> one transaction."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from hl7bridge.delivery.delivery import Delivery, DeliveryStatus
from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.verdict import Reply
from hl7bridge.storage.database import Store
from hl7bridge.storage.sending import (
    Attempt,
    claim_deliveries,
    expire_committed,
    next_deliveries,
    record_attempts,
    record_no_connection,
)
from hl7bridge.storage.settling import Settled, settle_by_reply


class NoConnection(NamedTuple):
    """The delivery that would have been next, why it could not be tried, and when it will be."""

    delivery_id: int
    reason: str
    retry_at: dt.datetime


class Order(NamedTuple):
    """What a sender has to say, and asks for: ``claim`` deliveries to send now, and whether more are waiting."""

    attempts: tuple[Attempt, ...] = ()
    replies: tuple[Reply, ...] = ()
    no_connection: NoConnection | None = None
    claim: int = 0
    look: int = 0
    after: Delivery | None = None
    has_deadlines: bool = False


class Turned(NamedTuple):
    """What became of each attempt and reply, what is to be sent now, what is waiting beyond it, and what ran out."""

    statuses: list[DeliveryStatus | None]
    settled: list[Settled | None]
    claimed: list[Delivery]
    waiting: list[Delivery]
    unknown: int


def take_turn(store: Store, destination: str, rules: DeliveryRules, order: Order, now: dt.datetime) -> Turned:
    """Do what an order says, inside the caller's transaction; true once that is committed."""
    statuses = record_attempts(store, order.attempts, rules, now)
    own = {destination: rules}  # a destination says nothing of what another was sent
    settled = [settle_by_reply(store, reply, own, now=now, only=destination) for reply in order.replies]
    unknown = expire_committed(store, destination, rules, now) if order.has_deadlines else 0
    if order.no_connection is not None:
        record_no_connection(store, *order.no_connection)
    claimed: list[Delivery] = []
    if order.claim:
        claimed = claim_deliveries(store, destination, now, order.claim, order.after)
    waiting: list[Delivery] = []
    if order.look and len(claimed) == order.claim:
        waiting = next_deliveries(store, destination, now, order.look)
    return Turned(statuses, settled, claimed, waiting, unknown)
