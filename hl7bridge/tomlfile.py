"""TOML text -> values and the line each key stands on, so that every problem can be named ``file:line``.

tomllib gives values and no positions; the scanner below walks the same (already valid) text once for the lines.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

from hl7bridge.errors import ConfigError, Problem

KeyPath = tuple[str | int, ...]
_HEADER = re.compile(r"\[(\[)?[ \t]*(.+?)[ \t]*\]?\][ \t]*(?:#.*)?$", re.MULTILINE)
_KEY_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.)?""")
_BLANKS = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
# A text of one line or several, or anything up to what ends a value.
_SCALAR = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|[^,\]}#\n]*",
    re.DOTALL,
)
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
    return _Scan(text).lines


class _Scan:
    """One walk over a valid TOML text: the line of every key, of inline tables too, and of every entry of a list."""

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text.replace("\r\n", "\n")
        self._ends = [found.start() for found in re.finditer("\n", self._text)]
        self._at = 0
        arrays: dict[KeyPath, int] = {}
        table: KeyPath = ()
        while self._skip():
            start = self._at
            header = _HEADER.match(self._text, self._at)
            if header:
                table = _table_path(_split_key(header[2])[0], arrays, is_array=bool(header[1]))
                self._note((), table)
                self._at = header.end()
            else:
                self._entry(table)
            self._at = max(self._at, start + 1)  # whatever it was, it is not looked at for ever

    def _skip(self) -> bool:
        """Go on to the next sign that is no blank, line end or comment; return whether there is one."""
        self._at = _matched_end(_BLANKS, self._text, self._at)
        return self._at < len(self._text)

    def _note(self, above: KeyPath, parts: Sequence[str | int]) -> None:
        line = bisect_left(self._ends, self._at) + 1
        for end in range(1, len(parts) + 1):
            self.lines.setdefault((*above, *parts[:end]), line)

    def _entry(self, above: KeyPath) -> None:
        """Take one key with its value."""
        parts, end = _split_key(self._text, self._at)
        self._note(above, parts)
        self._at = _matched_end(_EQUALS, self._text, end)
        self._value((*above, *parts))

    def _value(self, path: KeyPath) -> None:
        opening = self._text[self._at : self._at + 1]
        if opening not in {"[", "{"}:
            self._at = _matched_end(_SCALAR, self._text, self._at)
            return
        self._at += 1
        index = 0
        while self._skip() and self._text[self._at] not in "]}":
            if opening == "{":
                self._entry(path)
            else:
                self._note(path, (index,))
                self._value((*path, index))
                index += 1
            self._skip()
            self._at += self._text.startswith(",", self._at)
        self._at += 1


def _matched_end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _table_path(parts: list[str], arrays: dict[KeyPath, int], *, is_array: bool) -> KeyPath:
    path: KeyPath = ()
    for index, part in enumerate(parts):
        path = (*path, part)
        if is_array and index == len(parts) - 1:
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = (*path, arrays[path])
    return path


def _split_key(text: str, at: int = 0) -> tuple[list[str], int]:
    """Return the parts of a dotted key, and where it ends."""
    parts: list[str] = []
    while found := _KEY_PART.match(text, at):
        parts.append(next(group for group in found.groups()[:3] if group is not None))
        at = found.end()
        if not found[4]:
            break
    return parts, at
