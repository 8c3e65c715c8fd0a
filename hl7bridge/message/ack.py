"""The header of a message and what became of it -> the acknowledgements to send.

Source: HL7 v2.5.1 sections 2.9.2 (original mode), 2.9.3 (enhanced mode), 2.15.5 (ERR), 2.15.8 (MSA).
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
from hl7bridge.message.charset import find_codec
from hl7bridge.message.escape import escape
from hl7bridge.message.header import VERSIONS, Header

DEFAULT_VERSION: Final = "2.5.1"
NO_HEADER: Final = Header(processing_id="P", version=DEFAULT_VERSION)
_PROTOCOL_ERRORS: Final = frozenset(
    {UNSUPPORTED_TYPE, UNSUPPORTED_EVENT, UNSUPPORTED_PROCESSING_ID, UNSUPPORTED_VERSION}
)


class Outcome(NamedTuple):
    """What became of a message: ``error`` None when it was taken. ``text`` goes to MSA-3 in place of the error's."""

    error: MessageError | None = None
    text: str = ""


ACCEPTED: Final = Outcome()


class Acks(NamedTuple):
    """The payloads to send, each in its own block, and MSA-1 of the first; none and "" when nobody asked."""

    blocks: tuple[bytes, ...]
    code: str


def build_acks(
    header: Header | None,
    outcome: Outcome,
    *,
    control_id: str,
    now: dt.datetime,
    application: str = "HL7BRIDGE",
    answer_unasked: bool = False,
) -> Acks:
    """Return the answer to a message; ``header`` is None when it had no MSH that could be read.

    ``control_id`` is the answer's own MSH-10, at most 19 characters: an application reply that follows a commit
    reply adds an ``A``. ``now`` is aware. Original mode gives AA, AE, AR. With MSH-15 or MSH-16 the first block
    is the commit reply CA, CE, CR if MSH-15 asks for it, the next the application reply if MSH-16 does; a message
    whose commit is refused gets no application reply. A blank one of the two counts as NE. When both are NE nobody
    asked for an answer and none is built, unless ``answer_unasked``: then the one of original mode is.
    """
    if header is None:
        header = NO_HEADER
    application_code = _application_code(outcome.error)
    asked = {header.accept_ack, header.application_ack} - {""}
    if not asked or (answer_unasked and asked == {"NE"}):
        block = _build_ack(header, outcome, application_code, control_id, now, application, "")
        return Acks((block,), application_code)
    blocks: list[bytes] = []
    codes: list[str] = []
    if _is_wanted(header.accept_ack, outcome):
        codes.append(_commit_code(outcome.error))
        blocks.append(_build_ack(header, outcome, codes[0], control_id, now, application, ""))
    if _is_wanted(header.application_ack, outcome) and codes in ([], ["CA"]):
        # The reply is a message of ours in enhanced mode: it says that it wants no answer itself.
        own_id = f"{control_id}A" if codes else control_id
        codes.append(application_code)
        blocks.append(_build_ack(header, outcome, application_code, own_id, now, application, "NE"))
    return Acks(tuple(blocks), codes[0] if codes else "")


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


def _is_wanted(condition: str, outcome: Outcome) -> bool:
    """Return whether table 0155's condition asks for an answer; one that is not in the table counts as AL."""
    if condition in ("", "NE"):
        return False
    if condition == "SU":
        return outcome.error is None
    return condition != "ER" or outcome.error is not None


def _build_ack(
    header: Header,
    outcome: Outcome,
    code: str,
    control_id: str,
    now: dt.datetime,
    application: str,
    conditions: str,
) -> bytes:
    f, component = header.delimiters[:2]
    version, _, _ = header.version.partition(component)
    known = version in VERSIONS
    if not known:
        version = DEFAULT_VERSION
    message_type = _message_type(header, version)
    text = f"{f}{_text(header, outcome)}" if (outcome.text or outcome.error) and version < "2.7" else ""
    segments = (
        f"MSH{f}{header.delimiters.encoding_characters}{f}{header.receiving_application or application}{f}"
        f"{header.receiving_facility}{f}{header.sending_application}{f}{header.sending_facility}{f}"
        f"{encode_time(now)}{f}{f}{message_type}{f}{control_id}{f}{header.processing_id}{f}"
        f"{header.version if known else version}{_tail(header, conditions)}\r"
        f"MSA{f}{code}{f}{header.control_id}{text}\r"
    )
    if outcome.error:
        segments += _build_err(header, outcome.error, version)
    data = segments.encode(header.codec, "replace")
    # What a sender put where it may not be must not break the framing of our answer.
    return data.translate(None, b"\x0b\x1c") if b"\x1c" in data or b"\x0b" in data else data


def _message_type(header: Header, version: str) -> str:
    """Return MSH-9: the event from v2.3 on, the structure when the sender sent one and always from v2.5 on."""
    if version < "2.3" or not header.trigger_event:
        return "ACK"
    component = header.delimiters.component
    structure = f"{component}ACK" if header.message_structure or version >= "2.5" else ""
    return f"ACK{component}{header.trigger_event}{structure}"


def _tail(header: Header, conditions: str) -> str:
    """Return MSH-13 to MSH-18, as far as they say anything, each with its separator."""
    f, _, repetition = header.delimiters[:3]
    charset = header.charset if find_codec(header.charset.partition(repetition)[0]) else ""
    if charset:
        return f"{f * 3}{conditions}{f}{conditions}{f * 2}{charset}"
    return f"{f * 3}{conditions}{f}{conditions}" if conditions else ""


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
