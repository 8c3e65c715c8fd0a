"""Reports on placements and how long they took: every figure is one that a person can count by hand."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from report_samples import NOW_TEXT, TODAY, acknowledged, at, days_ago, decided, entry, noticed, placed, put

from hl7bridge.placement.state import Status
from hl7bridge.storage.reporting import Period, Spread, days_between, period_of, seconds_between
from hl7bridge.storage.reporting_placements import (
    GROUPS,
    LAGS,
    STATES,
    placement_state,
    report_lag,
    report_placements,
    total_row,
)

ZONE = "America/Chicago"
EVERY = Period()


def placements(store, by="agency", period=EVERY) -> dict[str, dict]:
    return {row[by]: row for row in report_placements(store, period, by=by, zone=ZONE)}


def lags(store, period=EVERY) -> dict[tuple[str, str], tuple]:
    return {
        (row["agency"], row["step"]): (row["placements"], row["p50"], row["p90"], row["longest"])
        for row in report_lag(store, period)
    }


@pytest.mark.parametrize(
    ("lengths", "p50", "p90", "p99", "mean", "longest"),
    [
        ([], None, None, None, None, None),
        ([7], 7, 7, 7, 7.0, 7),
        ([1, 2, 3, 4], 2, 4, 4, 2.5, 4),
        ([5, -3], 0, 5, 5, 2.5, 5),
        (list(range(1, 101)), 50, 90, 99, 50.5, 100),
    ],
)
def test_percentiles_are_by_nearest_rank(lengths, p50, p90, p99, mean, longest):
    """So each is a length that was measured."""
    spread = Spread()
    for length in lengths:
        spread.add(length)
    assert (spread.percentile(50), spread.percentile(90), spread.percentile(99)) == (p50, p90, p99)
    assert (spread.count, spread.mean(), spread.longest()) == (len(lengths), mean, longest)


def test_a_period_is_of_whole_days_in_the_reports_zone():
    """Also on the day the clocks change, which has 23 hours in Chicago."""
    day = dt.date(2026, 3, 8)
    assert period_of(day, day, ZONE) == ("2026-03-08T06:00:00.000Z", "2026-03-09T05:00:00.000Z")
    assert period_of(None, None, ZONE) == EVERY
    assert EVERY.start < NOW_TEXT < EVERY.end
    assert seconds_between(at(hours=1), NOW_TEXT) == 3600
    assert days_between("2024-02-28", "2024-03-01") == 2


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.ELIGIBLE])
def test_every_placement_is_in_one_state(status):
    """Placed is what an agency has acknowledged, whatever came after; nothing else is."""
    assert placement_state(status, is_acknowledged=True) == "placed"
    state = placement_state(status, is_acknowledged=False)
    assert state in STATES
    assert state != "placed"


@pytest.fixture
def placing(store):
    """Return a store with a placement in every state, of two agencies and two facilities."""
    one = put(store, "A1")
    acknowledged(store, one, status="paid_in_full", tier="secondary", acknowledged_balance=15000)
    acknowledged(store, put(store, "A2", facility="SOUTHGATE"), status="recalled", agency="other")
    charity = acknowledged(store, put(store, "A3", last_service_on=None), "20.00", status="returned")
    noticed(store, charity, "suspend", reason="charity", status="acknowledged")
    acknowledged(store, put(store, "A4"), "90.01", status="returned", acknowledged_balance=9000)
    placed(store, put(store, "A5"), "queued", "1.00", decided_at=at(days=40))
    placed(store, put(store, "A6"), "cancelled", "2.00")
    placed(store, put(store, "A7"), "suspended", "4.00", sent_at=NOW_TEXT)
    placed(store, put(store, "A8"), "rejected", "8.00", sent_at=NOW_TEXT)
    return store


def test_what_was_made_is_waiting_withdrawn_unacknowledged_rejected_or_placed(placing):
    """The counts foot; placed dollars are what the agency acknowledged; net of what was never collectable."""
    row = placements(placing)["sample"]
    assert row["made"] == 7 == sum(row[state] for state in STATES)
    assert [row[state] for state in STATES] == [1, 1, 1, 1, 3]
    assert row["made_dollars"] == Decimal("275.01")
    assert row["placed_dollars"] == Decimal("260.00")
    assert row["average_dollars"] == Decimal("86.67")
    assert row["average_age_days"] == 160.0
    assert (row["taken_back"], row["taken_back_dollars"]) == (1, Decimal("20.00"))
    assert row["net_placed_dollars"] == Decimal("240.00")
    other = placements(placing)["other"]
    assert (other["placed"], other["net_placed_dollars"]) == (1, Decimal("0.00"))


def test_the_dollars_made_are_those_of_the_placements(placing):
    """However they are grouped."""
    in_store = placing.row("SELECT sum(balance) FROM placements")[0]
    for by in GROUPS:
        rows = list(report_placements(placing, EVERY, by=by, zone=ZONE))
        total = total_row(rows, by)
        assert total["made_dollars"] == Decimal(in_store) / 100, by
        assert total["made"] == 8
        assert "average_dollars" not in total
    assert set(placements(placing, "facility")) == {"NORTHGATE", "SOUTHGATE"}
    assert set(placements(placing, "tier")) == {"primary", "secondary"}
    assert set(placements(placing, "rule")) == {"aged"}
    placed(placing, 5, "cancelled", share="challenger")
    assert {name: row["made"] for name, row in placements(placing, "share").items()} == {"(none)": 8, "challenger": 1}


def test_months_and_periods_are_of_the_day_of_the_decision(placing):
    """In the reports' zone."""
    assert {month: row["made"] for month, row in placements(placing, "month").items()} == {"2026-01": 1, "2026-03": 7}
    assert placements(placing, period=period_of(TODAY, TODAY, ZONE))["sample"]["made"] == 6
    assert placements(placing, period=period_of(None, days_ago(1), ZONE))["sample"]["made"] == 1
    before = Period(end="2000")
    assert (placements(placing, period=before), lags(placing, before)) == ({}, {})


def test_a_stop_that_was_cancelled_takes_nothing_back(store):
    """It was of a placement that the agency never got."""
    number = acknowledged(store, put(store, "A1"), status="returned")
    noticed(store, number, "suspend", reason="charity", status="cancelled")
    noticed(store, number, "suspend", reason="dispute", status="acknowledged")
    assert placements(store)["sample"]["taken_back"] == 0


def test_each_step_is_measured_where_both_of_its_ends_are_known(store):
    """Days to the decision, seconds from there on; the 90th of 100 is of all agencies too."""
    paid = [entry("200.00", 160), entry("50.00", 100, "PY", "patient")]
    reasons = [
        ("aged", "days_without_payment", "at least 90", "100", True),
        ("aged", "balance", "at least 10.00", "150.00", True),
        ("aged", "days_since_discharge", "at most 400", "160", True),
        ("other", "days_without_payment", "at least 30", "100", True),
    ]
    one = put(store, "A1", *paid)
    acknowledged(
        store,
        one,
        decision_id=decided(store, one, reasons),
        sent_at=at(seconds=-60),
        acknowledged_at=at(hours=-1, seconds=-60),
    )
    placed(store, put(store, "A2", last_service_on=None), "queued", agency="other")
    found = lags(store)
    assert found["sample", "payment_to_decision"] == (1, 100, 100, 100)
    assert found["sample", "service_to_decision"] == (1, 160, 160, 160)
    assert found["sample", "eligible_to_decision"] == (1, 10, 10, 10)
    assert found["sample", "decision_to_sent"] == (1, 60, 60, 60)
    assert found["sample", "sent_to_acknowledged"] == (1, 3600, 3600, 3600)
    assert found["sample", "decision_to_acknowledged"] == (1, 3660, 3660, 3660)
    assert found["other", "decision_to_sent"] == (0, None, None, None)
    assert found["(all)", "decision_to_sent"] == (1, 60, 60, 60)
    assert {step for _, step in found} == set(LAGS)


@pytest.mark.parametrize("column", ["frozen", "snapshot"])
def test_the_last_payment_is_the_one_of_then(store, column):
    """Not one that came since, and none when there was none."""
    paid = [entry("200.00", 160), entry("50.00", 1, "PY", "patient")]
    for number, day in (("A1", days_ago(50).isoformat()), ("A2", "")):
        told = json.dumps({"last_payment_on": day})
        placed(store, put(store, number, *paid), "sent", **{column: told, "sent_at": NOW_TEXT})
    placed(store, put(store, "A3", *paid), "sent", **{column: '{"balance":"1.00"}', "sent_at": NOW_TEXT})
    assert lags(store)["sample", "payment_to_decision"] == (2, 1, 50, 50)
