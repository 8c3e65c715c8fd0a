"""Dates that cannot be right are counted by what is wrong with them; each field and each order of two."""

from __future__ import annotations

import datetime as dt

import pytest
from feed_samples import adt, dft, ft1, gt1, in1, message, pid, pv1
from profiling_samples import TODAY, counted, generic, section


def wrong(*blocks, today=TODAY):
    """Return field, what is wrong and how often."""
    return [
        (row["field"], row["wrong"], row["seen"]) for row in section(counted(generic(), *blocks, today=today), "dates")
    ]


def test_right_dates_are_not_told():
    """A birth, a stay, a charge, a coverage that goes on."""
    stay = pv1(f44="202601051015", f45="202601061015")
    assert wrong(message("ADT^A04", "A1", pid(), stay, gt1(), in1(f12="20260101", f13="20991231"))) == []
    assert wrong(dft("D1", ft1(f5="20260106"))) == []


@pytest.mark.parametrize(
    ("block", "found"),
    [
        (adt("A1").replace(b"19710418", b"18710418"), ("patient.birth_on", "before 1900", 1)),
        (adt("A1").replace(b"19710418", b"20710418"), ("patient.birth_on", "after the message", 1)),
        (adt("A1", gt1(f8="20710418")), ("guarantor.birth_on", "after the message", 1)),
        (dft("D1", ft1(f4="20270105")), ("entry.service_on", "after the message", 1)),
        (dft("D1", ft1(f5="20251231")), ("entry.posted_on", "before entry.service_on", 1)),
        (adt("A1", in1(f12="20260101", f13="20251231")), ("coverage.expires_on", "before coverage.effective_on", 1)),
        (message("ADT^A04", "A1", pid(f29="19700101"), pv1()), ("patient.died_on", "before patient.birth_on", 1)),
        (
            message("ADT^A04", "A1", pid(), pv1(f44="20260105", f45="20260104")),
            ("account.discharged_on", "before account.admitted_on", 1),
        ),
        (message("ADT^A04", "A1", pid(), pv1(f44="19600105")), ("account.admitted_on", "before the birth", 1)),
        (dft("D1", ft1(f4="19600105")), ("entry.service_on", "before the birth", 1)),
    ],
)
def test_each_thing_that_can_be_wrong_with_a_date_is_told(block, found):
    """And nothing else of the message."""
    assert wrong(block) == [found]


def test_the_most_frequent_comes_first():
    """It is what the sender mends first."""
    late = dft("D1", ft1(f4="20270105"))
    assert wrong(dft("D1", ft1(f4="19600105")), late, late) == [
        ("entry.service_on", "after the message", 2),
        ("entry.service_on", "before the birth", 1),
    ]


def test_a_date_is_held_against_the_day_of_its_message():
    """A file of last year has no date of this year that is right; a day more is another time zone."""
    block = dft("D1", ft1(f4="20260601"))
    assert wrong(block.replace(b"20261120080000", b"20260531")) == []
    assert wrong(block.replace(b"20261120080000", b"20260530")) == [("entry.service_on", "after the message", 1)]


def test_a_message_without_a_day_or_from_tomorrow_is_held_against_today():
    """Its clock is no better than its dates."""
    block = dft("D1", ft1(f4="20261230"))
    for day in (b"", b"20991231"):
        assert wrong(block.replace(b"20261120080000", day)) == [("entry.service_on", "after the message", 1)]
    assert wrong(dft("D1", ft1(f4="99991231"), m7=""), today=dt.date.max) == []


def test_a_message_without_a_person_or_account_has_its_other_dates_looked_at():
    """Births of nobody are before nothing."""
    assert wrong(message("ADT^A31", "A1", pid(account=""))) == []
    assert wrong(message("DFT^P03", "D1", pid(f3="", f7=""), ft1(f4="18260105"))) == [
        ("entry.service_on", "before 1900", 1)
    ]
