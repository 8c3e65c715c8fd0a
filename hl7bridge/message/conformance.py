"""A message -> what the standard's definitions (hl7apy's tables, v2.1 to v2.8.2) say against it; never a value.

The tables are read, and nothing else of hl7apy: its own check stops at the first breach, quotes values, does not look
at the order of segments and costs 12 to 27 ms a message. For a form or a person, not for each message of a feed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from hl7bridge.errors import Location, MessageError
from hl7bridge.message.definitions import (
    UNLIMITED,
    VERSIONS,
    Part,
    nearest_version,
    other_versions,
    segment_fields,
    segment_versions,
    structure_names,
    type_parts,
)
from hl7bridge.message.delimiters import Delimiters
from hl7bridge.message.escape import unescape
from hl7bridge.message.findings import Finding, Rule
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message
from hl7bridge.message.segment_names import segment_name
from hl7bridge.message.segment_order import find_breaches
from hl7bridge.message.value_types import find_breach, longest

MOST_FINDINGS: Final = 10_000  # of one message: what is no HL7 at all must not fill the memory
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
_NULL: Final = '""'
_DELIMITER_FIELDS: Final = (1, 2)  # MSH-1 and MSH-2, which the parser has read already
_STRUCTURE_FROM: Final = VERSIONS.index("2.3.1")  # MSH-9.3
# Types whose parts the tables do not know: nothing can be said of what is in them.
_ANYTHING: Final = frozenset({"varies", "CM", ""})


class Report(NamedTuple):
    """The ``findings`` of one message, in its order, by the definitions of ``version`` for its ``structure``.

    ``structure`` is "" when that version has none for the message's type and event. ``is_cut``: there are more than
    MOST_FINDINGS, and those left out are not counted.
    """

    version: str
    structure: str
    findings: tuple[Finding, ...]
    is_cut: bool = False


def check_message(message: Message, version: str = "") -> Report:
    """Return what is wrong with a message by a version of VERSIONS, or else by the one nearest to what it states.

    Lengths are checked where the tables have them; codes are not, for sites add to most of HL7's tables.
    """
    stated = message.version
    used = version or nearest_version(stated)
    found: list[tuple[int, Finding]] = []
    if not version and stated and stated != used:
        found.append((0, Finding("MSH-12", "Version id", Rule.OTHER_VERSION, f"checked as {used}")))
    structure, of_header = _check_header(message, used)
    found += [(0, finding) for finding in of_header]
    seen: dict[str, int] = {}
    known: list[tuple[int, Location]] = []
    for index, segment in enumerate(message.segments):
        name, *fields = segment.split(message.delimiters.field)
        if not _SEGMENT.fullmatch(name):
            found.append((index, Finding(f"segment {index + 1}", "", Rule.NO_SEGMENT)))
            continue
        seen[name] = seen.get(name, 0) + 1
        place = Location(name, seen[name])
        definition = segment_fields(name, used)
        if name.startswith("Z"):
            continue
        if definition is None:
            found.append((index, _unknown_segment(index, place, used)))
            continue
        known.append((index, place))
        texts = message.fields("MSH")[0] if name == "MSH" else [name, *fields]
        check = _SegmentCheck(place, texts, message.delimiters, used)
        room = MOST_FINDINGS + 1 - len(found)
        found += [(index, finding) for finding in islice(check.findings(definition), max(room, 0))]
    if structure:
        found += _check_order(known, structure, used)
    findings = tuple(finding for _, finding in sorted(found, key=lambda each: each[0]))
    return Report(used, structure, findings[:MOST_FINDINGS], len(findings) > MOST_FINDINGS)


def check_strictly(text: str, version: str) -> list[str]:
    """Return every finding about a message of our own as ``place: rule``; none when it conforms.

    ``version`` is the HL7 version that it must state and keep to. Warnings count: what we send has none.
    """
    try:
        message = parse_message(text.encode())
    except MessageError as error:
        return [str(error)]
    if message.version != version:
        return [f"MSH-12: does not state version {version}"]
    return [f"{finding.path}: {finding.rule}" for finding in check_message(message, version).findings]


def _unknown_segment(index: int, place: Location, version: str) -> Finding:
    having = segment_versions(place.segment)
    if not having:  # its three letters may be a word of a text that was broken into lines: they are not said
        return Finding(f"segment {index + 1}", "", Rule.SEGMENT_UNKNOWN)
    is_newer = VERSIONS.index(having[0]) > VERSIONS.index(version)
    expected = f"defined from {having[0]}" if is_newer else f"defined until {having[-1]}"
    return Finding(str(place), segment_name(place.segment), Rule.SEGMENT_UNKNOWN, expected)


def _check_header(message: Message, version: str) -> tuple[str, list[Finding]]:
    """Return the structure of the message's type and event, and what is wrong with MSH-9."""
    header = message.header
    if not header.message_type:
        return "", []  # a required field, and found to be missing as such
    event = header.trigger_event
    if not event:  # where v2.1 and v2.2 senders leave it
        sent = message.get("EVN-1")
        event = sent if isinstance(sent, str) else ""
    stated = header.message_structure
    names = structure_names(header.message_type, event, stated, version)
    if not names:
        return "", [Finding("MSH-9", "Message type", Rule.NO_MESSAGE)]
    if stated and stated not in names and VERSIONS.index(version) >= _STRUCTURE_FROM:
        return names[0], [Finding("MSH-9.3", "Message type: message structure", Rule.OTHER_STRUCTURE, names[0])]
    return names[0], []


def _check_order(known: list[tuple[int, Location]], structure: str, version: str) -> Iterator[tuple[int, Finding]]:
    names = [place.segment for _, place in known]
    for breach in find_breaches(names, structure, version):
        is_missing = breach.rule is Rule.SEGMENT_MISSING
        at_end = breach.at == len(known)
        index, place = known[-1] if at_end else known[breach.at]
        path = breach.name if is_missing else str(place)
        expected = "at most 1" if breach.rule is Rule.REPEATED else ""
        yield index + at_end, Finding(path, segment_name(breach.name), breach.rule, expected)


class _SegmentCheck:
    """One segment's fields as sent, held against their definitions."""

    def __init__(self, place: Location, texts: list[str], delimiters: Delimiters, version: str) -> None:
        self._place = place
        self._texts = texts
        self._delimiters = delimiters
        self._version = version
        self._blanks = "".join(delimiters) + " \t\n"

    def findings(self, definition: Mapping[int, Part]) -> Iterator[Finding]:
        for number in range(1, max(len(self._texts), *definition, 1) + 1):
            if self._place.segment == "MSH" and number in _DELIMITER_FIELDS:
                continue
            text = self._texts[number] if number < len(self._texts) else ""
            part = definition.get(number)
            place = self._place._replace(field=number)
            if self._is_blank(text):
                if part and part.required:
                    yield Finding(str(place), part.name, Rule.FIELD_MISSING, part.expected)
            elif part is None or not part.most:
                finding = self._undefined(place)
                yield finding
                if not finding.expected:
                    return  # no version has so many fields: what follows is no better
            elif text == _NULL:
                if part.required:
                    yield Finding(str(place), part.name, Rule.REQUIRED_NULL, part.expected)
            else:
                yield from self._check_field(self._resolved(part), text, place)

    def _undefined(self, place: Location) -> Finding:
        """Find a field that this version has not: it is of another, or of none."""
        part, older, newer = other_versions(place.segment, place.field, self._version)
        name = part.name if part else ""
        if older:
            return Finding(str(place), name, Rule.WITHDRAWN, f"defined until {older}")
        return Finding(str(place), name, Rule.UNDEFINED, f"defined from {newer}" if newer else "")

    def _resolved(self, part: Part) -> Part:
        """Return the part, and where its type varies (OBX-5), as the type that OBX-2 names."""
        if part.type == "varies" and self._place.segment == "OBX":
            type_name = self._texts[2]
            parts = type_parts(type_name, self._version)
            if parts is not None:
                return part._replace(type=type_name, parts=parts)
        return part

    def _check_field(self, part: Part, text: str, place: Location) -> Iterator[Finding]:
        repetitions = text.split(self._delimiters.repetition)
        if part.most != UNLIMITED and len(repetitions) > part.most:
            yield Finding(str(place), part.name, Rule.REPEATED, f"at most {part.most}")
        if part.type in _ANYTHING:
            return
        separators = tuple(filter(None, (self._delimiters.component, self._delimiters.subcomponent)))
        for number, repetition in enumerate(repetitions, 1):
            yield from self._check_value(part, repetition, place._replace(repetition=number), separators)

    def _check_value(self, part: Part, text: str, place: Location, separators: tuple[str, ...]) -> Iterator[Finding]:
        """Find what is wrong with a repetition, component or sub-component; ``separators`` may still divide it."""
        if self._is_blank(text) or text == _NULL:
            return
        if not separators:
            yield from self._check_plain(part, text, place)
            return
        pieces = text.split(separators[0])
        is_divided = any(separator in text for separator in separators)
        for number in range(1, max(len(pieces), *part.parts, 1) + 1):
            piece = pieces[number - 1] if number <= len(pieces) else ""
            inner = _inner(place, number) if is_divided or number > 1 else place
            if not part.parts and number == 1:
                yield from self._check_value(part, piece, inner, separators[1:])
                continue
            inside = part.parts.get(number)
            name = f"{part.name}: {inside.name.lower()}" if inside and inner is not place else part.name
            if inside and inside.most:
                if inside.required and self._is_blank(piece):
                    yield Finding(str(inner), name, Rule.COMPONENT_MISSING, inside.expected)
                yield from self._check_value(inside._replace(name=name), piece, inner, separators[1:])
            elif not self._is_blank(piece):
                is_beyond = number > max(part.parts, default=0)
                yield Finding(str(inner), name, Rule.UNDEFINED if is_beyond else Rule.WITHDRAWN, f"of {part.type}")
                if is_beyond:
                    return  # once for a value is enough

    def _check_plain(self, part: Part, text: str, place: Location) -> Iterator[Finding]:
        """Find what is wrong with what nothing divides any more: it is the first of whatever parts its type has."""
        while part.parts:
            part = part.parts[min(part.parts)]._replace(name=part.name)
        rule = find_breach(unescape(text, self._delimiters), part.type, self._version)
        if rule is Rule.TOO_LONG:
            limit = longest(part.type, self._version)
            yield Finding(str(place), part.name, rule, f"{part.type}, at most {limit} characters")
        elif rule:
            yield Finding(str(place), part.name, rule, part.expected)

    def _is_blank(self, text: str) -> bool:
        return not text.strip(self._blanks)


def _inner(place: Location, number: int) -> Location:
    if place.component:
        return place._replace(subcomponent=number)
    return place._replace(component=number)
