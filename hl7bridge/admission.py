"""A block before its mapping reads it -> may it be applied; and after: is its refusal answered, parked or counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hl7bridge.batch import TAKEN, Ahead, Batch, Found, Received, digest_bytes
from hl7bridge.checks import SenderError, can_park, check_facility
from hl7bridge.errors import DUPLICATE_KEY, INTERNAL_ERROR, Location, MessageError
from hl7bridge.message.ack import ACCEPTED, Outcome
from hl7bridge.message.header import Header, check_header, drop_opening, first_line
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message
from hl7bridge.policy import Policy
from hl7bridge.privacy.documents import drop_documents
from hl7bridge.sequence import SequenceError, starts_link
from hl7bridge.storage.messages import Disposition, Earlier
from hl7bridge.storage.sequences import SenderKey

_SEQUENCE_FIELD: Final = 13
# What was refused or came in half has used up no control id: senders mend a message and send it under its old one.
_USED_UP: Final = TAKEN - {Disposition.PARKED}


def parse_block(block: Received, policy: Policy) -> Message:
    """Return the message in a block; raises its fault, or MessageError when it cannot be read."""
    if block.fault is not None:
        raise block.fault
    if block.ahead is not None:
        if isinstance(block.ahead.message, Exception):
            raise block.ahead.message
        return block.ahead.message
    return parse_message(block.data, charset=policy.charset, override=policy.charset_overrides)


def read_ahead(block: Received, policy: Policy) -> Received:
    """Return a block with what takes long already done, for another thread than the one that all blocks wait for."""
    try:
        message: Message | MessageError = parse_block(block._replace(data=drop_documents(block.data)), policy)
    except MessageError as error:
        message = error
    return block._replace(ahead=Ahead(digest_bytes(block.data), message))


def admit(block: Received, policy: Policy, message: Message) -> Found | None:
    """Return None when a message is to be looked at further, or what became of one that only starts the link.

    Raises MessageError for a sender or header that is not taken. Nothing is looked up for it: no stored reply of
    another sender can come of it. Source for the start of the link: HL7 v2.5.1 sections 2.10.1 and 2.17.3.
    """
    header = message.header
    if block.facilities is not None:
        check_facility(header, block.facilities)
    if policy.sequence_protocol and _is_link_start(block, message):
        check_header(header._replace(message_type=header.message_type or "-"), policy.processing_ids)
        return Found(Disposition.IGNORED, "starts the link; it has no content")
    check_header(header, policy.processing_ids)
    return None


def check_order(
    block: Received,
    policy: Policy,
    message: Message,
    same_id: Sequence[Earlier],
    digest: bytes,
    earlier: Earlier | None,
    batch: Batch,
) -> None:
    """Raise MessageError for a sequence number or control id that may not come now.

    ``same_id`` came before with this control id, and of that ``earlier`` with the same content.
    """
    if policy.sequence_protocol and _has_number(block):
        text = _number_text(block, message)
        batch.sequences.check(_key(block, message.header), text, earlier_reason=earlier and earlier.reason)
    if any(each.digest != digest and each.disposition in _USED_UP for each in same_id):
        if policy.refuse_reused_control_id:
            text = "this control id was used for another message"
            raise MessageError(DUPLICATE_KEY, Location("MSH", 1, 10), text)
        batch.counts[block.listener, "reused_control_id"] += earlier is None


def find_unreadable(block: Received, header: Header | None, digest: bytes, batch: Batch) -> Earlier | None:
    """Return what a block repeats of which no more than the header can be read, if its sender may know of it."""
    if header is None or not block.is_answered:
        return None
    if block.facilities is not None and header.sender[1] not in block.facilities:
        return None
    return batch.earlier_of(header, digest)


def build_refused(
    block: Received, policy: Policy, header: Header | None, message: Message | None, error: MessageError
) -> Found:
    """Return what becomes of a block that is refused: it is answered so, or taken and kept for a person.

    A block that never was whole is not parked: the sender keeps the whole of it.
    """
    reason = f"{error.error.code} {error.location}: {error.text}"
    if policy.parks and block.replay_of is None and block.fault is None and can_park(error, header):
        return Found(Disposition.PARKED, reason, ACCEPTED)
    disposition = Disposition.UNREADABLE if message is None else Disposition.REJECTED
    return Found(disposition, reason, Outcome(error))


def count_number(block: Received, header: Header | None, message: Message | None, found: Found, batch: Batch) -> Found:
    """Note the sequence number of a message that was heard, and return what became of it with its MSA-4.

    What was refused for what it says has used up its number; what failed by our own fault, or came from or at the
    wrong one, has not.
    """
    if header is None or not _has_number(block):
        return found
    error = found.outcome.error
    if isinstance(error, SequenceError):
        expected = error.expected
    elif error is not None and (isinstance(error, SenderError) or error.error == INTERNAL_ERROR):
        return found
    else:
        expected = batch.sequences.count(_key(block, header), _number_text(block, message))
    return found._replace(outcome=found.outcome._replace(expected=expected))


def _has_number(block: Received) -> bool:
    """Return whether a sender counts this block: one that waits for the answer, and no replay or half of one."""
    return block.is_answered and block.replay_of is None and block.fault is None


def _is_link_start(block: Received, message: Message) -> bool:
    return len(message.segments) == 1 and _has_number(block) and starts_link(_number_text(block, message))


def _number_text(block: Received, message: Message | None) -> str:
    """Return MSH-13, also of a block of which no more than the header can be read."""
    if message is not None:
        return message.fields("MSH")[0][_SEQUENCE_FIELD]
    line = first_line(drop_opening(block.data)).decode("latin-1")
    fields = line.split(line[3:4] or "|")
    return fields[_SEQUENCE_FIELD - 1] if line.startswith("MSH") and len(fields) >= _SEQUENCE_FIELD else ""


def _key(block: Received, header: Header) -> SenderKey:
    return SenderKey(block.listener, *header.sender)
