"""MLLP byte stream <-> blocks, with limits. Source: HL7 Minimal Lower Layer Protocol, release 1, section 4.2."""

from __future__ import annotations

from typing import Final, NamedTuple

from hl7bridge.errors import WireError

START: Final = 0x0B
END: Final = 0x1C
CR: Final = 0x0D
HEAD_BYTES: Final = 65_536  # kept of what is too long to keep: any real MSH fits in it many times over
DEFAULT_LIMIT: Final = 16 * 1024 * 1024

_START = b"\x0b"
_END = b"\x1c"
_TAIL = b"\x1c\r"
_PADDING = b"\r\n\x00 "  # seen between the blocks of real senders, and harmless


class Block(NamedTuple):
    """A whole block: what stood between the start byte and the end bytes; may be empty."""

    data: bytes


class Junk(NamedTuple):
    """Bytes outside any block, without CR, LF, NUL and space at both ends; at most ``HEAD_BYTES`` an event."""

    data: bytes


class Truncated(NamedTuple):
    """A block that never ended: a new start byte, or the end of the stream, came first. Never to be applied."""

    data: bytes


class Oversize(NamedTuple):
    """A block of more than the limit: its ``size`` in bytes, and its first bytes so that MSH can be answered."""

    size: int
    head: bytes


Event = Block | Junk | Truncated | Oversize


class Decoder:
    """Cuts one connection's bytes into blocks. The same bytes give the same events however they are split.

    ``limit`` is the longest block in bytes. A start byte inside a block begins a new block. An end byte counts
    when CR follows, or a start byte (the CR is missing); before any other byte it is data. Work is linear in the
    bytes fed: none is searched twice.
    """

    __slots__ = ("_buffer", "_dropped", "_end", "_head", "_inside", "_junk", "_limit", "_scan")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()  # the unfinished block, from its first byte that is still kept
        self._scan = 0  # nothing before this offset needs another look
        self._end = -1  # the first end byte at or after it, or the buffer's length; known for one feed only
        self._inside = False
        self._head = b""  # of a block that has passed the limit
        self._dropped = 0  # bytes of that block which are no longer in the buffer
        self._junk = bytearray()

    @property
    def is_inside(self) -> bool:
        """Whether a block has begun and not ended."""
        return self._inside

    @property
    def pending_end(self) -> bool:
        """Whether the block is complete but for its CR: wait a moment, then ``take_pending``."""
        return self._inside and self._buffer.endswith(_END)

    def feed(self, data: bytes) -> list[Event]:
        """Return what ``data`` completes, in order."""
        events: list[Event] = []
        if not self._inside:
            if not self._junk and data.startswith(_START) and data.endswith(_TAIL):
                # The common read: one whole block and nothing else. It is never copied into the buffer.
                end = len(data) - 2
                if end <= self._limit and data.find(_END) == end and data.find(_START, 1) < 0:
                    return [Block(data[1:end])]
            start = self._skip_to_start(data, 0, events)
            if start < 0:
                return events
            data = data[start:]
        self._buffer += data
        self._end = -1
        position = 0
        while position >= 0:
            position = self._next_block(position, events)
        return events

    def take_pending(self) -> list[Event]:
        """Return the block that lacks only its CR, if there is one; what follows is outside a block."""
        if not self.pending_end:
            return []
        event = self._block(0, len(self._buffer) - 1)
        self._leave()
        return [event]

    def close(self) -> list[Event]:
        """Return what is left when the stream ends: junk, or the block that never ended."""
        events: list[Event] = []
        if self._inside:
            self._cut(0, len(self._buffer), events)
            self._leave()
        self._end_junk(events)
        return events

    def _next_block(self, position: int, events: list[Event]) -> int:
        """Look for the end of the block that starts at ``position``; return where the next starts, or -1."""
        buffer = self._buffer
        scan = self._scan
        while True:
            end = self._find_end(scan)
            start = buffer.find(_START, scan, end)
            if start >= 0:
                self._cut(position, start, events)
                return self._begin(start + 1)
            if end + 1 >= len(buffer):  # none, or one whose next byte has not come
                self._keep(position, end)
                return -1
            if buffer[end + 1] in (CR, START):
                events.append(self._block(position, end))
                start = self._skip_to_start(buffer, end + 1, events)
                if start >= 0:
                    return self._begin(start)
                self._leave()
                return -1
            scan = end + 1

    def _find_end(self, scan: int) -> int:
        if self._end < scan:
            found = self._buffer.find(_END, scan)
            self._end = found if found >= 0 else len(self._buffer)
        return self._end

    def _begin(self, position: int) -> int:
        self._head, self._dropped = b"", 0
        self._scan = position
        return position

    def _leave(self) -> None:
        self._inside = False
        self._buffer.clear()
        self._begin(0)

    def _keep(self, position: int, scan: int) -> None:
        """Keep the unfinished block for the next feed; of one that passed the limit, only its head."""
        if self._dropped + scan - position > self._limit:
            self._head = self._head or bytes(self._buffer[position : position + self._head_bytes])
            self._dropped += scan - position
            position = scan
        del self._buffer[:position]
        self._scan = scan - position

    @property
    def _head_bytes(self) -> int:
        return min(self._limit, HEAD_BYTES)

    def _block(self, start: int, end: int) -> Block | Oversize:
        size = self._dropped + end - start
        if size > self._limit:
            return Oversize(size, self._head or bytes(self._buffer[start : start + self._head_bytes]))
        return Block(bytes(self._buffer[start:end]))

    def _cut(self, start: int, end: int, events: list[Event]) -> None:
        """Report the block that never ended; of one without a byte (a doubled start byte) nothing is lost."""
        event = self._block(start, end)
        if isinstance(event, Oversize):
            events.append(event)
        elif event.data:
            events.append(Truncated(event.data))

    def _skip_to_start(self, data: bytes | bytearray, position: int, events: list[Event]) -> int:
        """Put what stands before the next start byte aside as junk; return the offset after it, or -1."""
        start = data.find(_START, position)
        end = start if start >= 0 else len(data)
        while position < end:
            if not self._junk:
                position = _after_padding(data, position, end)
            taken = min(end - position, HEAD_BYTES - len(self._junk))
            self._junk += data[position : position + taken]
            position += taken
            if len(self._junk) == HEAD_BYTES:
                self._end_junk(events)
        if start < 0:
            return -1
        self._end_junk(events)
        self._inside = True
        return start + 1

    def _end_junk(self, events: list[Event]) -> None:
        if self._junk:
            events.append(Junk(bytes(self._junk).rstrip(_PADDING)))
            self._junk.clear()


def _after_padding(data: bytes | bytearray, position: int, end: int) -> int:
    while position < end and data[position] in _PADDING:
        position += 1
    return position


def encode_block(payload: bytes) -> bytes:
    """Return the block as it is sent. Raises WireError when ``payload`` holds a start or end byte."""
    if _START in payload or _END in payload:
        raise WireError("a block may not hold the bytes 0x0B or 0x1C: they would end it early")
    return b"\x0b%b\x1c\r" % payload
