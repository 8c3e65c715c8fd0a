"""The outbox keeps order, counts attempts, and lets only people move what is stuck."""

from __future__ import annotations

import datetime as dt

import pytest
from delivery_samples import ACCEPTED, HELD, RETRY, SECOND, end, next_id, queue, row
from payment_samples import FORM, NOW, add_account, make_payment, post, statuses

from hl7bridge.delivery.delivery import DeliveryStatus
from hl7bridge.delivery.verdict import NO_REPLY, NOT_SENT
from hl7bridge.errors import RefusedError
from hl7bridge.storage.deliveries import (
    claim_next,
    list_deliveries,
    mark_sending,
    record_no_connection,
    recover_sending,
)


@pytest.fixture
def accounts(store):
    return [add_account(store, f"502744{number}") for number in range(3)]


def test_deliveries_go_out_in_the_order_queued(store, accounts):
    """First in, first out, over all accounts of a destination."""
    queue(store, accounts, ["A1", "B1", "A2"])
    order = []
    while delivery := claim_next(store, "ehr", NOW):
        order.append(delivery.id)
        end(store, delivery.id, ACCEPTED)
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
    mark_sending(store, 1, NOW)
    if verdict:
        end(store, 1, verdict)
    assert next_id(store) == 3
    mark_sending(store, 3, NOW)
    end(store, 3, ACCEPTED)
    assert next_id(store) == 4


def test_what_the_destination_put_off_holds_back_all_behind_it(store, accounts):
    """Strict order: it asked for a pause, and gets one."""
    queue(store, accounts, ["A1", "B1"])
    mark_sending(store, 1, NOW)
    assert end(store, 1, RETRY) is DeliveryStatus.QUEUED
    assert next_id(store) is None
    assert next_id(store, NOW + SECOND - dt.timedelta(milliseconds=1)) is None
    assert next_id(store, NOW + SECOND) == 1


def test_an_attempt_is_counted_when_it_begins(store, accounts):
    """The store knows before the first byte goes out."""
    queue(store, accounts, ["A1"])
    delivery = mark_sending(store, 1, NOW)
    assert delivery.attempts == 1
    assert statuses(store) == [("sending", "sent")]
    with pytest.raises(RefusedError, match="sending"):
        mark_sending(store, 1, NOW)


def test_the_content_never_changes(store, accounts):
    """The same bytes at every attempt."""
    queue(store, accounts, ["A1"])
    first = mark_sending(store, 1, NOW)
    end(store, 1, RETRY)
    again = mark_sending(store, 1, NOW)
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
    mark_sending(store, 1, NOW)
    end(store, 1, verdict)
    assert statuses(store) == [(delivery, payment)]
    assert row(store, 1)["last_error"] == verdict.reason
    assert (row(store, 1)["finished_at"] is not None) is (delivery == "accepted")


def test_what_was_not_sent_was_no_attempt(store, accounts):
    """Not a byte was written."""
    queue(store, accounts, ["A1"])
    mark_sending(store, 1, NOW)
    end(store, 1, NOT_SENT)
    assert row(store, 1)["attempts"] == 0


def test_after_the_last_attempt_a_person_decides(store, accounts):
    """Held, and the line says so."""
    queue(store, accounts, ["A1"])
    for attempt in (1, 2, 3):
        mark_sending(store, 1, NOW)
        assert end(store, 1, RETRY) is (DeliveryStatus.QUEUED if attempt < 3 else DeliveryStatus.HELD)
    assert row(store, 1)["last_error"] == "AR (attempt 3, the last)"
    assert statuses(store) == [("held", "refused")]


def test_a_verdict_on_what_is_not_being_sent_is_refused(store, accounts):
    """Somebody else has given one."""
    queue(store, accounts, ["A1"])
    with pytest.raises(RefusedError, match="queued"):
        end(store, 1, ACCEPTED)


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
        mark_sending(store, delivery_id, NOW)
    assert recover_sending(store, NOW, "ehr") == 1
    assert statuses(store)[0] == ("unknown", "unknown")
    assert row(store, 1)["last_error"] == "hl7bridge ended or failed while it was being sent"
    assert recover_sending(store, NOW) == 1
    assert recover_sending(store, NOW) == 0
    assert [status for status, _ in statuses(store)] == ["unknown", "queued", "queued", "unknown"]


def test_deliveries_are_listed_newest_first_and_by_status(store, accounts):
    """With the next attempt only for those that have one."""
    queue(store, accounts, ["A1", "A2"])
    mark_sending(store, 1, NOW)
    end(store, 1, HELD)
    found = list(list_deliveries(store))
    assert [each["delivery"] for each in found] == [2, 1]
    assert list(found[0])[:8] == [
        "delivery", "destination", "kind", "control_id", "status", "attempts", "next_attempt_at", "last_error",
    ]  # fmt: skip
    assert [each["next_attempt_at"] for each in found] == ["2026-01-15T16:30:00.000Z", None]
    assert [each["delivery"] for each in list_deliveries(store, status="held")] == [1]


@pytest.mark.parametrize(
    ("query", "index"), [("_NEXT", "deliveries_open"), ("_NEXT", "deliveries_stuck"), ("_SENDING", "deliveries_open")]
)
def test_looking_for_work_reads_an_index_and_not_the_table(store, query, index):
    """A queue of a hundred thousand and a history of millions cost the same as none."""
    from hl7bridge.storage import deliveries

    sql = getattr(deliveries, query)
    sql = sql if "SELECT" in sql else f"SELECT id FROM deliveries WHERE {sql}"
    plan = [line[-1] for line in store.rows(f"EXPLAIN QUERY PLAN {sql}", ("ehr", False)[: sql.count("?")])]
    assert any(index in line for line in plan)
    assert not any("SCAN deliveries" in line and "INDEX" not in line for line in plan)
    assert not any("TEMP B-TREE" in line for line in plan)
