r"""Field text with escape sequences <-> plain text. Source: HL7 v2.5.1 section 2.7; \P\ from v2.7."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache

from hl7bridge.message.delimiters import DEFAULT, Delimiters

# What would end a segment or a block if it were sent as it is.
_FRAMING = {"\r": "X0D", "\n": "X0A", "\x0b": "X0B", "\x1c": "X1C"}


def unescape(text: str, delimiters: Delimiters = DEFAULT) -> str:
    r"""Return ``text`` with its escape sequences decoded, ``\.br\`` as a line feed.

    ``\X..\`` holds bytes of the message's character set (``delimiters.codec``); what is not of it is read as UTF-8,
    else as Latin-1. Unknown, local (``\Z..\``), charset (``\C..\``, ``\M..\``: they say which set the bytes after
    them are of, and here the text has been decoded) and unclosed sequences stay as they are.
    """
    if delimiters.escape not in text:
        return text
    pattern, signs = _decoding(delimiters)

    def decode(found: re.Match[str]) -> str:
        sign, hexadecimal, command, count = found.groups()
        if sign:
            return signs[sign]
        if hexadecimal:
            return _decode_bytes(bytes.fromhex(hexadecimal), delimiters.codec)
        if command == "sk":
            return " " * int(count or 1)
        return "\n" * int(count or 1) if command in ("br", "sp", "ce") else ""

    return pattern.sub(decode, text)


def escape(text: str, delimiters: Delimiters = DEFAULT) -> str:
    """Return plain text as it may stand in a field: delimiters and what would break framing are escaped."""
    return text.translate(_encoding(delimiters))


def _decode_bytes(data: bytes, codec: str) -> str:
    for each in (codec, "utf-8"):
        with suppress(UnicodeDecodeError):
            return data.decode(each)
    return data.decode("latin-1")


@lru_cache(maxsize=64)
def _decoding(delimiters: Delimiters) -> tuple[re.Pattern[str], dict[str, str]]:
    mark = re.escape(delimiters.escape)
    signs = {"F": delimiters.field, "S": delimiters.component, "R": delimiters.repetition}
    signs |= {"E": delimiters.escape, "T": delimiters.subcomponent or "&", "P": delimiters.truncation or "#"}
    signs |= {"H": "", "N": ""}  # highlighting
    commands = r"\.(br|sp|sk|ce|fi|nf|in|ti)\s*[+-]?(\d{0,2})"
    return re.compile(rf"{mark}(?:([FSRETPHN])|X((?:[0-9A-Fa-f]{{2}})+)|{commands}){mark}"), signs


@lru_cache(maxsize=64)
def _encoding(delimiters: Delimiters) -> dict[int, str]:
    mark = delimiters.escape
    signs = dict(zip(delimiters[:6], "FSRETP", strict=True)) | _FRAMING
    return {ord(sign): f"{mark}{code}{mark}" for sign, code in signs.items() if sign}
