"""The outbox keeps order, counts attempts, and lets only people move what is stuck."""

from __future__ import annotations

import datetime as dt

import pytest
from delivery_samples import end_attempt, start_attempt
from payment_samples import FORM, NOW, add_account, make_payment, post, statuses

from hl7bridge.cli import status
from hl7bridge.delivery.delivery import DeliveryStatus
from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.retry import RetryPolicy
from hl7bridge.delivery.verdict import NO_REPLY, NOT_SENT, Outcome, Verdict
from hl7bridge.errors import RefusedError
from hl7bridge.storage import late, sending
from hl7bridge.storage.deliveries import list_deliveries
from hl7bridge.storage.sending import (
    claim_deliveries,
    next_deliveries,
    record_no_connection,
    recover_sending,
)

SECOND = dt.timedelta(seconds=1)
RULES = DeliveryRules(RetryPolicy(SECOND, 60 * SECOND, 3))
ACCEPTED = Verdict(Outcome.ACCEPTED)
HELD = Verdict(Outcome.HELD, "AE 204 unknown key identifier")
RETRY = Verdict(Outcome.RETRY, "AR")
BY = {"now": NOW, "actor": "user:test", "reason": "looked in the EHR"}


@pytest.fixture
def accounts(store):
    return [add_account(store, f"502744{number}") for number in range(3)]


def queue(store, accounts, names):
    """Queue payments; A1 is the first account's first."""
    for name in names:
        post(store, accounts["ABC".index(name[0])], make_payment(name, "1"))


def next_id(store, now=NOW, destination="ehr"):
    found = next_deliveries(store, destination, now, 1)
    return found[0].id if found else None


def end(store, delivery_id, verdict, now=NOW):
    return end_attempt(store, delivery_id, verdict, RULES, now)


def row(store, delivery_id):
    return next(list_deliveries(store, delivery_id=delivery_id))


def test_deliveries_go_out_in_the_order_queued(store, accounts):
    """First in, first out, over all accounts of a destination."""
    queue(store, accounts, ["A1", "B1", "A2"])
    order = []
    while claimed := claim_deliveries(store, "ehr", NOW, 1):
        order.append(claimed[0].id)
        end(store, claimed[0].id, ACCEPTED)
    assert order == [1, 2, 3]
    assert statuses(store) == [("accepted", "posted")] * 3


def test_another_destinations_deliveries_are_its_own(store, accounts):
    """One dead destination does not hold another."""
    post(store, accounts[0])
    assert next_id(store, destination="other") is None


@pytest.mark.parametrize("verdict", [HELD, NO_REPLY, None])
def test_an_account_waits_behind_its_own_stuck_delivery_and_others_go_on(store, accounts, verdict):
    """Held, unknown or still sending."""
    queue(store, accounts, ["A1", "A2", "B1", "C1"])
    start_attempt(store, 1)
    if verdict:
        end(store, 1, verdict)
    assert next_id(store) == 3
    start_attempt(store, 3)
    end(store, 3, ACCEPTED)
    assert next_id(store) == 4


def test_what_the_destination_put_off_holds_back_all_behind_it(store, accounts):
    """Strict order: it asked for a pause, and gets one."""
    queue(store, accounts, ["A1", "B1"])
    start_attempt(store, 1)
    assert end(store, 1, RETRY) is DeliveryStatus.QUEUED
    assert next_id(store) is None
    assert next_id(store, NOW + SECOND - dt.timedelta(milliseconds=1)) is None
    assert next_id(store, NOW + SECOND) == 1


def test_what_was_never_tried_goes_out_though_the_clock_was_set_back(store, accounts):
    """It was queued at a time that has not come yet, by the clock of now."""
    queue(store, accounts, ["A1"])
    assert next_id(store, NOW - dt.timedelta(days=1)) == 1


def test_an_attempt_is_counted_when_it_begins(store, accounts):
    """The store knows before the first byte goes out."""
    queue(store, accounts, ["A1"])
    delivery = start_attempt(store, 1)
    assert delivery.attempts == 1
    assert statuses(store) == [("sending", "sent")]
    with pytest.raises(RefusedError, match="sending"):
        start_attempt(store, 1)


def test_the_content_never_changes(store, accounts):
    """The same bytes at every attempt."""
    queue(store, accounts, ["A1"])
    first = start_attempt(store, 1)
    end(store, 1, RETRY)
    again = start_attempt(store, 1)
    assert (again.content, again.control_id, again.attempts) == (first.content, first.control_id, 2)


@pytest.mark.parametrize(
    ("verdict", "delivery", "payment"),
    [
        (ACCEPTED, "accepted", "posted"),
        (HELD, "held", "refused"),
        (RETRY, "queued", "queued"),
        (NO_REPLY, "unknown", "unknown"),
        (NOT_SENT, "queued", "queued"),
    ],
)
def test_each_verdict_moves_delivery_and_payment_together(store, accounts, verdict, delivery, payment):
    """And the reason is kept."""
    queue(store, accounts, ["A1"])
    start_attempt(store, 1)
    end(store, 1, verdict)
    assert statuses(store) == [(delivery, payment)]
    assert row(store, 1)["last_error"] == verdict.reason
    assert (row(store, 1)["finished_at"] is not None) is (delivery == "accepted")


def test_what_was_not_sent_was_no_attempt(store, accounts):
    """Not a byte was written."""
    queue(store, accounts, ["A1"])
    start_attempt(store, 1)
    end(store, 1, NOT_SENT)
    assert row(store, 1)["attempts"] == 0


def test_after_the_last_attempt_a_person_decides(store, accounts):
    """Held, and the line says so."""
    queue(store, accounts, ["A1"])
    for attempt in (1, 2, 3):
        start_attempt(store, 1)
        assert end(store, 1, RETRY) is (DeliveryStatus.QUEUED if attempt < 3 else DeliveryStatus.HELD)
    assert row(store, 1)["last_error"] == "AR (attempt 3, the last)"
    assert statuses(store) == [("held", "refused")]


def test_a_verdict_on_what_is_not_being_sent_changes_nothing(store, accounts):
    """It was put back, or somebody else has decided."""
    queue(store, accounts, ["A1"])
    assert end(store, 1, RETRY) is None
    assert statuses(store) == [("queued", "queued")]


def test_no_connection_is_no_attempt_and_says_when_it_is_tried_again(store, accounts):
    """The queue waits; nothing becomes unknown."""
    queue(store, accounts, ["A1"])
    record_no_connection(store, 1, "connection refused", NOW + SECOND)
    found = row(store, 1)
    assert (found["status"], found["attempts"], found["last_error"]) == ("queued", 0, "connection refused")
    assert found["next_attempt_at"] == "2026-01-15T16:30:01.000Z"
    assert next_id(store) is None
    assert next_id(store, NOW + SECOND) == 1


def test_what_was_being_sent_when_the_program_ended_is_unknown(store, accounts):
    """Nobody knows whether it arrived, so nobody sends it again."""
    queue(store, accounts, ["A1", "B1", "C1"])
    post(store, accounts[2], make_payment("D1"), form=FORM.__class__("other"))
    for delivery_id in (1, 4):
        start_attempt(store, delivery_id)
    assert recover_sending(store, "ehr", RULES, NOW) == 1
    assert statuses(store)[0] == ("unknown", "unknown")
    assert row(store, 1)["last_error"] == "hl7bridge ended or failed while it was being sent"
    assert recover_sending(store, "other", RULES, NOW) == 1
    assert recover_sending(store, "other", RULES, NOW) == 0
    assert [status for status, _ in statuses(store)] == ["unknown", "queued", "queued", "unknown"]


def test_deliveries_are_listed_newest_first_and_by_status(store, accounts):
    """With the next attempt only for those that have one."""
    queue(store, accounts, ["A1", "A2"])
    start_attempt(store, 1)
    end(store, 1, HELD)
    found = list(list_deliveries(store))
    assert [each["delivery"] for each in found] == [2, 1]
    assert list(found[0])[:8] == [
        "delivery", "destination", "kind", "control_id", "status", "attempts", "next_attempt_at", "last_error",
    ]  # fmt: skip
    assert [each["next_attempt_at"] for each in found] == ["2026-01-15T16:30:00.000Z", None]
    assert [each["delivery"] for each in list_deliveries(store, status="held")] == [1]


@pytest.mark.parametrize(
    ("query", "parameters", "index"),
    [
        ("sending._NEXT", ("ehr", 0, 8), "deliveries_queued"),
        ("sending._NEXT", ("ehr", 0, 8), "deliveries_stuck"),
        ("sending._ACKNOWLEDGING", ("ehr",), "deliveries_sending"),
        ("sending._LEFT", ("ehr", 8), "deliveries_sending"),
        ("sending._OVERDUE", ("ehr", "", 8), "deliveries_sending"),
        ("late._QUEUED", ("ehr", 0), "deliveries_queued"),
        ("late._SENDING", ("ehr", 0), "deliveries_sending"),
        ("late._STUCK", ("ehr", ""), "deliveries_unsettled"),
        ("late._COUNT", ("ehr",), "deliveries_queued"),
        ("late._COUNT", ("ehr",), "deliveries_sending"),
        ("late._COUNT", ("ehr",), "deliveries_unsettled"),
        ("status._OLDEST_DELIVERY", (), "deliveries_queued"),
        ("status._OLDEST_DELIVERY", (), "deliveries_sending"),
    ],
)
def test_looking_for_work_reads_an_index_and_not_the_table(store, query, parameters, index):
    """A queue of a hundred thousand and a history of millions cost the same as none."""
    module, name = query.split(".")
    sql = getattr({"sending": sending, "late": late, "status": status}[module], name)
    plan = [line[-1] for line in store.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert any(index in line for line in plan), plan
    assert not any("SCAN deliveries" in line and "INDEX" not in line for line in plan)
    assert not any("TEMP B-TREE" in line for line in plan)
