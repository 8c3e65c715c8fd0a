"""``hl7bridge accounts``: balances and holds; of one account what happened, its entries, and where facts are from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.account_view import account_row, print_account, print_entries, read_known, shown_of
from hl7bridge.cli.common import App, common_options, emit_json, emit_rows, json_option, list_options
from hl7bridge.cli.revealed import newest_text, note_revealed, visible_text

if TYPE_CHECKING:
    from hl7bridge.storage.database import Store
    from hl7bridge.storage.timeline import Event

COLUMNS: Final = (
    "account", "facility", "balance", "charges", "payments", "adjustments", "status", "holds",
)  # fmt: skip
TIMELINE_COLUMNS: Final = ("at", "kind", "text")


@click.group(invoke_without_command=True)
@click.option("--facility", help="Only accounts of this facility.")
@list_options
@click.pass_context
@common_options
def command(app: App, ctx: click.Context, facility: str | None, limit: int, *, as_json: bool) -> None:
    """Show accounts, newest first: what is owed, and what holds each back from an agency."""
    if ctx.invoked_subcommand is not None:
        return
    with app.open_store() as store:
        note_revealed(app, store, "accounts.list", newest_text(limit, "accounts"))
        emit_rows(_rows(app, store, facility), COLUMNS, as_json=as_json, limit=limit, empty="No accounts.")


@command.command("show")
@click.argument("account")
@click.option("--facility", help="Needed when several facilities have an account of this number.")
@click.option("--reveal", is_flag=True, help="Show names and addresses too; the audit log keeps who did.")
@click.option("--timeline", is_flag=True, help="Show only what happened, in order of time; as JSON an event a line.")
@click.option(
    "--provenance",
    is_flag=True,
    help="Show only where each value is from: message, path, line of the mapping; as JSON a value a line.",
)
@json_option
@common_options
def show(
    app: App, *, account: str, facility: str | None, reveal: bool, timeline: bool, provenance: bool, as_json: bool
) -> None:
    """Show ACCOUNT: all that happened to it in order of time, its entries, and where each fact came from.

    ACCOUNT may be a number that it had before, one that was merged into it, or a visit's. Exit 1 when the entries do
    not come to the balance.
    """
    if timeline and provenance:
        raise click.UsageError("--timeline and --provenance: one at a time")
    with app.open_store() as store:
        account_id = _find(app, store, account, facility, reveal=reveal)
        store.execute("BEGIN")
        if timeline:
            emit_rows(_timeline(store, account_id), TIMELINE_COLUMNS, as_json=as_json, empty="Nothing happened yet.")
        elif provenance:
            _emit_provenance(app, store, account_id, reveal=reveal, as_json=as_json)
        else:
            _show_all(app, store, account_id, reveal=reveal, as_json=as_json)


def _rows(app: App, store: Store, facility: str | None) -> Iterator[dict[str, Any]]:
    from hl7bridge.cli.placing import days, rules_if_readable
    from hl7bridge.storage.cases import read_case
    from hl7bridge.storage.history import account_ids

    today_of, rules = days(app.settings, app.now()), rules_if_readable(app.settings)
    for account_id in account_ids(store, facility=facility):
        case = read_case(store, account_id)
        yield account_row(case, today_of(case.account.facility), rules)


def _find(app: App, store: Store, number: str, facility: str | None, *, reveal: bool) -> int:
    """Return the account a person names, after the audit log has who asked; stderr says when it has another number."""
    from hl7bridge.storage.accounts import find_account

    found = find_account(store, number, facility)
    note_revealed(app, store, "accounts.reveal" if reveal else "accounts.show", f"account id {found.id}")
    if found.number != number:
        click.echo(f"hl7bridge: that number leads to account {visible_text(found.number)}", err=True)
    return found.id


def _show_all(app: App, store: Store, account_id: int, *, reveal: bool, as_json: bool) -> None:
    from hl7bridge.cli.placing import days, rules_if_readable
    from hl7bridge.cli.provenance import SUMMARY_COLUMNS, find_origins, record_rows, summary_rows

    known = read_known(store, account_id)
    origins = find_origins(app.settings, store, known)
    events = list(_timeline(store, account_id))
    today = days(app.settings, app.now())(known.case.account.facility)
    shown = shown_of(known, today, rules_if_readable(app.settings), reveal=reveal)
    if as_json:
        emit_json({**shown, "timeline": events, "provenance": list(record_rows(origins))})
    else:
        print_account(shown)
        click.echo("\nTimeline")
        emit_rows(events, TIMELINE_COLUMNS, as_json=False)
        print_entries(shown)
        click.echo("\nWhere it came from (--provenance: path and line of each value)")
        emit_rows(summary_rows(origins), SUMMARY_COLUMNS, as_json=False)
    if not shown["foots"]:
        click.echo("hl7bridge: the entries do not come to the balance; see 'hl7bridge db verify'", err=True)
        click.get_current_context().exit(1)


def _timeline(store: Store, account_id: int) -> Iterator[dict[str, Any]]:
    from hl7bridge.storage.timeline import read_timeline

    for event in read_timeline(store, account_id):
        yield _event_row(event)


def _event_row(event: Event) -> dict[str, Any]:
    return {**event._asdict(), "text": visible_text(event.text)}


def _emit_provenance(app: App, store: Store, account_id: int, *, reveal: bool, as_json: bool) -> None:
    from hl7bridge.cli.provenance import VALUE_COLUMNS, find_origins, value_rows

    origins = find_origins(app.settings, store, read_known(store, account_id))
    emit_rows(value_rows(origins, reveal=reveal), VALUE_COLUMNS, as_json=as_json)
