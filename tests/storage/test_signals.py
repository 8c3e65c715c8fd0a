"""Signals: persons, files and messages tell facts of an account; the newest by time is in force, whoever told it."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import NamedTuple

import pytest
from placement_samples import NOW_TEXT, decide_all, new_store, put_account, send, signal

from hl7bridge.mapping.records import Signal as SignalRecord
from hl7bridge.rules.signals import Signal
from hl7bridge.storage.exceptions import list_exceptions
from hl7bridge.storage.signals import add_signal, apply_signals, message_of, read_signal_rows, read_signals


class Told(NamedTuple):
    """What storing signals asks of a message."""

    as_of: str
    message_id: int
    now: str = NOW_TEXT


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def account_id(store):
    return put_account(store, due_on=None)


def tell(store, account_id, *signals, at, message_id=7):
    """A message sent at a time of 2 March 2026 tells signals (name, value)."""
    records = [SignalRecord(name, value, f"ZFA-{number}") for number, (name, value) in enumerate(signals, 1)]
    sent = f"20260302{at}0000.000"
    with store.transaction():
        apply_signals(store, account_id, records, arrival=Told(f"{sent}000 {sent}000", message_id))


def say(store, account_id, name, value, *, day="2026-03-02", at="2026-03-02T12:00:00.000Z", **options):
    """A person tells a signal of a day, at a time."""
    told = Signal(name, value, "user:a", dt.date.fromisoformat(day))
    with store.transaction():
        return add_signal(store, account_id, told, at, **options)


def values(store, account_id):
    """Return the values in force, by name."""
    return {name: each.value for name, each in read_signals(store, account_id).items()}


def is_due(store, account_id):
    """Return whether the account is due, and have it due no longer."""
    row = store.row("SELECT due_on FROM accounts WHERE id = ?", (account_id,))
    store.execute("UPDATE accounts SET due_on = NULL")
    return row != (None,)


def test_a_message_tells_a_signal_with_its_id_path_and_time(store, account_id):
    """And the account becomes due."""
    tell(store, account_id, ("charity", "pending"), ("bankruptcy", "filed"), at="10")
    found = read_signals(store, account_id)
    assert found["charity"] == Signal("charity", "pending", "message 7, ZFA-1", dt.date(2026, 3, 2))
    [first, second] = read_signal_rows(store, account_id)
    assert (first.message_id, first.path, first.told_at) == (7, "ZFA-1", "2026-03-02T10:00:00.000Z")
    assert second.signal.name == "bankruptcy"
    assert is_due(store, account_id)


def test_a_message_without_signals_changes_nothing(store, account_id):
    """Unknown stays unknown."""
    tell(store, account_id, at="10")
    assert read_signals(store, account_id) == {}
    assert not is_due(store, account_id)


def test_of_one_message_the_last_value_of_a_name_counts(store, account_id):
    """As of FT1 segments that tell of one step after the other."""
    tell(store, account_id, ("charity", "pending"), ("charity", "approved"), at="10")
    assert values(store, account_id) == {"charity": "approved"}
    assert len(read_signal_rows(store, account_id)) == 1


def test_what_newer_messages_tell_again_is_confirmed_and_decides_nothing_anew(store, account_id):
    """It stays known since the first of them; a word from between two of them is late."""
    tell(store, account_id, ("charity", "pending"), at="08")
    assert is_due(store, account_id)
    tell(store, account_id, ("charity", "pending"), at="12", message_id=9)
    assert not is_due(store, account_id)
    [row] = read_signal_rows(store, account_id)
    assert (row.signal.source, row.told_at) == ("message 7, ZFA-1", "2026-03-02T12:00:00.000Z")
    tell(store, account_id, ("charity", "denied"), at="10", message_id=10)
    assert values(store, account_id) == {"charity": "pending"}
    assert not is_due(store, account_id)


@pytest.mark.parametrize("order", list(itertools.permutations(["08 yes", "10 no", "12 yes", "14 no"])))
def test_the_order_in_which_messages_arrive_makes_no_difference(store, account_id, order):
    """The time at which each was sent does; told a second time, nothing changes."""
    for told in order * 2:
        at, value = told.split()
        tell(store, account_id, ("cease", value), at=at)
    assert values(store, account_id) == {"cease": "no"}
    before = read_signal_rows(store, account_id)
    for told in order:
        tell(store, account_id, ("cease", told.split()[1]), at=told.split()[0], message_id=50)
    assert read_signal_rows(store, account_id) == before


def test_an_older_message_does_not_overwrite_what_a_person_told(store, account_id):
    """A newer one does."""
    say(store, account_id, "dispute", "open", at="2026-03-02T12:00:00.000Z")
    assert is_due(store, account_id)
    tell(store, account_id, ("dispute", "resolved"), at="11")
    assert values(store, account_id) == {"dispute": "open"}
    assert not is_due(store, account_id)
    tell(store, account_id, ("dispute", "resolved"), at="13")
    assert values(store, account_id) == {"dispute": "resolved"}
    assert is_due(store, account_id)


def test_what_a_person_told_of_an_earlier_day_does_not_overwrite_a_newer_message(store, account_id):
    """A file that comes days late speaks of its day."""
    tell(store, account_id, ("dispute", "open"), at="09")
    assert say(store, account_id, "dispute", "resolved", day="2026-02-28", at="2026-03-05T12:00:00.000Z")
    assert values(store, account_id) == {"dispute": "open"}
    assert say(store, account_id, "dispute", "resolved", day="2026-03-02", at="2026-03-05T12:00:00.000Z")
    assert values(store, account_id) == {"dispute": "resolved"}


def test_an_evening_in_the_west_belongs_to_its_own_day(store, account_id):
    """At 22:00 in New York, which is 03:00 UTC of the next day, a person's today is still the day before."""
    tell(store, account_id, ("hold", "no"), at="02")
    assert say(store, account_id, "hold", "yes", day="2026-03-01", at="2026-03-02T03:00:00.000Z")
    assert values(store, account_id) == {"hold": "yes"}


def test_a_message_that_says_what_a_person_said_takes_its_place(store, account_id):
    """From then on the message is the source, and the account is not decided anew."""
    say(store, account_id, "cease", "yes", at="2026-03-02T08:00:00.000Z")
    is_due(store, account_id)
    tell(store, account_id, ("cease", "yes"), at="10")
    assert read_signals(store, account_id)["cease"].source == "message 7, ZFA-1"
    assert not is_due(store, account_id)


def test_a_person_who_says_the_same_again_changes_nothing(store, account_id):
    """What is in force just so is known; so is what is older than what is in force."""
    assert say(store, account_id, "dispute", "open", day="2026-02-01")
    assert not say(store, account_id, "dispute", "open", day="2026-02-01")
    assert say(store, account_id, "dispute", "resolved", day="2026-02-10")
    assert not say(store, account_id, "dispute", "open", day="2026-02-01")
    assert len(read_signal_rows(store, account_id)) == 2


def test_a_person_may_go_back_to_what_was_said_before_on_one_day(store, account_id):
    """The last word of the day counts."""
    for hour, value in enumerate(["open", "resolved", "open"], 10):
        assert say(store, account_id, "dispute", value, at=f"2026-03-02T{hour}:00:00.000Z")
    assert values(store, account_id) == {"dispute": "open"}


def test_a_file_that_comes_twice_lifts_no_hold_the_second_time(store, account_id):
    """But a hold in it is in force again: a mistake in that direction harms nobody."""
    assert say(store, account_id, "dispute", "resolved", at="2026-03-02T10:00:00.000Z", may_repeat=True)
    assert say(store, account_id, "dispute", "open", at="2026-03-02T11:00:00.000Z")
    assert not say(store, account_id, "dispute", "resolved", at="2026-03-02T12:00:00.000Z", may_repeat=True)
    assert values(store, account_id) == {"dispute": "open"}
    assert say(store, account_id, "dispute", "resolved", at="2026-03-02T13:00:00.000Z")
    assert say(store, account_id, "dispute", "open", at="2026-03-02T14:00:00.000Z", may_repeat=True)
    assert values(store, account_id) == {"dispute": "open"}


def test_the_same_value_of_another_day_does_not_make_an_account_due(store, account_id):
    """Nothing that a rule asks about has changed."""
    say(store, account_id, "dispute", "open", day="2026-02-01")
    assert is_due(store, account_id)
    assert say(store, account_id, "dispute", "open", day="2026-02-20")
    assert not is_due(store, account_id)


def test_only_a_whole_source_is_a_messages():
    """A person's words are not taken for one."""
    assert message_of("message 12, FT1[2]-7.1") == (12, "FT1[2]-7.1")
    for source in ("user:a", "message from billing", "message 12", "message 12, ", "a message 12, PV1-41"):
        assert message_of(source) is None


def test_signals_of_a_day_that_is_told_at_the_time_of_the_store_are_in_order(store, account_id):
    """What persons told before messages could: by day, and of one day by the time of telling."""
    with store.transaction():
        add_signal(store, account_id, signal("cease", "no", 1), NOW_TEXT)
        add_signal(store, account_id, signal("cease", "yes", 9), NOW_TEXT)
    assert values(store, account_id) == {"cease": "no"}


def exceptions(store):
    """Return what waits for a person."""
    return [(row["kind"], row["reason"], row["message"]) for row in list_exceptions(store)]


def test_a_hold_that_a_message_tells_cancels_what_is_queued_when_it_would_be_sent(store, tmp_path):
    """Nobody has to do anything."""
    account_id = put_account(store)
    decide_all(store)
    tell(store, account_id, ("bankruptcy", "filed"), at="10")
    (withdrawn,) = send(store, tmp_path).withdrawn
    assert "bankruptcy is filed" in withdrawn.why
    assert exceptions(store) == []


def test_a_hold_that_a_message_tells_of_a_placed_account_is_noted_for_its_agency(store, tmp_path):
    """Whoever ends the transaction tells the agency; no person has to."""
    account_id = put_account(store)
    decide_all(store)
    send(store, tmp_path)
    store.execute("DELETE FROM stale_placements")
    tell(store, account_id, ("bankruptcy", "filed"), at="10")
    assert store.rows("SELECT account_id FROM stale_placements") == [(account_id,)]
    assert exceptions(store) == []


def test_a_last_day_is_kept_with_its_signal(store, account_id):
    """And another last day is another word, of the same value."""
    until = dt.date(2026, 4, 30)
    told = signal("dispute", "open")._replace(until=until)
    with store.transaction():
        assert add_signal(store, account_id, told, NOW_TEXT)
        assert not add_signal(store, account_id, told, NOW_TEXT)
    assert read_signals(store, account_id)["dispute"].until == until
    assert is_due(store, account_id)
    with store.transaction():
        assert add_signal(store, account_id, told._replace(until=None), NOW_TEXT)
    assert read_signals(store, account_id)["dispute"].until is None
    assert is_due(store, account_id)


def test_what_a_message_tells_again_has_no_last_day(store, account_id):
    """The hold is in force again without an end."""
    with store.transaction():
        add_signal(store, account_id, signal("dispute", "open")._replace(until=dt.date(2026, 3, 1)), NOW_TEXT)
    tell(store, account_id, ("dispute", "open"), at="23")
    assert read_signals(store, account_id)["dispute"].until is None
