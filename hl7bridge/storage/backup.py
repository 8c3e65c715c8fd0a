"""An open store -> an encrypted copy with the same key, taken while others write, whole or not there at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from hl7bridge.errors import RefusedError, StoreError
from hl7bridge.storage.database import DatabaseError, Store, open_store
from hl7bridge.storage.folders import sync_folder

_ALL_PAGES: Final = -1  # in one step: a writer in between would make the copy begin again
_SOUND: Final = "ok"
_DAMAGED: Final = "the copy does not read back as it was written"


def backup_store(store: Store, key: bytes, target: Path) -> int:
    """Write a copy of ``store``, as it stands now, to ``target`` (mode 0600), and return its size in bytes.

    Overwrites nothing (RefusedError). The copy is opened again and read through before it gets its name; what
    fails leaves no file behind. Raises StoreError or OSError. Must not be called inside a transaction.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise RefusedError(f"{target} is there already; a backup overwrites nothing") from None
    try:
        partial.touch(mode=0o600, exist_ok=False)
        _copy(store, key, partial)
        _verify(key, partial)
        size = partial.stat().st_size
        partial.replace(target)
    except BaseException as error:
        target.unlink(missing_ok=True)
        if not isinstance(error, FileExistsError):
            partial.unlink(missing_ok=True)
        if isinstance(error, DatabaseError):
            raise StoreError(f"{target}: cannot write the backup: {error}") from error
        raise
    sync_folder(target.parent)
    return size


def _copy(store: Store, key: bytes, partial: Path) -> None:
    copy = open_store(partial, key)  # pages are copied as they are, so both must be encrypted in the same way
    try:
        store.connection.backup(copy.connection, pages=_ALL_PAGES)
    finally:
        copy.close()


def _verify(key: bytes, partial: Path) -> None:
    try:
        copy = open_store(partial, key)
    except StoreError as error:
        raise StoreError(f"{partial}: {_DAMAGED}") from error
    try:
        broken = copy.rows("PRAGMA cipher_integrity_check") or [
            row for row in copy.rows("PRAGMA quick_check") if row[0] != _SOUND
        ]
    finally:
        copy.close()
    if broken:
        raise StoreError(f"{partial}: {_DAMAGED}")
