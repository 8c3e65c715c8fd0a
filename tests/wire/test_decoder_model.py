"""Whatever comes in, split however, under any set of switches: the decoder does what the plain rules say."""

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wire_model import Model

from hl7bridge.wire import events as wire
from hl7bridge.wire import junk
from hl7bridge.wire.mllp import Decoder, Oversize

SWITCHES = ("no_start", "unframed", "start_in_data")
SETS = [frozenset(names) for count in range(4) for names in itertools.combinations(SWITCHES, count)]
ATOMS = [b"\x0b", b"\x1c", b"\r", b"\n", b"\x00", b" ", b"\x1c\r", b"\x1c\x0b", b"MSH|", b"\rMSH|", b"BHS|", b"FHS|"]
ATOMS += [b"MS", b"FH", b"B", b"MSH", b"H|", b"|", b"\x0bMSH", b"PID|1", b"x", b"x" * 9, b"MSH|^~\\&|a\rPID|b\r"]
STREAMS = st.lists(st.sampled_from(ATOMS), max_size=40).map(b"".join)
LIMITS = st.sampled_from([4, 12, 20, 40, 1000])
CUTS = st.lists(st.integers(0, 200), max_size=8)


def pieces_of(data, cuts):
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def one_by_one(data):
    return [data[at : at + 1] for at in range(len(data))]


def decode(pieces, limit, tolerances):
    decoder = Decoder(limit, tolerances)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


def carried(events):
    """The bytes that the events hold, in order."""
    return b"".join(event.head if isinstance(event, Oversize) else event.data for event in events)


def without_marks(data):
    """Bytes less what may be left out of an event: marks and padding."""
    return data.translate(None, b"\x0b\x1c\r\n\x00 ")


under_each_set = pytest.mark.parametrize("tolerances", SETS, ids=lambda names: "+".join(sorted(names)) or "none")


@under_each_set
@settings(max_examples=300)
@given(STREAMS, CUTS, LIMITS)
@example(b"\x1c\x1c\r", [], 4)
@example(b"MSH|\x1c", [], 4)
def test_the_events_are_those_of_the_rules_wherever_the_bytes_are_split(tolerances, data, cuts, limit):
    expected = Model(data, limit, tolerances).events()
    assert decode([data], limit, tolerances) == expected
    assert decode(pieces_of(data, cuts), limit, tolerances) == expected
    assert decode(one_by_one(data), limit, tolerances) == expected


@under_each_set
@given(STREAMS)
def test_no_byte_is_lost_or_made_up(tolerances, data):
    events = decode([data], 1000, tolerances)
    assert without_marks(carried(events)) == without_marks(data)
    assert len(carried(events)) <= len(data)


@under_each_set
@given(st.lists(st.tuples(STREAMS, CUTS), max_size=4), LIMITS)
def test_a_pause_gives_the_same_however_the_bytes_before_it_were_split(tolerances, bursts, limit):
    whole, split = Decoder(limit, tolerances), Decoder(limit, tolerances)
    for data, cuts in bursts:
        events = [event for piece in pieces_of(data, cuts) for event in split.feed(piece)]
        assert whole.feed(data) == events
        assert whole.pending_seconds == split.pending_seconds
        taken = whole.take_pending()
        assert split.take_pending() == taken
        assert whole.pending_seconds is None
    assert whole.close() == split.close()


@under_each_set
@given(STREAMS, CUTS)
def test_junk_in_parts_has_the_same_parts_wherever_it_is_split(tolerances, data, cuts):
    with pytest.MonkeyPatch.context() as patch:
        for module in (wire, junk):
            patch.setattr(module, "HEAD_BYTES", 7)
        expected = Model(data, 1000, tolerances).events()
        assert decode([data], 1000, tolerances) == expected
        assert decode(pieces_of(data, cuts), 1000, tolerances) == expected
        assert decode(one_by_one(data), 1000, tolerances) == expected


@given(STREAMS)
def test_with_no_switch_on_a_text_without_its_start_byte_is_never_a_block(data):
    marked = [event for event in decode([data], 1000, frozenset()) if getattr(event, "notes", ())]
    assert {note for event in marked for note in event.notes} <= {"end_without_cr"}
