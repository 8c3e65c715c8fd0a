"""An outbound message's text -> what the standard's definitions (hl7apy's tables, v2.1 to v2.8.2) say against it.

Costs 10 to 30 ms a message: for a form, when a configuration is loaded; never for each message.
"""

from __future__ import annotations

import re
from typing import Any

from hl7bridge.errors import Location, MessageError
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message

_MISSING = re.compile(r"Missing required child \w+\.([A-Z][A-Z0-9]{2})(?:_(\d+))?\b", re.ASCII)
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
_RULES = {
    "ChildNotValid": "has a part that its data type does not define",
    "InvalidName": "has a part that its data type does not define",
    "MaxChildLimitReached": "is withdrawn in this version, or repeated too often",
    "MaxLengthReached": "is longer than this version allows",
    "OperationNotAllowed": "is not defined in this version",
    "ValueError": "is not a value of its data type",
}


def check_strictly(text: str, version: str) -> list[str]:
    """Return every problem of a message as ``place: rule``, without values; none when it conforms.

    ``version`` is the HL7 version that it must state and keep to. Lengths are checked where the tables have
    them; values of tables that sites define are not.
    """
    try:
        message = parse_message(text.encode())
    except MessageError as error:
        return [str(error)]
    if message.version != version:
        return [f"MSH-12: does not state version {version}"]
    nameless = _check_shape(message)
    if nameless:
        return nameless
    unknown = _check_names(message, version)
    problem = _check_whole(text)
    if problem is None:
        return unknown
    return unknown + _check_parts(message, version) or [problem]


def _check_shape(message: Message) -> list[str]:
    """Find lines that are no segments; only their number is said, for the line itself may be a value."""
    return [
        f"segment {number}: does not begin with the name of a segment"
        for number, segment in enumerate(message.segments, 1)
        if not _NAME.fullmatch(segment.partition(message.delimiters.field)[0])
    ]


def _check_names(message: Message, version: str) -> list[str]:
    """Find segments that the version does not define: hl7apy leaves them out without a word."""
    from hl7apy import load_reference
    from hl7apy.exceptions import ChildNotFound

    problems: list[str] = []
    for name in dict.fromkeys(segment.partition(message.delimiters.field)[0] for segment in message.segments):
        try:
            if not name.startswith("Z"):
                load_reference(name, "Segment", version)
        except ChildNotFound:
            problems.append(f"{name}: is not a segment of version {version}")
    return problems


def _check_whole(text: str) -> str | None:
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.parser import parse_message as parse_by_definition
    from hl7apy.validation import Validator

    try:
        Validator.validate(parse_by_definition(text, validation_level=VALIDATION_LEVEL.STRICT))
    except Exception as error:  # noqa: BLE001 - hl7apy's errors share no base class and may quote values
        return _problem("message structure", error)
    return None


def _check_parts(message: Message, version: str) -> list[str]:
    """Find the fields that are wrong, one by one: hl7apy stops at the first and does not say where it is."""
    problems: list[str] = []
    seen: dict[str, int] = {}
    encoding = _encoding_characters(message)
    for segment in message.segments:
        name, *fields = segment.split(message.delimiters.field)
        seen[name] = seen.get(name, 0) + 1
        place = Location(name, seen[name])
        skipped = 1 if name == "MSH" else 0  # MSH-2 holds the delimiters; MSH-1 has no text of its own
        wrong: list[str] = []
        for number, field in enumerate(fields[skipped:], 1 + 2 * skipped):
            for repetition in filter(None, field.split(message.delimiters.repetition)):
                wrong += _check_field(repetition, place._replace(field=number), version, encoding)
        problems += wrong or _check_segment(segment, place, version, encoding)
    return problems


def _check_field(text: str, place: Location, version: str, encoding: dict[str, str]) -> list[str]:
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.parser import parse_field

    try:
        parse_field(
            text,
            name=f"{place.segment}_{place.field}",
            version=version,
            encoding_chars=encoding,
            validation_level=VALIDATION_LEVEL.STRICT,
        )
    except Exception as error:  # noqa: BLE001 - as above
        return [_problem(str(place), error)]
    return []


def _check_segment(segment: str, place: Location, version: str, encoding: dict[str, str]) -> list[str]:
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.parser import parse_segment
    from hl7apy.validation import Validator

    try:
        parsed: Any = parse_segment(
            segment, version=version, encoding_chars=encoding, validation_level=VALIDATION_LEVEL.STRICT
        )
        Validator.validate(parsed)
    except Exception as error:  # noqa: BLE001 - as above
        return [_problem(str(place), error)]
    return []


def _problem(place: str, error: Exception) -> str:
    """Return the rule that was broken; of hl7apy's own text only names of segments and fields are used."""
    missing = _MISSING.match(str(error))
    if missing:
        name, field = missing.groups()
        if not field:
            return f"{name}: required segment missing"
        kept = place.partition("[")  # FT1[2]: which of several
        return f"{name}{''.join(kept[1:]) if kept[0] == name else ''}-{field}: required field missing"
    return f"{place}: {_RULES.get(type(error).__name__, 'does not conform to the definition')}"


def _encoding_characters(message: Message) -> dict[str, str]:
    """Return the delimiters as hl7apy names them."""
    given = message.delimiters
    names = {
        "SEGMENT": "\r",
        "FIELD": given.field,
        "COMPONENT": given.component,
        "REPETITION": given.repetition,
        "ESCAPE": given.escape,
        "SUBCOMPONENT": given.subcomponent,
        "TRUNCATION": given.truncation,
    }
    return {name: sign for name, sign in names.items() if sign}
