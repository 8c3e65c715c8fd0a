"""What has happened to a delivery -> what it is now: one table, and what its payment is called meanwhile."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.errors import RefusedError
from hl7bridge.message.text import encode_text
from hl7bridge.payments.payment import PaymentStatus

APPLICATION_ACK: Final = "application_ack"  # the kind of a delivery that may be sent again without harm


class DeliveryStatus(StrEnum):
    """Where a delivery stands. Only a person, or the EHR's own word, moves one out of ``held`` or ``unknown``."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    HELD = "held"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class DeliveryEvent(StrEnum):
    """What can happen to a delivery: to the sender, by what the EHR says later or elsewhere, by a person's word."""

    STARTED = "started"
    NOT_SENT = "not sent"  # no byte of it was written
    ACCEPTED = "accepted"
    REFUSED = "refused"
    POSTPONED = "postponed"  # the destination asked for it again later
    COMMITTED = "committed"  # it is in the destination's hands; what became of it is said later
    LOST = "lost"  # written, at least in part, and no reply that can be trusted
    RESENT = "to be sent again"  # lost, and the destination is known to take the same message once
    LATE_ACCEPTED = "accepted late"  # a reply after its time, an application reply, or the payment's own echo
    LATE_REFUSED = "refused late"
    FOUND = "found there"  # the EHR has it, or a part of it, though it waits to be sent
    RETRY = "retry"
    RESOLVE_ACCEPTED = "resolve --accepted"
    RESOLVE_NOT_RECEIVED = "resolve --not-received"
    CANCEL = "cancel"


class Delivery(NamedTuple):
    """One message on its way to one destination. ``content`` is the whole message, the same at every attempt.

    ``account_id`` is that of the payments that it posts, ``payment_id`` the first of them; an acknowledgement has
    neither. ``lost`` is how many attempts may have arrived though nobody said so.
    """

    id: int
    destination: str
    control_id: str
    account_id: int | None
    payment_id: int | None
    content: str
    attempts: int
    lost: int = 0

    @property
    def payload(self) -> bytes:
        """Return the bytes to send: in the character set that MSH-18 names, in UTF-8 when it names none."""
        return encode_text(self.content, errors="replace")


_S = DeliveryStatus
_E = DeliveryEvent
TRANSITIONS: Final[dict[tuple[DeliveryStatus, DeliveryEvent], DeliveryStatus]] = {
    (_S.QUEUED, _E.STARTED): _S.SENDING,
    (_S.QUEUED, _E.RETRY): _S.QUEUED,  # now, instead of after the wait
    (_S.QUEUED, _E.CANCEL): _S.CANCELLED,
    (_S.SENDING, _E.NOT_SENT): _S.QUEUED,
    (_S.SENDING, _E.ACCEPTED): _S.ACCEPTED,
    (_S.SENDING, _E.REFUSED): _S.HELD,
    (_S.SENDING, _E.POSTPONED): _S.QUEUED,
    (_S.SENDING, _E.LOST): _S.UNKNOWN,
    (_S.SENDING, _E.RESENT): _S.QUEUED,
    (_S.SENDING, _E.COMMITTED): _S.SENDING,
    (_S.UNKNOWN, _E.COMMITTED): _S.SENDING,
    (_S.QUEUED, _E.COMMITTED): _S.SENDING,
    **{(each, _E.LATE_ACCEPTED): _S.ACCEPTED for each in (_S.QUEUED, _S.SENDING, _S.HELD, _S.UNKNOWN)},
    **{(each, _E.LATE_REFUSED): _S.HELD for each in (_S.QUEUED, _S.SENDING, _S.UNKNOWN)},
    (_S.QUEUED, _E.FOUND): _S.HELD,
    (_S.QUEUED, _E.RESOLVE_ACCEPTED): _S.ACCEPTED,  # only when it may have arrived before
    (_S.HELD, _E.RETRY): _S.QUEUED,
    (_S.HELD, _E.RESOLVE_ACCEPTED): _S.ACCEPTED,
    (_S.HELD, _E.RESOLVE_NOT_RECEIVED): _S.HELD,  # only when it may have arrived before; refused it stays
    (_S.HELD, _E.CANCEL): _S.CANCELLED,
    (_S.UNKNOWN, _E.RESOLVE_ACCEPTED): _S.ACCEPTED,
    (_S.UNKNOWN, _E.RESOLVE_NOT_RECEIVED): _S.QUEUED,
}

PAYMENT_STATUS: Final[dict[DeliveryStatus, PaymentStatus]] = {
    _S.QUEUED: PaymentStatus.QUEUED,
    _S.SENDING: PaymentStatus.SENT,
    _S.ACCEPTED: PaymentStatus.POSTED,
    _S.HELD: PaymentStatus.REFUSED,
    _S.UNKNOWN: PaymentStatus.UNKNOWN,
    _S.CANCELLED: PaymentStatus.REFUSED,  # it is not in the EHR
}

_ADVICE: Final[dict[DeliveryStatus, str]] = {
    _S.QUEUED: "it has not been sent; it goes out by itself, or cancel it",
    _S.SENDING: "wait for the reply",
    _S.ACCEPTED: "the destination has it; a reversal takes it back",
    _S.HELD: "the destination refused it; retry, cancel, or resolve --accepted when it was posted there by hand",
    _S.UNKNOWN: "look in the destination for its control id, then resolve --accepted or resolve --not-received",
    _S.CANCELLED: "it will never be sent",
}


def next_status(status: DeliveryStatus, event: DeliveryEvent) -> DeliveryStatus:
    """Return what a delivery becomes; raises RefusedError, with what to do instead, when that cannot be."""
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise RefusedError(
            f"{event.value} is not possible: the delivery is {status.value}; {_ADVICE[status]}"
        ) from None
