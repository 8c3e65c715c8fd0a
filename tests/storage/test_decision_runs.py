"""A run of decisions costs what is due, decides each account once, and can be tried without writing anything."""

from __future__ import annotations

import datetime as dt

import pytest
from placement_samples import (
    GUARANTOR,
    NOW_TEXT,
    TODAY,
    charge,
    days_ago,
    decide_all,
    new_store,
    payment,
    put_account,
    rules_of,
    run_of,
    signal,
)

from hl7bridge.placement.state import Status
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.decisions import run_decisions
from hl7bridge.storage.signals import add_signal

REVIEW_RULES = rules_of(
    'format = 1\n[[rules]]\nname = "aged"\nagency = "sample"\nmode = "review"\n'
    'when = [{ fact = "days_without_payment", at_least = 90 }]\n'
)


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


def due_on(store, account_id) -> dt.date | None:
    return read_account(store, account_id).due_on


def content_of(store) -> dict[str, list]:
    tables = [row[0] for row in store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: store.rows(f"SELECT * FROM {table}") for table in tables}


def test_a_refused_account_keeps_its_reasons_and_gets_its_next_day(store):
    """It is decided again on the first day that could come out differently."""
    minor = GUARANTOR._replace(birth_on=dt.date(2008, 6, 1))
    account_id = put_account(store, guarantors=(minor,))
    [outcome] = decide_all(store)
    assert (outcome.status, outcome.placement_id) == (None, None)
    assert due_on(store, account_id) == dt.date(2026, 6, 1)
    [(eligible, rule, balance)] = store.rows("SELECT eligible, rule, balance FROM decisions")
    assert (eligible, rule, balance) == (0, None, 15000)
    assert decide_all(store) == []
    [outcome] = decide_all(store, as_of=dt.date(2026, 6, 1))
    assert outcome.status is Status.QUEUED


def test_an_account_that_its_dates_keep_out_is_given_its_day_without_a_decision(store):
    """A run costs what is due: nothing is kept for an account that cannot be eligible yet."""
    young = put_account(store, entries=[charge("150.00", 10)])
    small = put_account(store, "A1002", entries=[charge("10.00", 160)])
    assert decide_all(store) == []
    assert due_on(store, young) == TODAY + dt.timedelta(days=80)
    assert due_on(store, small) is None
    assert store.row("SELECT count(*) FROM decisions") == (0,)
    assert store.row("SELECT count(*) FROM audit") == (0,)


def test_an_account_that_waits_for_news_is_not_looked_at_until_it_comes(store):
    """A hold clears the day; lifting it makes the account due at once."""
    account_id = put_account(store, signals=[signal("dispute", "open", 2)])
    [outcome] = decide_all(store)
    assert outcome.status is None
    assert due_on(store, account_id) is None
    with store.transaction():
        assert add_signal(store, account_id, signal("dispute", "resolved", 1), NOW_TEXT)
    assert due_on(store, account_id) == dt.date.min
    [outcome] = decide_all(store)
    assert outcome.status is Status.QUEUED


def test_an_account_with_an_open_placement_is_not_decided_again(store):
    """News of a placed account clears its day and nothing else."""
    account_id = put_account(store)
    decide_all(store)
    store.execute("UPDATE accounts SET due_on = '2026-01-01'")
    assert decide_all(store) == []
    assert due_on(store, account_id) is None
    assert store.row("SELECT count(*) FROM decisions") == (1,)


def test_new_rules_make_every_open_account_that_owes_due_again(store):
    """Also one that waited for news under the old rules."""
    aged = put_account(store, entries=[charge("15.00", 160)])
    put_account(store, "A1002", entries=[charge("15.00", 160)], status="closed")
    put_account(store, "A1003", entries=[charge("15.00", 160), payment("15.00", 120)])
    assert decide_all(store) == []
    assert due_on(store, aged) is None
    [outcome] = decide_all(store, REVIEW_RULES)
    assert outcome.account == "A1001"
    assert decide_all(store, REVIEW_RULES) == []
    assert store.row("SELECT value FROM meta WHERE key = 'rules_version'") == (REVIEW_RULES.version,)


def test_a_run_that_is_cut_off_looks_at_all_accounts_again(store):
    """The new rules count as run only when every account was looked at."""
    for number in range(4):
        put_account(store, f"B{number}", due_on=None)
    run = run_decisions(store, run_of(), chunk=2)
    assert next(run).account == "B0"
    run.close()
    assert store.row("SELECT count(*) FROM placements") == (2,)
    assert store.row("SELECT value FROM meta WHERE key = 'rules_version'") is None
    assert [outcome.account for outcome in decide_all(store)] == ["B2", "B3"]


def test_a_dry_run_decides_the_same_and_writes_nothing(store):
    """With new rules and with known ones."""
    put_account(store)
    put_account(store, "A1002", signals=[signal("cease", "yes")])
    put_account(store, "A1003", entries=[charge("150.00", 10)])
    before = content_of(store)
    dry = decide_all(store, dry_run=True)
    assert [(outcome.account, outcome.status, outcome.placement_id) for outcome in dry] == [
        ("A1001", Status.QUEUED, None),
        ("A1002", None, None),
    ]
    assert [outcome.status for outcome in decide_all(store, REVIEW_RULES, dry_run=True)] == [Status.REVIEW, None]
    assert content_of(store) == before
    real = decide_all(store)
    assert [outcome.decision for outcome in real] == [outcome.decision for outcome in dry]
    put_account(store, "A1004")
    store.execute("UPDATE accounts SET due_on = '2026-01-01' WHERE number = 'A1001'")  # placed already
    assert [outcome.account for outcome in decide_all(store, dry_run=True)] == ["A1004"]


def test_each_facility_has_its_own_day(store):
    """An account is due when its facility's day has come, not before."""
    entries = [charge("150.00", 89)]
    put_account(store, "EAST1", facility="EAST", entries=entries, due_on=TODAY + dt.timedelta(days=1))
    put_account(store, "WEST1", facility="WEST", entries=entries, due_on=TODAY + dt.timedelta(days=1))

    def today_of(facility: str) -> dt.date:
        return TODAY + dt.timedelta(days=1) if facility == "EAST" else TODAY

    assert [outcome.account for outcome in decide_all(store, today_of=today_of)] == ["EAST1"]
    assert decide_all(store, today_of=today_of) == []
    assert [outcome.account for outcome in decide_all(store, as_of=TODAY + dt.timedelta(days=1))] == ["WEST1"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_chunks_of_any_size_decide_every_account_once(store, chunk):
    """Nothing is skipped or repeated at the seams, whether accounts stay due or not."""
    for number in range(7):
        put_account(store, f"C{number}", due_on=days_ago(number % 3), signals=[signal("hold", "no")])
    numbers = [outcome.account for outcome in run_decisions(store, run_of(dry_run=True), chunk=chunk)]
    assert sorted(numbers) == [f"C{number}" for number in range(7)]
    assert sorted(each.account for each in run_decisions(store, run_of(), chunk=chunk)) == sorted(numbers)
    store.execute("UPDATE placements SET status = 'cancelled'")
    store.execute("UPDATE accounts SET due_on = '2026-01-01'")
    assert len(list(run_decisions(store, run_of(), chunk=chunk))) == 7


def test_the_indexes_of_a_run_are_used(store):
    """What is due is found by its day and not by reading every account."""
    due = "SELECT id FROM accounts a WHERE a.due_on <= ? AND (a.due_on, a.id) > (?, ?) ORDER BY a.due_on, a.id LIMIT 9"
    queued = "SELECT id FROM placements WHERE status = 'queued' AND agency = ? AND id > ? ORDER BY id LIMIT ?"
    for query, parameters, index in (
        (due, ("2026-01-01", "", 0), "accounts_due"),
        (queued, ("sample", 0, 9), "placements_queued"),
    ):
        plan = " ".join(str(row[3]) for row in store.rows(f"EXPLAIN QUERY PLAN {query}", parameters))
        assert index in plan
        assert "TEMP B-TREE" not in plan
