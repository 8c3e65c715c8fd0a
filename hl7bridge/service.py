"""The daemon: builds listeners, writer, senders and timers from a configuration, and starts and stops them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

import structlog
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from hl7bridge.assemble import Assembled
from hl7bridge.config import DestinationSettings, ListenerSettings
from hl7bridge.delivery.retry import RetryPolicy
from hl7bridge.errors import BridgeError
from hl7bridge.net.listener import Limits, ListenerFactory
from hl7bridge.net.partner import ClientTls
from hl7bridge.net.reactor import reactor
from hl7bridge.net.sender import Link, Sender
from hl7bridge.net.tls import ServerTls, server_options
from hl7bridge.net.writer import Writer
from hl7bridge.notify import notify, reloading, watchdog_seconds
from hl7bridge.pipeline import Pipeline
from hl7bridge.placing import decide_and_send, has_work, send_queued
from hl7bridge.storage.database import Store

DRAIN_SECONDS: Final = 10.0  # for connections to take the replies they are owed when the daemon stops
# What senders had sent when we were told to stop is taken first: each look accepts, reads, and looks again.
_LAST_LOOKS: Final = 5
_LAST_LOOK_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 0.5  # what the command line queued is acted on within a second
_CLOCK_SECONDS: Final = 20.0  # between looks at the clock for the day's decisions
_RETRY_LOOKS: Final = 120  # looks to leave out after agency files could not be written: a minute
BACKLOG: Final = 512
_log = structlog.get_logger("hl7bridge.service")


class Daemon:
    """Everything that runs. ``open_store`` opens one more connection to the store; ``load`` reads the files anew."""

    def __init__(self, assembled: Assembled, open_store: Callable[[], Store], load: Callable[[], Assembled]) -> None:
        self._assembled = assembled
        self._open_store = open_store
        self._load = load
        self._store = open_store()
        self._pipeline = Pipeline(self._store, assembled.setup)
        self._writer = Writer(self._store, self._pipeline, _now)
        self._factories: dict[str, ListenerFactory] = {}
        self._senders = MultiService()
        self.ports: dict[str, Any] = {}
        self._loops: list[LoopingCall] = []
        self._is_placing = False
        self._skip_looks = 0

    def start(self) -> None:
        """Listen, send and keep time. Raises BridgeError when a port or certificate cannot be used."""
        self._writer.start()
        for listener in self._assembled.settings.listeners:
            self._listen(listener)
        for destination in self._assembled.settings.destinations:
            sender = Sender(reactor, _link(destination), self._writer.run, now=_now)
            sender.setServiceParent(self._senders)
        self._senders.startService()
        self._repeat(self._look, _LOOK_SECONDS)
        self._repeat(self._watch_clock, _CLOCK_SECONDS)
        interval = watchdog_seconds()
        if interval:
            self._repeat(self._feed_watchdog, interval)
        notify("READY=1")
        _log.info("ready", listeners=len(self.ports), destinations=len(self._assembled.settings.destinations))

    def _listen(self, settings: ListenerSettings) -> None:
        factory = ListenerFactory(_limits(settings), self._writer.submit)
        host, port = settings.bind
        try:
            if settings.tls is None:
                opened = reactor.listenTCP(port, factory, backlog=BACKLOG, interface=host)
            else:
                tls = ServerTls(settings.tls.certificate, settings.tls.key, settings.tls.client_ca)
                opened = reactor.listenSSL(port, factory, server_options(tls), backlog=BACKLOG, interface=host)
        except CannotListenError as error:
            why = getattr(error.socketError, "strerror", None) or error.socketError
            raise BridgeError(f"listener {settings.name}: cannot listen on {settings.bind}: {why}") from None
        self._factories[settings.name] = factory
        self.ports[settings.name] = opened
        address = opened.getHost()
        _log.info(
            "listening", listener=settings.name, host=address.host, port=address.port, tls=settings.tls is not None
        )

    def stop(self) -> Deferred[Any]:
        """Stop taking, answer what was taken, finish what is in flight, and close; fires when all is done."""
        notify("STOPPING=1")
        _log.info("stopping")
        for loop in self._loops:
            loop.stop()
        self._loops.clear()
        done: Deferred[Any] = succeed(None)
        for _ in range(_LAST_LOOKS):
            done.addCallback(lambda _: deferLater(reactor, _LAST_LOOK_SECONDS))
        done.addCallback(lambda _: self._drain())
        done.addCallback(lambda _: maybeDeferred(self._senders.stopService))
        done.addCallback(lambda _: deferToThread(self._writer.stop))
        done.addCallback(lambda _: self._store.close())
        done.addCallback(lambda _: _log.info("stopped"))
        return done

    def _drain(self) -> Deferred[Any]:
        closed = [maybeDeferred(port.stopListening) for port in self.ports.values()]
        drained = [factory.drain().addTimeout(DRAIN_SECONDS, reactor) for factory in self._factories.values()]
        return DeferredList([*closed, *drained], consumeErrors=True)

    def reload(self) -> bool:
        """Take the files anew for mappings, rules, policies and agencies; on any problem go on as before."""
        notify(reloading())
        try:
            return self._reload()
        except BridgeError as error:
            for line in str(error).splitlines():
                _log.error("reload_refused", problem=line)
            return False
        finally:
            notify("READY=1")

    def _reload(self) -> bool:
        assembled = self._load()
        old, new = self._assembled.settings, assembled.settings
        if (old.listeners, old.destinations, old.store) != (new.listeners, new.destinations, new.store):
            _log.warning("reload_partial", problem="listeners, destinations and store change at the next start")
            policies = {name: assembled.setup.policies.get(name, old_policy)
                        for name, old_policy in self._assembled.setup.policies.items()}  # fmt: skip
            # A listener that goes at the next start still needs its mapping until then.
            mappings = {**self._assembled.setup.mappings, **assembled.setup.mappings}
            assembled = assembled._replace(setup=assembled.setup._replace(policies=policies, mappings=mappings))
        self._assembled = assembled
        self._writer.run(lambda _store: self._pipeline.use(assembled.setup))
        _log.info("reloaded", rules=assembled.rules.version, mappings=sorted(assembled.setup.mappings))
        return True

    def _repeat(self, call: Callable[[], Any], seconds: float) -> None:
        loop = LoopingCall(_forgiving, call)
        loop.clock = reactor
        loop.start(seconds)
        self._loops.append(loop)

    def _feed_watchdog(self) -> Deferred[Any]:
        """Tell systemd that we live once the writer has come round: a stuck writer must not look alive."""
        return self._writer.run(lambda _store: None).addCallback(lambda _: notify("WATCHDOG=1"))

    def _look(self) -> Deferred[Any] | None:
        if self._skip_looks:
            self._skip_looks -= 1
            return None
        if self._is_placing:
            return None
        return self._writer.run(has_work).addCallback(lambda found: self._place(send_queued) if found else None)

    def _watch_clock(self) -> None:
        if not self._is_placing:
            self._place(decide_and_send)

    def _place(self, job: Callable[[Store, Assembled, dt.datetime], list[str]]) -> None:
        """Run a placement job in a thread of its own: deciding many accounts must not hold up intake."""
        self._is_placing = True
        deferToThread(self._in_own_store, job).addCallbacks(self._placed, self._not_placed)

    def _in_own_store(self, job: Callable[[Store, Assembled, dt.datetime], list[str]]) -> list[str]:
        store = self._open_store()
        try:
            return job(store, self._assembled, _now())
        finally:
            store.close()

    def _placed(self, problems: list[str]) -> None:
        self._is_placing = False
        self._skip_looks = _RETRY_LOOKS if problems else 0
        for problem in problems:
            _log.warning("placements_not_sent", problem=problem)

    def _not_placed(self, failure: Failure) -> None:
        self._is_placing = False
        self._skip_looks = _RETRY_LOOKS
        _log.error("placements_not_sent", problem=failure.getErrorMessage())


def _forgiving(call: Callable[[], Any]) -> Deferred[Any]:
    """Call and report a failure: a timer whose call fails once, as when the store is busy, would never ring again."""
    return maybeDeferred(call).addErrback(lambda failure: _log.error("timer_failed", problem=failure.getErrorMessage()))


def _limits(settings: ListenerSettings) -> Limits:
    idle = settings.idle_timeout
    return Limits(
        name=settings.name,
        most_bytes=settings.max_block,
        block_seconds=settings.block_timeout.total_seconds(),
        idle_seconds=None if idle is None else idle.total_seconds(),
        allow=settings.allow,
        tolerances=frozenset(settings.tolerate),
        release=settings.mllp_release,
        batch_reply=settings.batch_reply,
        most_connections=settings.max_connections,
        most_per_peer=settings.max_connections_per_peer,
        takeover_seconds=settings.takeover_after.total_seconds(),
        reply_seconds=settings.reply_timeout.total_seconds(),
        clients={name: frozenset(each) for name, each in settings.tls.clients.items()} if settings.tls else {},
    )


def _link(settings: DestinationSettings) -> Link:
    tls = settings.tls
    return Link(
        name=settings.name,
        host=settings.connect.host,
        port=settings.connect.port,
        ack_timeout=settings.ack_timeout.total_seconds(),
        connect_timeout=settings.connect_timeout.total_seconds(),
        retry=RetryPolicy(settings.retry.first, settings.retry.ceiling, settings.retry.attempts),
        tls=ClientTls(tls.ca, tls.certificate, tls.key) if tls else None,
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
