"""Reports read what there is row by row: ten times the accounts take no more memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from report_samples import NOW_TEXT, TODAY, acknowledged, noticed, put

from hl7bridge.storage.reporting import Period
from hl7bridge.storage.reporting_agencies import report_reconciliation, summarize
from hl7bridge.storage.reporting_money import BASES, report_aging
from hl7bridge.storage.reporting_placements import report_lag, report_placements
from hl7bridge.storage.reporting_stops import report_holds, report_stops

MOST_BYTES = 100_000  # 2,000 accounts, as rows, would be ten times as much
COPIED = {
    "accounts": ("id", "number"),
    "decisions": ("id", "account_id"),
    "placements": ("id", "account_id", "decision_id"),
    "notices": ("id", "placement_id"),
}


@pytest.fixture
def large(store):
    """Return a store of 2,000 accounts that are placed and stopped: one of them, again and again."""
    noticed(store, acknowledged(store, put(store, "A1")), "suspend", status="sent", sent_at=NOW_TEXT)
    numbers = "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
    with store.transaction():
        for table, own in COPIED.items():
            others = [row[1] for row in store.rows(f"PRAGMA table_info({table})") if row[1] not in own]
            names = ", ".join((*own, *others))
            values = ", ".join(("n.i",) * len(own) + tuple(f"t.{name}" for name in others))
            store.execute(f"INSERT INTO {table} ({names}) {numbers} SELECT {values} FROM n JOIN {table} t ON t.id = 1")
    return store


def test_no_report_holds_the_rows_that_it_counts(large):
    """Each is read to its end."""
    period = Period()
    reports: list[Callable[[], Any]] = [
        *(lambda by=by: report_aging(large, lambda _: TODAY, by=by) for by in BASES),
        lambda: report_placements(large, period, by="month", zone="UTC"),
        lambda: report_lag(large, period),
        lambda: report_stops(large, period),
        lambda: report_holds(large),
        lambda: report_reconciliation(large, period, NOW_TEXT),
        lambda: summarize(large),
    ]
    for report in reports:
        list(report())  # what the program keeps for good, as compiled texts, is made now
        tracemalloc.start()
        list(report())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < MOST_BYTES
    (row,) = report_placements(large, period, by="agency", zone="UTC")
    assert row["placed"] == 2000
