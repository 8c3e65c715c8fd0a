"""MSH-18 and bytes -> text. Source: HL7 v2.5.1 section 2.15.9.18, table 0211; policy for a blank MSH-18 is ours."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from hl7bridge.errors import DATA_TYPE, TABLE_VALUE, Location, MessageError

_MSH_18: Final = Location("MSH", field=18)
_CHARSET_INDEX: Final = 17  # MSH-18 in a plain split, where MSH-1 has no place of its own
_NULL: Final = '""'
_MOST: Final = 200  # characters of MSH-18 that are looked at: ten names
_SHIFT: Final = b"\x1b"  # begins what ISO 2022 uses to change the set
_SHIFTED: Final = "iso2022_jp_ext"  # ISO IR6, IR13, IR14, IR87 and IR159 together, changed by escape sequences
GUESSES: Final = ("utf-8", "cp1252")  # in this order: text that is not UTF-8 almost never passes as UTF-8
# In these, a byte of a longer character may look like a delimiter, so a header is split after it is decoded.
_WIDE: Final = ("gb18030", "big5", "shift_jis", "cp932", _SHIFTED, "iso2022_jp", "iso2022_jp_1")
_FREE: Final = str.maketrans("", "", " _-/.")  # senders leave these out, and put one for another
_REFUSED: Final = frozenset({"UTF16", "UTF16LE", "UTF16BE", "UTF32", "UTF32LE", "UTF32BE", "UCS2"})
_PARTS: Final = (*range(1, 12), *range(13, 17))  # of ISO 8859; table 0211 has 1 to 9 and 15
# Numbers of ISO's register, which table 0211 has for four sets and DICOM, where some senders took theirs, for all.
_REGISTER: Final = {
    6: "ascii", 13: "shift_jis", 14: "shift_jis", 87: "iso2022_jp", 159: "iso2022_jp_1", 149: "euc_kr", 58: "gb18030",
    192: "utf-8", 100: "iso8859-1", 101: "iso8859-2", 109: "iso8859-3", 110: "iso8859-4", 144: "iso8859-5",
    127: "iso8859-6", 126: "iso8859-7", 138: "iso8859-8", 148: "iso8859-9", 166: "iso8859-11", 203: "iso8859-15",
}  # fmt: skip
# Table 0211, and the names that senders write instead, in capitals and without what may be free. CNS 11643-1992 is
# missing: Python has no EUC-TW.
CODECS: Final[dict[str, str]] = {
    **dict.fromkeys(("ASCII", "USASCII", "ISO646", "ISO646US", "ANSIX341968"), "ascii"),
    **{f"{prefix}8859{part}": f"iso8859-{part}" for part in _PARTS for prefix in ("", "ISO", "ISOIEC")},
    **{f"ISOIR{number}": codec for number, codec in _REGISTER.items()},
    **{f"{prefix}{page}": f"cp{page}" for page in range(1250, 1259) for prefix in ("CP", "WINDOWS", "WIN")},
    **{f"{prefix}{page}": f"cp{page}" for page in (437, 850) for prefix in ("CP", "IBM")},
    **dict.fromkeys(("UNICODE", "UTF8", "UNICODEUTF8", "UTF8UNICODE"), "utf-8"),
    **dict.fromkeys(("LATIN1", "ISOLATIN1", "L1"), "iso8859-1"),
    **dict.fromkeys(("LATIN2", "ISOLATIN2"), "iso8859-2"),
    **dict.fromkeys(("LATIN9", "LATIN0"), "iso8859-15"),
    **dict.fromkeys(("ANSI", "MSANSI"), "cp1252"),
    **dict.fromkeys(("GB180302000", "GB18030", "GBK", "GB2312", "CP936"), "gb18030"),
    **dict.fromkeys(("KSX1001", "KSC5601", "EUCKR"), "euc_kr"),
    **dict.fromkeys(("BIG5", "BIG5ETEN", "CP950"), "big5"),
    **dict.fromkeys(("SHIFTJIS", "SJIS"), "shift_jis"),
    **dict.fromkeys(("WINDOWS31J", "MS932", "CP932"), "cp932"),
    **dict.fromkeys(("ISO2022JP", "JIS", "JISX0208"), "iso2022_jp"),
    "EUCJP": "euc_jp",
    "ISO2022JPEXT": _SHIFTED,
}


def find_codec(name: str) -> str | None:
    """Return Python's codec for a name of table 0211 or an alias of it; None when it is not known or not taken."""
    return CODECS.get(name.upper().translate(_FREE))


def declared_codec(declared: str, repetition: str) -> str | None:
    """Return Python's codec for the whole of MSH-18; "" when it names none, None when what it names is not taken.

    The first repetition is the set of the message. Japanese senders name ISO IR6 there, or nothing, and in a later
    one the set that they change to by ISO 2022's sequences (JAHIS); such a message is read as a whole.
    """
    return _codec_of(declared[:_MOST], repetition)


@lru_cache(maxsize=256)
def _codec_of(declared: str, repetition: str) -> str | None:
    first, *others = declared.split(repetition)
    first = first.strip()
    codec = find_codec(first) if first not in ("", _NULL) else ""
    if codec in ("", "ascii") and any((find_codec(name) or "").startswith("iso2022") for name in others):
        return _SHIFTED
    return codec


def find_declared(parts: list[bytes], line: bytes, separator: bytes, repetition: str) -> str:
    """Return MSH-18 whole; ``parts`` is ``line``, the header, split at its separator."""
    declared = parts[_CHARSET_INDEX].decode("latin-1") if len(parts) > _CHARSET_INDEX else ""
    if (line.isascii() and _SHIFT not in line) or declared_codec(declared, repetition):
        return declared
    # Not in its place: a separator before it may be half of a character. The right set finds itself named.
    for codec in _WIDE:
        fields = line.decode(codec, "replace").split(separator.decode("ascii"))
        name = fields[_CHARSET_INDEX] if len(fields) > _CHARSET_INDEX else ""
        if name and declared_codec(name, repetition) == codec:
            return name
    return declared


def require_codec(declared: str, repetition: str = "~") -> str:
    """Return Python's codec for the whole of MSH-18, "" when it names none; raises MessageError (103) at MSH-18."""
    codec = declared_codec(declared, repetition)
    if codec is not None:
        return codec
    if declared.partition(repetition)[0].upper().translate(_FREE).removeprefix("UNICODE") in _REFUSED:
        raise MessageError(
            TABLE_VALUE,
            _MSH_18,
            "UTF-16 and UTF-32 cannot be framed by MLLP; send UNICODE UTF-8",
        )
    raise MessageError(TABLE_VALUE, _MSH_18, "the character set is not one of table 0211 that is taken here")


def decode_known(data: bytes, codec: str, whose: str) -> str:
    """Return the text of a message whose character set is known; raises MessageError (102) at MSH-18.

    ``whose`` says in the error how it is known: ``declared``, or ``configured``.
    """
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        place = _segment_at(data, error.start)
    raise MessageError(DATA_TYPE, _MSH_18, f"{place} holds bytes that are not of the {whose} character set")


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
