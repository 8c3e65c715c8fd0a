"""Settings -> (key, value) rows of all that is in effect, defaults included; secrets are files, so only paths."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from hl7bridge.config.settings import Section, Settings
from hl7bridge.config.values import duration_text, size_text
from hl7bridge.tomlfile import KeyPath, key_text

_SIZES = frozenset({"max_block"})


def describe(settings: Settings) -> list[tuple[str, str]]:
    """Return every effective key, named as in problems (``listeners[1].bind``), with its value as text."""
    return [(key_text(path), text) for path, text in _rows(settings, ())]


def _rows(section: Section, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for name, value in section:
        at = (*path, name)
        if isinstance(value, Section):
            yield from _rows(value, at)
        elif isinstance(value, tuple) and value and isinstance(value[0], Section):
            for index, each in enumerate(value):
                yield from _rows(each, (*at, index))
        elif isinstance(value, dict) and value:
            for key, each in value.items():
                yield (*at, key), _text(each)
        else:
            yield at, size_text(value) if name in _SIZES else _text(value)


def _text(value: object) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.timedelta):
        return duration_text(value)
    if isinstance(value, dt.time):
        return f"{value:%H:%M}"
    if type(value) is tuple or isinstance(value, dict):
        return ", ".join(map(_text, value)) or "(none)"
    return str(value)
