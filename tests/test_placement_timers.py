"""What waits for too long is asked about once, an account is called back in time, and a hold ends on its day."""

from __future__ import annotations

import datetime as dt

import pytest
from placement_samples import new_store
from reaction_samples import Placed

from hl7bridge.placement.state import By, Status
from hl7bridge.placement_orders import Order, resume
from hl7bridge.placement_timers import TIMERS, check_timers, waiting_for
from hl7bridge.reacting import AgencyTerms
from hl7bridge.storage.exceptions import close_exception, list_exceptions

TERMS = AgencyTerms()


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def feed(store, tmp_path):
    return Placed(store, tmp_path)


def wait(feed, **time: float) -> list[str]:
    feed.now += dt.timedelta(**time)
    return check_timers(feed.store, feed.reaction, feed.now)


def bring(feed, status: Status) -> None:
    """Have a placement be in a status, as it comes there."""
    feed.place(status=Status.SENT if status is Status.SENT else Status.ACTIVE)
    if status is Status.SUSPENDED:
        feed.signal("dispute", "open")
    if status is Status.RECALL_PENDING:
        feed.signal("bankruptcy", "filed")


@pytest.mark.parametrize("timer", TIMERS, ids=lambda timer: timer.kind)
def test_a_person_is_asked_once_when_it_takes_too_long_and_never_again_for_the_same_wait(feed, timer):
    """Not a minute before, and not again after the exception was closed."""
    bring(feed, timer.status)
    limit = waiting_for(TERMS, timer)
    assert wait(feed, seconds=limit.total_seconds() - 60) == []
    assert feed.exceptions() == []
    wait(feed, minutes=2)
    assert feed.exceptions() == [timer.kind]
    [row] = list_exceptions(feed.store)
    assert timer.what in row["reason"]
    with feed.store.transaction():
        close_exception(feed.store, 1, lift_hold=False, now=feed.now, actor="user:tester", reason="we called them")
    wait(feed, days=200)
    assert feed.exceptions() == []


def test_the_question_is_answered_when_the_wait_is_over(feed):
    """Nobody need close it; a wait that begins anew is asked about anew."""
    bring(feed, Status.SUSPENDED)
    wait(feed, days=51)
    assert feed.exceptions() == ["suspended_too_long"]
    feed.signal("dispute", "resolved")
    wait(feed, minutes=1)
    assert feed.exceptions() == []
    [row] = list_exceptions(feed.store)
    assert (row["closed_by"], row["resolution"]) == ("daemon", "it waits no more")
    feed.signal("dispute", "open")
    wait(feed, days=51)
    assert feed.exceptions() == ["suspended_too_long"]


def test_an_objection_moves_the_day_of_a_recall(feed):
    """The agency was given until then."""
    bring(feed, Status.RECALL_PENDING)
    feed.store.execute("UPDATE placements SET recall_by = '2026-12-20T00:00:00.000Z'")
    wait(feed, days=20)
    assert feed.exceptions() == []
    wait(feed, days=20)
    assert feed.exceptions() == ["recall_overdue"]


@pytest.mark.parametrize("status", [Status.SENT, Status.ACTIVE, Status.SUSPENDED])
def test_what_an_agency_has_had_for_as_long_as_it_may_is_called_back(store, tmp_path, status):
    """keep_at_most: of every placement that is not on its way back, once."""
    feed = Placed(store, tmp_path, AgencyTerms(keep_at_most=dt.timedelta(days=300)))
    bring(feed, status)
    wait(feed, days=299)
    assert feed.status() is status
    wait(feed, days=2)
    assert feed.status() is Status.RECALL_PENDING
    assert feed.notices()[-1][:2] == ("recall", "keep_at_most")
    wait(feed, days=2)
    assert feed.kinds().count("recall") == 1


def test_a_granted_objection_keeps_it_from_being_called_back_again_for_a_while(store, tmp_path):
    """recall_by lies ahead."""
    feed = Placed(store, tmp_path, AgencyTerms(keep_at_most=dt.timedelta(days=300)))
    feed.place()
    feed.store.execute("UPDATE placements SET recall_by = '2027-11-01T00:00:00.000Z'")
    wait(feed, days=301)
    assert feed.status() is Status.ACTIVE
    wait(feed, days=60)
    assert feed.status() is Status.RECALL_PENDING


def test_what_a_person_resumes_is_not_called_back_at_once(store, tmp_path):
    """A person's word puts the agency's time off, as a granted objection does."""
    feed = Placed(store, tmp_path, AgencyTerms(keep_at_most=dt.timedelta(days=300)))
    feed.place()
    wait(feed, days=301)
    with store.transaction():
        resume(store, 1, feed.reaction, Order("user:tester", "they go on", feed.now))
    wait(feed, days=13)
    assert feed.status() is Status.ACTIVE
    wait(feed, days=2)
    assert feed.status() is Status.RECALL_PENDING


def test_a_hold_that_ends_by_itself_resumes_within_the_hour(feed):
    """A signal's last day is the facility's."""
    feed.place()
    feed.signal("dispute", "open", until=feed.now.date() + dt.timedelta(days=1))
    wait(feed, hours=1)
    wait(feed, hours=25)
    assert feed.status() is Status.SUSPENDED
    wait(feed, hours=12)
    assert feed.status() is Status.ACTIVE


def test_nothing_is_written_when_nothing_is_due(feed):
    """Looking costs no transaction."""
    feed.place()
    assert wait(feed, hours=1) == []
    before = feed.store.connection.total_changes
    assert wait(feed, seconds=30) == []
    assert feed.store.connection.total_changes == before


def test_what_ended_is_asked_about_no_more(feed):
    """However long ago it was sent."""
    placement = feed.place(status=Status.SENT)
    feed.move(placement, Status.REJECTED, By.AGENCY)
    wait(feed, days=30)
    assert feed.exceptions() == []
