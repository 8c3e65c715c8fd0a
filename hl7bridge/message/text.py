"""The text of a message -> its bytes, in the character set that its MSH-18 names; undoes ``parse_message``."""

from __future__ import annotations

from typing import Final

from hl7bridge.message.charset import declared_codec, find_codec

_CHARSET_INDEX: Final = 17  # MSH-18 in a plain split, where MSH-1 has no place of its own


def encode_text(text: str, *, charset: str | None = None, override: bool = False, errors: str = "strict") -> bytes:
    """Return the bytes of a message that begins with MSH; ``charset`` and ``override`` are as in ``parse_message``.

    UTF-8 where neither MSH-18 nor ``charset`` names a set that is taken. Raises UnicodeEncodeError when the set lacks
    a character, unless ``errors`` says otherwise.
    """
    header, _, _ = text.partition("\r")
    fields = header.split(text[3:4])
    declared = None
    if len(fields) > _CHARSET_INDEX:
        declared = declared_codec(fields[_CHARSET_INDEX], fields[1][1:2] or "~")
    configured = find_codec(charset) if charset else None
    first, second = (configured, declared) if override else (declared, configured)
    return text.encode(first or second or "utf-8", errors)
