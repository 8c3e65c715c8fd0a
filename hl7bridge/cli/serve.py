"""``hl7bridge serve``: the daemon in the foreground, as systemd or a terminal runs it."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from hl7bridge.cli.common import App, common_options

if TYPE_CHECKING:
    from hl7bridge.assemble import Assembled
    from hl7bridge.storage.database import Store


@click.command()
@common_options
def command(app: App) -> None:
    """Run the daemon until SIGTERM: listen for the EHR, place accounts, post payments.

    Logs go to stderr: as JSON, a line an event, or readable on a terminal. SIGTERM drains, SIGHUP reloads.
    """
    from hl7bridge.assemble import assemble, check_forms
    from hl7bridge.cli.pidfile import hold_pid_file, pid_path
    from hl7bridge.config import key_path, load_settings
    from hl7bridge.storage.database import open_store, read_key

    _configure_logs()
    settings = app.settings
    assembled = assemble(settings)
    check_forms(assembled)
    key = read_key(key_path(settings))

    def load() -> Assembled:
        fresh = assemble(load_settings(app.config_path))
        check_forms(fresh)
        return fresh

    def open_again() -> Store:
        return open_store(settings.store.path, key)

    with hold_pid_file(pid_path(settings)):
        open_store(settings.store.path, key, create=True).close()
        _run(assembled, open_again, load)


def _run(assembled: Assembled, open_again: Any, load: Any) -> None:
    from hl7bridge.net.reactor import reactor
    from hl7bridge.service import Daemon

    daemon = Daemon(assembled, open_again, load)
    daemon.start()
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stop)
    reactor.callWhenRunning(signal.signal, signal.SIGHUP, lambda _number, _frame: reactor.callFromThread(daemon.reload))
    reactor.run()


def _configure_logs() -> None:
    """Log to stderr, through structlog alone; Twisted's own complaints come out the same way."""
    import structlog
    from twisted.logger import ILogObserver, LogLevel, globalLogPublisher

    readable = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    log = structlog.get_logger("twisted")

    def observe(event: dict[str, Any]) -> None:
        if event["log_level"] >= LogLevel.error:
            failure = event.get("log_failure")
            # The kind of failure and its place, never its text: that may quote what a sender sent.
            log.error("internal_error", kind=failure.type.__name__ if failure else "", place=_place(failure))

    globalLogPublisher.addObserver(cast("ILogObserver", observe))


def _place(failure: Any) -> str:
    frames = failure.frames if failure is not None else []
    if not frames:
        return ""
    _function, file, line = frames[-1][:3]
    return f"{Path(file).name}:{line}" if file else os.devnull
