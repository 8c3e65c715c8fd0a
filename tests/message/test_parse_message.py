"""What is taken as a message, and how each thing that is not one is refused."""

from __future__ import annotations

import contextlib

import hl7
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from message_samples import DFT, adt

from hl7bridge.errors import MessageError
from hl7bridge.message.delimiters import DEFAULT, Delimiters
from hl7bridge.message.header import Header, check_header, read_header
from hl7bridge.message.model import ABSENT
from hl7bridge.message.parse import parse_message


def refusal(data, **options):
    with pytest.raises(MessageError) as caught:
        parse_message(data, **options)
    error = caught.value
    return error.error.code, str(error.location), error.text, error.reject


def test_a_message_says_who_sent_what():
    message = parse_message(DFT)
    assert (message.message_type, message.trigger_event, message.control_id) == ("DFT", "P03", "T000001")
    assert (message.sending_application, message.sending_facility) == ("ORMIS", "NORTHGATE")
    assert (message.version, message.processing_id) == ("2.5.1", "P")
    assert message.header is message.header, "it is read once"
    assert message.delimiters == DEFAULT == Delimiters("|", "^", "~", "\\", "&")
    assert (message.charset, message.charset_guessed) == ("utf-8", True)


def test_fields_are_numbered_as_hl7_numbers_them():
    message = parse_message(DFT)
    header = message.fields("MSH")[0]
    assert (header[1], header[2], header[3], header[12]) == ("|", "^~\\&", "ORMIS", "2.5.1")
    assert [charge[11] for charge in message.fields("FT1")] == ["4187.00&USD", "1215.50&USD"]
    assert message.fields("FT1") is message.fields("FT1"), "a segment is split once"
    assert message.fields("GT1") == []
    assert message.count("FT1") == 2


def test_a_segment_of_its_name_alone_is_there_and_has_no_fields():
    message = parse_message(DFT.replace(b"FT1|1|", b"FT1\rFT1|1|"))
    assert message.fields("PV1") == [["PV1"]]
    assert [len(fields) for fields in message.fields("FT1")] == [1, 12, 12]


def test_a_line_that_only_begins_like_a_segment_is_not_one():
    message = parse_message(adt(body=b"PID|1||900001\rPIDGEON|x\rPV1|1|O\r"))
    assert message.count("PID") == 1
    assert message.segments[2] == "PIDGEON|x"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\r", b"\r\n\r\n", b"\n\n"])
def test_segments_end_in_cr_or_lf_or_both_and_blank_lines_are_dropped(end):
    message = parse_message(DFT.replace(b"\r", end))
    assert message.segments == parse_message(DFT).segments


def test_a_byte_order_mark_and_blank_lines_before_msh_are_dropped():
    for opening in (b"\xef\xbb\xbf", b"\r\n", b"\r\n\xef\xbb\xbf\n"):
        assert parse_message(opening + DFT).control_id == "T000001"
        assert read_header(opening + DFT) == parse_message(DFT).header


def test_a_line_feed_in_free_text_does_not_cut_the_segment():
    message = parse_message(adt(body=b"PID|1||1||A^B||||||1 MAIN ST\nAPT 2\n\nREAR^X|after\nPV1\nNTE|1||end\n"))
    assert message.fields("PID")[0][11:] == ["1 MAIN ST\nAPT 2\n\nREAR^X", "after"]
    assert message.fields("PV1") == [["PV1"]]
    assert message.fields("NTE") == [["NTE", "1", "", "end"]]


def test_a_message_divided_by_its_own_signs_reads_the_same():
    other = parse_message(DFT.translate(bytes.maketrans(b"|^~\\&", b"$*+!%")))
    assert other.delimiters == Delimiters("$", "*", "+", "!", "%")
    assert other.get("PID-3(2).4") == "NGE%1.2.3%ISO"
    assert other.get("PID-5.3") == "J%J"


def test_msh_2_may_have_three_four_or_five_signs():
    assert parse_message(adt(m2=b"^~\\")).delimiters == Delimiters("|", "^", "~", "\\", "")
    assert parse_message(adt(m2=b"^~\\&#")).delimiters.truncation == "#"
    assert parse_message(adt(m2=b"^~\\&#")).delimiters.encoding_characters == "^~\\&#"
    assert parse_message(adt(m2=b"^~\\", body=b"FT1|1||||||||||1.00&USD\r")).get("FT1-11.1.1") == "1.00&USD"


@pytest.mark.parametrize(
    ("data", "code", "place"),
    [
        (b"", "100", "MSH"),
        (b"hello, this is not HL7", "100", "MSH"),
        (b"PID|1||900001\rPV1|1|O\r", "100", "MSH"),
        (DFT.decode().encode("utf-16-le"), "100", "MSH"),
        (DFT.decode().encode("utf-16"), "100", "MSH"),
        (b"\x00" * 40, "100", "MSH"),
        (b"MSH", "102", "MSH-1"),
        (b"MSH\r|^~\\&|", "102", "MSH-1"),
        (b"MSHA^~\\&A", "102", "MSH-1"),
        (b"MSH ^~\\& ", "102", "MSH-1"),
        (b"MSH\xa6^~\\&\xa6", "102", "MSH-1"),
        (b"MSH|", "101", "MSH-2"),
        (b"MSH||EHR", "101", "MSH-2"),
        (b"MSH|^~", "102", "MSH-2"),
        (b"MSH|^~\\&#!|", "102", "MSH-2"),
        (b"MSH|^~\\A|", "102", "MSH-2"),
        (b'MSH|^~\\"|', "102", "MSH-2"),
        (b"MSH|^~\\^|", "102", "MSH-2"),
        (b"MSH|^~\xc3\xa9&|", "102", "MSH-2"),
        (DFT + DFT, "100", "MSH[2]"),
        (b"FHS|^~\\&|PROBE\rBHS|^~\\&|PROBE\r" + DFT + b"BTS|1\rFTS|1\r", "200", "FHS"),
        (b"BHS|^~\\&|PROBE\r" + DFT, "200", "BHS"),
        (adt(m18=b"KLINGON"), "103", "MSH-18"),
        (adt(m18=b"UNICODE UTF-16"), "103", "MSH-18"),
        (adt(m18=b"CNS 11643-1992"), "103", "MSH-18"),
    ],
)
def test_what_is_not_a_message_is_refused_with_a_code_and_a_place(data, code, place):
    assert refusal(data)[:2] == (code, place)


def test_only_a_batch_is_rejected_for_what_it_is_and_not_for_its_content():
    assert refusal(b"FHS|^~\\&|PROBE\r")[2:] == (
        "a batch of messages where one message is expected",
        True,
    )
    assert refusal(DFT + DFT)[3] is False


def test_a_truncated_message_is_a_message_as_far_as_it_goes_or_is_refused():
    for length in range(len(DFT)):
        try:
            message = parse_message(DFT[:length])
        except MessageError:
            continue
        assert message.header == read_header(DFT[:length])


@settings(max_examples=200)
@given(st.binary(max_size=60), st.sampled_from([b"", b"MSH", b"MSH|", b"MSH|^~\\&|", adt()]))
@example(b"\x81", adt())
def test_no_bytes_whatever_make_anything_but_a_message_or_a_refusal(data, start):
    with contextlib.suppress(MessageError):
        parse_message(start + data)
    header = read_header(start + data)
    assert header is None or isinstance(header, Header)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("ASCII", "ascii"),
        ("8859/1", "iso8859-1"),
        ("8859/15~ISO IR87", "iso8859-15"),
        ("UNICODE", "utf-8"),
        ("UNICODE UTF-8", "utf-8"),
        ("utf-8", "utf-8"),
        (" ISO-8859-1", "iso8859-1"),
        ("windows-1252", "cp1252"),
        ("GB 18030-2000", "gb18030"),
    ],
)
def test_msh_18_names_the_character_set_by_table_0211_or_by_what_senders_write(name, codec):
    text = "MÜLLER" if codec not in ("ascii", "gb18030") else "MULLER"
    message = parse_message(adt(m18=name.encode(), body=f"PID|1||1||{text}\r".encode(codec)))
    assert (message.charset, message.charset_guessed) == (codec, False)
    assert message.get("PID-5") == text


def test_a_blank_msh_18_is_read_as_utf_8_or_else_as_windows_1252_and_says_so():
    for codec in ("utf-8", "cp1252"):
        message = parse_message(adt(body="PID|1||1||MÜLLER\r".encode(codec)))
        assert (message.charset, message.charset_guessed) == (codec, True)
        assert message.get("PID-5") == "MÜLLER"


def test_a_sender_whose_character_set_is_known_need_not_name_it():
    message = parse_message(adt(body="PID|1||1||MÜLLER\r".encode("latin-1")), charset="8859/1")
    assert (message.charset, message.charset_guessed) == ("iso8859-1", False)


def test_bytes_that_are_not_of_the_declared_set_are_refused_with_their_segment_and_no_value():
    data = adt(m18=b"UNICODE UTF-8", body=b"EVN|A01\nPID|1||1||SECR\xcaT\r")
    assert refusal(data)[:3] == (
        "102",
        "MSH-18",
        "segment 3 (PID) holds bytes that are not of the declared character set",
    )
    assert refusal(adt(m18=b"ASCII", body=b"\xe9\r"))[2].startswith("segment 2 holds")


def test_bytes_of_no_character_set_are_refused():
    assert "segment 2 (PID) is neither UTF-8 nor Windows-1252" in refusal(adt(body=b"PID|\x81\r"))[2]


def test_a_nul_in_a_field_is_taken_as_sent():
    assert parse_message(adt(body=b"NTE|1||a\x00b\r")).get("NTE-3") == "a\x00b"


def test_the_header_is_read_though_the_rest_cannot_be():
    data = adt(m9=b"ADT^A08", m10=b"C^77", m18=b"UNICODE UTF-8", body=b"PID|1||\xff\r")
    header = read_header(data)
    assert header == Header(
        DEFAULT, "PROBE", "LAB", "RCV", "FAC", "20260101120000", "ADT", "A08", "", "C^77", "P", "2.5.1", "", "",
        "UNICODE UTF-8", "utf-8",
    )  # fmt: skip
    assert read_header(adt(m3=b"\xe9", m18=b"UNICODE UTF-8")).codec == "latin-1"
    assert read_header(adt(m3="é".encode("gb18030"), m18=b"GB 18030-2000")).sending_application == "é"


def test_a_header_whose_encoding_characters_make_no_sense_is_read_with_the_usual_ones():
    assert read_header(adt(m2=b"^^^^")).control_id == "C1"
    assert read_header(b"MSH|").delimiters == DEFAULT
    assert read_header(b"MSH$") == Header(Delimiters("$"))
    assert read_header(b"MSH^^^^^") is None, "the field separator is also one of the usual ones"
    assert read_header(b"MSHA^~\\&") is None
    assert read_header(b"PID|1") is None


@pytest.mark.parametrize(
    ("changes", "code", "place", "reject"),
    [
        ({"m9": b""}, "200", "MSH-9", True),
        ({"m10": b""}, "101", "MSH-10", False),
        ({"m11": b"T"}, "202", "MSH-11", True),
        ({"m12": b"9.9"}, "203", "MSH-12", True),
    ],
)
def test_the_protocol_check_refuses_a_header_that_cannot_be_routed(changes, code, place, reject):
    with pytest.raises(MessageError) as caught:
        check_header(parse_message(adt(**changes)).header, {"P"})
    error = caught.value
    assert (error.error.code, str(error.location), error.reject) == (code, place, reject)


@pytest.mark.parametrize("changes", [{}, {"m11": b""}, {"m11": b"P^T"}, {"m12": b""}, {"m12": b"2.3.1^USA"}])
def test_the_protocol_check_takes_what_can_be_routed(changes):
    check_header(parse_message(adt(**changes)).header, {"P"})


WORDS = st.text("ABCxyz019.-é", max_size=6)  # python-hl7 drops spaces at the end
FIELDS = st.lists(
    st.lists(st.lists(st.lists(WORDS, min_size=1, max_size=3).map("&".join), min_size=1, max_size=3).map("^".join),
             min_size=1, max_size=2).map("~".join),
    max_size=6,
)  # fmt: skip
SEGMENTS = st.lists(st.tuples(st.sampled_from(["EVN", "PID", "PV1", "FT1", "ZQ9"]), FIELDS), max_size=6)


@settings(max_examples=60)
@given(SEGMENTS)
def test_python_hl7_sees_the_same_segments_fields_and_components(segments):
    lines = ["MSH|^~\\&|EHR", *("|".join([name, "1", *fields]) for name, fields in segments)]
    ours = parse_message(("\r".join(lines) + "\r").encode())
    theirs = hl7.parse("\r".join(lines) + "\r")
    assert ours.segments == [str(segment) for segment in theirs]
    for name in {name for name, _ in segments}:
        expected = theirs.segments(name)
        assert [list(map(str, segment)) for segment in expected] == ours.fields(name)
        for number, segment in enumerate(expected, 1):
            for field in range(2, len(segment)):
                value = theirs.extract_field(name, number, field, 1, 1, 1)
                got = ours.get(f"{name}[{number}]-{field}.1.1")
                assert got == (value or ABSENT)


def test_a_million_line_feeds_are_one_end_of_a_segment():
    """An answer comes within the test's time limit only when the work is linear."""
    assert parse_message(adt(body=b"\n" * 1_000_000 + b"PV1|1")).segments[1:] == ["PV1|1"]
    assert len(parse_message(adt(body=b"NTE|1||a" + b"\n" * 1_000_000 + b"b")).segments) == 2
