"""The shipped rules at the hospital's midnight: the 89th, 90th and 91st day, over clock changes and 29 February."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from placement_samples import charge, new_store, payment, put_account, shipped_rules, signal

from hl7bridge.mapping.records import Entry
from hl7bridge.rules.evaluate import decide
from hl7bridge.storage.cases import read_case
from hl7bridge.storage.decisions import Run, run_decisions

RULES = shipped_rules()
SECOND = dt.timedelta(seconds=1)
# Zone, and the day of a decision: the clocks change on that day or within the ninety days before, or 29 February does.
PLACES = [
    ("America/New_York", dt.date(2026, 3, 8)),
    ("America/New_York", dt.date(2026, 3, 9)),
    ("America/New_York", dt.date(2026, 11, 1)),
    ("America/New_York", dt.date(2026, 11, 2)),
    ("America/New_York", dt.date(2028, 2, 29)),
    ("America/Anchorage", dt.date(2028, 3, 1)),
    ("Pacific/Honolulu", dt.date(2028, 5, 29)),
    ("Pacific/Guam", dt.date(2026, 1, 1)),
    ("UTC", dt.date(2026, 12, 31)),
]


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


def rules_at(store, zone: str, now: dt.datetime) -> list[str | None]:
    """Run the decisions that are due at a time, and return the rule of each account that was decided."""
    tz = ZoneInfo(zone)
    run = Run(RULES, lambda _: now.astimezone(tz).date(), now, "user:tester")
    return [outcome.decision.rule for outcome in run_decisions(store, run)]


def midnight(zone: str, day: dt.date) -> dt.datetime:
    """Return the start of a day in a zone, in UTC."""
    return dt.datetime.combine(day, dt.time(), ZoneInfo(zone)).astimezone(dt.UTC)


def on(day: dt.date, **told: object) -> Entry:
    return charge("150.00", 0)._replace(service_on=day, **told)


@pytest.mark.parametrize(("zone", "day"), PLACES)
def test_the_ninetieth_day_begins_at_the_hospitals_midnight(store, zone, day):
    """A second before it is the 89th day there, whatever day it is in UTC."""
    put_account(store, entries=[on(day - dt.timedelta(days=90))])
    assert rules_at(store, zone, midnight(zone, day) - SECOND) in ([None], [])
    assert rules_at(store, zone, midnight(zone, day)) == ["aged"]


@pytest.mark.parametrize(("days", "rule"), [(89, None), (90, "aged"), (91, "aged")])
@pytest.mark.parametrize(("zone", "day"), PLACES)
def test_days_are_counted_in_the_calendar_not_in_hours(store, zone, day, days, rule):
    """A day of 23 or 25 hours is a day."""
    put_account(store, entries=[on(day - dt.timedelta(days=days))])
    assert [each for each in rules_at(store, zone, midnight(zone, day)) if each] == ([rule] if rule else [])


@pytest.mark.parametrize(("days", "rule"), [(29, None), (30, "adjudicated"), (31, "adjudicated")])
@pytest.mark.parametrize(("zone", "day"), PLACES)
def test_the_thirtieth_day_after_the_insurer_begins_at_the_hospitals_midnight(store, zone, day, days, rule):
    """Insurance has finished; 29 days later is too early."""
    paid_on = day - dt.timedelta(days=days)
    insurer = payment("50.00", 0, "insurance")._replace(service_on=paid_on)
    put_account(store, entries=[on(day - dt.timedelta(days=60)), insurer])
    assert [each for each in rules_at(store, zone, midnight(zone, day)) if each] == ([rule] if rule else [])


@pytest.mark.parametrize(("amount", "placed"), [("24.99", False), ("25.00", True), ("25.01", True)])
@pytest.mark.parametrize("rule", ["aged", "adjudicated", "broken_plan"])
def test_no_rule_places_a_cent_below_the_minimum(store, rule, amount, placed):
    """The minimum is common to all."""
    day, signals = dt.date(2026, 3, 9), []
    entries = [on(day - dt.timedelta(days=200 if rule == "aged" else 40), amount=Decimal(amount))]
    if rule == "adjudicated":
        entries[0] = entries[0]._replace(amount=Decimal(amount) + 50)
        entries.append(payment("50.00", 0, "insurance")._replace(service_on=day - dt.timedelta(days=35)))
    if rule == "broken_plan":
        signals.append(signal("plan_status", "failed"))
    put_account(store, entries=entries, signals=signals)
    found = [each for each in rules_at(store, "America/Chicago", midnight("America/Chicago", day)) if each]
    assert found == ([rule] if placed else [])


@pytest.mark.parametrize("unknown", ["guarantors", "city", "birth_on", "service"])
def test_what_is_unknown_keeps_every_rule_from_placing(store, unknown):
    """No guarantor, no whole address, no birth date, no day to count from; and the reason says so."""
    day = dt.date(2028, 2, 29)
    entries = [on(day - dt.timedelta(days=200)), payment("50.00", 0, "insurance")._replace(service_on=day)]
    account_id = put_account(store, entries=entries, signals=[signal("plan_status", "failed")])
    told = {"guarantors": "DELETE FROM guarantors", "service": "UPDATE signals SET value = 'none'"}
    store.execute(told.get(unknown, f"UPDATE guarantors SET {unknown} = NULL"))
    if unknown == "service":
        store.execute(
            "UPDATE accounts SET last_service_on = NULL, first_service_on = NULL, last_payment_on = NULL,"
            " insurance_paid_on = NULL"
        )
    decision = decide(read_case(store, account_id).facts, RULES, day)
    assert not decision.eligible
    stopping = {reason.fact: reason.found for reason in decision.reasons if not reason.held}
    assert "unknown" in stopping.values() or stopping["has_address"] == "no"
    assert [each for each in rules_at(store, "UTC", midnight("UTC", day)) if each] == []
