"""Decisions and placements in the store: what is due is decided once, kept with reasons, and placed at most once."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from placement_samples import (
    GUARANTOR,
    NOW,
    NOW_TEXT,
    PATIENT,
    TODAY,
    charge,
    decide_all,
    new_store,
    put_account,
    rules_of,
    shipped_rules,
    signal,
)

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.placement.state import OPEN, TRANSITIONS, By, Status
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.audit import verify_audit
from hl7bridge.storage.cases import read_case, read_facts
from hl7bridge.storage.database import IntegrityError
from hl7bridge.storage.placements import (
    add_decision,
    add_placement,
    list_placements,
    move_placement,
    placements_of,
    read_events,
    read_placement,
    read_snapshot,
)
from hl7bridge.storage.signals import add_signal, read_signals

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


def move(store, placement_id: int, target: Status, by: By = By.PERSON) -> Status:
    with store.transaction():
        return move_placement(store, placement_id, target, by=by, actor="user:tester", at=NOW_TEXT, reason="test")


def test_a_due_account_is_placed_with_its_reasons_and_is_due_no_more(store):
    """One decision, one placement, one event, one audit row."""
    account_id = put_account(store)
    [outcome] = decide_all(store)
    assert (outcome.status, outcome.balance, outcome.as_of) == (Status.QUEUED, Decimal("150.00"), TODAY)
    placement = read_placement(store, outcome.placement_id)
    assert (placement.account, placement.facility, placement.agency, placement.tier) == (
        "A1001",
        "NORTHGATE",
        "sample",
        "primary",
    )
    assert (placement.rule, placement.sequence, placement.status) == ("aged", 1, Status.QUEUED)
    assert (placement.decided_at, placement.sent_at, placement.file) == (NOW_TEXT, None, "")
    assert placement.reasons == outcome.decision.reasons
    [event] = read_events(store, placement.id)
    assert event == (NOW_TEXT, "user:tester", "eligible", "queued", "rule aged")
    assert due_on(store, account_id) is None
    assert read_snapshot(store, placement.id) == {}
    audit = store.rows("SELECT actor, action, subject, reason FROM audit")
    rules = shipped_rules().version
    assert audit == [("user:tester", "decide", "placements 1 to 1", f"1 decided, 1 placed, rules {rules}")]
    assert verify_audit(store).ok


def test_the_database_refuses_a_second_open_placement(store):
    """Also to a program that forgets to look: the index placements_open."""
    account_id = put_account(store)
    [outcome] = decide_all(store)
    state = read_account(store, account_id)

    def place_again() -> None:
        with store.transaction():
            decision_id = add_decision(store, state, outcome.decision, as_of=TODAY, at=NOW_TEXT, rules_version="test")
            add_placement(store, state, outcome.decision, decision_id=decision_id, actor="user:tester", at=NOW_TEXT)

    with pytest.raises(IntegrityError):
        place_again()
    assert store.row("SELECT count(*) FROM decisions") == (1,)
    move(store, outcome.placement_id, Status.CANCELLED)
    place_again()
    assert [(each.sequence, each.status.value) for each in placements_of(store, account_id)] == [
        (1, "cancelled"),
        (1, "queued"),
    ]


@pytest.mark.parametrize("status", OPEN)
def test_every_open_status_keeps_a_second_placement_out(store, status):
    """From review to a recall that is under way."""
    put_account(store)
    decide_all(store)
    store.execute("UPDATE placements SET status = ?", (status,))
    store.execute("UPDATE accounts SET due_on = '2026-01-01'")
    assert decide_all(store) == []


def test_a_rule_in_review_mode_waits_for_a_person(store):
    """The placement exists and is not queued."""
    put_account(store)
    [outcome] = decide_all(store, REVIEW_RULES)
    assert outcome.status is Status.REVIEW
    assert move(store, outcome.placement_id, Status.QUEUED) is Status.REVIEW
    assert read_placement(store, outcome.placement_id).status is Status.QUEUED


def test_facts_come_from_every_table(store):
    """Account, patient, guarantors, coverages, signals, and how an earlier placement ended."""
    account_id = put_account(store, entries=[charge("99.00", 160)], signals=[signal("plan_status", "failed")])
    found = read_facts(store, account_id)
    assert (found.balance, found.has_address, found.plan_status) == (Decimal("99.00"), True, "failed")
    case = read_case(store, account_id)
    assert case.patient == PATIENT
    assert case.guarantors == (GUARANTOR,)
    decide_all(store)
    store.execute("UPDATE placements SET status = 'recalled'")
    assert [hold.name for hold in read_facts(store, account_id).holds] == ["placed_before"]
    with pytest.raises(NotFoundError):
        read_facts(store, 999)


def test_an_account_without_people_is_decided_and_refused(store):
    """Unknown guarantor, unknown patient: not eligible, and the reasons say unknown."""
    put_account(store, patient=None, guarantors=(), coverages=())
    [outcome] = decide_all(store)
    found = {reason.fact: reason.found for reason in outcome.decision.deciding}
    assert found["guarantor_age"] == "unknown"


def test_placements_are_listed_newest_first_by_status_and_agency(store):
    """And only as many as are asked for."""
    for number in range(3):
        put_account(store, f"D{number}")
    decide_all(store)
    move(store, 2, Status.CANCELLED)
    assert [each.account for each in list_placements(store)] == ["D2", "D1", "D0"]
    assert [each.account for each in list_placements(store, limit=1)] == ["D2"]
    assert [each.account for each in list_placements(store, status="cancelled")] == ["D1"]
    assert [each.account for each in list_placements(store, agency="other")] == []
    with pytest.raises(NotFoundError):
        read_placement(store, 99)


def test_a_change_that_is_not_allowed_leaves_nothing_behind(store):
    """Not the status, not an event."""
    put_account(store)
    decide_all(store)
    with pytest.raises(RefusedError):
        move(store, 1, Status.RECALLED)
    with pytest.raises(NotFoundError):
        move(store, 99, Status.CANCELLED)
    assert read_placement(store, 1).status is Status.QUEUED
    assert len(read_events(store, 1)) == 1


@pytest.mark.parametrize("change", [each for each in TRANSITIONS if each.tells_agency])
def test_a_change_that_the_agency_must_be_told_of_is_not_pretended(store, change):
    """Only with the promise that a notice is queued in the same transaction, or when the agency itself says so."""
    put_account(store)
    decide_all(store)
    store.execute("UPDATE placements SET status = ?", (change.source,))
    by = By.BRIDGE if By.BRIDGE in change.by else By.PERSON
    with pytest.raises(RefusedError, match="the agency has it and must be told"):
        move(store, 1, change.target, by)
    assert read_placement(store, 1).status is change.source
    if By.AGENCY in change.by:
        assert move(store, 1, change.target, By.AGENCY) is change.source
    else:
        with store.transaction():
            move_placement(store, 1, change.target, by=by, actor="a", at=NOW_TEXT, reason="told", notice=True)
        assert read_placement(store, 1).status is change.target


def test_a_placement_knows_since_when_it_is_where_it_is_and_how_it_ended(store):
    """A status that is not the last has no end."""
    put_account(store)
    decide_all(store)
    move(store, 1, Status.SENT, By.BRIDGE)
    row = "SELECT status_since, ended_at, end_reason FROM placements"
    assert store.row(row) == (NOW_TEXT, None, "")
    move(store, 1, Status.REJECTED, By.AGENCY)
    assert store.row(row) == (NOW_TEXT, NOW_TEXT, "test")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(Status), st.sampled_from(By)), max_size=8))
def test_the_events_of_a_placement_are_a_walk_through_the_table(store, steps):
    """Whatever is tried: each event begins where the one before ended, and the last is the status."""
    number = f"W{store.row('SELECT count(*) FROM accounts')[0]}"
    account_id = put_account(store, number)
    decide_all(store)
    [placement] = placements_of(store, account_id)
    for target, by in steps:
        try:
            move(store, placement.id, target, by)
        except RefusedError:
            continue
    events = read_events(store, placement.id)
    allowed = {(each.source.value, each.target.value) for each in TRANSITIONS if not each.tells_agency}
    assert all((event.from_status, event.to_status) in allowed for event in events)
    assert all(one.to_status == next_one.from_status for one, next_one in itertools.pairwise(events))
    assert read_placement(store, placement.id).status == events[-1].to_status
    with store.transaction():
        store.execute("UPDATE placements SET status = 'cancelled' WHERE id = ?", (placement.id,))


def test_the_same_signal_again_is_not_stored_twice(store):
    """A file that is imported twice changes nothing the second time."""
    account_id = put_account(store, due_on=None)
    with store.transaction():
        assert add_signal(store, account_id, signal("cease", "yes", 2), NOW_TEXT)
        assert not add_signal(store, account_id, signal("cease", "yes", 2), NOW_TEXT)
        assert add_signal(store, account_id, signal("cease", "no", 1), NOW_TEXT)
    assert read_signals(store, account_id) == {"cease": signal("cease", "no", 1)}
    assert store.row("SELECT count(*) FROM signals") == (2,)


def test_a_signal_for_a_closed_account_does_not_make_it_due(store):
    """There is nothing to decide."""
    account_id = put_account(store, due_on=None, status="closed")
    with store.transaction():
        add_signal(store, account_id, signal("cease", "yes"), NOW_TEXT)
    assert due_on(store, account_id) is None


def test_the_time_of_a_run_is_kept_in_utc(store):
    """Whatever zone the caller's clock shows."""
    put_account(store)
    zone = dt.timezone(dt.timedelta(hours=-5))
    [outcome] = decide_all(store, now=NOW.astimezone(zone))
    assert read_placement(store, outcome.placement_id).decided_at == NOW_TEXT
