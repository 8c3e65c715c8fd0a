"""Accounts and placements put straight into the tables, for the tests of what is counted: every person is invented."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from decimal import Decimal

from hl7bridge.ledger.account import fold_entries, new_account
from hl7bridge.mapping.records import Entry
from hl7bridge.money import to_cents
from hl7bridge.storage.accounts import insert_account
from hl7bridge.storage.database import Store
from hl7bridge.storage.entries import insert_entries
from hl7bridge.times import utc_text

TODAY = dt.date(2026, 3, 2)
NOW = dt.datetime(2026, 3, 2, 14, 0, tzinfo=dt.UTC)
NOW_TEXT = "2026-03-02T14:00:00.000Z"
LATER = "2026-03-03T14:00:00.000Z"
HELD = "signal: told"


def days_ago(days: int) -> dt.date:
    """Return a day before TODAY."""
    return TODAY - dt.timedelta(days=days)


def at(**before: float) -> str:
    """Return the time so long before NOW, as it is stored."""
    return utc_text(NOW - dt.timedelta(**before))


def entry(amount: str, days: int, kind: str = "CG", payer: str = "unknown") -> Entry:
    """Return an entry of so many days ago."""
    return Entry(kind=kind, amount=Decimal(amount), payer=payer, service_on=days_ago(days))


def put(
    store: Store, number: str, *entries: Entry, facility: str = "NORTHGATE", status: str = "open", **changes: object
) -> int:
    """Store an account with its entries, and return its id."""
    told = list(entries) or [entry("150.00", 160)]
    state = new_account(facility, number, as_of="20260301", message_id=1)._replace(status=status)
    state = fold_entries(state, told)._replace(**changes)
    with store.transaction():
        account_id = insert_account(store, state, NOW_TEXT)
        insert_entries(store, account_id, told, source="TEST|NORTHGATE", recorded_at=NOW_TEXT)
    return account_id


def decided(
    store: Store,
    account_id: int,
    reasons: Iterable[tuple[str, str, str, str, bool]] = (),
    *,
    eligible: bool = True,
    rule: str = "aged",
    as_of: dt.date = TODAY,
    decided_at: str = NOW_TEXT,
) -> int:
    """Store a decision with reasons (rule, fact, wanted, found, held), and return its id."""
    named = [dict(zip(("rule", "fact", "wanted", "found", "held"), each, strict=True)) for each in reasons]
    with store.transaction():
        return store.insert(
            "INSERT INTO decisions (account_id, as_of, decided_at, rules_version, rule, agency, eligible, balance,"
            " reasons) VALUES (?, ?, ?, 'v', ?, 'sample', ?, 0, ?)",
            (account_id, as_of.isoformat(), decided_at, rule, int(eligible), json.dumps(named)),
        )


def placed(
    store: Store,
    account_id: int,
    status: str = "active",
    balance: str = "150.00",
    *,
    agency: str = "sample",
    tier: str = "primary",
    decided_at: str = NOW_TEXT,
    decision_id: int | None = None,
    **more: object,
) -> int:
    """Store a placement, and return its id; what was sent or acknowledged says when in ``more``."""
    decision_id = decision_id or decided(store, account_id, decided_at=decided_at)
    columns = {
        "account_id": account_id, "decision_id": decision_id, "agency": agency, "tier": tier, "rule": "aged",
        "sequence": 1, "status": status, "balance": to_cents(Decimal(balance)), "decided_at": decided_at,
        "updated_at": NOW_TEXT, **more,
    }  # fmt: skip
    marks = ", ".join("?" * len(columns))
    with store.transaction():
        return store.insert(f"INSERT INTO placements ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))


def acknowledged(store: Store, account_id: int, balance: str = "150.00", status: str = "active", **more: object) -> int:
    """Store a placement that the agency has acknowledged."""
    times = {"sent_at": NOW_TEXT, "acknowledged_at": NOW_TEXT}
    return placed(store, account_id, status, balance, **{**times, **more})


def noticed(store: Store, placement_id: int, kind: str, *, amount: str = "", **more: object) -> int:
    """Store a notice of a placement: queued now, unless ``more`` says otherwise."""
    columns = {
        "placement_id": placement_id, "agency": "sample", "kind": kind,
        "is_stop": int(kind in {"suspend", "recall", "close"}), "reason": "charity",
        "content": json.dumps({"amount": amount} if amount else {}), "cause": "message 1", "event_at": NOW_TEXT,
        "status": "queued", **more,
    }  # fmt: skip
    marks = ", ".join("?" * len(columns))
    with store.transaction():
        return store.insert(f"INSERT INTO notices ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))
