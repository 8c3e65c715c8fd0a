"""A batch (FHS, BHS, BTS, FTS) <-> its messages and the acknowledgements to them. Source: HL7 v2.5.1 section 2.10.3."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from hl7bridge.errors import DATA_TYPE, SEGMENT_SEQUENCE, Location, MessageError
from hl7bridge.message.ack import encode_time
from hl7bridge.message.cutting import Cutter, Kind, Piece
from hl7bridge.message.delimiters import DEFAULT, Delimiters, parse_delimiters
from hl7bridge.message.header import drop_opening, first_line

_FIELDS: Final = 13  # FHS and BHS have twelve
_CONTROL_ID: Final = 11
_AROUND: Final = frozenset({Kind.FILE_HEADER, Kind.BATCH_HEADER, Kind.BATCH_TRAILER, Kind.FILE_TRAILER})
_SEGMENT: Final = re.compile(rb"([A-Z][A-Z0-9]{2})[!-/:-@\[-`{-~]")
_NULL: Final = '""'
_MOST_SHOWN: Final = 20  # characters of a count in an error


class Envelope(NamedTuple):
    """An FHS or BHS: fields by HL7's numbers, as sent, one character a byte (``latin-1``)."""

    fields: tuple[str, ...]
    delimiters: Delimiters


class OneBatch(NamedTuple):
    """The messages of one batch; ``header`` None when it has no BHS."""

    header: Envelope | None
    messages: tuple[bytes, ...]


class BatchParts(NamedTuple):
    """What one batch block holds; ``file`` None when it has no FHS."""

    file: Envelope | None
    batches: tuple[OneBatch, ...]

    @property
    def messages(self) -> tuple[bytes, ...]:
        """Return all messages, in order."""
        return tuple(message for batch in self.batches for message in batch.messages)


def is_batch(data: bytes) -> bool:
    """Return whether a block holds a batch: after a byte order mark and blank lines, FHS or BHS comes first."""
    return drop_opening(data).startswith((b"FHS", b"BHS"))


def split_batch(data: bytes) -> BatchParts:
    """Return the messages of a batch, each with its segments ended by CR, and the headers around them.

    Each of FHS, BHS, BTS and FTS may be missing. Raises MessageError: 100 at the first segment that is out of place;
    100 at BTS-1 or FTS-1 when the count is another, 102 when it is none; 101, 102 at FHS-1, FHS-2, BHS-1, BHS-2.
    """
    data = drop_opening(data)
    parse_envelope(first_line(data))
    cutter = Cutter(len(data), framed=False)
    order = BatchOrder()
    batches: list[tuple[Envelope | None, list[bytes]]] = []
    for piece in (*cutter.feed(data), *cutter.close()):
        before = order.batches
        order.take(piece)
        if order.batches > before:
            batches.append((order.header, []))
        if piece.kind is Kind.MESSAGE:
            batches[-1][1].append(piece.data)
    if order.problems:
        raise order.problems[0]
    return BatchParts(order.file, tuple(OneBatch(header, tuple(messages)) for header, messages in batches))


def parse_envelope(line: bytes) -> Envelope:
    """Return an FHS or BHS; also an MSH, whose first seven fields are the same. Raises MessageError (101, 102)."""
    text = line.decode("latin-1")
    separator = text[3:4]
    fields = text.split(separator) if separator else [text]
    fields.insert(1, separator)
    fields.extend([""] * (_FIELDS - len(fields)))
    try:
        delimiters = parse_delimiters(separator, fields[2], "latin-1")
    except MessageError as error:
        place = error.location._replace(segment=text[:3])
        raise MessageError(error.error, place, error.text) from None
    return Envelope(tuple(fields), delimiters)


class BatchOrder:
    """Follows the pieces of a file, says which is out of place, and compares its counts with BTS and FTS.

    ``messages`` and ``batches`` are how many there were so far; ``header`` is the BHS of the last one. ``problems`` are
    the counts that do not agree. Messages that no BHS precedes are a batch without a header.
    """

    def __init__(self) -> None:
        self.file: Envelope | None = None
        self.header: Envelope | None = None
        self.messages = 0
        self.batches = 0
        self.problems: list[MessageError] = []
        self.is_enveloped = False
        self._seen: Counter[Kind] = Counter()
        self._last: Kind | None = None
        self._is_open = False
        self._in_batch = 0

    def take(self, piece: Piece) -> None:
        """Take the next piece; raises MessageError: 100 when it may not stand there, 101, 102 for its delimiters.

        What belongs to no message counts as one, that cannot be read, in a file without any of the four segments.
        """
        kind = piece.kind
        self._seen[kind] += 1
        self._check_place(kind, piece.data)
        if kind is Kind.FILE_HEADER:
            self.file = parse_envelope(piece.data)
        elif kind is Kind.BATCH_HEADER:
            self._open(parse_envelope(piece.data))
        elif kind is Kind.BATCH_TRAILER:
            self._compare(piece, self._in_batch, "messages")
            self._is_open = False
        elif kind is Kind.FILE_TRAILER:
            self._compare(piece, self.batches, "batches")
        else:
            if not self._is_open:
                self._open(None)
            self.messages += 1
            self._in_batch += 1
        self._last = kind

    def _check_place(self, kind: Kind, data: bytes) -> None:
        if kind is Kind.STRAY and self.is_enveloped and self._last is not None:
            raise self._misplaced(self._last, f"{_name(data)} that belongs to no message stands after it")
        if kind in _AROUND:
            if self._seen[Kind.STRAY]:
                raise self._misplaced(kind, "what belongs to no message stands before it")
            self.is_enveloped = True
        if self._last is Kind.FILE_TRAILER:
            raise self._misplaced(kind, "it stands after FTS, which ends the file")
        if kind is Kind.FILE_HEADER and self._last is not None:
            raise self._misplaced(kind, "it must stand first in the file, and once")
        if kind is Kind.BATCH_TRAILER and not self._is_open:
            raise self._misplaced(kind, "no batch is open that it could end")

    def _open(self, header: Envelope | None) -> None:
        self.header = header
        self.batches += 1
        self._in_batch = 0
        self._is_open = True

    def _compare(self, piece: Piece, found: int, what: str) -> None:
        """Note when the first field of a trailer is another number than there is; one that is blank says nothing."""
        fields = piece.data.decode("latin-1").split(piece.data[3:4].decode("latin-1") or "|")
        said = fields[1].strip() if len(fields) > 1 else ""
        place = Location(piece.kind, self._seen[piece.kind], 1)
        if said in ("", _NULL):
            return
        if not (said.isascii() and said.isdigit()):
            self.problems.append(MessageError(DATA_TYPE, place, f"expected the number of {what}, here {found}"))
        elif (said.lstrip("0") or "0") != str(found):
            text = f"it says {said[:_MOST_SHOWN]} {what}, and there are {found}"
            self.problems.append(MessageError(SEGMENT_SEQUENCE, place, text))

    def _misplaced(self, kind: Kind, text: str) -> MessageError:
        return MessageError(SEGMENT_SEQUENCE, Location(kind, self._seen[kind]), text)


def _name(stray: bytes) -> str:
    """Return how to call bytes between segments, of which only the name of a segment may be shown."""
    found = _SEGMENT.match(stray)
    return f"a segment {found[1].decode('ascii')}" if found else "text"


class ReplyWriter:
    """Writes a batch of acknowledgements piece by piece. What each call returns is to be joined in order.

    ``control_id`` (at most 12 characters) is our FHS-11; BHS-11 adds ``-`` and the batch's number. ``now`` is aware.
    """

    def __init__(self, control_id: str, now: dt.datetime) -> None:
        self._control_id = control_id
        self._time = encode_time(now)
        self._file: Envelope | None = None
        self._open: Envelope | None = None
        self._batches = 0
        self._acks = 0

    def open_file(self, header: Envelope) -> bytes:
        """Begin a file in answer to an FHS."""
        self._file = header
        return self._header("FHS", header, self._control_id, header.fields[_CONTROL_ID])

    def open_batch(self, header: Envelope | None, first_message: bytes) -> bytes:
        """Begin a batch in answer to a BHS; without one, to whoever sent the file or the first message."""
        ended = self._close_batch()
        asked = header.fields[_CONTROL_ID] if header else ""
        self._open = header or self._file or _sender(first_message)
        self._batches += 1
        return ended + self._header("BHS", self._open, f"{self._control_id}-{self._batches}", asked)

    def add(self, acks: Sequence[bytes]) -> bytes:
        """Add the acknowledgements of one message: payloads, each a message of its own."""
        self._acks += len(acks)
        return b"".join(acks)

    def close(self) -> bytes:
        """End the batch and the file."""
        ended = self._close_batch()
        if self._file is None:
            return ended
        return ended + f"FTS{self._file.delimiters.field}{self._batches}\r".encode("latin-1")

    def _close_batch(self) -> bytes:
        if self._open is None:
            return b""
        count, self._acks = self._acks, 0
        return f"BTS{self._open.delimiters.field}{count}\r".encode("latin-1")

    def _header(self, name: str, asked: Envelope, control_id: str, reference: str) -> bytes:
        sender, receiver = asked.fields[3:5], asked.fields[5:7]
        f = asked.delimiters.field
        own = (receiver[0] or "HL7BRIDGE", receiver[1], *sender, self._time, "", "", "", control_id, reference)
        text = f"{name}{f}{asked.delimiters.encoding_characters}{f}{f.join(own).rstrip(f)}\r"
        return text.encode("latin-1").translate(None, b"\x0b\x1c")


def build_batch_reply(
    parts: BatchParts, acks: Sequence[Sequence[bytes]], *, control_id: str, now: dt.datetime
) -> bytes:
    """Return the batch that answers a batch: for each message its acknowledgements, none or more.

    An FHS is answered with an FHS, and each batch with a BHS and BTS: sender and receiver turned round, BHS-12 (FHS-12)
    is the incoming BHS-11 (FHS-11), BTS-1 and FTS-1 count what is in the reply. In the sender's delimiters.
    """
    writer = ReplyWriter(control_id, now)
    written = [writer.open_file(parts.file)] if parts.file else []
    remaining = iter(acks)
    for batch in parts.batches:
        written.append(writer.open_batch(batch.header, batch.messages[0] if batch.messages else b""))
        written += [writer.add(each) for each in islice(remaining, len(batch.messages))]
    return b"".join((*written, writer.close()))


def _sender(message: bytes) -> Envelope:
    """Return who sent a message as a BHS would say it; nobody when that cannot be read."""
    try:
        return parse_envelope(first_line(message))
    except MessageError:
        return Envelope(("",) * _FIELDS, DEFAULT)
