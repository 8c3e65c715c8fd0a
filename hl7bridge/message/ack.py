"""The header of a message and what became of it -> the acknowledgements to send.

Source: HL7 v2.5.1 sections 2.9.2 (original mode), 2.9.3 (enhanced mode), 2.10.1 (MSA-4), 2.15.5 (ERR), 2.15.8 (MSA).
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Final, NamedTuple

from hl7bridge.errors import (
    UNSUPPORTED_EVENT,
    UNSUPPORTED_PROCESSING_ID,
    UNSUPPORTED_TYPE,
    UNSUPPORTED_VERSION,
    Location,
    MessageError,
)
from hl7bridge.message.charset import declared_codec
from hl7bridge.message.escape import escape
from hl7bridge.message.header import VERSIONS, Header

DEFAULT_VERSION: Final = "2.5.1"
NO_HEADER: Final = Header(processing_id="P", version=DEFAULT_VERSION)
_PROTOCOL_ERRORS: Final = frozenset(
    {UNSUPPORTED_TYPE, UNSUPPORTED_EVENT, UNSUPPORTED_PROCESSING_ID, UNSUPPORTED_VERSION}
)


_NULL: Final = '""'
_UNFRAMED: Final = {0x0B: None, 0x1C: None}  # no text of ours may hold them


class Outcome(NamedTuple):
    """What became of a message: ``error`` None when it was taken. ``text`` goes to MSA-3 in place of the error's.

    ``expected`` is MSA-4, where the sequence protocol is kept.
    """

    error: MessageError | None = None
    text: str = ""
    expected: int | None = None


ACCEPTED: Final = Outcome()


class Acks(NamedTuple):
    """The payloads to send, each in its own block, and MSA-1 of the first; none and "" when nobody asked.

    ``apart`` is the text of an application reply that goes as a message of our own; "" when there is none.
    """

    blocks: tuple[bytes, ...]
    code: str
    apart: str = ""


def build_acks(
    header: Header | None,
    outcome: Outcome,
    *,
    control_id: str,
    now: dt.datetime,
    application: str = "HL7BRIDGE",
    answer_unasked: bool = False,
    is_apart: bool = False,
) -> Acks:
    """Return the answer to a message; ``header`` is None when it had no MSH that could be read.

    ``control_id`` is the answer's own MSH-10, at most 19 characters: an application reply that follows a commit
    reply, or goes apart, adds an ``A``. ``now`` is aware. Original mode gives AA, AE, AR. With MSH-15 or MSH-16 the
    first block is the commit reply CA, CE, CR if MSH-15 asks for it, the next the application reply if MSH-16 does; a
    message whose commit is refused gets no application reply. A blank one of the two counts as NE. When both are NE
    nobody asked for an answer and none is built, unless ``answer_unasked``: then the one of original mode is. With
    ``is_apart`` the application reply of enhanced mode is a message of our own, which asks for a commit reply.
    """
    if header is None:
        header = NO_HEADER
    if header.accept_ack or header.application_ack:
        accept, other = _condition(header.accept_ack), _condition(header.application_ack)
        asked = {accept, other} - {""}
        if asked and not (answer_unasked and asked == {"NE"}):
            return _build_enhanced(header, outcome, accept, other, control_id, _Own(now, application, is_apart))
    code = _application_code(outcome.error)
    return Acks((_encode(_ack_text(header, outcome, code, control_id, now, application), header.codec),), code)


class _Own(NamedTuple):
    now: dt.datetime
    application: str
    is_apart: bool


def _build_enhanced(header: Header, outcome: Outcome, accept: str, other: str, control_id: str, own: _Own) -> Acks:
    now, application, is_apart = own
    blocks: list[bytes] = []
    code = apart = ""
    if _is_wanted(accept, outcome):
        code = _commit_code(outcome.error)
        blocks.append(_encode(_ack_text(header, outcome, code, control_id, now, application), header.codec))
    if _is_wanted(other, outcome) and code in ("", "CA"):
        application_code = _application_code(outcome.error)
        own_id = f"{control_id}A" if code or is_apart else control_id
        # A message of ours in enhanced mode: it says what answers it wants, none on the sender's own connection.
        wanted = "AL" if is_apart else "NE"
        text = _ack_text(header, outcome, application_code, own_id, now, application, wanted)
        if is_apart:
            apart = text.translate(_UNFRAMED)
        else:
            blocks.append(_encode(text, header.codec))
        code = code or application_code
    return Acks(tuple(blocks), code, apart)


def encode_time(at: dt.datetime) -> str:
    """Return ``YYYYMMDDHHMMSS+ZZZZ`` of an aware time. Source: HL7 v2.5.1 section 2.A.77, DTM."""
    return _time_text(at, at.utcoffset())


@lru_cache(maxsize=8)  # one moment serves every answer of a batch
def _time_text(at: dt.datetime, _offset: dt.timedelta | None) -> str:
    """Format a time; its offset is part of the key because equal times of two zones are one key without it."""
    text = at.isoformat(timespec="seconds")
    return f"{text[:4]}{text[5:7]}{text[8:13]}{text[14:16]}{text[17:22]}{text[23:25]}".replace("T", "")


def _application_code(error: MessageError | None) -> str:
    if error is None:
        return "AA"
    return "AR" if error.reject else "AE"


def _commit_code(error: MessageError | None) -> str:
    if error is None:
        return "CA"
    return "CR" if error.error in _PROTOCOL_ERRORS else "CE"


def _condition(text: str) -> str:
    """Return MSH-15 or MSH-16 as table 0155 has it; HL7's null asks for nothing and names no mode."""
    return "" if text == _NULL else text.strip().upper()


def _is_wanted(condition: str, outcome: Outcome) -> bool:
    """Return whether table 0155's condition asks for an answer; one that is not in the table counts as AL."""
    if condition in ("", "NE"):
        return False
    if condition == "SU":
        return outcome.error is None
    return condition != "ER" or outcome.error is not None


def _ack_text(
    header: Header,
    outcome: Outcome,
    code: str,
    control_id: str,
    now: dt.datetime,
    application: str,
    wanted: str = "",
) -> str:
    """Return one answer; ``wanted`` is MSH-15 of an application reply in enhanced mode, "" for every other."""
    f, component = header.delimiters[:2]
    version, _, _ = header.version.partition(component)
    known = version in VERSIONS
    if not known:
        version = DEFAULT_VERSION
    message_type = _message_type(header, version)
    text = f"{f}{_text(header, outcome)}" if (outcome.text or outcome.error) and version < "2.7" else ""
    if outcome.expected is not None:
        text = f"{text or f}{f}{outcome.expected}"
    segments = (
        f"MSH{f}{header.delimiters.encoding_characters}{f}{header.receiving_application or application}{f}"
        f"{header.receiving_facility}{f}{header.sending_application}{f}{header.sending_facility}{f}"
        f"{encode_time(now)}{f}{f}{message_type}{f}{control_id}{f}{header.processing_id}{f}"
        f"{header.version if known else version}{_tail(header, wanted)}\r"
        f"MSA{f}{code}{f}{header.control_id}{text}\r"
    )
    return segments + _build_err(header, outcome.error, version) if outcome.error else segments


def _encode(text: str, codec: str) -> bytes:
    data = text.encode(codec, "replace")
    # What a sender put where it may not be must not break the framing of our answer.
    return data.translate(None, b"\x0b\x1c") if b"\x1c" in data or b"\x0b" in data else data


def _message_type(header: Header, version: str) -> str:
    """Return MSH-9: the event from v2.3 on, the structure when the sender sent one and always from v2.5 on."""
    if version < "2.3" or not header.trigger_event:
        return "ACK"
    component = header.delimiters.component
    structure = f"{component}ACK" if header.message_structure or version >= "2.5" else ""
    return f"ACK{component}{header.trigger_event}{structure}"


def _tail(header: Header, wanted: str) -> str:
    """Return MSH-13 to MSH-18, as far as they say anything, each with its separator.

    MSH-18 is named again only when it says what the message was decoded with: the answer is in that, and claims
    nothing else. What goes apart is a message of ours, in UTF-8 where the sender named no character set.
    """
    if not header.charset and not wanted:
        return ""
    f, _, repetition = header.delimiters[:3]
    charset = header.charset
    if charset and declared_codec(charset, repetition) != header.codec:
        charset = ""
    if wanted == "AL" and not charset and not _is_ascii(header):
        charset = "UNICODE UTF-8"
    conditions = f"{f * 3}{wanted}{f}NE" if wanted else ""
    if charset:
        return f"{conditions or f * 4}{f * 2}{charset}"
    return conditions


def _is_ascii(header: Header) -> bool:
    return all(each.isascii() for each in header if isinstance(each, str))


def _text(header: Header, outcome: Outcome) -> str:
    return escape(outcome.text or str(outcome.error), header.delimiters)


def _build_err(header: Header, error: MessageError, version: str) -> str:
    """Return ERR in the form of the version: one composite to v2.4, location, code and severity from v2.5 on."""
    f, component = header.delimiters[:2]
    place = error.location
    if version < "2.5":
        numbers = (place.segment, str(place.sequence), str(place.field or ""), error.error.code)
        return f"ERR{f}{component.join(numbers)}\r"
    condition = component.join((error.error.code, error.error.text, "HL70357"))
    text = escape(error.text, header.delimiters)
    return f"ERR{f}{f}{_location(place, component)}{f}{condition}{f}E{f}{f}{f}{f}{text}\r"


def _location(place: Location, component: str) -> str:
    numbers = list(place[1:])
    if place.component and not place.repetition:
        numbers[2] = 1
    while numbers and not numbers[-1]:
        numbers.pop()
    return component.join((place.segment, *(str(number or "") for number in numbers)))
