"""Path text with a repetition chosen by what it holds, as PID-3.1 where 5 = 'MR', -> a reading; and reading by it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from hl7bridge.mapping.convert import convert_text
from hl7bridge.mapping.spec import Condition, Held, Reading
from hl7bridge.message.model import Delimiters
from hl7bridge.message.path import parse_path

_WHERE: Final = re.compile(r"\s+where\b\s*")
_HELD: Final = re.compile(r"([1-9]\d?)(?:\.([1-9]\d?))?\s*=\s*(?:'([^']+)'|\"([^\"]+)\")", re.ASCII)
_AND: Final = re.compile(r"\s+and\s+")
NULL_TEXT: Final = '""'


def parse_reading(text: str) -> Reading:
    """Return what ``PATH`` or ``PATH where N = 'TEXT' and N.N = "TEXT"`` means. Raises ValueError for anything else."""
    found = _WHERE.search(text)
    if not found:
        return Reading(parse_path(text))
    path = parse_path(text[: found.start()])
    if path.repetition > 1:
        raise ValueError("a path with a number of a repetition and with where: write one of them")
    held: list[Held] = []
    at = found.end()
    while True:
        part = _HELD.match(text, at)
        if not part:
            raise ValueError("cannot read what follows where (write it as 5 = 'MR' and 4.1 = 'GOODHOPE')")
        component, subcomponent, single, double = part.groups()
        held.append(Held(int(component), int(subcomponent or 1), single or double))
        at = part.end()
        if at == len(text):
            return Reading(path, tuple(held))
        joint = _AND.match(text, at)
        at = joint.end() if joint else len(text)


def choose_repetition(text: str, where: Iterable[Held], delimiters: Delimiters) -> str:
    """Return the first repetition of a field that holds all of it; "" when none does."""
    for repetition in text.split(delimiters.repetition):
        components = repetition.split(delimiters.component)
        if all(_is_held(held, components, delimiters) for held in where):
            return repetition
    return ""


def _is_held(held: Held, components: list[str], delimiters: Delimiters) -> bool:
    if held.component > len(components):
        return False
    text = components[held.component - 1]
    parts = text.split(delimiters.subcomponent) if delimiters.subcomponent else [text]
    return held.subcomponent <= len(parts) and convert_text(parts[held.subcomponent - 1], delimiters) == held.text


def read_part(reading: Reading, text: str, delimiters: Delimiters, *, is_whole: bool = False) -> str:
    """Return the text that a reading finds in a whole field, as sent; the null when that deletes it, "" for nothing.

    A path without a component reads the first one: ``PID-7`` is the time, not its degree of precision. With
    ``is_whole`` the field, or the repetition that was chosen, is not divided.
    """
    path = reading.path
    if reading.where and text != NULL_TEXT:
        text = choose_repetition(text, reading.where, delimiters)
    for sign, number in (
        (delimiters.repetition, 0 if reading.where or (is_whole and path.repetition == 1) else path.repetition),
        (delimiters.component, 0 if is_whole else path.component or 1),
        (delimiters.subcomponent, path.subcomponent),
    ):
        if text == NULL_TEXT:
            return text
        if number:
            parts = text.split(sign) if sign else [text]
            if number > len(parts):
                return ""
            text = parts[number - 1]
    return text


def is_met(condition: Condition, field: str, delimiters: Delimiters) -> bool:
    """Return whether a condition holds of a whole field's text; a null is nothing that was said."""
    sent = read_part(condition.reading, field, delimiters) if field else ""
    text = "" if sent == NULL_TEXT else convert_text(sent, delimiters)
    return {
        "in": text in condition.words,
        "not_in": text not in condition.words,
        "present": bool(text),
        "absent": not text,
        "starts_with": text.startswith(condition.words),
    }[condition.op]
