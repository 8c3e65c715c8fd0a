"""Placements and the time -> what waits for too long: a person is asked, an account is called back, a hold is over.

Looked at every minute or so. Each question is put to a person once for as long as the placement stays in its status.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final, NamedTuple

from hl7bridge.placement.reaction import Saying
from hl7bridge.placement.records import NoticeKind
from hl7bridge.placement.state import By, Status
from hl7bridge.reacting import ACTOR, AgencyTerms, Reacted, ReactionSettings, react_to_changes
from hl7bridge.storage.cases import OPEN_STATUSES
from hl7bridge.storage.database import Store
from hl7bridge.storage.exceptions import open_exception
from hl7bridge.storage.notices import cancel_resumes, queue_saying
from hl7bridge.storage.placements import move_placement
from hl7bridge.storage.told import read_told, write_told
from hl7bridge.times import utc_text

KEPT: Final = "keep_at_most"  # the reason of a recall for age
MOST: Final = 500  # placements of one agency and look
_LOOKED_ON: Final = "placements_looked_on"  # the day (UTC, and the hour) of the last look at holds, in meta
_WAITING: Final = (
    "SELECT p.id, p.account_id, a.facility, p.agency, p.status_since FROM placements p"
    " JOIN accounts a ON a.id = p.account_id WHERE p.status = ? AND p.agency = ? AND p.status_since < ?"
    " AND coalesce(p.recall_by, '') < ? AND instr(coalesce(p.told, ''), ? || ' ' || p.status_since) = 0"
    " ORDER BY p.status_since LIMIT ?"
)
_KEPT: Final = (
    "SELECT p.id, p.account_id, a.facility, p.agency, p.status_since FROM placements p"
    f" JOIN accounts a ON a.id = p.account_id WHERE p.status IN ({OPEN_STATUSES}) AND p.status <> 'recall_pending'"
    " AND p.agency = ? AND p.sent_at < ? AND coalesce(p.recall_by, '') < ? ORDER BY p.id LIMIT ?"
)
# A day that passes can end a hold: a signal's last day, a guarantor who comes of age.
_STOPPED: Final = (
    "INSERT INTO stale_placements (account_id) SELECT account_id FROM placements WHERE status = 'suspended'"
    " ON CONFLICT DO NOTHING"
)


_OVER: Final = (
    "exceptions WHERE kind = ? AND closed_at IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM placements p WHERE p.account_id = exceptions.account_id AND p.status = ?)"
)
_FIND_OVER: Final = f"SELECT 1 FROM {_OVER} LIMIT 1"
_CLOSE_OVER: Final = (
    "UPDATE exceptions SET closed_at = ?, closed_by = 'daemon', resolution = 'it waits no more' WHERE id IN"
    f" (SELECT id FROM {_OVER})"
)


class Timer(NamedTuple):
    """One wait that is limited: the status, the kind of the exception, and what it says."""

    status: Status
    kind: str
    what: str


TIMERS: Final = (
    Timer(Status.SENT, "no_acknowledgement", "the agency has not acknowledged it"),
    Timer(Status.SUSPENDED, "suspended_too_long", "it has been suspended"),
    Timer(Status.RECALL_PENDING, "recall_overdue", "the agency has not confirmed the recall"),
)


class _Waiting(NamedTuple):
    """A placement that waits."""

    id: int
    account_id: int
    facility: str
    agency: str
    since: str


def check_timers(store: Store, settings: ReactionSettings, now: dt.datetime) -> list[str]:
    """Do what is due by the clock, in a transaction of its own when anything is, and return problems as lines."""
    names = sorted(settings.agencies)
    is_hour_over = _is_hour_over(store, now)
    waiting = [each for name in names for each in _find_waiting(store, name, settings.terms(name), now)]
    kept = [each for name in names for each in _find_kept(store, name, settings.terms(name), now) if is_hour_over]
    over = [timer for timer in TIMERS if store.row(_FIND_OVER, (timer.kind, timer.status))]
    if not (waiting or over or is_hour_over):
        return []
    with store.transaction():
        for timer in over:
            store.execute(_CLOSE_OVER, (utc_text(now), timer.kind, timer.status))
        for timer, each in waiting:
            _ask(store, timer, each, utc_text(now))
        for each in kept:
            _recall(store, each, settings, now)
        return list(_look_at_holds(store, settings, now).problems) if is_hour_over else []


def waiting_for(terms: AgencyTerms, timer: Timer) -> dt.timedelta:
    """Return for how long a placement may be in a timer's status."""
    return {
        Status.SENT: terms.acknowledge_within,
        Status.SUSPENDED: terms.suspend_at_most,
        Status.RECALL_PENDING: terms.recall_within,
    }[timer.status]


def _find_waiting(store: Store, agency: str, terms: AgencyTerms, now: dt.datetime) -> Iterable[tuple[Timer, _Waiting]]:
    for timer in TIMERS:
        since, mark = utc_text(now - waiting_for(terms, timer)), f'"{timer.kind}'
        for row in store.rows(_WAITING, (timer.status, agency, since, utc_text(now), mark, MOST)):
            yield timer, _Waiting(*row)


def _find_kept(store: Store, agency: str, terms: AgencyTerms, now: dt.datetime) -> list[_Waiting]:
    if terms.keep_at_most is None:
        return []
    rows = store.rows(_KEPT, (agency, utc_text(now - terms.keep_at_most), utc_text(now), MOST))
    return [_Waiting(*row) for row in rows]


def _ask(store: Store, timer: Timer, waiting: _Waiting, at: str) -> None:
    reason = f"placement {waiting.id} with agency {waiting.agency}: {timer.what} since {waiting.since[:10]}"
    open_exception(store, timer.kind, waiting.account_id, None, message_id=None, reason=reason, at=at)
    write_told(store, waiting.id, read_told(store, waiting.id).ask(f"{timer.kind} {waiting.since}"))


def _recall(store: Store, waiting: _Waiting, settings: ReactionSettings, now: dt.datetime) -> None:
    at, told = utc_text(now), read_told(store, waiting.id)
    reason = "the agency has had it for as long as its settings say"
    move_placement(
        store, waiting.id, Status.RECALL_PENDING, by=By.BRIDGE, actor=ACTOR, at=at, reason=reason, notice=True
    )
    cancel_resumes(store, waiting.id, at=at)
    said = Saying(NoticeKind.RECALL, KEPT, told.balance, "the configuration (keep_at_most)")
    today = settings.today(waiting.facility, now)
    queue_saying(store, waiting.id, waiting.agency, told.account, said, today, at)
    write_told(store, waiting.id, told._replace(stop=KEPT))


def _is_hour_over(store: Store, now: dt.datetime) -> bool:
    row = store.row("SELECT value FROM meta WHERE key = ?", (_LOOKED_ON,))
    return row is None or row[0] != utc_text(now)[:13]


def _look_at_holds(store: Store, settings: ReactionSettings, now: dt.datetime) -> Reacted:
    store.execute(_STOPPED)
    store.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_LOOKED_ON, utc_text(now)[:13]),
    )
    return react_to_changes(store, settings, now)
