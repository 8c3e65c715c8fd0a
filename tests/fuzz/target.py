"""One input of the fuzzer through everything that sees a sender's bytes before the store does; what must hold always.

The first three bytes choose switches, limit and splits, the rest is what a connection brings. An AssertionError, or an
exception that is not documented where it comes from, is a finding.
"""

import datetime as dt

from hl7bridge.errors import SEGMENT_SEQUENCE, Location, MessageError
from hl7bridge.message import datatypes
from hl7bridge.message.ack import ACCEPTED, Outcome, build_acks
from hl7bridge.message.batch import build_batch_reply, is_batch, split_batch
from hl7bridge.message.escape import escape, unescape
from hl7bridge.message.header import check_header, read_header
from hl7bridge.message.model import Empty
from hl7bridge.message.parse import parse_message
from hl7bridge.wire.mllp import Block, Decoder, Junk, Oversize, Truncated, encode_block
from hl7bridge.wire.repair import repair_block

SWITCHES = ("no_start", "unframed", "start_in_data", "bytes_before_msh", "clipped_msh", "several_messages")
LIMITS = (100_000, 1000, 200, 50)
CHARSETS = (None, "8859/1", "UNICODE UTF-8", "ISO IR87")
PATHS = (
    "MSH-1",
    "MSH-2",
    "MSH-9.2",
    "MSH-18(2)",
    "PID-3(2).4.2",
    "PID-5.1.1",
    "PV1-19",
    "FT1[2]-11.1.1",
    "OBX-5",
    "ZZ9-3",
)
TYPES = (datatypes.parse_cx, datatypes.parse_xpn, datatypes.parse_xad, datatypes.parse_xtn)
NOW = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
REFUSED = MessageError(
    SEGMENT_SEQUENCE, Location("PID", 2, 3, 1, 4), "an error | of ^ the fuzzer's \r\x1c\x0b", reject=True
)


def run_one(data):
    """Drive one input through; returns nothing, raises AssertionError or whatever should not have been raised."""
    choice, limit, split, stream = data[0:1], data[1:2], data[2:3], data[3:]
    switches = frozenset(name for bit, name in enumerate(SWITCHES) if sum(choice) >> bit & 1)
    charset = CHARSETS[sum(limit) >> 2 & 3]
    for event in decode(stream, LIMITS[sum(limit) & 3], switches, sum(split)):
        if isinstance(event, Block):
            take_block(event.data, switches, charset, override=bool(sum(choice) & 64))
        else:
            bytes_of = event.head if isinstance(event, Oversize) else event.data
            answer(bytes_of, Outcome(REFUSED))


# ---- framing --------------------------------------------------------------------------------------------------------


def decode(stream, limit, switches, split):
    """The events of a stream, split and with pauses as ``split`` says; whole, it must give the same as split."""
    whole = Decoder(limit, switches)
    events = [*whole.feed(stream), *whole.close()]
    size = (split & 63) + 1
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert feed(Decoder(limit, switches), pieces, pauses=False) == events
    paused = feed(Decoder(limit, switches), pieces, pauses=True)
    for each in (events, paused):
        check_events(each, stream, limit, switches)
    return paused if split & 64 else events


def feed(decoder, pieces, *, pauses):
    """The events of pieces, with a pause after each or none."""
    events = []
    for piece in pieces:
        events += decoder.feed(piece)
        assert not (decoder.is_spent and decoder.is_inside)
        assert (decoder.pending_seconds is not None) >= decoder.pending_end
        if pauses:
            events += decoder.take_pending()
            assert decoder.pending_seconds is None
    events += decoder.close()
    assert decoder.close() == []
    return events


def check_events(events, stream, limit, switches):
    """No byte is made up, none but marks and padding is lost before a block that is too long, and notes are known."""
    carried = b"".join(event.head if isinstance(event, Oversize) else event.data for event in events)
    assert len(carried) <= len(stream)
    kept = stream.translate(None, b"\x0b\x1c\r\n\x00 ")
    if any(isinstance(event, Oversize) for event in events):
        assert isinstance(events[-1], Oversize)
        assert events[-1].size == limit + 1
    else:
        assert carried.translate(None, b"\x0b\x1c\r\n\x00 ") == kept
    known = {"end_without_cr"} | {f"tolerated_{name}" for name in switches}
    for event in events:
        assert isinstance(event, Oversize | Block) or event.data
        assert isinstance(event, Oversize | Junk) or len(event.data) <= limit
        assert not isinstance(event, Truncated | Block) or "start_in_data" in switches or b"\x0b" not in event.data
        assert set(getattr(event, "notes", ())) <= known


# ---- messages -------------------------------------------------------------------------------------------------------


def take_block(data, switches, charset, *, override):
    """Repair a block, take its batch apart or not, and read and answer every message of it."""
    repaired = repair_block(data, switches)
    assert sum(len(piece) for piece, _ in repaired) <= len(data) + 2
    for piece, notes in repaired:
        assert notes or piece == data
        if is_batch(piece):
            take_batch(piece, charset, override=override)
        answer_message(piece, charset, override=override)


def take_batch(data, charset, *, override):
    """Answer a batch with a batch that can be read in its turn."""
    try:
        parts = split_batch(data)
    except MessageError as error:
        answer(data, Outcome(error))
        return
    assert sum(map(len, parts.messages)) <= len(data) + len(parts.messages)  # one may get the CR it lacked
    acks = [answer_message(message, charset, override=override) for message in parts.messages]
    reply = build_batch_reply(parts, acks, control_id="HB1", now=NOW)
    assert encode_block(reply)
    if reply:
        assert len(split_batch(reply).messages) == sum(map(len, acks))


def answer_message(data, charset, *, override):
    """Read a message as far as it can be and return the answers to it."""
    try:
        message = parse_message(data, charset=charset, override=override)
        header = message.header
    except MessageError as error:
        return answer(data, Outcome(error))
    read_values(message)
    try:
        check_header(header, ("P", "T"))
    except MessageError as error:
        return answers(header, Outcome(error))
    return answers(header, ACCEPTED)


def read_values(message):
    """Ask for values as mappings do."""
    for path in PATHS:
        value = message.get(path)
        assert isinstance(value, str | Empty)
        text = value if isinstance(value, str) else value.value
        for parse in TYPES:
            assert all(isinstance(part, str) for part in parse(text, message.delimiters))
        for problem in problems_of(text, message.delimiters):
            assert len(text) < 4 or text not in problem, "an error quotes a value"
        assert unescape(escape(text, message.delimiters), message.delimiters) == text
    for segment in message.segments:
        assert isinstance(unescape(segment, message.delimiters), str)
        for fields in message.fields(segment[:3]):
            assert fields


def problems_of(text, delimiters):
    """What is said against a value by those readers that may refuse one."""
    for read, further in (
        (datatypes.parse_date, ()),
        (datatypes.parse_timestamp, (dt.UTC,)),
        (datatypes.parse_amount, (delimiters,)),
    ):
        try:
            read(text, *further)
        except ValueError as error:
            yield str(error)


def answer(data, outcome):
    """The answers to what cannot be read."""
    return answers(read_header(data), outcome)


def answers(header, outcome):
    """The answers: none can break its block, each can be read, and names the message it is about."""
    found = ()
    for each, is_apart in ((outcome, False), (outcome, True), (Outcome(REFUSED, expected=3), False)):
        acks = build_acks(header, each, control_id="HB1", now=NOW, answer_unasked=not is_apart, is_apart=is_apart)
        codec = header.codec if header else "utf-8"
        for text in (*(block.decode(codec) for block in acks.blocks), *filter(None, [acks.apart])):
            check_reply(text, header)
        found = found or acks.blocks
    return found


def check_reply(text, header):
    """A reply is one block and one message, once decoded as the message it answers was."""
    data = text.encode()
    assert encode_block(data)
    reply = parse_message(data, charset="UNICODE UTF-8", override=True)
    (msa,) = reply.fields("MSA")
    if header is not None and header.control_id.isascii() and header.control_id.isprintable():
        assert msa[2] == header.control_id
