"""TOML text -> values and the line each key stands on, so that every problem can be named ``file:line``.

tomllib gives values and no positions; the scanner below walks the same (already valid) text once for the lines.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any, NamedTuple

from hl7bridge.errors import ConfigError, Problem

KeyPath = tuple[str | int, ...]
_HEADER = re.compile(r"\[(\[)?\s*(.+?)\s*\]?\]\s*(?:#.*)?$")
_KEY_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.)?""")
_LINE_IN_ERROR = re.compile(r"\(at line (\d+), column \d+\)")


class TomlFile(NamedTuple):
    """A parsed file: ``data`` as tomllib gives it, ``lines`` from a key's path to its line."""

    file: str
    data: dict[str, Any]
    lines: dict[KeyPath, int]

    def line(self, path: Sequence[str | int]) -> int:
        """Return the line of the nearest key at or above ``path``; 1 when none is known."""
        at = tuple(path)
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)

    def problem(self, path: Sequence[str | int], problem: str, hint: str = "") -> Problem:
        """Return a Problem at a key, named the way a person finds it: ``listeners[1].bind``."""
        return Problem(self.file, self.line(path), key_text(path), problem, hint)


def key_text(path: Sequence[str | int]) -> str:
    """Return ``a.b[2].c`` for a key path; list positions are shown from 1, as people count."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text or "(file)"


def parse_toml(text: str, file: str) -> TomlFile:
    """Return the values and lines of a TOML text; raises ConfigError with the line of a syntax error."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _LINE_IN_ERROR.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        what = _LINE_IN_ERROR.sub("", str(error)).strip()
        raise ConfigError([Problem(file, line, "(syntax)", what, "see https://toml.io")]) from None
    return TomlFile(file, data, _scan_lines(text))


def _scan_lines(text: str) -> dict[KeyPath, int]:
    lines: dict[KeyPath, int] = {}
    arrays: dict[KeyPath, int] = {}
    table: KeyPath = ()
    rows = text.split("\n")
    number = 0
    while number < len(rows):
        row = rows[number].strip()
        number += 1
        if not row or row.startswith("#"):
            continue
        header = _HEADER.match(row) if row.startswith("[") else None
        if header:
            table = _table_path(_split_key(header[2])[0], arrays, is_array=bool(header[1]))
            for end in range(1, len(table) + 1):
                lines.setdefault(table[:end], number)
            continue
        parts, rest = _split_key(row)
        for end in range(1, len(parts) + 1):
            lines.setdefault(table + tuple(parts[:end]), number)
        value = rest.lstrip().removeprefix("=")
        number += _value_rows(value, rows, number)
    return lines


def _table_path(parts: list[str], arrays: dict[KeyPath, int], *, is_array: bool) -> KeyPath:
    path: KeyPath = ()
    for index, part in enumerate(parts):
        path = (*path, part)
        if is_array and index == len(parts) - 1:
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = (*path, arrays[path])
    return path


def _split_key(text: str) -> tuple[list[str], str]:
    parts: list[str] = []
    at = 0
    while True:
        found = _KEY_PART.match(text, at)
        if not found:
            return parts, text[at:]
        parts.append(next(group for group in found.groups()[:3] if group is not None))
        at = found.end()
        if not found[4]:
            return parts, text[at:]


def _value_rows(value: str, rows: list[str], number: int) -> int:
    """Return how many further rows a value takes: open brackets and multi-line strings."""
    depth = 0
    taken = 0
    quote = ""
    while True:
        depth, quote = _scan_value(value, depth, quote)
        if (depth <= 0 and not quote) or number + taken >= len(rows):
            return taken
        value = rows[number + taken]
        taken += 1


def _scan_value(value: str, depth: int, quote: str) -> tuple[int, str]:
    at = 0
    while at < len(value):
        if quote:
            if value[at] == "\\" and quote[0] == '"':
                at += 2
                continue
            if value.startswith(quote, at):
                at += len(quote)
                quote = ""
                continue
        elif value[at] in "\"'":
            quote = value[at] * 3 if value.startswith(value[at] * 3, at) else value[at]
            at += len(quote)
            continue
        elif value[at] == "#":
            break
        else:
            depth += (value[at] in "[{") - (value[at] in "]}")
        at += 1
    return depth, quote if len(quote) > 1 else ""
