"""``hl7bridge db``: proves that the store is whole and that every figure in it comes to the others."""

from __future__ import annotations

import click

from hl7bridge.cli.common import App, common_options, emit_json, json_option


@click.group()
def command() -> None:
    """Verify the store."""


@command.command("verify")
@json_option
@common_options
def verify(app: App, *, as_json: bool) -> None:
    """Check the file, the ledger, the counts, the agency files and the audit log; the daemon may run meanwhile.

    A line for each check with what it looked at. Exit 1 when anything is wrong, with the rows by their ids.
    """
    from hl7bridge.storage.verify import verify_store

    wrong = 0
    with app.open_store() as store:
        for check in verify_store(store):
            wrong += check.wrong
            if as_json:
                facts = {"check": check.name, "ok": not check.wrong, "looked_at": check.looked_at}
                emit_json({**facts, "wrong": check.wrong, "problems": check.problems})
                continue
            click.echo(f"{'WRONG' if check.wrong else 'ok':<5}  {check.name:<12}  {check.looked_at}")
            for problem in check.problems:
                click.echo(f"       {problem}")
            if check.wrong > len(check.problems):
                click.echo(f"       and {check.wrong - len(check.problems)} more")
    if not as_json:
        click.echo("the store is whole" if not wrong else f"{wrong} problems", err=bool(wrong))
    if wrong:
        click.get_current_context().exit(1)
