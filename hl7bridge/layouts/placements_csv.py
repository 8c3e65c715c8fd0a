"""Placements <-> the CSV file an agency reads, and the trailer file with its control totals (RFC 4180, UTF-8, CRLF).

A spreadsheet runs a cell that begins with ``= + - @``, a tab or a return as a formula. Such a value gets an apostrophe
in front, which a spreadsheet hides and ``parse_placements`` takes away; amounts such as ``-12.50`` are left alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_AMOUNT: Final = re.compile(r"-\d+\.\d\d\Z")
_COUNT: Final = re.compile(r"[0-9]{1,12}\Z", re.ASCII)
_TRAILER_FORMS: Final = {
    "file": re.compile(r"[^/\\\x00-\x1f]{1,200}\Z"),
    "number": _COUNT,
    "records": _COUNT,
    "layout_version": _COUNT,
    "balance_total": re.compile(r"-?[0-9]{1,13}(\.[0-9]{1,2})?\Z", re.ASCII),
    "sha256": re.compile(r"[0-9a-fA-F]{64}\Z", re.ASCII),
}


class PlacementTable(NamedTuple):
    """The columns and rows of a placement file, all text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Trailer(NamedTuple):
    """What proves that a file is whole. ``balance_total`` is dollars, ``created_at`` ISO 8601 UTC.

    The last three were added: a trailer without them is of placements in the first csv layout.
    """

    file: str
    number: int
    agency: str
    records: int
    balance_total: str
    sha256: str
    created_at: str = ""
    kind: str = "placements"
    layout: str = "csv"
    layout_version: int = 1


def encode_placements(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return the file: a header and a line for each row."""
    return _encode([columns, *rows])


def parse_placements(data: bytes) -> PlacementTable:
    """Return what ``encode_placements`` was given; blank lines are skipped. Raises ValueError for any other file."""
    try:
        lines = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
        header, *rows = [line for line in lines if line]
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if any(len(row) != len(header) for row in rows):
        raise ValueError("a line has more or fewer fields than the header")
    return PlacementTable(tuple(map(bare, header)), tuple(tuple(map(bare, row)) for row in rows))


def encode_trailer(trailer: Trailer) -> bytes:
    """Return the trailer file: ``key,value`` lines. It is written after the file it tells of."""
    return _encode([("key", "value"), *((key, str(value)) for key, value in trailer._asdict().items())])


def parse_trailer(data: bytes) -> Trailer:
    """Return what ``encode_trailer`` was given. Raises ValueError when a key is missing, twice or not understood."""
    rows = parse_placements(data.removeprefix(b"\xef\xbb\xbf")).rows
    values = {row[0]: row[-1] for row in rows}
    missing = [key for key in Trailer._fields if key not in values and key not in Trailer._field_defaults]
    if missing:
        raise ValueError("the trailer does not say " + ", ".join(missing))
    if len(values) < len(rows):
        raise ValueError("the trailer says something twice")
    for key, form in _TRAILER_FORMS.items():
        if key in values and not form.match(values[key]):
            raise ValueError(f"the trailer's {key} is not understood")
    known = {key: values[key] for key in Trailer._fields if key in values}
    numbers = {key: int(known[key]) for key in ("number", "records", "layout_version") if key in known}
    return Trailer(**(known | numbers))  # type: ignore[arg-type]


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a file, in hexadecimal, as the trailer has it."""
    return hashlib.sha256(data).hexdigest()


def _encode(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_inert(value) for value in row])
    return text.getvalue().encode("utf-8")


def is_formula(value: str) -> bool:
    """Return True for a value that a spreadsheet would run: it is no amount and begins like a formula."""
    return value.startswith(_FORMULA) and not _AMOUNT.match(value)


def _inert(value: str) -> str:
    """Return a value that no spreadsheet runs. One that would be mistaken for such a value gets an apostrophe too."""
    if value.lstrip("'").startswith(_FORMULA) and not _AMOUNT.match(value):
        return "'" + value
    return value


def bare(value: str) -> str:
    """Return a value without the apostrophe that ``encode_placements`` put in front."""
    return value[1:] if value.startswith("'") and value.lstrip("'").startswith(_FORMULA) else value
