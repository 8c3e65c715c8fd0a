"""What is mended inside a block, under which switch, and what stays as it is."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.wire.repair import repair_block

ONE = b"MSH|^~\\&|EHR|NORTHGATE\rPID|1||MR1\r"
TWO = b"MSH|^~\\&|EHR|NORTHGATE\rPID|1||MR2\r"
BATCH = b"BHS|^~\\&|EHR\r" + ONE + TWO + b"BTS|2\r"
SWITCHES = ("bytes_before_msh", "clipped_msh", "several_messages")
SETS = [frozenset(names) for count in range(4) for names in itertools.combinations(SWITCHES, count)]
ALL = frozenset(SWITCHES)
BEFORE = ("tolerated_bytes_before_msh",)
CLIPPED = ("tolerated_clipped_msh",)
SEVERAL = ("tolerated_several_messages",)


def repair(data, *switches):
    return repair_block(data, frozenset(switches))


@pytest.mark.parametrize("switches", SETS, ids=lambda names: "+".join(sorted(names)) or "none")
@pytest.mark.parametrize(
    "data",
    [
        ONE,
        BATCH,
        b"\r\n" + ONE,
        b"\xef\xbb\xbf" + ONE,
        b"",
        b"\r\n",
        b"MSH",
        b"MSH|",
        b"H",
        b"no HL7",
        b"PID|1\r",
        b"SH|",
    ],
    ids=range(12),
)
def test_a_block_in_which_nothing_is_wrong_or_nothing_can_be_mended_stays_as_it_is(data, switches):
    assert repair_block(data, switches) == [(data, ())]


@pytest.mark.parametrize("data", [b"junk" + ONE, b"SH|" + ONE[4:], ONE + TWO])
def test_nothing_is_mended_that_no_switch_names(data):
    assert repair_block(data, frozenset()) == [(data, ())]
    assert repair_block(data, frozenset({"no_start", "unframed", "start_in_data"})) == [(data, ())]


# ---- bytes_before_msh -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "junk", [b"\x02", b"0012 ", b"\x00\r\n", b"length=40\r\n", b"MSH ", b"\xef\xbb\xbf\xef\xbb\xbf"]
)
@pytest.mark.parametrize(
    "message", [ONE, BATCH, b"FHS|^~\\&|EHR\r" + BATCH + b"FTS|1\r", b"MSH#^~\\&#EHR\r", b"MSH|^~}|\r"]
)
def test_what_stands_before_the_header_is_dropped(junk, message):
    assert repair(junk + message, "bytes_before_msh") == [(message, BEFORE)]


@pytest.mark.parametrize("before", [b"PID|1||MR0\r", b"\nPV1|", b"x\rZ99|\rx", b"1||MR0\rPV1|1|O\r"])
def test_a_header_after_another_segment_stays_where_it_is_because_two_messages_may_have_run_together(before):
    assert repair_block(before + ONE, ALL) == [(before + ONE, ())]


@pytest.mark.parametrize("data", [b"x MSH", b"see MSH|9", b"xMSH|^^~\\&", b"xMSH|^|", b"xMSH|^~\\&#!|EHR"])
def test_the_name_alone_is_no_header(data):
    assert repair_block(data, ALL) == [(data, ())]


# ---- clipped_msh ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("before", [b"", b"\r\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("message", [ONE, ONE.replace(b"|", b"#"), b"MSH|^~\\&#|EHR\r"])
def test_a_header_that_lost_its_first_letters_gets_them_back(lost, before, message):
    assert repair(before + message[lost:], "clipped_msh") == [(message, CLIPPED)]


@pytest.mark.parametrize(
    "data", [b"H|\\^&|||LAB\rP|1\r", b"SH|^~|", b"|^~\\&|EHR", b"XSH|^~\\&|", b"SH|^~A\\|", b"xSH|^~\\&|"]
)
def test_what_only_resembles_one_stays_as_it_is(data):
    """The first is a message of ASTM E1394, whose header names three signs."""
    assert repair(data, "clipped_msh") == [(data, ())]


# ---- several_messages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", [b"", b"\r", b"\r\n", b"\n\n"])
def test_each_message_of_a_block_becomes_one_of_its_own(between):
    found = repair(b"\r\n" + ONE + between + TWO + between + ONE, "several_messages")
    assert found == [(b"\r\n" + ONE + between, SEVERAL), (TWO + between, SEVERAL), (ONE, SEVERAL)]


def test_a_nul_that_ends_a_message_is_left_out():
    assert repair(ONE + b"\x00" + TWO + b"\x00", "several_messages") == [(ONE, SEVERAL), (TWO, SEVERAL)]


@pytest.mark.parametrize("text", [b"NTE|1||see MSH|9\r", b"MSH#^~\\&#EHR\r", b"MSHX|\r", b"MSH\r", b"BHS|^~\\&|\r"])
def test_only_a_line_of_the_same_form_as_the_first_begins_another_message(text):
    assert repair(ONE + text, "several_messages") == [(ONE + text, ())]


def test_a_batch_is_never_cut():
    assert repair_block(BATCH, ALL) == [(BATCH, ())]
    assert repair_block(b"junk" + BATCH, ALL) == [(BATCH, BEFORE)]


def test_the_first_message_of_several_may_need_another_repair_as_well():
    assert repair_block(b"\x02" + ONE + TWO, ALL) == [(ONE, BEFORE + SEVERAL), (TWO, SEVERAL)]
    assert repair_block(ONE[1:] + TWO, ALL) == [(ONE, CLIPPED + SEVERAL), (TWO, SEVERAL)]


ATOMS = [
    b"MSH|^~\\&|",
    b"SH|^~\\&|",
    b"H|^~\\&|",
    b"BHS|^~\\&|",
    b"\rMSH|",
    b"PID|",
    b"\r",
    b"\n",
    b"\x00",
    b"x",
    b"|",
    b"^",
]


@pytest.mark.parametrize("switches", SETS, ids=lambda names: "+".join(sorted(names)) or "none")
@given(st.lists(st.sampled_from(ATOMS), max_size=20).map(b"".join))
def test_whatever_is_in_a_block_only_the_letters_of_a_header_are_made_up_and_notes_name_switches_that_are_on(
    switches, data
):
    found = repair_block(data, switches)
    notes = {note for _, names in found for note in names}
    assert notes <= {f"tolerated_{name}" for name in switches}
    assert sum(len(piece) for piece, _ in found) <= len(data) + 2
    joined = b"".join(piece for piece, _ in found)
    if not notes:
        assert joined == data
    else:
        assert all(piece.lstrip(b"\r\n").startswith((b"MSH|", b"BHS|")) for piece, _ in found)
    assert repair_block(joined, frozenset({"bytes_before_msh", "clipped_msh"})) == [(joined, ())] or not notes
