"""Who did what, when and why -> rows that each carry a digest of all rows before, so that a change or a cut shows.

A row holds ids and counts, never a patient's value. The last id and digest are kept in ``meta`` as well: without
that, rows cut off the end would leave a shorter chain that still verifies.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from hl7bridge.errors import StoreError
from hl7bridge.storage.database import Store
from hl7bridge.times import utc_text

_HEAD: Final = "audit_head"
_FIRST_DIGEST: Final = "0" * 64  # what the first row follows
_EVERY: Final = -1  # LIMIT -1: no limit. Source: SQLite and its documentation of LIMIT


class AuditReport(NamedTuple):
    """What verify_audit found: how many rows were read, and the id where the chain first breaks, if it does."""

    rows: int
    ok: bool
    first_bad: int | None
    why: str


class _Head(NamedTuple):
    id: int
    digest: str


def append_audit(
    store: Store, *, at: dt.datetime | str, actor: str, action: str, subject: str, reason: str = ""
) -> int:
    """Add one row to the log, in the transaction that the caller has open, and return its id.

    ``at`` is an aware time, or its ISO-8601 UTC text; ``actor`` as ``user:NAME`` or ``daemon``; ``action`` as
    ``placements.recall``; ``subject`` as ``placement 12``. Raises StoreError outside a transaction, and when rows are
    there and the head is not (someone removed it): nothing is changed or shown without a log that holds.
    """
    if not store.connection.in_transaction:
        raise StoreError("an audit row is written in the transaction of what it tells")
    head = _read_head(store)
    if head is None and store.row("SELECT 1 FROM audit LIMIT 1"):
        raise StoreError(f"{store.path}: the audit log has lost its head; see 'hl7bridge audit verify'")
    last = head or _Head(0, _FIRST_DIGEST)
    number = last.id + 1
    time = at if isinstance(at, str) else utc_text(at)
    digest = _digest(last.digest, (number, time, actor, action, subject, reason))
    store.execute(
        "INSERT INTO audit (id, at, actor, action, subject, reason, digest) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (number, time, actor, action, subject, reason, digest),
    )
    store.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_HEAD, f"{number} {digest}"),
    )
    return number


def verify_audit(store: Store) -> AuditReport:
    """Walk the whole log, one row in memory at a time, as it stood when the walk began."""
    if store.connection.in_transaction:
        return _walk(store)
    store.execute("BEGIN")  # a reader's snapshot: the daemon goes on writing
    try:
        return _walk(store)
    finally:
        store.execute("ROLLBACK")


def read_audit(store: Store, limit: int = 0) -> Iterator[dict[str, Any]]:
    """Return rows of the log, newest first: id, at, actor, action, subject, reason. ``limit`` 0 is all."""
    return store.dicts(
        "SELECT id, at, actor, action, subject, reason FROM audit ORDER BY id DESC LIMIT ?", (limit or _EVERY,)
    )


def _walk(store: Store) -> AuditReport:
    head = _read_head(store)
    last = _Head(0, _FIRST_DIGEST)
    rows = store.execute("SELECT id, at, actor, action, subject, reason, digest FROM audit ORDER BY id")
    for number, *facts, digest in rows:
        if number != last.id + 1:
            return AuditReport(last.id, ok=False, first_bad=last.id + 1, why=f"row {last.id + 1} is gone")
        if digest != _digest(last.digest, (number, *facts)):
            return AuditReport(last.id, ok=False, first_bad=number, why=f"row {number} is not what was written")
        last = _Head(number, digest)
    if head is None and last.id:
        return AuditReport(last.id, ok=False, first_bad=last.id + 1, why="the head of the log is gone")
    if head is not None and head != last:
        why = f"the log ends at row {last.id} and was written up to row {head.id}"
        return AuditReport(last.id, ok=False, first_bad=min(head.id, last.id) + 1, why=why)
    return AuditReport(last.id, ok=True, first_bad=None, why="")


def _read_head(store: Store) -> _Head | None:
    row = store.row("SELECT value FROM meta WHERE key = ?", (_HEAD,))
    if row is None:
        return None
    number, _, digest = row[0].partition(" ")
    return _Head(int(number) if number.isdigit() else 0, digest)


def _digest(previous: str, facts: tuple[Any, ...]) -> str:
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{previous}{text}".encode("utf-8", "surrogatepass")).hexdigest()
