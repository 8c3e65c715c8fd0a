"""Files of messages are cut where messages begin, whatever marks them, and however the bytes come."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from message_samples import CORPUS, adt

from hl7bridge.errors import MessageError
from hl7bridge.message.cutting import Cutter, Kind, end_with_cr
from hl7bridge.message.parse import parse_message

ONE, TWO = adt(m10=b"M1"), adt(m10=b"M2")


def cut(data, limit=10_000, step=0):
    cutter = Cutter(limit)
    pieces = []
    for at in range(0, len(data), step or max(1, len(data))):
        pieces += cutter.feed(data[at : at + (step or len(data))])
    return [*pieces, *cutter.close()]


def kinds(data, **options):
    return [(piece.kind.value, piece.data) for piece in cut(data, **options)]


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\r", b"\n\n"])
def test_a_file_of_messages_is_cut_at_each_msh(end):
    data = (ONE + TWO).replace(b"\r", end)
    assert kinds(data) == [("MSH", ONE), ("MSH", TWO)]


def test_the_end_of_the_last_segment_may_be_missing():
    assert kinds(ONE + TWO[:-1]) == [("MSH", ONE), ("MSH", TWO)]
    assert kinds(ONE + b"BTS") == [("MSH", ONE), ("BTS", b"BTS")]


def test_byte_order_marks_blanks_and_the_end_marks_of_old_systems_are_nobodys():
    data = b"\xef\xbb\xbf" + ONE + b"\n\n\xef\xbb\xbf" + TWO + b"\r\n\x00\x1a"
    assert kinds(data) == [("MSH", ONE), ("MSH", TWO)]
    assert kinds(ONE + b"\x1c\r" + TWO + b"\x1c\r") == [("MSH", ONE), ("MSH", TWO)]
    assert kinds(b"") == kinds(b" \r\n\xef\xbb\xbf\n") == []


def test_what_stands_before_the_first_message_is_reported():
    assert kinds(b"exported by nobody\n" + ONE) == [("stray", b"exported by nobody"), ("MSH", ONE)]
    assert kinds(b"no message at all") == [("stray", b"no message at all")]


def test_a_segment_of_an_envelope_is_one_line_and_what_follows_it_is_reported():
    data = b"FHS|^~\\&|A\rBHS|^~\\&|B\n" + ONE + b"BTS|1\rZZZ|1\rFTS"
    assert kinds(data) == [
        ("FHS", b"FHS|^~\\&|A"),
        ("BHS", b"BHS|^~\\&|B"),
        ("MSH", ONE),
        ("BTS", b"BTS|1"),
        ("stray", b"ZZZ|1"),
        ("FTS", b"FTS"),
    ]


def test_a_name_that_no_sign_follows_is_no_segment():
    message = adt(body=b"NTE|1||see\nMSHA|x\nBTSX\nFHS 1\nend\r")
    assert kinds(message) == [("MSH", message)]


def test_a_file_of_blocks_is_cut_at_the_blocks_and_their_bytes_are_kept():
    odd = ONE[:-1] + b"\r\n\r\n"
    data = b"\x0b" + odd + b"\x1c\r\n\x0b" + TWO + b"\x1c\x0b\x1c\r\x0b" + ONE + TWO + b"\x1c"
    assert kinds(data) == [("MSH", odd), ("MSH", TWO), ("MSH", b""), ("MSH", ONE + TWO)]


def test_a_block_that_never_ended_is_a_half_and_bytes_between_blocks_are_stray():
    data = b"log:\x0b\x0b" + ONE + b"\x0b" + TWO + b"\x1c\rnoise\r\x1c\x0b" + ONE[:20]
    assert kinds(data) == [
        ("stray", b"log:"),
        ("half", ONE),
        ("MSH", TWO),
        ("stray", b"noise"),
        ("half", ONE[:20] + b"\r"),
    ]


def test_an_end_byte_in_the_middle_of_a_block_is_data():
    data = b"\x0b" + ONE + b"NTE|1||a\x1cb\r\x1c\r"
    assert kinds(data) == [("MSH", ONE + b"NTE|1||a\x1cb\r")]


@pytest.mark.parametrize("step", [0, 1, 7, 100])
def test_of_what_is_too_long_the_beginning_and_the_size_are_kept(step):
    long = adt(m10=b"M9", body=b"NTE|1||" + b"x" * 500 + b"\r")
    for opening, end in ((b"", b""), (b"\x0b", b"\x1c\r")):
        pieces = cut(opening + ONE + end + opening + long + end + opening + TWO + end, limit=200, step=step)
        assert [(piece.kind, piece.size > 200) for piece in pieces] == [
            (Kind.MESSAGE, False),
            (Kind.MESSAGE, True),
            (Kind.MESSAGE, False),
        ]
        assert (pieces[0].data, pieces[2].data) == (ONE, TWO)
        assert pieces[1].data == long[: len(pieces[1].data)]
        assert pieces[1].size == len(long)
        assert len(pieces[1].data) == 200
    stray = cut(b"z" * 100_000 + b"\r" + ONE, limit=70_000, step=step and 5000)[0]
    assert (stray.size, stray.data) == (100_001, b"z" * len(stray.data))
    assert 65_000 < len(stray.data) <= 65_536, "a head of 64 KiB, in which a line end may have stood"


def test_a_message_of_just_the_limit_is_whole():
    assert kinds(ONE[:-1], limit=len(ONE) - 1) == kinds(ONE, limit=len(ONE)) == [("MSH", ONE)]
    assert cut(ONE + TWO, limit=len(ONE) - 1)[0].size == len(ONE)


PARTS = [ONE, TWO, b"\x0b", b"\x1c", b"\r", b"\n", b"BTS|1", b"BHS|^~\\&|A\r", b"FTS\r", b"\xef\xbb\xbf", b"x", b"MSH"]


@given(st.lists(st.sampled_from(PARTS), max_size=10).map(b"".join), st.integers(1, 40), st.sampled_from([90, 10_000]))
def test_the_same_bytes_give_the_same_pieces_however_they_are_split(data, step, limit):
    whole = cut(data, limit)
    parts = cut(data, limit, step)
    assert [(piece.kind, piece.size) for piece in parts] == [(piece.kind, piece.size) for piece in whole]
    if limit > len(data):
        assert parts == whole


@given(
    st.lists(st.sampled_from(["PID|1", "PV1", "NTE|1||a", "b", "PID-3", "\n", "\n", "\r", "\r\n", "é"]), max_size=12)
)
def test_ending_segments_with_cr_changes_nothing_that_is_read(parts):
    data = b"MSH|^~\\&|A\r" + "".join(parts).encode()
    assume(b"\r\n\n" not in data)  # neither a line end nor text, and read as either
    segments = parse_message(data).segments
    assert parse_message(end_with_cr(data)).segments == [*segments[:-1], segments[-1].rstrip("\n")]


@pytest.mark.parametrize("name", CORPUS)
def test_a_message_that_is_ended_with_cr_stays_as_it_is(name):
    once = end_with_cr(CORPUS[name])
    assert end_with_cr(once) == once
    if b"\n" not in CORPUS[name]:
        assert once == CORPUS[name]
    try:
        assert parse_message(once).segments == parse_message(CORPUS[name]).segments
    except MessageError as error:
        raise AssertionError(name) from error
