"""``hl7bridge lockbox``: files of payments for an EHR that takes no messages, and what it says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from hl7bridge.cli.common import ROW_ID, App, common_options, emit_rows, list_options, open_input
from hl7bridge.errors import BridgeError, NotFoundError, RefusedError

if TYPE_CHECKING:
    import datetime as dt

    from hl7bridge.exchange.lockbox import Lockbox, Run

COLUMNS: Final = ("file", "destination", "name", "records", "total", "status", "waiting")
_DESTINATION = click.option("--destination", help="The destination's name [default: the only lockbox].")
_FILE = click.argument("file", metavar="FILE", type=ROW_ID)


@click.group(invoke_without_command=True)
@list_options
@click.pass_context
@common_options
def command(app: App, ctx: click.Context, limit: int, *, as_json: bool) -> None:
    """Show lockbox files, newest first, and of how many deliveries in each the EHR has said nothing."""
    if ctx.invoked_subcommand is not None:
        return
    from hl7bridge.storage.lockbox import list_files

    with app.open_store() as store:
        emit_rows(list_files(store), COLUMNS, as_json=as_json, limit=limit, empty="No lockbox files.")


@command.command()
@_DESTINATION
@common_options
def write(app: App, *, destination: str | None) -> None:
    """Write what is queued now, whatever the time; the daemon does so by itself."""
    from hl7bridge.exchange.lockbox import write_lockbox

    box = _box(app, destination)
    with app.open_store() as store:
        files = write_lockbox(store, box, _run(app, app.now()), is_due=True)
    for file in files:
        click.echo(f"wrote {box.folder / file.name}: {file.records} records")
    if not files:
        click.echo("nothing is queued", err=True)


@command.command("import")
@click.argument("file")
@_DESTINATION
@common_options
def import_file(app: App, *, file: str, destination: str | None) -> None:
    """Take an acknowledgement FILE (CSV; - is stdin) of an EHR: all of it, or nothing and every problem."""
    from hl7bridge.exchange.lockbox import take_acknowledgement, told

    box, data = _box(app, destination), open_input(file)
    with app.open_store() as store:
        try:
            settled = take_acknowledgement(store, box, data, _run(app, app.now()))
        except RefusedError as error:
            raise BridgeError("\n".join([f"{file}: {line}" for line in str(error).split("\n")])) from None
    click.echo(told(settled))


@command.command()
@_FILE
@click.option("--reason", required=True, help="What was found in the EHR, for the audit log.")
@common_options
def accept(app: App, *, file: int, reason: str) -> None:
    """Say that the EHR has posted all of FILE that it has not spoken of."""
    from hl7bridge.exchange.lockbox import told
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.lockbox import accept_file

    if not reason.strip():
        raise RefusedError("a reason is needed: say what was found, and where")
    with app.open_store() as store, store.transaction():
        settled = accept_file(store, file, reason, app.now())
        subject = f"file {file}: {told(settled)}"
        append_audit(store, at=app.now(), actor=app.actor, action="lockbox.accept", subject=subject, reason=reason)
    click.echo(told(settled))


@command.command()
@_FILE
@common_options
def resend(app: App, *, file: int) -> None:
    """Write FILE into its folder once more: the same bytes under the same name."""
    from hl7bridge.exchange.lockbox import resend_lockbox
    from hl7bridge.lockboxes import lockboxes_of

    boxes = lockboxes_of(app.settings.destinations)
    with app.open_store() as store:
        written = resend_lockbox(store, boxes, file, _run(app, app.now()))
    click.echo(f"wrote {written.name}: {written.records} records")


def _run(app: App, now: dt.datetime) -> Run:
    from zoneinfo import ZoneInfo

    from hl7bridge.exchange.lockbox import Run

    return Run(now, app.actor, now.astimezone(ZoneInfo(app.settings.reports.time_zone)).date())


def _box(app: App, destination: str | None) -> Lockbox:
    """Return the lockbox that is meant; raises NotFoundError, or RefusedError when there are several."""
    from hl7bridge.lockboxes import lockboxes_of

    boxes = lockboxes_of(app.settings.destinations)
    named = [each for each in boxes if destination in (None, each.destination)]
    if not named:
        raise NotFoundError(
            f"no lockbox of that name; there is {', '.join(each.destination for each in boxes) or 'none'}"
        )
    if len(named) > 1:
        raise RefusedError("there are several lockboxes: name one with --destination")
    return named[0]
