"""Bytes -> a file in an agency's folder that appears there whole, is on disk by then, and only its owner can read."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from hl7bridge.errors import StoreError
from hl7bridge.storage.folders import sync_folder

_OWNER_ONLY: Final = 0o600
_FOLDER_MODE: Final = 0o700


@contextmanager
def exclusive(store_path: Path) -> Iterator[None]:
    """Wait until no other process or thread sends from a store, and keep them out for the block.

    The lock is the file ``<store path>.exchange.lock``; the system frees it when a process dies. Take it outside of a
    transaction, or the one who has it could wait for the one who wants it.
    """
    path = Path(f"{store_path}.exchange.lock")
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def prepare_folder(folder: Path) -> None:
    """Make the folder (0700) when there is none, and prove that files can be made in it. Raises StoreError."""
    trial = folder / f".hl7bridge-{os.getpid()}.tmp"
    try:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        os.close(os.open(trial, os.O_WRONLY | os.O_CREAT, _OWNER_ONLY))
        trial.unlink()
    except OSError as error:
        raise StoreError(f"{folder}: cannot write: {error.strerror}") from None


def write_whole(folder: Path, name: str, data: bytes) -> None:
    """Write a file under another name, bring it to disk, then give it its name, over one of that name.

    Whoever watches the folder sees the whole file or none. Raises StoreError; then nothing of it is left.
    """
    trial = folder / f".{name}.tmp"
    try:
        with suppress(FileNotFoundError):
            trial.unlink()  # what a crash left may have another mode
        with os.fdopen(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        trial.replace(folder / name)
        sync_folder(folder)
    except OSError as error:
        with suppress(OSError):
            trial.unlink()
        raise StoreError(f"{folder / name}: cannot write: {error.strerror}") from None
