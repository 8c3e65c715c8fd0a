"""``hl7bridge config``: the configurations that were in force, what changed between them, and the way back to one."""

from __future__ import annotations

import difflib
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import ROW_ID, App, common_options, emit_json, emit_rows, json_option, list_options
from hl7bridge.cli.revealed import visible_text
from hl7bridge.errors import BridgeError, ConfigError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from hl7bridge.storage.config_versions import ConfigVersion
    from hl7bridge.storage.database import Store

COLUMNS: Final = ("version", "at", "actor", "reason", "in_force", "changed")
_STORE_SECTION: Final = re.compile(r"^\[store\].*\n?(?:(?!\s*\[).*\n?)*", re.MULTILINE)


def exit_code_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--exit-code`` (as ``exit_code``)."""
    return click.option("--exit-code", is_flag=True, help="Exit 1 when something differs.")(command)


@click.group()
def command() -> None:
    """Show the configurations that were in force, what changed, and go back to one."""


@command.command("history")
@list_options
@common_options
def history(app: App, *, as_json: bool, limit: int) -> None:
    """Show each configuration that the daemon took, and each that a rollback replaced, newest first.

    With the files that differ from the version before. Keys and certificates are never kept.
    """
    from hl7bridge.storage.config_versions import list_versions, version_in_force

    _find_store(app)
    with app.open_store() as store:
        current = version_in_force(store)
        rows: Iterator[dict[str, Any]] = (
            {
                "version": each.version.id,
                "at": each.version.at,
                "actor": each.version.actor,
                "reason": each.version.reason,
                "in_force": current is not None and each.version.id == current.id,
                "changed": list(each.changed),
                "files": list(each.version.files),
                "sha256": each.version.sha256,
            }
            for each in list_versions(store)
        )
        emit_rows(
            rows, COLUMNS, as_json=as_json, limit=limit, empty="None yet: the daemon keeps the one it starts with."
        )


@command.command("diff")
@click.argument("before", metavar="[A]", type=ROW_ID, required=False)
@click.argument("after", metavar="[B]", type=ROW_ID, required=False)
@exit_code_option
@json_option
@common_options
def diff(app: App, *, before: int | None, after: int | None, exit_code: bool, as_json: bool) -> None:
    """Show what changed from version A to version B, file by file, as a unified diff.

    Without B: from A to the files as they are now. Without both: from the configuration in force.
    """
    from hl7bridge.storage.config_versions import changed_files, read_version
    from hl7bridge.versions import read_present

    _find_store(app)
    with app.open_store() as store:
        old = _in_force(store) if before is None else read_version(store, before)
        new = None if after is None else read_version(store, after)
    files = read_present(app.config_path, old.files) if new is None else new.files
    names = f"version {old.id}", "now" if new is None else f"version {new.id}"
    changed = changed_files(old.files, files)
    for path in changed:
        lines = list(_unified(path, old.files, files, names))
        if as_json:
            change = "added" if path not in old.files else "changed" if path in files else "removed"
            emit_json({"file": path, "change": change, "diff": "\n".join(lines)})
        else:
            for line in lines:
                click.echo(line)
    if not changed:
        click.echo("Nothing differs.", err=True)
    elif exit_code:
        click.get_current_context().exit(1)


@command.command("rollback")
@click.argument("number", metavar="VERSION", type=ROW_ID)
@click.option("--reason", default="", help="Why, for the audit log. [default: no reason given]")
@json_option
@common_options
def rollback(app: App, *, number: int, reason: str, as_json: bool) -> None:
    """Write the files of VERSION back to where they were, and have a running daemon take them.

    First it is made sure that they still load, and what they replace is kept as a version of its own. Each file keeps
    its owner and permissions. Files that VERSION does not name are left alone.
    """
    from hl7bridge.cli.pidfile import running_pid
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.config_versions import changed_files, keep_replaced, read_version
    from hl7bridge.versions import load_version, read_present, write_back

    _find_store(app)
    path = app.config_path.absolute()
    now = app.now()
    with app.open_store() as store:
        version = read_version(store, number)
        if path.parent / next(iter(version.files)) != path:
            raise RefusedError(f"version {number} is of another configuration: {next(iter(version.files))}")
        load_version(version, path.parent)
        present = read_present(path, version.files)
        kept = None
        written: list[str] = []
        if changed_files({name: present.get(name, "") for name in version.files}, version.files):
            why = f"replaced by a rollback to version {number}" + (f": {reason}" if reason else "")
            subject = f"configuration version {number}"
            with store.transaction():
                kept = keep_replaced(store, present, at=now, actor=app.actor, reason=why)
                text = f"what it replaces is version {kept}" + (f"; {reason}" if reason else "")
                append_audit(store, at=now, actor=app.actor, action="config.rollback", subject=subject, reason=text)
            try:
                written = [str(each) for each in write_back(version.files, path.parent)]
            except (OSError, BridgeError):
                with store.transaction():
                    append_audit(store, at=app.now(), actor=app.actor, action="config.rollback_failed", subject=subject)
                raise
    pid = running_pid(app.settings)
    if pid is not None:
        os.kill(pid, signal.SIGHUP)
    if as_json:
        emit_json({"version": number, "kept": kept, "written": written, "daemon": pid})
        return
    for each in written:
        click.echo(f"wrote {each}")
    click.echo(f"the files are those of version {number}" + (f"; what they were is version {kept}" if kept else ""))
    if pid is None:
        click.echo("no daemon is running; the next start takes them")
    else:
        click.echo(f"asked the daemon (process {pid}) to read its configuration again; its log says what came of it")


def _in_force(store: Store) -> ConfigVersion:
    from hl7bridge.storage.config_versions import version_in_force

    found = version_in_force(store)
    if found is None:
        raise NotFoundError("no configuration has been kept yet; the daemon keeps the one it starts with")
    return found


def _find_store(app: App) -> None:
    """Have the app know its store though the rest of the settings may be broken: that is when one wants to go back."""
    from hl7bridge.config import read_sound_sections
    from hl7bridge.tomlfile import parse_toml

    try:
        _ = app.settings
    except ConfigError as error:
        text = app.config_path.read_bytes().decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
        found = _STORE_SECTION.search(text)
        settings, unread = read_sound_sections(parse_toml(found[0] if found else "", str(app.config_path)))
        if unread:
            raise
        app.settings = settings
        click.echo(f"hl7bridge: {error.problems[0]}", err=True)


def _unified(path: str, old: Mapping[str, str], new: Mapping[str, str], names: tuple[str, str]) -> Iterator[str]:
    before, after = old.get(path), new.get(path)
    lines = difflib.unified_diff(
        (before or "").splitlines(),
        (after or "").splitlines(),
        "/dev/null" if before is None else f"{path} ({names[0]})",
        "/dev/null" if after is None else f"{path} ({names[1]})",
        lineterm="",
    )
    shown = ["\t".join(map(visible_text, line.split("\t"))) for line in lines]
    if not shown:
        shown = [f"{visible_text(path)}: only line ends or the byte order mark differ"]
    yield from shown
