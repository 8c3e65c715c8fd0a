"""A store with three accounts whose payments wait in the outbox, and what happens to one of them."""

from __future__ import annotations

import datetime as dt

from payment_samples import NOW, make_payment, post

from hl7bridge.delivery.retry import RetryPolicy
from hl7bridge.delivery.verdict import Outcome, Verdict
from hl7bridge.storage.deliveries import Attempt, list_deliveries, next_delivery, record_verdict

SECOND = dt.timedelta(seconds=1)
POLICY = RetryPolicy(SECOND, 60 * SECOND, 3)
ACCEPTED = Verdict(Outcome.ACCEPTED)
HELD = Verdict(Outcome.HELD, "AE 204 unknown key identifier")
RETRY = Verdict(Outcome.RETRY, "AR")
BY = {"now": NOW, "actor": "user:test", "reason": "looked in the EHR"}


def queue(store, accounts, names):
    """Queue payments; A1 is the first account's first."""
    for name in names:
        post(store, accounts["ABC".index(name[0])], make_payment(name, "1"))


def next_id(store, now=NOW, destination="ehr"):
    found = next_delivery(store, destination, now)
    return found and found.id


def end(store, delivery_id, verdict, now=NOW):
    return record_verdict(store, delivery_id, Attempt(verdict, POLICY, 0.0), now)


def row(store, delivery_id):
    return next(list_deliveries(store, delivery_id=delivery_id))
