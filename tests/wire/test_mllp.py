"""What a connection's bytes become, however they arrive."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.errors import WireError
from hl7bridge.wire import mllp
from hl7bridge.wire.mllp import Block, Decoder, Junk, Oversize, Truncated, encode_block, is_commit

FIRST = b"MSH|^~\\&|EHR|NORTHGATE\rPID|1||MR1"
SECOND = b"MSH|^~\\&|EHR|NORTHGATE\rPID|1||MR2"
EVERYTHING = (
    b"\r\n\x00 "
    + encode_block(FIRST)
    + b"\n GET / HTTP/1.1\r\n"
    + b"\x0bcut short"
    + b"\x0b\x0b"
    + encode_block(SECOND)
    + b"\x0bleft\x1cright\x1c\x1c\r"
    + b"\x0bno CR\x1c"
    + encode_block(b"")
    + b"\x0bcut too"
    + b"\x0b"
    + b"x" * 80
    + b"\x1c\r"
    + b"\x0bnever read"
)
EXPECTED = [
    Block(FIRST),
    Junk(b"GET / HTTP/1.1"),
    Truncated(b"cut short"),
    Block(SECOND),
    Block(b"left\x1cright\x1c"),
    Block(b"no CR", ("end_without_cr",)),
    Block(b""),
    Truncated(b"cut too"),
    Oversize(61, b"x" * 60),
]


def decode(pieces, limit=60):
    decoder = Decoder(limit)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


def test_a_block_in_one_read_is_given_at_once():
    decoder = Decoder()
    assert decoder.feed(encode_block(FIRST)) == [Block(FIRST)]
    assert not decoder.is_inside
    assert decoder.close() == []


def test_every_oddity_has_its_own_event_and_harms_no_other_block():
    assert decode([EVERYTHING]) == EXPECTED


def test_the_events_are_the_same_when_the_bytes_come_one_by_one():
    assert decode([bytes([byte]) for byte in EVERYTHING]) == EXPECTED


def test_the_events_are_the_same_wherever_the_bytes_are_split_in_two():
    for at in range(len(EVERYTHING) + 1):
        assert decode([EVERYTHING[:at], EVERYTHING[at:]]) == EXPECTED, at


@given(
    st.lists(st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\x1c\r", b"ab", b" ", b"x" * 9]), max_size=60).map(b"".join),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_any_bytes_split_anywhere_give_the_same_events(data, cuts):
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    assert decode(pieces, 12) == decode([data], 12) == decode([bytes([byte]) for byte in data], 12)


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=40).map(lambda data: data.translate(None, b"\x0b\x1c")), max_size=6))
def test_what_is_encoded_comes_back_as_it_was(payloads):
    events = decode([b"".join(map(encode_block, payloads))])
    assert events == [Block(payload) for payload in payloads]


def test_pipelined_blocks_all_arrive_in_order():
    payloads = [b"MSH|%d" % number for number in range(50)]
    assert decode([b"".join(map(encode_block, payloads))]) == [Block(payload) for payload in payloads]


def test_every_block_of_a_connection_counts_and_not_only_its_first():
    decoder = Decoder()
    for number in range(5):
        payload = b"MSH|%d" % number
        assert decoder.feed(encode_block(payload)) == [Block(payload)]


def test_of_a_large_block_in_many_reads_every_part_is_kept():
    payload = b"MSH|" + bytes(range(32, 127)) * 20_000
    wire = encode_block(payload)
    decoder = Decoder()
    events = [event for at in range(0, len(wire), 1460) for event in decoder.feed(wire[at : at + 1460])]
    assert events == [Block(payload)]


def test_an_end_byte_and_its_cr_may_come_in_two_packets():
    decoder = Decoder()
    assert decoder.feed(b"\x0b" + FIRST + b"\x1c") == []
    assert decoder.feed(b"\r") == [Block(FIRST)]


def test_half_a_message_and_a_whole_one_are_never_one_block():
    assert decode([b"\x0b" + FIRST[:20], encode_block(SECOND)]) == [Truncated(FIRST[:20]), Block(SECOND)]


def test_a_block_of_exactly_the_limit_is_taken_and_one_byte_more_is_not():
    assert decode([encode_block(b"x" * 60)]) == [Block(b"x" * 60)]
    assert decode([encode_block(b"x" * 61)]) == [Oversize(61, b"x" * 60)]


def test_a_block_that_is_too_long_is_told_of_at_once_with_its_first_64_kib_and_nothing_after_it_is_read():
    decoder = Decoder(200_000)
    long = b"MSH|" + b"z" * 400_000
    assert decoder.feed(b"\x0b" + long[:200_000]) == []
    assert decoder.is_inside
    assert not decoder.is_spent
    assert decoder.feed(long[200_000:250_000]) == [Oversize(200_001, long[:65_536])]
    assert decoder.is_spent
    assert not decoder.is_inside
    assert decoder.pending_seconds is None
    assert decoder.feed(b"\x1c\r" + encode_block(FIRST)) == []
    assert decoder.feed(encode_block(FIRST)) == []
    assert decoder.take_pending() == decoder.close() == []
    assert decoder.is_spent
    assert not decoder._buffer


def test_of_an_end_byte_after_the_last_byte_that_the_limit_allows_only_the_next_byte_can_tell():
    for ending, events in [
        (b"\r", [Block(b"x" * 60)]),
        (b"\x0b", [Block(b"x" * 60, ("end_without_cr",))]),
        (b"x", [Oversize(61, b"x" * 60)]),
    ]:
        decoder = Decoder(60)
        assert decoder.feed(b"\x0b" + b"x" * 60 + b"\x1c") == []
        assert decoder.feed(ending) == events


def test_a_block_whose_cr_never_comes_can_be_taken_after_a_wait():
    decoder = Decoder()
    assert decoder.feed(b"\x0b" + FIRST + b"\x1c") == []
    assert decoder.pending_end
    assert decoder.pending_seconds == 0.3
    assert decoder.is_inside
    assert decoder.take_pending() == [Block(FIRST, ("end_without_cr",))]
    assert decoder.pending_seconds is None
    assert not decoder.pending_end
    assert decoder.take_pending() == []
    assert decoder.feed(b"\r" + encode_block(SECOND)) == [Block(SECOND)], "a late CR is padding"


def test_an_unfinished_block_is_not_complete_but_for_its_cr():
    decoder = Decoder()
    decoder.feed(b"\x0bMSH|")
    assert decoder.is_inside
    assert not decoder.pending_end
    assert decoder.take_pending() == []
    assert decoder.close() == [Truncated(b"MSH|")]
    assert decoder.close() == []


def test_junk_without_end_is_reported_in_bounded_parts():
    decoder = Decoder()
    events = decoder.feed(b"x" * 150_000)
    assert [len(event.data) for event in events] == [65_536, 65_536]
    assert [len(event.data) for event in decoder.close()] == [150_000 - 2 * 65_536]


def test_a_message_without_its_start_byte_is_junk_and_not_a_block():
    assert decode([FIRST + b"\x1c\r"]) == [Junk(FIRST + b"\x1c")]


class CountingBuffer(bytearray):
    """A buffer that counts the bytes that searches look at."""

    searched = 0

    def find(self, what, start=0, end=None):
        """Search as bytearray does."""
        end = len(self) if end is None else end
        at = super().find(what, start, end)
        self.searched += (at if at >= 0 else end) - start + 1
        return at


@pytest.mark.parametrize(
    ("size", "step", "fill"),
    [(2_000_000, 32, b"x"), (50_000, 1, b"x"), (50_000, 50_000, b"\x0b"), (50_000, 1_000, b"\x1c")],
)
def test_the_work_grows_with_the_bytes_and_not_with_how_they_are_split(size, step, fill):
    decoder = Decoder()
    decoder._buffer = buffer = CountingBuffer()
    decoder.feed(b"\x0b")
    piece = fill * step
    for _ in range(0, size, step):
        decoder.feed(piece)
    decoder.feed(b"\x1c\r")
    assert decoder._buffer is buffer
    assert not decoder.is_inside
    pieces = size // step + 2
    assert buffer.searched <= 2 * size + 3 * pieces + 10


@pytest.mark.parametrize("payload", [b"a\x0bb", b"a\x1cb", b"a\x1c"])
def test_what_would_end_a_block_early_is_never_sent(payload):
    with pytest.raises(WireError, match="0x0B or 0x1C"):
        encode_block(payload)


def test_the_commits_of_release_2_are_blocks_of_one_byte_and_no_messages():
    assert Decoder().feed(mllp.COMMIT_ACK + mllp.COMMIT_NAK) == [Block(b"\x06"), Block(b"\x15")]
    assert is_commit(b"\x06")
    assert is_commit(b"\x15")
    assert not is_commit(b"")
    assert not is_commit(FIRST)


def test_a_block_is_sent_with_its_three_bytes():
    assert encode_block(b"MSH|") == b"\x0bMSH|\x1c\r"
    assert (mllp.START, mllp.END, mllp.CR) == (0x0B, 0x1C, 0x0D)
