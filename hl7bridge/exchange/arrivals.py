"""An agency's incoming folder -> the files in it that can be read: regular ones, whole, named as agreed, no links."""

from __future__ import annotations

import datetime as dt
import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from hl7bridge.errors import StoreError
from hl7bridge.exchange.agency import AgencyFolder
from hl7bridge.exchange.numbered import TRAILER
from hl7bridge.payments.remittance import REMITTANCES
from hl7bridge.placement.records import KINDS

STRAY_AFTER: Final = dt.timedelta(minutes=10)
# In the order to take them: money comes before what a return or an inventory says of balances.
_BEFORE: Final = ("acknowledgements", "statuses", REMITTANCES)
_ORDER: Final = (*_BEFORE, *(kind for kind in KINDS if kind not in _BEFORE))
_NAME: Final = re.compile(rf"({'|'.join(_ORDER)})-[A-Za-z0-9_-]{{1,80}}\.(csv|jsonl|txt)", re.ASCII)
_FOLDER_MODE: Final = 0o700


class Arrival(NamedTuple):
    """A file whose trailer is there too. ``kind`` is what its name says."""

    folder: Path
    name: str
    trailer: str
    kind: str


class Arrivals(NamedTuple):
    """What is in an incoming folder. ``strays`` counts what has lain there for ten minutes and cannot be taken."""

    ready: tuple[Arrival, ...] = ()
    strays: int = 0


class TooLongError(StoreError):
    """A file is longer than any that is taken."""


def find_arrivals(folder: Path, now: dt.datetime) -> Arrivals:
    """Return the files of a folder whose trailer is there, in the order to take them, and how much else lies there.

    Raises StoreError when the folder cannot be read; one that is not there is empty.
    """
    try:
        with os.scandir(folder) as found:
            entries = {entry.name: entry for entry in found if not entry.name.startswith(".")}
        ready = tuple(
            Arrival(folder, name, trailer, match[1])
            for name, entry in entries.items()
            if (match := _NAME.fullmatch(name))
            and (trailer := name.rpartition(".")[0] + TRAILER) in entries
            and _is_plain(entry)
            and _is_plain(entries[trailer])
        )
        paired = {name for each in ready for name in (each.name, each.trailer)}
        others = [entry for name, entry in entries.items() if name not in paired and not _is_ours(entry)]
        strays = sum(now.timestamp() - _changed_at(entry) > STRAY_AFTER.total_seconds() for entry in others)
    except FileNotFoundError:
        return Arrivals()
    except OSError as error:
        raise StoreError(f"{folder}: cannot read: {error.strerror}") from None
    return Arrivals(tuple(sorted(ready, key=lambda each: (_ORDER.index(each.kind), each.name))), strays)


def _changed_at(entry: os.DirEntry[str]) -> float:
    with suppress(FileNotFoundError):
        return entry.stat(follow_symlinks=False).st_mtime
    return float("inf")  # gone meanwhile


def _is_plain(entry: os.DirEntry[str]) -> bool:
    with suppress(FileNotFoundError):
        found = entry.stat(follow_symlinks=False)
        return stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    return False


def _is_ours(entry: os.DirEntry[str]) -> bool:
    return entry.name in {"taken", "held", "refused"} and entry.is_dir(follow_symlinks=False)


def read_regular(path: Path, most: int) -> bytes:
    """Return the bytes of a regular file with one name, never of what a link or a device leads to.

    Raises StoreError when it is none or cannot be read, and TooLongError when it has more than ``most`` bytes.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(number, "rb") as file:
            found = os.fstat(number)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                raise StoreError(f"{path.parent}: a file there is not a regular file with one name")
            data = file.read(most + 1)
    except OSError as error:
        raise StoreError(f"{path.parent}: cannot read a file there: {error.strerror}") from None
    if len(data) > most:
        raise TooLongError(f"longer than {most} bytes")
    return data


def age_of(arrival: Arrival, now: dt.datetime) -> float:
    """Return the seconds since a file or its trailer was last written; negative when the clock was set back."""
    names = (arrival.folder / arrival.name, arrival.folder / arrival.trailer)
    with suppress(FileNotFoundError):
        return now.timestamp() - max(path.stat(follow_symlinks=False).st_mtime for path in names)
    return 0.0


def move_to(folder: Path, place: str, moves: Sequence[tuple[str, str]]) -> None:
    """Move files of a folder into one of its folders, under new names; one that is gone is left out.

    Raises StoreError when a file cannot be moved, also when the folder is a link.
    """
    target = folder / place
    try:
        target.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        if target.is_symlink():
            raise StoreError(f"{target}: is a link, so no file is moved there")
        for name, new in moves:
            with suppress(FileNotFoundError):
                (folder / name).rename(target / new)
    except OSError as error:
        raise StoreError(f"{target}: cannot move a file there: {error.strerror}") from None


def look_for_files(agencies: Sequence[AgencyFolder], now: dt.datetime) -> dict[str, Arrivals]:
    """Return what is in each agency's incoming folder, by agency; a folder that cannot be read is an empty one here."""
    found: dict[str, Arrivals] = {}
    for agency in agencies:
        if agency.incoming is not None:
            with suppress(StoreError):
                found[agency.name] = find_arrivals(agency.incoming, now)
    return found
