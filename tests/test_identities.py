"""What hangs on an id that changes: numbers lead on, money counts once, mistakes of senders are refused whole."""

from __future__ import annotations

from decimal import Decimal

import pytest
from feed_samples import adt, dft, ft1, gt1, in1, message, pid, pv1, refusal
from identity_samples import (
    FIRST,
    SECOND,
    account_id,
    charged,
    dump,
    exceptions,
    known,
    mrg,
    problems,
    registered,
    renamed,
    replay,
    told,
)

from hl7bridge.mapping.records import Coverage, Guarantor
from hl7bridge.storage.accounts import find_account, read_account, read_coverages, read_guarantors, read_patient
from hl7bridge.storage.coverage_history import former_coverages

MERGE = told("A41", pid("TACC1", "TMRN1"), mrg("TMRN1", "TACC2"))
PATIENT_MERGE = told("A40", pid("", "TMRN1"), mrg("TMRN2"))


def reason_of(store) -> str:
    """Return the newest message's reason."""
    return store.row("SELECT reason FROM messages ORDER BY id DESC LIMIT 1")[0]


def counter(store, name: str) -> int:
    """Return a counter of the listener."""
    return (store.row("SELECT value FROM counters WHERE name = ?", (name,)) or (0,))[0]


def test_a_chain_of_merges_is_followed_to_its_end(feed):
    """The second into the first, the first into the third: messages for the second go to the third."""
    feed.take(*FIRST, *SECOND, MERGE, registered(3, "20261120121000"))
    feed.take(renamed("A41", "20261120122000", "TACC3", "TACC1"))
    feed.take(dft("D9", ft1("5.00", number="TTX9"), account="TACC2", m7="20261120130000"))
    assert {known(feed.store, number).number for number in ("TACC1", "TACC2", "TACC3")} == {"TACC3"}
    assert known(feed.store, "TACC2").charges == Decimal(145)
    assert problems(feed.store) == []


def test_the_links_of_a_chain_may_come_in_the_wrong_order(feed):
    """The later merge is known first: what is merged into its source goes on to its target."""
    feed.take(*FIRST, *SECOND, registered(3, "20261120121000"))
    feed.take(renamed("A41", "20261120122000", "TACC3", "TACC1"), MERGE)
    assert known(feed.store, "TACC2") == known(feed.store, "TACC3")
    assert known(feed.store, "TACC3").charges == Decimal(140)


@pytest.mark.parametrize(
    ("before", "refused", "place"),
    [
        ([], told("A40", pid("", "TMRN1"), mrg("TMRN1")), "MRG^1^1"),
        ([], told("A41", pid("TACC1"), mrg("TMRN1", "TACC1")), "MRG^1^3"),
        ([MERGE], renamed("A41", "20261120130000", "TACC2", "TACC1"), "MRG^1^3"),
        ([PATIENT_MERGE], told("A40", pid("", "TMRN2"), mrg("TMRN1"), at="20261120130000"), "MRG^1^1"),
        (
            [MERGE, renamed("A41", "20261120121000", "TACC3", "TACC1")],
            renamed("A41", "20261120130000", "TACC2", "TACC1"),
            "MRG^1^3",
        ),
        (
            [MERGE, *(renamed("A41", f"2026112012{old}000", f"TACC{old + 2}", f"TACC{old}") for old in (1, 3))],
            renamed("A41", "20261120140000", "TACC2", "TACC3"),
            "MRG^1^3",
        ),
        ([MERGE], renamed("A41", "20261120130000", "TACC4", "TACC2"), "MRG^1^3"),
        ([MERGE], renamed("A49", "20261120130000", "TACC2", "TACC1"), "MRG^1^3"),
        (
            [renamed("A50", "20261120121000", "TVIS9", "TVIS1", event="A42")],
            renamed("A50", "20261120122000", "TVIS1", "TVIS9", event="A42"),
            "MRG^1^5",
        ),
        (
            [renamed("A50", "20261120121000", "TVIS9", "TVIS1")],
            renamed("A50", "20261120122000", "TVIS8", "TVIS1"),
            "MRG^1^5",
        ),
    ],
    ids=[
        "self",
        "own account",
        "circle",
        "patients",
        "long circle",
        "longer circle",
        "taken",
        "back from a merge",
        "visits",
        "visit",
    ],
)
def test_what_would_go_in_a_circle_or_apart_is_refused_and_nothing_is_done(feed, before, refused, place):
    """AE 205 at MRG; every row stays what it was."""
    feed.take(*FIRST, *SECOND, *before)
    stored = dump(feed.store)
    assert refusal(feed.send(refused)) == ("AE", "205", place)
    assert dump(feed.store) == stored


def test_all_groups_of_a_message_are_done_or_none(feed):
    """A mistake in the second group undoes the first."""
    feed.take(*FIRST, *SECOND, registered(3, "20261120110000"), charged(3, "20261120111000"))
    stored = dump(feed.store)
    first, wrong = (pid("TACC1"), mrg("TMRN1", "TACC2")), (pid("TACC3", "TMRN3"), mrg("TMRN3", "TACC3"))
    assert refusal(feed.send(told("A41", *first, *wrong))) == ("AE", "205", "MRG^2^3")
    assert dump(feed.store) == stored
    right = (pid("TACC1"), mrg("TMRN1", "TACC3"))
    feed.take(told("A41", *first, *right, control_id="M2"))
    assert known(feed.store, "TACC1").charges == Decimal(147)


def test_a_merge_whose_source_alone_has_history_is_done_and_marked(feed):
    """PID and MRG may be swapped; the standard says what is done, a person is told."""
    feed.take(*SECOND, registered(1, "20261120080000"), MERGE)
    assert known(feed.store, "TACC1").charges == Decimal(40)
    assert "may be swapped" in reason_of(feed.store)
    assert counter(feed.store, "merge_maybe_swapped") == 1
    feed.take(charged(1, "20261120131000"), PATIENT_MERGE)
    assert counter(feed.store, "merge_maybe_swapped") == 1


def test_a_corrected_number_is_no_swap(feed):
    """A47 and A49 have their history at the source by nature."""
    feed.take(*FIRST, renamed("A49", "20261120121000", "TACC7", "TACC1"))
    feed.take(renamed("A47", "20261120122000", "TMRN7", "TMRN1"))
    assert known(feed.store, "TACC1") == ("TACC7", Decimal(100), Decimal(100), "TMRN7")
    assert counter(feed.store, "merge_maybe_swapped") == 0


def test_a_corrected_number_is_echoed_from_then_on_and_may_be_corrected_back(feed):
    """In PID-18 and PID-3 as in our own lists; what comes late, or twice, turns nothing round."""
    there = renamed("A49", "20261120121000", "TACC7", "TACC1")
    back = renamed("A49", "20261120122000", "TACC1", "TACC7")
    feed.take(adt(m7="20261120080000"), there)
    assert find_account(feed.store, "TACC1").pid_18 == "TACC7"
    feed.take(back)
    for each in (there, back, there):
        assert replay(feed, each).disposition == "applied"
        assert find_account(feed.store, "TACC7").number == "TACC1"
        assert find_account(feed.store, "TACC7").pid_18 == "TACC1"
    feed.take(renamed("A47", "20261120121000", "TMRN7", "TMRN1"), renamed("A47", "20261120122000", "TMRN1", "TMRN7"))
    patient = read_patient(feed.store, 1)
    assert (patient.number, patient.pid_3) == ("TMRN1", "TMRN1^^^HOSP^MR")


def test_a_merged_patients_number_finds_the_target_and_tells_of_it(feed):
    """A late registration under the old number updates the target, but for its ids."""
    feed.take(*FIRST, PATIENT_MERGE)
    feed.take(registered(2, "20261120131000").replace(b"AURELIA", b"BOREAS"))
    patient = read_patient(feed.store, find_account(feed.store, "TACC2").patient_id)
    assert (patient.number, patient.given_name, patient.pid_3) == ("TMRN1", "BOREAS", "TMRN1^^^HOSP^MR")


def test_an_id_without_its_authority_finds_the_only_patient_that_has_it(feed):
    """Short MRG-1 are common; with two patients of one number nothing is guessed."""
    feed.take(*FIRST, *SECOND, told("A40", pid("", "TMRN1"), "MRG|TMRN2"))
    assert known(feed.store, "TACC2").patient == "TMRN1"
    other = message("ADT^A28", "P9", "EVN|A28", pid("", "TMRN1").replace("HOSP", "OTHER"), m7="20261120100000")
    feed.take(other, told("A40", pid("", "TMRN8"), "MRG|TMRN1", at="20261120130000", control_id="M8"))
    assert known(feed.store, "TACC2").patient == "TMRN1"


def test_resends_of_entries_are_known_under_both_numbers_and_new_ones_count(feed):
    """An entry that both accounts had is counted once after the merge."""
    feed.take(*FIRST, *SECOND)
    feed.take(dft("D7", ft1("100.00", number="TTX1"), account="TACC2", m7="20261120093000"))
    assert known(feed.store, "TACC2").charges == Decimal(140)
    feed.take(MERGE)
    for each in (charged(1, "20261120081000"), charged(2, "20261120091000")):
        replay(feed, each)
    feed.take(dft("D8", ft1("40.00", number="TTX2"), account="TACC1", m7="20261120140000"))
    assert known(feed.store, "TACC1").charges == Decimal(140)
    assert problems(feed.store) == []


def test_entries_with_one_id_and_other_content_both_count_and_a_person_is_told(feed):
    """The sender numbers its entries for each account: no money is lost, and a resend is refused."""
    feed.take(*FIRST, *SECOND, dft("D7", ft1("3.00", number="TTX1"), account="TACC2"), MERGE)
    assert known(feed.store, "TACC1").charges == Decimal(143)
    assert exceptions(feed.store) == ["entries_alike"]
    assert problems(feed.store) == []


def test_people_are_joined_and_nothing_is_blanked(feed):
    """A place that the target does not fill is filled; at a place that both fill the newer word counts."""
    first = message("ADT^A08", "U1", "EVN|A08", pid("TACC1"), pv1(), gt1(), in1(), m7="20261120083000")
    ours = gt1(f6="5550143", f2="TGUA2"), gt1(f1="2", f2="TGUA3", f3="TESTPATIENT^CASSIA")
    plans = in1(f2="PLAN2"), in1(f1="2", f2="PLAN3")
    second = message("ADT^A08", "U2", "EVN|A08", pid("TACC2", "TMRN2"), pv1(), *ours, *plans, m7="20261120093000")
    feed.take(*FIRST, *SECOND, first, second, MERGE)
    target = account_id(feed.store, "TACC1")
    assert [each.number for each in read_guarantors(feed.store, target)] == ["TGUA2", "TGUA3"]
    assert [each.plan for each in read_coverages(feed.store, target)] == ["PLAN2", "PLAN3"]
    assert [each.coverage.plan for each in former_coverages(feed.store, target)] == ["PLAN1"]


def test_what_is_told_of_one_guarantor_in_both_accounts_is_one_record(feed):
    """Field by field; an older word fills what the newer does not tell."""
    plain = gt1().replace("1 SAMPLE ST^^TESTVILLE^IL^60000", "")
    first = message("ADT^A08", "U1", "EVN|A08", pid("TACC1"), pv1(), plain, in1(), m7="20261120103000")
    second = message(
        "ADT^A08", "U2", "EVN|A08", pid("TACC2", "TMRN2"), pv1(), gt1(f6="5550143"), in1(), m7="20261120093000"
    )
    feed.take(*FIRST, *SECOND, first, second, MERGE)
    (guarantor,) = read_guarantors(feed.store, account_id(feed.store, "TACC1"))
    assert isinstance(guarantor, Guarantor)
    assert (guarantor.street, guarantor.phone) == ("1 SAMPLE ST", "5550143")
    (coverage,) = read_coverages(feed.store, account_id(feed.store, "TACC1"))
    assert isinstance(coverage, Coverage)
    assert former_coverages(feed.store, account_id(feed.store, "TACC1")) == []


def test_a_message_for_the_merged_number_does_not_bring_it_back(feed):
    """What it tells counts for the target, whose own number is echoed all the same."""
    feed.take(*FIRST, *SECOND, MERGE)
    late = message("ADT^A08", "U9", "EVN|A08", pid("TACC2"), pv1(f20="CI"), m7="20261120140000")
    feed.take(late)
    state = find_account(feed.store, "TACC2")
    assert (state.number, state.pid_18, state.financial_class) == ("TACC1", "TACC1", "CI")


def test_an_account_moves_to_a_patient_that_nobody_knows(feed):
    """The patient is opened, and PID tells of it at once."""
    feed.take(*FIRST, told("A44", pid("TACC1", "TMRN9"), mrg("TMRN1", "TACC1")))
    state = find_account(feed.store, "TACC1")
    assert read_patient(feed.store, state.patient_id).family_name == "TESTPATIENT"
    assert known(feed.store, "TACC1").patient == "TMRN9"


def test_a_link_is_kept_with_the_first_patient_that_is_known(feed):
    """Nothing moves; the message tells of it."""
    feed.take(*FIRST)
    for event, number in (("A24", "TMRN1"), ("A37", "TMRN9")):
        feed.take(told(event, pid("", number), pid("", "TMRN2")))
    assert "no longer linked" in reason_of(feed.store)
    sql = "SELECT patient_id FROM messages WHERE trigger_event IN ('A24', 'A37') ORDER BY id"
    assert feed.store.rows(sql) == [(1,), (None,)]
    feed.take(told("A43", "PID|1|TEXT1", mrg(external="TEXT2")))


def test_a_move_between_people_that_the_standard_does_not_tell_waits_for_a_person(feed):
    """Nothing is moved, and the message is taken."""
    feed.take(*FIRST, *SECOND, told("A43", pid("", "TMRN1"), mrg("TMRN2")))
    assert exceptions(feed.store) == ["unclear"]
    assert known(feed.store, "TACC2").patient == "TMRN2"


def test_merges_of_several_accounts_leave_one_row_with_all_of_it(feed):
    """Every other is empty, merged, and leads to it in one step."""
    feed.take(*FIRST, *SECOND, registered(3, "20261120093000"), charged(3, "20261120094000"), MERGE)
    feed.take(renamed("A41", "20261120122000", "TACC3", "TACC1"))
    target = account_id(feed.store, "TACC3")
    for number in ("TACC1", "TACC2"):
        state = read_account(feed.store, account_id(feed.store, number))
        assert (state.status, state.merged_into, state.balance, state.due_on) == ("merged", target, Decimal(0), None)


def test_a_merge_of_accounts_may_leave_out_the_patient(feed):
    """Whose the account is stays what it was."""
    feed.take(*FIRST, *SECOND, told("A41", "PID|1|||||||||||||||||TACC1", "MRG|||TACC2"))
    assert known(feed.store, "TACC2").charges == Decimal(140)


def test_a_number_with_several_aliases_may_be_corrected_back(feed):
    """The other aliases stay."""
    hours = {"10": ("TACC5", "TACC1"), "11": ("TACC6", "TACC5"), "12": ("TACC5", "TACC6")}
    feed.take(*FIRST, *(renamed("A49", f"20261120{hour}0000", *ids) for hour, ids in hours.items()))
    assert {known(feed.store, number).number for number in ("TACC1", "TACC5", "TACC6")} == {"TACC5"}
