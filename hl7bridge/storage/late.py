"""Deliveries that are not in the EHR -> since when the oldest waits, and how many do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from hl7bridge.storage.database import Store
from hl7bridge.times import utc_text

# The oldest of each kind comes first in the partial index that its query reads.
_QUEUED: Final = (
    "SELECT created_at FROM deliveries WHERE destination = ? AND (payment_id IS NULL) = ? AND status = 'queued'"
    " ORDER BY id LIMIT 1"
)
_SENDING: Final = (
    "SELECT created_at FROM deliveries WHERE destination = ? AND status = 'sending' AND (committed_at IS NULL) = ?"
    " ORDER BY committed_at, id LIMIT 1"
)
_STUCK: Final = (
    "SELECT created_at FROM deliveries WHERE destination = ? AND status IN ('held', 'unknown')"
    " AND (status = 'held' OR next_attempt_at <= ?) ORDER BY id LIMIT 1"
)
_COUNT: Final = (
    "SELECT (SELECT count(*) FROM deliveries WHERE destination = ?1 AND status = 'queued')"
    " + (SELECT count(*) FROM deliveries WHERE destination = ?1 AND status = 'sending')"
    " + (SELECT count(*) FROM deliveries WHERE destination = ?1 AND status IN ('held', 'unknown'))"
)
# The next name behind one, so that no queue is read through.
_NAMES: Final = (
    "SELECT min(destination) FROM (SELECT min(destination) AS destination FROM deliveries WHERE status = 'queued'"
    " AND destination > ?1 UNION ALL SELECT min(destination) FROM deliveries WHERE status = 'sending'"
    " AND destination > ?1 UNION ALL SELECT min(destination) FROM deliveries WHERE status IN ('held', 'unknown')"
    " AND destination > ?1)"
)


def unsettled_destinations(store: Store) -> Iterator[str]:
    """Yield the destinations, by name, that something is or may be still on its way to; some are in no settings now."""
    name = ""
    while (name := store.rows(_NAMES, (name,))[0][0]) is not None:
        yield name


def find_oldest_late(store: Store, destination: str, now: dt.datetime, after: dt.timedelta) -> str | None:
    """Return when the oldest was queued of what waits for a destination longer than ``after``, or None.

    What may have arrived, and for whose echo its destination's policy waits, counts when that time is over.
    """
    rows = [
        *(store.row(query, (destination, kind)) for query in (_QUEUED, _SENDING) for kind in (0, 1)),
        store.row(_STUCK, (destination, utc_text(now))),
    ]
    oldest = min((str(row[0]) for row in rows if row is not None), default=None)
    return oldest if oldest is not None and oldest <= utc_text(now - after) else None


def count_waiting_deliveries(store: Store, destination: str) -> int:
    """Return how many deliveries are not at their destination for all we know, however long they wait."""
    return int(store.rows(_COUNT, (destination,))[0][0])
