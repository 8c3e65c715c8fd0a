"""Stops that agencies have not acknowledged: how many are late, and since when the oldest has been known."""

from __future__ import annotations

from typing import Final, NamedTuple

from hl7bridge.storage.database import Store

# An agency that has given an account back, or acknowledged something newer of it, need not say more.
_OPEN: Final = (
    "FROM notices n JOIN placements p ON p.id = n.placement_id WHERE n.is_stop = 1 AND n.agency = ? AND n.event_at < ?"
    " AND p.status NOT IN ('recalled', 'returned', 'settled', 'rejected') AND NOT EXISTS (SELECT 1 FROM notices m"
    " WHERE m.placement_id = n.placement_id AND m.id > n.id AND m.status = 'acknowledged')"
)
_LATE: Final = (
    f"SELECT count(*), coalesce(min(event_at), '') FROM (SELECT n.event_at {_OPEN} AND n.status = 'queued'"
    f" UNION ALL SELECT n.event_at {_OPEN} AND n.status = 'sent')"
)


class LateStops(NamedTuple):
    """Stops that an agency has not acknowledged; ``oldest_at`` is when the bridge knew of the first, "" for none."""

    stops: int
    oldest_at: str


def find_late_stops(store: Store, agency: str, before: str) -> LateStops:
    """Return what an agency should have stopped, of what was known before a time (ISO 8601 UTC)."""
    return LateStops._make(store.rows(_LATE, (agency, before) * 2)[0])
