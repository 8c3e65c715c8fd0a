"""The running daemon's process id, in a file beside the store that it keeps locked: a stale file fools nobody."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hl7bridge.errors import RefusedError

if TYPE_CHECKING:
    from hl7bridge.config import Settings

_NAME: Final = "hl7bridge.pid"
_TRIES: Final = 20  # a `status` that looks at this very moment holds the lock for microseconds
_PAUSE: Final = 0.02  # seconds


def pid_path(settings: Settings) -> Path:
    """Return where the daemon of this configuration keeps its process id."""
    return settings.store.path.parent / _NAME


@contextmanager
def hold_pid_file(path: Path) -> Iterator[None]:
    """Keep this process's id in a locked file for the block; the lock ends with the process, however it ends.

    Raises RefusedError when another daemon runs on the same store.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _lock(descriptor):
            raise RefusedError(f"{path}: a daemon is running on this store already")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def running_pid(settings: Settings) -> int | None:
    """Return the process id of the daemon that runs on this store, or None when none does."""
    try:
        descriptor = os.open(pid_path(settings), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)
    return None


def _lock(descriptor: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return True
    return False
