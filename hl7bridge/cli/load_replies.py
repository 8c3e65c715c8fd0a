"""The acknowledgements of a file's messages -> a batch file, whole or not at all, also over several runs.

They are kept beside it, a line a message, on disk before the transaction that they tell of. What is beyond the messages
that the store says are done was never true, and is cut off.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from hl7bridge.cli.message_file import MessageFile
from hl7bridge.message.batch import ReplyWriter, parse_envelope
from hl7bridge.message.cutting import Kind

_OWNER_ONLY: Final = 0o600
_NOTHING: Final = b"[]\n"


class ReplyFile:
    """A batch file to be written at ``path`` for the file of messages with this SHA-256."""

    def __init__(self, path: Path, sha256: str) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.{sha256[:12]}.part")

    @property
    def is_begun(self) -> bool:
        """Return whether an earlier run kept acknowledgements of this file and did not come to write them."""
        return self._part.exists()

    def begin(self, done: int) -> int:
        """Go on after ``done`` messages; return of how many of those no acknowledgement was kept."""
        with os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY), "r+b") as part:
            kept = 0
            while kept < done and part.readline().endswith(b"\n"):
                kept += 1
            if kept < done:
                part.seek(0)
                part.writelines([_NOTHING] * done)
            part.truncate()
            part.flush()
            os.fsync(part.fileno())
        return done if kept < done else 0

    def add(self, replies: Sequence[bytes]) -> None:
        """Keep the framed replies to further messages, on disk."""
        lines = [f"{json.dumps(_payloads(reply))}\n".encode() for reply in replies]
        with self._part.open("ab") as part:
            part.writelines(lines)
            part.flush()
            os.fsync(part.fileno())

    def write(self, file: MessageFile, control_id: str, now: dt.datetime) -> None:
        """Write the batch, give it its name, and drop what was kept."""
        whole = self._part.with_suffix(".whole")
        descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _OWNER_ONLY)
        with self._part.open("rb") as part, os.fdopen(descriptor, "wb") as out:
            out.writelines(_batch(file, part, ReplyWriter(control_id, now)))
            out.flush()
            os.fsync(out.fileno())
        whole.replace(self._path)
        self._part.unlink()


def _batch(file: MessageFile, lines: Iterator[bytes], writer: ReplyWriter) -> Iterator[bytes]:
    is_open = False
    for piece in file.pieces():
        if piece.kind is Kind.FILE_HEADER:
            yield writer.open_file(parse_envelope(piece.data))
        elif piece.kind is Kind.BATCH_HEADER:
            yield writer.open_batch(parse_envelope(piece.data), b"")
            is_open = True
        elif piece.kind is Kind.BATCH_TRAILER:
            is_open = False
        elif piece.kind is not Kind.FILE_TRAILER:
            if not is_open:
                yield writer.open_batch(None, piece.data)
                is_open = True
            yield writer.add([text.encode("latin-1") for text in json.loads(next(lines, _NOTHING))])
    yield writer.close()


def _payloads(reply: bytes) -> list[str]:
    """Return the payloads of framed blocks, one character a byte."""
    return [block[1:] for block in reply.decode("latin-1").split("\x1c\r") if block]
