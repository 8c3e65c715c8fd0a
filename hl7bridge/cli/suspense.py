"""``hl7bridge suspense``: money from agencies that names no account; a person assigns or returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import ROW_ID, App, common_options, emit_rows, list_options
from hl7bridge.cli.revealed import note_revealed, visible_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hl7bridge.storage.database import Store

COLUMNS: Final = (
    "suspense", "agency", "agency_payment_id", "account", "kind", "amount", "fee", "paid_on", "status", "reason",
)  # fmt: skip
_REASON: Final = click.option("--reason", required=True, help="What was found and done: kept in the audit log.")


@click.group(invoke_without_command=True)
@click.option("--agency", help="Only this agency's.")
@click.option("--all", "is_all", is_flag=True, help="Also what was assigned or returned.")
@list_options
@click.pass_context
@common_options
def command(app: App, ctx: click.Context, agency: str | None, limit: int, *, is_all: bool, as_json: bool) -> None:
    """Show what waits in suspense, newest first."""
    if ctx.invoked_subcommand is None:
        _show(app, agency, limit, is_all=is_all, as_json=as_json)


@command.command("list")
@click.option("--agency", help="Only this agency's.")
@click.option("--all", "is_all", is_flag=True, help="Also what was assigned or returned.")
@list_options
@common_options
def list_(app: App, agency: str | None, limit: int, *, is_all: bool, as_json: bool) -> None:
    """Show what waits in suspense, newest first."""
    _show(app, agency, limit, is_all=is_all, as_json=as_json)


@command.command()
@click.argument("suspense_id", metavar="ID", type=ROW_ID)
@click.argument("account")
@click.option("--facility", help="Needed when several facilities have an account of this number.")
@_REASON
@common_options
def assign(app: App, *, suspense_id: int, account: str, facility: str | None, reason: str) -> None:
    """Post what waits as ID to ACCOUNT: its balance falls, and the EHR is told."""
    from hl7bridge.cli.placing import load_rules, react
    from hl7bridge.exchange.settlement import Decided, assign_suspense
    from hl7bridge.placing import posting_of

    now, rules = app.now(), load_rules(app.settings)
    posting = posting_of(app.settings, rules, now)
    with app.open_store() as store, store.transaction():
        posted = assign_suspense(store, suspense_id, account, facility, posting, Decided(app.actor, reason))
        react(app, store, rules, now)
    click.echo(f"suspense {suspense_id}: assigned, payment {posted.payment_id}; status {posted.status.value}")


@command.command("return")
@click.argument("suspense_id", metavar="ID", type=ROW_ID)
@_REASON
@common_options
def return_(app: App, *, suspense_id: int, reason: str) -> None:
    """Say that what waits as ID goes back to the agency: it is never posted."""
    from hl7bridge.exchange.settlement import Decided, return_suspense
    from hl7bridge.money import money_text

    with app.open_store() as store, store.transaction():
        amount = return_suspense(store, suspense_id, app.now(), Decided(app.actor, reason))
    click.echo(f"suspense {suspense_id}: returned, {money_text(amount)} dollars")


def _show(app: App, agency: str | None, limit: int, *, is_all: bool, as_json: bool) -> None:
    columns = (*COLUMNS, *(("closed_at", "closed_by", "resolution", "payment") if is_all else ()))
    with app.open_store() as store:
        note_revealed(app, store, "suspense.list", "payments in suspense")
        rows = _rows(store, agency, is_all=is_all)
        emit_rows(rows, columns, as_json=as_json, limit=limit, empty="Nothing is in suspense.")


def _rows(store: Store, agency: str | None, *, is_all: bool) -> Iterator[dict[str, Any]]:
    from hl7bridge.storage.suspense import list_suspense

    for row in list_suspense(store, is_open=not is_all, agency=agency):
        yield {**row, "account": visible_text(row["account"])}
