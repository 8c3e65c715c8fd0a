"""Each character set is found under every name it is known by, and no bytes of any of them do harm."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from message_samples import NOW, adt

from hl7bridge.errors import MessageError
from hl7bridge.message.ack import Outcome, build_acks
from hl7bridge.message.charset import CODECS, declared_codec, find_codec
from hl7bridge.message.delimiters import DEFAULT, Delimiters
from hl7bridge.message.escape import unescape
from hl7bridge.message.header import read_header
from hl7bridge.message.parse import parse_message

EVERY_CODEC = sorted(set(CODECS.values()))
NAMES = {  # the first of each is table 0211's, where it has one
    "ascii": ["ASCII", "US-ASCII", "ascii", "ISO IR6", "ISO IR 6", "ISO_IR 6", "ISO-IR-6", "ISO646-US"],
    "iso8859-1": ["8859/1", "8859-1", "8859_1", "88591", "ISO8859_1", "ISO-8859-1", "ISO 8859/1", "iso_8859-1",
                  "ISO/IEC 8859-1", "LATIN1", "Latin-1", "LATIN 1", "ISO IR100", "ISO_IR 100"],
    "iso8859-2": ["8859/2", "ISO8859-2", "LATIN2"],
    "iso8859-9": ["8859/9", "ISO_8859-9"],
    "iso8859-15": ["8859/15", "ISO8859_15", "ISO-8859-15", "LATIN-9"],
    "cp1252": ["WINDOWS-1252", "CP1252", "cp-1252", "Windows 1252", "WIN1252", "ANSI"],
    "cp1250": ["windows-1250"],
    "cp850": ["CP850", "IBM850"],
    "utf-8": ["UNICODE UTF-8", "UNICODE", "UTF-8", "UTF8", "utf_8", "Unicode UTF8", " UTF-8 ", "ISO_IR 192"],
    "shift_jis": ["ISO IR14", "ISO IR 14", "SHIFT_JIS", "SJIS", "ISO IR13"],
    "iso2022_jp": ["ISO IR87", "ISO IR 87", "ISO-2022-JP"],
    "iso2022_jp_1": ["ISO IR159", "ISO_IR 159"],
    "gb18030": ["GB 18030-2000", "GB18030", "GBK", "GB2312"],
    "euc_kr": ["KS X 1001", "KSX1001", "EUC-KR", "ISO IR149"],
    "big5": ["BIG-5", "BIG5"],
}  # fmt: skip


@pytest.mark.parametrize(("codec", "name"), [(codec, name) for codec, names in NAMES.items() for name in names])
def test_a_character_set_is_found_under_its_names_in_any_case_with_any_of_the_usual_signs(codec, name):
    assert find_codec(name) == codec
    assert find_codec(name.lower()) == codec
    message = parse_message(adt(m18=name.encode()))
    assert (message.charset, message.charset_guessed) == (codec, False)


@pytest.mark.parametrize("name", ["KLINGON", "CNS 11643-1992", "8859/12", "8859/99", "UTF-7", "8859", "IR", "UTF-8^1"])
def test_other_names_are_not_taken(name):
    assert find_codec(name) is None
    with pytest.raises(MessageError, match="not one of table 0211"):
        parse_message(adt(m18=name.encode()))


@pytest.mark.parametrize("name", ["UNICODE UTF-16", "UTF-16", "utf16le", "UNICODE UTF-32", "UCS-2", "UTF_32"])
def test_what_cannot_be_framed_is_refused_and_what_to_send_instead_is_said(name):
    with pytest.raises(MessageError, match="cannot be framed by MLLP; send UNICODE UTF-8"):
        parse_message(adt(m18=name.encode()))


@pytest.mark.parametrize("codec", EVERY_CODEC)
def test_every_set_holds_the_signs_that_divide_a_message_where_ascii_has_them(codec):
    signs = bytes(range(0x20, 0x7F)) + b"\r\n"
    assert signs.decode(codec) == signs.decode("ascii")
    assert codecs.lookup(codec)


@pytest.mark.parametrize("sent", [b"", b'""', b" ", b"~8859/1"])
def test_an_msh_18_that_names_nothing_is_a_blank_one(sent):
    assert parse_message(adt(m18=sent)).charset_guessed
    assert parse_message(adt(m18=sent), charset="8859/1").charset == "iso8859-1"


def test_the_first_repetition_counts():
    assert parse_message(adt(m18=b"8859/1~UNICODE UTF-8")).charset == "iso8859-1"
    assert parse_message(adt(m2=b"^@\\&", m18=b"8859/2@8859/1")).charset == "iso8859-2"


@pytest.mark.parametrize("declared", [b"~ISO IR87", b"ISO IR6~ISO IR87", b"ASCII~ISO IR14~ISO IR159"])
def test_japanese_text_between_escape_sequences_is_read_whole(declared):
    """Between them, bytes that look like delimiters are halves of characters. Source: JAHIS, ISO 2022."""
    name = "試験^太郎"
    data = adt(m4="病院".encode("iso2022_jp"), m18=declared, body=f"PID|1||1||{name}|x\r".encode("iso2022_jp"))
    message = parse_message(data)
    assert (message.get("PID-5.1"), message.get("PID-5.2"), message.get("PID-6")) == ("試験", "太郎", "x")
    assert message.sending_facility == "病院"
    assert read_header(data) == message.header


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("GB 18030-2000", "gb18030"),
        ("BIG-5", "big5"),
        ("ISO IR14", "shift_jis"),
        ("MS932", "cp932"),
        ("ISO IR87", "iso2022_jp"),
        ("ISO IR159", "iso2022_jp_1"),
    ],
)
def test_a_header_in_which_half_a_character_looks_like_a_delimiter_is_read_right(declared, codec):
    """Where MSH-18 stands is known once the header is decoded, and that asks for MSH-18."""
    characters = map(chr, range(0x3041, 0x9FA0))
    facility = next(each for each in characters if b"|" in each.encode(codec, "ignore"))
    data = adt(m4=facility.encode(codec), m18=declared.encode(), body=f"PID|1||1||{facility}^B\r".encode(codec))
    message = parse_message(data)
    assert (message.charset, message.sending_facility, message.control_id) == (codec, facility, "C1")
    assert (message.get("PID-5.1"), message.get("PID-5.2")) == (facility, "B")
    assert read_header(data) == message.header


def test_a_header_that_is_not_ascii_and_names_no_set_is_guessed_like_any_other():
    assert parse_message(adt(m4="MÜNCHEN".encode("cp1252"))).charset == "cp1252"
    assert parse_message(b"MSH|^~\\&|\xe9\r").charset == "cp1252"
    assert read_header(b"MSH|^~\\&|\xe9\r").sending_application == "é"


def test_a_name_too_long_to_be_one_is_refused():
    with pytest.raises(MessageError, match="not one of table 0211"):
        parse_message(adt(m18=b"8859/1" * 100))
    assert declared_codec("8859/1~" + "x" * 1000, "~") == "iso8859-1"


def test_a_listener_may_know_better_than_msh_18():
    """A sender whose MSH-18 is wrong; the answer names the set that the sender named, in the bytes it sends."""
    data = adt(m4="MÜNCHEN".encode("latin-1"), m18=b"UNICODE UTF-8", body="PID|1||1||ZOË\r".encode("latin-1"))
    with pytest.raises(MessageError, match="not of the declared character set"):
        parse_message(data)
    with pytest.raises(MessageError, match="not of the declared character set"):
        parse_message(data, charset="8859/1")
    message = parse_message(data, charset="8859/1", override=True)
    assert (message.charset, message.charset_guessed, message.get("PID-5")) == ("iso8859-1", False, "ZOË")
    assert read_header(data, charset="8859/1", override=True) == message.header
    assert read_header(data, charset="8859/1").codec == "latin-1", "not of the set that is named, so byte for byte"
    reply = build_acks(message.header, Outcome(), control_id="HB1", now=NOW).blocks[0]
    assert "|MÜNCHEN|".encode("latin-1") in reply
    assert parse_message(adt(m18=b"KLINGON"), charset="8859/1", override=True).charset == "iso8859-1"
    assert parse_message(adt(), override=True).charset_guessed, "nothing is known, so nothing is overridden"


def test_bytes_that_are_not_of_the_configured_set_are_refused_and_the_reason_says_whose_choice_it_was():
    with pytest.raises(MessageError, match=r"segment 2 \(PID\) holds bytes that are not of the configured"):
        parse_message(adt(body=b"PID|1||1||\xff\r"), charset="UNICODE UTF-8")
    with pytest.raises(MessageError, match="not of the configured"):
        parse_message(adt(m18=b"8859/1", body=b"PID|\xff\r"), charset="UNICODE UTF-8", override=True)
    assert read_header(adt(m4=b"\xe9", body=b""), charset="8859/1").sending_facility == "é"


@pytest.mark.parametrize(
    ("declared", "sent", "value"),
    [
        (b"", rb"caf\XC3A9\ ", "café "),
        (b"8859/1", rb"caf\XE9\ ", "café "),
        (b"8859/1", rb"\XC3A9\ ", "Ã© "),
        (b"8859/15", rb"\XA4\ ", "€ "),
        (b"8859/5", rb"\XD6\ ", "ж "),
        (b"ASCII", rb"\XC3A9\\XE9\ ", "éé "),
        (b"UNICODE UTF-8", rb"\XE9\ ", "é "),
        (b"GB 18030-2000", rb"\XD6D0\ ", "中 "),
        (b"~ISO IR87", rb"\X1B2442467C1B2842\ ", "日 "),
    ],
)
def test_hexadecimal_bytes_are_of_the_messages_own_character_set(declared, sent, value):
    """What they are not, they are as UTF-8, else as Latin-1."""
    message = parse_message(adt(m18=declared, body=b"NTE|1||" + sent + b"\r"))
    assert message.get("NTE-3") == value


def test_a_set_that_was_guessed_is_that_of_hexadecimal_bytes_too():
    assert parse_message(adt(body=b"NTE|1||\xe9\\X80\\\r")).get("NTE-3") == "é€"


def test_sequences_that_change_the_set_within_a_text_stay_as_they_are():
    r"""``\C..\`` and ``\M..\`` tell how the bytes after them are read; those have been read, by MSH-18 as a whole."""
    assert unescape(r"a\C2842\b\M2442\c\Zx\d") == r"a\C2842\b\M2442\c\Zx\d"


@settings(max_examples=60)
@given(st.sampled_from(EVERY_CODEC), st.binary(max_size=80), st.booleans())
@example("iso2022_jp_ext", b"\x1b$B|^~\\&\x1b(B\x1b", True)
@example("gb18030", b"\x81\x30\x81", True)
def test_no_bytes_of_any_set_hang_or_crash_and_what_is_read_can_be_shown_and_stored(codec, data, in_header):
    """Every value of what is taken is text that encodes: as UTF-8 for the store, and as an answer."""
    sample = adt(m4=data.replace(b"\r", b"").replace(b"\n", b""), m18=b"8859/1") if in_header else adt(body=data)
    name = next(name for name in sorted(CODECS) if CODECS[name] == codec)
    try:
        message = parse_message(sample, charset=name, override=True)
    except MessageError:
        header = read_header(sample, charset=name, override=True)
    else:
        header = message.header
        message.text.encode()
        for segment in message.segments:
            for number, _ in enumerate(segment.split("|")[1:9], 1):
                if segment[:3].isascii() and segment[:3].isalnum() and segment[:3].isupper() and len(segment) > 3:
                    str(message.get(f"{segment[:3]}-{number}")).encode()
    for block in build_acks(header, Outcome(), control_id="HB1", now=NOW).blocks:
        assert block.startswith(b"MSH|")


@given(st.sampled_from(EVERY_CODEC), st.binary(min_size=1, max_size=20))
def test_any_hexadecimal_bytes_are_text(codec, data):
    text = unescape(f"\\X{data.hex()}\\", Delimiters(*DEFAULT[:6], codec))
    text.encode()
    assert text == data.decode(codec, "ignore") or data.decode(codec, "ignore") != data.decode(codec, "replace")
