"""Placements, their decisions and their events <-> their tables."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.ledger.account import AccountState
from hl7bridge.money import from_cents, to_cents
from hl7bridge.placement.state import OPEN, By, Status, find_transition
from hl7bridge.rules.evaluate import Decision, Reason
from hl7bridge.rules.spec import Mode
from hl7bridge.storage.database import Row, Store
from hl7bridge.storage.notices import cancel_queued
from hl7bridge.storage.told import start_told

_GIVEN_BACK: Final = frozenset({Status.RECALLED, Status.RETURNED, Status.SETTLED, Status.REJECTED})
_EVERY: Final = -1  # LIMIT -1: no limit. Source: SQLite, its documentation of LIMIT
_COLUMNS: Final = (
    "p.id, p.account_id, a.number, a.facility, p.agency, p.tier, p.rule, p.sequence, p.status, p.balance,"
    " p.decided_at, p.sent_at, d.as_of, d.reasons, f.name"
)
_FROM: Final = (
    " FROM placements p JOIN accounts a ON a.id = p.account_id JOIN decisions d ON d.id = p.decision_id"
    " LEFT JOIN agency_files f ON f.id = p.agency_file_id"
)


class PlacementRow(NamedTuple):
    """A stored placement. ``reasons`` are all that its decision looked at; ``file`` is "" until it is sent."""

    id: int
    account_id: int
    account: str
    facility: str
    agency: str
    tier: str
    rule: str
    sequence: int
    status: Status
    balance: Decimal
    decided_at: str
    sent_at: str | None
    as_of: dt.date
    reasons: tuple[Reason, ...]
    file: str


class EventRow(NamedTuple):
    """One change of a placement's status."""

    at: str
    actor: str
    from_status: str
    to_status: str
    reason: str


def add_decision(
    store: Store, account: AccountState, decision: Decision, *, as_of: dt.date, at: str, rules_version: str
) -> int:
    """Keep a decision with every reason, and return its id; inside the caller's transaction."""
    cursor = store.execute(
        "INSERT INTO decisions (account_id, as_of, decided_at, rules_version, rule, agency, eligible, balance, reasons)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            account.id, as_of.isoformat(), at, rules_version, decision.rule, decision.agency, int(decision.eligible),
            to_cents(account.balance), encode_reasons(decision.reasons),
        ),
    )  # fmt: skip
    return int(cursor.lastrowid)


def add_placement(
    store: Store,
    account: AccountState,
    decision: Decision,
    *,
    decision_id: int,
    actor: str,
    at: str,
    share: str = "",
    guarantor_key: str = "",
) -> tuple[int, Status]:
    """Place an account as decided, and return the placement's id and status; inside the caller's transaction.

    Its sequence is one more than the account's placements that an agency took: cancelled and rejected ones do not
    count. A second open placement of one account is refused by the database (index placements_open): IntegrityError.
    """
    status = Status.REVIEW if decision.mode is Mode.REVIEW else Status.QUEUED
    find_transition(Status.ELIGIBLE, status, By.RULES)
    placement_id = store.insert(
        "INSERT INTO placements (account_id, decision_id, agency, tier, rule, sequence, status, balance, decided_at,"
        " updated_at, status_since, share, guarantor_key) SELECT ?, ?, ?, ?, ?, count(*) + 1, ?, ?, ?, ?, ?, ?, ?"
        " FROM placements WHERE account_id = ? AND status NOT IN ('cancelled', 'rejected')",
        (
            account.id, decision_id, decision.agency, decision.tier, decision.rule, status, to_cents(account.balance),
            at, at, at, share, guarantor_key, account.id,
        ),
    )  # fmt: skip
    _add_event(store, placement_id, EventRow(at, actor, Status.ELIGIBLE, status, f"rule {decision.rule}"))
    return placement_id, status


def move_placement(
    store: Store,
    placement_id: int,
    target: Status,
    *,
    by: By,
    actor: str,
    at: str,
    reason: str,
    notice: bool = False,
) -> Status:
    """Change a placement's status by the table of ``placement.state``, inside the caller's transaction.

    ``notice`` promises that a notice to the agency is queued in the same transaction. Returns the status it had. Raises
    NotFoundError; RefusedError when the table does not allow it, or when the agency would have to be told and is not:
    a status is never said that the agency does not know of.
    """
    row = store.row("SELECT status FROM placements WHERE id = ?", (placement_id,))
    if row is None:
        raise NotFoundError(f"no placement {placement_id}")
    source = Status(row[0])
    if find_transition(source, target, by).tells_agency and by is not By.AGENCY and not notice:
        raise RefusedError(
            f"placement {placement_id} is {source}: the agency has it and must be told; see 'hl7bridge placements'"
        )
    is_open = target in OPEN
    store.execute(
        "UPDATE placements SET status = ?, updated_at = ?, status_since = ?, ended_at = ?, end_reason = ? WHERE id = ?",
        (target, at, at, None if is_open else at, "" if is_open else reason, placement_id),
    )
    if target is Status.SENT and source is Status.QUEUED:
        start_told(store, placement_id)
    if target in _GIVEN_BACK:
        cancel_queued(store, placement_id, at=at)
    _add_event(store, placement_id, EventRow(at, actor, source, target, reason))
    return source


def _add_event(store: Store, placement_id: int, event: EventRow) -> None:
    store.execute(
        "INSERT INTO placement_events (placement_id, at, actor, from_status, to_status, reason)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (placement_id, *event),
    )


def list_placements(
    store: Store, *, status: str | None = None, agency: str | None = None, limit: int = 0
) -> Iterator[PlacementRow]:
    """Return placements, newest first; ``limit`` 0 is all."""
    rows = store.execute(
        f"SELECT {_COLUMNS}{_FROM} WHERE p.status = coalesce(?, p.status) AND p.agency = coalesce(?, p.agency)"
        " ORDER BY p.id DESC LIMIT ?",
        (status, agency, limit or _EVERY),
    )
    return map(_placement, rows)


def read_placement(store: Store, placement_id: int) -> PlacementRow:
    """Return one placement; raises NotFoundError."""
    row = store.row(f"SELECT {_COLUMNS}{_FROM} WHERE p.id = ?", (placement_id,))
    if row is None:
        raise NotFoundError(f"no placement {placement_id}")
    return _placement(row)


def placements_of(store: Store, account_id: int) -> list[PlacementRow]:
    """Return all placements of an account, oldest first."""
    rows = store.execute(f"SELECT {_COLUMNS}{_FROM} WHERE p.account_id = ? ORDER BY p.id", (account_id,))
    return list(map(_placement, rows))


def read_events(store: Store, placement_id: int) -> list[EventRow]:
    """Return the changes of a placement, oldest first."""
    rows = store.execute(
        "SELECT at, actor, from_status, to_status, reason FROM placement_events WHERE placement_id = ? ORDER BY id",
        (placement_id,),
    )
    return [EventRow(*row) for row in rows]


def read_snapshot(store: Store, placement_id: int) -> dict[str, str]:
    """Return the fields that were sent to the agency, in their order; empty when nothing was."""
    row = store.row("SELECT snapshot FROM placements WHERE id = ?", (placement_id,))
    return decode_snapshot(row[0]) if row and row[0] else {}


def encode_snapshot(columns: Sequence[str], values: Sequence[str]) -> str:
    """Return the text in which a placement keeps what was sent."""
    return json.dumps(dict(zip(columns, values, strict=True)), ensure_ascii=False, separators=(",", ":"))


def decode_snapshot(text: str) -> dict[str, str]:
    """Return what ``encode_snapshot`` was given, in order."""
    found: dict[str, str] = json.loads(text)
    return found


def encode_reasons(reasons: Iterable[Reason]) -> str:
    """Return the text in which a decision keeps its reasons."""
    return json.dumps([reason._asdict() for reason in reasons], ensure_ascii=False, separators=(",", ":"))


def decode_reasons(text: str) -> tuple[Reason, ...]:
    """Return what ``encode_reasons`` was given."""
    return tuple(Reason(**reason) for reason in json.loads(text))


def _placement(row: Row) -> PlacementRow:
    status, cents, *times, day, reasons, file = row[8:]
    decided = (dt.date.fromisoformat(day), decode_reasons(reasons), file or "")
    return PlacementRow._make((*row[:8], Status(status), from_cents(cents), *times, *decided))
