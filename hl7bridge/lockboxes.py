"""Lockbox destinations: files written when they are due, acknowledgements taken, and both told in the log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from hl7bridge.config import DestinationSettings
from hl7bridge.errors import BridgeError
from hl7bridge.exchange.lockbox import Lockbox, Run, Taken, take_acknowledgements, write_lockbox
from hl7bridge.storage.database import Store
from hl7bridge.storage.lockbox import last_gathered_at

ACTOR: Final = "daemon"
LOCKBOXES: Final = "lockboxes"
_log = structlog.get_logger("hl7bridge.lockboxes")


def lockboxes_of(destinations: Sequence[DestinationSettings]) -> list[Lockbox]:
    """Return the destinations that take files."""
    return [
        Lockbox(each.name, each.lockbox.folder, each.lockbox.layout, each.lockbox.number, each.lockbox.acknowledgements)
        for each in destinations
        if each.lockbox is not None
    ]


def exchange_lockboxes(store: Store, destinations: Sequence[DestinationSettings], zone: str, now: dt.datetime) -> None:
    """Write what is due and take what came; days are those of ``zone``. One destination's trouble is not another's."""
    local = now.astimezone(ZoneInfo(zone))
    run = Run(now, ACTOR, local.date())
    times = {each.name: each.lockbox.write_at for each in destinations if each.lockbox is not None}
    for box in lockboxes_of(destinations):
        try:
            for taken in take_acknowledgements(store, box, run):
                _tell(taken)
            is_due = _is_time(store, box.destination, times[box.destination], local)
            for file in write_lockbox(store, box, run, is_due=is_due):
                _log.info("lockbox_written", destination=box.destination, file=file.name, records=file.records)
        except BridgeError as error:
            _log.error("lockbox_failed", destination=box.destination, problem=str(error))


def _is_time(store: Store, destination: str, write_at: dt.time | None, local: dt.datetime) -> bool:
    """Return whether files may be written now: at any time, or once a day from ``write_at`` on."""
    if write_at is None:
        return True
    last = last_gathered_at(store, destination)
    is_done = last is not None and dt.datetime.fromisoformat(last).astimezone(local.tzinfo).date() >= local.date()
    return local.time() >= write_at and not is_done


def _tell(taken: Taken) -> None:
    if taken.settled is None:
        problems = taken.problem.count("\n") + 1
        _log.warning("lockbox_acknowledgement_held", destination=taken.destination, problems=problems)
    else:
        _log.info("lockbox_acknowledged", destination=taken.destination, **taken.settled._asdict())
