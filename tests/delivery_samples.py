"""Attempts at deliveries of a real store, begun and ended one at a time, whatever the order of the queue."""

from __future__ import annotations

from payment_samples import NOW

from hl7bridge.delivery.delivery import Delivery, DeliveryEvent
from hl7bridge.storage.deliveries import move_delivery
from hl7bridge.storage.sending import Attempt, claim_deliveries, next_deliveries, record_attempts

_COLUMNS = "id, destination, control_id, account_id, payment_id, content, attempts, lost"


def read_delivery(store, delivery_id):
    """Return a delivery as a sender has it."""
    return Delivery(*store.row(f"SELECT {_COLUMNS} FROM deliveries WHERE id = ?", (delivery_id,)))


def start_attempt(store, delivery_id, now=NOW):
    """Claim this delivery, whosever turn it is."""
    move_delivery(store, delivery_id, DeliveryEvent.STARTED, now, "")
    store.execute("UPDATE deliveries SET attempts = attempts + 1 WHERE id = ?", (delivery_id,))
    return read_delivery(store, delivery_id)


def end_attempt(store, delivery_id, verdict, rules, now=NOW):
    """Give a verdict on it."""
    return record_attempts(store, [Attempt(read_delivery(store, delivery_id), verdict, 0.0)], rules, now)[0]


def next_one(store, destination="ehr", now=NOW, after=None):
    """Return the delivery whose turn it is, or None."""
    found = next_deliveries(store, destination, now, 1, after)
    return found[0] if found else None


def claim_one(store, destination="ehr", now=NOW, after=None):
    """Claim the delivery whose turn it is and return it, or None."""
    claimed = claim_deliveries(store, destination, now, 1, after)
    return claimed[0] if claimed else None
