"""``hl7bridge exceptions``: what only a person can settle, as when two accounts that are placed turn out to be one."""

from __future__ import annotations

from typing import Final

import click

from hl7bridge.cli.common import ROW_ID, App, common_options, emit_json, emit_rows, json_option, list_options

COLUMNS: Final = ("exception", "kind", "account", "facility", "other_account", "message", "opened_at", "reason")


@click.group(invoke_without_command=True)
@click.option("--all", "is_all", is_flag=True, help="Also those that were closed.")
@list_options
@click.pass_context
@common_options
def command(app: App, ctx: click.Context, limit: int, *, is_all: bool, as_json: bool) -> None:
    """Show what waits for a person, newest first."""
    if ctx.invoked_subcommand is None:
        _show_list(app, limit, is_all=is_all, as_json=as_json)


@command.command("list")
@click.option("--all", "is_all", is_flag=True, help="Also those that were closed.")
@list_options
@common_options
def list_(app: App, limit: int, *, is_all: bool, as_json: bool) -> None:
    """Show what waits for a person, newest first."""
    _show_list(app, limit, is_all=is_all, as_json=as_json)


@command.command()
@click.argument("exception_id", metavar="ID", type=ROW_ID)
@json_option
@common_options
def show(app: App, *, exception_id: int, as_json: bool) -> None:
    """Show one exception: what happened, and what was done about it."""
    from hl7bridge.storage.exceptions import KINDS, read_exception

    with app.open_store() as store:
        row = read_exception(store, exception_id) | {"meaning": ""}
    row["meaning"] = KINDS.get(row["kind"], "")
    if as_json:
        emit_json(row)
        return
    for name, value in row.items():
        if value not in (None, ""):
            click.echo(f"{name}: {value}")


@command.command()
@click.argument("exception_id", metavar="ID", type=ROW_ID)
@click.option("--reason", required=True, help="What was found and done: kept with the exception and in the audit log.")
@click.option("--lift-hold", is_flag=True, help="Lift the holds that a merge put on its accounts.")
@json_option
@common_options
def close(app: App, *, exception_id: int, reason: str, lift_hold: bool, as_json: bool) -> None:
    """Say what was done about an exception; it waits no more."""
    from hl7bridge.cli.placing import load_rules, react
    from hl7bridge.storage.exceptions import close_exception, read_exception

    rules, now = load_rules(app.settings), app.now()
    with app.open_store() as store:
        with store.transaction():
            lifted = close_exception(store, exception_id, lift_hold=lift_hold, now=now, actor=app.actor, reason=reason)
            react(app, store, rules, now)  # a placement that goes to another account has news for its agency
        row = read_exception(store, exception_id) | {"holds_lifted": len(lifted)}
    if as_json:
        emit_json(row)
    else:
        click.echo(f"exception {exception_id} is closed" + (f", {len(lifted)} holds lifted" if lift_hold else ""))


def _show_list(app: App, limit: int, *, is_all: bool, as_json: bool) -> None:
    from hl7bridge.storage.exceptions import list_exceptions

    with app.open_store() as store:
        rows = list_exceptions(store, is_open=not is_all)
        emit_rows(rows, COLUMNS, as_json=as_json, limit=limit, empty="No exceptions.")
