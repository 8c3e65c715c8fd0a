"""The daemon: builds listeners, writer, senders and timers from a configuration, and starts and stops them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from hl7bridge.alarms import DeliveryAlarm, OrphanAlarm, ParkedAlarm, StopAlarm, StrayAlarm
from hl7bridge.assemble import Assembled, delivery_rules
from hl7bridge.config import Address, DestinationSettings
from hl7bridge.errors import BridgeError
from hl7bridge.exchange.arrivals import Arrivals
from hl7bridge.expiry import warn_of_expiry
from hl7bridge.listening import Listeners
from hl7bridge.lockboxes import LOCKBOXES, exchange_lockboxes
from hl7bridge.net.activation import PassedSocket
from hl7bridge.net.partner import ClientTls
from hl7bridge.net.reactor import reactor
from hl7bridge.net.sender import Link, Sender
from hl7bridge.net.writer import Writer
from hl7bridge.notify import notify, reloading, watchdog_seconds
from hl7bridge.pipeline import Pipeline
from hl7bridge.placing import (
    ACTOR,
    DECISIONS,
    EXCHANGE,
    Job,
    Resting,
    check_times,
    decide_due,
    has_work,
    look_for_answers,
    send_queued,
    take_answers,
)
from hl7bridge.storage.config_versions import RELOAD, START, record_version
from hl7bridge.storage.database import Store
from hl7bridge.storage.sending import recover_orphans
from hl7bridge.versions import files_of

# What senders had sent when we were told to stop is taken first: each look accepts, reads, and looks again.
_LAST_LOOKS: Final = 5
_LAST_LOOK_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 0.5  # what the command line queued is acted on within a second
_CLOCK_SECONDS: Final = 20.0  # between looks at the clock for the day's decisions
_FOLDER_SECONDS: Final = 1.0  # between looks for files from agencies
_ALARM_SECONDS: Final = 5.0  # between looks for messages that wait for a person
_DAY_SECONDS: Final = 86_400.0  # between looks at certificates
_log = structlog.get_logger("hl7bridge.service")


class Daemon:
    """Everything that runs. ``open_store`` opens one more connection to the store; ``load`` reads the files anew.

    ``passed`` are the sockets that the service manager holds for us.
    """

    def __init__(
        self,
        assembled: Assembled,
        open_store: Callable[[], Store],
        load: Callable[[], Assembled],
        passed: Sequence[PassedSocket] = (),
    ) -> None:
        self._assembled = assembled
        self._started = assembled.settings  # what takes a restart runs by these
        self._passed = passed
        self._open_store = open_store
        self._load = load
        self._store = open_store()
        self._pipeline = Pipeline(self._store, assembled.setup)
        self._writer = Writer(self._store, self._pipeline, _now)
        self._parked = ParkedAlarm()
        self._stops = StopAlarm()
        self._late = DeliveryAlarm()
        self._orphans = OrphanAlarm()
        self._listeners = Listeners(self._writer.submit, self._pipeline.read_ahead)
        self._senders = MultiService()
        self._loops: list[LoopingCall] = []
        self._at_work: set[str] = set()
        self._has_answers = False  # files from agencies came while an exchange was at work
        self._resting = Resting()
        self._strays = StrayAlarm()

    def start(self) -> None:
        """Listen, send and keep time. Raises BridgeError when a port or certificate cannot be used."""
        settings = self._started
        self._writer.start()
        self._listeners.open(settings.listeners, self._passed)
        self._record(START)
        for destination in settings.destinations:
            if destination.connect is not None:  # else it is a lockbox: files, no connection
                link = _link(destination, destination.connect)
                Sender(reactor, link, self._writer.run, now=_now).setServiceParent(self._senders)
        names = {each.name for each in settings.destinations}
        _forgiving(lambda: self._writer.run(lambda store: recover_orphans(store, names, _now())))
        self._senders.startService()
        self._repeat(self._look, _LOOK_SECONDS)
        self._repeat(self._watch_clock, _CLOCK_SECONDS)
        self._repeat(self._watch_folders, _FOLDER_SECONDS)
        self._repeat(self._watch_parked, _ALARM_SECONDS)
        self._repeat(self._watch_certificates, _DAY_SECONDS)
        interval = watchdog_seconds()
        if interval:
            self._repeat(self._feed_watchdog, interval)
        notify("READY=1")
        _log.info("ready", listeners=len(settings.listeners), destinations=len(settings.destinations))

    def stop(self) -> Deferred[Any]:
        """Stop taking, answer what was taken, finish what is in flight, and close; fires when all is done."""
        notify("STOPPING=1")
        _log.info("stopping")
        for loop in self._loops:
            loop.stop()
        self._loops.clear()
        self._listeners.leave()
        done: Deferred[Any] = succeed(None)
        for _ in range(_LAST_LOOKS):
            done.addCallback(lambda _: deferLater(reactor, _LAST_LOOK_SECONDS))
        done.addCallback(lambda _: self._listeners.close())
        done.addCallback(lambda _: maybeDeferred(self._senders.stopService))
        done.addCallback(lambda _: deferToThread(self._writer.stop))
        done.addCallback(lambda _: self._store.close())
        done.addCallback(lambda _: _log.info("stopped"))
        return done

    def reload(self) -> bool:
        """Take mappings, rules, policies, agencies and certificates anew; on any problem go on as before."""
        notify(reloading())
        try:
            return self._reload()
        except BridgeError as error:
            for line in str(error).splitlines():
                _log.error("reload_refused", problem=line)
            return False
        except Exception as error:  # noqa: BLE001  (whatever a file does to us, what runs goes on and somebody is told)
            _log.error("reload_refused", problem=f"internal error: {type(error).__name__}")
            return False
        finally:
            notify("READY=1")

    def _reload(self) -> bool:
        assembled = self._load()
        old, new = self._started, assembled.settings
        self._listeners.renew(self._listeners.read_renewal(new.listeners))
        goes_on = (old.destinations, old.store) == (new.destinations, new.store)
        if not (goes_on and self._listeners.run_by(new.listeners)):
            _log.warning("reload_partial", problem="listeners, destinations and store change at the next start")
            policies = {name: assembled.setup.policies.get(name, old_policy)
                        for name, old_policy in self._assembled.setup.policies.items()}  # fmt: skip
            # A listener that goes at the next start still needs its mapping until then.
            mappings = {**self._assembled.setup.mappings, **assembled.setup.mappings}
            assembled = assembled._replace(setup=assembled.setup._replace(policies=policies, mappings=mappings))
        self._assembled = assembled
        self._writer.run(lambda _store: self._pipeline.use(assembled.setup))
        self._record(RELOAD)
        self._watch_certificates()
        _log.info("reloaded", rules=assembled.rules.version, mappings=sorted(assembled.setup.mappings))
        return True

    def _record(self, reason: str) -> None:
        """Keep the configuration that is in force, if it is not the one that was kept last."""
        files = files_of(self._assembled)
        kept = self._writer.run(lambda store: record_version(store, files, at=_now(), actor=ACTOR, reason=reason))
        kept.addErrback(lambda failure: _log.error("config_not_kept", problem=failure.getErrorMessage()))

    def _repeat(self, call: Callable[[], Any], seconds: float) -> None:
        loop = LoopingCall(_forgiving, call)
        loop.clock = reactor
        loop.start(seconds)
        self._loops.append(loop)

    def _feed_watchdog(self) -> Deferred[Any]:
        """Tell systemd that we live once the writer has come round: a stuck writer must not look alive."""
        return self._writer.run(lambda _store: None).addCallback(lambda _: notify("WATCHDOG=1"))

    def _look(self) -> Deferred[Any] | None:
        resting = self._resting.at(reactor.seconds())
        if EXCHANGE in self._at_work or EXCHANGE in resting:
            return None
        found = self._writer.run(lambda store: has_work(store, resting))
        return found.addCallback(lambda is_found: self._work(EXCHANGE, send_queued) if is_found else None)

    def _watch_clock(self) -> None:
        self._work(DECISIONS, decide_due)
        self._work(EXCHANGE, check_times)
        if any(each.lockbox is not None for each in self._started.destinations):
            self._work(LOCKBOXES, self._exchange_lockboxes)

    def _exchange_lockboxes(self, store: Store, assembled: Assembled, now: dt.datetime) -> Job:
        exchange_lockboxes(store, self._started.destinations, assembled.settings.reports.time_zone, now)
        return Job()

    def _watch_folders(self) -> Deferred[Any]:
        """Look into the agencies' folders in a thread: a folder of another machine may take its time."""
        return deferToThread(look_for_answers, self._assembled, _now()).addCallback(self._found_answers)

    def _found_answers(self, found: Mapping[str, Arrivals]) -> None:
        self._strays.look(found)
        resting = self._resting.at(reactor.seconds())
        if EXCHANGE not in resting and any(each.ready for name, each in found.items() if name not in resting):
            self._has_answers = EXCHANGE in self._at_work
            self._work(EXCHANGE, take_answers)

    def _watch_parked(self) -> Deferred[None]:
        return self._writer.run(self._look_for_alarms)

    def _look_for_alarms(self, store: Store) -> None:
        self._parked.look(store)
        self._stops.look(store, self._assembled.reaction, _now())
        limits = {each.name: each.alarm_after for each in self._started.destinations}
        self._late.look(store, limits, _now())
        self._orphans.look(store, limits)

    def _watch_certificates(self) -> None:
        warn_of_expiry(self._assembled.settings, _now())

    def _work(self, what: str, job: Callable[[Store, Assembled, dt.datetime], Job]) -> None:
        """Run a job in a thread of its own, unless the last of its kind still runs: intake and stops do not wait."""
        if what not in self._at_work:
            self._at_work.add(what)
            done = deferToThread(self._in_own_store, job).addErrback(self._not_worked, what)
            done.addCallback(self._worked, what)

    def _in_own_store(self, job: Callable[[Store, Assembled, dt.datetime], Job]) -> Job:
        store = self._open_store()
        try:
            return job(store, self._assembled, _now())
        finally:
            store.close()

    def _worked(self, job: Job, what: str) -> None:
        self._at_work.discard(what)
        self._resting.add(job.stuck, reactor.seconds())
        if what == EXCHANGE and (job.has_taken or self._has_answers) and self._loops:
            self._has_answers = False
            _forgiving(self._watch_folders)  # at once: an agency that answers may have put more there meanwhile
        for problem in job.problems:
            _log.warning("placements_not_sent", problem=problem)

    def _not_worked(self, failure: Failure, what: str) -> Job:
        _log.error("placements_not_sent", problem=failure.getErrorMessage())
        return Job(stuck=frozenset({what}))


def _forgiving(call: Callable[[], Any]) -> Deferred[Any]:
    """Call and report a failure: a timer whose call fails once, as when the store is busy, would never ring again."""
    return maybeDeferred(call).addErrback(lambda failure: _log.error("timer_failed", problem=failure.getErrorMessage()))


def _link(settings: DestinationSettings, address: Address) -> Link:
    tls = settings.tls
    return Link(
        name=settings.name,
        host=address.host,
        port=address.port,
        ack_timeout=settings.ack_timeout.total_seconds(),
        connect_timeout=settings.connect_timeout.total_seconds(),
        tls=ClientTls(tls.ca, tls.certificate, tls.key) if tls else None,
        window=settings.window,
        is_kept=settings.connection == "keep",
        idle_close=settings.idle_close.total_seconds() if settings.idle_close else None,
        rules=delivery_rules(settings),
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
