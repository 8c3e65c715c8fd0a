"""A destination's queued deliveries -> its MLLP port, in order, one in flight; at most once unless a person says so.

The store knows that a delivery is being sent before its first byte is written. Whatever then goes wrong without a
reply of its own makes a payment ``unknown``, and nobody but a person sends it again. An acknowledgement is.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import structlog
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred

from hl7bridge.delivery.delivery import Delivery, DeliveryStatus
from hl7bridge.delivery.retry import RetryPolicy, retry_delay
from hl7bridge.delivery.verdict import NOT_SENT, Outcome, Verdict
from hl7bridge.errors import RefusedError
from hl7bridge.net.partner import ClientTls, Partner, connection_failure, open_connection
from hl7bridge.storage.database import Store
from hl7bridge.storage.deliveries import (
    Attempt,
    claim_next,
    next_delivery,
    record_no_connection,
    record_verdict,
    recover_sending,
)
from hl7bridge.wire.mllp import encode_block

POLL_SECONDS: Final = 0.25  # what the command line queued goes out within a second
T = TypeVar("T")
_DEFAULT_RETRY: Final = RetryPolicy()
_NO_ANSWER: Final = (Outcome.UNKNOWN, Outcome.NOT_SENT)


class Submit(Protocol):
    """Run a job with the store in the writer thread, in a transaction of its own, committed when this fires."""

    def __call__(self, job: Callable[[Store], T]) -> Deferred[T]:
        """Return what the job returns, once it is on disk, or its failure."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a destination is and how long it may take; seconds."""

    name: str
    host: str
    port: int
    ack_timeout: float = 30.0
    connect_timeout: float = 10.0
    retry: RetryPolicy = _DEFAULT_RETRY
    tls: ClientTls | None = None


class _Recorded(NamedTuple):
    status: DeliveryStatus
    following: Delivery | None


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
        self._submit = submit
        self._poll_seconds = poll_seconds
        self._now = now
        self._jitter = jitter
        self._log = structlog.get_logger("hl7bridge.sender").bind(destination=link.name)
        self._partner: Partner | None = None
        self._failures = 0  # connections and attempts in a row that no reply came from
        self._is_down = False
        self._is_stopping = False
        self._pausing: Deferred[None] | None = None
        self._can_wake = False
        self._is_woken = False
        self._connecting: Deferred[Partner] | None = None
        self._ended: Deferred[None] | None = None

    def startService(self) -> None:  # noqa: N802
        """Begin sending."""
        super().startService()
        self._is_stopping = False
        self._ended = Deferred.fromCoroutine(self._run())

    def stopService(self) -> Deferred[None] | None:  # noqa: N802
        """Stop after the reply in flight, or its timeout; fires when the connection is closed."""
        super().stopService()
        self._is_stopping = True
        if self._connecting is not None:
            self._connecting.cancel()
        self._end_pause()
        ended, self._ended = self._ended, None
        return ended

    def wake(self) -> None:
        """Look for a delivery now; to be called in the reactor thread."""
        self._is_woken = True
        if self._can_wake:
            self._end_pause()

    async def _run(self) -> None:
        failures = 0
        while not self._is_stopping:
            try:
                await self._recover()
                while not self._is_stopping:
                    await self._send_next()
                    failures = 0
            except CancelledError:
                self._log.warning("sender_stopped_without_store")
            except Exception as problem:  # noqa: BLE001  (a fault of ours must not end sending in silence)
                failures += 1
                self._log.critical("sender_failed", problem=type(problem).__name__)
                await self._pause(retry_delay(self._link.retry, failures, self._jitter()).total_seconds())
            finally:
                await self._close()

    async def _recover(self) -> None:
        """Turn into unknown what an earlier run, or a failure of this one, left behind as being sent."""
        name = self._link.name
        count = await self._in_store(lambda store: recover_sending(store, self._now(), name))
        if count:
            self._log.warning("deliveries_unknown", count=count)

    async def _send_next(self) -> None:
        name = self._link.name
        self._is_woken = False
        waiting = await self._in_store(lambda store: next_delivery(store, name, self._now()))
        if waiting is None:
            await self._pause(self._poll_seconds, can_wake=True)
            return
        partner = await self._connected(waiting)
        if partner is None or self._is_stopping:
            return
        delivery = await self._in_store(lambda store: claim_next(store, name, self._now()))
        try:
            while delivery is not None:
                delivery = await self._deliver(partner, delivery)
        except RefusedError as problem:  # two daemons on one store: the other one gave this delivery a verdict
            self._log.error("verdict_not_recorded", problem=str(problem))

    async def _connected(self, waiting: Delivery) -> Partner | None:
        if self._partner is not None and self._partner.is_open:
            return self._partner
        link = self._link
        try:
            self._connecting = open_connection(
                self._reactor, link.host, link.port, timeout=link.connect_timeout, tls=link.tls
            )
            self._partner = await self._connecting
        except Exception as problem:  # noqa: BLE001  (whatever it is, there is no connection, and the row says why)
            if self._is_stopping:
                return None
            reason = connection_failure(problem)
            retry_at = self._now() + self._fail(reason)
            await self._in_store(lambda store: record_no_connection(store, waiting.id, reason, retry_at))
            return None
        finally:
            self._connecting = None
        return self._partner

    async def _deliver(self, partner: Partner, delivery: Delivery) -> Delivery | None:
        """Send one delivery, record what became of it, and return the next, claimed in the same transaction."""
        link, started, ignored = self._link, self._reactor.seconds(), partner.ignored
        if self._is_stopping:
            verdict = NOT_SENT
        else:
            block = encode_block(delivery.payload)
            verdict = await partner.exchange(block, delivery.control_id, link.ack_timeout)
        milliseconds = round((self._reactor.seconds() - started) * 1000, 1)
        rest = self._judge(partner, verdict)
        goes_on = rest is None and partner.is_open and not self._is_stopping
        attempt = Attempt(verdict, link.retry, self._jitter())

        def record(store: Store) -> _Recorded:
            now = self._now()
            status = record_verdict(store, delivery.id, attempt, now)
            return _Recorded(status, claim_next(store, link.name, now, delivery) if goes_on else None)

        recorded = await self._in_store(record)
        log = self._log.info if verdict.outcome is Outcome.ACCEPTED else self._log.warning
        log(
            "delivery",
            delivery=delivery.id,
            verdict=verdict.outcome.value,
            status=recorded.status.value,
            reason=verdict.reason,
            ms=milliseconds,
            ignored=partner.ignored - ignored,
        )
        if rest is not None:
            await self._pause(rest)
        return recorded.following

    def _judge(self, partner: Partner, verdict: Verdict) -> float | None:
        """Take note of whether the destination answers; return how long to rest, in seconds, when it does not."""
        if verdict.outcome in _NO_ANSWER:
            partner.drop()
            return None if self._is_stopping else self._fail(verdict.reason).total_seconds()
        self._failures = 0
        if self._is_down:
            self._is_down = False
            self._log.info("destination_up")
        return None

    def _fail(self, reason: str) -> dt.timedelta:
        """Count a failure, warn when it is the first in a row, and return the wait before the next try."""
        self._failures += 1
        if not self._is_down:
            self._is_down = True
            self._log.warning("destination_down", reason=reason)
        return retry_delay(self._link.retry, self._failures, self._jitter())

    async def _in_store(self, job: Callable[[Store], T]) -> T:
        """Run a job, again and again until the store takes it: what was sent must not be forgotten."""
        failures = 0
        while True:
            try:
                return await self._submit(job)
            except RefusedError:
                raise
            except Exception as problem:
                failures += 1
                if failures == 1:
                    self._log.error("store_failed", problem=type(problem).__name__)
                if self._is_stopping:
                    raise CancelledError from problem  # the row stays ``sending`` and is unknown at the next start
            await self._pause(retry_delay(self._link.retry, failures, self._jitter()).total_seconds())

    def _pause(self, seconds: float, *, can_wake: bool = False) -> Deferred[None]:
        pausing: Deferred[None] = Deferred()
        if self._is_stopping or (can_wake and self._is_woken):
            pausing.callback(None)
            return pausing
        self._pausing, self._can_wake = pausing, can_wake
        timer = self._reactor.callLater(seconds, self._end_pause)

        def rested(result: None) -> None:
            if timer.active():
                timer.cancel()
            return result

        return pausing.addBoth(rested)

    def _end_pause(self) -> None:
        pausing, self._pausing, self._can_wake = self._pausing, None, False
        if pausing is not None:
            pausing.callback(None)

    async def _close(self) -> None:
        partner, self._partner = self._partner, None
        if partner is not None and not partner.closed.called:
            partner.drop()
            await partner.closed
