"""The replies of one block -> what is written back for it: commit byte, batch of replies, or one block for each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Final

from hl7bridge.batch import Reply
from hl7bridge.message.batch import BatchParts, build_batch_reply
from hl7bridge.wire.mllp import COMMIT_ACK, COMMIT_NAK, encode_block

_BETWEEN: Final = b"\x1c\r\x0b"  # two blocks of one reply; no payload can hold it

Join = Callable[[Sequence[Reply]], bytes]


class Gathering:
    """Waits for the replies of ``count`` messages of one block, in their order, and then joins them."""

    __slots__ = ("_count", "_join", "_replies")

    def __init__(self, count: int, join: Join) -> None:
        self._count = count
        self._join = join
        self._replies: list[Reply] = []

    def add(self, reply: Reply) -> bytes:
        """Return what is to be written now: nothing before the last."""
        self._replies.append(reply)
        return self._join(self._replies) if len(self._replies) == self._count else b""


def joined(replies: Sequence[Reply]) -> bytes:
    """Return the replies one behind the other."""
    return b"".join(reply.data for reply in replies)


def committed(join: Join) -> Join:
    """Return what puts the commit byte of MLLP release 2 in front; what is not on disk gets no reply behind it.

    A sender repeats a block that gets 0x15: a reply to what it did not hand over would be taken for one to the next.
    """

    def join_committed(replies: Sequence[Reply]) -> bytes:
        if all(reply.message_id for reply in replies):
            return COMMIT_ACK + join(replies)
        return COMMIT_NAK

    return join_committed


def batched(parts: BatchParts) -> Join:
    """Return what makes one batch of the replies to a batch; nothing when no message of it asked for one."""

    def join_batch(replies: Sequence[Reply]) -> bytes:
        acks = [reply.data[1:-2].split(_BETWEEN) if reply.data else [] for reply in replies]
        if not any(acks):
            return b""
        now = dt.datetime.now(dt.UTC)
        first = replies[0].message_id
        control_id = f"HB{first:012}B" if first else f"HB{now:%y%m%d%H%M%S}B"
        return encode_block(build_batch_reply(parts, acks, control_id=control_id, now=now))

    return join_batch
