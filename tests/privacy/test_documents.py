"""What a long message is read without: its documents, and nothing that could be read or kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.message.parse import parse_message
from hl7bridge.privacy import documents
from hl7bridge.privacy.documents import LONG_SEGMENT, drop_documents
from hl7bridge.privacy.keeping import may_keep

HEADER = b"MSH|^~\\&|APP|FAC|||20260105||ADT^A08|C1|P|2.5.1\r"
PERSON = b"PID|1||TMRN1\r"
OBX = b"OBX|1|ED|PDF||^application^pdf^Base64^"
DOCUMENT = OBX + b"QUJD" * (LONG_SEGMENT // 4)


def test_of_a_document_only_the_segments_name_is_left_and_all_else_stands():
    """Wherever it is, however many there are, with or without an end."""
    account = b"PV1|1|O\r"
    assert drop_documents(HEADER + DOCUMENT + b"\r" + PERSON) == HEADER + b"OBX|\r" + PERSON
    assert drop_documents(HEADER + PERSON + DOCUMENT) == HEADER + PERSON + b"OBX|"
    twice = HEADER + DOCUMENT + b"\r" + PERSON + DOCUMENT + b"\r" + DOCUMENT + b"\r" + account
    assert drop_documents(twice) == HEADER + b"OBX|\r" + PERSON + b"OBX|\rOBX|\r" + account


@pytest.mark.parametrize(
    "data",
    [
        HEADER + PERSON,
        HEADER + PERSON + OBX + b"QUJD\r",
        HEADER + b"PID|1||" + b"7" * LONG_SEGMENT + b"\r",
        HEADER + b"ZPD|1||" + b"7" * LONG_SEGMENT + b"\r",
        HEADER[:-1] + b"|" * LONG_SEGMENT + b"\r" + PERSON,
        HEADER + PERSON + DOCUMENT + b"\nZXX|1\r",
        HEADER + PERSON + DOCUMENT + b"\xe9\r",
        HEADER + PERSON + DOCUMENT + b"\x1b$B\r",
        b"",
    ],
    ids=["short", "short document", "known", "a site's own", "header", "line feed", "not ASCII", "ISO 2022", "empty"],
)
def test_a_message_of_which_all_may_be_read_is_left_as_it_is(data):
    """Also one whose bytes may be other than they look, or whose segments may end otherwise."""
    assert drop_documents(data) is data


@given(
    st.lists(
        st.tuples(st.sampled_from(["PID", "OBX", "NTE", "ZPD", "FT1"]), st.text("A|^~&1", max_size=24)), max_size=12
    )
)
def test_what_may_be_kept_is_read_the_same_from_what_is_left(segments):
    """Here a segment is long from the ninth byte on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "LONG_SEGMENT", 8)
        data = HEADER + "".join(f"{name}|{text}\r" for name, text in segments).encode("ascii")
        whole, left = parse_message(data), parse_message(drop_documents(data))
    assert [line[:3] for line in left.segments] == [line[:3] for line in whole.segments]
    for name in ("MSH", "PID", "ZPD", "FT1"):
        assert left.fields(name) == whole.fields(name)
    for before, after in zip(whole.segments, left.segments, strict=True):
        assert after == (before if may_keep(before[:3]) or len(before) < 8 else before[:4])
