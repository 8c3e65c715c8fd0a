"""A file of messages, read twice in constant memory: once to know and check it, once for its messages."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
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
        return units_of(self.pieces(), self._limit)

    def pieces(self) -> Iterator[Piece]:
        """Return the pieces of the file; of a batch in an MLLP block, its messages."""
        self._file.seek(0)
        return read_pieces(self._file, self._limit, lambda _data: None)

    def _is_batch_block(self, piece: Piece) -> bool:
        return _is_batch_block(piece, self._limit)

    def _read(self, note: Callable[[bytes], None]) -> Iterator[Piece]:
        self._file.seek(0)
        return _cut_file(self._file, self._limit, note)


def read_pieces(file: BinaryIO, limit: int, note: Callable[[bytes], None]) -> Iterator[Piece]:
    """Return the pieces of an open file, which may be a pipe; of a batch in an MLLP block, its messages.

    ``note`` is given the bytes as they are read.
    """
    for piece in _cut_file(file, limit, note):
        if _is_batch_block(piece, limit):
            yield from (each for each in _cut(piece.data) if each.kind in _COUNTED)
        else:
            yield piece


def units_of(pieces: Iterable[Piece], limit: int) -> Iterator[Unit]:
    """Return the messages among pieces, each with what makes it none."""
    for piece in pieces:
        if piece.kind not in _COUNTED:
            continue
        fault = None
        if piece.size > limit:
            fault = MessageError(_TOO_LONG, _MSH, f"{piece.size} bytes; this listener takes at most {limit}")
        elif piece.kind in _FAULTS:
            fault = MessageError(SEGMENT_SEQUENCE, _MSH, _FAULTS[piece.kind])
        yield Unit(piece.data, fault, piece.kind is Kind.MESSAGE)


def _is_batch_block(piece: Piece, limit: int) -> bool:
    return piece.kind is Kind.MESSAGE and piece.size <= limit and is_batch(piece.data)


def _cut_file(file: BinaryIO, limit: int, note: Callable[[bytes], None]) -> Iterator[Piece]:
    cutter = Cutter(limit)
    while data := file.read(_READ_BYTES):
        note(data)
        yield from cutter.feed(data)
    yield from cutter.close()


def _cut(block: bytes) -> list[Piece]:
    cutter = Cutter(len(block), framed=False)
    return [*cutter.feed(block), *cutter.close()]
