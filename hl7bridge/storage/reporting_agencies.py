"""What agencies were sent, acknowledged and list, and discrepancies -> counts, dollars, times to resolve."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from hl7bridge.money import from_cents
from hl7bridge.placement.inventory import DISCREPANCIES
from hl7bridge.storage.database import Store
from hl7bridge.storage.reporting import ALL, Period, Spread, seconds_between

_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR
_BY_HAND: Final = "user:"
_DISCREPANCIES: Final = (
    "SELECT agency, kind, dollars, found_at, resolved_at, resolved_by FROM agency_discrepancies"
    " WHERE resolved_at IS NULL OR (found_at >= ? AND found_at < ?) ORDER BY id"
)
_OPEN: Final = (
    "SELECT kind, count(*), sum(dollars) FROM agency_discrepancies WHERE agency = ? AND resolved_at IS NULL"
    " GROUP BY kind"
)
_LAST_INVENTORIES: Final = (
    "SELECT agency, at, lines, theirs, matched, matched_dollars, found FROM inventories"
    " WHERE id IN (SELECT max(id) FROM inventories GROUP BY agency)"
)


def _sum_if(condition: str, cents: str = "balance") -> str:
    return f"count(CASE WHEN {condition} THEN 1 END), coalesce(sum(CASE WHEN {condition} THEN {cents} END), 0)"


_HAS: Final = "acknowledged_at IS NOT NULL"
_AT_WORK: Final = "status IN ('sent', 'suspended', 'recall_pending')"
# What was sent is what was acknowledged, rejected, withdrawn or still waits: the four counts foot.
SENT_MEASURES: Final = ("sent", "acknowledged", "rejected", "withdrawn", "unacknowledged", "with_agency")
_SENT: Final = (
    "SELECT "
    + ", ".join(
        (
            _sum_if("sent_at IS NOT NULL"),
            _sum_if(_HAS, "coalesce(acknowledged_balance, balance)"),
            _sum_if(f"NOT ({_HAS}) AND status = 'rejected'"),
            _sum_if(f"NOT ({_HAS}) AND status <> 'rejected' AND NOT ({_AT_WORK})"),
            _sum_if(f"NOT ({_HAS}) AND {_AT_WORK}"),
            _sum_if(f"{_HAS} AND status IN ('acknowledged', 'active', 'suspended', 'recall_pending')"),
        )
    )
    + " FROM placements WHERE agency = ? AND sent_at IS NOT NULL"
)


class _Found:
    def __init__(self) -> None:
        self.found = self.open = self.cents = self.by_person = 0
        self.oldest_at: str | None = None
        self.resolution = Spread()

    def add(self, row: tuple[Any, ...], period: Period) -> None:
        """Count one discrepancy: open now, or found in the period."""
        cents, found_at, resolved_at, resolved_by = row
        self.found += period.start <= found_at < period.end
        if resolved_at is None:
            self.open += 1
            self.cents += cents
            self.oldest_at = min(self.oldest_at or found_at, found_at)
        else:
            self.resolution.add(seconds_between(found_at, resolved_at))
            self.by_person += resolved_by.startswith(_BY_HAND)

    def row(self, now: str) -> dict[str, Any]:
        """Return the figures as a report has them."""
        mean = self.resolution.mean()
        return {
            "found": self.found,
            "open": self.open,
            "open_dollars": from_cents(self.cents),
            "oldest_days": None if self.oldest_at is None else seconds_between(self.oldest_at, now) // _DAY,
            "resolved": self.resolution.count,
            "resolved_by_person": self.by_person,
            "hours_to_resolve_p50": _hours(self.resolution.percentile(50)),
            "hours_to_resolve_mean": None if mean is None else _hours(int(mean)),
        }


def report_reconciliation(store: Store, period: Period, now: str) -> Iterator[dict[str, Any]]:
    """Return a row for each agency and kind of discrepancy: what is open now, and what was found in a period.

    The rate is of the agency's last inventory: lines of that kind for each hundred that matched.
    """
    groups: dict[tuple[str, str], _Found] = {}
    for agency, kind, *row in store.execute(_DISCREPANCIES, tuple(period)):
        for name in (kind, ALL):
            groups.setdefault((agency, name), _Found()).add(tuple(row), period)
    inventories = {row[0]: row[1:] for row in store.rows(_LAST_INVENTORIES)}
    for agency in sorted({name for name, _ in groups} | set(inventories)):
        at, lines, _, matched, _, found = inventories.get(agency, (None, None, None, 0, None, "{}"))
        counts = {kind: each[0] for kind, each in json.loads(found).items()}
        counts[ALL] = sum(counts.values())
        for kind in (*DISCREPANCIES, ALL):
            yield {
                "agency": agency,
                "kind": kind,
                **groups.get((agency, kind), _Found()).row(now),
                "inventory_at": at,
                "lines": lines,
                "matched": matched if at else None,
                "rate_percent": round(100 * counts.get(kind, 0) / matched, 2) if matched else None,
            }


def summarize(store: Store, agency: str | None = None) -> Iterator[dict[str, Any]]:
    """Return counts and dollars of each agency: what it was sent, has acknowledged, lists, and what does not agree."""
    names = [
        row[0] for row in store.rows("SELECT DISTINCT agency FROM placements UNION SELECT agency FROM inventories")
    ]
    for name in sorted(names):
        if agency in {None, name}:
            for measure, count, cents, at in _measures(store, name):
                dollars = None if cents is None else from_cents(cents)
                yield {"agency": name, "measure": measure, "count": count, "dollars": dollars, "at": at}


def _measures(store: Store, agency: str) -> Iterator[tuple[str, int | None, int | None, str | None]]:
    row = store.rows(_SENT, (agency,))[0]
    for number, measure in enumerate(SENT_MEASURES):
        yield measure, row[2 * number], row[2 * number + 1], None
    last = store.row(f"{_LAST_INVENTORIES} AND agency = ?", (agency,))
    _, at, lines, theirs, matched, matched_cents, _ = last or (agency, None, None, None, None, None, "")
    yield "listed", lines, theirs, at
    yield "matched", matched, matched_cents, at
    is_open = {kind: (count, cents) for kind, count, cents in store.rows(_OPEN, (agency,))}
    for kind in DISCREPANCIES:
        count, cents = is_open.get(kind, (0, 0))
        yield kind, count, cents, None


def _hours(seconds: int | None) -> float | None:
    return None if seconds is None else round(seconds / _HOUR, 1)
