"""Two rows that are one: as if all messages had told of one row, with the target's ids and nothing blanked."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.ledger.account import new_account
from hl7bridge.ledger.intake import merge_account
from hl7bridge.ledger.joining import PatientRow, join_accounts, join_patients, join_ranked
from hl7bridge.ledger.ranked import Ranked, merge_ranked, start_ranked
from hl7bridge.ledger.times import first_told, merge_told
from hl7bridge.mapping.records import NULL, Account, Coverage, Guarantor, Patient

TEXTS = st.none() | st.sampled_from(["X", "Y", "Z"])
DAYS = st.none() | st.just(dt.date(2026, 1, 5))
TOLD = st.tuples(TEXTS, TEXTS, DAYS, TEXTS).map(
    lambda each: Account(patient_class=each[0], financial_class=each[1], admitted_on=each[2], visit_number=each[3])
)
HISTORIES = st.lists(st.tuples(st.booleans(), TOLD, st.none() | st.integers(1, 2)), max_size=6)
FIELDS = (
    "patient_class",
    "financial_class",
    "admitted_on",
    "visit_number",
    "patient_id",
    "status",
    "field_times",
    "as_of",
)


def account(number: str):
    """Return an account that nothing was told of."""
    return new_account("NORTHGATE", number, as_of="", message_id=0)


@given(HISTORIES)
def test_joined_accounts_are_what_one_account_would_be_that_was_told_all(history):
    """Whichever account each message told of."""
    target, source, one = account("TACC1"), account("TACC2"), account("TACC1")
    for number, (is_source, told, patient_id) in enumerate(history, 1):
        at = f"2026012{number}"
        one = merge_account(one, told, patient_id, at=at, message_id=number)
        if is_source:
            source = merge_account(source, told, patient_id, at=at, message_id=number)
        else:
            target = merge_account(target, told, patient_id, at=at, message_id=number)
    joined = join_accounts(target, source)
    assert joined.message_id == one.message_id
    for name in FIELDS:
        assert getattr(joined, name) == getattr(one, name), name


def test_the_targets_own_ids_stay_and_a_null_of_the_source_blanks_nothing():
    """PID-18, its authority and the status; the number of visits that left is that of both."""
    target = merge_account(account("TACC1"), Account(pid_18="TACC1", financial_class="SP"), None, at="1", message_id=1)
    told = Account(pid_18="TACC2", financial_class=NULL, authority="HOSP", status="closed")
    source = merge_account(account("TACC2"), told, None, at="2", message_id=2)
    joined = join_accounts(target, source._replace(moved_visits=1))
    assert (joined.pid_18, joined.authority, joined.financial_class) == ("TACC1", "", "SP")
    assert (joined.status, joined.moved_visits, joined.message_id, joined.number) == ("open", 1, 2, "TACC1")
    assert join_accounts(source, target).status == "closed"


def test_joined_patients_keep_the_targets_ids_and_the_newer_word_on_all_else():
    """A tombstone of the source is not the target's."""
    ours = Patient("NORTHGATE", "TMRN1", "HOSP", "TESTPATIENT", "AURELIA", pid_3="TMRN1^^^HOSP")
    theirs = Patient(
        "NORTHGATE", "TMRN2", "HOSP", "TESTPATIENT", "BOREAS", city="TESTVILLE", pid_3="TMRN2", deleted=True
    )
    newer = join_patients(PatientRow(ours, "1", ""), PatientRow(theirs, "2", ""))
    assert newer.patient == ours._replace(given_name="BOREAS", city="TESTVILLE")
    assert newer.as_of == "2"
    older = join_patients(PatientRow(ours, "3", ""), PatientRow(theirs, "2", ""))
    assert older.patient == ours._replace(city="TESTVILLE")


GUARANTORS = st.tuples(st.sampled_from(["G1", "G2"]), TEXTS).map(
    lambda each: Guarantor(rank=1, number=each[0], city=each[1])
)


@given(st.lists(GUARANTORS, min_size=2, max_size=2))
def test_a_place_that_both_fill_is_as_if_one_had_been_told_of_both(told):
    """The same person: field by field. Another: the newer, and nothing of the former."""
    first, second = told
    one = merge_ranked(start_ranked(first, "1"), second, "2").row
    target, source = start_ranked(first, "1"), start_ranked(second, "2")
    assert join_ranked(target, source)[0] == one
    assert join_ranked(source, target)[0] == one


def test_what_stood_at_a_place_before_is_told():
    """The older of two others; nothing when the target has nobody there."""
    ours, theirs = Ranked(Coverage(1, "PLAN1"), "1"), Ranked(Coverage(1, "PLAN2"), "2")
    assert join_ranked(ours, theirs)[1] == ours
    assert join_ranked(theirs, ours)[1] == ours
    assert join_ranked(None, theirs) == (theirs, None)


def test_times_of_fields_survive_the_join():
    """An older message still counts for a field that neither row was told of since."""
    first = first_told(Patient("NORTHGATE", "TMRN1", "", city="OLD"), "2")
    joined = join_patients(
        PatientRow(Patient._make(first.values), first.as_of, first.times),
        PatientRow(Patient("NORTHGATE", "TMRN2", "", phone="5550143"), "5", ""),
    )
    late = merge_told(joined.patient, joined.as_of, joined.field_times, Patient(city="NEWER"), "3")
    assert Patient._make(late.values).city == "NEWER"
