"""Guarantors and coverages by their place: a place that another takes is not the former one's any more."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.ledger.ranked import (
    Ranked,
    end_before,
    identity_of,
    is_delete_all,
    merge_ranked,
    number_by_place,
    start_all,
    start_ranked,
)
from hl7bridge.mapping.records import NULL, Coverage, Guarantor

FIRST = Guarantor(rank=1, number="TGUA1", given_name="AURELIA", city="TESTVILLE")
OTHER = Guarantor(rank=1, number="TGUA2", given_name="BOREAS")


def after(*told):
    """Return the row after (record, time) pairs in a given order."""
    (record, at), *rest = told
    row = start_ranked(record, at)
    for each, time in rest:
        row = merge_ranked(row, each, time).row
    return row


words = st.one_of(st.none(), st.just(NULL), st.sampled_from("AB"))
guarantors = st.builds(
    Guarantor,
    rank=st.just(1),
    number=st.sampled_from((None, NULL, "1", "2")),
    family_name=words,
    phone=words,
    city=words,
)


@given(st.lists(guarantors, min_size=1, max_size=4))
def test_whoever_stands_there_last_does_whatever_order_messages_come_in(told):
    """With what was told of that one since, and nothing of those before."""
    stamped = [(record, f"t{at}") for at, record in enumerate(told)]
    rows = {after(*order) for order in permutations(stamped)}
    assert len({(row.record, row.as_of, row.times.partition("X")[2]) for row in rows}) == 1


def test_the_same_guarantor_keeps_what_a_message_leaves_out():
    """And a coverage its plan type."""
    row = merge_ranked(start_ranked(FIRST, "t1"), FIRST._replace(city=None, phone="555"), "t2")
    assert row.row.record == FIRST._replace(phone="555")
    assert row.ended is None


def test_another_guarantor_at_the_place_gets_nothing_of_the_former():
    """No address of one under the name of another; the former ended."""
    known = start_ranked(FIRST, "t1")
    row, ended = merge_ranked(known, OTHER, "t2")
    assert (row, ended) == (Ranked(OTHER, "t2", "X:t1"), known)


def test_a_late_word_of_another_changes_nothing_but_ends_what_was_told_before_it():
    """The first was there, then another, then the first again: what was told before the other is over."""
    row = after((FIRST, "t1"), (FIRST._replace(city=None), "t3"))
    late, ended = merge_ranked(row, OTHER, "t2")
    assert late.record == FIRST._replace(city=None)
    assert ended == Ranked(OTHER, "t2")
    assert merge_ranked(late, FIRST, "t1").row == late


def test_a_value_that_changes_ends_the_former_row():
    """Which is kept for coverages; a value that was not known before ends nothing."""
    coverage = start_ranked(Coverage(rank=1, plan="P1", plan_type="HMO"), "t1")
    changed = merge_ranked(coverage, Coverage(rank=1, plan="P1", plan_type="PPO"), "t2")
    assert (changed.row.record.plan_type, changed.ended) == ("PPO", coverage)
    assert merge_ranked(coverage, Coverage(rank=1, plan="P1", company_name="SAMPLE"), "t2").ended is None


def test_a_lone_segment_with_a_null_key_deletes_the_list():
    """IN1|1|"" and GT1|1|""; with a value beside it, or a second segment, it is an ordinary one."""
    assert is_delete_all([Coverage(plan=NULL)])
    assert is_delete_all([Guarantor(rank=1, number=NULL, city=NULL)])
    assert not is_delete_all([Coverage(plan=NULL, company="1")])
    assert not is_delete_all([Coverage(plan=NULL), Coverage(plan=NULL)])
    assert not is_delete_all([Guarantor()])


def test_what_older_messages_tell_of_a_deleted_list_stays_out():
    """And a newer one begins afresh."""
    assert start_ranked(FIRST, "t1", deleted_at="t2") is None
    row = start_ranked(FIRST, "t3", deleted_at="t2")
    assert row == Ranked(FIRST, "t3", "X:t2")
    assert merge_ranked(row, OTHER, "t1").row == row
    null = start_ranked(FIRST._replace(city=NULL), "t3", deleted_at="t2")
    assert null == Ranked(FIRST._replace(city=None), "t3", f"{1 << Guarantor._fields.index('city'):x}:t3,X:t2")
    assert end_before(start_ranked(FIRST, "t3"), "t2") == row


def test_places_are_numbered_where_the_mapping_does_not():
    """A rank of its own counts."""
    assert [each.rank for each in number_by_place([Guarantor(), Guarantor(rank=5), Guarantor(rank=0)])] == [1, 5, 3]


def test_the_first_list_of_an_account_is_what_stands_there_unless_it_deletes_all():
    """Of two at one place the last counts; what is null is known to be nothing."""
    rows = start_all([Guarantor(number="1"), Guarantor(2, "2", NULL), Guarantor(1, "3")], "a")
    assert [(row.record.rank, row.record.number, row.times) for row in rows] == [(1, "3", ""), (2, "2", "4:a")]
    assert start_all([Guarantor(number=NULL)], "a") == []


def test_who_or_what_stands_at_a_place_is_told_by_number_else_by_name():
    """A coverage by plan and company, else by the company's name."""
    assert identity_of(FIRST) == identity_of(FIRST._replace(given_name="X")) == ("TGUA1",)
    named = Guarantor(family_name="Testpatient", organization=None)
    assert identity_of(named) == ("TESTPATIENT", None, None)
    assert identity_of(Coverage(plan="P", company_name="X")) == ("P", None)
    assert identity_of(Coverage(company_name="X")) == (None, None, "X")
