"""What the EHR says of a delivery later or elsewhere (late reply, application reply, echo) -> where it stands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final, NamedTuple

from hl7bridge.delivery.delivery import APPLICATION_ACK, TRANSITIONS, Delivery, DeliveryEvent, DeliveryStatus
from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.verdict import Outcome, Reply, Verdict
from hl7bridge.storage.database import Store
from hl7bridge.storage.deliveries import move_delivery
from hl7bridge.storage.exceptions import open_exception
from hl7bridge.times import utc_text

_EVENTS: Final[Mapping[Outcome | None, DeliveryEvent]] = {
    Outcome.ACCEPTED: DeliveryEvent.LATE_ACCEPTED,
    Outcome.COMMITTED: DeliveryEvent.COMMITTED,
    Outcome.HELD: DeliveryEvent.LATE_REFUSED,
    Outcome.RETRY: DeliveryEvent.LATE_REFUSED,  # put off so late that a person looks first
}
_DEFAULT: Final = DeliveryRules()
_COLUMNS: Final = "d.id, d.destination, d.status, d.account_id, d.attempts + d.lost, d.was_sent"
# Whether the EHR took what we hold for something else.
_AGAINST: Final = frozenset({("accepted", False), ("cancelled", True)})
_NEVER_SENT: Final = "the destination has it, and it was never sent as far as is known here"
_IN_PART: Final = "the destination has some of its payments"
_WITH_REASON: Final = (DeliveryEvent.LATE_REFUSED, DeliveryEvent.FOUND)
REPLY_AGAINST: Final = "reply_against"


class _Delivery(NamedTuple):
    id: int
    destination: str
    status: str
    account_id: int | None
    tries: int  # since it was queued, or a person had it sent again
    was_sent: int  # before that


class Settled(NamedTuple):
    """A delivery of ours that was spoken of, and what it is now.

    ``is_changed`` False: it was settled before. ``is_against``: the EHR says the opposite of what it was settled as, or
    has what was never sent.
    """

    delivery_id: int
    destination: str
    status: DeliveryStatus
    is_changed: bool
    is_against: bool = False


def settle_by_reply(
    store: Store, reply: Reply, rules: Mapping[str, DeliveryRules], *, now: dt.datetime, only: str | None = None
) -> Settled | None:
    """Give a reply to the delivery whose control id it names; None when we sent no payment under that id.

    ``rules`` are those of each destination by its name. A code that is in no table settles nothing, and nothing does
    for another destination than ``only``. What contradicts what is known opens an exception.
    """
    condition = reply.condition
    return settle_by_control_id(store, reply.control_id, reply.code, rules, now=now, condition=condition, only=only)


def settle_by_control_id(
    store: Store,
    control_id: str,
    code: str,
    rules: Mapping[str, DeliveryRules],
    *,
    now: dt.datetime,
    condition: str = "",
    only: str | None = None,
) -> Settled | None:
    """Do what ``settle_by_reply`` does, with MSA-1, MSA-2 and the condition of ERR; in the caller's transaction."""
    row = store.row(f"SELECT {_COLUMNS}, d.kind FROM deliveries AS d WHERE d.control_id = ?", (control_id,))
    if row is None or row[-1] == APPLICATION_ACK:
        return None
    delivery = _Delivery(*row[:-1])
    if only is not None and delivery.destination != only:
        return None
    outcome = rules.get(delivery.destination, _DEFAULT).meanings.get(code)
    settled = _settle(store, delivery, _EVENTS.get(outcome), f"{code}{condition}", now)
    if settled.is_against:
        _ask(store, delivery.id, delivery.account_id, settled.status, code, now)
    return settled


def note_verdict_against(
    store: Store, delivery: Delivery, status: DeliveryStatus, verdict: Verdict, *, now: dt.datetime
) -> None:
    """Open an exception when an attempt's reply says the opposite of what its delivery was settled as meanwhile."""
    event = _EVENTS.get(verdict.outcome)
    if event is not None and _is_against(status, event):
        _ask(store, delivery.id, delivery.account_id, status, verdict.reason or verdict.outcome.value, now)


def settle_by_echo(store: Store, payment_id: int, *, now: dt.datetime) -> Settled | None:
    """Take a payment that came back on the EHR's own feed for accepted; None when no delivery carries it.

    A delivery with several payments is accepted once each of them came back: ``echoed_at`` is set before this. One that
    waits to be sent is held when some did.
    """
    row = store.row(
        f"SELECT {_COLUMNS}, (SELECT count(*) FROM delivery_payments AS o JOIN payments AS p"
        " ON p.id = o.payment_id WHERE o.delivery_id = d.id AND p.echoed_at IS NULL)"
        " FROM delivery_payments AS c JOIN deliveries AS d ON d.id = c.delivery_id WHERE c.payment_id = ?",
        (payment_id,),
    )
    if row is None:
        return None
    told = _Delivery(*row[:-1])
    if not row[-1]:
        return _settle(store, told, DeliveryEvent.LATE_ACCEPTED, "", now)
    event = DeliveryEvent.FOUND if told.status == DeliveryStatus.QUEUED else None
    return _settle(store, told, event, _IN_PART, now)


def _settle(store: Store, told: _Delivery, event: DeliveryEvent | None, reason: str, now: dt.datetime) -> Settled:
    status = DeliveryStatus(told.status)
    is_surprise = False
    if status is DeliveryStatus.QUEUED and not told.tries:
        if event is DeliveryEvent.LATE_REFUSED:  # of an attempt before a person had it sent again
            event = None
        elif event is not None and not told.was_sent:
            event, reason, is_surprise = DeliveryEvent.FOUND, _NEVER_SENT, True
    if event is None or (status, event) not in TRANSITIONS:
        is_against = event is not None and _is_against(status, event)
        return Settled(told.id, told.destination, status, is_changed=False, is_against=is_against)
    new = move_delivery(store, told.id, event, now, reason if event in _WITH_REASON else "")
    return Settled(told.id, told.destination, new, is_changed=True, is_against=is_surprise)


def _is_against(status: DeliveryStatus, event: DeliveryEvent) -> bool:
    return (status, event is not DeliveryEvent.LATE_REFUSED) in _AGAINST


def _ask(
    store: Store, delivery_id: int, account_id: int | None, status: DeliveryStatus, said: str, now: dt.datetime
) -> None:
    why = f"the EHR said {said} of delivery {delivery_id}, which is {status.value}"
    open_exception(
        store, REPLY_AGAINST, account_id, None, message_id=None, reason=why, at=utc_text(now), each_reason=True
    )
