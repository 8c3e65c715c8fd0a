"""Reports on money: aging is the ledger's, to the cent; reconciliation counts what is open and how long it lasted."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_samples import NOW_TEXT, TODAY, acknowledged, at, days_ago, entry, placed, put

from hl7bridge.placement.inventory import DISCREPANCIES, Finding
from hl7bridge.placement.records import InventoryLine
from hl7bridge.rules.signals import Signal
from hl7bridge.storage.reconciling import note_discrepancy, reconcile_inventory, resolve_discrepancy
from hl7bridge.storage.reporting import Period
from hl7bridge.storage.reporting_agencies import SENT_MEASURES, report_reconciliation, summarize
from hl7bridge.storage.reporting_money import BASES, bucket_names, report_aging
from hl7bridge.storage.signals import add_signal


def aging(store, by="service", today=TODAY) -> dict[str, dict]:
    return {row["days"]: row for row in report_aging(store, lambda _: today, by=by)}


def ledger_total(store) -> Decimal:
    """Return what the entries of open accounts come to, entry by entry."""
    cents = store.row(
        "SELECT coalesce(sum(CASE WHEN e.kind = 'CG' THEN e.amount ELSE -e.amount END), 0) FROM entries e"
        " JOIN accounts a ON a.id = e.account_id WHERE a.status = 'open'"
    )[0]
    return Decimal(cents) / 100


def figures(store, now=NOW_TEXT, period=None) -> dict[str, dict]:
    return {row["kind"]: row for row in report_reconciliation(store, period or Period(), now)}


def find(store, reference: str, kind="balance", dollars="10.00", found_at=NOW_TEXT) -> None:
    finding = Finding("sample", None, reference, kind, "", "", Decimal(dollars))
    with store.transaction():
        note_discrepancy(store, finding, file_id=None, at=found_at)


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (-1, "0-30"), (0, "0-30"), (30, "0-30"), (31, "31-60"), (60, "31-60"), (61, "61-90"), (90, "61-90"),
        (91, "91-120"), (120, "91-120"), (121, "121-180"), (180, "121-180"), (181, "181-365"), (365, "181-365"),
        (366, "366+"), (4000, "366+"),
    ],
)  # fmt: skip
def test_each_age_is_in_its_bucket(store, days, bucket):
    """Both ends belong to it; a day that is still to come is the youngest."""
    put(store, "A1", entry("150.00", days))
    found = aging(store)
    assert list(found) == list(bucket_names())
    assert {name: row["accounts"] for name, row in found.items() if row["accounts"]} == {bucket: 1}
    assert found[bucket]["dollars"] == Decimal("150.00")


def test_owed_and_credit_are_told_apart_and_zero_is_not_aged(store):
    """What agencies have is part of it."""
    put(store, "A1", entry("150.00", 10))
    put(store, "A2", entry("20.00", 10), entry("50.00", 5, "PY"))
    put(store, "A3", entry("20.00", 10), entry("20.00", 5, "PY"))
    put(store, "A4", entry("99.00", 10), status="closed")
    acknowledged(store, put(store, "A5", entry("1.00", 10)))
    placed(store, put(store, "A6", entry("2.00", 10)), "queued")
    row = aging(store)["0-30"]
    assert (row["accounts"], row["owed_dollars"], row["credit_dollars"]) == (4, Decimal("153.00"), Decimal("-30.00"))
    assert (row["dollars"], row["with_agency"], row["with_agency_dollars"]) == (Decimal("123.00"), 1, Decimal("1.00"))


def test_an_account_without_the_day_is_of_unknown_age(store):
    """It is counted, and never guessed."""
    put(store, "A1")
    for by in ("discharge", "statement", "payment"):
        assert aging(store, by)["unknown"]["dollars"] == Decimal("150.00"), by
    assert set(BASES) == {"service", "discharge", "statement", "payment"}


def test_the_first_statement_is_the_one_in_force(store):
    """Told once, told again, or told wrongly."""
    for number, told in (("A1", [100]), ("A2", [100, 20]), ("A3", [])):
        account_id = put(store, number)
        with store.transaction():
            for days in told:
                signal = Signal("first_statement", days_ago(days).isoformat(), "user:tester", TODAY)
                add_signal(store, account_id, signal, at(days=days))
    with store.transaction():
        store.execute(
            "INSERT INTO signals (account_id, name, value, source, observed_on, recorded_at)"
            " VALUES (3, 'first_statement', 'soon', 'test', '2026-03-01', ?)",
            (NOW_TEXT,),
        )
    found = aging(store, "statement")
    assert {name: row["accounts"] for name, row in found.items() if row["accounts"]} == {
        "0-30": 1,
        "91-120": 1,
        "unknown": 1,
    }


def test_each_facility_has_its_own_day(store):
    """At midnight in one it is still yesterday in another."""
    put(store, "A1", entry("1.00", 31), facility="NORTHGATE")
    put(store, "A2", entry("2.00", 31), facility="WESTGATE")
    today = {"NORTHGATE": TODAY, "WESTGATE": TODAY - dt.timedelta(days=1)}
    rows = {row["days"]: row["dollars"] for row in report_aging(store, today.__getitem__, by="service")}
    assert (rows["31-60"], rows["0-30"]) == (Decimal("1.00"), Decimal("2.00"))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    accounts=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["CG", "CD", "PY", "AJ", "CO"]),
                st.integers(-99_999, 99_999).filter(bool),
                st.integers(0, 900),
            ),
            min_size=1,
            max_size=5,
        ),
        max_size=5,
    )
)
def test_aging_comes_to_the_ledger_whatever_was_posted(store, accounts):
    """To the cent, by every day that it may be counted from."""
    for entries in accounts:
        number = f"H{store.row('SELECT count(*) FROM accounts')[0]}"
        put(store, number, *(entry(str(Decimal(cents) / 100), days, kind) for kind, cents, days in entries))
    for by in BASES:
        rows = aging(store, by).values()
        assert sum(row["dollars"] for row in rows) == ledger_total(store)
        assert all(row["dollars"] == row["owed_dollars"] + row["credit_dollars"] for row in rows)


def test_an_agency_that_has_nothing_yet_has_nothing_to_reconcile(store):
    """Nor is there an agency."""
    assert figures(store) == {}
    assert list(summarize(store)) == []


def test_open_discrepancies_have_dollars_and_an_age_and_resolved_ones_a_time(store):
    """The median and the mean of what was found in the period; what is open is open whenever it was found."""
    for number, hours in (("A1", 100), ("A2", 60), ("A3", 50)):
        find(store, number, found_at=at(hours=hours))
    with store.transaction():
        resolve_discrepancy(
            store, 2, now=dt.datetime.fromisoformat(at(hours=50)), actor="user:tester", reason="mistyped"
        )
        store.execute(
            "UPDATE agency_discrepancies SET resolved_at = ?, resolved_by = 'inventory' WHERE id = 3", (at(hours=20),)
        )
    row = figures(store)["balance"]
    assert [row[name] for name in ("found", "open", "oldest_days", "resolved", "resolved_by_person")] == [3, 1, 4, 2, 1]
    assert (row["open_dollars"], row["hours_to_resolve_p50"], row["hours_to_resolve_mean"]) == (
        Decimal("10.00"),
        10.0,
        20.0,
    )
    assert (row["rate_percent"], row["inventory_at"], row["matched"]) == (None, None, None)
    late = figures(store, period=Period(start=at(hours=55)))["balance"]
    assert (late["found"], late["open"], late["resolved"], late["resolved_by_person"]) == (1, 1, 1, 0)
    assert figures(store)["(all)"]["open"] == 1
    assert list(figures(store)) == [*DISCREPANCIES, "(all)"]


def test_the_rate_is_of_the_last_inventory(store):
    """Lines that differ for each hundred that matched."""
    for number in range(1, 5):
        acknowledged(store, put(store, f"A{number}"))
    lines = [InventoryLine(each, each, f"A{each}", Decimal("150.00")) for each in range(1, 5)]
    with store.transaction():
        reconcile_inventory(store, "sample", [], file_id=None, at=at(days=1))
        reconcile_inventory(
            store, "sample", [*lines[:3], lines[3]._replace(balance=Decimal(1))], file_id=None, at=NOW_TEXT
        )
    row = figures(store)["balance"]
    assert (row["lines"], row["matched"], row["rate_percent"], row["inventory_at"]) == (4, 3, 33.33, NOW_TEXT)
    assert figures(store)["missing_there"]["rate_percent"] == 0.0
    assert figures(store)["missing_there"]["resolved"] == 4


def test_what_was_sent_is_acknowledged_rejected_withdrawn_or_waits(store):
    """The counts foot for each agency; listed and matched are of its last inventory."""
    acknowledged(store, put(store, "A1"), acknowledged_balance=14000)
    acknowledged(store, put(store, "A2"), "50.00", status="returned")
    for number, status in (("A3", "rejected"), ("A4", "cancelled"), ("A5", "sent"), ("A6", "suspended")):
        placed(store, put(store, number), status, "10.00", sent_at=NOW_TEXT)
    placed(store, put(store, "A7"), "queued", "99.00")
    placed(store, put(store, "B1"), "queued", "99.00", agency="other")
    with store.transaction():
        lines = [InventoryLine(1, 1, "A1", Decimal("150.00")), InventoryLine(2, None, "Z9", Decimal("7.00"))]
        reconcile_inventory(store, "sample", lines, file_id=None, at=NOW_TEXT)
    rows = {row["measure"]: (row["count"], str(row["dollars"])) for row in summarize(store, "sample")}
    assert rows == {
        "sent": (6, "240.00"),
        "acknowledged": (2, "190.00"),
        "rejected": (1, "10.00"),
        "withdrawn": (1, "10.00"),
        "unacknowledged": (2, "20.00"),
        "with_agency": (1, "150.00"),
        "listed": (2, "157.00"),
        "matched": (1, "150.00"),
        "missing_here": (1, "7.00"),
        "missing_there": (0, "0.00"),
        "balance": (0, "0.00"),
        "status": (0, "0.00"),
        "acknowledged_balance": (0, "0.00"),
    }
    assert rows["sent"][0] == sum(rows[name][0] for name in SENT_MEASURES[1:5])
    other = {row["measure"]: (row["count"], row["dollars"]) for row in summarize(store, "other")}
    assert (other["sent"], other["listed"]) == ((0, Decimal("0.00")), (None, None))
    assert {row["agency"] for row in summarize(store)} == {"other", "sample"}
