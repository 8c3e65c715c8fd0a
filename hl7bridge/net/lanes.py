"""One lane to a destination: a connection that is opened for work, one message in flight on it, and its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall

from hl7bridge.delivery.delivery import Delivery
from hl7bridge.delivery.policy import OUTCOMES, DeliveryRules
from hl7bridge.delivery.verdict import INTERRUPTED, NO_REPLY, NOT_SENT, UNFRAMEABLE, Outcome, Reply, Verdict
from hl7bridge.errors import WireError
from hl7bridge.net.partner import ClientTls, Partner, open_connection
from hl7bridge.wire.mllp import encode_block

_DEFAULT_RULES: Final = DeliveryRules()


@dataclass(frozen=True, slots=True)
class Link:
    """Where a destination is, how long it may take (seconds), and how it is dealt with.

    ``window`` is how many connections it allows; ``is_kept`` False: a connection of its own for each message;
    ``idle_close`` None: a kept connection stays open.
    """

    name: str
    host: str
    port: int
    ack_timeout: float = 30.0
    connect_timeout: float = 10.0
    tls: ClientTls | None = None
    window: int = 1
    is_kept: bool = True
    idle_close: float | None = None
    rules: DeliveryRules = _DEFAULT_RULES


class LaneState(Enum):
    """What a lane is at."""

    CLOSED = "closed"
    OPENING = "opening"
    FREE = "free"
    SENDING = "sending"
    LISTENING = "listening"  # for a reply that may come late
    CLOSING = "closing"


class LaneOwner(Protocol):
    """Who is told what becomes of a lane; in the reactor's thread."""

    def lane_changed(self) -> None:
        """Take note that a lane is free, or closed."""

    def lane_not_opened(self, lane: Lane, problem: BaseException) -> None:
        """Take note that a lane could not connect; it is closed."""

    def lane_ended(self, lane: Lane, delivery: Delivery, verdict: Verdict, milliseconds: float) -> None:
        """Take the verdict on a delivery; the lane has done its part."""

    def lane_heard(self, reply: Reply) -> None:
        """Take an acknowledgement that answers nothing a lane waits for."""


class Lane:
    """One of a destination's connections."""

    def __init__(self, reactor: Any, link: Link, owner: LaneOwner) -> None:
        self._reactor = reactor
        self._link = link
        self._owner = owner
        self.state = LaneState.CLOSED
        self.rests_until = 0.0  # by the reactor's clock: when the lane may connect again
        self.failures = 0  # connections in a row that were not made
        self._partner: Partner | None = None
        self._opening: Deferred[Partner] | None = None
        self._listening: IDelayedCall | None = None
        self._last_control_id = ""
        self._idle_since = 0.0
        self._is_fresh = False  # nothing was sent on the connection yet
        # An acknowledgement says no more than it says itself: nobody sends an application reply to one.
        self._meanings: dict[bool, Mapping[str, Outcome]] = {True: link.rules.meanings, False: OUTCOMES}

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection that has not been given up."""
        return self.state in (LaneState.FREE, LaneState.SENDING, LaneState.LISTENING)

    def can_open(self, now: float) -> bool:
        """Return whether the lane is closed and may connect; ``now`` is by the reactor's clock."""
        return self.state is LaneState.CLOSED and self.rests_until <= now

    def take_ignored(self) -> int:
        """Return how much came since the last look that answered nothing we waited for."""
        partner = self._partner
        if partner is None:
            return 0
        ignored, partner.ignored = partner.ignored, 0
        return ignored

    def open(self) -> None:
        """Connect; the owner learns how it ended."""
        link = self._link
        self.state = LaneState.OPENING
        try:
            self._opening = open_connection(
                self._reactor, link.host, link.port, timeout=link.connect_timeout, tls=link.tls, on_other=self._heard
            )
        except Exception as problem:  # noqa: BLE001  (a certificate's file that cannot be read, an address that is none)
            self._not_opened(problem)
        else:
            self._opening.addCallbacks(self._opened, lambda failure: self._not_opened(failure.value))

    def _opened(self, partner: Partner) -> None:
        self._opening = None
        self._partner = partner
        self._is_fresh = True
        partner.closed.addCallback(lambda _: self._closed(partner))
        self._be_free()

    def _not_opened(self, problem: BaseException) -> None:
        self._opening = None
        self.state = LaneState.CLOSED
        self._owner.lane_not_opened(self, problem)

    def _be_free(self) -> None:
        self.state = LaneState.FREE
        self._idle_since = self._reactor.seconds()
        self._owner.lane_changed()

    def send(self, delivery: Delivery) -> None:
        """Write a delivery that the store knows to be sending; its verdict goes to the owner."""
        self.state = LaneState.SENDING
        self._is_fresh = False
        self._last_control_id = delivery.control_id
        started = self._reactor.seconds()
        partner = self._partner
        if partner is None or not partner.is_open:
            self._end(delivery, NOT_SENT, started)
            return
        try:
            block = encode_block(delivery.payload)
        except WireError:
            self._end(delivery, UNFRAMEABLE, started)
            return
        meanings = self._meanings[delivery.payment_id is not None]
        waiting = partner.exchange(block, delivery.control_id, self._link.ack_timeout, meanings)
        waiting.addCallback(lambda verdict: self._end(delivery, verdict, started))
        waiting.addErrback(lambda _: self._end(delivery, INTERRUPTED, started))

    def _end(self, delivery: Delivery, verdict: Verdict, started: float) -> None:
        """Do with the connection what the verdict asks for, and tell the owner."""
        now = self._reactor.seconds()
        partner = self._partner
        is_alive = partner is not None and partner.is_open
        if verdict is NO_REPLY and is_alive:
            self.state = LaneState.LISTENING
            self._listening = self._reactor.callLater(self._link.ack_timeout, self.close)
        elif verdict.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT) or not is_alive:
            self.drop()
        elif not self._link.is_kept:
            self.failures = 0
            self.close()
        else:
            self.failures = 0
            self.state = LaneState.FREE
            self._idle_since = now
        self._owner.lane_ended(self, delivery, verdict, round((now - started) * 1000, 1))

    def _heard(self, reply: Reply) -> None:
        """Hand on what came late or for another; what a silent destination says at last frees the lane."""
        if self.state is LaneState.LISTENING and reply.control_id == self._last_control_id:
            self._stop_listening()
            if self._link.is_kept:
                self.state = LaneState.FREE
                self._idle_since = self._reactor.seconds()
            else:
                self.close()
        self._owner.lane_heard(reply)

    def _stop_listening(self) -> None:
        timer, self._listening = self._listening, None
        if timer is not None and timer.active():
            timer.cancel()

    def close_if_idle(self) -> None:
        """Close the connection when it has been free for ``idle_close`` seconds."""
        idle_close = self._link.idle_close
        if self.state is not LaneState.FREE or idle_close is None:
            return
        if self._reactor.seconds() - self._idle_since >= idle_close:
            self.close()

    def leave(self) -> None:
        """End the lane unless a message is in flight on it."""
        if self._opening is not None:
            self._opening.cancel()
        elif self.state is LaneState.LISTENING:
            self.drop()
        elif self.state is LaneState.FREE:
            self.close()

    def end(self) -> Deferred[None]:
        """End the lane whatever it is at; fires when its connection is closed."""
        if self._opening is not None:
            self._opening.cancel()
        self.drop()
        ended: Deferred[None] = Deferred()
        if self._partner is None:
            ended.callback(None)
        else:
            self._partner.closed.addCallback(lambda _: ended.callback(None))
        return ended

    def close(self) -> None:
        """Close the connection in good order."""
        self._end_connection(is_at_once=False)

    def drop(self) -> None:
        """Close the connection at once."""
        self._end_connection(is_at_once=True)

    def _end_connection(self, *, is_at_once: bool) -> None:
        self._stop_listening()
        partner = self._partner
        if partner is None:
            self.state = LaneState.CLOSED
            return
        self.state = LaneState.CLOSING
        if is_at_once:
            partner.drop()
        else:
            partner.close()

    def _closed(self, partner: Partner) -> None:
        self._partner = None
        self._stop_listening()
        is_refused = self._is_fresh and self.state is LaneState.FREE
        self.state = LaneState.CLOSED
        if is_refused:  # it let us in only to close the door
            self._owner.lane_not_opened(self, partner.lost_because or ConnectionDone())
        else:
            self._owner.lane_changed()
