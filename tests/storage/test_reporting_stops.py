"""Reports on stops and holds: how long a stop took, which wait, and what holds keep from agencies."""

from __future__ import annotations

from decimal import Decimal

import pytest
from report_samples import NOW_TEXT, acknowledged, at, decided, noticed, placed, put

from hl7bridge.storage.reporting import Period
from hl7bridge.storage.reporting_stops import PLACES, read_stop_state, report_holds, report_stops

HOLDS_REASON = ("holds", "holds", "none", "{}: told (a signal)", False)
COMMON = ("common", "balance", "at least 25.00", "150.00", True)
AGED = ("aged", "days_without_payment", "at least 90", "160", True)


def stops(store, period=None) -> dict[tuple[str, str], dict]:
    return {(row["agency"], row["reason"]): row for row in report_stops(store, period or Period())}


def holds(store) -> list[tuple[str, str, int, str]]:
    return [(row["where"], row["hold"], row["accounts"], str(row["dollars"])) for row in report_holds(store)]


def held_by(*names: str) -> list[tuple]:
    return [(*HOLDS_REASON[:3], HOLDS_REASON[3].format(name), False) for name in names]


def stop(store, placement, seconds: float, *, reason="charity", acknowledged_after: int | None = None, **more) -> None:
    """Store a stop that was sent so many seconds after its event."""
    times = {"event_at": at(hours=2), "sent_at": at(hours=2, seconds=-seconds), "status": "sent"}
    if acknowledged_after is not None:
        times |= {"acknowledged_at": at(hours=2, seconds=-acknowledged_after), "status": "acknowledged"}
    noticed(store, placement, "suspend", reason=reason, **{**times, **more})


def test_nothing_stopped_is_nothing_to_report(store):
    """Nor does anything wait."""
    assert stops(store) == {}
    assert holds(store) == []
    assert read_stop_state(store) == (0, 0, None)


def test_time_to_stop_is_from_the_event_to_the_file_and_to_the_agencys_word(store):
    """The median and the 99th of 100, in seconds, by reason and of all."""
    number = acknowledged(store, put(store, "A1"))
    for seconds in range(1, 101):
        stop(store, number, seconds, acknowledged_after=10 * seconds)
    stop(store, number, 1000, reason="dispute")
    noticed(store, number, "recall", reason="dispute", event_at=at(hours=3))
    noticed(store, number, "close", reason="dispute", status="cancelled", acknowledged_at=NOW_TEXT)
    noticed(store, number, "payment", reason="", amount="5.00")
    charity = stops(store)["sample", "charity"]
    assert (charity["stops"], charity["acknowledged"]) == (100, 100)
    assert (charity["sent_p50"], charity["sent_p99"], charity["sent_longest"]) == (50, 99, 100)
    assert (charity["acknowledged_p50"], charity["acknowledged_p99"]) == (500, 990)
    dispute = stops(store)["sample", "dispute"]
    assert [dispute[name] for name in ("stops", "queued", "unacknowledged", "cancelled")] == [3, 1, 1, 1]
    assert (dispute["sent_p50"], dispute["acknowledged_p50"], dispute["withdrawn"]) == (1000, None, None)
    assert list(stops(store))[-1] == ("sample", "(all)")
    assert stops(store)["sample", "(all)"]["stops"] == 103
    assert read_stop_state(store) == (1, 1, at(hours=3))


def test_times_are_told_to_a_tenth_of_a_second(store):
    """A stop is a matter of less than a second."""
    stop(store, acknowledged(store, put(store, "A1")), 0.449)
    assert stops(store)["sample", "charity"]["sent_p99"] == 0.4


def test_a_period_is_of_the_events(store):
    """Not of when they were sent."""
    number = acknowledged(store, put(store, "A1"))
    stop(store, number, 5)
    assert stops(store, Period(at(hours=2), at(hours=1)))["sample", "charity"]["stops"] == 1
    assert stops(store, Period(at(hours=1), NOW_TEXT)) == {}


def test_what_was_cancelled_before_it_was_sent_needed_no_stop(store):
    """It is told beside the stops of its agency, also when there were none."""
    number = placed(store, put(store, "A1"), "cancelled", agency="other")
    with store.transaction():
        store.execute(
            "INSERT INTO placement_events (placement_id, at, actor, from_status, to_status, reason)"
            " VALUES (?, ?, 'daemon', 'queued', 'cancelled', 'holds')",
            (number, NOW_TEXT),
        )
    row = stops(store)["other", "(all)"]
    assert (row["withdrawn"], row["stops"], row["sent_p50"]) == (1, 0, None)


def test_a_hold_counts_what_it_alone_keeps_back(store):
    """As the last decision found it; the row of all counts an account with two holds once."""
    both = put(store, "A1")
    decided(store, both, [*held_by("charity"), COMMON, AGED], eligible=False)
    decided(store, both, [*held_by("charity", "dispute"), COMMON, AGED], eligible=False)
    decided(store, put(store, "A2"), [*held_by("dispute"), COMMON, AGED], eligible=False)
    assert holds(store) == [
        ("not_placed", "charity", 1, "150.00"),
        ("not_placed", "dispute", 2, "300.00"),
        ("not_placed", "(all)", 2, "300.00"),
    ]


@pytest.mark.parametrize(
    "reasons",
    [
        [*held_by("charity"), (*COMMON[:4], False), AGED],
        [*held_by("charity"), COMMON, (*AGED[:4], False), AGED],
        [*held_by("charity"), COMMON],
        [("holds", "holds", "none", "none", True), COMMON, (*AGED[:4], False)],
    ],
    ids=["too little", "half a rule", "no rule", "no hold"],
)
def test_what_no_rule_would_place_no_hold_keeps_back(store, reasons):
    """It is not eligible anyway."""
    decided(store, put(store, "A1"), reasons, eligible=False)
    assert holds(store) == []


def test_what_is_closed_or_placed_is_not_kept_back(store):
    """Whatever an earlier decision said."""
    for number, status in (("A1", "closed"), ("A2", "open")):
        decided(store, put(store, number, status=status), [*held_by("charity"), AGED], eligible=False)
    placed(store, 2, "queued")
    assert holds(store) == []


def test_suspended_and_recalled_placements_are_told_by_the_hold_that_stopped_them(store):
    """The newest stop that was not cancelled says which; a stop that a person asked for is one too."""
    one = acknowledged(store, put(store, "A1"), status="suspended")
    noticed(store, one, "suspend", reason="dispute")
    noticed(store, one, "suspend", reason="charity")
    noticed(store, one, "suspend", reason="attorney", status="cancelled")
    two = acknowledged(store, put(store, "A2"), status="recall_pending")
    noticed(store, two, "recall", reason="bankruptcy")
    assert holds(store) == [("suspended", "charity", 1, "150.00"), ("recalled", "bankruptcy", 1, "150.00")]
    assert set(PLACES) == {"not_placed", "suspended", "recalled"}
    assert sum((row["dollars"] for row in report_holds(store)), Decimal(0)) == Decimal("300.00")
