"""``hl7bridge init``: writes a configuration, its rules, mappings, key and store; overwrites nothing."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from hl7bridge.cli.common import App
from hl7bridge.errors import RefusedError, StoreError

_CONFIG: Final = "hl7bridge.toml"
_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600
_FOLDER: Final = 0o755
_FILE: Final = 0o644


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".", metavar="[DIR]")
def command(folder: Path) -> None:
    """Write a configuration into DIR that works as it is, on loopback, and say what to do next.

    Nothing that is there is overwritten. A folder that has a hl7bridge.toml already is left as it is.
    """
    config = folder / _CONFIG
    if os.path.lexists(config):
        raise RefusedError(f"{config} is there already, so nothing was written; name another folder")
    store, key = folder / "data" / "hl7bridge.db", folder / "secrets" / "store.key"
    if store.exists() and not key.exists():
        raise StoreError(f"{store}: there is a store and not its key; bring {key} back first")
    for path, is_new in _write_all(folder, store, key):
        click.echo(f"{'wrote' if is_new else 'kept '}  {path}")
    click.echo(f"Next: hl7bridge check --config {shlex.quote(str(config))}")
    click.echo(f"then: hl7bridge serve --config {shlex.quote(str(config))}")


def _write_all(folder: Path, store: Path, key: Path) -> Iterator[tuple[Path, bool]]:
    """Write what is not there, the configuration last: a run that fails before it can simply be run again."""
    from hl7bridge.shipped import read_shipped, read_shipped_mappings
    from hl7bridge.storage.database import new_key

    for name, mode in (("secrets", _PRIVATE_FOLDER), ("data", _PRIVATE_FOLDER), ("mappings", _FOLDER)):
        (folder / name).mkdir(mode=mode, parents=True, exist_ok=True)
    for name in ("outgoing", "incoming"):
        (folder / "agencies" / "sample" / name).mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    for name, text in read_shipped_mappings().items():
        yield _write_new(folder / "mappings" / name, text, _FILE)
    yield _write_new(folder / "rules.toml", read_shipped("rules.toml"), _FILE)
    yield _write_new(key, f"{new_key()}\n", _PRIVATE_FILE)
    yield _create_store(store, key)
    yield _write_new(folder / _CONFIG, read_shipped(_CONFIG), _FILE)


def _write_new(path: Path, text: str, mode: int) -> tuple[Path, bool]:
    """Write a file that is not there yet, with its mode from the first moment; False when it is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return path, False
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  (a descriptor, not a path)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return path, True


def _create_store(path: Path, key: Path) -> tuple[Path, bool]:
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.database import open_store, read_key

    is_new = not path.exists()
    store = open_store(path, read_key(key), create=True)
    try:
        with store.transaction():
            app = App()
            append_audit(store, at=app.now(), actor=app.actor, action="init", subject="store")
    finally:
        store.close()
    return path, is_new
