"""How a message or a batch begins: MSH, FHS or BHS and a sign. Source: HL7 v2.5.1 sections 2.5.4 and 2.10.3."""

from __future__ import annotations

import re
from typing import Final

SIGN: Final = rb"[!#-/:-@\[-`{-~]"  # what may be a field separator: printable, no letter, digit, space or quote
_NAMES: Final = (b"MSH", b"FHS", b"BHS")
_CUT: Final = frozenset(name[:length] for name in _NAMES for length in range(len(name) + 1))
OPENING: Final = re.compile(rb"(?:MSH|FHS|BHS)" + SIGN)
# What begins another text where a line does (or after the NUL that some send at the end), by the first letter of the
# one before: a file holds batches, and a batch holds messages.
NEXT_TEXT: Final = {
    names[0]: re.compile(rb"[\r\n\x00](?:%b)%b" % (names, SIGN)) for names in (b"MSH|FHS|BHS", b"BHS|FHS", b"FHS")
}
# One set in front, so that the search runs over other bytes at full speed.
START_OR_LINE: Final = re.compile(rb"[\x0b\r\n\x00](?:(?<=\x0b)|(?:MSH|FHS|BHS)%b)" % SIGN)
_CUT_LINE: Final = re.compile(rb"[\r\n\x00](?:M(?:SH?)?|[FB](?:HS?)?)?\Z")
_LONGEST_CUT_LINE: Final = 4

Bytes = bytes | bytearray


def is_name(data: Bytes, position: int) -> bool | None:
    """Return whether MSH, FHS or BHS stands at ``position``; None when only more bytes can tell."""
    head = bytes(data[position : position + 3])
    return True if head in _NAMES else None if head in _CUT else False


def is_opening(data: Bytes, position: int) -> bool | None:
    """Return whether MSH, FHS or BHS and a sign stand at ``position``; None when only more bytes can tell."""
    if OPENING.match(data, position):
        return True
    return None if bytes(data[position : position + 4]) in _CUT else False


def find_cut_line(data: Bytes, position: int) -> int:
    """Return where, at the end of ``data``, a line begins that may become an opening: its CR, LF or NUL before it.

    Nothing before ``position`` counts. Without one it is the length of ``data``.
    """
    found = _CUT_LINE.search(data, max(position, len(data) - _LONGEST_CUT_LINE))
    return found.start() if found else len(data)
