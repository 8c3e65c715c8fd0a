"""Coverages that an account no longer has, or that changed <-> their table, which only grows."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, NamedTuple

from hl7bridge.ledger.ranked import Ranked
from hl7bridge.mapping.records import Coverage
from hl7bridge.storage.accounts import day_of
from hl7bridge.storage.database import Store

_FIELDS: Final = ", ".join(Coverage._fields)
_INSERT: Final = (
    f"INSERT INTO coverage_history (account_id, {_FIELDS}, as_of, ended_at, message_id)"
    f" VALUES (?, {', '.join('?' * len(Coverage._fields))}, ?, ?, ?)"
)


class FormerCoverage(NamedTuple):
    """A coverage as it was: told last at ``as_of``, until the message ``message_id`` was received at ``ended_at``."""

    coverage: Coverage
    as_of: str
    ended_at: str
    message_id: int


def add_former_coverage(store: Store, account_id: int, former: Ranked[Any], *, ended_at: str, message_id: int) -> None:
    """Keep a coverage that ended, inside the caller's transaction."""
    values = [each.isoformat() if isinstance(each, dt.date) else each for each in former.record]
    store.execute(_INSERT, (account_id, *values, former.as_of, ended_at, message_id))


def former_coverages(store: Store, account_id: int) -> list[FormerCoverage]:
    """Return an account's former coverages, by rank and then oldest first."""
    rows = store.execute(
        f"SELECT {_FIELDS}, as_of, ended_at, message_id FROM coverage_history WHERE account_id = ? ORDER BY rank, id",
        (account_id,),
    )
    made = ((Coverage._make((*row[:5], day_of(row[5]), day_of(row[6]))), *row[7:]) for row in rows)
    return [FormerCoverage._make(each) for each in made]
