"""``hl7bridge reconcile``: what agencies were sent, acknowledged and list against ours, and what does not agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import ROW_ID, App, common_options, emit_rows, json_option, list_options
from hl7bridge.cli.revealed import note_revealed, visible_text
from hl7bridge.placement.inventory import DISCREPANCIES

if TYPE_CHECKING:
    from hl7bridge.storage.database import Store

COLUMNS: Final = ("agency", "measure", "count", "dollars", "at")
LIST_COLUMNS: Final = (
    "discrepancy", "agency", "kind", "reference", "placement", "ours", "theirs", "dollars", "found_at", "seen_at",
)  # fmt: skip


@click.group(invoke_without_command=True)
@click.option("--agency", help="Only this agency.")
@json_option
@click.pass_context
@common_options
def command(app: App, ctx: click.Context, agency: str | None, *, as_json: bool) -> None:
    """Show counts and dollars of each agency: sent, acknowledged, listed in its inventory, and what does not agree."""
    if ctx.invoked_subcommand is not None:
        return
    from hl7bridge.storage.reporting_agencies import summarize

    with app.open_store() as store:
        store.execute("BEGIN")
        emit_rows(summarize(store, agency), COLUMNS, as_json=as_json, empty="No placements.")


@command.command("list")
@click.option("--agency", help="Only this agency.")
@click.option("--kind", type=click.Choice(list(DISCREPANCIES)), help="Only discrepancies of this kind.")
@click.option("--all", "is_all", is_flag=True, help="Also those that were resolved.")
@list_options
@common_options
def list_(app: App, agency: str | None, kind: str | None, limit: int, *, is_all: bool, as_json: bool) -> None:
    """Show discrepancies, newest first: what we say, what the agency says, and the dollars that it is about."""
    with app.open_store() as store:
        note_revealed(app, store, "reconcile.list", "discrepancies with agencies")
        columns = (*LIST_COLUMNS, *(("resolved_at", "resolved_by", "resolution") if is_all else ()))
        rows = _rows(store, agency, kind, is_open=not is_all)
        emit_rows(rows, columns, as_json=as_json, limit=limit, empty="No discrepancies.")


@command.command("resolve")
@click.argument("discrepancy", metavar="ID", type=ROW_ID)
@click.option("--reason", required=True, help="What was found and done: kept with it and in the audit log.")
@common_options
def resolve(app: App, *, discrepancy: int, reason: str) -> None:
    """Say what was done about discrepancy ID; the next inventory that still disagrees opens a new one."""
    from hl7bridge.storage.reconciling import resolve_discrepancy

    with app.open_store() as store, store.transaction():
        resolve_discrepancy(store, discrepancy, now=app.now(), actor=app.actor, reason=reason)
    click.echo(f"discrepancy {discrepancy} is resolved")


def _rows(store: Store, agency: str | None, kind: str | None, *, is_open: bool) -> Iterator[dict[str, Any]]:
    from hl7bridge.storage.reconciling import list_discrepancies

    for row in list_discrepancies(store, agency=agency, kind=kind, is_open=is_open):
        told = {name: visible_text(row[name]) for name in ("reference", "ours", "theirs")}
        yield {**row, **told}
