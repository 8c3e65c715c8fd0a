"""What never became a message -> why, for its row, its answer and the log."""

from __future__ import annotations

from typing import Final

import structlog

from hl7bridge.batch import Reply
from hl7bridge.errors import SEGMENT_SEQUENCE, ErrorCode, Location, MessageError
from hl7bridge.net.limits import Limits
from hl7bridge.net.reactor import reactor
from hl7bridge.storage.messages import Disposition
from hl7bridge.wire.events import Junk, Oversize, Truncated

VALUE_TOO_LONG: Final = ErrorCode("104", "Value too long")
# No line in the log for these; one alarm tells of all that is parked.
QUIET: Final = frozenset({Disposition.APPLIED, Disposition.DUPLICATE, Disposition.IGNORED, Disposition.PARKED})
_log = structlog.get_logger("hl7bridge.listener")


def fault_of(event: Truncated | Oversize | Junk, limits: Limits) -> tuple[bytes, MessageError, bool]:
    """Return the bytes to keep, why they are no message, and whether the sender waits for an answer."""
    place = Location("MSH")
    if isinstance(event, Truncated):
        return event.data, MessageError(SEGMENT_SEQUENCE, place, "the block was cut short"), False
    if isinstance(event, Junk):
        return event.data, MessageError(SEGMENT_SEQUENCE, place, "bytes outside a block"), False
    text = f"{event.size} bytes or more; this listener takes at most {limits.most_bytes}"
    return event.head, MessageError(VALUE_TOO_LONG, place, text), True


def log_message(listener: str, reply: Reply, started: float) -> None:
    """Tell of a message that was not taken, and never what it says."""
    _log.warning(
        "message_refused",
        listener=listener,
        message=reply.message_id,
        type=reply.message_type,
        disposition=str(reply.disposition),
        reason=reply.reason,
        ms=round((reactor.seconds() - started) * 1000, 1),
    )
