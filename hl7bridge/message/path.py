"""Path text, as PID-3(2).4 or FT1[2]-11.1.1, <-> the place of a value in a message."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from hl7bridge.errors import Location

_N = "[1-9][0-9]{0,4}"
_PATH = re.compile(rf"([A-Z][A-Z0-9]{{2}})(?:\[({_N})\])?-({_N})(?:\(({_N})\))?(?:\.({_N})(?:\.({_N}))?)?", re.ASCII)


class Path(NamedTuple):
    """The place of a value; all counts from 1. ``component`` or ``subcomponent`` 0: the whole of what is above."""

    segment: str
    occurrence: int
    field: int
    repetition: int = 1
    component: int = 0
    subcomponent: int = 0

    @property
    def location(self) -> Location:
        """Return the same place as ERR-2 names it."""
        return Location(*self)

    def __str__(self) -> str:
        """Return the shortest text that parses to this path."""
        return str(self.location)


@lru_cache(maxsize=1024)
def parse_path(text: str) -> Path:
    """Return the path that ``text`` names: ``SEG[occurrence]-field(repetition).component.subcomponent``.

    Occurrence and repetition are 1 when not given. Raises ValueError for anything else.
    """
    found = _PATH.fullmatch(text)
    if not found:
        raise ValueError(f"not a path: {text!r} (write it as PID-18.1, PID-3(2).4 or FT1[2]-11.1.1)")
    segment, occurrence, field, repetition, component, subcomponent = found.groups()
    return Path(
        segment,
        int(occurrence or 1),
        int(field),
        int(repetition or 1),
        int(component or 0),
        int(subcomponent or 0),
    )
