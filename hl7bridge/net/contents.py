"""A block -> the messages in it: one, those of a batch, or what repairs make of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from hl7bridge.batch import Received
from hl7bridge.errors import SEGMENT_SEQUENCE, Location, MessageError
from hl7bridge.message.batch import is_batch, split_batch
from hl7bridge.net.gathering import Gathering, Join, batched, committed, joined
from hl7bridge.net.limits import Limits
from hl7bridge.wire.repair import repair_block

REPAIRS: Final = frozenset({"bytes_before_msh", "clipped_msh", "several_messages"})

# A message, the bytes that are let go with its reply, and what gathers that if it does not go straight out.
Item = tuple[Received, int, Gathering | None]


class Contents(NamedTuple):
    """The messages of one block, ``total`` of them. ``join`` None: each reply is written as it comes."""

    messages: Iterable[Received]
    total: int = 1
    join: Join | None = None

    def items(self, size: int) -> Iterator[Item]:
        """Return each message with what belongs to it; the last lets ``size`` bytes go."""
        gathering = Gathering(self.total, self.join) if self.join else None
        for number, message in enumerate(self.messages, 1):
            yield message, size if number == self.total else 0, gathering


def unpack(block: Received, limits: Limits) -> Contents:
    """Return what a block holds. In MLLP release 2 its commit byte goes out when all of it is on disk."""
    contents = _unpack(block, limits) if block.fault is None else Contents((block,))
    if limits.release > 1 and block.is_answered:
        return contents._replace(join=committed(contents.join or joined))
    return contents


def _unpack(block: Received, limits: Limits) -> Contents:
    repairs = limits.tolerances & REPAIRS
    if repairs and not is_batch(block.data):
        repaired = [
            block._replace(data=data, notes=notes if at else block.notes + notes)
            for at, (data, notes) in enumerate(repair_block(block.data, repairs))
        ]
        if len(repaired) > 1:
            return Contents(repaired, len(repaired))
        (block,) = repaired
    return _unpack_batch(block, limits) if is_batch(block.data) else Contents((block,))


def _unpack_batch(block: Received, limits: Limits) -> Contents:
    try:
        parts = split_batch(block.data)
    except MessageError as fault:
        return Contents((block._replace(fault=fault),))
    texts = parts.messages
    if not texts:
        return Contents((block._replace(fault=MessageError(SEGMENT_SEQUENCE, Location("BHS"), "no message is in it")),))
    messages = (block._replace(data=text, notes=() if at else block.notes) for at, text in enumerate(texts))
    return Contents(messages, len(texts), batched(parts) if limits.batch_reply == "batch" else None)
