"""A payment message that nobody has seen yet + more payments of the same account -> one message."""

from __future__ import annotations

from typing import Final

from hl7bridge.payments.message import UTF_8

_CHARSET: Final = 17  # MSH-18 in a plain split
_OWN: Final = (6, 9)  # MSH-7 and MSH-10


def count_lines(content: str) -> int:
    """Return how many FT1s a message has."""
    return sum(segment.startswith("FT1|") for segment in content.split("\r"))


def is_same_form(content: str, more: str) -> bool:
    """Return whether two messages say the same in MSH, but for their time, name and character set."""
    return _form_of(content) == _form_of(more)


def join_messages(content: str, more: str) -> str:
    """Return ``content`` with the FT1s of ``more``, and the Z-segments that follow them, behind its own.

    Both are of one form and one account; the ids and the rest are those of ``content``.
    """
    segments, others = content.split("\r"), more.split("\r")
    at = _end_of_lines(segments)
    joined = [*segments[:at], *others[_start_of_lines(others) : _end_of_lines(others)], *segments[at:]]
    if not all(segment.isascii() for segment in joined):
        header = joined[0].split("|")
        header.extend([""] * (_CHARSET + 1 - len(header)))
        header[_CHARSET] = header[_CHARSET] or UTF_8
        joined[0] = "|".join(header)
    return "\r".join(joined)


def _form_of(content: str) -> list[str]:
    fields = content.split("\r", 1)[0].split("|")
    fields.extend([""] * (_CHARSET - len(fields)))
    return [text for at, text in enumerate(fields[:_CHARSET]) if at not in _OWN]


def _start_of_lines(segments: list[str]) -> int:
    return next(at for at, segment in enumerate(segments) if segment.startswith("FT1|"))


def _end_of_lines(segments: list[str]) -> int:
    """Return where the guarantor begins, or the empty rest behind the last segment."""
    last = len(segments) - 1
    return next((at for at, segment in enumerate(segments) if segment.startswith("GT1|")), last)
