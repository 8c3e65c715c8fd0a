"""A placement changes only as the table says, and only by whom it says."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.errors import RefusedError
from hl7bridge.placement.state import OPEN, TRANSITIONS, By, Status, find_transition
from hl7bridge.storage.schema_initial import INITIAL

ENDED = set(Status) - set(OPEN) - {Status.ELIGIBLE}
ALLOWED = {(each.source, each.target, by) for each in TRANSITIONS for by in each.by}


@pytest.mark.parametrize(("source", "target", "by"), list(itertools.product(Status, Status, By)))
def test_a_change_that_the_table_does_not_have_is_refused(source, target, by):
    """Every pair of statuses and everyone who could ask: allowed exactly when it is in the table."""
    if (source, target, by) in ALLOWED:
        assert find_transition(source, target, by).target is target
    else:
        with pytest.raises(RefusedError) as caught:
            find_transition(source, target, by)
        assert source.value in str(caught.value)


def test_a_refusal_says_what_can_be_done_instead():
    """By whom, or what else."""
    with pytest.raises(RefusedError, match="goes from queued to sent by the bridge, not by a person"):
        find_transition(Status.QUEUED, Status.SENT, By.PERSON)
    with pytest.raises(RefusedError, match="from queued to recalled; a person can make it: cancelled"):
        find_transition(Status.QUEUED, Status.RECALLED, By.PERSON)
    with pytest.raises(RefusedError, match="a person can make it: nothing"):
        find_transition(Status.RECALLED, Status.ACTIVE, By.PERSON)


def test_each_change_stands_in_the_table_once():
    """Two lines for one change could disagree."""
    pairs = [(each.source, each.target) for each in TRANSITIONS]
    assert len(pairs) == len(set(pairs))


def test_what_ended_stays_ended_but_for_a_bounced_cheque():
    """Recalled, settled, returned, rejected and cancelled are final; paid in full can reopen."""
    reopened = {(each.source, each.target) for each in TRANSITIONS if each.source in ENDED}
    assert reopened == {(Status.PAID_IN_FULL, Status.ACTIVE)}


def test_the_agency_is_told_of_every_change_that_is_not_its_own_once_it_has_the_account():
    """Every one that a person or the bridge makes, but for taking its word that it gave the account back."""
    with_agency = {Status.SENT, Status.ACKNOWLEDGED, Status.ACTIVE, Status.SUSPENDED, Status.RECALL_PENDING}
    own_words = {Status.RECALLED, Status.RETURNED, Status.SETTLED}
    for each in TRANSITIONS:
        is_ours = each.source in {*with_agency, Status.PAID_IN_FULL} and not each.by <= {By.AGENCY}
        is_first = (each.source, each.target) == (Status.ACKNOWLEDGED, Status.ACTIVE)
        assert each.tells_agency is (is_ours and not is_first and each.target not in own_words), each


def test_only_a_person_takes_less_than_what_is_owed():
    """A settlement is approved here; what was sent is never cancelled, for the agency has it."""
    assert all(each.by == {By.PERSON} for each in TRANSITIONS if each.target is Status.SETTLED)
    sources = {each.source for each in TRANSITIONS if each.target is Status.CANCELLED}
    assert sources == {Status.REVIEW, Status.QUEUED}


def test_the_database_knows_the_same_statuses_and_the_same_open_ones():
    """The table's CHECK and its partial unique index are written once more in SQL."""
    placements = INITIAL.partition("CREATE TABLE placements ")[2].partition(") STRICT")[0]
    for status in set(Status) - {Status.ELIGIBLE}:
        assert f"'{status}'" in placements
    index = INITIAL.partition("CREATE UNIQUE INDEX placements_open")[2].partition(";")[0]
    assert {status for status in Status if f"'{status}'" in index} == set(OPEN)


@given(st.lists(st.tuples(st.sampled_from(Status), st.sampled_from(By)), max_size=12))
def test_no_walk_reaches_an_open_status_from_an_end(steps):
    """Whatever is tried in whatever order: each step is allowed or refused, and an end stays an end."""
    status = Status.ELIGIBLE
    for target, by in steps:
        try:
            find_transition(status, target, by)
        except RefusedError:
            continue
        assert status not in ENDED or (status, target) == (Status.PAID_IN_FULL, Status.ACTIVE)
        status = target
