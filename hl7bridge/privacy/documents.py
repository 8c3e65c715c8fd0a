"""A long message -> the same without its documents: the long segments of which nothing may be read or kept."""

from __future__ import annotations

from typing import Final

from hl7bridge.privacy.keeping import may_keep

LONG_SEGMENT: Final = 64 * 1024  # bytes
_HEAD: Final = 4  # the name and the field separator
_SHIFT: Final = b"\x1b"  # begins what ISO 2022 uses to change the set: ASCII bytes may be another character's then


def drop_documents(data: bytes) -> bytes:
    """Return a message with the name alone of each long segment that the privacy profile does not know.

    To decode a document of 16 MiB, and to look for separators in it, takes time that all other messages wait. Only
    where each CR is the end of a segment, and ASCII what it looks like: else the message is returned as it is.
    """
    if b"\n" in data or _SHIFT in data or not data.isascii():
        return data
    kept: list[bytes] = []
    copied = at = 0  # at: where a segment starts
    while len(data) - at > LONG_SEGMENT:
        last = data.rfind(b"\r", at, at + LONG_SEGMENT)
        if last >= 0:
            at = last + 1
            continue
        end = data.find(b"\r", at)
        end = end if end >= 0 else len(data)
        if not may_keep(data[at : at + 3].decode("ascii")):
            kept.append(data[copied : at + _HEAD])
            copied = end
        at = end + 1
    return b"".join((*kept, data[copied:])) if kept else data
