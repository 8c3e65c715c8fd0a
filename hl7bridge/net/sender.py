"""A destination's queued deliveries -> its MLLP port: in order per account, over as many connections as it takes.

The store knows that a delivery is being sent before its first byte is written. What becomes of one that may have
arrived, and of which nobody says so, is the destination's policy: unless that is another, a person's to decide.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import structlog
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred

from hl7bridge.delivery.delivery import Delivery
from hl7bridge.delivery.retry import retry_delay
from hl7bridge.delivery.verdict import INTERRUPTED, NOT_SENT, UNFRAMEABLE, Outcome, Reply, Verdict
from hl7bridge.net.lanes import Lane, LaneState, Link
from hl7bridge.net.partner import connection_failure
from hl7bridge.net.rest import Rest
from hl7bridge.net.turns import NoConnection, Order, Turned, take_turn
from hl7bridge.storage.database import Store
from hl7bridge.storage.sending import Attempt, recover_sending

__all__ = ["Link", "Sender", "Submit"]

POLL_SECONDS: Final = 0.25  # what the command line queued goes out within a second
MOST_REPLIES: Final = 1000  # that wait for the store; a partner that floods us with more is not kept for later
DEADLINE_SECONDS: Final = 1.0  # between looks for application replies that are overdue
T = TypeVar("T")
_NO_ANSWER: Final = (Outcome.UNKNOWN, Outcome.NOT_SENT)
_TAKEN: Final = (Outcome.ACCEPTED, Outcome.COMMITTED)
_LONG: Final = 3600.0  # seconds; what is waited for ends the pause long before


class Submit(Protocol):
    """Run a job with the store in the writer thread, in a transaction of its own, committed when this fires."""

    def __call__(self, job: Callable[[Store], T]) -> Deferred[T]:
        """Return what the job returns, once it is on disk, or its failure."""


class _Ended(NamedTuple):
    attempt: Attempt
    milliseconds: float
    ignored: int


class Sender(Service):
    """Sends one destination's deliveries from start to stop; ``wake`` says that something was queued.

    ``now`` gives aware times; it is called in both threads.
    """

    def __init__(
        self,
        reactor: Any,
        link: Link,
        submit: Submit,
        *,
        poll_seconds: float = POLL_SECONDS,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._reactor = reactor
        self._link = link
        self._rules = link.rules
        self._submit = submit
        self._poll_seconds = poll_seconds
        self._now = now
        self._jitter = jitter
        self._log = structlog.get_logger("hl7bridge.sender").bind(destination=link.name)
        self._lanes = [Lane(reactor, link, self) for _ in range(link.window)]
        self._ended: list[_Ended] = []  # attempts whose verdict is not in the store yet
        self._replies: list[Reply] = []
        self._no_connection: NoConnection | None = None
        self._next_id = 0  # the delivery for which lanes are opened
        self._last: Delivery | None = None
        self._failures = 0  # connections and attempts in a row that no reply came from
        self._is_up = False  # it has answered since: until then one lane is enough to find out
        self._is_down = False  # and has been said to be
        self._rests_until = self._looks_at = self._deadlines_at = 0.0  # by the reactor's clock
        self._is_woken = self._is_stopping = False
        self._rest = Rest(reactor)
        self._stopped: Deferred[None] | None = None

    def startService(self) -> None:  # noqa: N802
        """Begin sending."""
        super().startService()
        self._is_stopping = False
        self._stopped = Deferred.fromCoroutine(self._run())

    def stopService(self) -> Deferred[None] | None:  # noqa: N802
        """Stop after the replies in flight, or their timeout; fires when all connections are closed."""
        super().stopService()
        self._is_stopping = True
        self._rest.end()
        stopped, self._stopped = self._stopped, None
        return stopped

    def wake(self) -> None:
        """Look for a delivery now; to be called in the reactor thread."""
        self._is_woken = True
        self._rest.wake()

    def lane_changed(self) -> None:
        """Look whether there is something for a lane that is free."""
        self.wake()

    def lane_not_opened(self, lane: Lane, problem: BaseException) -> None:
        """Have the delivery in question wait; when other lanes are open, only this lane does."""
        if self._is_stopping:
            self._rest.wake()
            return
        lane.failures += 1
        reason = connection_failure(problem)
        if any(each.is_connected for each in self._lanes):
            lane.rests_until = self._reactor.seconds() + self._delay(lane.failures)
        else:
            retry_at = self._now() + dt.timedelta(seconds=self._fail(reason))
            self._no_connection = NoConnection(self._next_id, reason, retry_at)
        self.wake()

    def lane_ended(self, lane: Lane, delivery: Delivery, verdict: Verdict, milliseconds: float) -> None:
        """Keep a verdict for the store, and take note of whether the destination answers."""
        self._ended.append(_Ended(Attempt(delivery, verdict, self._jitter()), milliseconds, lane.take_ignored()))
        if verdict is INTERRUPTED:
            self._log.critical("sender_failed", problem="a message could not be sent")
        if verdict.outcome in _NO_ANSWER:
            if not self._is_stopping:
                self._rests_until = self._reactor.seconds() + self._fail(verdict.reason)
        elif verdict is not UNFRAMEABLE:
            self._answered()
        self._rest.wake()

    def lane_heard(self, reply: Reply) -> None:
        """Keep a late reply, or one to another message, for the delivery that it names."""
        if len(self._replies) < MOST_REPLIES:
            self._replies.append(reply)
        self._rest.wake()

    async def _run(self) -> None:
        failures = 0
        while not self._is_stopping:
            try:
                await self._recover()
                while not (self._is_stopping and self._is_at_rest()):
                    await self._step()
                    failures = 0
            except CancelledError:
                self._log.warning("sender_stopped_without_store")
            except Exception as problem:  # noqa: BLE001  (a fault of ours must not end sending in silence)
                failures += 1
                self._log.critical("sender_failed", problem=type(problem).__name__)
                await self._rest.take(self._delay(failures))
            finally:
                await self._close()

    async def _recover(self) -> None:
        """Settle what an earlier run, or a failure of this one, left behind as being sent."""
        name, rules = self._link.name, self._rules
        self._tell_unknown(await self._in_store(lambda store: recover_sending(store, name, rules, self._now())))

    async def _step(self) -> None:
        """Take one turn at the store when there is a reason for one, else wait for it."""
        now = self._reactor.seconds()
        if self._is_stopping:
            for lane in self._lanes:
                lane.leave()
        has_news = bool(self._ended or self._replies or self._no_connection)
        looks_at = max(self._rests_until, now if self._is_woken else self._looks_at)
        if not has_news and (self._is_stopping or looks_at > now):
            if not (self._is_stopping and self._is_at_rest()):
                await self._rest.take(_LONG if self._is_stopping else looks_at - now, can_wake=True)
            return
        self._is_woken = False
        ended, self._ended = self._ended, []
        order = self._order(ended, now)
        name, rules = self._link.name, self._rules
        turned = await self._in_store(lambda store: take_turn(store, name, rules, order, self._now()))
        self._tell(ended, turned)
        self._use(turned)

    def _order(self, ended: list[_Ended], now: float) -> Order:
        """Return what to record and what to ask for: one lane's worth until the destination has answered."""
        replies, self._replies = tuple(self._replies), []
        no_connection, self._no_connection = self._no_connection, None
        claim = look = 0
        if not self._is_stopping and self._rests_until <= now:
            states = Counter(lane.state for lane in self._lanes)
            width = (self._link.window if self._is_up else 1) - states[LaneState.SENDING]
            claim = max(0, min(states[LaneState.FREE], width))
            closed = sum(lane.can_open(now) for lane in self._lanes)
            look = max(0, min(closed, width - claim - states[LaneState.OPENING]))
        has_deadlines = now >= self._deadlines_at  # always: what was committed outlives a setting
        if has_deadlines:
            self._deadlines_at = now + DEADLINE_SECONDS
        attempts = tuple(each.attempt for each in ended)
        return Order(attempts, replies, no_connection, claim, look, self._last, has_deadlines)

    def _use(self, turned: Turned) -> None:
        """Send what was claimed, and open lanes for what is waiting beyond it."""
        now = self._reactor.seconds()
        self._looks_at = now + self._poll_seconds
        free = [lane for lane in self._lanes if lane.state is LaneState.FREE and not self._is_stopping]
        for delivery in turned.claimed:
            self._last = delivery
            if free:
                free.pop().send(delivery)
            else:  # we are being stopped, or a connection closed meanwhile: nothing of it was written
                self._ended.append(_Ended(Attempt(delivery, NOT_SENT, self._jitter()), 0.0, 0))
        if turned.waiting and not self._is_stopping:
            self._next_id = turned.waiting[0].id
            openable = [lane for lane in self._lanes if lane.can_open(now)]
            for lane, _ in zip(openable, turned.waiting, strict=False):
                lane.open()
        for lane in free:
            lane.close_if_idle()

    def _tell(self, ended: list[_Ended], turned: Turned) -> None:
        """Log what became of each attempt and each late reply."""
        for (attempt, milliseconds, ignored), status in zip(ended, turned.statuses, strict=True):
            verdict = attempt.verdict
            if status is None:
                self._log.error("verdict_not_recorded", delivery=attempt.delivery.id, verdict=verdict.outcome.value)
                continue
            log = self._log.info if verdict.outcome in _TAKEN else self._log.warning
            log(
                "delivery",
                delivery=attempt.delivery.id,
                verdict=verdict.outcome.value,
                status=status.value,
                reason=verdict.reason,
                ms=milliseconds,
                ignored=ignored,
            )
        for settled in turned.settled:
            if settled is not None and settled.is_changed:
                self._log.info("delivery_settled", delivery=settled.delivery_id, status=settled.status.value)
            if settled is not None and settled.is_against:
                self._log.warning("reply_against", delivery=settled.delivery_id, status=settled.status.value)
        self._tell_unknown(turned.unknown)

    def _tell_unknown(self, count: int) -> None:
        if count:
            self._log.warning("deliveries_unknown", count=count)

    def _answered(self) -> None:
        self._failures = 0
        self._is_up = True
        self._rests_until = 0.0
        if self._is_down:
            self._is_down = False
            self._log.info("destination_up")

    def _fail(self, reason: str) -> float:
        """Count a failure, warn when it is the first in a row, and return the seconds until the next try."""
        self._failures += 1
        self._is_up = False
        if not self._is_down:
            self._is_down = True
            self._log.warning("destination_down", reason=reason)
        return self._delay(self._failures)

    def _delay(self, failures: int) -> float:
        return retry_delay(self._rules.retry, failures, self._jitter()).total_seconds()

    async def _in_store(self, job: Callable[[Store], T]) -> T:
        """Run a job, again and again until the store takes it: what was sent must not be forgotten."""
        failures = 0
        while True:
            try:
                return await self._submit(job)
            except Exception as problem:
                failures += 1
                if failures == 1:
                    self._log.error("store_failed", problem=type(problem).__name__)
                if self._is_stopping:
                    raise CancelledError from problem  # what was sent stays ``sending``: the next start settles it
            await self._rest.take(self._delay(failures))

    def _is_at_rest(self) -> bool:
        """Return whether nothing is in flight, open, or still to be recorded."""
        has_news = self._ended or self._replies or self._no_connection
        return not has_news and all(lane.state is LaneState.CLOSED for lane in self._lanes)

    async def _close(self) -> None:
        for lane in self._lanes:
            await lane.end()
        self._ended.clear()
        self._replies.clear()
        self._no_connection = None
