"""Files from agencies <-> their table: which were taken, which wait for a person and why, and what each line did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from hl7bridge.errors import NotFoundError
from hl7bridge.layouts.layout import Record
from hl7bridge.money import from_cents, to_cents
from hl7bridge.payments.remittance import Remitted
from hl7bridge.storage.agency_files import in_dollars
from hl7bridge.storage.database import Row, Store


class FileStatus(StrEnum):
    """What became of a file from an agency."""

    TAKEN = "taken"
    HELD = "held"  # nothing of it was applied; a person releases or refuses it
    REFUSED = "refused"
    DUPLICATE = "duplicate"


class OutcomeKind(StrEnum):
    """What became of one record of a file."""

    APPLIED = "applied"
    IGNORED = "ignored"  # it says what is known already
    EXCEPTION = "exception"  # a person has to look at it


class ReceivedFile(NamedTuple):
    """One file from an agency. ``number`` is None when no trailer tells it; ``problem`` is lines, "" for none."""

    id: int
    agency: str
    kind: str
    number: int | None
    name: str
    sha256: str
    records: int
    total: Decimal
    status: FileStatus
    problem: str
    received_at: str


class Outcome(NamedTuple):
    """What one record did, and why; ``placement_id`` is None when none fits."""

    placement_id: int | None
    kind: OutcomeKind
    reason: str


_FILE: Final = "id, agency, kind, number, name, sha256, records, total, status, problem, received_at"


def add_received(store: Store, file: ReceivedFile) -> int:
    """Keep a file that came and return its id (``file.id`` is not used); inside the caller's transaction."""
    return store.insert(
        "INSERT INTO received_files (agency, kind, number, name, sha256, records, total, status, problem, received_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            file.agency, file.kind, file.number, file.name, file.sha256, file.records, to_cents(file.total),
            file.status, file.problem, file.received_at,
        ),
    )  # fmt: skip


def decide_received(store: Store, file_id: int, status: FileStatus, *, at: str, actor: str, reason: str) -> None:
    """Say what a person decided of a file that was held; inside the caller's transaction."""
    store.execute(
        "UPDATE received_files SET status = ?, decided_at = ?, decided_by = ?, reason = ? WHERE id = ?",
        (status, at, actor, reason, file_id),
    )


def read_received(store: Store, file_id: int) -> ReceivedFile:
    """Return one file; raises NotFoundError."""
    row = store.row(f"SELECT {_FILE} FROM received_files WHERE id = ?", (file_id,))
    if row is None:
        raise NotFoundError(f"no file in-{file_id}")
    return _file(row)


def find_by_digest(store: Store, agency: str, kind: str, sha256: str) -> list[ReceivedFile]:
    """Return an agency's files of these very bytes that were taken or are held, newest first."""
    rows = store.rows(
        f"SELECT {_FILE} FROM received_files WHERE agency = ? AND sha256 = ? AND kind = ?"
        " AND status IN ('taken', 'held') ORDER BY id DESC",
        (agency, sha256, kind),
    )
    return list(map(_file, rows))


def number_problem(store: Store, agency: str, kind: str, number: int) -> str:
    """Return what is wrong with the number of the next file of a kind, or "".

    The next is one above the last that was taken; numbers of files that a person refused may be left out.
    """
    rows = store.rows(
        "SELECT number, status, id FROM received_files WHERE agency = ? AND kind = ? AND number IS NOT NULL"
        " AND status IN ('taken', 'refused')",
        (agency, kind),
    )
    taken = {row[0]: row[2] for row in rows if row[1] == FileStatus.TAKEN}
    refused = {row[0] for row in rows if row[1] == FileStatus.REFUSED}
    last = max(taken, default=0)
    if number in taken:
        return f"number {number} was taken already, as file in-{taken[number]}, with other content"
    if number <= last:
        return f"number {number} comes after number {last}"
    expected = last + 1
    while expected < number and expected in refused:
        expected += 1
    if expected == number:
        return ""
    absent = f"{expected} has" if expected == number - 1 else f"{expected} to {number - 1} have"
    return f"number {number} has come, and {absent} not"


def is_number_taken(store: Store, agency: str, kind: str, number: int) -> bool:
    """Return whether a file of this number was taken: then no other can be."""
    row = store.row(
        "SELECT 1 FROM received_files WHERE agency = ? AND kind = ? AND number = ? AND status = 'taken'",
        (agency, kind, number),
    )
    return row is not None


def add_outcomes(store: Store, file_id: int, kind: str, outcomes: Iterable[tuple[Record, Outcome]]) -> None:
    """Keep what each record of a file said and did; inside the caller's transaction."""
    store.executemany(
        "INSERT INTO received_records (file_id, line, placement_id, kind, content, outcome, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (file_id, record.line, outcome.placement_id, kind, _content(record), outcome.kind, outcome.reason)
            for record, outcome in outcomes
        ],
    )


def read_outcomes(store: Store, file_id: int) -> Iterator[dict[str, Any]]:
    """Return what each record of a file did, by line."""
    return store.dicts(
        "SELECT line, placement_id AS placement, outcome, reason FROM received_records WHERE file_id = ?"
        " ORDER BY line, id",
        (file_id,),
    )


def count_outcomes(store: Store, file_id: int) -> dict[str, int]:
    """Return how many records of a file did what."""
    return dict(
        store.rows("SELECT outcome, count(*) FROM received_records WHERE file_id = ? GROUP BY outcome", (file_id,))
    )


def count_held(store: Store) -> int:
    """Return how many files wait for a person."""
    return int(store.rows("SELECT count(*) FROM received_files WHERE status = 'held'")[0][0])


def list_received(store: Store, agency: str | None = None, *, held: bool = False) -> Iterator[dict[str, Any]]:
    """Return the files from agencies, newest first, as rows for people; with ``held`` those that wait."""
    where = " AND status = 'held'" if held else ""
    rows = store.dicts(
        "SELECT 'in-' || id AS file, agency, kind, number, name, status, records, total, received_at AS at, problem,"
        f" decided_at, decided_by, reason FROM received_files WHERE agency = coalesce(?, agency){where}"
        " ORDER BY id DESC",
        (agency,),
    )
    return in_dollars(rows)


def problem_text(problems: Sequence[str]) -> str:
    """Return the text in which a file keeps its problems."""
    return "\n".join(problems)


def _content(record: Record) -> str:
    if isinstance(record, Remitted):
        values = record._asdict() | asdict(record.payment)
        del values["payment"]
        values["kind"] = record.kind.value
    else:
        values = record._asdict()
    told = {name: value for name, value in values.items() if name != "line" and value not in (None, "")}
    return json.dumps(told, ensure_ascii=False, default=str, separators=(",", ":"))


def _file(row: Row) -> ReceivedFile:
    return ReceivedFile._make((*row[:7], from_cents(row[7]), FileStatus(row[8]), *row[9:]))
