"""Where and when the records of one message come from: what orders them, and what every row they make names."""

from __future__ import annotations

from typing import NamedTuple


class Arrival(NamedTuple):
    """Where and when records come from: order among messages, sender, message id, time of receipt.

    ``as_of`` is ``intake.event_time`` and then ``intake.source_mark``; ``now`` is ISO 8601 UTC.
    """

    as_of: str
    source: str
    message_id: int
    now: str
