"""Settings -> what deciding and sending run on; and what a send did, told to the person who asked for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from hl7bridge.errors import ConfigError
from hl7bridge.money import money_text

if TYPE_CHECKING:
    from hl7bridge.cli.common import App
    from hl7bridge.config import Settings
    from hl7bridge.exchange.outgoing import Sent
    from hl7bridge.rules.spec import Rules
    from hl7bridge.storage.database import Store


def load_rules(settings: Settings) -> Rules:
    """Return the rules in force. Raises ConfigError, also when they name an agency that is not configured."""
    from hl7bridge.assemble import read_toml, rule_agency_problems
    from hl7bridge.rules.spec import compile_rules

    file = read_toml(settings.rules.file)
    rules = compile_rules(file)
    problems = rule_agency_problems(settings, rules, file)
    if problems:
        raise ConfigError(problems)
    return rules


def rules_if_readable(settings: Settings) -> Rules:
    """Return the rules in force, and none when their file has mistakes: what only shows accounts goes on then."""
    from hl7bridge.rules.spec import Rules

    try:
        return load_rules(settings)
    except ConfigError:
        return Rules("", (), ())


def days(settings: Settings, now: dt.datetime) -> Callable[[str], dt.date]:
    """Return what tells the day in a facility."""

    @cache
    def today_of(facility: str) -> dt.date:
        return now.astimezone(ZoneInfo(settings.time_zone_of(facility))).date()

    return today_of


def react(app: App, store: Store, rules: Rules, now: dt.datetime) -> None:
    """Have agencies told of what has changed, inside the caller's transaction; what cannot be told goes to stderr."""
    from hl7bridge.assemble import reaction_settings
    from hl7bridge.reacting import react_to_changes

    for problem in react_to_changes(store, reaction_settings(app.settings, rules), now, actor=app.actor).problems:
        click.echo(f"hl7bridge: {problem}", err=True)


def send_queued(
    app: App, store: Store, rules: Rules, today_of: Callable[[str], dt.date], *, quiet: bool = False
) -> bool:
    """Send what is queued and tell of it; ``quiet`` keeps stdout for data. Return False when something is left."""
    from hl7bridge.placing import send_to_agencies

    sent = send_to_agencies(store, app.settings, rules, today_of, app.now(), app.actor)
    _tell(app.settings, sent, quiet=quiet)
    return not sent.problems


def _tell(settings: Settings, sent: Sent, *, quiet: bool) -> None:
    folders = {each.name: each.outgoing for each in settings.agencies}
    for withdrawn in sent.withdrawn:
        click.echo(f"placement {withdrawn.placement_id}: cancelled, not sent: {withdrawn.why}", err=quiet)
    for file in sent.files:
        what = f"{file.records} notices"
        if file.kind == "placements":
            what = f"{file.records} placements, {money_text(file.total)} dollars"
        click.echo(f"wrote {folders[file.agency] / file.name}: {what}", err=quiet)
    for problem in sent.problems:
        click.echo(f"hl7bridge: {problem}", err=True)
