"""Configurations that were in force, or were replaced <-> their table: the text of each file, by its path."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from hl7bridge.errors import NotFoundError
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Row, Store
from hl7bridge.times import utc_text

START: Final = "start"
RELOAD: Final = "reload"
_COLUMNS: Final = "id, at, actor, sha256, files, reason"
_IN_FORCE: Final = f"reason IN ('{START}', '{RELOAD}')"


class ConfigVersion(NamedTuple):
    """One configuration. ``files`` maps path to text; the first is the settings file itself.

    A path is relative to the settings' folder, or absolute for a file that is not below it. Keys and certificates are
    named in the settings and never among the files. ``reason`` is START or RELOAD for one that a daemon took.
    """

    id: int
    at: str
    actor: str
    sha256: str
    files: dict[str, str]
    reason: str

    @property
    def was_taken(self) -> bool:
        """Return whether a daemon ran by it; else it was only kept when it was replaced."""
        return self.reason in {START, RELOAD}


class ConfigChange(NamedTuple):
    """A version beside the one before it: the paths that were changed, added or are named no more."""

    version: ConfigVersion
    changed: tuple[str, ...]


def record_version(store: Store, files: Mapping[str, str], *, at: dt.datetime, actor: str, reason: str) -> int | None:
    """Keep a configuration that comes into force unless it is in force already; return its id, or None.

    Inside the caller's transaction, in which the audit log is told too. ``reason`` is START or RELOAD.
    """
    text, digest = _encode(files)
    before = version_in_force(store)
    if before is not None and before.sha256 == digest:
        return None
    version_id = _insert(store, text, digest, at=at, actor=actor, reason=reason)
    changed = ", ".join(changed_files(before.files if before else {}, files))
    subject = f"configuration version {version_id}"
    append_audit(store, at=at, actor=actor, action=f"config.{reason}", subject=subject, reason=f"changed: {changed}")
    return version_id


def keep_replaced(store: Store, files: Mapping[str, str], *, at: dt.datetime, actor: str, reason: str) -> int:
    """Keep files that are about to be replaced, in the caller's transaction; return the version that has them."""
    text, digest = _encode(files)
    known = store.row("SELECT id FROM config_versions WHERE sha256 = ? ORDER BY id DESC LIMIT 1", (digest,))
    return int(known[0]) if known else _insert(store, text, digest, at=at, actor=actor, reason=reason)


def version_in_force(store: Store) -> ConfigVersion | None:
    """Return the configuration that a daemon took last, or None when none did."""
    row = store.row(f"SELECT {_COLUMNS} FROM config_versions WHERE {_IN_FORCE} ORDER BY id DESC LIMIT 1")
    return None if row is None else _version(row)


def read_version(store: Store, version_id: int) -> ConfigVersion:
    """Return one configuration; raises NotFoundError."""
    row = store.row(f"SELECT {_COLUMNS} FROM config_versions WHERE id = ?", (version_id,))
    if row is None:
        raise NotFoundError(f"no version {version_id} of the configuration; 'hl7bridge config history' has all")
    return _version(row)


def list_versions(store: Store) -> Iterator[ConfigChange]:
    """Return all configurations, newest first, each with what it changed in the one before it."""
    later: ConfigVersion | None = None
    for row in store.execute(f"SELECT {_COLUMNS} FROM config_versions ORDER BY id DESC"):
        version = _version(row)
        if later is not None:
            yield ConfigChange(later, changed_files(version.files, later.files))
        later = version
    if later is not None:
        yield ConfigChange(later, tuple(sorted(later.files)))


def changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths whose text is not the same in both, those that only one has among them, sorted."""
    return tuple(sorted(path for path in {*before, *after} if before.get(path) != after.get(path)))


def _encode(files: Mapping[str, str]) -> tuple[str, str]:
    """Return files as text, in ASCII (they may hold bytes that are no UTF-8, as surrogates), and its SHA-256."""
    text = json.dumps(dict(files), separators=(",", ":"))
    return text, hashlib.sha256(text.encode("ascii")).hexdigest()


def _insert(store: Store, text: str, digest: str, *, at: dt.datetime, actor: str, reason: str) -> int:
    return store.insert(
        "INSERT INTO config_versions (at, actor, sha256, files, reason) VALUES (?, ?, ?, ?, ?)",
        (utc_text(at), actor, digest, text, reason),
    )


def _version(row: Row) -> ConfigVersion:
    number, at, actor, sha256, files, reason = row
    return ConfigVersion(number, at, actor, sha256, json.loads(files), reason)
