"""A reply and the control id that was sent -> accepted, held, retry, unknown, or not ours. Source: HL7 v2.5.1 2.9."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from hl7bridge.delivery.delivery import DeliveryEvent
from hl7bridge.errors import MessageError
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message


class Outcome(Enum):
    """What a reply means for the delivery that waits for it."""

    ACCEPTED = "accepted"
    COMMITTED = "committed"
    HELD = "held"
    RETRY = "retry"
    UNKNOWN = "unknown"
    NOT_OURS = "not ours"
    NOT_SENT = "not sent"


class Verdict(NamedTuple):
    """An outcome and why, in codes of the standard: a partner's free text may name a patient and is not kept."""

    outcome: Outcome
    reason: str = ""


class Reply(NamedTuple):
    """An acknowledgement: MSA-1 and MSA-2 as they came, and the condition that ERR tells, in words of ours."""

    code: str
    control_id: str
    condition: str = ""


EVENTS: Final[dict[Outcome, DeliveryEvent]] = {
    Outcome.ACCEPTED: DeliveryEvent.ACCEPTED,
    Outcome.COMMITTED: DeliveryEvent.COMMITTED,
    Outcome.HELD: DeliveryEvent.REFUSED,
    Outcome.RETRY: DeliveryEvent.POSTPONED,
    Outcome.UNKNOWN: DeliveryEvent.LOST,
    Outcome.NOT_SENT: DeliveryEvent.NOT_SENT,
}

NOT_SENT: Final = Verdict(Outcome.NOT_SENT, "the connection closed before anything was written")
CLOSED: Final = Verdict(Outcome.UNKNOWN, "the connection closed before the reply")
HALF_REPLY: Final = Verdict(Outcome.UNKNOWN, "the reply broke off half way")
NO_REPLY: Final = Verdict(Outcome.UNKNOWN, "no reply in time")
NOT_FRAMED: Final = Verdict(Outcome.UNKNOWN, "only bytes outside a block came back")
OVERSIZE: Final = Verdict(Outcome.UNKNOWN, "the reply was too large")
UNFRAMEABLE: Final = Verdict(Outcome.HELD, "not sent: the message holds bytes that end a block")
NO_APPLICATION_REPLY: Final = Verdict(Outcome.UNKNOWN, "committed, and no application reply in time")
INTERRUPTED: Final = Verdict(Outcome.UNKNOWN, "hl7bridge ended or failed while it was being sent")

# Table 0357; texts are ours, never the partner's.
_CONDITIONS: Final = {
    "100": "segment sequence error",
    "101": "required field missing",
    "102": "data type error",
    "103": "table value not found",
    "200": "unsupported message type",
    "201": "unsupported event code",
    "202": "unsupported processing id",
    "203": "unsupported version id",
    "204": "unknown key identifier",
    "205": "duplicate key identifier",
    "206": "application record locked",
    "207": "application internal error",
}
_TAKEN: Final = frozenset({"AA", "CA"})
_WITH_CODES: Final = (b"MSH", b"MSA", b"ERR")
_HEADER_FIELDS: Final = 12  # MSH-1 to MSH-12: all that a reply needs, and not MSH-18
_LINE_ENDS = re.compile(rb"[\r\n]+")
_SEGMENT_NAME = re.compile(r"[A-Z][A-Z0-9]{2}\Z")


def judge_reply(reply: bytes, control_id: str, meanings: Mapping[str, Outcome]) -> tuple[Verdict, Reply | None]:
    """Return what one block from the destination means for the delivery with this MSH-10, and what it says.

    ``meanings`` are those of the codes of table 0008. A reply to another control id is not ours: keep waiting, and look
    whose it is. What is no acknowledgement is unknown. Only codes are read, so no character set and no text can spoil
    a reply.
    """
    found = read_reply(reply)
    if isinstance(found, Verdict):
        return found, None
    if found.control_id != control_id:
        return Verdict(Outcome.NOT_OURS, "MSA-2 names another message"), found
    outcome = meanings.get(found.code)
    if outcome is None:
        return Verdict(Outcome.UNKNOWN, "MSA-1 is no code of table 0008"), found
    is_taken = outcome is Outcome.ACCEPTED or outcome is Outcome.COMMITTED
    return Verdict(outcome, "" if is_taken else f"{found.code}{found.condition}"), found


def read_reply(reply: bytes) -> Reply | Verdict:
    """Return what a block acknowledges, or why it is no acknowledgement."""
    try:
        message = parse_message(_codes_only(reply))
    except MessageError:
        return Verdict(Outcome.UNKNOWN, "the reply is not HL7")
    return reply_of(message) or Verdict(Outcome.UNKNOWN, "the reply is no acknowledgement: it has no MSA")


def reply_of(message: Message) -> Reply | None:
    """Return what a message acknowledges; None when it has no MSA. What is absent is empty."""
    if not message.count("MSA"):
        return None
    code = _text(message, "MSA-1")
    return Reply(code, _text(message, "MSA-2"), "" if code in _TAKEN else _condition(message))


def _codes_only(reply: bytes) -> bytes:
    """Return MSH up to its version, MSA and ERR, in ASCII; what is not ASCII stands as a question mark."""
    lines = [line for line in _LINE_ENDS.split(reply.lstrip()) if line[:3] in _WITH_CODES]
    lines = [_cut(line) if line.startswith(b"MSH") else line for line in lines]
    return b"\r".join(lines).decode("ascii", "replace").replace("\ufffd", "?").encode("ascii")


def _cut(header: bytes) -> bytes:
    separator = header[3:4] or b"|"
    return separator.join(header.split(separator)[:_HEADER_FIELDS])


def _condition(message: Message) -> str:
    """Return `` 204 unknown key identifier at PID-3`` from ERR (either form) or MSA-6; empty when they say nothing."""
    code, segment, field = _text(message, "ERR-3.1"), _text(message, "ERR-2.1"), _text(message, "ERR-2.3")
    if not code:  # up to v2.4: segment^sequence^field^code
        code, segment, field = _text(message, "ERR-1.4"), _text(message, "ERR-1.1"), _text(message, "ERR-1.3")
    code = code or _text(message, "MSA-6.1")
    if code not in _CONDITIONS:
        return ""
    place = f" at {segment}" if _SEGMENT_NAME.match(segment) else ""
    if place and field.isdecimal() and len(field) < 3:  # noqa: PLR2004  (no segment has 100 fields)
        place += f"-{field}"
    return f" {code} {_CONDITIONS[code]}{place}"


def _text(message: Message, path: str) -> str:
    found = message.get(path)
    return found if isinstance(found, str) else ""
