"""``hl7bridge serve``: the daemon in the foreground, as systemd or a terminal runs it."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

import click

from hl7bridge.cli.common import App, common_options

if TYPE_CHECKING:
    from hl7bridge.assemble import Assembled
    from hl7bridge.config import Settings
    from hl7bridge.storage.database import Store

_OWN_DESCRIPTORS: Final = 64  # for the store, ports, destinations, files and logs
# Objects that may be made and not yet gone before Python looks for cycles among them: more than a batch of messages
# makes. By the default of 700 it would look several times in each batch, in vain, and at all objects there are.
YOUNG_OBJECTS: Final = 5_000


@click.command()
@common_options
def command(app: App) -> None:
    """Run the daemon until SIGTERM: listen for the EHR, place accounts, post payments.

    Logs go to stderr: as JSON, a line an event, or readable on a terminal. SIGTERM drains, SIGHUP reloads.
    """
    from hl7bridge.cli.pidfile import hold_pid_file, pid_path
    from hl7bridge.config import key_path
    from hl7bridge.storage.database import open_store, read_key
    from hl7bridge.versions import load_configuration

    gc.set_threshold(YOUNG_OBJECTS)
    _configure_logs()
    assembled = load_configuration(app.config_path)
    settings = assembled.settings
    key = read_key(key_path(settings))
    _raise_descriptors(settings)

    def open_again() -> Store:
        return open_store(settings.store.path, key)

    with hold_pid_file(pid_path(settings)):
        open_store(settings.store.path, key, create=True).close()
        _run(assembled, open_again, lambda: load_configuration(app.config_path))


def _run(assembled: Assembled, open_again: Any, load: Any) -> None:
    from hl7bridge.net.activation import take_passed_sockets

    passed = take_passed_sockets(os.environ)  # before Twisted is imported

    from hl7bridge.net.reactor import reactor
    from hl7bridge.service import Daemon

    daemon = Daemon(assembled, open_again, load, passed)
    stops: list[int] = []

    def stop(number: int, _frame: object) -> None:
        if not stops:  # a second SIGTERM, or Ctrl-C once more, does not hurry what is being answered
            reactor.callFromThread(reactor.stop)
        stops.append(number)

    # Before the daemon says that it is ready: whoever waits for that may signal at once.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, lambda _number, _frame: reactor.callFromThread(daemon.reload))
    daemon.start()
    gc.freeze()  # what is there now stays: a look at all objects is one at those that came since
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stop)
    reactor.run(installSignalHandlers=False)


def _raise_descriptors(settings: Settings) -> None:
    """Take all the descriptors that we may have, and warn when not every connection that is allowed could have one."""
    import structlog

    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        limit = most
    wanted = sum(each.max_connections for each in settings.listeners) + _OWN_DESCRIPTORS
    if 0 <= limit < wanted:  # RLIM_INFINITY is negative
        log = structlog.get_logger("hl7bridge.serve")
        log.warning("few_descriptors", limit=limit, wanted=wanted)


def _configure_logs() -> None:
    """Log to stderr, through structlog alone; Twisted's own complaints come out the same way."""
    import structlog
    from twisted.logger import ILogObserver, LogLevel, globalLogBeginner

    readable = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Lenient(sys.stderr))),
    )
    log = structlog.get_logger("twisted")

    def observe(event: dict[str, Any]) -> None:
        if event["log_level"] >= LogLevel.error:
            failure = event.get("log_failure")
            # The kind of failure and its place, never its text: that may quote what a sender sent.
            log.error("internal_error", kind=failure.type.__name__ if failure else "", place=_place(failure))

    globalLogBeginner.beginLoggingTo([cast("ILogObserver", observe)], redirectStandardIO=False, discardBuffer=True)


class _Lenient:
    """A stream whose writes may fail: a full disk under the log, or a reader that is gone, must not stop the bridge."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write if that can be done."""
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """Write out what is held back, if that can be done."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def _place(failure: Any) -> str:
    frames = failure.frames if failure is not None else []
    if not frames:
        return ""
    _function, file, line = frames[-1][:3]
    return f"{Path(file).name}:{line}" if file else os.devnull
