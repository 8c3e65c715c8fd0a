"""The daemon that is killed (-9) once all its senders have come to one step: ``python killed_daemon.py serve ...``.

KILL_STEP is ``before the write`` (what is sent is on disk as being sent, no byte has left), ``after the write`` (no
reply was read) or ``before the commit`` (the verdict is known, and not on disk); KILL_COUNT is how many senders.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from hl7bridge.cli.main import main
from hl7bridge.net.lanes import Lane
from hl7bridge.net.partner import Partner
from hl7bridge.net.reactor import reactor
from hl7bridge.net.sender import Sender

BEFORE_WRITE, AFTER_WRITE, BEFORE_COMMIT = "before the write", "after the write", "before the commit"
_ARRIVAL_SECONDS = 0.5  # in which what was written reaches the other side
_step, _count = os.environ.get("KILL_STEP", ""), int(os.environ.get("KILL_COUNT", "0"))
_came: list[object] = []
_send = Lane.send


def kill() -> None:
    """End as a power cut would, but for the disk."""
    os.kill(os.getpid(), signal.SIGKILL)


def come_to_the_step(*_: object) -> None:
    """Wait here for ever; the last one ends it all."""
    _came.append(None)
    if len(_came) == _count:
        reactor.callLater(_ARRIVAL_SECONDS if _step == AFTER_WRITE else 0, kill)


def send_and_stop(self: Lane, delivery: Any) -> None:
    """Write, and come to the step."""
    _send(self, delivery)
    come_to_the_step()


def halt_at(step: str) -> None:
    """Have all senders halt at a step."""
    if step == BEFORE_WRITE:
        Lane.send = come_to_the_step  # type: ignore[method-assign]
    elif step == AFTER_WRITE:
        Lane.send = send_and_stop  # type: ignore[method-assign]
        Partner.dataReceived = lambda *_: None  # type: ignore[method-assign]
        Sender.lane_ended = lambda *_: None  # type: ignore[method-assign]
    else:
        Sender.lane_ended = come_to_the_step  # type: ignore[method-assign]


if __name__ == "__main__":
    halt_at(_step)
    main(prog_name="hl7bridge")
