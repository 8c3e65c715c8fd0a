"""Files for agencies <-> their table: which number, what is frozen in each, which are not on disk yet."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.layouts.placements_csv import PlacementTable
from hl7bridge.money import from_cents, to_cents
from hl7bridge.placement.state import By, Status
from hl7bridge.storage.database import Store
from hl7bridge.storage.placements import decode_snapshot, encode_snapshot, move_placement

PLACEMENTS: Final = "placements"


class QueuedPlacement(NamedTuple):
    """A placement that waits to be sent."""

    id: int
    account_id: int
    tier: str
    rule: str
    sequence: int


class AgencyFile(NamedTuple):
    """One file for an agency. ``total`` is dollars; ``sha256`` is of the data file's bytes."""

    id: int
    agency: str
    number: int
    name: str
    records: int
    total: Decimal
    sha256: str
    created_at: str


_FILE: Final = "id, agency, number, name, records, total, sha256, created_at"


def queued_placements(store: Store, agency: str, after: int, most: int) -> list[QueuedPlacement]:
    """Return placements with an id above ``after`` that wait for an agency, oldest first, at most so many."""
    rows = store.execute(
        "SELECT id, account_id, tier, rule, sequence FROM placements WHERE status = 'queued' AND agency = ?"
        " AND id > ? ORDER BY id LIMIT ?",
        (agency, after, most),
    )
    return [QueuedPlacement(*row) for row in rows]


def queued_counts(store: Store) -> dict[str, int]:
    """Return how many placements wait, by agency."""
    return dict(store.rows("SELECT agency, count(*) FROM placements WHERE status = 'queued' GROUP BY agency"))


def entries_balance(store: Store, account_id: int) -> Decimal:
    """Return what an account's entries come to: charges less payments and adjustments, dollars."""
    row = store.row(
        "SELECT coalesce(sum(CASE WHEN kind = 'CG' THEN amount ELSE -amount END), 0) FROM entries WHERE account_id = ?",
        (account_id,),
    )
    return from_cents(row[0] if row else 0)


def next_file_number(store: Store, agency: str) -> int:
    """Return the number of an agency's next placement file; they have no gaps."""
    row = store.row(
        "SELECT coalesce(max(number), 0) + 1 FROM agency_files WHERE agency = ? AND kind = ?", (agency, PLACEMENTS)
    )
    return int(row[0]) if row else 1


def add_file(store: Store, file: AgencyFile) -> int:
    """Keep a file that is about to be written and return its id (``file.id`` is not used)."""
    cursor = store.execute(
        "INSERT INTO agency_files (agency, kind, number, name, records, total, sha256, status, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'writing', ?)",
        (
            file.agency, PLACEMENTS, file.number, file.name, file.records, to_cents(file.total), file.sha256,
            file.created_at,
        ),
    )  # fmt: skip
    return int(cursor.lastrowid)


def mark_sent(
    store: Store,
    placement_id: int,
    file: AgencyFile,
    columns: Sequence[str],
    values: Sequence[str],
    *,
    balance: Decimal,
    actor: str,
) -> None:
    """Freeze what an agency gets of a placement and move it to ``sent``; inside the caller's transaction."""
    at = file.created_at
    move_placement(store, placement_id, Status.SENT, by=By.BRIDGE, actor=actor, at=at, reason=f"in file {file.name}")
    store.execute(
        "UPDATE placements SET snapshot = ?, agency_file_id = ?, balance = ?, sent_at = ? WHERE id = ?",
        (encode_snapshot(columns, values), file.id, to_cents(balance), at, placement_id),
    )


def unwritten_files(store: Store, agency: str) -> list[AgencyFile]:
    """Return an agency's files that may not be on disk, oldest first."""
    rows = store.execute(
        f"SELECT {_FILE} FROM agency_files WHERE agency = ? AND kind = ? AND status = 'writing' ORDER BY number",
        (agency, PLACEMENTS),
    )
    return [AgencyFile._make((*row[:5], from_cents(row[5]), *row[6:])) for row in rows]


def frozen_table(store: Store, file_id: int) -> PlacementTable:
    """Return the columns and rows of a file from what was frozen with its placements, in their order."""
    rows = store.execute("SELECT snapshot FROM placements WHERE agency_file_id = ? ORDER BY id", (file_id,))
    snapshots = [decode_snapshot(row[0]) for row in rows]
    columns = tuple(snapshots[0]) if snapshots else ()
    return PlacementTable(columns, tuple(tuple(snapshot.values()) for snapshot in snapshots))


def mark_written(store: Store, file_id: int, at: str) -> None:
    """Say that a file and its trailer are on disk."""
    store.execute("UPDATE agency_files SET status = 'written', written_at = ? WHERE id = ?", (at, file_id))
