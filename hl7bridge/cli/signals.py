"""``hl7bridge signals``: facts that HL7 has no field for, set one by one or from a file."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import App, common_options, emit_json, emit_rows, json_option, list_options, open_input
from hl7bridge.errors import BridgeError, RefusedError

if TYPE_CHECKING:
    from hl7bridge.layouts.signals_csv import SignalLine
    from hl7bridge.rules.signals import Signal
    from hl7bridge.storage.database import Store

COLUMNS: Final = ("name", "value", "holds", "observed_on", "source")
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
@common_options
def set_signal(app: App, *, account: str, name: str, value: str, facility: str | None, on: dt.datetime | None) -> None:
    """Set signal NAME of ACCOUNT to VALUE; the account is decided anew in the next run.

    `hl7bridge signals names` lists the names and their values.
    """
    from hl7bridge.cli.placing import days
    from hl7bridge.rules.signals import Signal, signal_problem
    from hl7bridge.storage.accounts import find_account
    from hl7bridge.storage.audit import append_audit

    wrong = signal_problem(name, value)
    if wrong is not None:
        raise RefusedError(f"{wrong.key}: {wrong.problem} ({wrong.hint})")
    now = app.now()
    today_of = days(app.settings, now)
    with app.open_store() as store, store.transaction():
        found = find_account(store, account, facility)
        today = today_of(found.facility)
        signal = Signal(name, value, app.actor, on.date() if on else today)
        _require_past(signal.observed_on, today)
        told = _store(store, found.id, signal, now)
        subject = f"account id {found.id}: {name}"
        append_audit(store, at=now, actor=app.actor, action="signals.set", subject=subject, reason=told)
        warning = _warning(store, found.id, signal)
    click.echo(f"{name} is {value} since {signal.observed_on}: {told}")
    if warning:
        click.echo(f"hl7bridge: {warning}", err=True)


@command.command("import")
@click.argument("file")
@json_option
@common_options
def import_file(app: App, *, file: str, as_json: bool) -> None:
    """Set the signals of a CSV FILE (- is stdin): all of them, or none and every problem by its line.

    Columns: account, name, value, and if need be facility, observed_on (YYYY-MM-DD, default today) and source.
    """
    from hl7bridge.layouts.signals_csv import parse_signals
    from hl7bridge.storage.audit import append_audit

    now = app.now()
    try:
        text = open_input(file).decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError(f"{file}: not UTF-8; save the file as CSV UTF-8") from None
    parsed = parse_signals(text)
    with app.open_store() as store, store.transaction():
        problems = [f"{file}:{each.line}: {each.problem}" for each in parsed.problems]
        signals: list[tuple[int, Signal]] = []
        for line in parsed.lines:
            try:
                signals.append(_resolve(app, store, line, now))
            except BridgeError as error:
                problems.append(f"{file}:{line.line}: {error}")
        if problems:
            raise RefusedError("\n".join(problems))
        stored = [_store(store, account_id, signal, now) for account_id, signal in signals].count(STORED)
        counts = f"{stored} stored, {len(signals) - stored} known already"
        append_audit(store, at=now, actor=app.actor, action="signals.import", subject="signals", reason=counts)
        warnings = [told for each in signals if (told := _warning(store, *each))]
    if as_json:
        emit_json({"signals": len(signals), "stored": stored})
    else:
        click.echo(f"{len(signals)} signals: {counts}")
    for warning in warnings:
        click.echo(f"hl7bridge: {warning}", err=True)


@command.command("list")
@click.argument("account")
@click.option("--facility", help="Needed when several facilities have an account of this number.")
@list_options
@common_options
def list_signals(app: App, *, account: str, facility: str | None, as_json: bool, limit: int) -> None:
    """Show the signals in force of ACCOUNT, and which of them hold it."""
    from hl7bridge.rules.signals import is_holding
    from hl7bridge.storage.accounts import find_account
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.signals import read_signals

    with app.open_store() as store:
        with store.transaction():
            found = find_account(store, account, facility)
            subject = f"account id {found.id}"
            append_audit(store, at=app.now(), actor=app.actor, action="signals.list", subject=subject)
        signals = read_signals(store, found.id)
    rows = [{**signals[name]._asdict(), "holds": is_holding(signals[name])} for name in sorted(signals)]
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
            "values": list(spec.values) or ["YYYY-MM-DD"],
            "holding": [value for value in spec.values if value in spec.holding],
            "meaning": spec.meaning,
        }
        for spec in SIGNALS.values()
    ]
    emit_rows(rows, NAME_COLUMNS, as_json=as_json, limit=limit)


STORED: Final = "stored"
_KNOWN: Final = "known already"


def _store(store: Store, account_id: int, signal: Signal, now: dt.datetime) -> str:
    from hl7bridge.storage.signals import add_signal
    from hl7bridge.times import utc_text

    return STORED if add_signal(store, account_id, signal, utc_text(now)) else _KNOWN


def _resolve(app: App, store: Store, line: SignalLine, now: dt.datetime) -> tuple[int, Signal]:
    from hl7bridge.cli.placing import days
    from hl7bridge.rules.signals import Signal
    from hl7bridge.storage.accounts import find_account

    found = find_account(store, line.account, line.facility)
    today = days(app.settings, now)(found.facility)
    observed_on = line.observed_on or today
    _require_past(observed_on, today)
    return found.id, Signal(line.name, line.value, line.source or f"import by {app.actor}", observed_on)


def _require_past(observed_on: dt.date, today: dt.date) -> None:
    """Refuse a day ahead: the newest day is in force, so a slip would outlast every correction."""
    if observed_on > today:
        raise RefusedError(f"the day lies ahead of the facility's today, {today}")


def _warning(store: Store, account_id: int, signal: Signal) -> str | None:
    """Return what a person must do when a hold comes after the account went to an agency."""
    from hl7bridge.placement.state import OPEN, Status
    from hl7bridge.rules.signals import is_holding
    from hl7bridge.storage.placements import placements_of

    if not is_holding(signal):
        return None
    for placement in placements_of(store, account_id):
        if placement.status in OPEN and placement.status not in {Status.REVIEW, Status.QUEUED}:
            where = f"placement {placement.id} is with agency {placement.agency} ({placement.status})"
            return f"{where}: {signal.name} is {signal.value}; tell the agency to stop"
    return None
