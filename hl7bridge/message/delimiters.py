"""MSH-1 and MSH-2 -> the characters that divide one message. Source: HL7 v2.5.1 section 2.5.4, v2.7 for the fifth."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from hl7bridge.errors import DATA_TYPE, REQUIRED_FIELD, Location, MessageError


class Delimiters(NamedTuple):
    """The dividing characters of a message; ``subcomponent`` and ``truncation`` are "" when MSH-2 has none.

    ``codec``, Python's name of the message's character set, is here because an escape sequence may hold bytes of it.
    """

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""
    codec: str = "utf-8"

    @property
    def encoding_characters(self) -> str:
        """Return MSH-2."""
        return "".join(self[1:6])


DEFAULT: Final = Delimiters()
_FEWEST, _MOST = 3, 5
_RESERVED = '"'  # two of them are HL7's null


def is_delimiter(character: str) -> bool:
    """Return whether one character may divide a message: printable ASCII, no letter, digit, space or quote."""
    return len(character) == 1 and "!" <= character <= "~" and not character.isalnum() and character not in _RESERVED


@lru_cache(maxsize=256)
def parse_delimiters(separator: str, encoding: str, codec: str = "utf-8") -> Delimiters:
    """Return the delimiters that MSH-1 and MSH-2 name; raises MessageError (101, 102) at MSH-1 or MSH-2."""
    if not is_delimiter(separator):
        raise MessageError(DATA_TYPE, Location("MSH", field=1), "the field separator must be a printable sign")
    if not encoding:
        raise MessageError(REQUIRED_FIELD, Location("MSH", field=2), "the encoding characters are missing")
    if not _FEWEST <= len(encoding) <= _MOST or not all(map(is_delimiter, encoding)):
        raise MessageError(
            DATA_TYPE, Location("MSH", field=2), "the encoding characters must be 3 to 5 printable signs"
        )
    if len({separator, *encoding}) <= len(encoding):
        raise MessageError(DATA_TYPE, Location("MSH", field=2), "one sign may not divide in two ways")
    return Delimiters(separator, encoding[0], encoding[1], encoding[2], encoding[3:4], encoding[4:], codec)
