"""A message's text goes back into bytes in the character set that it names, or the one that its sender is known by."""

from __future__ import annotations

import pytest
from message_samples import adt

from hl7bridge.message.parse import parse_message
from hl7bridge.message.text import encode_text


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        (b"", "utf-8", {}),
        (b"8859/1", "latin-1", {}),
        (b"", "latin-1", {"charset": "8859/1"}),
        (b"UNICODE UTF-8", "utf-8", {"charset": "8859/1"}),
        (b"UNICODE UTF-8", "latin-1", {"charset": "8859/1", "override": True}),
        (b"UNICODE UTF-8", "utf-8", {"override": True}),
    ],
)
def test_what_was_read_comes_back_byte_for_byte(name, codec, options):
    """With the same settings as it was read."""
    data = adt(m18=name, m3="MÜNCHEN".encode(codec))
    message = parse_message(data, **options)
    assert "MÜNCHEN" in message.text
    assert encode_text(message.text, **options) == data


def test_a_set_that_nobody_knows_is_no_set():
    """UTF-8 then; also for a header without MSH-2."""
    assert encode_text("MSH|^~\\&|Ü|||||||||||||||KLINGON") == "MSH|^~\\&|Ü|||||||||||||||KLINGON".encode()
    assert encode_text("MSH|") == b"MSH|"


def test_a_character_that_the_set_lacks_is_an_error_unless_it_may_be_replaced():
    """A replay must not change a name; a reply may lose an accent."""
    text = "MSH|^~\\&|李||||||||||||||| 8859/1"
    with pytest.raises(UnicodeEncodeError):
        encode_text(text)
    assert encode_text(text, errors="replace").startswith(b"MSH|^~\\&|?|")
