"""One reactor for a whole test run, in a thread of its own: blocking tests talk to it, whoever starts it first."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.threads import blockingCallFromThread

from hl7bridge.net.reactor import reactor


def start_reactor() -> None:
    """Start the reactor unless it runs. Its threads are daemons, or they would keep the test run from ending."""
    if reactor.running:
        return
    reactor.getThreadPool().threadFactory = functools.partial(threading.Thread, daemon=True)
    running = threading.Event()
    reactor.callWhenRunning(running.set)
    threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, name="reactor", daemon=True).start()
    if not running.wait(10):
        raise TimeoutError("the reactor did not start")


def in_reactor(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function in the reactor's thread and return what it returns, or what its Deferred fires with."""
    return blockingCallFromThread(reactor, function, *arguments, **options)
