"""What sending to agencies and taking from them share: an agency's folders, what a send needs to know, what it did."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from hl7bridge.reacting import Reacted
from hl7bridge.rules.spec import Rules
from hl7bridge.storage.agency_files import AgencyFile, Work
from hl7bridge.storage.database import Store


class AgencyFolder(NamedTuple):
    """Where an agency's files go and come from, their layout, and the fields it gets (``compile_fields``)."""

    name: str
    folder: Path
    fields: tuple[str, ...]
    layout: str = "csv"  # a name of layouts.registry.LAYOUTS
    client_number: str = ""
    incoming: Path | None = None
    objection_extends: dt.timedelta = dt.timedelta(days=14)
    payment_layout: str = "csv"  # a name of layouts.registry.REMITTANCE_LAYOUTS


def leave_as_it_is(_store: Store) -> Reacted:
    """React to nothing: for a store in which nothing has changed since."""
    return Reacted()


class Sending(NamedTuple):
    """What sending needs to know: the rules, each facility's day and name (the creditor), the time, and who asked.

    ``react`` is called first in each transaction that sends: what changed under a placement becomes a notice then
    (``reacting.react_to_changes``), so that nothing is sent that is no longer so.
    With ``feed_within`` no placement is sent when no message has come from any EHR for longer: balances may be old.
    """

    rules: Rules
    today_of: Callable[[str], dt.date]
    creditors: Mapping[str, str]
    now: dt.datetime
    actor: str
    react: Callable[[Store], Reacted] = leave_as_it_is
    feed_within: dt.timedelta | None = None


class Withdrawn(NamedTuple):
    """A placement that was cancelled at the last moment, and why."""

    placement_id: int
    agency: str
    why: str


class Sent(NamedTuple):
    """What one call did. ``files`` are on disk; ``problems`` are lines for a person: what they tell of stays queued.

    ``stuck`` is the work with a problem: to be left alone for a while.
    """

    files: tuple[AgencyFile, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()
    problems: tuple[str, ...] = ()
    stuck: frozenset[Work] = frozenset()
