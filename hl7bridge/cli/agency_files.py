"""``hl7bridge files``: the files to and from agencies, those that are held, and what a person does about them."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import App, cell_text, common_options, emit_json, emit_rows, json_option, list_options

if TYPE_CHECKING:
    import datetime as dt

    from hl7bridge.exchange.incoming import Taking
    from hl7bridge.storage.database import Store

COLUMNS: Final = ("file", "agency", "kind", "number", "name", "status", "records", "total", "at", "problem")
RECORD_COLUMNS: Final = ("line", "placement", "outcome", "reason")
_REASON: Final = click.option(
    "--reason", required=True, help="What was found and done: kept with the file and in the audit log."
)


def _file_id(direction: str) -> Callable[[click.Context, click.Parameter, str], int]:
    """Return what reads the id of a file as the list shows it: out-12 went to an agency, in-7 came from one."""

    def read(_ctx: click.Context, _parameter: click.Parameter, value: str) -> int:
        found = re.fullmatch(rf"{direction}-([0-9]{{1,18}})", value, re.ASCII)
        if found is None:
            raise click.BadParameter(f"expected a file as the list shows it, {direction}-12")
        return int(found[1])

    return read


@click.group(invoke_without_command=True)
@click.option("--agency", help="Only files of this agency.")
@click.option("--held", is_flag=True, help="Only files from agencies that wait for a person.")
@list_options
@click.pass_context
@common_options
def command(app: App, ctx: click.Context, agency: str | None, limit: int, *, held: bool, as_json: bool) -> None:
    """Show the files to and from agencies, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    with app.open_store() as store:
        rows = _rows(store, agency, held=held)
        emit_rows(rows, COLUMNS, as_json=as_json, limit=limit, empty="No files.")


def _rows(store: Store, agency: str | None, *, held: bool) -> Iterator[dict[str, Any]]:
    from hl7bridge.storage.agency_files import list_files
    from hl7bridge.storage.received_files import list_received

    received = map(_row, list_received(store, agency, held=held))
    if held:
        return received
    return heapq.merge(received, list_files(store, agency), key=lambda row: str(row["at"]), reverse=True)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a file with what is wrong with it in one line."""
    first, _, rest = row["problem"].partition("\n")
    more = f" (and {rest.count(chr(10)) + 1} more)" if rest else ""
    return {name: row[name] for name in COLUMNS} | {"problem": first + more}


@command.command()
@click.argument("file", metavar="FILE", callback=_file_id("in"))
@json_option
@common_options
def show(app: App, *, file: int, as_json: bool) -> None:
    """Show FILE, which came from an agency: why it is held, line by line, or what each of its records did."""
    from hl7bridge.storage.received_files import list_received, read_outcomes, read_received

    with app.open_store() as store:
        found = read_received(store, file)
        row = next(each for each in list_received(store, found.agency) if each["file"] == f"in-{found.id}")
        records = list(read_outcomes(store, found.id))
    if as_json:
        emit_json(row | {"problem": row["problem"].splitlines(), "outcomes": records})
        return
    for name, value in row.items():
        if value not in (None, "") and name != "problem":
            click.echo(f"{name}: {cell_text(value)}")
    for line in row["problem"].splitlines():
        click.echo(f"problem: {line}")
    if records:
        click.echo()
        emit_rows(records, RECORD_COLUMNS, as_json=False)


@command.command()
@click.argument("file", metavar="FILE", callback=_file_id("out"))
@common_options
def resend(app: App, *, file: int) -> None:
    """Write FILE into its agency's folder once more: the same bytes, the same name, the same trailer."""
    from hl7bridge.exchange.numbered import resend_file
    from hl7bridge.placing import folders_of

    folders = folders_of(app.settings)
    with app.open_store() as store:
        written = resend_file(store, folders, file, now=app.now(), actor=app.actor)
    where = next(each.folder for each in folders if each.name == written.agency)
    click.echo(f"wrote {where / written.name}: {written.records} records, the same as on {written.created_at[:10]}")


@command.command()
@click.argument("file", metavar="FILE", callback=_file_id("in"))
@_REASON
@common_options
def release(app: App, *, file: int, reason: str) -> None:
    """Take FILE, which is held, although its number is not the next.

    A file that does not agree with its trailer, or that cannot be read, is never taken: refuse it, and have the agency
    send it again.
    """
    from hl7bridge.exchange.incoming import release_file
    from hl7bridge.placing import folders_of

    taking = _taking(app, app.now())
    with app.open_store() as store:
        came = release_file(store, folders_of(app.settings), file, reason, taking)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(came.outcomes.items()))
    click.echo(f"file in-{came.file.id}: taken: {counts or 'no records'}")


@command.command()
@click.argument("file", metavar="FILE", callback=_file_id("in"))
@_REASON
@common_options
def refuse(app: App, *, file: int, reason: str) -> None:
    """Say of FILE, which is held, that nothing of it will ever be applied; its number may come again."""
    from hl7bridge.exchange.incoming import refuse_file
    from hl7bridge.placing import folders_of

    taking = _taking(app, app.now())
    with app.open_store() as store:
        refused = refuse_file(store, folders_of(app.settings), file, reason, taking)
    click.echo(f"file in-{refused.id}: refused")


def _taking(app: App, now: dt.datetime) -> Taking:
    from hl7bridge.cli.placing import load_rules
    from hl7bridge.placing import taking_of

    return taking_of(app.settings, load_rules(app.settings), now, app.actor)
