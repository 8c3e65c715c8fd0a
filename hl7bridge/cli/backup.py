"""``hl7bridge backup``: copies the store, encrypted with its own key, while the daemon runs."""

from __future__ import annotations

from pathlib import Path

import click

from hl7bridge.cli.common import App, common_options


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@common_options
def command(app: App, file: Path) -> None:
    """Copy the store into FILE, encrypted with the same key; overwrites nothing.

    Without the key the copy cannot be read: keep both, apart.
    """
    from hl7bridge.config import key_path
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.backup import backup_store
    from hl7bridge.storage.database import read_key

    with app.open_store() as store:
        with store.transaction():  # before the copy is taken, so that the copy tells of itself
            append_audit(store, at=app.now(), actor=app.actor, action="backup", subject=f"file {file.absolute()}")
        size = backup_store(store, read_key(key_path(app.settings)), file)
    click.echo(f"wrote  {file} ({size} bytes, encrypted with the store's key)")
