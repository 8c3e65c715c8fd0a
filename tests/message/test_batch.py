"""A batch is taken apart into its messages, what is wrong with it is named, and the reply is a batch of its own."""

from __future__ import annotations

import contextlib

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_samples import CORPUS, NOW, adt

from hl7bridge.errors import MessageError
from hl7bridge.message.ack import Outcome, build_acks
from hl7bridge.message.batch import build_batch_reply, is_batch, split_batch
from hl7bridge.message.header import Header, read_header
from hl7bridge.message.parse import parse_message

FHS = b"FHS|^~\\&|EHR^1.2^ISO|NORTHGATE|BRIDGE|AGENCY|20260101||NIGHT||F1\r"
BHS = b"BHS|^~\\&|EHR^1.2^ISO|NORTHGATE|BRIDGE|AGENCY|20260101||||B1\r"
ONE, TWO, THREE = (adt(m10=b"M%d" % number) for number in (1, 2, 3))
WHOLE = FHS + BHS + ONE + TWO + b"BTS|2\r" + BHS.replace(b"B1", b"B2") + THREE + b"BTS|1|note\rFTS|2\r"


def refusal(data):
    with pytest.raises(MessageError) as caught:
        split_batch(data)
    return caught.value.error.code, str(caught.value.location), caught.value.text


def reply_to(data, control_id="HB000000001", number=1):
    parts = split_batch(data)
    acks = [
        build_acks(parse_message(each).header, Outcome(), control_id="HB1", now=NOW).blocks * number
        for each in parts.messages
    ]
    return build_batch_reply(parts, acks, control_id=control_id, now=NOW)


def test_a_batch_is_its_messages_in_order_with_the_headers_around_them():
    parts = split_batch(WHOLE)
    assert parts.messages == (ONE, TWO, THREE)
    assert [batch.messages for batch in parts.batches] == [(ONE, TWO), (THREE,)]
    assert [batch.header.fields[11] for batch in parts.batches] == ["B1", "B2"]
    assert parts.file.fields[3:7] == ("EHR^1.2^ISO", "NORTHGATE", "BRIDGE", "AGENCY")


@pytest.mark.parametrize(
    ("data", "batches"),
    [
        (BHS + ONE + TWO, [[ONE, TWO]]),
        (BHS + ONE + b"BTS|1\r", [[ONE]]),
        (FHS + ONE + TWO + b"FTS|1\r", [[ONE, TWO]]),
        (FHS + ONE + b"BTS|1\rFTS|1\r", [[ONE]]),
        (FHS + BHS + ONE + BHS + TWO + b"FTS\r", [[ONE], [TWO]]),
        (FHS + BHS + ONE + b"BTS|1\r" + TWO + b"FTS|2\r", [[ONE], [TWO]]),
        (BHS + b"BTS|0\r", [[]]),
        (FHS + b"FTS|0\r", []),
        (FHS, []),
        (BHS[:-1], [[]]),
    ],
)
def test_any_of_the_four_segments_may_be_missing(data, batches):
    assert [list(batch.messages) for batch in split_batch(data).batches] == batches


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r", b"\r\n\r\n"])
@pytest.mark.parametrize("opening", [b"", b"\xef\xbb\xbf", b"\r\n\xef\xbb\xbf\n"])
def test_segments_of_a_batch_end_as_those_of_a_message_may(end, opening):
    data = opening + WHOLE.replace(b"\r", end)
    assert is_batch(data)
    assert split_batch(data) == split_batch(WHOLE)


def test_blanks_at_the_end_of_a_batch_are_nobodys():
    assert split_batch(WHOLE + b"\r\n \r\n\x00\x1a").messages == (ONE, TWO, THREE)


def test_a_line_feed_in_the_text_of_a_message_stays_there():
    message = adt(body=b"NTE|1||1 MAIN ST\nAPT-2\n\nREAR|x\rPV1|1\r")
    assert split_batch(BHS + message + b"BTS|1\r").messages == (message,)


def test_messages_may_be_divided_by_other_signs_than_their_batch():
    own = ONE.translate(bytes.maketrans(b"|^~\\&", b"$*+!%"))
    data = BHS.translate(bytes.maketrans(b"|^~\\&", b"#*+!%")) + own + TWO + b"BTS#2\r"
    parts = split_batch(data)
    assert parts.messages == (own, TWO)
    assert (parts.batches[0].header.fields[2], parts.batches[0].header.fields[11]) == ("*+!%", "B1")
    assert hl7.parse_batch(reply_to(data).decode()).trailer[1][0] == "2"


def test_only_what_begins_with_fhs_or_bhs_is_a_batch():
    assert [is_batch(data) for data in (WHOLE, BHS, b"\n" + BHS, ONE, b"", b"BTS|1\r")] == [True] * 3 + [False] * 3


@pytest.mark.parametrize("count", [b"2", b"0002", b" 2 ", b"", b'""', b"|comment"])
def test_a_count_is_a_number_however_it_is_written_and_a_blank_one_says_nothing(count):
    assert len(split_batch(BHS + ONE + TWO + b"BTS|" + count + b"\r").messages) == 2


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (BHS + ONE + b"BTS|3\r", ("100", "BTS-1", "it says 3 messages, and there are 1")),
        (BHS + ONE + b"BTS|0\r", ("100", "BTS-1", "it says 0 messages, and there are 1")),
        (BHS + ONE + b"BTS|1\r" + ONE + b"BTS|2\r", ("100", "BTS[2]-1", "it says 2 messages, and there are 1")),
        (WHOLE.replace(b"FTS|2", b"FTS|3"), ("100", "FTS-1", "it says 3 batches, and there are 2")),
        (BHS + ONE + b"BTS|one\r", ("102", "BTS-1", "expected the number of messages, here 1")),
        (BHS + ONE + b"BTS|-1\r", ("102", "BTS-1", "expected the number of messages, here 1")),
        (
            BHS + b"BTS|" + b"9" * 10_000 + b"\r",
            ("100", "BTS-1", "it says 99999999999999999999 messages, and there are 0"),
        ),
        (FHS + b"FTS|x\r", ("102", "FTS-1", "expected the number of batches, here 0")),
    ],
)
def test_a_count_that_is_another_is_refused_with_both_counts(data, told):
    assert refusal(data) == told


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            BHS + b"NTE|1||SECRET\r" + ONE,
            ("100", "BHS", "a segment NTE that belongs to no message stands after it"),
        ),
        (
            WHOLE.replace(b"FTS|2", b"secret\rFTS|2"),
            ("100", "BTS[2]", "text that belongs to no message stands after it"),
        ),
        (WHOLE + b"ZZZ|1\r", ("100", "FTS", "a segment ZZZ that belongs to no message stands after it")),
        (WHOLE + ONE, ("100", "MSH[4]", "it stands after FTS, which ends the file")),
        (WHOLE + FHS, ("100", "FHS[2]", "it stands after FTS, which ends the file")),
        (FHS + BHS + FHS, ("100", "FHS[2]", "it must stand first in the file, and once")),
        (BHS + ONE + FHS, ("100", "FHS", "it must stand first in the file, and once")),
        (BHS + ONE + b"BTS|1\rBTS|1\r", ("100", "BTS[2]", "no batch is open that it could end")),
        (FHS + b"BTS|0\r", ("100", "BTS", "no batch is open that it could end")),
        (b"BHS", ("102", "BHS-1", "the field separator must be a printable sign")),
        (b"FHS|", ("101", "FHS-2", "the encoding characters are missing")),
        (FHS + b"BHS|^^|\r", ("102", "BHS-2", "the encoding characters must be 3 to 5 printable signs")),
    ],
)
def test_what_is_out_of_place_is_refused_with_its_place_and_no_value(data, told):
    assert refusal(data) == told


def test_the_reply_is_a_batch_with_sender_and_receiver_turned_round():
    reply = hl7.parse_file(reply_to(WHOLE, number=2).decode())
    header = reply.header
    assert [str(header[number]) for number in range(3, 8)] == [
        "BRIDGE", "AGENCY", "EHR^1.2^ISO", "NORTHGATE", "20261121143015-0500",
    ]  # fmt: skip
    assert (str(header[11]), str(header[12])) == ("HB000000001", "F1")
    assert str(reply.trailer[1]) == "2"
    assert [str(batch.header[11]) for batch in reply] == ["HB000000001-1", "HB000000001-2"]
    assert [str(batch.header[12]) for batch in reply] == ["B1", "B2"]
    assert [str(batch.header[3]) for batch in reply] == ["BRIDGE", "BRIDGE"]
    assert [str(batch.trailer[1]) for batch in reply] == ["4", "2"]
    assert [[str(ack.segment("MSA")[2]) for ack in batch] for batch in reply] == [["M1", "M1", "M2", "M2"], ["M3"] * 2]


def test_a_batch_without_a_file_is_answered_without_one():
    text = reply_to(BHS + ONE).decode()
    assert not isinstance(hl7.parse_hl7(text), hl7.File)
    reply = hl7.parse_batch(text)
    assert (str(reply.header[12]), str(reply.trailer[1]), len(reply)) == ("B1", "1", 1)


def test_messages_without_a_batch_of_their_own_are_answered_to_the_sender_of_the_file():
    lines = reply_to(FHS + ONE + b"FTS\r").decode().split("\r")
    assert lines[1] == "BHS|^~\\&|BRIDGE|AGENCY|EHR^1.2^ISO|NORTHGATE|20261121143015-0500||||HB000000001-1"
    assert lines[-3:] == ["BTS|1", "FTS|1", ""]


def test_messages_that_nobody_wants_answered_leave_a_batch_of_nothing():
    parts = split_batch(BHS.replace(b"BRIDGE", b"") + ONE)
    text = build_batch_reply(parts, [[]], control_id="H", now=NOW).decode()
    assert text == "BHS|^~\\&|HL7BRIDGE|AGENCY|EHR^1.2^ISO|NORTHGATE|20261121143015-0500||||H-1|B1\rBTS|0\r"


def test_a_reply_keeps_the_senders_bytes_and_never_a_byte_that_ends_a_block():
    data = BHS.replace(b"NORTHGATE", b"N\xd6RD\x1c\x0b") + adt(m4="NÖRD".encode("latin-1"), m18=b"8859/1")
    reply = reply_to(data)
    assert b"|N\xd6RD|" in reply.split(b"\r")[0]
    assert not set(reply) & {0x0B, 0x1C}


def test_the_header_of_a_batch_that_is_refused_says_whom_to_answer():
    """The control id is BHS-11, or FHS-11 where that is blank; version and processing id are the first message's."""
    own = Header(
        sending_application="EHR^1.2^ISO", sending_facility="NORTHGATE", receiving_application="BRIDGE",
        receiving_facility="AGENCY", timestamp="20260101", control_id="B1", processing_id="P", version="2.5.1",
    )  # fmt: skip
    assert read_header(WHOLE) == own
    assert read_header(b"\n" + WHOLE.replace(b"\r", b"\r\n")) == own
    assert read_header(FHS + BHS.replace(b"B1", b"")) == own._replace(control_id="F1", version="")
    assert read_header(FHS + ONE) == own._replace(control_id="F1")
    assert read_header(FHS) == own._replace(control_id="F1", version="")
    assert read_header(BHS.replace(b"B1", b"")) == own._replace(control_id="", version="")
    assert read_header(FHS.replace(b"F1", b"") + BHS.replace(b"B1", b"")).control_id == ""
    assert read_header(FHS + b"BHSX") == own._replace(control_id="F1", version="")
    assert read_header(FHS + b"BHS&^~&|") == own._replace(control_id="F1", version="")
    assert read_header(b"BHS^^^^") is None
    assert read_header(b"FHS") is None
    latin = read_header(BHS.replace(b"NORTH", b"N\xd6RTH") + adt(m18=b"8859/1"))
    assert (latin.sending_facility, latin.codec, latin.charset) == ("NÖRTHGATE", "iso8859-1", "8859/1")
    answer = build_acks(read_header(WHOLE), Outcome(), control_id="HB1", now=NOW).blocks[0]
    assert hl7.parse(answer.decode()).segment("MSA")[2][0] == "B1"


PIECES = [
    FHS,
    BHS,
    ONE,
    TWO,
    b"BTS|1\r",
    b"BTS\r",
    b"FTS|1\r",
    b"NTE|x\r",
    b"\n",
    b"\xef\xbb\xbf",
    b"\x0b",
    b"MSH",
    b"B",
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=5)), max_size=8).map(b"".join))
def test_no_bytes_whatever_make_anything_but_a_batch_or_a_refusal(data):
    with contextlib.suppress(MessageError):
        parts = split_batch(BHS + data)
        assert reply_to(BHS + b"".join(parts.messages[:0])) is not None
    read_header(BHS + data)


@given(st.lists(st.sampled_from([each for each in CORPUS.values() if b"\n" not in each]), max_size=6))
def test_every_message_comes_out_of_a_batch_as_it_went_in(messages):
    data = b"".join((FHS, BHS, *messages, b"BTS|%d\r" % len(messages), b"FTS|1\r"))
    assert split_batch(data).messages == tuple(messages)
