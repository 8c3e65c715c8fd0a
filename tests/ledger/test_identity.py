"""What each event means before anything is looked up: its ids in pairs, what is missing, what is refused."""

from __future__ import annotations

import pytest

from hl7bridge.errors import Location, MessageError
from hl7bridge.ledger.identity import (
    AccountMoved,
    Combined,
    Kind,
    Name,
    Noted,
    Outcome,
    Standing,
    VisitMoved,
    account_names,
    find_outcome,
    patient_names,
    plan_changes,
    renumber_field,
)
from hl7bridge.mapping.records import Identity

PATIENTS = Identity("NORTHGATE", patient_number="TMRN1", prior_patient_number="TMRN2")
ACCOUNTS = Identity("NORTHGATE", account_number="TACC1", prior_account_number="TACC2")
BOTH = PATIENTS._replace(account_number="TACC1", prior_account_number="TACC2")
VISITS = Identity("NORTHGATE", visit_number="TVIS1", prior_visit_number="TVIS2")
ALTERNATES = Identity("NORTHGATE", alternate_visit_number="TALT1", prior_alternate_visit_number="TALT2")
MERGED_PATIENTS = Combined(Kind.PATIENT, Name("TMRN2"), Name("TMRN1"), True, Location("MRG", 1, 1))
MERGED_ACCOUNTS = Combined(Kind.ACCOUNT, Name("TACC2"), Name("TACC1"), True, Location("MRG", 1, 3))


@pytest.mark.parametrize("event", ["A18", "A30", "A34", "A36", "A39", "A40"])
def test_a_merge_of_patients_pairs_mrg_1_with_pid_3(event):
    """MRG-1 is the source, PID-3 the target."""
    assert plan_changes(event, PATIENTS, 1) == (MERGED_PATIENTS,)


@pytest.mark.parametrize("event", ["A35", "A41"])
def test_a_merge_of_accounts_pairs_mrg_3_with_pid_18(event):
    """Whatever MRG-1 says: it is the same patient, or not said."""
    assert plan_changes(event, ACCOUNTS, 1) == (MERGED_ACCOUNTS,)
    assert plan_changes(event, BOTH, 1) == (MERGED_ACCOUNTS,)


@pytest.mark.parametrize("event", ["A36", "A40"])
def test_a_merge_of_patients_that_names_two_accounts_merges_these_first(event):
    """A group may renumber accounts at once; with MRG-3 empty, or the same as PID-18, accounts keep theirs."""
    assert plan_changes(event, BOTH, 1) == (MERGED_ACCOUNTS, MERGED_PATIENTS)
    assert plan_changes(event, BOTH._replace(prior_account_number=None), 1) == (MERGED_PATIENTS,)
    assert plan_changes(event, BOTH._replace(prior_account_number="TACC1"), 1) == (MERGED_PATIENTS,)


def test_a_legacy_event_looks_at_accounts_only_where_the_standard_has_them():
    """A34 is about patients alone."""
    assert plan_changes("A34", BOTH, 1) == (MERGED_PATIENTS,)


def test_one_group_of_a_40_may_be_about_accounts_of_one_patient_alone():
    """MRG-1 is PID-3, or empty: nothing is merged with itself."""
    for prior in ("TMRN1", None):
        assert plan_changes("A40", BOTH._replace(prior_patient_number=prior), 1) == (MERGED_ACCOUNTS,)


@pytest.mark.parametrize("prior", [None, "TMRN1"])
def test_ids_of_pid_2_change_nothing_for_no_patient_is_known_by_them(prior):
    """Legacy events may join these alone."""
    identity = PATIENTS._replace(prior_patient_number=prior, patient_id="TEXT1", prior_patient_id="TEXT2")
    (change,) = plan_changes("A39", identity, 1)
    assert isinstance(change, Noted)
    assert not change.is_unclear
    with_accounts = identity._replace(account_number="TACC1", prior_account_number="TACC2")
    assert plan_changes("A36", with_accounts, 1) == (MERGED_ACCOUNTS,)


def test_an_account_merge_without_mrg_3_is_a_merge_of_patients_when_mrg_1_is_another():
    """As seen in a vendor's samples."""
    assert plan_changes("A41", PATIENTS._replace(account_number="TACC1"), 1) == (MERGED_PATIENTS,)


@pytest.mark.parametrize(
    ("event", "identity", "kind", "place"),
    [
        ("A47", PATIENTS, Kind.PATIENT, Location("MRG", 2, 1)),
        ("A49", ACCOUNTS, Kind.ACCOUNT, Location("MRG", 2, 3)),
        ("A50", VISITS, Kind.VISIT, Location("MRG", 2, 5)),
        ("A51", ALTERNATES, Kind.ALTERNATE_VISIT, Location("MRG", 2, 6)),
    ],
)
def test_a_change_of_a_number_is_no_merge(event, identity, kind, place):
    """The pairs are the same; the place is that of the group."""
    (change,) = plan_changes(event, identity, 2)
    assert (change.kind, change.is_merge, change.place) == (kind, False, place)


def test_a_merge_of_visits_is_a_merge():
    """MRG-5 and PV1-19."""
    (change,) = plan_changes("A42", VISITS, 1)
    assert change == Combined(Kind.VISIT, Name("TVIS2"), Name("TVIS1"), True, Location("MRG", 1, 5))


def test_an_account_moves_to_the_patient_in_pid():
    """MRG-3 must be valued; MRG-1 is whose it was."""
    moved = BOTH._replace(account_number=None)
    assert plan_changes("A44", moved, 1) == (AccountMoved(Name("TACC2"), Name("TMRN1")),)


def test_a_visit_keeps_its_number_and_goes_to_the_account_in_pid():
    """MRG tells the visit, and where it was, if it does; both ids of a visit go."""
    identity = ACCOUNTS._replace(prior_visit_number="TVIS2", alternate_visit_number="TALT2")
    assert plan_changes("A45", identity, 1) == (
        VisitMoved(Kind.VISIT, Name("TVIS2"), Name("TACC2"), Name("TACC1")),
        VisitMoved(Kind.ALTERNATE_VISIT, Name("TALT2"), Name("TACC2"), Name("TACC1")),
    )
    (change,) = plan_changes("A45", VISITS._replace(account_number="TACC1", prior_visit_number=None), 1)
    assert change == VisitMoved(Kind.VISIT, Name("TVIS1"), None, Name("TACC1"))


@pytest.mark.parametrize("event", ["A24", "A37"])
def test_links_move_nothing(event):
    """Both stay."""
    (change,) = plan_changes(event, PATIENTS, 1)
    assert isinstance(change, Noted)
    assert "both stay" in change.reason


def test_a_moved_id_of_a_person_changes_nothing_unless_it_names_two_patients():
    """PID-2 is not kept. With two patients in PID-3 and MRG-1 a person must look."""
    same = Identity("NORTHGATE", patient_number="TMRN1", prior_patient_number="TMRN1", prior_patient_id="TEXT2")
    assert [change.is_unclear for change in plan_changes("A43", same, 1)] == [False]
    assert [change.is_unclear for change in plan_changes("A43", Identity(), 1)] == [False]
    assert [change.is_unclear for change in plan_changes("A43", Identity(patient_number="TMRN1"), 1)] == [False]
    assert [change.is_unclear for change in plan_changes("A43", PATIENTS, 1)] == [True]


@pytest.mark.parametrize(
    ("event", "identity", "code", "place"),
    [
        ("A40", Identity(patient_number="TMRN1"), "101", "MRG-1"),
        ("A40", Identity(prior_patient_number="TMRN2"), "101", "PID-3"),
        ("A40", PATIENTS._replace(prior_patient_number="TMRN1"), "205", "MRG-1"),
        ("A41", Identity(account_number="TACC1"), "101", "MRG-3"),
        ("A41", Identity(prior_account_number="TACC2"), "101", "PID-18"),
        ("A41", ACCOUNTS._replace(prior_account_number="TACC1"), "205", "MRG-3"),
        ("A41", BOTH._replace(prior_patient_number="TMRN1", prior_account_number=None), "101", "MRG-3"),
        ("A42", VISITS._replace(prior_visit_number="TVIS1"), "205", "MRG-5"),
        ("A44", PATIENTS, "101", "MRG-3"),
        ("A44", Identity(prior_account_number="TACC2"), "101", "PID-3"),
        ("A45", Identity(prior_account_number="TACC2", prior_visit_number="TVIS2"), "101", "PID-18"),
        ("A45", ACCOUNTS, "101", "MRG-5"),
        ("A45", ACCOUNTS._replace(prior_account_number="TACC1", visit_number="TVIS1"), "205", "MRG-3"),
        ("A51", VISITS, "101", "MRG-6"),
        ("A08", PATIENTS, "201", "MSH-9"),
        ("A06", ACCOUNTS, "201", "MSH-9"),
    ],
)
def test_what_cannot_be_done_is_refused_at_its_place(event, identity, code, place):
    """101: an id is missing. 205: source and target are one. 201: the event changes no identities (A06 is no merge)."""
    with pytest.raises(MessageError) as refused:
        plan_changes(event, identity, 1)
    assert (refused.value.error.code, str(refused.value.location)) == (code, place)


X_AND_Y = ACCOUNTS._replace(account_authority="CLINX", prior_account_authority="CLINY")


def test_an_account_is_named_with_who_assigned_the_number_and_where_that_stands():
    """PID-18.4 and MRG-3, of what the event is about."""
    named = [(Name("TACC1", "CLINX"), Location("PID", 1, 18, 1, 4)), (Name("TACC2", "CLINY"), Location("MRG", 2, 3))]
    assert account_names(X_AND_Y, plan_changes("A41", X_AND_Y, 2), 2) == named
    assert account_names(X_AND_Y, plan_changes("A49", X_AND_Y, 2), 2) == named
    assert account_names(PATIENTS, plan_changes("A40", PATIENTS, 1), 1) == []
    visits = VISITS._replace(account_number="TACC1")
    assert account_names(visits, plan_changes("A50", visits, 1), 1) == [(Name("TACC1"), Location("PID", 1, 18, 1, 4))]
    unrelated = X_AND_Y._replace(patient_number="TMRN1", prior_patient_number="TMRN2", prior_account_number="TACC1")
    assert account_names(unrelated, plan_changes("A18", unrelated, 1), 1) == []


def test_one_number_of_two_authorities_in_one_group_is_refused():
    """Two accounts of one number are not one thing here, and cannot be two."""
    mixed = X_AND_Y._replace(prior_account_number="TACC1")
    with pytest.raises(MessageError) as caught:
        account_names(mixed, plan_changes("A41", mixed, 1), 1)
    assert (caught.value.error.code, caught.value.location) == ("205", Location("MRG", 1, 3))


def test_the_patients_of_an_event_are_those_without_whom_it_cannot_be_done():
    """Both of a merge, and the one who gets an account; the owner of merged accounts is not needed."""
    assert patient_names(plan_changes("A40", BOTH, 1)) == [Name("TMRN2"), Name("TMRN1")]
    moved = BOTH._replace(prior_account_number="TACC2")
    assert patient_names(plan_changes("A44", moved, 1)) == [Name("TMRN1")]
    assert patient_names(plan_changes("A41", BOTH, 1)) == []


def test_an_authority_that_is_not_told_is_any():
    """Compared as a whole where both say who assigned the number."""
    assert Name("T1", "A").is_same(Name("T1"))
    assert Name("T1", "A").is_same(Name("T1", "A"))
    assert not Name("T1", "A").is_same(Name("T1", "B"))
    assert not Name("T1").is_same(Name("T2"))
    apart = PATIENTS._replace(patient_authority="A", prior_patient_number="TMRN1", prior_patient_authority="B")
    assert plan_changes("A40", apart, 1)[0].source == Name("TMRN1", "B")


@pytest.mark.parametrize(
    ("source", "target", "outcome"),
    [
        (Standing(), Standing(), Outcome.OPEN),
        (Standing(), Standing(1, True), Outcome.ALIAS),
        (Standing(2, True), Standing(), Outcome.RENUMBER),
        (Standing(2, True), Standing(1, True), Outcome.COMBINE),
        (Standing(2, True), Standing(1, False), Outcome.COMBINE),
        (Standing(1, False), Standing(1, True), Outcome.NOTHING),
        (Standing(1, False), Standing(1, False), Outcome.NOTHING),
        (Standing(1, True), Standing(1, False), Outcome.CIRCULAR),
        (Standing(2, False), Standing(1, True), Outcome.TAKEN),
        (Standing(2, False), Standing(), Outcome.TAKEN),
    ],
)
def test_what_is_known_of_two_ids_decides_what_is_done(source, target, outcome):
    """An id that is not the row's own number led there by an earlier event."""
    assert find_outcome(source, target, is_circular=False) is outcome


def test_a_target_that_was_told_to_be_the_source_is_a_circle():
    """Even when both lead to a third by now."""
    assert find_outcome(Standing(1, False), Standing(1, False), is_circular=True) is Outcome.CIRCULAR


def test_the_id_in_an_echoed_field_is_replaced_and_all_else_stays():
    """Type and authority, other repetitions, numbers that only begin alike."""
    assert renumber_field("TMRN2^^^HOSP^MR~TMRN22^^^OTHER^PI", "TMRN2", "TMRN1") == "TMRN1^^^HOSP^MR~TMRN22^^^OTHER^PI"
    assert renumber_field("TMRN2", "TMRN2", "TMRN1") == "TMRN1"
    assert renumber_field(None, "TMRN2", "TMRN1") is None
