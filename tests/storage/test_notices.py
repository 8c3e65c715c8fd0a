"""Notices in the store: queued by what changed, frozen as they are sent, acknowledged once, told apart as stops."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from feed_samples import ft1, pid
from identity_samples import mrg, told
from placement_samples import new_store
from reaction_samples import Placed, paid, posted

from hl7bridge.errors import NotFoundError
from hl7bridge.placement.records import NoticeKind
from hl7bridge.placement.state import By, Status
from hl7bridge.storage.notices import (
    acknowledge_notice,
    cancel_notice,
    list_notices,
    mark_notices_sent,
    notices_of_file,
    queued_notices,
    read_notice_record,
)
from hl7bridge.storage.stopping import find_late_stops
from hl7bridge.storage.told import read_told, start_told

AT = "2026-11-22T10:00:00.000Z"


@pytest.fixture
def feed(tmp_path):
    store = new_store(tmp_path)
    placed = Placed(store, tmp_path)
    placed.place()
    yield placed
    store.close()


def queued(feed, *, stops: bool) -> list[int]:
    return [each.id for each in queued_notices(feed.store, "sample", stops=stops, after=0, most=100)]


def test_a_notice_is_read_as_what_the_agency_gets(feed):
    """Money, days and the account as the agency knows it, with the agency's own number as soon as it is known."""
    feed.take(posted(paid("60.00", insurer=True), at="20261120130000"))
    notice = read_notice_record(feed.store, 1)
    assert (notice.kind, notice.placement_id, notice.client_account) == (NoticeKind.PAYMENT, 1, "TACC1")
    assert (notice.amount, notice.balance, notice.payer) == (Decimal("60.00"), Decimal("40.00"), "insurance")
    assert (notice.effective_on, notice.paid_on) == (dt.date(2026, 11, 21), dt.date(2026, 11, 19))
    assert notice.agency_account == ""
    feed.store.execute("UPDATE placements SET agency_account = 'AG77'")
    assert read_notice_record(feed.store, 1).agency_account == "AG77"
    with pytest.raises(NotFoundError):
        read_notice_record(feed.store, 9)


def test_stops_and_all_else_wait_apart_in_their_order(feed):
    """So that stops can be sent first."""
    feed.take(posted(paid("10.00"), at="20261120130000"), posted(paid("5.00", "TPY2"), at="20261120131000"))
    feed.signal("dispute", "open")
    assert (queued(feed, stops=True), queued(feed, stops=False)) == ([3], [1, 2])
    [first] = queued_notices(feed.store, "sample", stops=False, after=0, most=1)
    assert (first.id, first.account_id, first.kind) == (1, 1, NoticeKind.PAYMENT)
    assert [each.id for each in queued_notices(feed.store, "sample", stops=False, after=1, most=9)] == [2]
    assert queued_notices(feed.store, "other", stops=True, after=0, most=9) == []


def test_nothing_is_said_of_a_placement_before_its_file_is_written(feed):
    """The agency would not know what it is about."""
    feed.signal("dispute", "open")
    feed.store.execute("UPDATE agency_files SET status = 'writing'")
    assert queued(feed, stops=True) == []
    feed.store.execute("UPDATE agency_files SET status = 'written'")
    assert queued(feed, stops=True) == [1]


def test_what_was_sent_stays_as_it_was(feed):
    """A file that is sent again has the same notices, whatever is known by then."""
    feed.take(posted(paid("10.00"), at="20261120130000"))
    with feed.store.transaction():
        mark_notices_sent(feed.store, [1], 1, AT)
    feed.store.execute("UPDATE placements SET agency_account = 'AG77'")
    [notice] = notices_of_file(feed.store, 1)
    assert notice == read_notice_record(feed.store, 1)
    assert notice.agency_account == ""
    assert queued(feed, stops=False) == []
    [row] = list_notices(feed.store, 1)
    assert (row["status"], row["sent_at"], row["amount"], row["balance"]) == ("sent", AT, "10.00", "90.00")


def test_a_stop_names_the_account_as_the_agency_knows_it(feed):
    """It overtakes the news of the account's other number."""
    feed.take(told("A49", pid("TACC7", "TMRN1"), mrg("TMRN1", "TACC1"), at="20261120140000"))
    feed.signal("dispute", "open", account="TACC7")
    assert read_notice_record(feed.store, 2).client_account == "TACC1"
    with feed.store.transaction():
        mark_notices_sent(feed.store, [2], 1, AT)
        mark_notices_sent(feed.store, [1], 1, AT)
    assert [each.client_account for each in notices_of_file(feed.store, 1)] == ["TACC7", "TACC1"]


def test_an_acknowledgement_counts_once(feed):
    """The second says nothing new."""
    feed.signal("dispute", "open")
    assert acknowledge_notice(feed.store, 1, AT).kind is NoticeKind.SUSPEND
    assert acknowledge_notice(feed.store, 1, "2027") is None
    assert next(list_notices(feed.store, 1))["acknowledged_at"] == AT
    with pytest.raises(NotFoundError):
        acknowledge_notice(feed.store, 9, AT)


def test_a_notice_that_cannot_be_sent_is_cancelled_and_one_that_was_sent_is_not(feed):
    """What the agency has it has."""
    feed.take(posted(paid("10.00"), ft1("-5.00", number="TCG2"), at="20261120130000"))
    with feed.store.transaction():
        mark_notices_sent(feed.store, [1], 1, AT)
        cancel_notice(feed.store, 1, at=AT)
        cancel_notice(feed.store, 2, at=AT)
    assert [row["status"] for row in list_notices(feed.store, 1)] == ["sent", "cancelled"]


def test_stops_are_late_from_when_the_bridge_knew_until_they_are_acknowledged(feed):
    """Whether they wait here or there."""
    feed.signal("dispute", "open")
    known_at = feed.store.row("SELECT event_at FROM notices")[0]
    assert find_late_stops(feed.store, "sample", known_at) == (0, "")
    for _ in range(2):
        assert find_late_stops(feed.store, "sample", AT) == (1, known_at)
        mark_notices_sent(feed.store, [1], 1, AT)
    acknowledge_notice(feed.store, 1, AT)
    assert find_late_stops(feed.store, "sample", AT) == (0, "")


@pytest.mark.parametrize("status", [Status.RETURNED, Status.REJECTED, Status.SETTLED, Status.RECALLED])
def test_what_waits_for_an_agency_that_has_the_account_no_more_is_not_sent(feed, status):
    """And its stop is late no more."""
    feed.take(posted(paid("10.00"), at="20261120130000"))
    feed.signal("bankruptcy", "filed")
    mark_notices_sent(feed.store, [2], 1, AT)
    feed.move(1, status, By.PERSON if status is Status.SETTLED else By.AGENCY)
    assert [row["status"] for row in list_notices(feed.store, 1)] == ["cancelled", "sent"]
    assert find_late_stops(feed.store, "sample", AT) == (0, "")


def test_a_stop_that_was_overtaken_by_something_acknowledged_is_late_no_more(feed):
    """Whoever answered the newer has read the older."""
    for value in ("open", "resolved"):
        feed.signal("dispute", value)
    mark_notices_sent(feed.store, [1, 2], 1, AT)
    assert find_late_stops(feed.store, "sample", AT).stops == 1
    acknowledge_notice(feed.store, 2, AT)
    assert find_late_stops(feed.store, "sample", AT).stops == 0


def test_what_an_agency_was_told_begins_with_what_was_sent(feed):
    """The last entry, the balance, the number, the coverages; the people's fields are those of the snapshot."""
    known = read_told(feed.store, 1)
    assert (known.row, known.account, known.entry, known.balance) == (1, "TACC1", 1, Decimal("100.00"))
    assert known.people["guarantor_city"] == "TESTVILLE"
    assert "guarantor_birth_on" not in known.people
    with pytest.raises(NotFoundError):
        read_told(feed.store, 9)


def test_a_placement_of_an_earlier_release_was_told_what_was_sent(feed):
    """What has come since is news; its number is the one that was sent."""
    feed.store.execute("UPDATE placements SET told = NULL")
    feed.take(posted(paid("10.00"), at="20261120130000"))
    assert feed.kinds() == ["payment"]
    feed.store.execute("UPDATE placements SET told = NULL, snapshot = NULL, status = 'queued'")
    assert read_told(feed.store, 1).people == {}
    with feed.store.transaction():
        start_told(feed.store, 1)
    assert read_told(feed.store, 1).balance == Decimal("90.00")
    assert feed.status() is Status.QUEUED
