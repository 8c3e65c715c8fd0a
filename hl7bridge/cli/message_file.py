"""A file of messages, read twice in constant memory: once to know and check it, once for its messages."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from hl7bridge.errors import SEGMENT_SEQUENCE, BridgeError, ErrorCode, Location, MessageError
from hl7bridge.message.batch import BatchOrder, is_batch
from hl7bridge.message.cutting import Cutter, Kind, Piece

_READ_BYTES: Final = 1 << 20
_TOO_LONG: Final = ErrorCode("104", "Value too long")
_MSH: Final = Location("MSH")
_COUNTED: Final = frozenset({Kind.MESSAGE, Kind.STRAY, Kind.HALF})
# What the listener says of such bytes, so that `messages replay` knows them.
_FAULTS: Final = {Kind.HALF: "the block was cut short", Kind.STRAY: "bytes outside a block"}


class Survey(NamedTuple):
    """What one reading of a file finds: ``problems`` are counts that do not agree, ``misplaced`` what stands wrong."""

    sha256: str
    messages: int
    problems: tuple[MessageError, ...]
    misplaced: MessageError | None


class Unit(NamedTuple):
    """One message of a file; ``fault`` says why its bytes can never be one. Without a header it is not answered."""

    data: bytes
    fault: MessageError | None
    is_answered: bool


class MessageFile:
    """An open file of messages. ``limit`` is the longest message in bytes; ``name`` has no folder."""

    def __init__(self, path: Path, file: BinaryIO, limit: int) -> None:
        self.name = os.fsencode(path.name).decode("utf-8", "replace")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BridgeError(f"{self.name}: not a plain file; it is read twice, so write it to one first")
        self._file = file
        self._limit = limit
        self._as_it_was = self._facts()
        self.size = self._as_it_was[0]

    def _facts(self) -> tuple[int, int]:
        facts = os.fstat(self._file.fileno())
        return facts.st_size, facts.st_mtime_ns

    def require_unchanged(self) -> None:
        """Raise BridgeError when the file is not as it was when it was opened."""
        if self._facts() != self._as_it_was:
            raise BridgeError(f"{self.name}: the file changed while it was read; run this again when it is whole")

    def survey(self, advance: Callable[[int], None]) -> Survey:
        """Read the file once; ``advance`` is told of the bytes. Raises BridgeError when no message is in it."""
        digest = hashlib.sha256()

        def note(data: bytes) -> None:
            digest.update(data)
            advance(len(data))

        order = BatchOrder()
        problems: list[MessageError] = []
        messages = 0
        misplaced = None
        has_message = False
        for piece in self._read(note):
            has_message |= piece.kind is not Kind.STRAY
            if misplaced is not None:
                continue  # to its end, for the digest
            try:
                if self._is_batch_block(piece):
                    inner = BatchOrder()
                    for each in _cut(piece.data):
                        inner.take(each)
                    problems += inner.problems
                    messages += inner.messages
                else:
                    order.take(piece)
            except MessageError as error:
                misplaced = error
        if not has_message:
            raise BridgeError(f"{self.name}: no message here; a message begins with MSH at the start of a line")
        self.require_unchanged()
        return Survey(digest.hexdigest(), messages + order.messages, (*order.problems, *problems), misplaced)

    def units(self) -> Iterator[Unit]:
        """Return the messages that ``survey`` counted, in order."""
        for piece in self.pieces():
            if piece.kind not in _COUNTED:
                continue
            fault = None
            if piece.size > self._limit:
                fault = MessageError(_TOO_LONG, _MSH, f"{piece.size} bytes; this listener takes at most {self._limit}")
            elif piece.kind in _FAULTS:
                fault = MessageError(SEGMENT_SEQUENCE, _MSH, _FAULTS[piece.kind])
            yield Unit(piece.data, fault, piece.kind is Kind.MESSAGE)

    def pieces(self) -> Iterator[Piece]:
        """Return the pieces of the file; of a batch in an MLLP block, its messages."""
        for piece in self._read(lambda _data: None):
            if self._is_batch_block(piece):
                yield from (each for each in _cut(piece.data) if each.kind in _COUNTED)
            else:
                yield piece

    def _is_batch_block(self, piece: Piece) -> bool:
        return piece.kind is Kind.MESSAGE and piece.size <= self._limit and is_batch(piece.data)

    def _read(self, note: Callable[[bytes], None]) -> Iterator[Piece]:
        cutter = Cutter(self._limit)
        self._file.seek(0)
        while data := self._file.read(_READ_BYTES):
            note(data)
            yield from cutter.feed(data)
        yield from cutter.close()


def _cut(block: bytes) -> list[Piece]:
    cutter = Cutter(len(block), framed=False)
    return [*cutter.feed(block), *cutter.close()]
