"""What can stand in the way of a message, whatever a mapping makes of it -> the refusal to answer, or nothing."""

from __future__ import annotations

from typing import Final

from hl7bridge.errors import (
    INTERNAL_ERROR,
    TABLE_VALUE,
    UNSUPPORTED_EVENT,
    UNSUPPORTED_PROCESSING_ID,
    UNSUPPORTED_TYPE,
    UNSUPPORTED_VERSION,
    Location,
    MessageError,
)
from hl7bridge.ledger.events import DEFINED_EVENTS
from hl7bridge.mapping.spec import Mapping
from hl7bridge.message.header import Header
from hl7bridge.message.model import Message

# Not about what the message says: it came to the wrong listener, in the wrong version, or failed by our own fault.
_NEVER_PARKED: Final = frozenset({UNSUPPORTED_PROCESSING_ID, UNSUPPORTED_VERSION, INTERNAL_ERROR})


class SenderError(MessageError):
    """A refusal of who sent a message, or when: it uses up no sequence number, and nothing parks it."""


def check_facility(header: Header | None, facilities: frozenset[str]) -> None:
    """Raise SenderError (103 at MSH-4) when the sender's certificate does not allow MSH-4.1."""
    if header is None or header.sender[1] not in facilities:
        text = "the sender's certificate does not allow this facility"
        raise SenderError(TABLE_VALUE, Location("MSH", field=4), text, reject=True)


def can_park(error: MessageError, header: Header | None) -> bool:
    """Return whether a refused message may be taken and kept for a person: an answer must be able to name it."""
    return (
        header is not None
        and bool(header.control_id)
        and error.error not in _NEVER_PARKED
        and not isinstance(error, SenderError)
    )


def check_event(mapping: Mapping, message: Message, *, refuse: bool) -> None:
    """Raise MessageError (200, 201) for a message that a mapping does not use, unless it may be ignored.

    With ``refuse`` nothing may but what the mapping names with no records; without it an event that HL7 defines for
    the type may too.
    """
    kind, event = message.message_type, message.trigger_event
    if (kind, event) in mapping.events:
        return
    if kind not in mapping.types:
        text = "messages of this type are not taken"
        raise MessageError(UNSUPPORTED_TYPE, Location("MSH", 1, 9, 1, 1), text, reject=True)
    defined = event in DEFINED_EVENTS.get(kind, frozenset())
    if refuse or not defined:
        text = "no mapping uses this event" if defined else "HL7 defines no such event for this type"
        raise MessageError(UNSUPPORTED_EVENT, Location("MSH", 1, 9, 1, 2), text, reject=True)


def internal_error() -> MessageError:
    """Return the refusal of what failed by our own fault."""
    text = "the message could not be stored; send it again"
    return MessageError(INTERNAL_ERROR, Location("MSH"), text, reject=True)
