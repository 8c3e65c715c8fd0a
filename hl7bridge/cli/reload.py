"""``hl7bridge reload``: has the running daemon read its configuration again."""

from __future__ import annotations

import os
import signal

import click

from hl7bridge.cli.common import App, common_options
from hl7bridge.cli.pidfile import pid_path, running_pid
from hl7bridge.errors import NotFoundError


@click.command()
@common_options
def command(app: App) -> None:
    """Have the running daemon take the configuration as it is now.

    A configuration with a mistake, in whichever of its files, is refused here, and by the daemon as well: it goes on
    with the last good one.
    """
    from hl7bridge.versions import load_configuration

    settings = load_configuration(app.config_path).settings
    pid = running_pid(settings)
    if pid is None:
        raise NotFoundError(f"no daemon is running on this store (looked at {pid_path(settings)})")
    os.kill(pid, signal.SIGHUP)
    click.echo(f"asked the daemon (process {pid}) to read its configuration again; its log says what came of it")
