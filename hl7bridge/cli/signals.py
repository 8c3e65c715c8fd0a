"""``hl7bridge signals``: facts that HL7 has no field for, set one by one or from a file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import App, common_options, emit_json, emit_rows, json_option, list_options, open_input
from hl7bridge.cli.revealed import visible_text
from hl7bridge.errors import BridgeError, RefusedError

if TYPE_CHECKING:
    from hl7bridge.layouts.signals_csv import SignalLine
    from hl7bridge.rules.signals import Signal
    from hl7bridge.storage.database import Store
    from hl7bridge.storage.signals import SignalRow

COLUMNS: Final = ("name", "value", "holds", "in_force", "observed_on", "until", "source", "told_at")
NAME_COLUMNS: Final = ("name", "values", "holding", "meaning")


@click.group()
def command() -> None:
    """Set facts that HL7 has no field for: charity, bankruptcy, a dispute, a failed payment plan ..."""


@command.command("set")
@click.argument("account")
@click.argument("name")
@click.argument("value")
@click.option("--facility", help="Needed when several facilities have an account of this number.")
@click.option(
    "--on",
    "on",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    metavar="DAY",
    help="Since when it is true [default: the facility's today].",
)
@click.option(
    "--until",
    "until",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    metavar="DAY",
    help="The last day of a hold; after it the hold has ended, as if nobody had told it.",
)
@common_options
def set_signal(
    app: App,
    *,
    account: str,
    name: str,
    value: str,
    facility: str | None,
    on: dt.datetime | None,
    until: dt.datetime | None,
) -> None:
    """Set signal NAME of ACCOUNT to VALUE; the account is decided anew in the next run.

    An agency that has the account is told at once of a hold, and of its end. `hl7bridge signals names` lists the names
    and their values.
    """
    from hl7bridge.cli.placing import days
    from hl7bridge.rules.signals import Signal, signal_problem
    from hl7bridge.storage.accounts import find_account
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.signals import read_signals

    wrong = signal_problem(name, value)
    if wrong is not None:
        raise RefusedError(f"{wrong.key}: {wrong.problem} ({wrong.hint})")
    now = app.now()
    today_of = days(app.settings, now)
    with app.open_store() as store, store.transaction():
        found = find_account(store, account, facility)
        today = today_of(found.facility)
        signal = Signal(name, value, app.actor, on.date() if on else today, until.date() if until else None)
        _require_days(signal, today)
        told = _store(store, found.id, signal, now)
        subject = f"account id {found.id}: {name}"
        append_audit(store, at=now, actor=app.actor, action="signals.set", subject=subject, reason=told)
        reacted = _react(app, store, now)
        in_force = read_signals(store, found.id)[name]
    end = f" until {signal.until}" if signal.until else ""
    click.echo(f"{name} is {value} since {signal.observed_on}{end}: {told}")
    if in_force.value != value:
        newer = f"{name} is {in_force.value} since {in_force.observed_on}, said {visible_text(in_force.source)}"
        click.echo(f"hl7bridge: not in force, for what is newer counts: {newer}", err=True)
    _tell(reacted)


@command.command("import")
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Check every line and say what would be stored; store nothing.")
@json_option
@common_options
def import_file(app: App, *, file: str, dry_run: bool, as_json: bool) -> None:
    """Set the signals of a CSV FILE (- is stdin): all of them, or none and every problem by its line.

    Columns: account, name, value, and if need be facility, observed_on (YYYY-MM-DD, default today), until (the last day
    of a hold) and source. The same file may be imported again: what is known already is left as it is, and no hold is
    lifted a second time.
    """
    from hl7bridge.cli.placing import days
    from hl7bridge.layouts.signals_csv import parse_signals
    from hl7bridge.storage.audit import append_audit

    now = app.now()
    today_of = days(app.settings, now)
    try:
        text = open_input(file).decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError(f"{file}: not UTF-8; save the file as CSV UTF-8") from None
    parsed = parse_signals(text)
    with app.open_store() as store, store.transaction():
        problems = [(each.line, str(each.problem)) for each in parsed.problems]
        signals: list[tuple[int, Signal]] = []
        for line in parsed.lines:
            try:
                signals.append(_resolve(app, store, line, today_of))
            except BridgeError as error:
                problems.append((line.line, str(error).replace(_BY_OPTION, _BY_COLUMN)))
        if problems:
            raise RefusedError("\n".join(f"{file}:{line}: {problem}" for line, problem in sorted(problems)))
        stored = _store_all(store, signals, now, dry_run=dry_run)
        counts = f"{stored} stored, {len(signals) - stored} known already"
        action = "signals.import_dry_run" if dry_run else "signals.import"
        append_audit(store, at=now, actor=app.actor, action=action, subject="signals", reason=counts)
        reacted = _NOTHING_DONE if dry_run else _react(app, store, now)
    if as_json:
        emit_json({"signals": len(signals), "stored": stored, "dry_run": dry_run})
    else:
        click.echo(f"{len(signals)} signals: {counts}")
        if dry_run:
            click.echo("dry run: nothing was stored")
    _tell(reacted, quiet=as_json)


@command.command("list")
@click.argument("account")
@click.option("--facility", help="Needed when several facilities have an account of this number.")
@click.option("--history", is_flag=True, help="Also show what is not in force any more, oldest first of each name.")
@list_options
@common_options
def list_signals(app: App, *, account: str, facility: str | None, history: bool, as_json: bool, limit: int) -> None:
    """Show the signals in force of ACCOUNT, which of them hold it, and who told each, when.

    The source is a person, a file, or a message and the path that it was read at.
    """
    from hl7bridge.cli.placing import days
    from hl7bridge.storage.accounts import find_account
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.signals import read_signal_rows

    now = app.now()
    with app.open_store() as store:
        with store.transaction():
            found = find_account(store, account, facility)
            subject = f"account id {found.id}"
            append_audit(store, at=now, actor=app.actor, action="signals.list", subject=subject)
        told = read_signal_rows(store, found.id)
    today = days(app.settings, now)(found.facility)
    newest = {row.signal.name: row for row in told}
    in_force = {name: row.id for name, row in newest.items() if row.signal.until is None or row.signal.until >= today}
    told.sort(key=lambda row: row.signal.name)
    rows = [_signal_row(row, in_force) for row in told if history or row.id in in_force.values()]
    emit_rows(rows, COLUMNS, as_json=as_json, limit=limit, empty="No signals.")


@command.command("names")
@list_options
@common_options
def list_names(_app: App, *, as_json: bool, limit: int) -> None:
    """Show every signal there is, its values, and which of them keep an account from an agency."""
    from hl7bridge.rules.signals import SIGNALS

    rows: list[dict[str, Any]] = [
        {
            "name": spec.name,
            "values": list(spec.values) or [spec.values_text],
            "holding": [value for value in spec.values if value in spec.holding],
            "meaning": spec.meaning,
        }
        for spec in SIGNALS.values()
    ]
    emit_rows(rows, NAME_COLUMNS, as_json=as_json, limit=limit)


_NOTHING_DONE: Final[tuple[tuple[str, ...], tuple[str, ...]]] = ((), ())
STORED: Final = "stored"
_KNOWN: Final = "known already"
_BY_OPTION: Final = "name one with --facility"
_BY_COLUMN: Final = "name one in a column facility"


def _signal_row(row: SignalRow, in_force: dict[str, int]) -> dict[str, Any]:
    from hl7bridge.rules.signals import is_holding

    return {
        **row.signal._asdict(),
        "source": visible_text(row.signal.source),
        "holds": is_holding(row.signal),
        "in_force": in_force.get(row.signal.name) == row.id,
        "told_at": row.told_at,
        "message": row.message_id,
        "path": row.path or None,
    }


def _store_all(store: Store, signals: list[tuple[int, Signal]], now: dt.datetime, *, dry_run: bool) -> int:
    """Store what is not known already inside the caller's transaction, or only count it."""
    from hl7bridge.storage.signals import add_signal
    from hl7bridge.times import utc_text

    store.execute("SAVEPOINT signals")
    at = utc_text(now)
    stored = [add_signal(store, account_id, signal, at, may_repeat=True) for account_id, signal in signals].count(True)
    if dry_run:
        store.execute("ROLLBACK TO signals")
    store.execute("RELEASE signals")
    return stored


def _store(store: Store, account_id: int, signal: Signal, now: dt.datetime) -> str:
    from hl7bridge.storage.signals import add_signal
    from hl7bridge.times import utc_text

    return STORED if add_signal(store, account_id, signal, utc_text(now)) else _KNOWN


def _resolve(app: App, store: Store, line: SignalLine, today_of: Callable[[str], dt.date]) -> tuple[int, Signal]:
    from hl7bridge.rules.signals import Signal
    from hl7bridge.storage.accounts import find_account
    from hl7bridge.storage.signals import message_of

    found = find_account(store, line.account, line.facility)
    today = today_of(found.facility)
    signal = Signal(
        line.name, line.value, line.source or f"import by {app.actor}", line.observed_on or today, line.until
    )
    _require_days(signal, today)
    if line.source and message_of(line.source) is not None:
        raise RefusedError('source: it reads as if a message of a feed had told it; name who did, as "billing office"')
    return found.id, signal


def _require_days(signal: Signal, today: dt.date) -> None:
    """Refuse a day ahead, for the newest is in force and a slip would outlast every correction; and a wrong end."""
    from hl7bridge.rules.signals import is_holding

    if signal.observed_on > today:
        raise RefusedError(f"the day lies ahead of the facility's today, {today}")
    if signal.until is None:
        return
    if not is_holding(signal):
        raise RefusedError(f"until: {signal.name} is no hold with this value, so it has no end")
    if signal.until < signal.observed_on:
        raise RefusedError(f"until: the last day lies before the first, {signal.observed_on}")


def _react(app: App, store: Store, now: dt.datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Have agencies told of what has changed, inside the caller's transaction; return what was done, and problems.

    A signal is taken also when the rules cannot be read: the daemon tells the agencies as soon as they can.
    """
    from hl7bridge.assemble import reaction_settings
    from hl7bridge.cli.placing import load_rules
    from hl7bridge.reacting import react_to_changes

    try:
        reaction = reaction_settings(app.settings, load_rules(app.settings))
    except BridgeError as error:
        return (), (f"the rules cannot be read, so no agency is told yet: {error}",)
    reacted = react_to_changes(store, reaction, now, actor=app.actor)
    done = [
        f"placement {each.placement_id}: agency {each.agency} is told: {', '.join(each.notices)}"
        if each.notices
        else f"placement {each.placement_id}: {each.status}"
        for each in reacted.done
        if each.notices or each.status
    ]
    return tuple(done), reacted.problems


def _tell(reacted: tuple[tuple[str, ...], tuple[str, ...]], *, quiet: bool = False) -> None:
    """Say what was done for agencies; ``quiet`` keeps stdout for data."""
    done, problems = reacted
    for line in done:
        click.echo(line, err=quiet)
    for line in problems:
        click.echo(f"hl7bridge: {line}", err=True)
