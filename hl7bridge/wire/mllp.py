"""MLLP byte stream <-> blocks, with limits. Source: HL7 Minimal Lower Layer Protocol, release 1, section 4.2.

Release 2 adds the two commit blocks; what comes in is cut in the same way.
"""

from __future__ import annotations

from typing import Final

from hl7bridge.errors import WireError
from hl7bridge.wire.events import HEAD_BYTES, TOLERATED, Block, Event, Junk, Oversize, Truncated
from hl7bridge.wire.junk import PADDING, after_padding, end_junk, put_aside
from hl7bridge.wire.opening import NEXT_TEXT, START_OR_LINE, find_cut_line, is_name, is_opening

__all__ = ["HEAD_BYTES", "Block", "Decoder", "Event", "Junk", "Oversize", "Truncated", "encode_block", "is_commit"]

START: Final = 0x0B
END: Final = 0x1C
CR: Final = 0x0D
DEFAULT_LIMIT: Final = 16 * 1024 * 1024
END_GRACE: Final = 0.3  # seconds to wait for the CR after an end byte
UNFRAMED_PAUSE: Final = 2.0  # seconds of silence that end a text without marks
COMMIT_ACK: Final = b"\x0b\x06\x1c\r"
COMMIT_NAK: Final = b"\x0b\x15\x1c\r"
END_WITHOUT_CR: Final = "end_without_cr"
NO_START: Final = "no_start"
UNFRAMED: Final = "unframed"
START_IN_DATA: Final = "start_in_data"

_START = b"\x0b"
_END = b"\x1c"
_TAIL = b"\x1c\r"
# Where the decoder stands.
_IDLE = 0  # outside, with nothing kept
_OUTSIDE = 1  # outside, with bytes kept
_SPENT = 2  # past a block that was too long
_FRAMED = 3  # in a block
_BARE = 4  # in a text that began without a start byte
# What ends a block.
_NONE = 0
_END_CR = 1  # the end bytes
_END_START = 2  # an end byte and the next start byte: the CR is missing
_RESTART = 3  # a start byte alone
_NEXT_TEXT = 4  # a line that begins another text


class Decoder:
    """Cuts one connection's bytes into blocks. The same bytes give the same events however they are split.

    ``limit`` is the longest block in bytes; one that passes it is told of at once, and nothing after it is read.
    A start byte inside a block begins a new block. An end byte counts when CR follows, or a start byte (the CR is
    missing); before any other byte it is data. Work is linear in the bytes fed: none is searched twice.

    ``tolerances`` may name ``no_start``: outside a block, a line that begins with MSH, FHS or BHS and a sign begins
    a block too; ``unframed``: such a text needs no end bytes, it ends at a pause, at the next such line (in a batch:
    the next FHS or BHS), at a start byte or with the stream; ``start_in_data``: inside a block, a start byte begins
    a new one only before MSH, FHS or BHS, or when it is the first byte; else it is data. Other names are ignored.
    """

    __slots__ = ("_bears_start", "_buffer", "_end", "_junk", "_limit", "_mode", "_no_start", "_scan", "_unframed")

    def __init__(self, limit: int = DEFAULT_LIMIT, tolerances: frozenset[str] = frozenset()) -> None:
        self._limit = limit
        self._no_start = NO_START in tolerances
        self._unframed = UNFRAMED in tolerances
        self._bears_start = START_IN_DATA in tolerances
        self._mode = _IDLE
        self._buffer = bytearray()  # the unfinished block from its first byte; outside, bytes not yet understood
        self._scan = 0  # nothing of the block before this offset needs another look
        self._end = -1  # the first end byte at or after it, or the buffer's length; known for one feed only
        self._junk = bytearray()

    @property
    def is_inside(self) -> bool:
        """Whether a block has begun and not ended."""
        return self._mode >= _FRAMED

    @property
    def is_spent(self) -> bool:
        """Whether a block passed the limit: what follows is not read, so answer and close."""
        return self._mode == _SPENT

    @property
    def pending_end(self) -> bool:
        """Whether the block is complete but for its CR: wait a moment, then ``take_pending``."""
        return self._mode >= _FRAMED and self._buffer.endswith(_END)

    @property
    def pending_seconds(self) -> float | None:
        """How long nothing more must come until ``take_pending`` has something to give; None: it has nothing."""
        if self.pending_end:
            return END_GRACE
        return UNFRAMED_PAUSE if self._unframed and self._mode in (_BARE, _OUTSIDE) else None

    def feed(self, data: bytes) -> list[Event]:
        """Return what ``data`` completes, in order."""
        if not self._mode and data.startswith(_START) and data.endswith(_TAIL):
            # The common read: one whole block and nothing else. It is never copied into the buffer.
            end = len(data) - 2
            if end <= self._limit and data.find(_END) == end and data.find(_START, 1) < 0:
                return [Block(data[1:end])]
        events: list[Event] = []
        if self._mode != _SPENT:
            self._buffer += data
            self._end = -1
            position = 0
            while position >= 0:
                if self._mode >= _FRAMED:
                    position = self._next_block(position, events)
                else:
                    position = self._next_start(position, events)
        return events

    def take_pending(self) -> list[Event]:
        """Return what a pause completes: a block that lacks only its CR, an unframed text, or junk before one."""
        events: list[Event] = []
        if self.pending_end:
            self._end_at_mark(0, len(self._buffer) - 1, (END_WITHOUT_CR,), events)
            self._leave()
        elif self.pending_seconds is not None:
            events = self.close()
        return events

    def close(self) -> list[Event]:
        """Return what is left when the stream ends: junk, an unframed text, or the block that never ended."""
        if self._mode == _BARE and self.pending_end:
            return self.take_pending()
        events: list[Event] = []
        if self._mode >= _FRAMED:
            self._end_without_mark(0, len(self._buffer), events)
        else:
            put_aside(self._junk, self._buffer, 0, len(self._buffer), events)
        end_junk(self._junk, events)
        self._leave()
        return events

    def _next_start(self, position: int, events: list[Event]) -> int:
        """Put what stands before the next block aside; return the offset of its first byte, or -1."""
        buffer = self._buffer
        if not self._junk:
            position = after_padding(buffer, position, len(buffer))
        mode, at = self._find_start(position)
        put_aside(self._junk, buffer, position, at, events)
        if mode != _OUTSIDE:
            end_junk(self._junk, events)
            return self._enter(mode, at + (mode == _FRAMED))
        del buffer[:at]
        self._mode = _OUTSIDE if self._junk or buffer else _IDLE
        return -1

    def _find_start(self, position: int) -> tuple[int, int]:
        """Return what begins next, and where; outside still, with the offset of what only more bytes can tell."""
        buffer = self._buffer
        if not (self._no_start or self._unframed):
            start = buffer.find(_START, position)
            return (_FRAMED, start) if start >= 0 else (_OUTSIDE, len(buffer))
        if not self._junk:
            opens = is_opening(buffer, position)
            if opens is not False:
                return (_BARE if opens else _OUTSIDE, position)
        found = START_OR_LINE.search(buffer, position)
        if found:
            is_start = len(found[0]) == 1
            return (_FRAMED, found.start()) if is_start else (_BARE, found.start() + 1)
        return _OUTSIDE, find_cut_line(buffer, position)

    def _next_block(self, position: int, events: list[Event]) -> int:
        """Report the block that starts at ``position``, if its end has come; return where to go on, or -1."""
        mark, end = self._find_mark(position)
        if mark == _NONE:
            return self._keep(position, end, events)
        if mark == _END_CR:
            self._end_at_mark(position, end, (), events)
            return self._enter(_IDLE, end + 2)
        if mark == _END_START:
            self._end_at_mark(position, end, (END_WITHOUT_CR,), events)
            return self._enter(_FRAMED, end + 2)
        self._end_without_mark(position, end, events)
        return self._enter(_FRAMED, end + 1) if mark == _RESTART else self._enter(_BARE, end)

    def _find_mark(self, position: int) -> tuple[int, int]:
        """Return what ends the block that starts at ``position``, and where; ``_NONE`` with where to look from next."""
        buffer = self._buffer
        scan = self._scan
        while True:
            end = self._end
            if end < scan:
                end = buffer.find(_END, scan)
                self._end = end = end if end >= 0 else len(buffer)  # one look for it serves all before it
            start = buffer.find(_START, scan, end)
            if self._mode == _BARE and self._unframed:
                found = NEXT_TEXT[buffer[position]].search(buffer, scan, start if start >= 0 else end)
                if found:
                    return _NEXT_TEXT, found.start() + 1
            if start >= 0:
                stop, mark, at = start, _RESTART, start
            elif end + 1 >= len(buffer):  # no end byte, or one whose next byte has not come
                return _NONE, end
            elif buffer[end + 1] == CR:
                return _END_CR, end
            else:
                stop, mark, at = end, _END_START, end + 1
            begins = self._is_start(at, position)
            if begins is not False:
                return (mark if begins else _NONE), stop
            scan = stop + 1

    def _is_start(self, at: int, position: int) -> bool | None:
        """Return whether what stands at an offset begins a new block; None when only more bytes can tell."""
        if self._buffer[at] != START:
            return False
        return not self._bears_start or at == position or is_name(self._buffer, at + 1)

    def _enter(self, mode: int, position: int) -> int:
        """Go on at ``position`` in another state; return it, or -1 when no more is read."""
        if self._mode == _SPENT:
            return -1
        self._mode = mode
        self._scan = position
        return position

    def _leave(self) -> None:
        self._buffer.clear()
        self._enter(_IDLE, 0)

    def _keep(self, position: int, scan: int, events: list[Event]) -> int:
        """Keep the unfinished block for the next feed, unless it has passed the limit; return -1."""
        buffer = self._buffer
        if self._unframed and self._mode == _BARE:
            scan = min(scan, find_cut_line(buffer, position))
        if not self._is_too_long(position, scan, events):
            del buffer[:position]
            self._scan = scan - position
        return -1

    def _is_too_long(self, start: int, end: int, events: list[Event]) -> bool:
        """Return whether a block has passed the limit; if so, tell of it and read no more."""
        if end - start <= self._limit:
            return False
        head = bytes(self._buffer[start : start + min(self._limit, HEAD_BYTES)])
        events.append(Oversize(self._limit + 1, head))
        self._buffer.clear()
        self._mode = _SPENT
        return True

    def _end_at_mark(self, start: int, end: int, notes: tuple[str, ...], events: list[Event]) -> None:
        """Report the block whose end byte is at ``end``."""
        if self._is_too_long(start, end, events):
            return
        if self._mode == _BARE:
            if not self._no_start:
                put_aside(self._junk, self._buffer, start, end + 1, events)
                end_junk(self._junk, events)
                return
            notes = (TOLERATED + NO_START, *notes)
        events.append(self._block(start, end, notes))

    def _end_without_mark(self, start: int, end: int, events: list[Event]) -> None:
        """Report what ends without an end byte; of a block without a byte (a doubled start byte) nothing is lost."""
        if self._is_too_long(start, end, events):
            return
        if self._mode == _FRAMED:
            if end > start:
                events.append(Truncated(self._copy(start, end)))
        elif self._unframed:
            while self._buffer[end - 1] in PADDING:
                end -= 1
            events.append(self._block(start, end, (TOLERATED + UNFRAMED,)))
        else:
            put_aside(self._junk, self._buffer, start, end, events)
            end_junk(self._junk, events)

    def _block(self, start: int, end: int, notes: tuple[str, ...]) -> Block:
        data = self._copy(start, end)
        if self._bears_start and _START in data:
            notes = (*notes, TOLERATED + START_IN_DATA)
        return Block(data, notes)

    def _copy(self, start: int, end: int) -> bytes:
        with memoryview(self._buffer) as view:  # a slice of the buffer itself would be a second copy, of 16 MiB too
            return bytes(view[start:end])


def encode_block(payload: bytes) -> bytes:
    """Return the block as it is sent. Raises WireError when ``payload`` holds a start or end byte."""
    if _START in payload or _END in payload:
        raise WireError("a block may not hold the bytes 0x0B or 0x1C: they would end it early")
    return b"\x0b%b\x1c\r" % payload


def is_commit(payload: bytes) -> bool:
    """Return whether a block is a commit of MLLP release 2 (0x06 stored, 0x15 not stored) and no message."""
    return payload in (b"\x06", b"\x15")
