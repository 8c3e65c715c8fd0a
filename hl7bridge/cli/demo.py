"""``hl7bridge demo``: a whole round trip, EHR to agency and back, with the real daemon on loopback ports."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

_STOPPING = (signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep everything in DIR (new or empty), to look around afterwards.",
)
def command(folder: Path | None) -> None:
    """Watch a whole round trip, with no set-up: twelve invented patients, an EHR, an agency, and this bridge.

    Writes a configuration, starts the daemon on free ports of this machine, feeds it HL7, decides, places, collects,
    and posts the payments back; each step names the command that it runs. Exit 1 when any figure does not foot. Leaves
    nothing behind, but for --dir.
    """
    from hl7bridge.cli.demo_steps import run_demo

    with _answer_signals() as interrupted, _place(folder) as place:
        is_right = run_demo(place, is_kept=folder is not None)
        if interrupted:  # at a moment when Python lets no exception through, as in a callback of a library
            raise KeyboardInterrupt
    if not is_right:
        click.get_current_context().exit(1)


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    """Return the folder to work in; one that nobody named is gone after the block."""
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="hl7bridge-demo-") as place:
        yield Path(place)


@contextmanager
def _answer_signals() -> Iterator[list[int]]:
    """Have SIGTERM and a closed terminal end the demo as Ctrl-C does: the daemon is stopped, the folder removed.

    The numbers of the signals that came are in the list.
    """
    interrupted: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        interrupted.append(number)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _STOPPING}
    for number, action in before.items():
        if action is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, interrupt)
    try:
        yield interrupted
    finally:
        for number, action in before.items():
            signal.signal(number, action)
