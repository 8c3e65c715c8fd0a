"""Stops and holds -> how long a stop took to reach an agency, which wait for its word, and what holds keep back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from hl7bridge.money import from_cents
from hl7bridge.placement.state import OPEN
from hl7bridge.rules.evaluate import COMMON, HOLDS
from hl7bridge.storage.database import Store
from hl7bridge.storage.reporting import ALL, Period, Spread, milliseconds_between, seconds_of

# Of an account that no agency has; of one that an agency has and was told to stop; of one that was given back.
NOT_PLACED: Final = "not_placed"
SUSPENDED: Final = "suspended"
RECALLED: Final = "recalled"
PLACES: Final = {
    NOT_PLACED: "a rule would place the account, and the hold keeps it back",
    SUSPENDED: "the agency was told to stop until the hold ends",
    RECALLED: "the account was recalled for it, or is being recalled",
}
_STOPS: Final = (
    "SELECT n.agency, n.reason, n.status, n.event_at, n.sent_at, n.acknowledged_at FROM notices n"
    " WHERE n.is_stop = 1 AND n.event_at >= ? AND n.event_at < ? ORDER BY n.id"
)
_WITHDRAWN: Final = (
    "SELECT p.agency, count(*) FROM placement_events e JOIN placements p ON p.id = e.placement_id"
    " WHERE e.from_status IN ('review', 'queued') AND e.to_status = 'cancelled' AND e.at >= ? AND e.at < ?"
    " GROUP BY p.agency"
)
_HELD: Final = (
    "SELECT a.id, a.charges - a.payments - a.adjustments, d.reasons FROM decisions d"
    " JOIN accounts a ON a.id = d.account_id WHERE d.eligible = 0 AND a.status = 'open' AND NOT EXISTS"
    " (SELECT 1 FROM decisions newer WHERE newer.account_id = d.account_id AND newer.id > d.id) AND NOT EXISTS"
    " (SELECT 1 FROM placements p WHERE p.account_id = d.account_id"
    f" AND p.status IN ({', '.join(repr(str(each)) for each in OPEN)})) ORDER BY d.id"
)
_STOPPED: Final = (
    "SELECT p.status, n.reason, a.charges - a.payments - a.adjustments FROM placements p"
    " JOIN accounts a ON a.id = p.account_id JOIN notices n ON n.id = (SELECT max(s.id) FROM notices s"
    " WHERE s.placement_id = p.id AND s.is_stop = 1 AND s.status <> 'cancelled')"
    " WHERE p.status IN ('suspended', 'recall_pending', 'recalled') ORDER BY p.id"
)


class StopState(NamedTuple):
    """Stops that wait now: not sent, and sent without the agency's word; the oldest event of these, ISO 8601 UTC."""

    queued: int
    unacknowledged: int
    oldest_at: str | None


class _Stops:
    def __init__(self) -> None:
        self.statuses = dict.fromkeys(("queued", "sent", "acknowledged", "cancelled"), 0)
        self.to_sent, self.to_acknowledged = Spread(), Spread()

    def add(self, status: str, event_at: str, sent_at: str | None, acknowledged_at: str | None) -> None:
        """Count one stop; a cancelled one was of a placement that the agency never got."""
        self.statuses[status] += 1
        if sent_at:
            self.to_sent.add(milliseconds_between(event_at, sent_at))
        if acknowledged_at and status == "acknowledged":
            self.to_acknowledged.add(milliseconds_between(event_at, acknowledged_at))

    def row(self) -> dict[str, Any]:
        """Return the figures of the group as a report has them. Seconds, to a tenth."""
        return {
            "stops": sum(self.statuses.values()),
            "queued": self.statuses["queued"],
            "unacknowledged": self.statuses["sent"],
            "acknowledged": self.statuses["acknowledged"],
            "cancelled": self.statuses["cancelled"],
            "sent_p50": seconds_of(self.to_sent.percentile(50)),
            "sent_p99": seconds_of(self.to_sent.percentile(99)),
            "sent_longest": seconds_of(self.to_sent.longest()),
            "acknowledged_p50": seconds_of(self.to_acknowledged.percentile(50)),
            "acknowledged_p99": seconds_of(self.to_acknowledged.percentile(99)),
            "acknowledged_longest": seconds_of(self.to_acknowledged.longest()),
        }


def report_stops(store: Store, period: Period) -> Iterator[dict[str, Any]]:
    """Return a row for each agency and reason, and one for the agency, of the stops whose event was in a period.

    ``withdrawn``, of the agency's own row, are placements that were cancelled before they were sent: nobody had to be
    told.
    """
    groups: dict[tuple[str, str], _Stops] = {}
    for agency, reason, *times in store.execute(_STOPS, tuple(period)):
        for name in (reason, ALL):
            groups.setdefault((agency, name), _Stops()).add(*times)
    withdrawn: dict[str, int] = dict(store.rows(_WITHDRAWN, tuple(period)))
    for agency in withdrawn:
        groups.setdefault((agency, ALL), _Stops())
    for agency, reason in sorted(groups, key=lambda key: (key[0], key[1] == ALL, key[1])):
        row = {"agency": agency, "reason": reason, **groups[agency, reason].row()}
        yield {**row, "withdrawn": withdrawn.get(agency, 0) if reason == ALL else None}


def read_stop_state(store: Store) -> StopState:
    """Return which stops wait now."""
    counts = [
        store.rows(f"SELECT count(*), min(event_at) FROM notices WHERE is_stop = 1 AND status = '{status}'")[0]
        for status in ("queued", "sent")
    ]
    oldest = [at for _, at in counts if at is not None]
    return StopState(counts[0][0], counts[1][0], min(oldest, default=None))


def count_queued_notices(store: Store) -> int:
    """Return how many notices, stops too, wait to be sent."""
    return int(store.rows("SELECT count(*) FROM notices WHERE status = 'queued'")[0][0])


def report_holds(store: Store) -> Iterator[dict[str, Any]]:
    """Return a row for each hold: accounts that it keeps back, and those that it had an agency stop, with dollars.

    An account with several holds counts under each; the row (all) of what is not placed counts it once. What is not
    placed is as the account's last decision found it.
    """
    held: dict[tuple[str, str], list[int]] = {}
    for _, cents, text in store.execute(_HELD):
        holds = _holds_alone(json.loads(text))
        for name in (*sorted(holds), *([ALL] if holds else [])):
            _add(held, (NOT_PLACED, name), cents)
    for status, reason, cents in store.execute(_STOPPED):
        _add(held, (SUSPENDED if status == "suspended" else RECALLED, reason), cents)
    places = list(PLACES)
    for where, name in sorted(held, key=lambda key: (places.index(key[0]), key[1] == ALL, key[1])):
        accounts, cents = held[where, name]
        yield {"where": where, "hold": name, "accounts": accounts, "dollars": from_cents(cents)}


def _add(held: dict[tuple[str, str], list[int]], key: tuple[str, str], cents: int) -> None:
    sums = held.setdefault(key, [0, 0])
    sums[0] += 1
    sums[1] += cents


def _holds_alone(reasons: Iterable[dict[str, Any]]) -> set[str]:
    """Return the holds that alone keep an account from an agency; none when no rule would place it anyway."""
    holds: set[str] = set()
    satisfied: dict[str, bool] = {}
    for each in reasons:
        if each["rule"] == HOLDS:
            if not each["held"]:
                holds.add(str(each["found"]).partition(":")[0])
        else:
            satisfied[each["rule"]] = satisfied.get(each["rule"], True) and bool(each["held"])
    would_be_placed = satisfied.pop(COMMON, True) and any(satisfied.values())
    return holds if would_be_placed else set()
