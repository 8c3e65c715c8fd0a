"""Each field of a record goes by its own time, so that a row is the same whatever order messages come in."""

from __future__ import annotations

from functools import reduce
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.ledger.times import (
    Told,
    encode_times,
    field_times,
    first_told,
    forget_until,
    mark_of,
    merge_rows,
    merge_told,
    parse_times,
    with_mark,
)
from hl7bridge.mapping.records import NULL

WIDTH = 4
values = st.one_of(st.none(), st.just(NULL), st.sampled_from("AB"))
messages = st.lists(st.tuples(*[values] * WIDTH), min_size=1, max_size=4)


def told_in_order(told):
    """Return the row after (values, time) pairs in a given order."""
    (first, at), *rest = told
    return reduce(lambda row, each: merge_told(*row, *each), rest, first_told(first, at))


def by_time(told):
    """Return what each field must be: the word of the newest message that has one."""
    newest = [(None, "")] * WIDTH
    for sent, at in sorted(told, key=lambda each: each[1]):
        newest = [old if new is None else (new, at) for old, new in zip(newest, sent, strict=True)]
    return [None if value is NULL else value for value, _ in newest], [at for _, at in newest]


@given(messages)
def test_every_order_of_arrival_ends_in_the_row_that_the_times_tell(told):
    """Values, times, and the text that keeps them."""
    stamped = [(sent, f"t{at}") for at, sent in enumerate(told)]
    expected, told_at = by_time(stamped)
    texts = set()
    for order in permutations(stamped):
        row = told_in_order(order)
        assert (row.values, row.as_of) == (expected, f"t{len(told) - 1}")
        assert field_times(*row) == told_at
        texts.add(row.times)
    assert len(texts) == 1


@given(messages)
def test_a_message_that_comes_again_changes_nothing(told):
    """Late or not."""
    stamped = [(sent, f"t{at}") for at, sent in enumerate(told)]
    row = told_in_order(stamped)
    for each in stamped:
        assert merge_told(*row, *each) == row


@given(messages, messages)
def test_two_rows_that_are_of_one_thing_become_what_one_row_would_be(one, other):
    """Whose messages they were makes no difference."""
    first = [(sent, f"t{2 * at}") for at, sent in enumerate(one)]
    second = [(sent, f"t{2 * at + 1}") for at, sent in enumerate(other)]
    both = merge_rows(told_in_order(first), told_in_order(second))
    assert both == told_in_order(first + second)


def test_a_row_of_one_message_needs_no_text_and_a_null_is_remembered():
    """Most rows have no times of their own."""
    assert first_told(["A", None, "B"], "t1") == Told(["A", None, "B"], "t1", "")
    assert first_told(["A", NULL, None], "t1") == Told(["A", None, None], "t1", "2:t1")
    assert merge_told(["A", None], "t1", "", [None, "B"], "t1") == Told(["A", "B"], "t1", "")
    assert merge_told(["A", None], "t1", "", [NULL, "B"], "t1") == Told([None, "B"], "t1", "1:t1")


def test_fields_that_a_newer_message_leaves_out_keep_the_time_they_were_told_at():
    """One mask for each time."""
    row = merge_told(["A", "B", None], "t1", "", [None, "C", None], "t3")
    assert row == Told(["A", "C", None], "t3", "1:t1")
    row = merge_told(*row, [None, None, NULL], "t3")
    assert row == Told(["A", "C", None], "t3", "4:t3,1:t1")
    assert merge_told(*row, [NULL, None, None], "t3").times == "5:t3"


def test_of_two_messages_of_one_time_the_one_that_arrives_later_counts():
    """The sender's own order, where its clock is too coarse; also among late ones."""
    assert merge_told(["A"], "t1", "", ["B"], "t1").values == ["B"]
    assert merge_told(["A", "X"], "t2", "1:t1", ["B", None], "t1").values == ["B", "X"]


def test_marks_only_move_on_and_stay_through_merges():
    """Until when a list was deleted."""
    text = with_mark(with_mark("1:t1", "G", "t5"), "G", "t3")
    assert text == "1:t1,G:t5"
    assert parse_times(text) == ([("t1", 1)], {"G": "t5"})
    assert encode_times([("t1", 0)], {}) == ""
    assert (mark_of(text, "G"), mark_of(text, "C"), mark_of("", "G")) == ("t5", "", "")
    assert merge_told(["A", "B"], "t2", text, [None, "C"], "t6").times == text
    assert merge_told(["A", "B"], "t2", text, [None, "C"], "t1").times == text


def test_what_was_told_up_to_a_time_can_be_forgotten():
    """All but the first fields, which name the row."""
    row = forget_until(Told([1, "A", "B", None], "t3", "3:t1,8:t1"), "t2", kept=1)
    assert row == Told([1, None, "B", None], "t3", "1:t1,X:t2")
    assert forget_until(row, "t1", kept=1).times.endswith("X:t2")
