"""The csv layout: placements, notices and answers <-> RFC 4180 text, UTF-8, CR LF, a header line.

What a spreadsheet would run is written with an apostrophe in front (``placements_csv``); a value that comes in and
would be run is refused, unless it has that apostrophe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from hl7bridge.layouts.answers import COLUMNS, Cells, Collected, find_kind, iso_day, name_problems
from hl7bridge.layouts.layout import (
    MOST_BYTES,
    MOST_COLUMNS,
    FileContext,
    Layout,
    LineProblem,
    Parsed,
)
from hl7bridge.layouts.notices import NOTICE_COLUMNS, notice_values
from hl7bridge.layouts.placements_csv import bare, encode_placements, is_formula
from hl7bridge.placement.records import Notice, NoticeKind

_BOM: Final = b"\xef\xbb\xbf"


def parse_answers(kind: str | None, data: bytes) -> Parsed:
    """Return the records of a file that an agency sent, or every problem by its line; see ``layout.Layout``.

    The header is required; its columns may stand in any order and none may be unknown. Blank lines are skipped; a byte
    order mark and any line ends are taken.
    """
    if len(data) > MOST_BYTES:
        return _refused(kind, 1, f"more than {MOST_BYTES} bytes")
    data = data.removeprefix(_BOM)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _refused(kind, data.count(b"\n", 0, error.start) + 1, "not UTF-8")
    rows = _rows(text)
    try:
        line, header = next(rows, (1, []))
    except csv.Error as error:
        return _refused(kind, 1, f"not CSV: {error}")
    names = [name.strip().lower() for name in header]
    kind = kind or find_kind(names)
    found = Collected(kind)
    for problem in _header_problems(kind, names):
        found.note(line, problem)
    if found.problems:
        return found.parsed()
    _read_rows(found, rows, names)
    return found.parsed()


def _refused(kind: str | None, line: int, problem: str) -> Parsed:
    return Parsed(kind or "", problems=(LineProblem(line, problem),))


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    for row in reader:
        line, start = start, reader.line_num + 1
        if any(cell.strip() for cell in row):
            yield line, row


def _header_problems(kind: str, names: Sequence[str]) -> list[str]:
    if not names:
        return ["there is no header"]
    if len(names) > MOST_COLUMNS:
        return [f"more than {MOST_COLUMNS} columns"]
    if kind not in COLUMNS:
        return [f"the columns are of no kind of file (one of {', '.join(COLUMNS)})"]
    return [f"the header: {problem}" for problem in name_problems(kind, names)]


def _read_rows(found: Collected, rows: Iterator[tuple[int, list[str]]], names: Sequence[str]) -> None:
    line = 1
    try:
        for line, row in rows:
            if len(row) != len(names):
                found.note(line, f"{len(row)} values, and the header has {len(names)} columns")
            else:
                formulas = [name for name, cell in zip(names, row, strict=True) if is_formula(cell)]
                for name in formulas:
                    found.note(line, f"{name}: begins like a formula")
                if not formulas:
                    found.add(Cells(line, dict(zip(names, map(bare, row), strict=True)), iso_day))
            if found.is_full:
                return
    except csv.Error as error:
        found.note(line + 1, f"not CSV: {error}")


def _encode_placements(columns: Sequence[str], rows: Sequence[Sequence[str]], _: FileContext) -> bytes:
    return encode_placements(columns, rows)


def _encode_notices(notices: Sequence[Notice], _: FileContext) -> bytes:
    return encode_placements(NOTICE_COLUMNS, [tuple(notice_values(notice).values()) for notice in notices])


CSV: Final = Layout(
    name="csv",
    version=1,
    suffix="csv",
    encode_placements=_encode_placements,
    encode_notices=_encode_notices,
    parse_answers=parse_answers,
    placement_problem=lambda _columns, _row: "",
    notice_problem=lambda _notice: "",
    carries=frozenset(NoticeKind),
)
