"""Everything that does not agree about a file is found at once, and told without a value of a patient."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.exchange.judging import judge_file
from hl7bridge.layouts.layout import LineProblem, Parsed
from hl7bridge.layouts.placements_csv import Trailer, digest_of, encode_trailer
from hl7bridge.layouts.registry import LAYOUTS
from hl7bridge.placement.records import KINDS

DATA = b"what an agency wrote"
TRAILER = Trailer("statuses-1.csv", 1, "sample", 0, "0.00", digest_of(DATA), kind="statuses")


def judge(parsed, trailer=TRAILER):
    """Return what is found about a file of these records."""
    layout = LAYOUTS["csv"]._replace(parse_answers=lambda _kind, _data: parsed)
    return judge_file("sample", "statuses-1.csv", "statuses", layout, DATA, encode_trailer(trailer))


def test_a_file_that_agrees_has_no_problems():
    """Also when the file does not tell its kind itself, and when the digest is in capitals."""
    for kind in ("statuses", ""):
        judged = judge(Parsed(kind), TRAILER._replace(sha256=TRAILER.sha256.upper()))
        assert (judged.problems, judged.is_cut, judged.trailer.number) == ((), False, 1)


def test_a_file_that_holds_another_kind_than_its_name_says_is_told():
    """As an inventory under the name of a list of statuses."""
    assert judge(Parsed("inventory")).problems == ("the file has inventory, and its name says statuses",)


def test_every_difference_is_told_and_the_lines_after_them():
    """A digest that differs may be a file that is still being written."""
    trailer = TRAILER._replace(file="x", agency="other", kind="returns", records=1, balance_total="1", sha256="0" * 64)
    judged = judge(Parsed("statuses"), trailer)
    assert [each.partition(":")[0] for each in judged.problems] == [
        "file", "agency", "kind", "sha256", "records", "balance_total",
    ]  # fmt: skip
    assert judged.is_cut


@pytest.mark.parametrize("told", ["\x1b[2J", "A" * 101, "\u202eselpmas"])
def test_what_a_trailer_says_is_quoted_only_when_it_is_short_and_plain(told):
    """A problem is shown on terminals and kept in the audit log."""
    [problem] = judge(Parsed("statuses"), TRAILER._replace(agency=told)).problems
    assert problem == "agency: the trailer says something else, and it is sample"


@given(st.sampled_from(list(LAYOUTS)), st.sampled_from(list(KINDS)), st.binary(max_size=300), st.binary(max_size=300))
def test_no_bytes_whatever_break_the_reading(layout, kind, data, trailer):
    """They are held: a file of nonsense has problems, and none of them is ours."""
    judged = judge_file("sample", f"{kind}-1.csv", kind, LAYOUTS[layout], data, trailer)
    assert judged.problems
    assert all(problem.isprintable() for problem in judged.problems)


def test_counts_are_not_compared_when_lines_cannot_be_read():
    """They would be those of what could be read."""
    judged = judge(Parsed("statuses", problems=(LineProblem(3, "status is empty"),)), TRAILER._replace(records=7))
    assert judged.problems == ("line 3: status is empty",)


def test_a_trailer_that_cannot_be_read_may_still_be_being_written():
    """The file's own problems are told with it."""
    layout = LAYOUTS["csv"]
    judged = judge_file("sample", "statuses-1.csv", "statuses", layout, b"", b"key,value\r\n")
    assert judged.trailer is None
    assert judged.is_cut
    assert judged.problems[0].startswith("the trailer: the trailer does not say file")
    assert judged.problems[1].startswith("line 1: ")
