"""MSH-18 and bytes -> text. Source: HL7 v2.5.1 section 2.15.9.18, table 0211; policy for a blank MSH-18 is ours."""

from __future__ import annotations

from typing import Final

from hl7bridge.errors import DATA_TYPE, TABLE_VALUE, Location, MessageError

_MSH_18: Final = Location("MSH", field=18)
GUESSES: Final = ("utf-8", "cp1252")  # in this order: text that is not UTF-8 almost never passes as UTF-8
_REFUSED: Final = frozenset(
    {"UNICODE UTF-16", "UNICODE UTF-32", "UTF-16", "UTF-32", "UTF16", "UTF32", "UTF-16LE", "UTF-16BE"}
)
# Table 0211, and the names that senders write instead. CNS 11643-1992 is missing: Python has no EUC-TW.
CODECS: Final[dict[str, str]] = {
    "ASCII": "ascii",
    "US-ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (*range(1, 10), 15)},
    **{f"ISO-8859-{part}": f"iso8859-{part}" for part in (*range(1, 10), 15)},
    **{f"ISO8859-{part}": f"iso8859-{part}" for part in (*range(1, 10), 15)},
    "ISO IR6": "ascii",
    "ISO IR14": "shift_jis",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_1",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "LATIN1": "iso8859-1",
    "LATIN-1": "iso8859-1",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
}


def find_codec(name: str) -> str | None:
    """Return Python's codec for a name of table 0211 or an alias of it; None when it is not known or not taken."""
    return CODECS.get(name) or CODECS.get(name.strip().upper())


def require_codec(name: str) -> str:
    """Return Python's codec for MSH-18; raises MessageError (103) at MSH-18."""
    codec = find_codec(name)
    if codec:
        return codec
    if name.strip().upper() in _REFUSED:
        raise MessageError(
            TABLE_VALUE,
            _MSH_18,
            "UTF-16 and UTF-32 cannot be framed by MLLP; send UNICODE UTF-8",
        )
    raise MessageError(TABLE_VALUE, _MSH_18, "the character set is not one of table 0211 that is taken here")


def decode_declared(data: bytes, codec: str) -> str:
    """Return the text of a message whose character set is known; raises MessageError (102) at MSH-18."""
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        place = _segment_at(data, error.start)
    raise MessageError(DATA_TYPE, _MSH_18, f"{place} holds bytes that are not of the declared character set")


def decode_guessed(data: bytes) -> tuple[str, str]:
    """Return text and codec of a message that declares nothing; raises MessageError (102) at MSH-18."""
    for codec in GUESSES:
        try:
            return data.decode(codec), codec
        except UnicodeDecodeError as error:
            at = error.start
    place = _segment_at(data, at)
    raise MessageError(
        DATA_TYPE, _MSH_18, f"{place} is neither UTF-8 nor Windows-1252, and MSH-18 names no character set"
    )


def _segment_at(data: bytes, offset: int) -> str:
    """Return which segment an offset is in, by number and, when it has one, by name."""
    lines = [line for line in data[: offset + 1].replace(b"\n", b"\r").split(b"\r") if line]
    name = lines[-1][:3].decode("ascii", "replace")
    called = f" ({name})" if name.isascii() and name.isalnum() else ""
    return f"segment {len(lines)}{called}"
