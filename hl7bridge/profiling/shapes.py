"""Text of a message -> its shape, which characters of which kind stand where; and how often each shape came."""

from __future__ import annotations

import codecs
import re
from typing import Final

from hl7bridge.mapping.readings import NULL_TEXT

MOST_SHAPES: Final = 200  # that one field keeps; a name field has thousands, and they say nothing more
MOST_LENGTH: Final = 64  # of a shape that is kept; free text has no shape that repeats
CUT: Final = "..."
_RUN: Final = re.compile(r"([9A])\1{3,}")


def _kind(code: int) -> str:
    """Return what stands for a character: 9 for digits, A for letters, other signs of ASCII as they are, else ?."""
    sign = chr(code)
    if sign.isdecimal():
        return "9"
    if sign.isalpha():
        return "A"
    return sign if sign == "\r" or " " <= sign <= "~" else "?"


_ASCII: Final = bytes(ord(_kind(code)) for code in range(128)) + b"?" * 128


def _shape_others(error: UnicodeError) -> tuple[str, int]:
    """Return the shape of what is not ASCII, for ``str.encode``: the rest is made in one go, ten times as fast."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_kind(ord(sign)) for sign in error.object[error.start : error.end]), error.end


_OTHERS: Final = "hl7bridge.shape"
codecs.register_error(_OTHERS, _shape_others)


def shape_of(text: str) -> str:
    """Return the shape of a text, as long as it: no letter or digit of it is left. Segments stay divided by CR."""
    return text.encode("ascii", _OTHERS).translate(_ASCII).decode("ascii")


def shown_shape(shape: str) -> str:
    """Return a shape as people read it: ``9{8}`` for eight digits in a row."""
    return _RUN.sub(lambda run: f"{run[1]}{{{len(run[0])}}}", shape)


class Shapes:
    """The shapes of one field: how often each came, of at most MOST_SHAPES; ``more`` is how often any other did.

    ``nulls`` counts HL7's null, which deletes; blanks are nothing that was sent. Memory is bounded whatever comes.
    """

    __slots__ = ("counts", "longest", "more", "nulls", "shortest")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.more = 0
        self.nulls = 0
        self.shortest = 0
        self.longest = 0

    def add(self, shape: str, times: int = 1) -> None:
        """Count values by their shape; "" is none."""
        if shape in self.counts:
            self.counts[shape] += times
        elif shape:
            self._add_new(shape, times)

    def _add_new(self, shape: str, times: int) -> None:
        if shape == NULL_TEXT:
            self.nulls += times
            return
        if shape.isspace():
            return
        size = len(shape)
        self.shortest = min(self.shortest or size, size)
        self.longest = max(self.longest, size)
        kept = shape if size <= MOST_LENGTH else shape[:MOST_LENGTH] + CUT
        if kept in self.counts:
            self.counts[kept] += times
        elif len(self.counts) < MOST_SHAPES:
            self.counts[kept] = times
        else:
            self.more += times

    @property
    def sent(self) -> int:
        """Return how many values there were."""
        return sum(self.counts.values()) + self.more

    def most_common(self, number: int) -> list[tuple[str, int]]:
        """Return the shapes that came most often, as people read them, and how often each came."""
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [(shown_shape(shape), count) for shape, count in ranked[:number]]

    def beyond(self, number: int) -> int:
        """Return how many values have a shape that is not among the first ``number``."""
        return self.sent - sum(sorted(self.counts.values(), reverse=True)[:number])
