"""Placements -> counts and dollars made, placed, rejected and taken back, and how long each step took."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from hl7bridge.money import from_cents
from hl7bridge.placement.state import Status
from hl7bridge.storage.database import Store
from hl7bridge.storage.reporting import ALL, Period, Spread, days_between, seconds_between

MONTH: Final = "month"
GROUPS: Final = ("agency", "facility", "rule", "tier", "share", MONTH)
NO_SHARE: Final = "(none)"

# The states that every placement is counted under, exactly one each: together they are all that were made.
WAITING, WITHDRAWN, UNACKNOWLEDGED, REJECTED, PLACED = (
    "waiting", "withdrawn", "unacknowledged", "rejected", "placed",
)  # fmt: skip
STATES: Final = (WAITING, WITHDRAWN, UNACKNOWLEDGED, REJECTED, PLACED)
_AT_WORK: Final = frozenset({Status.SENT, Status.SUSPENDED, Status.RECALL_PENDING})
# Closed for one of these, an account was never collectable. Source: collections.md 5, "Net placed".
NOT_COLLECTABLE: Final = ("bankruptcy", "charity", "deceased")
_OVER: Final = "'recalled', 'returned', 'settled', 'cancelled'"
_COLUMNS: Final = (
    "p.agency, a.facility, p.rule, p.tier, p.share, p.decided_at, p.status, p.acknowledged_at,"
    " p.balance, p.acknowledged_balance, a.last_service_on, d.as_of,"
    f" p.status = 'recalled' OR (p.status IN ({_OVER}) AND EXISTS (SELECT 1 FROM notices n WHERE"
    " n.placement_id = p.id AND n.is_stop = 1 AND n.status <> 'cancelled'"
    f" AND n.reason IN ({', '.join('?' * len(NOT_COLLECTABLE))})))"
)
_FROM: Final = (
    " FROM placements p JOIN accounts a ON a.id = p.account_id JOIN decisions d ON d.id = p.decision_id"
    " WHERE p.decided_at >= ? AND p.decided_at < ? ORDER BY p.id"
)
_STEPS: Final = (
    "SELECT p.agency, p.decided_at, p.sent_at, p.acknowledged_at, p.rule, p.frozen, p.snapshot, a.last_payment_on,"
    f" a.last_service_on, d.as_of, d.reasons{_FROM}"
)
_AT_LEAST: Final = re.compile(r"at least (\d+)(?: days)?")
_DAYS: Final = "days"
LAGS: Final = {
    "payment_to_decision": _DAYS,
    "service_to_decision": _DAYS,
    "eligible_to_decision": _DAYS,
    "decision_to_sent": "seconds",
    "sent_to_acknowledged": "seconds",
    "decision_to_acknowledged": "seconds",
}


class _Sums:
    """What is counted of one group of placements. Cents."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(STATES, 0)
        self.cents = dict.fromkeys(STATES, 0)
        self.made_cents = 0
        self.taken_back = self.taken_back_cents = 0
        self.ages = Spread()

    def row(self) -> dict[str, Any]:
        """Return the figures of the group as a report has them."""
        counts, cents = self.counts, self.cents
        placed = counts[PLACED]
        row: dict[str, Any] = {"made": sum(counts.values()), "made_dollars": from_cents(self.made_cents)}
        for state in STATES:
            row |= {state: counts[state], f"{state}_dollars": from_cents(cents[state])}
        average = (cents[PLACED] + placed // 2) // placed if placed else 0
        row |= {
            "average_dollars": from_cents(average),
            "average_age_days": self.ages.mean(),
            "taken_back": self.taken_back,
            "taken_back_dollars": from_cents(self.taken_back_cents),
            "net_placed_dollars": from_cents(cents[PLACED] - self.taken_back_cents),
        }
        return row


def report_placements(store: Store, period: Period, *, by: str, zone: str) -> Iterator[dict[str, Any]]:
    """Return a row for each value of one of GROUPS, of the placements made in a period.

    A month is a zone's; what no allocation placed has no share.
    """
    groups: dict[str, _Sums] = {}
    local = ZoneInfo(zone)
    for row in store.execute(f"SELECT {_COLUMNS}{_FROM}", (*NOT_COLLECTABLE, *period)):
        if by == MONTH:
            group = dt.datetime.fromisoformat(row[5]).astimezone(local).strftime("%Y-%m")
        else:
            group = row[GROUPS.index(by)] or NO_SHARE
        sums = groups.get(group)
        if sums is None:
            sums = groups[group] = _Sums()
        _count(sums, row[6:])
    for name in sorted(groups):
        yield {by: name, **groups[name].row()}


def _count(sums: _Sums, row: tuple[Any, ...]) -> None:
    status, acknowledged_at, balance, acknowledged_balance, served_on, as_of, is_taken_back = row
    state = placement_state(Status(status), is_acknowledged=acknowledged_at is not None)
    cents = balance
    if state == PLACED:
        cents = balance if acknowledged_balance is None else acknowledged_balance
        if served_on is not None:
            sums.ages.add(days_between(served_on, as_of))
        if is_taken_back:
            sums.taken_back += 1
            sums.taken_back_cents += cents
    sums.counts[state] += 1
    sums.made_cents += balance
    sums.cents[state] += cents


def placement_state(status: Status, *, is_acknowledged: bool) -> str:
    """Return which of STATES a placement is counted under: placed is what the agency has acknowledged, for good."""
    if is_acknowledged:
        return PLACED
    if status in {Status.REVIEW, Status.QUEUED}:
        return WAITING
    if status in _AT_WORK:
        return UNACKNOWLEDGED
    return REJECTED if status is Status.REJECTED else WITHDRAWN


def report_lag(store: Store, period: Period) -> Iterator[dict[str, Any]]:
    """Return a row for each agency and step: how many, and the median, 90th of 100 and longest of days or seconds."""
    agencies: dict[str, dict[str, Spread]] = {}
    every = {step: Spread() for step in LAGS}
    for agency, *row in store.execute(_STEPS, tuple(period)):
        own = agencies.setdefault(agency, {step: Spread() for step in LAGS})
        for step, length in _steps(row):
            own[step].add(length)
            every[step].add(length)
    for name, spreads in (*sorted(agencies.items()), *([(ALL, every)] if agencies else [])):
        for step, unit in LAGS.items():
            spread = spreads[step]
            yield {
                "agency": name,
                "step": step,
                "unit": unit,
                "placements": spread.count,
                "p50": spread.percentile(50),
                "p90": spread.percentile(90),
                "longest": spread.longest(),
            }


def _steps(row: list[Any]) -> Iterator[tuple[str, int]]:
    decided_at, sent_at, acknowledged_at, rule, frozen, snapshot, paid_on, served_on, as_of, reasons = row
    paid_on = _last_payment(frozen, snapshot, paid_on)
    if paid_on:
        yield "payment_to_decision", days_between(paid_on, as_of)
    if served_on:
        yield "service_to_decision", days_between(served_on, as_of)
    since = _days_eligible(reasons, rule)
    if since is not None:
        yield "eligible_to_decision", since
    if sent_at:
        yield "decision_to_sent", seconds_between(decided_at, sent_at)
    if sent_at and acknowledged_at:
        yield "sent_to_acknowledged", seconds_between(sent_at, acknowledged_at)
        yield "decision_to_acknowledged", seconds_between(decided_at, acknowledged_at)


def _last_payment(frozen: str | None, snapshot: str | None, known: str | None) -> str | None:
    """Return the last payment's day as it was when the account was placed; before that, as it is known now."""
    for text in (frozen, snapshot):
        values = json.loads(text) if text else {}
        values = values.get("values", values)
        if "last_payment_on" in values:
            day: str = values["last_payment_on"]
            return day
    return known


def _days_eligible(reasons: str, rule: str) -> int | None:
    """Return since how many days the rule's own counts of days were all reached; None when it counts none."""
    past = [
        int(each["found"]) - int(wanted[1])
        for each in json.loads(reasons)
        if each["rule"] == rule
        and str(each["fact"]).startswith("days_")
        and each["held"]
        and (wanted := _AT_LEAST.fullmatch(each["wanted"]))
        and str(each["found"]).isdigit()
    ]
    return min(past, default=None)


def total_row(rows: list[dict[str, Any]], by: str) -> dict[str, Any]:
    """Return the sums of counts and dollars of a report's rows; averages have none."""
    numbers = {
        name: sum((row[name] for row in rows), type(value)(0))
        for name, value in rows[0].items()
        if isinstance(value, int | Decimal) and not name.startswith("average")
    }
    return {by: ALL, **numbers}
