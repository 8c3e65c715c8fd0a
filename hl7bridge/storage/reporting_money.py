"""Open accounts -> their balances by age, in buckets whose dollars are the ledger's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, Final

from hl7bridge.money import from_cents
from hl7bridge.rules.signals import is_day
from hl7bridge.storage.database import Store
from hl7bridge.storage.signals import read_signals

# The last day of each bucket. Source: collections.md 5, "aging buckets".
_LAST_DAYS: Final = (30, 60, 90, 120, 180, 365)
UNKNOWN: Final = "unknown"
_STATEMENT: Final = "first_statement"
_SEVERAL: Final = "several"  # which of them is in force is not a matter of SQL
_FIRST_STATEMENT: Final = (
    f"(SELECT CASE count(*) WHEN 0 THEN NULL WHEN 1 THEN max(s.value) ELSE '{_SEVERAL}' END FROM signals s"
    f" WHERE s.account_id = a.id AND s.name = '{_STATEMENT}')"
)
BASES: Final = {
    "service": "a.last_service_on",
    "discharge": "a.discharged_on",
    "statement": _FIRST_STATEMENT,
    "payment": "a.last_payment_on",
}
_OPEN: Final = (
    "SELECT a.id, a.facility, a.charges - a.payments - a.adjustments, {}, EXISTS (SELECT 1 FROM placements p"
    " WHERE p.account_id = a.id AND p.status IN ('sent', 'acknowledged', 'active', 'suspended', 'recall_pending'))"
    " FROM accounts a WHERE a.status = 'open' AND a.charges <> a.payments + a.adjustments ORDER BY a.id"
)


def bucket_names() -> tuple[str, ...]:
    """Return the names of the buckets, youngest first: ``0-30`` days, and so on; ``unknown`` has no day to count."""
    first = (0, *(day + 1 for day in _LAST_DAYS))
    names = [f"{start}-{last}" for start, last in zip(first, _LAST_DAYS, strict=False)]
    return (*names, f"{first[-1]}+", UNKNOWN)


def report_aging(store: Store, today_of: Callable[[str], dt.date], *, by: str) -> Iterator[dict[str, Any]]:
    """Return a row for each bucket of days since ``by`` (one of BASES), in each facility's own day.

    Every open account whose balance is not zero is in exactly one: the dollars of all rows are the ledger's.
    """
    names = bucket_names()
    sums = {name: [0] * 6 for name in names}
    for account_id, facility, cents, told, is_placed in store.execute(_OPEN.format(BASES[by])):
        day = read_signals(store, account_id)[_STATEMENT].value if told == _SEVERAL else told
        bucket = UNKNOWN
        if day is not None and is_day(day):
            bucket = names[_bucket((today_of(facility) - dt.date.fromisoformat(day)).days)]
        found = sums[bucket]
        found[0] += 1
        found[1 if cents > 0 else 2] += cents
        found[3] += cents
        if is_placed:
            found[4] += 1
            found[5] += cents
    for name, (accounts, owed, credit, total, placed, placed_cents) in sums.items():
        yield {
            "days": name,
            "accounts": accounts,
            "owed_dollars": from_cents(owed),
            "credit_dollars": from_cents(credit),
            "dollars": from_cents(total),
            "with_agency": placed,
            "with_agency_dollars": from_cents(placed_cents),
        }


def _bucket(days: int) -> int:
    """Return which bucket so many days are in; a day that is still to come is in the first."""
    return next((number for number, last in enumerate(_LAST_DAYS) if days <= last), len(_LAST_DAYS))
