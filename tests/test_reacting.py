"""Reacting: whoever changed an account, its placement follows; what fails stays noted and takes nothing with it."""

from __future__ import annotations

import datetime as dt

import pytest
from feed_samples import ft1, message, pid
from placement_samples import new_store, put_account
from reaction_samples import Placed, paid, posted, registered

from hl7bridge.assemble import reaction_settings
from hl7bridge.placement.state import By, Status
from hl7bridge.reacting import AgencyTerms, ReactionSettings, has_changes, react_to_changes
from hl7bridge.storage.audit import verify_audit
from hl7bridge.storage.stopping import find_late_stops


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def feed(store, tmp_path):
    return Placed(store, tmp_path)


def react(feed):
    with feed.store.transaction():
        return react_to_changes(feed.store, feed.reaction, feed.now)


@pytest.mark.parametrize("status", [Status.REVIEW, Status.QUEUED])
def test_a_hold_that_comes_before_the_file_cancels_the_placement_and_no_agency_hears_of_it(feed, status):
    """The account is decided anew once it may be placed."""
    feed.place(status=Status.QUEUED)
    feed.store.execute("UPDATE placements SET status = ?", (status,))
    feed.signal("dispute", "open")
    assert (feed.status(), feed.notices()) == (Status.CANCELLED, [])
    assert "dispute" in feed.last_reason()
    assert feed.store.row("SELECT due_on FROM accounts") == (None,)
    feed.signal("dispute", "resolved")
    assert feed.store.row("SELECT due_on IS NOT NULL FROM accounts") == (1,)


def test_a_balance_that_falls_below_the_minimum_withdraws_what_is_queued_for_as_long_as_it_does(feed):
    """Everything that the decision asked is asked again."""
    feed.place(status=Status.QUEUED)
    feed.take(posted(paid("90.00", f4="20260105"), at="20261120130000"))
    assert feed.status() is Status.CANCELLED
    assert "balance" in feed.last_reason()


@pytest.mark.parametrize("status", [Status.SENT, Status.ACKNOWLEDGED, Status.ACTIVE])
def test_a_stop_reaches_what_the_agency_has_in_the_batch_of_the_message(feed, status):
    """Once the message is answered the stop is in the store."""
    feed.place(status=status)
    feed.take(message("ADT^A31", "DEATH", "EVN|A31", pid(f30="Y"), m7="20261120130000"))
    assert (feed.status(), feed.kinds()) == (Status.RECALL_PENDING, ["recall"])
    assert not has_changes(feed.store)


def test_a_placement_that_was_stopped_before_its_acknowledgement_goes_back_to_being_sent(feed):
    """Only acknowledged dollars count as placed."""
    feed.place(status=Status.SENT)
    feed.signal("dispute", "open")
    feed.signal("dispute", "resolved")
    assert feed.status() is Status.SENT
    assert feed.kinds() == ["suspend", "resume"]


def test_a_resume_that_waits_is_cancelled_by_the_next_stop(feed):
    """Stops overtake all else: the resume would come after the stop and undo it."""
    feed.place()
    for value in ("open", "resolved", "open"):
        feed.signal("dispute", value)
    rows = feed.store.rows("SELECT kind, status FROM notices ORDER BY id")
    assert rows == [("suspend", "queued"), ("resume", "cancelled"), ("suspend", "queued")]


def test_what_nobody_called_for_is_found_by_whoever_looks_next(feed):
    """The triggers note every change, wherever it was made."""
    feed.place()
    feed.store.execute("UPDATE patients SET deceased = 1")
    assert has_changes(feed.store)
    [done] = react(feed).done
    assert (done.placement_id, done.agency, done.status, done.notices) == (
        1, "sample", Status.RECALL_PENDING, ("recall",),
    )  # fmt: skip
    assert react(feed) == ((), ())


def test_an_account_that_no_agency_has_is_not_noted(feed):
    """Noting costs only those that are placed."""
    feed.take(registered(), posted(ft1()))
    put_account(feed.store, "A9")
    assert not has_changes(feed.store)


def test_what_fails_of_one_account_is_undone_and_stays_noted_and_the_others_are_told(feed, monkeypatch):
    """And the message that brought it is stored."""
    first, second = feed.place(), feed.place("TACC2")
    changes = (feed.account_id(), feed.account_id("TACC2"))
    feed.store.execute("UPDATE placements SET told = '{' WHERE id = ?", (first,))
    replies = feed.receive(
        posted(paid("10.00"), at="20261120130000"), posted(paid("10.00", "TPY2"), account="TACC2", at="20261120131000")
    )
    assert [reply.disposition for reply in replies] == ["applied", "applied"]
    assert (feed.kinds(second), feed.store.rows("SELECT account_id FROM stale_placements")) == (
        ["payment"],
        [(changes[0],)],
    )
    [problem] = react(feed).problems
    assert problem == f"account id {changes[0]}: its agency was not told of a change: internal error: JSONDecodeError"


def test_a_feed_without_reaction_settings_tells_nobody_and_forgets_nothing(feed):
    """As a preview runs."""
    feed.place()
    feed.pipeline.setup = feed.pipeline.setup._replace(reaction=None)
    feed.take(posted(paid("10.00"), at="20261120130000"))
    assert feed.notices() == []
    react(feed)
    assert feed.kinds() == ["payment"]


def test_no_more_accounts_are_looked_at_than_asked_for(feed):
    """The rest is looked at next."""
    feed.place(), feed.place("TACC2")
    feed.store.execute("UPDATE patients SET deceased = 1")
    with feed.store.transaction():
        assert len(react_to_changes(feed.store, feed.reaction, feed.now, most=1).done) == 1
    assert len(react(feed).done) == 1


def test_an_agency_that_the_configuration_has_no_more_is_told_by_the_usual_terms(feed):
    """Its account is stopped all the same."""
    feed.place()
    feed.reaction = ReactionSettings(feed.reaction.rules, feed.reaction.zone_of, {})
    assert feed.reaction.terms("sample") == AgencyTerms()
    feed.signal("dispute", "open")
    assert feed.kinds() == ["suspend"]


def test_a_recalled_account_still_takes_the_agencys_payment_and_tells_nobody(feed):
    """Grace: the money counts; nothing is placed or told."""
    placement = feed.place()
    feed.signal("bankruptcy", "filed")
    feed.send_files()
    feed.move(placement, Status.RECALLED, By.AGENCY)
    feed.collect("20.00")
    assert feed.kinds() == ["recall"]
    assert feed.store.row("SELECT payments FROM accounts") == (2000,)


def test_the_time_to_stop_is_counted_from_the_message(feed):
    """Known, sent and acknowledged are three times of one notice."""
    feed.place()
    before = feed.now
    feed.take(message("ADT^A31", "DEATH", "EVN|A31", pid(f30="Y"), m7="20261120130000"))
    late = find_late_stops(feed.store, "sample", "9999")
    assert late.stops == 1
    assert dt.datetime.fromisoformat(late.oldest_at) - before == dt.timedelta(seconds=1)
    feed.send_files()
    status, sent_at = feed.store.row("SELECT status, sent_at FROM notices")
    assert (status, sent_at >= late.oldest_at) == ("sent", True)
    assert verify_audit(feed.store).ok


def test_the_agencies_terms_are_those_of_the_configuration(tmp_path):
    """Defaults and what the file says."""
    from placement_samples import settings_in, shipped_rules

    from hl7bridge.config import load_settings

    path = settings_in(tmp_path)
    path.write_text(path.read_text().replace("[[agencies]]", '[[agencies]]\nincreases = "send"\nstop_within = "2 h"'))
    terms = reaction_settings(load_settings(path), shipped_rules()).agencies["sample"]
    assert (terms.sends_increases, terms.stop_within) == (True, dt.timedelta(hours=2))
    assert (terms.acknowledge_within, terms.keep_at_most) == (dt.timedelta(days=3), None)
