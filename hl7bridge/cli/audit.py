"""``hl7bridge audit``: shows who saw or changed what, and proves that the log is whole."""

from __future__ import annotations

import click

from hl7bridge.cli.common import App, common_options, emit_json, emit_rows, json_option, list_options


@click.group()
def command() -> None:
    """Show who saw or changed what; verify that no row was changed or removed."""


@command.command("verify")
@json_option
@common_options
def verify(app: App, *, as_json: bool) -> None:
    """Walk the whole log. Exit 1 and name the first bad row when its chain is broken."""
    from hl7bridge.storage.audit import verify_audit

    with app.open_store() as store:
        report = verify_audit(store)
    if as_json:
        emit_json({"rows": report.rows, "ok": report.ok, "first_bad": report.first_bad, "why": report.why})
    elif report.ok:
        click.echo(f"audit log: {report.rows} rows, whole")
    else:
        click.echo(f"audit log: broken at row {report.first_bad}: {report.why}", err=True)
    if not report.ok:
        click.get_current_context().exit(1)


@command.command("list")
@list_options
@common_options
def list_rows(app: App, *, as_json: bool, limit: int) -> None:
    """List rows, newest first."""
    from hl7bridge.storage.audit import read_audit

    with app.open_store() as store:
        columns = ("id", "at", "actor", "action", "subject", "reason")
        emit_rows(read_audit(store), columns, as_json=as_json, limit=limit, empty="The audit log is empty.")
