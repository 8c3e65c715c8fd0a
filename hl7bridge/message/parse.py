"""The bytes of a block -> Message, or the MessageError to answer. Source: HL7 v2.5.1 sections 2.5, 2.6, 2.15.9."""

from __future__ import annotations

import re

from hl7bridge.errors import SEGMENT_SEQUENCE, UNSUPPORTED_TYPE, Location, MessageError
from hl7bridge.message.charset import decode_guessed, decode_known, find_declared, require_codec
from hl7bridge.message.delimiters import parse_delimiters
from hl7bridge.message.header import drop_opening, first_line, split_header
from hl7bridge.message.model import Message


def parse_message(data: bytes, *, charset: str | None = None, override: bool = False) -> Message:
    """Return the message in a block's payload.

    Segments end with CR, LF or CR LF; blank lines and a byte order mark are dropped. A line feed that no segment
    follows is text. ``charset`` is the sender's, by its name in table 0211, for when MSH-18 is blank; with
    ``override`` also for when it is not. Raises MessageError: 100 no MSH first, or a second one; 101, 102 delimiters;
    102, 103 character set; 200 a batch.
    """
    if not data.startswith(b"MSH"):
        data = drop_opening(data)
        _require_msh(data)
    line = first_line(data)
    separator = line[3:4]
    parts = line.split(separator or b"|")
    encoding = parts[1].decode("latin-1") if len(parts) > 1 else ""
    sign = separator.decode("latin-1")
    delimiters = parse_delimiters(sign, encoding)
    codec = ""
    whose = "declared"
    if not (override and charset):
        declared = find_declared(parts, line, separator, delimiters.repetition)
        codec = require_codec(declared, delimiters.repetition) if declared else ""
    if charset and not codec:
        codec = require_codec(charset)
        whose = "configured"
    guessed = not codec
    if guessed:
        text, codec = decode_guessed(data)
    else:
        text = decode_known(data, codec, whose)
    if codec != delimiters.codec:
        delimiters = parse_delimiters(sign, encoding, codec)
    segments = _split_segments(text, delimiters.field)
    message = Message(
        text,
        segments,
        split_header(segments[0], delimiters.field),
        delimiters,
        codec,
        charset_guessed=guessed,
    )
    if message.count("MSH") > 1:
        raise MessageError(
            SEGMENT_SEQUENCE, Location("MSH", 2), "one block holds two messages; send each in its own block"
        )
    return message


def _require_msh(data: bytes) -> None:
    if data.startswith(b"MSH"):
        return
    if data.startswith((b"FHS", b"BHS")):
        raise MessageError(
            UNSUPPORTED_TYPE,
            Location(data[:3].decode("ascii")),
            "a batch of messages where one message is expected",
            reject=True,
        )
    raise MessageError(SEGMENT_SEQUENCE, Location("MSH"), "a message must begin with MSH")


def _split_segments(text: str, separator: str) -> list[str]:
    if "\n" in text:
        # Senders put line feeds into addresses and notes: one ends a segment only if another segment follows.
        text = text.replace("\r\n", "\r")
        segment_start = rf"[A-Z][A-Z0-9]{{2}}(?:{re.escape(separator)}|[\r\n]|\Z)"
        # The look-behind keeps a long run of line feeds linear.
        text = re.sub(rf"(?<!\n)\n++(?={segment_start}|\r|\Z)", "\r", text)
    segments = text.split("\r")
    return segments if all(segments) else [segment for segment in segments if segment]
