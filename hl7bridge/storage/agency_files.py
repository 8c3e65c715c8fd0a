"""Files for agencies <-> their table: which number, the bytes that each has for good, which are not on disk yet."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from hl7bridge.errors import NotFoundError, RefusedError, StoreError
from hl7bridge.layouts.placements_csv import PlacementTable, digest_of, encode_placements, parse_placements
from hl7bridge.money import ZERO, from_cents, to_cents
from hl7bridge.placement.state import By, Status
from hl7bridge.storage.database import Row, Store
from hl7bridge.storage.notices import notices_of_file
from hl7bridge.storage.placements import decode_snapshot, encode_snapshot, move_placement


class FileKind(StrEnum):
    """What a file for an agency has, in the order in which files are sent; each kind is numbered for itself."""

    STOPS = "stops"
    UPDATES = "updates"
    PLACEMENTS = "placements"


class Work(NamedTuple):
    """Something to send to an agency. ``is_urgent``: notices, and files half sent; else placements."""

    agency: str
    is_urgent: bool


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
    kind: FileKind
    number: int
    name: str
    records: int
    total: Decimal
    sha256: str
    layout: str
    layout_version: int
    created_at: str

    @property
    def is_closed(self) -> bool:
        """Return whether it is settled what is in it."""
        return self.sha256 != ""


_FILE: Final = "id, agency, kind, number, name, records, total, sha256, layout, layout_version, created_at"


def queued_placements(store: Store, agency: str, after: int, most: int) -> list[QueuedPlacement]:
    """Return placements with an id above ``after`` that wait for an agency, oldest first, at most so many."""
    rows = store.execute(
        "SELECT id, account_id, tier, rule, sequence FROM placements WHERE status = 'queued' AND agency = ?"
        " AND id > ? ORDER BY id LIMIT ?",
        (agency, after, most),
    )
    return [QueuedPlacement(*row) for row in rows]


def queued_counts(store: Store, queue: str) -> dict[str, int]:
    """Return how many ``placements`` or ``notices`` wait, by agency."""
    return dict(store.rows(f"SELECT agency, count(*) FROM {queue} WHERE status = 'queued' GROUP BY agency"))


def find_work(store: Store) -> set[Work]:
    """Return for which agencies something is queued or half sent; cheap, for looking twice a second."""
    found = {Work(agency, is_urgent=False) for agency in _agencies_of(store, "placements")}
    found |= {Work(agency, is_urgent=True) for agency in _agencies_of(store, "notices")}
    writing = store.execute("SELECT DISTINCT agency FROM agency_files WHERE status = 'writing'")
    return found | {Work(row[0], is_urgent=True) for row in writing}


def _agencies_of(store: Store, queue: str) -> Iterator[str]:
    """Return the agencies for which something is queued, in a step for each, however much it is."""
    sql = f"SELECT agency FROM {queue} WHERE status = 'queued' AND agency > ? ORDER BY agency LIMIT 1"
    row = store.row(sql, ("",))
    while row is not None:
        yield row[0]
        row = store.row(sql, (row[0],))


def next_file_number(store: Store, agency: str, kind: FileKind) -> int:
    """Return the number of an agency's next file of a kind; they have no gaps."""
    row = store.row(
        "SELECT coalesce(max(number), 0) + 1 FROM agency_files WHERE agency = ? AND kind = ?", (agency, kind)
    )
    return int(row[0]) if row else 1


def add_file(store: Store, file: AgencyFile, data: bytes | None) -> int:
    """Keep a file that is about to be written, with its bytes, and return its id (``file.id`` is not used).

    Without bytes and digest it is not closed yet: ``close_file`` gives it both.
    """
    cursor = store.execute(
        "INSERT INTO agency_files (agency, kind, number, name, records, total, sha256, layout, layout_version,"
        " content, status, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'writing', ?)",
        (
            file.agency, file.kind, file.number, file.name, file.records, to_cents(file.total), file.sha256,
            file.layout, file.layout_version, None if data is None else zlib.compress(data), file.created_at,
        ),
    )  # fmt: skip
    return int(cursor.lastrowid)


def close_file(store: Store, file: AgencyFile, data: bytes) -> None:
    """Give a gathered file what it has for good: its bytes with their digest, its count and its total."""
    store.execute(
        "UPDATE agency_files SET records = ?, total = ?, sha256 = ?, content = ? WHERE id = ? AND sha256 = ''",
        (file.records, to_cents(file.total), file.sha256, zlib.compress(data), file.id),
    )


def mark_sent(
    store: Store,
    placement_id: int,
    file: AgencyFile,
    columns: Sequence[str],
    values: Sequence[str],
    *,
    frozen: str,
    balance: Decimal,
    actor: str,
) -> None:
    """Freeze what an agency gets of a placement and move it to ``sent``; inside the caller's transaction."""
    at = file.created_at
    move_placement(store, placement_id, Status.SENT, by=By.BRIDGE, actor=actor, at=at, reason=f"in file {file.name}")
    store.execute(
        "UPDATE placements SET snapshot = ?, frozen = ?, agency_file_id = ?, balance = ?, sent_at = ? WHERE id = ?",
        (encode_snapshot(columns, values), frozen, file.id, to_cents(balance), at, placement_id),
    )


def last_notice(store: Store) -> int:
    """Return the id of the newest notice, 0 when there is none."""
    return int(store.rows("SELECT coalesce(max(id), 0) FROM notices")[0][0])


def unwritten_files(store: Store, agency: str) -> list[AgencyFile]:
    """Return an agency's files that may not be on disk, in the order in which they were made."""
    rows = store.execute(
        f"SELECT {_FILE} FROM agency_files WHERE agency = ? AND status = 'writing' ORDER BY id", (agency,)
    )
    return list(map(_file, rows))


def read_file(store: Store, file_id: int) -> AgencyFile:
    """Return one file; raises NotFoundError."""
    row = store.row(f"SELECT {_FILE} FROM agency_files WHERE id = ?", (file_id,))
    if row is None:
        raise NotFoundError(f"no file out-{file_id}")
    return _file(row)


def read_content(store: Store, file: AgencyFile) -> bytes:
    """Return the bytes that a file has for good; raises StoreError when they are not those of its digest.

    Raises RefusedError for a file that is gathered still.
    """
    if not file.is_closed:
        raise RefusedError(f"{file.name} is gathered still; it is written when the daemon or a command sends again")
    row = store.row("SELECT content FROM agency_files WHERE id = ?", (file.id,))
    try:
        if row is None or row[0] is None:  # of a release that kept no bytes, and wrote CSV alone
            data = encode_placements(*frozen_table(store, file.id))
        else:
            data = zlib.decompress(row[0])
    except (TypeError, ValueError, zlib.error):
        data = b""
    if digest_of(data) != file.sha256:
        raise StoreError(f"{file.name}: what was frozen has changed, so it is not written; see 'hl7bridge db verify'")
    return data


def content_totals(store: Store, file: AgencyFile) -> tuple[int, Decimal]:
    """Return how many placements or notices say that they are in a file, and their dollars."""
    if file.kind is FileKind.PLACEMENTS:
        row = store.rows(
            "SELECT count(*), coalesce(sum(balance), 0) FROM placements WHERE agency_file_id = ?", (file.id,)
        )
        return row[0][0], from_cents(row[0][1])
    notices = notices_of_file(store, file.id)
    return len(notices), sum((notice.balance for notice in notices), ZERO)


def is_as_frozen(store: Store, file: AgencyFile) -> bool:
    """Return whether a file's bytes are those of its digest, and a csv file's placements what was frozen of each."""
    try:
        data = read_content(store, file)
        if file.kind is not FileKind.PLACEMENTS or file.layout != "csv":
            return True
        return parse_placements(data) == frozen_table(store, file.id)
    except (StoreError, TypeError, ValueError):  # no snapshot, or not one that was written here
        return False


def frozen_table(store: Store, file_id: int) -> PlacementTable:
    """Return the columns and rows of a file from what was frozen with its placements, in their order."""
    rows = store.execute("SELECT snapshot FROM placements WHERE agency_file_id = ? ORDER BY id", (file_id,))
    snapshots = [decode_snapshot(row[0]) for row in rows]
    columns = tuple(snapshots[0]) if snapshots else ()
    return PlacementTable(columns, tuple(tuple(snapshot.values()) for snapshot in snapshots))


def mark_written(store: Store, file_id: int, at: str) -> None:
    """Say that a file and its trailer are on disk."""
    store.execute(
        "UPDATE agency_files SET status = 'written', written_at = coalesce(written_at, ?) WHERE id = ?", (at, file_id)
    )


def list_files(store: Store, agency: str | None = None) -> Iterator[dict[str, Any]]:
    """Return the files for agencies, newest first, as rows for people."""
    rows = store.dicts(
        "SELECT 'out-' || id AS file, agency, kind, number, name, status, records, total, created_at AS at,"
        " '' AS problem FROM agency_files WHERE agency = coalesce(?, agency) ORDER BY id DESC",
        (agency,),
    )
    return in_dollars(rows)


def in_dollars(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return rows whose ``total``, in cents, is dollars."""
    return (row | {"total": from_cents(row["total"])} for row in rows)


def _file(row: Row) -> AgencyFile:
    return AgencyFile._make((*row[:2], FileKind(row[2]), *row[3:6], from_cents(row[6]), *row[7:]))
