"""What agencies reported on a day -> how much of it is posted, and item by item what is not; frozen once it is closed.

A payment belongs to the day on which it was received, one that waited in suspense to the day on which that began.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from hl7bridge.errors import RefusedError
from hl7bridge.money import cents_text, from_cents, to_cents
from hl7bridge.storage.database import Store
from hl7bridge.storage.reporting import Period, period_of
from hl7bridge.times import utc_text

STATES: Final = ("posted", "refused", "unknown", "waiting", "suspense", "returned")
_STATE_OF: Final = {
    "received": "waiting", "queued": "waiting", "sent": "waiting", "posted": "posted", "refused": "refused",
    "unknown": "unknown", "open": "suspense", "returned": "returned",
}  # fmt: skip
SETTLING: Final = dt.timedelta(minutes=5)  # a payment is stored within this of the time that it says
_OF_PAYMENT: Final = (
    "c.delivery_id, p.echoed_at IS NOT NULL, CASE WHEN p.taken_back_at IS NOT NULL THEN p.amount"
    " ELSE (SELECT sum(r.amount) FROM payments r WHERE r.reverses = p.id) END"
)
_ITEMS: Final = (
    f"SELECT p.received_at, a.facility, p.agency, p.kind, p.amount, p.fee, p.status, p.id, NULL, {_OF_PAYMENT}"
    " FROM payments p JOIN accounts a ON a.id = p.account_id LEFT JOIN delivery_payments c ON c.payment_id = p.id"
    " WHERE p.received_at >= ? AND p.received_at < ?"
    " AND NOT EXISTS (SELECT 1 FROM suspense s WHERE s.payment_id = p.id) UNION ALL"
    " SELECT s.opened_at, coalesce(a.facility, s.facility), s.agency, s.kind, s.amount, s.fee,"
    f" coalesce(p.status, s.status), p.id, s.id, {_OF_PAYMENT}"
    " FROM suspense s LEFT JOIN payments p ON p.id = s.payment_id LEFT JOIN accounts a ON a.id = p.account_id"
    " LEFT JOIN delivery_payments c ON c.payment_id = p.id WHERE s.opened_at >= ? AND s.opened_at < ?"
)
_NOW: Final = (
    "SELECT coalesce((SELECT p.status FROM payments p WHERE p.id = coalesce(?, (SELECT s.payment_id FROM suspense s"
    " WHERE s.id = ?))), (SELECT s.status FROM suspense s WHERE s.id = ?))"
)
_WHOLE: Final = ("", "")  # facility and agency of the row that closes the day as such
_ORDER: Final = ("payment", "adjustment", "reversal")


class _Item(NamedTuple):
    """One payment, or one that waits in suspense; ``amount``, ``fee`` and ``taken_back`` in cents."""

    at: str
    facility: str
    agency: str
    kind: str
    amount: int
    fee: int
    status: str
    payment: int | None
    suspense: int | None
    delivery: int | None
    is_echoed: int
    taken_back: int | None

    @property
    def state(self) -> str:
        return _STATE_OF[self.status]


_Key = tuple[str, str, str, str]  # day, facility, agency, kind


class _Sums:
    """Counts and cents of one day, facility, agency and kind."""

    def __init__(self) -> None:
        self.count = dict.fromkeys(("received", *STATES, "echoed", "reversed"), 0)
        self.cents = dict.fromkeys(("received", *STATES, "echoed", "reversed", "fees"), 0)

    def add(self, item: _Item) -> None:
        """Count an item: received, in its state, and as echoed and reversed if it is."""
        self._add("received", item.amount)
        self._add(item.state, item.amount)
        self.cents["fees"] += item.fee
        if item.is_echoed:
            self._add("echoed", item.amount)
        if item.taken_back is not None:
            self._add("reversed", item.taken_back)

    def _add(self, name: str, cents: int) -> None:
        self.count[name] += 1
        self.cents[name] += cents

    def row(self, key: _Key) -> dict[str, Any]:
        """Return the row of a report, money in cents."""
        day, facility, agency, kind = key
        row: dict[str, Any] = {"day": day, "facility": facility, "agency": agency, "kind": kind}
        for name in ("received", *STATES):
            row |= {name: self.count[name], f"{name}_dollars": self.cents[name]}
        row["difference_dollars"] = self.cents["received"] - self.cents["posted"]
        for name in ("echoed", "reversed"):
            row |= {name: self.count[name], f"{name}_dollars": self.cents[name]}
        return row | {"fees_dollars": self.cents["fees"], "closed_at": None}


def report_money(store: Store, period: Period, zone: str) -> Iterator[dict[str, Any]]:
    """Return a row for each day, facility, agency and kind; of a day that is closed as it was then.

    received = posted + refused + unknown + waiting + suspense + returned, in payments and in dollars.
    """
    frozen = _closed_days(store, period, zone)
    sums: dict[_Key, _Sums] = {}
    for day, item in _items(store, period, zone):
        if day not in frozen:
            sums.setdefault((day, item.facility, item.agency, item.kind), _Sums()).add(item)
    rows = [each.row(key) for key, each in sums.items()]
    rows += [row for day in frozen for row in _read_frozen(store, day, "rows")]
    for row in sorted(rows, key=_place):
        yield _in_dollars(row)


def report_money_items(store: Store, period: Period, zone: str) -> Iterator[dict[str, Any]]:
    """Return what makes the differences of ``report_money``, one by one; ``now`` is its state at this time."""
    frozen = _closed_days(store, period, zone)
    for day in sorted(frozen):
        for row in _read_frozen(store, day, "items"):
            (now,) = store.rows(_NOW, (row["payment"], row["suspense"], row["suspense"]))[0]
            yield _in_dollars(row) | {"now": _STATE_OF[now]}
    for day, item in _items(store, period, zone):
        if day not in frozen and item.state != "posted":
            yield _in_dollars(_item_row(day, item)) | {"now": item.state}


def close_money_day(store: Store, day: dt.date, zone: str, *, now: dt.datetime, actor: str) -> list[dict[str, Any]]:
    """Freeze the figures of a day that is over, inside the caller's transaction, and return them.

    Raises RefusedError while the day lasts, when it was closed before, and when hours of it were, in another zone.
    """
    period = period_of(day, day, zone)
    if utc_text(now - SETTLING) < period.end:
        raise RefusedError(f"{day.isoformat()} is not over for five minutes in {zone}: its figures can still change")
    text = day.isoformat()
    closed = store.row("SELECT closed_at, closed_by FROM money_days WHERE day = ?", (text,))
    if closed is not None:
        raise RefusedError(f"{text} was closed at {closed[0]} by {closed[1]}")
    for other, figures in store.rows("SELECT day, figures FROM money_days WHERE agency = ''"):
        told = json.loads(figures)
        if told["start"] < period.end and period.start < told["end"]:
            raise RefusedError(f"{text} in {zone} has hours of {other}, which was closed in another time zone")
    at = utc_text(now)
    rows = [_in_cents(row) | {"closed_at": at} for row in report_money(store, period, zone)]
    items = [_item_row(text, item) for _, item in _items(store, period, zone) if item.state != "posted"]
    groups: dict[tuple[str, str], dict[str, Any]] = {_WHOLE: {"start": period.start, "end": period.end}}
    for name, told in (("rows", rows), ("items", items)):
        for row in told:
            group = groups.setdefault((row["facility"], row["agency"]), {"rows": [], "items": []})
            group[name].append(row)
    store.executemany(
        "INSERT INTO money_days (day, facility, agency, figures, closed_at, closed_by) VALUES (?, ?, ?, ?, ?, ?)",
        [(text, *key, json.dumps(figures, separators=(",", ":")), at, actor) for key, figures in groups.items()],
    )
    return [_in_dollars(row) for row in rows]


def changed_days(store: Store) -> Iterator[str]:
    """Yield what is wrong with closed days: an agency's payments of a day are not those that were frozen."""
    for day, figures in store.rows("SELECT day, figures FROM money_days WHERE agency = '' ORDER BY day"):
        told = json.loads(figures)
        frozen: dict[tuple[str, str], list[int]] = {}
        for row in _read_frozen(store, day, "rows"):
            found = frozen.setdefault((row["agency"], row["kind"]), [0, 0])
            found[0] += row["received"]
            found[1] += row["received_dollars"]
        for item in _read_items(store, Period(told["start"], told["end"])):
            found = frozen.setdefault((item.agency, item.kind), [0, 0])
            found[0] -= 1
            found[1] -= item.amount
        for (agency, kind), (count, cents) in sorted(frozen.items()):
            if count or cents:
                yield f"{day}, agency {agency}, {kind}: {-count} more and {cents_text(-cents)} dollars than when closed"


def _items(store: Store, period: Period, zone: str) -> Iterator[tuple[str, _Item]]:
    """Yield the items of a period, each with its day in a zone."""
    hours = ZoneInfo(zone)
    for item in _read_items(store, period):
        yield dt.datetime.fromisoformat(item.at).astimezone(hours).date().isoformat(), item


def _read_items(store: Store, period: Period) -> Iterator[_Item]:
    for row in store.execute(_ITEMS, (*period, *period)):
        yield _Item._make(row)


def _closed_days(store: Store, period: Period, zone: str) -> set[str]:
    """Return the closed days of a period, which is of whole days of a zone."""
    days: set[str] = set()
    for (day,) in store.rows("SELECT DISTINCT day FROM money_days"):
        chosen = dt.date.fromisoformat(day)
        start, end = period_of(chosen, chosen, zone)
        if start >= period.start and end <= period.end:
            days.add(day)
    return days


def _read_frozen(store: Store, day: str, name: str) -> Iterator[dict[str, Any]]:
    sql = "SELECT figures FROM money_days WHERE day = ? AND agency <> '' ORDER BY facility, agency"
    for (figures,) in store.rows(sql, (day,)):
        yield from json.loads(figures)[name]


def _item_row(day: str, item: _Item) -> dict[str, Any]:
    return {
        "day": day, "facility": item.facility, "agency": item.agency, "kind": item.kind, "payment": item.payment,
        "suspense": item.suspense, "delivery": item.delivery, "state": item.state, "dollars": item.amount,
    }  # fmt: skip


def _place(row: dict[str, Any]) -> tuple[str, str, str, int]:
    return row["day"], row["facility"], row["agency"], _ORDER.index(row["kind"])


def _in_dollars(row: dict[str, Any]) -> dict[str, Any]:
    return {name: from_cents(value) if name.endswith("dollars") else value for name, value in row.items()}


def _in_cents(row: dict[str, Any]) -> dict[str, Any]:
    return {name: to_cents(value) if isinstance(value, Decimal) else value for name, value in row.items()}
