"""Bytes outside any block -> Junk events, without the padding that many senders put between blocks."""

from __future__ import annotations

from typing import Final

from hl7bridge.wire.events import HEAD_BYTES, Event, Junk

PADDING: Final = b"\r\n\x00 "  # seen between the blocks of real senders, and harmless


def after_padding(data: bytearray, position: int, end: int) -> int:
    """Return the offset of the first byte from ``position`` on that is no padding, or ``end``."""
    while position < end and data[position] in PADDING:
        position += 1
    return position


def put_aside(junk: bytearray, data: bytearray, position: int, end: int, events: list[Event]) -> None:
    """Move bytes of ``data`` to ``junk``: one event as soon as it is full and more comes, without leading padding."""
    while position < end:
        if not junk or len(junk) == HEAD_BYTES:
            position = after_padding(data, position, end)
            if position == end:
                return
            end_junk(junk, events)
        taken = min(end - position, HEAD_BYTES - len(junk))
        junk += data[position : position + taken]
        position += taken


def end_junk(junk: bytearray, events: list[Event]) -> None:
    """Make an event of ``junk``, if there is any, and empty it."""
    if junk:
        events.append(Junk(bytes(junk).rstrip(PADDING)))
        junk.clear()
