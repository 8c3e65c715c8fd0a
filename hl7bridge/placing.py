"""What the daemon does with agencies: the day's decisions, the files that come, and those that go, each when it is due.

Decisions and files are two jobs, in threads with connections of their own: a long run of decisions holds up no stop.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import structlog

from hl7bridge.assemble import Assembled, forms_of, reaction_settings
from hl7bridge.config import Settings
from hl7bridge.exchange.arrivals import Arrivals, look_for_files
from hl7bridge.exchange.incoming import Taken, Taking, take_files
from hl7bridge.exchange.outgoing import CHANGES, AgencyFolder, Sending, Sent, send_placements
from hl7bridge.exchange.remitting import Posting
from hl7bridge.payments.message import DestinationForm
from hl7bridge.placement_timers import check_timers
from hl7bridge.privacy.sending import compile_fields
from hl7bridge.reacting import Reacted, ReactionSettings, has_changes, react_to_changes
from hl7bridge.rules.due import DueDays
from hl7bridge.rules.spec import Rules
from hl7bridge.storage.agency_files import FileKind, Work, find_work
from hl7bridge.storage.database import Store
from hl7bridge.storage.decisions import Run, run_decisions
from hl7bridge.storage.received_files import FileStatus

ACTOR: Final = "daemon"
EXCHANGE: Final = "exchange"
DECISIONS: Final = "decisions"
REST_SECONDS: Final = 60.0  # how long what could not be sent is left alone
_LAST_RUN: Final = "decisions_run_on"  # the day of the last scheduled run, in meta
Forms = Mapping[str, DestinationForm]
_log = structlog.get_logger("hl7bridge.placing")


class Job(NamedTuple):
    """What one job did: problems as lines for the log, and what is better left alone for a while.

    ``stuck`` has work to send, and the names of agencies whose incoming folder is in trouble. ``has_taken``: files came
    from agencies, so more may be on their way.
    """

    problems: tuple[str, ...] = ()
    stuck: frozenset[Work | str] = frozenset()
    has_taken: bool = False


class Resting:
    """What could not be done a moment ago, so that one agency's trouble is not met twice a second."""

    def __init__(self) -> None:
        self._until: dict[Work | str, float] = {}

    def add(self, stuck: Iterable[Work | str], seconds: float) -> None:
        """Leave something alone for a minute; ``seconds`` is the monotonic time."""
        self._until |= dict.fromkeys(stuck, seconds + REST_SECONDS)

    def at(self, seconds: float) -> frozenset[Work | str]:
        """Return what is left alone at a time."""
        self._until = {each: until for each, until in self._until.items() if until > seconds}
        return frozenset(self._until)


def has_work(store: Store, resting: frozenset[Work | str] = frozenset()) -> bool:
    """Return whether there is something to tell or to send; cheap, for looking twice a second."""
    return (has_changes(store) and CHANGES not in resting) or not find_work(store) <= resting


def folders_of(settings: Settings) -> list[AgencyFolder]:
    """Return the agencies' folders; RefusedError for a field that may not be sent."""
    return [
        AgencyFolder(
            each.name,
            each.outgoing,
            compile_fields(each.fields),
            each.layout,
            each.client_number,
            each.incoming,
            each.objection_extends,
            each.payment_layout or each.layout,
        )
        for each in settings.agencies
    ]


def _reacting(reaction: ReactionSettings, now: dt.datetime) -> Callable[[Store], Reacted]:
    """Return what tells agencies of every change that was noted."""
    return lambda store: react_to_changes(store, reaction, now)


def send_to_agencies(
    store: Store, settings: Settings, rules: Rules, today_of: Callable[[str], dt.date], now: dt.datetime, actor: str
) -> Sent:
    """Write what is queued to the folders of the settings' agencies; RefusedError for a field that may not be sent."""
    creditors = {each.code: each.name for each in settings.facilities}
    react = _reacting(reaction_settings(settings, rules), now)
    sending = Sending(rules, today_of, creditors, now, actor, react, settings.rules.feed_within)
    return send_placements(store, folders_of(settings), sending)


def send_queued(store: Store, assembled: Assembled, now: dt.datetime) -> Job:
    """Tell agencies what has changed and write what is queued, and log what was written."""
    today_of = partial(assembled.today, now=now)
    sent = send_to_agencies(store, assembled.settings, assembled.rules, today_of, now, ACTOR)
    _tell_sent(sent)
    return Job(sent.problems, sent.stuck)


def taking_of(settings: Settings, rules: Rules, now: dt.datetime, actor: str, forms: Forms | None = None) -> Taking:
    """Return what taking files from agencies runs on; ``forms`` are the destinations', if they were read before."""
    reaction = reaction_settings(settings, rules)
    posting = posting_of(settings, rules, now, forms)
    return Taking(posting.today_of, now, actor, posting, _reacting(reaction, now))


def posting_of(settings: Settings, rules: Rules, now: dt.datetime, forms: Forms | None = None) -> Posting:
    """Return what payments are posted with; the rules are read because a payment changes when an account is due."""
    by_name = forms_of(settings) if forms is None else forms

    def form_of(facility: str) -> DestinationForm | None:
        destination = settings.destination_for(facility)
        return None if destination is None else by_name[destination.name]

    today_of = partial(reaction_settings(settings, rules).today, now=now)
    careful = frozenset(each.name for each in settings.agencies if each.unplaced == "suspense")
    return Posting(form_of, today_of, DueDays(rules), now, careful)


def look_for_answers(assembled: Assembled, now: dt.datetime) -> dict[str, Arrivals]:
    """Return what lies in the agencies' incoming folders; reads no file."""
    return look_for_files(folders_of(assembled.settings), now)


def take_answers(store: Store, assembled: Assembled, now: dt.datetime) -> Job:
    """Take what agencies have put into their folders, then write what follows from it."""
    taking = taking_of(assembled.settings, assembled.rules, now, ACTOR, assembled.forms)
    taken = take_files(store, folders_of(assembled.settings), taking)
    _tell_taken(taken)
    sent = send_queued(store, assembled, now)
    return Job(taken.problems + sent.problems, sent.stuck | taken.failed, bool(taken.files))


def check_times(store: Store, assembled: Assembled, now: dt.datetime) -> Job:
    """Look at what has waited too long; what follows from it is sent at the next look."""
    return Job(tuple(check_timers(store, assembled.reaction, now)))


def decide_due(store: Store, assembled: Assembled, now: dt.datetime) -> Job:
    """Run the day's decisions if they are due and were not run; nothing to do returns at once."""
    zone = ZoneInfo(assembled.settings.reports.time_zone)
    local = now.astimezone(zone)
    last = store.row("SELECT value FROM meta WHERE key = ?", (_LAST_RUN,))
    today = local.date().isoformat()
    if local.time() < assembled.settings.rules.run_at or (last is not None and last[0] >= today):
        return Job()
    placed = decided = 0
    run = Run(assembled.rules, partial(assembled.today, now=now), now, ACTOR)
    for outcome in run_decisions(store, run):
        decided += 1
        placed += outcome.placement_id is not None
    with store.transaction():
        store.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (_LAST_RUN, today),
        )
    _log.info("decided", decided=decided, placed=placed)
    return Job()


def _tell_sent(sent: Sent) -> None:
    for file in sent.files:
        if file.kind is FileKind.PLACEMENTS:
            _log.info("placements_sent", agency=file.agency, file=file.name, placements=file.records)
        else:
            _log.info("notices_sent", agency=file.agency, file=file.name, kind=file.kind.value, notices=file.records)
    for withdrawn in sent.withdrawn:
        _log.info("placement_withdrawn", placement=withdrawn.placement_id, agency=withdrawn.agency)


def _tell_taken(taken: Taken) -> None:
    for file, outcomes in taken.files:
        told = {"agency": file.agency, "file": f"in-{file.id}", "kind": file.kind}
        if file.status is FileStatus.HELD:
            _log.warning("agency_file_held", **told, problems=file.problem.count("\n") + 1)
        elif file.status is FileStatus.DUPLICATE:
            _log.info("agency_file_duplicate", **told)
        else:
            _log.info("agency_file_taken", **told, records=file.records, exceptions=outcomes.get("exception", 0))
