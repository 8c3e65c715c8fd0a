"""What a message tells under a number that was merged away, or of a visit that left, ends nothing of the survivor."""

from __future__ import annotations

from decimal import Decimal

import pytest
from feed_samples import ft1, message, pid, pv1
from identity_samples import FACILITY, FIRST, SECOND, known, mrg, problems, renamed, told

from hl7bridge.storage.accounts import find_account, read_patient

MERGE = told("A41", pid("TACC1", "TMRN1"), mrg("TMRN2", "TACC2"))
LATER = "20261120130000"
WAS_MERGED = "its number is of an account that was merged"


def status_told(event: str, account: str, at: str = LATER, kind: str = "ADT", visit: str = "") -> bytes:
    """Return a message that tells an account's status."""
    return message(f"{kind}^{event}", f"{event}{account}{at}", pid(account, "TMRN2"), pv1(f19=visit), m7=at)


def status_of(feed, number: str) -> str:
    """Return the status of the account that a number leads to."""
    return find_account(feed.store, number, FACILITY).status


@pytest.mark.parametrize(
    ("event", "kind"), [("A11", "ADT"), ("A23", "ADT"), ("A38", "ADT"), ("P06", "BAR"), ("P02", "BAR")]
)
def test_a_merged_duplicate_that_is_cancelled_cancels_nothing_else(feed, event, kind):
    """The survivor is owed, and stays open; the reason says that nothing was changed."""
    feed.take(*FIRST, *SECOND, MERGE)
    (reply,) = feed.take(status_told(event, "TACC2", kind=kind))
    assert WAS_MERGED in reply.reason
    assert (status_of(feed, "TACC1"), known(feed.store, "TACC1").balance) == ("open", Decimal(140))
    assert problems(feed.store) == []


def test_a_merged_duplicate_that_is_open_opens_nothing(feed):
    """The survivor was cancelled under its own number."""
    feed.take(*FIRST, *SECOND, MERGE, status_told("A11", "TACC1"))
    (reply,) = feed.take(status_told("A13", "TACC2", "20261120140000"))
    assert (status_of(feed, "TACC1"), WAS_MERGED in reply.reason) == ("cancelled", True)


def test_of_a_status_that_is_the_survivors_too_nothing_is_said(feed):
    """A registration tells that its account is open."""
    feed.take(*FIRST, *SECOND, MERGE)
    (reply,) = feed.take(status_told("A04", "TACC2"))
    assert reply.reason == ""


def test_what_is_told_under_a_number_of_which_only_the_merge_is_known_ends_nothing_either(feed):
    """No row of the store ever had the number: it leads to the survivor, and is none of its own."""
    feed.take(*FIRST, MERGE)
    (reply,) = feed.take(status_told("A11", "TACC2"))
    assert (status_of(feed, "TACC1"), WAS_MERGED in reply.reason) == ("open", True)


def test_a_duplicate_that_was_cancelled_before_its_survivor_is_known_cancels_nothing(feed):
    """The survivor is what the store has of the duplicate, under another number."""
    feed.take(*SECOND, status_told("A11", "TACC2", "20261120110000"), MERGE)
    assert [status_of(feed, number) for number in ("TACC1", "TACC2")] == ["open", "open"]


def test_a_duplicate_that_was_opened_again_opens_no_survivor_that_was_cancelled(feed):
    """A merge carries no status, not even that of an open account that was told as late as can be."""
    feed.take(*FIRST, *SECOND, status_told("A11", "TACC1", "20261120110000"))
    feed.take(status_told("A13", "TACC2", "20261120113000"), MERGE)
    assert status_of(feed, "TACC1") == "cancelled"


def test_the_former_numbers_of_a_duplicate_end_nothing_after_it_is_merged(feed):
    """TACC2 was corrected to TACC9, and that was merged away."""
    feed.take(*FIRST, *SECOND, renamed("A49", "20261120110000", "TACC9", "TACC2"))
    feed.take(told("A41", pid("TACC1", "TMRN1"), mrg("TMRN2", "TACC9")), status_told("A11", "TACC2"))
    assert [status_of(feed, number) for number in ("TACC1", "TACC2")] == ["open", "open"]


def test_a_corrected_number_still_tells_the_status(feed):
    """It is the same account under its number of before."""
    feed.take(*FIRST, renamed("A49", "20261120120000", "TACC9", "TACC1"), status_told("A11", "TACC1"))
    assert status_of(feed, "TACC9") == "cancelled"


def test_the_account_that_a_visit_left_ends_nothing_where_the_visit_is(feed):
    """The visit's charges are owed there, with others."""
    move = told("A45", pid("TACC1", "TMRN1"), mrg("TMRN2", "TACC2", "TVIS2"), pv1(f19="TVIS2"))
    feed.take(*FIRST, *SECOND, move, status_told("A11", "TACC2", visit="TVIS2"))
    assert [status_of(feed, number) for number in ("TACC1", "TACC2")] == ["open", "open"]
    feed.take(status_told("A11", "TACC2", "20261120140000"))
    assert [status_of(feed, number) for number in ("TACC1", "TACC2")] == ["open", "cancelled"]


def person_told(event: str, number: str, at: str = LATER) -> bytes:
    """Return a message about a person."""
    return message(f"ADT^{event}", f"{event}{number}{at}", f"EVN|{event}", pid("", number), m7=at)


def is_deleted(feed, account: str) -> bool:
    """Return whether the owner of an account is told to be deleted."""
    return bool(read_patient(feed.store, find_account(feed.store, account, FACILITY).patient_id).deleted)


def test_a_merged_patient_who_is_deleted_takes_nobody_along(feed):
    """Nor does a message about the duplicate bring back the one who stays."""
    feed.take(*FIRST, *SECOND, told("A40", pid("", "TMRN1"), mrg("TMRN2")))
    (reply,) = feed.take(person_told("A29", "TMRN2"))
    assert ("was merged" in reply.reason, is_deleted(feed, "TACC1")) == (True, False)
    feed.take(person_told("A29", "TMRN1"))
    (reply,) = feed.take(person_told("A28", "TMRN2", "20261120140000"))
    assert ("was merged" in reply.reason, is_deleted(feed, "TACC1")) == (True, True)
    feed.take(person_told("A28", "TMRN1", "20261120150000"))
    (reply,) = feed.take(person_told("A28", "TMRN2", "20261120160000"))
    assert (reply.reason, is_deleted(feed, "TACC1")) == ("", False)


def test_a_patients_corrected_number_still_deletes(feed):
    """It is the same person under the number of before."""
    feed.take(*FIRST, renamed("A47", "20261120120000", "TMRN9", "TMRN1"), person_told("A29", "TMRN1"))
    assert is_deleted(feed, "TACC1")


def charge(account: str, visit: str, amount: str, at: str) -> bytes:
    """Return a charge of a visit."""
    line = ft1(amount, number=f"T{at}")
    return message("DFT^P03", f"D{at}", "EVN|P03", pid(account, "TMRN1"), pv1(f19=visit), line, m7=at)


REGISTERED = message("ADT^A04", "R4", "EVN|A04", pid("TACC4", "TMRN1"), pv1(f19="TVIS1"), m7="20261120080000")
TEN = charge("TACC4", "TVIS1", "10.00", "20261120081000")
RENAMED = told("A50", pid("TACC4", "TMRN1"), mrg("TMRN1", visit="TVIS1"), pv1(f19="TVIS8"), at="20261120090000")
BARE = told("A50", pid("", "TMRN1"), mrg("TMRN1", visit="TVIS1"), pv1(f19="TVIS8"), at="20261120090000")
MOVED = told("A45", pid("TACC5", "TMRN1"), mrg("TMRN1", "TACC4", "TVIS8"), pv1(f19="TVIS8"), at="20261120100000")
LATE = charge("TACC4", "TVIS1", "1.00", "20261120110000")


@pytest.mark.parametrize(
    "blocks",
    [
        (REGISTERED, TEN, RENAMED, MOVED, LATE),
        (REGISTERED, RENAMED, MOVED, TEN, LATE),
        (REGISTERED, TEN, MOVED, RENAMED, LATE),
        (REGISTERED, TEN, MOVED, BARE, LATE),
        (MOVED, RENAMED, REGISTERED, TEN, LATE),
        (MOVED, RENAMED, LATE, REGISTERED, TEN),
    ],
)
def test_a_visits_former_number_goes_where_the_visit_goes(feed, blocks):
    """A charge under the number that the visit had is of the account that has the visit now."""
    feed.take(*blocks)
    assert [known(feed.store, number).charges for number in ("TACC4", "TACC5")] == [Decimal(0), Decimal(11)]
    assert problems(feed.store) == []


SHARED = message("ADT^A04", "R1", "EVN|A04", pid("TACC1", "TMRN1"), pv1(f19="TVIS2"), m7="20261120075900")
OF_THREE = charge("TACC3", "TVIS2", "2.50", "20261120080100")
ANOTHER = told("A45", pid("TACC2", "TMRN1"), mrg("TMRN1", "TACC3", "TVIS3"), pv1(f19="TVIS3"), at="20261120080300")


def test_an_account_keeps_the_charges_of_a_visit_that_another_named_first(feed):
    """That another visit left it moves nothing of this one: a resend is one, and new charges are its own."""
    feed.take(SHARED, OF_THREE, ANOTHER, OF_THREE.replace(b"|D2026", b"|E2026"))
    feed.take(charge("TACC3", "TVIS2", "1.00", "20261120110000"))
    assert [known(feed.store, number).charges for number in ("TACC1", "TACC3")] == [Decimal(0), Decimal("3.50")]


def test_what_an_account_had_is_a_resend_wherever_its_visit_is_said_to_be(feed):
    """The visit of the first account moved; the third named it too, and keeps the charge that it has."""
    moved = told("A45", pid("TACC2", "TMRN1"), mrg("TMRN1", "TACC1", "TVIS2"), pv1(f19="TVIS2"), at="20261120080400")
    feed.take(SHARED, OF_THREE, ANOTHER, moved, OF_THREE.replace(b"|D2026", b"|E2026"))
    found = [known(feed.store, number).charges for number in ("TACC1", "TACC2", "TACC3")]
    assert sum(found) == Decimal("2.50")


def test_a_visit_that_moved_and_got_another_number_is_found_by_all_of_them(feed):
    """A charge that names the account it left is of the account that has it."""
    later = told("A50", pid("", "TMRN1"), mrg("TMRN1", visit="TVIS8"), pv1(f19="TVIS9"), at="20261120103000")
    more = [
        charge("TACC4", visit, "1.00", f"202611201110{at}")
        for at, visit in ((10, "TVIS1"), (20, "TVIS8"), (30, "TVIS9"))
    ]
    feed.take(REGISTERED, TEN, RENAMED, MOVED, later, *more)
    assert [known(feed.store, number).charges for number in ("TACC4", "TACC5")] == [Decimal(0), Decimal(13)]
