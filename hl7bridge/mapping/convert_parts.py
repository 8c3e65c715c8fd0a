"""A name or an address as people write it, or in components -> the part of it that a field asks for."""

from __future__ import annotations

import re
from typing import Any, Final

from hl7bridge.mapping.convert import Converter, convert_text
from hl7bridge.mapping.records import NULL
from hl7bridge.message.model import Delimiters

# Positions in XPN and XAD. Source: HL7 v2.5.1 chapter 2A.
NAME_PARTS: Final = {"family": 0, "given": 1, "middle": 2}
ADDRESS_PARTS: Final = {"street": 0, "street_2": 1, "city": 2, "state": 3, "postal_code": 4, "country": 5}
_SPLIT_WITH_STATE: Final = frozenset({"city", "state", "postal_code"})
_STATE_AND_CODE: Final = re.compile(r"(?:(.*?)[\s,]+)?([A-Za-z]{2})[\s,]+(\d{5}(?:-?\d{4})?)", re.ASCII)
_ENDS_IN_CODE: Final = re.compile(r"\d{5}(?:-?\d{4})?\s*\Z", re.ASCII)
_LONGEST: Final = 500  # characters of a name or address that are looked at as one line


def build_name(part: str) -> Converter:
    """Return what reads the family, given or middle part of DOE^JANE^Q, ``DOE, JANE Q`` or ``JANE Q DOE``."""

    def convert(text: str, delimiters: Delimiters) -> Any:
        components = _components(text, delimiters)
        if components == [NULL.value]:
            return NULL
        if len(components) > 1:
            return _component(components, NAME_PARTS[part], delimiters)
        return _split_name(_line(components[0], delimiters))[part] or None

    return convert


def _split_name(line: str) -> dict[str, str]:
    family, comma, others = line.partition(",")
    words = others.split() if comma else line.split()
    if not comma:
        family = words.pop() if words else ""
    return {"family": family.strip(), "given": words[0] if words else "", "middle": " ".join(words[1:])}


def build_address(part: str) -> Converter:
    """Return what reads a part of an address: of its components, or of a line that ends in state and postal code."""

    def convert(text: str, delimiters: Delimiters) -> Any:
        components = _components(text, delimiters)
        if components == [NULL.value]:
            return NULL
        if len(components) == 1:
            line = _line(components[0], delimiters)
            return _split_line(line)[part] or None if line else None
        if part in _SPLIT_WITH_STATE and not "".join(components[3:4]):
            # The state is not where it belongs: some senders leave it in the city or beside the postal code.
            for position in (4, 2):
                held = _component(components, position, delimiters)
                found = _STATE_AND_CODE.fullmatch(held) if isinstance(held, str) else None
                if found:
                    city = _component(components, 2, delimiters) if position == 4 else found[1]  # noqa: PLR2004 - XAD.5
                    return {"city": city or None, "state": found[2].upper(), "postal_code": found[3]}[part]
        return _component(components, ADDRESS_PARTS[part], delimiters)

    return convert


def _split_line(line: str) -> dict[str, str]:
    rest, comma, last = line.rpartition(",")
    country = ""
    if comma and not _ENDS_IN_CODE.search(last):
        country, line = last.strip(), rest
    found = _STATE_AND_CODE.fullmatch(line.strip())
    if not found:
        raise ValueError("expected an address that ends in a state and a postal code")
    # Without commas nobody can tell where the street ends: then all of it is the street.
    lines = [part.strip() for part in (found[1] or "").split(",")]
    city = lines.pop() if len(lines) > 1 else ""
    return {
        "street": lines[0],
        "street_2": ", ".join(lines[1:]),
        "city": city,
        "state": found[2].upper(),
        "postal_code": found[3],
        "country": country,
    }


def _components(text: str, delimiters: Delimiters) -> list[str]:
    return text.partition(delimiters.repetition)[0].split(delimiters.component)


def _line(text: str, delimiters: Delimiters) -> str:
    line = convert_text(text, delimiters)
    if len(line) > _LONGEST:
        raise ValueError(f"expected at most {_LONGEST} characters")
    return line


def _component(components: list[str], position: int, delimiters: Delimiters) -> Any:
    """Return a component's first subcomponent: the surname of a family name, the street line of a street."""
    text = components[position] if position < len(components) else ""
    if text == NULL.value:
        return NULL
    first = text.partition(delimiters.subcomponent)[0] if delimiters.subcomponent else text
    return convert_text(first, delimiters) or None
