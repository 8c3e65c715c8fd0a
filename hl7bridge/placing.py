"""The day's decisions as the daemon runs them, in a thread with a connection of its own; and the files they make."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from hl7bridge.assemble import Assembled
from hl7bridge.config import Settings
from hl7bridge.exchange.outgoing import AgencyFolder, Sending, Sent, send_placements
from hl7bridge.privacy.sending import compile_fields
from hl7bridge.rules.spec import Rules
from hl7bridge.storage.database import Store
from hl7bridge.storage.decisions import Run, run_decisions

ACTOR: Final = "daemon"
_LAST_RUN: Final = "decisions_run_on"  # the day of the last scheduled run, in meta
_log = structlog.get_logger("hl7bridge.placing")


def has_work(store: Store) -> bool:
    """Return whether a placement is queued or a file is half sent; cheap, for looking twice a second."""
    queued = store.row("SELECT 1 FROM placements WHERE status = 'queued' LIMIT 1")
    return queued is not None or store.row("SELECT 1 FROM agency_files WHERE status = 'writing' LIMIT 1") is not None


def send_to_agencies(
    store: Store, settings: Settings, rules: Rules, today_of: Callable[[str], dt.date], now: dt.datetime, actor: str
) -> Sent:
    """Write what is queued to the folders of the settings' agencies; RefusedError for a field that may not be sent."""
    creditors = {each.code: each.name for each in settings.facilities}
    folders = [AgencyFolder(each.name, each.outgoing, compile_fields(each.fields)) for each in settings.agencies]
    return send_placements(store, folders, Sending(rules, today_of, creditors, now, actor))


def send_queued(store: Store, assembled: Assembled, now: dt.datetime) -> list[str]:
    """Write what is queued, log what was written, and return what could not be, as lines."""
    sent = send_to_agencies(
        store, assembled.settings, assembled.rules, lambda facility: assembled.today(facility, now), now, ACTOR
    )
    _tell(sent)
    return list(sent.problems)


def decide_and_send(store: Store, assembled: Assembled, now: dt.datetime) -> list[str]:
    """Run the day's decisions if they are due and were not run, then send; nothing to do returns at once."""
    zone = ZoneInfo(assembled.settings.reports.time_zone)
    local = now.astimezone(zone)
    last = store.row("SELECT value FROM meta WHERE key = ?", (_LAST_RUN,))
    today = local.date().isoformat()
    if local.time() < assembled.settings.rules.run_at or (last is not None and last[0] >= today):
        return []
    placed = decided = 0
    run = Run(assembled.rules, lambda facility: assembled.today(facility, now), now, ACTOR)
    for outcome in run_decisions(store, run):
        decided += 1
        placed += outcome.placement_id is not None
    with store.transaction():
        store.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (_LAST_RUN, today),
        )
    _log.info("decided", decided=decided, placed=placed)
    return send_queued(store, assembled, now)


def _tell(sent: Sent) -> None:
    for file in sent.files:
        _log.info("placements_sent", agency=file.agency, file=file.name, placements=file.records)
    for withdrawn in sent.withdrawn:
        _log.info("placement_withdrawn", placement=withdrawn.placement_id, agency=withdrawn.agency)
