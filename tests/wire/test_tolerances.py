"""What each switch of a listener lets pass, what it says of it, and what it still refuses."""

import pytest

from hl7bridge.wire.mllp import Block, Decoder, Junk, Oversize, Truncated, encode_block

ONE = b"MSH|^~\\&|EHR|NORTHGATE\rPID|1||MR1\r"
TWO = b"MSH|^~\\&|EHR|NORTHGATE\rPID|1||MR2\r"
BATCH = b"BHS|^~\\&|EHR\r" + ONE + TWO + b"BTS|2\r"
FILE = b"FHS|^~\\&|EHR\r" + BATCH + BATCH + b"FTS|2\r"
NO_START = ("tolerated_no_start",)
UNFRAMED = ("tolerated_unframed",)


def decoder(*switches, limit=1000):
    return Decoder(limit, frozenset(switches))


def unframed(data):
    return Block(data.rstrip(b"\r"), UNFRAMED)


# ---- no_start -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [ONE, BATCH, FILE, b"MSH#^~\\&#EHR\r", b"MSH_^~\\&_EHR\r"])
def test_a_message_without_its_start_byte_is_taken_to_its_end_bytes(text):
    assert decoder("no_start").feed(b"\r\n\x00 " + text + b"\x1c\r") == [Block(text, NO_START)]


@pytest.mark.parametrize("text", [b"MSHX", b"MSH ", b'MSH"', b"MSH\r", b"MS", b"PID|1", b"HTTP/1.1 MSH|"])
def test_text_that_begins_otherwise_stays_bytes_outside_a_block(text):
    found = decoder("no_start", "unframed")
    assert found.feed(text + b"\x1c\x0b") == [Junk(text + b"\x1c")]


def test_after_such_text_a_line_that_begins_a_message_is_taken_again():
    found = decoder("no_start")
    assert found.feed(b"PID|1||MR0\x1c\r" + ONE + b"\x1c\r") == [Junk(b"PID|1||MR0\x1c"), Block(ONE, NO_START)]


def test_with_other_blocks_around_it_each_is_taken_for_itself():
    found = decoder("no_start")
    events = found.feed(encode_block(ONE) + TWO + b"\x1c\r" + encode_block(ONE) + TWO + b"\x1c" + encode_block(ONE))
    assert events[:3] == [Block(ONE), Block(TWO, NO_START), Block(ONE)]
    assert events[3:] == [Block(TWO, (*NO_START, "end_without_cr")), Block(ONE)]


def test_it_can_lack_its_cr_too_and_is_taken_after_the_same_wait():
    found = decoder("no_start")
    assert found.feed(ONE + b"\x1c") == []
    assert found.pending_end
    assert found.pending_seconds == 0.3
    assert found.take_pending() == [Block(ONE, (*NO_START, "end_without_cr"))]
    assert found.feed(ONE + b"\x1c") == []
    assert found.close() == [Block(ONE, (*NO_START, "end_without_cr"))]


@pytest.mark.parametrize("end", [b"", b"\x0b"])
def test_without_its_end_bytes_it_is_never_applied(end):
    found = decoder("no_start")
    assert found.feed(ONE) == []
    assert found.is_inside, "so that the time limit of a block counts"
    assert found.pending_seconds is None, "no pause completes it"
    assert found.feed(end) + found.close() == [Junk(ONE.rstrip(b"\r"))]


def test_two_messages_before_one_end_are_one_block_which_the_parser_refuses():
    assert decoder("no_start").feed(ONE + TWO + b"\x1c\r") == [Block(ONE + TWO, NO_START)]


def test_a_long_one_that_never_ends_becomes_bounded_parts():
    found = decoder("no_start", limit=200_000)
    assert found.feed(b"MSH|" + b"x" * 150_000) == []
    assert [len(event.data) for event in found.feed(b"\x0b")] == [65_536, 65_536, 150_004 - 2 * 65_536]


# ---- unframed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [ONE, ONE.replace(b"\r", b"\n"), ONE + b"\n\x00 ", BATCH, FILE])
def test_a_message_without_any_mark_is_whole_after_two_seconds_of_silence(text):
    found = decoder("unframed")
    assert found.feed(b"\n" + text[:9]) == found.feed(text[9:]) == []
    assert found.is_inside
    assert not found.pending_end
    assert found.pending_seconds == 2.0
    assert found.take_pending() == [Block(text.rstrip(b"\r\n\x00 "), UNFRAMED)]
    assert found.pending_seconds is None
    assert found.feed(b"\r\n") == []
    assert found.pending_seconds is None, "padding is nothing to wait for"


def test_it_is_whole_too_when_a_block_begins_or_the_stream_ends():
    found = decoder("unframed")
    assert found.feed(ONE + encode_block(TWO) + ONE) == [unframed(ONE), Block(TWO)]
    assert found.close() == [unframed(ONE)]


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b"\x00"])
def test_several_in_a_row_are_cut_where_a_line_begins_the_next(between):
    found = decoder("unframed")
    data = ONE + between + TWO + between + BATCH + between + ONE
    assert found.feed(data) + found.take_pending() == [
        unframed(ONE),
        unframed(TWO),
        Block((BATCH + between + ONE).rstrip(b"\r"), UNFRAMED),
    ], "what follows a batch is left to the check of the batch"


def test_a_file_is_cut_before_the_next_file_and_a_batch_before_the_next_batch():
    assert decoder("unframed").feed(FILE + FILE + FILE) == [unframed(FILE)] * 2
    assert decoder("unframed").feed(BATCH + BATCH + FILE) == [unframed(BATCH)] * 2


def test_a_name_inside_a_line_or_without_its_sign_cuts_nothing():
    text = ONE + b"NTE|1||see MSH|9 \rMSH9\rMSHA|\rXMSH|\r"
    found = decoder("unframed")
    assert found.feed(text) == []
    assert found.take_pending() == [unframed(text)]


def test_other_text_is_set_aside_at_a_pause_so_that_a_message_after_it_is_taken():
    found = decoder("unframed")
    assert found.feed(b"ID|1||MR0") == []
    assert not found.is_inside
    assert found.pending_seconds == 2.0
    assert found.take_pending() == [Junk(b"ID|1||MR0")]
    assert found.feed(ONE) == []
    assert found.take_pending() == [unframed(ONE)]


@pytest.mark.parametrize("end", [b"\x1c\r", b"\x1c\x0b", b"\x1c"])
def test_a_text_that_has_end_bytes_but_no_start_byte_is_another_mistake(end):
    found = decoder("unframed")
    assert found.feed(ONE + end) + found.take_pending() == [Junk(ONE + b"\x1c")]
    both = decoder("unframed", "no_start")
    (block,) = both.feed(ONE + end) + both.take_pending()
    assert (block.data, block.notes[0]) == (ONE, "tolerated_no_start")


# ---- start_in_data --------------------------------------------------------------------------------------------------


def test_a_start_byte_in_a_field_is_data_unless_a_header_follows():
    found = decoder("start_in_data")
    text = ONE + b"NTE|1||a\x0bb\x0bMS\r"
    events = found.feed(encode_block(TWO) + b"\x0b" + text + b"\x1c\r" + b"\x0bhalf" + encode_block(ONE))
    assert events == [Block(TWO), Block(text, ("tolerated_start_in_data",)), Truncated(b"half"), Block(ONE)]


@pytest.mark.parametrize("name", [b"MSH", b"FHS", b"BHS"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_the_header_that_follows_may_come_in_a_later_read(name, at):
    found = decoder("start_in_data")
    assert found.feed(b"\x0bhalf\x0b" + name[:at]) == ([Truncated(b"half")] if at == 3 else [])
    assert found.is_inside
    assert found.feed(name[at:] + b"|\x1c\r")[-1] == Block(name + b"|")


def test_what_only_looked_like_a_header_is_data():
    found = decoder("start_in_data")
    assert found.feed(b"\x0bwhole\x0bMS") == []
    assert found.feed(b"X\x1c\r") == [Block(b"whole\x0bMSX", ("tolerated_start_in_data",))]


def test_an_end_byte_before_a_start_byte_counts_only_when_a_header_follows():
    found = decoder("start_in_data")
    assert found.feed(b"\x0b" + ONE + b"\x1c\x0bM") == []
    assert found.feed(TWO[1:] + b"a\x1c\x0bb\x1c\r") == [
        Block(ONE, ("end_without_cr",)),
        Block(TWO + b"a\x1c\x0bb", ("tolerated_start_in_data",)),
    ]


def test_a_doubled_start_byte_is_no_data():
    assert decoder("start_in_data").feed(b"\x0b" + encode_block(ONE)) == [Block(ONE)]


def test_what_never_ended_is_still_never_applied():
    found = decoder("start_in_data")
    assert found.feed(b"\x0bhalf\x0bM") == []
    assert found.close() == [Truncated(b"half\x0bM")]


# ---- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("switch", ["no_start", "unframed", "start_in_data"])
def test_the_limit_holds_for_what_is_tolerated_as_well(switch):
    start = b"\x0b" if switch == "start_in_data" else b""
    text = b"MSH|" + b"x\x0bx"[:: 1 if start else 2] * 500
    found = decoder(switch, limit=100)
    assert found.feed(start + text[:101]) == [Oversize(101, text[:100])]
    assert found.is_spent
    assert found.feed(text) == found.close() == []


@pytest.mark.parametrize(("switch", "end"), [("no_start", b"\x1c\r"), ("unframed", b"\x0b"), ("unframed", b"\rMSH|")])
def test_one_of_exactly_the_limit_is_taken(switch, end):
    text = b"MSH|" + b"x" * 96
    limit = 101 if end.startswith(b"\r") else 100  # the line end before the next is its own
    assert decoder(switch, limit=limit).feed(text + end) == [Block(text, (f"tolerated_{switch}",))]
    found = decoder(switch, limit=limit - 1)
    assert found.feed(text + end + b"x") == [Oversize(limit, text[: limit - 1])]
    assert found.is_spent


def test_names_that_the_decoder_does_not_know_change_nothing():
    assert decoder("bytes_before_msh", "several_messages").feed(ONE + b"\x0b") == [Junk(ONE.rstrip(b"\r"))]
