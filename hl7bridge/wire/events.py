"""What a connection's bytes turn out to be: blocks, and what never became one."""

from __future__ import annotations

from typing import Final, NamedTuple

HEAD_BYTES: Final = 65_536  # kept of what is too long to keep: any real MSH fits in it many times over
TOLERATED: Final = "tolerated_"  # before the name of a switch: the note that it was needed


class Block(NamedTuple):
    """A whole block: what stood between the start byte and the end bytes; may be empty.

    ``notes`` name what the sender did wrong and we bore with, as the counters of a listener are named.
    """

    data: bytes
    notes: tuple[str, ...] = ()


class Junk(NamedTuple):
    """Bytes outside any block, without CR, LF, NUL and space at both ends; at most ``HEAD_BYTES`` an event."""

    data: bytes


class Truncated(NamedTuple):
    """A block that never ended: a new start byte, or the end of the stream, came first. Never to be applied."""

    data: bytes


class Oversize(NamedTuple):
    """A block that passed the limit: ``size`` is the limit and one, and its first bytes let MSH be answered."""

    size: int
    head: bytes


Event = Block | Junk | Truncated | Oversize
