"""One mapping being compiled: its file, what was found wrong so far, its tables and the events it names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final, NamedTuple

from hl7bridge.errors import Problem
from hl7bridge.mapping.layers import MappingFile
from hl7bridge.mapping.spec import Event, Table
from hl7bridge.tomlfile import KeyPath

_CODE_LENGTH: Final = 3


class Context(NamedTuple):
    """What the parts of the compiler share. ``problems`` grows as they go on."""

    file: MappingFile
    problems: list[Problem]
    tables: dict[str, Table]
    events: frozenset[Event]

    def problem(self, path: KeyPath, problem: str, hint: str = "") -> None:
        """Note one problem at a key."""
        self.problems.append(self.file.problem(path, problem, hint))

    def unknown(self, path: KeyPath, key: str, known: Iterable[str], what: str) -> None:
        """Note a name that is not known, with the nearest one that is."""
        self.problem((*path, key), f"unknown {what}", nearest(key, known))


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the name that was probably meant; None when none is near."""
    near = difflib.get_close_matches(name, sorted(known), 1)
    return near[0] if near else None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint: the name that was probably meant, or all that there are."""
    words = sorted(known)
    near = meant(name, words)
    return f"did you mean {near!r}?" if near else "known: " + ", ".join(words)


def misspelt(names: Iterable[object], known: Iterable[str]) -> set[str]:
    """Return the known names that others, which are not known, probably mean: what follows from these is not told."""
    words = set(known)
    near = (meant(str(name), words) for name in names if name not in words)
    return {name for name in near if name is not None}


def parse_event(text: object) -> Event | None:
    """Return the message type and event of ``DFT^P03``; None for anything else."""
    parts = text.split("^") if isinstance(text, str) else []
    return (parts[0], parts[1]) if len(parts) == 2 and all(map(is_code, parts)) else None  # noqa: PLR2004


def is_code(text: object) -> bool:
    """Return whether this can be a segment's name, a message type or an event: three capitals or digits."""
    return isinstance(text, str) and len(text) == _CODE_LENGTH and text.isalnum() and text.upper() == text
