"""Payments of lockbox destinations -> files in their folders; acknowledgements in a folder -> what became of them.

As with agencies: a file is frozen in the store first, then written; after a crash between the two the next call writes
the same bytes under the same name. An acknowledgement is taken whole or put aside whole.
"""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from hl7bridge.errors import RefusedError
from hl7bridge.exchange.arrivals import move_to, read_regular
from hl7bridge.exchange.folder import exclusive, prepare_folder, write_whole
from hl7bridge.layouts.lockbox import parse_acknowledgement
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.lockbox import (
    LockboxFile,
    Settled,
    gather_file,
    has_queued,
    mark_written,
    read_file,
    settle_file,
    unwritten_files,
)

MOST_BYTES: Final = 16 << 20  # of an acknowledgement
QUIET_SECONDS: Final = 10.0  # one that was changed since then may not be whole
TAKEN: Final = "taken"
HELD: Final = "held"


class Lockbox(NamedTuple):
    """A destination that takes files; ``number`` is what its bank or EHR calls the lockbox."""

    destination: str
    folder: Path
    layout: str
    number: str
    acknowledgements: Path | None = None


class Taken(NamedTuple):
    """What became of one acknowledgement; ``problem`` says why it was put aside and nothing of it taken."""

    destination: str
    settled: Settled | None
    problem: str = ""


class Run(NamedTuple):
    """What one call is done with: its time, by whom, and the day of a destination."""

    now: dt.datetime
    actor: str
    day: dt.date


def write_lockbox(store: Store, box: Lockbox, run: Run, *, is_due: bool) -> list[LockboxFile]:
    """Write what an earlier call left, and if it is due what is queued. Call it outside of a transaction.

    Raises StoreError when the folder cannot be written: nothing is said to be sent then.
    """
    with exclusive(store.path):
        written = [_write(store, box, file, run.now) for file in unwritten_files(store, box.destination)]
        while is_due and has_queued(store, box.destination):
            prepare_folder(box.folder)  # before anything is said to be sent
            with store.transaction():
                file = gather_file(store, box.destination, box.layout, box.number, now=run.now, day=run.day)
                if file is not None:
                    subject = f"destination {box.destination}, file {file.name}: {file.records} records"
                    append_audit(store, at=run.now, actor=run.actor, action="lockbox.write", subject=subject)
            if file is None:
                break
            written.append(_write(store, box, file, run.now))
    return written


def resend_lockbox(store: Store, boxes: Sequence[Lockbox], file_id: int, run: Run) -> LockboxFile:
    """Write a file once more, the same bytes under the same name. Call it outside of a transaction.

    Raises NotFoundError; RefusedError when its destination is no lockbox any more; StoreError.
    """
    with exclusive(store.path):
        file = read_file(store, file_id)
        box = next((each for each in boxes if each.destination == file.destination), None)
        if box is None:
            raise RefusedError(
                f"the configuration has no lockbox {file.destination}, so there is no folder to write to"
            )
        written = _write(store, box, file, run.now)
        with store.transaction():
            subject = f"destination {file.destination}, file {file.name}"
            append_audit(store, at=run.now, actor=run.actor, action="lockbox.resend", subject=subject)
    return written


def take_acknowledgements(store: Store, box: Lockbox, run: Run) -> list[Taken]:
    """Take every acknowledgement that lies in a lockbox's folder and has been quiet for ten seconds.

    What was taken goes to ``taken`` and what was put aside to ``held``, both in that folder. Raises StoreError when it
    cannot be read; one that is not there is empty.
    """
    if box.acknowledgements is None or not box.acknowledgements.is_dir():
        return []
    done: list[Taken] = []
    for path in sorted(box.acknowledgements.glob("*.csv")):
        if not _is_quiet(path, run.now):
            continue
        try:
            taken = Taken(box.destination, take_acknowledgement(store, box, read_regular(path, MOST_BYTES), run))
        except RefusedError as error:
            taken = Taken(box.destination, None, str(error))
        place = HELD if taken.settled is None else TAKEN
        move_to(box.acknowledgements, place, [(path.name, _free_name(box.acknowledgements / place, path))])
        done.append(taken)
    return done


def take_acknowledgement(store: Store, box: Lockbox, data: bytes, run: Run) -> Settled:
    """Take one acknowledgement, in a transaction of its own; raises RefusedError with everything that is wrong."""
    lines, problems = parse_acknowledgement(data)
    if problems:
        raise RefusedError("\n".join(problems))
    with store.transaction():
        settled = settle_file(store, box.destination, lines, run.now)
        subject = f"destination {box.destination}: {told(settled)}"
        append_audit(store, at=run.now, actor=run.actor, action="lockbox.acknowledge", subject=subject)
    return settled


def told(settled: Settled) -> str:
    """Return what an acknowledgement did, as a person reads it."""
    return f"{settled.accepted} accepted, {settled.refused} held, {settled.known} settled before"


def _free_name(folder: Path, path: Path) -> str:
    """Return the name of a file, numbered so that no other of that folder is lost."""
    names = (f"{path.stem}-{number}{path.suffix}" for number in count(1))
    return next(name for name in names if not (folder / name).exists())


def _is_quiet(path: Path, now: dt.datetime) -> bool:
    with suppress(FileNotFoundError):
        found = path.lstat()
        return stat.S_ISREG(found.st_mode) and now.timestamp() - found.st_mtime >= QUIET_SECONDS
    return False


def _write(store: Store, box: Lockbox, file: LockboxFile, now: dt.datetime) -> LockboxFile:
    prepare_folder(box.folder)
    write_whole(box.folder, file.name, file.data)
    with store.transaction():
        mark_written(store, file.id, now)
    return file
