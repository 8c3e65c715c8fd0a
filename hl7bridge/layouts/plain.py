"""Text -> ASCII, for layouts whose positions are bytes: accents go, letters with a plain spelling get it."""

from __future__ import annotations

import unicodedata
from typing import Final

_SPELLINGS: Final = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "Œ": "OE",
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "Đ": "D",
        "ð": "d",
        "Ð": "D",
        "þ": "th",
        "Þ": "TH",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
    }
)


def plain(text: str) -> str | None:
    """Return the text in printable ASCII, or None when it has characters with no plain spelling."""
    folded = fold(text)
    return folded if folded.isascii() and folded.isprintable() else None


def plain_or_marked(text: str) -> str:
    """Return the text in printable ASCII, with ``?`` for each character that has no plain spelling."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in fold(text))


def digits(text: str) -> str:
    """Return the digits of a telephone number alone."""
    return "".join(char for char in text if char in "0123456789")


def fold(text: str) -> str:
    """Return the text without accents and with plain spellings; other characters stay as they are."""
    apart = unicodedata.normalize("NFKD", text.translate(_SPELLINGS))
    return "".join(char for char in apart if not unicodedata.combining(char))
