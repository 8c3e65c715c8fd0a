"""The bytes of a file or batch, however they are split -> its messages and the segments around them, in order.

Source: HL7 v2.5.1 section 2.10.3, batch protocol.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.message.header import BOM
from hl7bridge.wire.mllp import HEAD_BYTES

_SIGN: Final = rb"[!-/:-@\[-`{-~]"
_MARK: Final = re.compile(
    rb"[\r\n\x0b\x1c](?:\xef\xbb\xbf)?((?:MSH|FHS|BHS)(?=%b)|(?:BTS|FTS)(?=[\r\n]|%b))" % (_SIGN, _SIGN)
)
_LONGEST_MARK: Final = len(b"\r\xef\xbb\xbfMSH|")
_FRAME: Final = re.compile(rb"\x0b|\x1c(?=[\r\n\x0b])")
_BLANK_LINES: Final = re.compile(rb"\r{2,}")
_ENDS: Final = b"\r\n\x0b\x1c\x00\x1a"  # what stands between messages and at the end of files, and is nobody's text
_BLANK: Final = _ENDS + b" "


class Kind(StrEnum):
    """What a piece is; for segments, their name."""

    FILE_HEADER = "FHS"
    BATCH_HEADER = "BHS"
    MESSAGE = "MSH"
    BATCH_TRAILER = "BTS"
    FILE_TRAILER = "FTS"
    STRAY = "stray"  # bytes that belong to no message
    HALF = "half"  # an MLLP block that never ended: never to be applied


class Piece(NamedTuple):
    """A message, whole, or one segment; of ``size`` bytes. When that is beyond the limit, the first 64 KiB of it."""

    kind: Kind
    data: bytes
    size: int


class Cutter:
    """Cuts a file into pieces. The same bytes give the same pieces however they are split; work is linear in them.

    When an MLLP start byte comes before the first message, what is in a block is a message, byte for byte; else a
    message ends where a segment that ``Kind`` names begins, and its segments are ended with CR. ``limit`` is the
    longest piece in bytes. ``framed`` False: there are no blocks, whatever the bytes.
    """

    __slots__ = ("_buffer", "_dropped", "_framed", "_head", "_kind", "_limit", "_scan")

    def __init__(self, limit: int, *, framed: bool | None = None) -> None:
        self._limit = limit
        self._framed = framed  # None: not known yet
        self._buffer = bytearray(b"\r")  # so that a mark at the beginning stands after a line end, as others do
        self._kind = Kind.STRAY  # of what the buffer begins with
        self._scan = 0  # nothing before this offset needs another look
        self._head = b""  # of a piece that has passed the limit
        self._dropped = -1  # bytes of that piece which are no longer in the buffer; the first CR is not the file's

    def feed(self, data: bytes) -> list[Piece]:
        """Return what ``data`` completes, in order."""
        pieces: list[Piece] = []
        self._buffer += data
        if self._framed is None:
            self._framed = self._is_framed()
        if self._framed:
            self._cut_blocks(pieces)
        elif self._framed is not None:
            self._cut_lines(pieces)
        if self._dropped + len(self._buffer) > self._limit + 1:  # the one that ``close`` adds is not the file's
            self._head = self._head or bytes(self._buffer[: min(self._limit, HEAD_BYTES)])
            self._dropped += self._scan
            del self._buffer[: self._scan]
            self._scan = 0
        return pieces

    def close(self) -> list[Piece]:
        """Return what is left when the file ends."""
        pieces = self.feed(b"\r")
        self._dropped -= 1
        if self._framed and self._kind is Kind.MESSAGE:
            self._kind = Kind.HALF
        self._take(len(self._buffer), pieces)
        return pieces

    def _is_framed(self) -> bool | None:
        start = self._buffer.find(b"\x0b", self._scan)
        mark = _MARK.search(self._buffer, self._scan)
        if start >= 0 and (mark is None or start < mark.start(1)):
            return True
        if mark is None:
            self._scan = max(0, len(self._buffer) - _LONGEST_MARK)
            return None
        return False

    def _cut_lines(self, pieces: list[Piece]) -> None:
        while mark := _MARK.search(self._buffer, self._scan):
            kind = Kind(mark[1].decode("ascii"))
            self._take(mark.start(1), pieces)
            self._kind = kind
        self._scan = max(0, len(self._buffer) - _LONGEST_MARK)

    def _cut_blocks(self, pieces: list[Piece]) -> None:
        while mark := _FRAME.search(self._buffer, self._scan):
            is_start = mark[0] == b"\x0b"
            if is_start and self._kind is Kind.MESSAGE:
                self._kind = Kind.HALF
            self._take(mark.start(), pieces)
            del self._buffer[:1]
            self._kind = Kind.MESSAGE if is_start else Kind.STRAY
        self._scan = max(0, len(self._buffer) - 1)

    def _take(self, end: int, pieces: list[Piece]) -> None:
        """Put what stands before ``end`` among the pieces, unless it is blank."""
        size = self._dropped + end
        data = bytes(self._buffer[:end])
        if size > self._limit:
            data = self._head or data[: min(self._limit, HEAD_BYTES)]
        del self._buffer[:end]
        self._scan, self._head, self._dropped = 0, b"", 0
        kind = self._kind
        if kind is Kind.MESSAGE:
            pieces.append(Piece(kind, data if self._framed or size > self._limit else end_with_cr(data), size))
            return
        rest = data
        if kind not in (Kind.STRAY, Kind.HALF):
            line = data.splitlines()[0]
            pieces.append(Piece(kind, line, len(line)))
            rest = data[len(line) :]
        stray = rest.strip(_BLANK).removesuffix(BOM).strip(_BLANK)
        if stray:
            is_half = kind is Kind.HALF
            pieces.append(Piece(Kind.HALF if is_half else Kind.STRAY, data if is_half else stray, size))


def end_with_cr(message: bytes) -> bytes:
    """Return the bytes of a message with each segment ended by one CR, as it goes over a wire.

    A line feed that no segment follows is text, as in ``parse_message``.
    """
    if b"\n" in message:
        segment = rb"[A-Z][A-Z0-9]{2}(?:%b|[\r\n]|\Z)" % re.escape(message[3:4])
        message = re.sub(rb"(?<!\n)\n++(?=%b|\r|\Z)" % segment, b"\r", message.replace(b"\r\n", b"\r"))
    message = message.rstrip(_ENDS).removesuffix(BOM).rstrip(_ENDS) + b"\r"
    return _BLANK_LINES.sub(b"\r", message) if b"\r\r" in message else message
