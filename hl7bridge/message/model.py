"""A message as a lazy view on its text: segments at once, fields when first asked, values by path."""

from __future__ import annotations

from enum import Enum
from typing import Final

from hl7bridge.message.delimiters import Delimiters
from hl7bridge.message.escape import unescape
from hl7bridge.message.header import Header, build_header
from hl7bridge.message.path import Path, parse_path

__all__ = ["ABSENT", "NULL", "Delimiters", "Empty", "Message"]

_NULL_TEXT: Final = '""'
_ENCODING_CHARACTERS: Final = 2  # MSH-1 and MSH-2 hold the delimiters themselves and are never divided


class Empty(Enum):
    """Why a value is not text. Source: HL7 v2.5.1 section 2.7, field states."""

    ABSENT = ""  # no statement: keep what is known
    NULL = _NULL_TEXT  # delete what is known


ABSENT: Final = Empty.ABSENT
NULL: Final = Empty.NULL


class Message:
    """One HL7 v2 message; made by ``parse_message``.

    ``segments`` are the non-blank lines as sent; ``charset`` is Python's codec of the bytes they came from, and
    ``charset_guessed`` says that MSH-18 did not name it. Nothing here is decoded but what ``get`` returns.
    """

    __slots__ = (
        "_fields",
        "_header",
        "_index",
        "_msh",
        "_sender",
        "charset",
        "charset_guessed",
        "delimiters",
        "segments",
        "text",
    )

    def __init__(
        self,
        text: str,
        segments: list[str],
        msh: list[str],
        delimiters: Delimiters,
        charset: str,
        *,
        charset_guessed: bool = False,
    ) -> None:
        self.text = text
        self.segments = segments
        self.delimiters = delimiters
        self.charset = charset
        self.charset_guessed = charset_guessed
        self._msh = msh
        self._fields: dict[str, list[list[str]]] = {"MSH": [msh]}
        self._header: Header | None = None
        self._sender: tuple[str, str] | None = None
        # By name and separator together, so that a line of stray text is never taken for a segment.
        index: dict[str, list[str]] = {}
        for segment in segments:
            key = segment[:4]
            if key in index:
                index[key].append(segment)
            else:
                index[key] = [segment]
        self._index = index

    def fields(self, name: str) -> list[list[str]]:
        """Return, for each segment of that name, its fields as sent: index is HL7's field number, 0 the name.

        A list may be shorter than the segment's definition: what is not there was not sent. Do not change it.
        """
        found = self._fields.get(name)
        if found is None:
            separator = self.delimiters.field
            found = [segment.split(separator) for segment in self._lines(name)]
            self._fields[name] = found
        return found

    def count(self, name: str) -> int:
        """Return how many segments of that name there are."""
        return len(self._lines(name))

    def _lines(self, name: str) -> list[str]:
        key = name + self.delimiters.field
        if name in self._index:  # a segment that is its name alone
            return [segment for segment in self.segments if segment[:4] in (key, name)]
        return self._index.get(key, [])

    def get(self, path: str | Path) -> str | Empty:
        """Return the value at a path, escapes decoded; ABSENT when nothing was sent, NULL for ``""``.

        A path without a component gives the whole repetition, its delimiters in it.
        """
        if isinstance(path, str):
            path = parse_path(path)
        segments = self.fields(path.segment)
        if len(segments) < path.occurrence:
            return ABSENT
        fields = segments[path.occurrence - 1]
        text = fields[path.field] if path.field < len(fields) else ""
        if path.segment == "MSH" and path.field <= _ENCODING_CHARACTERS:
            return text
        return self._part(text, path)

    def _part(self, text: str, path: Path) -> str | Empty:
        _, component, repetition, _, subcomponent, _, _ = self.delimiters
        for sign, number in (
            (repetition, path.repetition),
            (component, path.component),
            (subcomponent, path.subcomponent),
        ):
            if number > 1 or (number and sign and sign in text):
                if text == _NULL_TEXT:
                    return NULL
                parts = text.split(sign) if sign else [text]
                if number > len(parts):
                    return ABSENT
                text = parts[number - 1]
        if text == _NULL_TEXT:
            return NULL
        return unescape(text, self.delimiters) if text else ABSENT

    @property
    def header(self) -> Header:
        """Return MSH as an answer needs it."""
        if self._header is None:
            self._header = build_header(self._msh, self.delimiters, self.charset)
        return self._header

    @property
    def control_id(self) -> str:
        """Return MSH-10 as sent; "" when missing."""
        return self._msh[10]

    @property
    def message_type(self) -> str:
        """Return MSH-9.1."""
        return self._first(9)

    @property
    def trigger_event(self) -> str:
        """Return MSH-9.2."""
        return self.header.trigger_event

    @property
    def version(self) -> str:
        """Return MSH-12.1."""
        return self._first(12)

    @property
    def processing_id(self) -> str:
        """Return MSH-11.1."""
        return self._first(11)

    @property
    def sender(self) -> tuple[str, str]:
        """Return MSH-3.1 and MSH-4.1: who sent it."""
        if self._sender is None:
            self._sender = self._first(3), self._first(4)
        return self._sender

    @property
    def sending_application(self) -> str:
        """Return MSH-3.1."""
        return self._first(3)

    @property
    def sending_facility(self) -> str:
        """Return MSH-4.1."""
        return self._first(4)

    def _first(self, field: int) -> str:
        return self._msh[field].partition(self.delimiters.component)[0]
