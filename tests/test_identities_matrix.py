"""Every event that changes identities, with accounts unplaced, one placed or both; told twice; told before the rest."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import pytest
from feed_samples import Feed, pid, pv1
from identity_samples import (
    FIRST,
    SECOND,
    Known,
    dump,
    exceptions,
    holds,
    known,
    mrg,
    open_placements,
    place,
    problems,
    replay,
    told,
)

HUNDRED, FORTY, BOTH = Decimal(100), Decimal(40), Decimal(140)
PID_1 = pid("", "TMRN1")
WITH_ACCOUNT = pid("TACC1", "TMRN1")
VISIT = pv1(f19="TVIS1", f50="TALT1")
APART = {"TACC1": Known("TACC1", HUNDRED, HUNDRED, "TMRN1"), "TACC2": Known("TACC2", FORTY, FORTY, "TMRN2")}
ONE_PATIENT = {"TACC1": Known("TACC1", HUNDRED, HUNDRED, "TMRN1"), "TACC2": Known("TACC2", FORTY, FORTY, "TMRN1")}


class Case(NamedTuple):
    """An event, and what is known after it of each number. The second person is the source, the first the target.

    ``joins``: two accounts are one after it. ``persons``: of two placed, a person must be asked.
    """

    event: str
    segments: tuple[str, ...]
    after: dict[str, Known]
    joins: bool = False
    persons: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    single: tuple[str, ...] = ()  # the exceptions when the source alone is placed


def joined() -> dict[str, Known]:
    """Return what is known when both accounts are one."""
    return dict.fromkeys(("TACC1", "TACC2"), Known("TACC1", BOTH, BOTH, "TMRN1"))


def patient_merge(event: str) -> Case:
    """Return a merge of patients: both accounts come under the target and stay apart."""
    persons, held = ("both_placed",), ("TACC1", "TACC2")
    return Case(event, (PID_1, mrg("TMRN2")), ONE_PATIENT, persons=persons, held=held)


def account_merge(event: str) -> Case:
    """Return a merge of accounts: what is owed on both is owed on the target."""
    told_of = (WITH_ACCOUNT, mrg("TMRN2", "TACC2"))
    return Case(event, told_of, joined(), joins=True, persons=("both_placed",), held=("TACC1",))


MOVED = {"TACC1": Known("TACC1", BOTH, BOTH, "TMRN1"), "TACC2": Known("TACC2", Decimal(0), Decimal(0), "TMRN2")}
OWNED = {"TACC1": Known("TACC1", HUNDRED, HUNDRED, "TMRN1"), "TACC2": Known("TACC2", FORTY, FORTY, "TMRN1")}
CASES = [
    *(patient_merge(event) for event in ("A18", "A34", "A39", "A40", "A47")),
    account_merge("A35"),
    account_merge("A36"),
    account_merge("A41"),
    account_merge("A49"),
    Case("A24", (PID_1, pid("", "TMRN2")), APART),
    Case("A37", (PID_1, pid("", "TMRN2")), APART),
    Case("A43", (pid("", "TMRN1", f2="TEXT1"), mrg("TMRN1", external="TEXT2")), APART),
    Case(
        "A44", (pid("TACC2", "TMRN1"), mrg("TMRN2", "TACC2")), OWNED,
        persons=("agency_not_told",), held=("TACC2",), single=("agency_not_told",),
    ),
    Case(
        "A45", (WITH_ACCOUNT, mrg("TMRN2", "TACC2", "TVIS2"), pv1(f19="TVIS2")), MOVED,
        persons=("both_placed",), held=("TACC1",),
    ),
    Case("A42", (PID_1, mrg("TMRN1", visit="TVIS9"), VISIT), APART),
    Case("A50", (PID_1, mrg("TMRN1", visit="TVIS9"), VISIT), APART),
    Case("A51", (PID_1, mrg("TMRN1", alternate="TALT9"), VISIT), APART),
]  # fmt: skip
each_event = pytest.mark.parametrize("case", CASES, ids=lambda case: case.event)
each_placing = pytest.mark.parametrize("placed", [(), ("TACC2",), ("TACC1",), ("TACC1", "TACC2")], ids="+".join)


def state_of(feed: Feed) -> dict[str, Known | None]:
    """Return what each number leads to."""
    return {number: known(feed.store, number) for number in ("TACC1", "TACC2")}


@each_placing
@each_event
def test_the_event_does_what_the_standard_says_whatever_is_placed(feed, case, placed):
    """Balances and owners are right; a placement follows its account; a person is asked when both were placed."""
    feed.take(*FIRST, *SECOND)
    for number in placed:
        place(feed.store, number, agency=f"agency of {number}")
    feed.take(told(case.event, *case.segments))
    assert state_of(feed) == case.after
    both = len(placed) > 1
    asked = case.persons if both else case.single if placed == ("TACC2",) else ()
    assert exceptions(feed.store) == list(asked)
    is_held = both or (case.event == "A44" and placed == ("TACC2",))
    assert holds(feed.store) == (list(case.held) if is_held else [])
    expected = [(f"agency of {number}", "TACC1" if case.joins and not both else number) for number in placed]
    assert open_placements(feed.store) == expected


@each_placing
@each_event
def test_the_event_told_twice_changes_nothing_the_second_time(feed, case, placed):
    """Not a row of any table but those of the messages themselves."""
    feed.take(*FIRST, *SECOND)
    for number in placed:
        place(feed.store, number)
    block = told(case.event, *case.segments)
    feed.take(block)
    before = dump(feed.store)
    assert replay(feed, block).disposition == "applied"
    assert dump(feed.store) == before


@pytest.mark.parametrize("order", ["m1122", "1m122", "12m12", "2m211", "22m11", "2211m", "m2211"])
@each_event
def test_the_event_may_come_before_what_it_is_about(feed, case, order):
    """Whatever comes first, of the messages of either person: the same is known in the end, and of the money too."""
    waiting = {"1": list(FIRST), "2": list(SECOND), "m": [told(case.event, *case.segments)]}
    feed.take(*(waiting[mark].pop(0) for mark in order))
    assert state_of(feed) == case.after
    assert problems(feed.store) == []


@each_placing
@each_event
def test_the_day_replayed_after_the_event_changes_no_balance(feed, case, placed):
    """Resends of entries are recognised under the old number and the new one."""
    feed.take(*FIRST, *SECOND)
    for number in placed:
        place(feed.store, number)
    block = told(case.event, *case.segments)
    feed.take(block)
    for each in (*FIRST, *SECOND, block, *SECOND, *FIRST):
        assert replay(feed, each).disposition == "applied"
    assert state_of(feed) == case.after


@each_placing
@each_event
def test_what_was_sent_before_the_event_may_come_after_it_whatever_is_placed(feed, case, placed):
    """The charges of both, in reversed order, to numbers that may be retired by then: the same money, nothing apart."""
    feed.take(FIRST[0], SECOND[0])
    for number in placed:
        place(feed.store, number)
    feed.take(told(case.event, *case.segments), *reversed((*FIRST[1:], *SECOND[1:])))
    assert state_of(feed) == case.after
    assert problems(feed.store) == []
