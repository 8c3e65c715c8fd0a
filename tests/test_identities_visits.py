"""Visits that are one, get another number, or another account: their entries count once, and where the visit is."""

from __future__ import annotations

from decimal import Decimal

from feed_samples import dft, ft1, message, pid, pv1
from identity_samples import (
    FIRST,
    SECOND,
    charged,
    exceptions,
    known,
    mrg,
    place,
    problems,
    registered,
    renamed,
    replay,
    told,
)

from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.identifiers import identifiers_of


def test_a_merged_visit_leads_to_the_account_of_the_other(feed):
    """The old number is an alias of the new; the account echoes the new one."""
    feed.take(*FIRST, renamed("A50", "20261120121000", "TVIS9", "TVIS1", event="A42"))
    state = find_account(feed.store, "TACC1")
    assert (state.visit_number, state.pv1_19) == ("TVIS9", "TVIS9")
    assert known(feed.store, "TVIS1").number == known(feed.store, "TVIS9").number == "TACC1"
    aliases = {each.number: each.becomes for each in identifiers_of(feed.store, "visit", state.id)}
    assert aliases == {"TVIS1": "TVIS9", "TVIS9": ""}


def test_a_corrected_visit_number_may_be_corrected_back(feed):
    """What comes late, or twice, turns nothing round."""
    feed.take(*FIRST)
    there = renamed("A50", "20261120121000", "TVIS9", "TVIS1")
    back = renamed("A50", "20261120122000", "TVIS1", "TVIS9")
    feed.take(there, back)
    for each in (there, back):
        replay(feed, each)
        assert find_account(feed.store, "TACC1").visit_number == "TVIS1"


def test_visits_of_two_accounts_that_are_one_bring_their_entries_together(feed):
    """The account in PID-18 has them all, else that of the visit that stays."""
    feed.take(*FIRST, *SECOND)
    feed.take(told("A42", pid("", "TMRN1"), mrg("TMRN1", visit="TVIS2"), pv1(f19="TVIS1")))
    assert known(feed.store, "TACC1").charges == Decimal(140)
    assert known(feed.store, "TACC2").charges == Decimal(0)
    assert problems(feed.store) == []


def by_visit(person: int, control_id: str, amount: str, at: str) -> bytes:
    """Return a charge of a sender that tells a visit where others tell an account."""
    visit = f"TVIS{person}"
    line = ft1(amount, number=f"T{control_id}")
    return message("DFT^P03", control_id, "EVN|P03", pid(visit, f"TMRN{person}"), pv1(f19=visit), line, m7=at)


def test_an_account_known_by_a_visit_alone_is_merged_as_a_whole(feed):
    """Nobody told its own number; it has no other visit."""
    feed.take(*FIRST, by_visit(2, "V2", "11.00", "20261120100000"))
    feed.take(told("A42", pid("TACC1", "TMRN1"), mrg("TMRN1", visit="TVIS2"), pv1(f19="TVIS1")))
    assert known(feed.store, "TVIS2") == known(feed.store, "TACC1")
    assert known(feed.store, "TACC1").charges == Decimal(111)
    feed.take(by_visit(2, "V3", "2.00", "20261120140000"))
    assert known(feed.store, "TACC1").charges == Decimal(113)
    assert problems(feed.store) == []


def test_an_account_known_by_a_visit_alone_gets_the_visits_new_number(feed):
    """Until its own is told."""
    feed.take(by_visit(2, "V2", "11.00", "20261120100000"), renamed("A50", "20261120121000", "TVIS9", "TVIS2"))
    assert known(feed.store, "TVIS2").number == "TVIS9"
    feed.take(told("A45", pid("TACC9", "TMRN2"), mrg("TMRN2", visit="TVIS9"), pv1(f19="TVIS9"), at="20261120123000"))
    assert known(feed.store, "TVIS9") == ("TACC9", Decimal(11), Decimal(11), "TMRN2")


def test_visits_that_nobody_knows_open_an_account_by_the_visit(feed):
    """As a charge of that visit would have."""
    feed.take(told("A42", pid("", "TMRN2"), mrg("TMRN2", visit="TVIS8"), pv1(f19="TVIS9")))
    feed.take(by_visit(9, "V9", "11.00", "20261120100000"))
    assert known(feed.store, "TVIS8").charges == Decimal(11)


def test_an_alternate_visit_number_moves_and_a_person_is_told_that_entries_do_not(feed):
    """Entries tell their visit, not its alternate number."""
    feed.take(*FIRST, *SECOND, told("A45", pid("TACC1", "TMRN1"), mrg("TMRN2", "TACC2", alternate="TALT2")))
    assert exceptions(feed.store) == ["unclear"]
    assert known(feed.store, "TACC2").charges == Decimal(40)


def moved(at: str, target: str, source: str) -> bytes:
    """Return a move of the second person's visit."""
    segments = (pid(target, "TMRN2"), mrg("TMRN2", source, "TVIS2"), pv1(f19="TVIS2"))
    return told("A45", *segments, at=at, control_id=f"V{at}")


def test_a_visit_may_come_back_and_its_entries_count_once_where_it_is(feed):
    """To and fro, twice; then with its whole account."""
    feed.take(*FIRST, *SECOND)
    for hour in (12, 14):
        feed.take(moved(f"20261120{hour}0000", "TACC1", "TACC2"))
        assert known(feed.store, "TACC1").charges == Decimal(140)
        feed.take(moved(f"20261120{hour + 1}0000", "TACC2", "TACC1"))
        assert known(feed.store, "TACC2").charges == Decimal(40)
    assert problems(feed.store) == []
    replay(feed, charged(2, "20261120091000"))
    feed.take(told("A41", pid("TACC1"), mrg("TMRN1", "TACC2"), at="20261120163000", control_id="M9"))
    replay(feed, charged(2, "20261120091000"))
    assert known(feed.store, "TACC1").charges == Decimal(140)
    assert problems(feed.store) == []


def test_a_move_that_comes_late_does_not_bring_a_visit_back(feed):
    """The newest event tells where a visit is; entries follow it there."""
    feed.take(*FIRST, *SECOND, registered(3, "20261120093000"))
    late, newest = moved("20261120120000", "TACC1", "TACC2"), moved("20261120130000", "TACC3", "TACC1")
    feed.take(newest, late)
    assert known(feed.store, "TACC3").charges == Decimal(40)
    feed.take(dft("D9", ft1("5.00", number="TTX9"), account="TACC1", m7="20261120140000"))
    assert known(feed.store, "TACC1").charges == Decimal(105)


def test_a_visit_moves_from_where_it_is_when_the_message_does_not_say(feed):
    """MRG-3 is missing."""
    feed.take(*FIRST, *SECOND, told("A45", pid("TACC1"), mrg("TMRN1", visit="TVIS2"), pv1(f19="TVIS2")))
    assert known(feed.store, "TACC1").charges == Decimal(140)


def test_a_visit_that_was_an_account_of_its_own_moves_as_a_whole(feed):
    """Its charges came under the visit's number alone; the message tells from which account it goes to which."""
    feed.take(*FIRST, registered(3, "20261120093000"), by_visit(2, "V2", "11.00", "20261120100000"))
    feed.take(moved("20261120120000", "TACC1", "TACC3"))
    assert known(feed.store, "TVIS2") == known(feed.store, "TACC1")
    assert known(feed.store, "TACC1").charges == Decimal(111)
    feed.take(moved("20261120130000", "TACC3", "TACC1"))
    assert problems(feed.store) == []


def test_a_visits_second_number_changes_and_its_entries_stay(feed):
    """Two accounts with one alternate number between them: no entry tells it."""
    segments = (pid("TACC1", "TMRN1"), mrg("TMRN1", alternate="TALT2"), pv1(f19="TVIS1", f50="TALT9"))
    feed.take(*FIRST, *SECOND, told("A51", *segments))
    assert known(feed.store, "TALT2").number == "TACC1"
    assert known(feed.store, "TACC2").charges == Decimal(40)


def test_a_visit_of_a_merged_account_is_the_targets(feed):
    """Also when the account was known by the visit alone."""
    feed.take(*FIRST, by_visit(2, "V2", "11.00", "20261120100000"))
    feed.take(told("A41", pid("TACC1", "TMRN1"), mrg("TMRN1", "TVIS2")))
    feed.take(renamed("A50", "20261120130000", "TVIS9", "TVIS2"))
    assert known(feed.store, "TVIS9") == known(feed.store, "TACC1")


def test_a_visit_that_is_where_it_should_be_stays_there(feed):
    """The source was merged into the target before."""
    feed.take(*FIRST, *SECOND, told("A41", pid("TACC1", "TMRN1"), mrg("TMRN1", "TACC2")))
    feed.take(moved("20261120130000", "TACC1", "TACC2"))
    assert known(feed.store, "TACC1").charges == Decimal(140)


def test_a_visit_may_move_without_a_word_on_the_patient(feed):
    """Whose the accounts are stays what it was."""
    feed.take(*FIRST, *SECOND, told("A45", "PID|1|||||||||||||||||TACC1", mrg("", "TACC2", "TVIS2")))
    assert known(feed.store, "TACC1") == ("TACC1", Decimal(140), Decimal(140), "TMRN1")


def test_a_person_is_asked_when_a_visit_of_its_own_was_placed_and_its_account_too(feed):
    """As when the two accounts were merged by their numbers."""
    feed.take(*FIRST, by_visit(2, "V2", "11.00", "20261120100000"))
    place(feed.store, "TACC1"), place(feed.store, "TVIS2")
    feed.take(told("A42", pid("TACC1", "TMRN1"), mrg("TMRN1", visit="TVIS2"), pv1(f19="TVIS1")))
    assert exceptions(feed.store) == ["both_placed"]
