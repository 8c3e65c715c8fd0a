"""A block whose sender put something around its message -> the messages in it, for senders that are known to do so.

Source: the repairs that engines in the field offer; each is a switch of the listener's, and none is on by itself.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from hl7bridge.wire.events import TOLERATED
from hl7bridge.wire.opening import OPENING, SIGN

BYTES_BEFORE_MSH: Final = "bytes_before_msh"
CLIPPED_MSH: Final = "clipped_msh"
SEVERAL_MESSAGES: Final = "several_messages"

Repaired = list[tuple[bytes, tuple[str, ...]]]

_BOM = b"\xef\xbb\xbf"
# A header that stands where it should not has to look like one: the separator, three to five other signs, and the
# separator again.
_HEADER = re.compile(rb"(?:MSH|FHS|BHS)(%b)(?:(?!\1)%b){3,5}\1" % (SIGN, SIGN))
# Not three signs: ``H|\^&|`` begins a message of another standard (ASTM E1394).
_CLIPPED = re.compile(rb"S?H(%b)(?:(?!\1)%b){4,5}\1" % (SIGN, SIGN))
_LINE_ENDS = b"\r\n\x00"  # some senders end a message with NUL
_SEGMENT = re.compile(rb"(?:\A|[\r\n])[A-Z][A-Z0-9]{2}%b" % SIGN)


def repair_block(data: bytes, tolerances: frozenset[str]) -> Repaired:
    r"""Return the messages of a block in order, each with the notes of what was mended; of most the block as it is.

    ``bytes_before_msh`` drops what stands before the header, unless a segment is in it: then half a message may
    have run into a whole one, and the block stays as it is. ``clipped_msh`` completes a header that begins ``SH|``
    or ``H|`` and has four or five encoding characters. ``several_messages`` cuts at each further line that begins
    with MSH and the first one's separator; a batch is never cut.
    """
    data, notes = _mend_opening(data, tolerances)
    pieces = _cut_messages(data) if SEVERAL_MESSAGES in tolerances else [data]
    if len(pieces) == 1:
        return [(data, notes)]
    shared = (TOLERATED + SEVERAL_MESSAGES,)
    return [(pieces[0], notes + shared), *((piece, shared) for piece in pieces[1:])]


def _mend_opening(data: bytes, tolerances: frozenset[str]) -> tuple[bytes, tuple[str, ...]]:
    begin = _opening_at(data)
    if OPENING.match(data, begin):
        return data, ()
    found = _CLIPPED.match(data, begin) if CLIPPED_MSH in tolerances else None
    if found:
        return b"MSH" + data[found.start(1) :], (TOLERATED + CLIPPED_MSH,)
    found = _HEADER.search(data) if BYTES_BEFORE_MSH in tolerances else None
    if found and not _SEGMENT.search(data, 0, found.start()):
        return data[found.start() :], (TOLERATED + BYTES_BEFORE_MSH,)
    return data, ()


def _opening_at(data: bytes) -> int:
    """Return where the header should stand: after what the parser passes over, blank lines and a byte order mark."""
    return len(data) - len(data.lstrip(b"\r\n").removeprefix(_BOM).lstrip(b"\r\n"))


def _cut_messages(data: bytes) -> list[bytes]:
    begin = _opening_at(data)
    mark = data[begin : begin + 4]
    if not (mark.startswith(b"MSH") and OPENING.match(mark)):
        return [data]
    cuts = [0]
    at = data.find(mark, begin + 4)
    while at >= 0:
        if data[at - 1] in _LINE_ENDS:
            cuts.append(at)
        at = data.find(mark, at + 4)
    return [data[start:end].rstrip(b"\x00") for start, end in pairwise([*cuts, len(data)])]
