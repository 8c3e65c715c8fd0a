"""An agency's payments as CSV (RFC 4180) or as one JSON object a line -> records, or every problem by line number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Final

from hl7bridge.layouts.jsonl import LineError, read_object
from hl7bridge.layouts.layout import MOST_BYTES, Parsed
from hl7bridge.layouts.remittance import Reading, RemittedLines, refused
from hl7bridge.payments.remittance import REQUIRED, column_problems

_FORMULA: Final = ("=", "+", "@", "\t")  # what a spreadsheet would run; a leading minus is refused with the amount
_BOM: Final = b"\xef\xbb\xbf"


def parse_remittance_csv(data: bytes, reading: Reading) -> Parsed:
    """Return the payments of a CSV file, UTF-8; a byte order mark and any line ends are taken.

    The header is required; its columns may stand in any order and none may be unknown. Blank lines are skipped.
    """
    if len(data) > MOST_BYTES:
        return refused(1, f"more than {MOST_BYTES} bytes")
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        start = error.start + len(data) - len(data.removeprefix(_BOM))
        return refused(data.count(b"\n", 0, start) + 1, "not UTF-8; save the file as CSV UTF-8")
    return _read_rows(text, RemittedLines(reading))


def _read_rows(text: str, found: RemittedLines) -> Parsed:
    rows = _rows(text)
    try:
        line, header = next(rows, (1, []))
        columns = [cell.strip().lower() for cell in header]
        for problem in column_problems(columns) if columns else ["no header: " + ",".join(REQUIRED)]:
            found.note(line, problem)
        if not found.is_empty:
            return found.parsed()
        for each, row in rows:
            _add_row(found, each, columns, row)
            if found.is_full:
                break
    except _BrokenError as error:
        found.note(error.line, str(error))
    if found.is_empty:
        found.note(1, "no payments")
    return found.parsed()


class _BrokenError(ValueError):
    """A text that is not CSV from a line on."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"not CSV: {problem}")
        self.line = line


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the line it begins on."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for row in rows:
            line, start = start, rows.line_num + 1
            if any(cell.strip() for cell in row):
                yield line, row
    except csv.Error as error:
        raise _BrokenError(start, str(error)) from None


def _add_row(found: RemittedLines, line: int, columns: list[str], row: list[str]) -> None:
    surplus = len(row) - len(columns)
    if surplus:
        cells = f"cell{'s' if abs(surplus) > 1 else ''}"
        found.note(line, f"{abs(surplus)} {cells} too {'many' if surplus > 0 else 'few'}")
        return
    cells_of = dict(zip(columns, row, strict=True))
    formulas = [name for name, cell in cells_of.items() if cell.startswith(_FORMULA)]
    for name in formulas:
        found.note(line, f"{name}: begins like a formula")
    found.add(line, cells_of)


def parse_remittance_jsonl(data: bytes, reading: Reading) -> Parsed:
    """Return the payments of a file with one object a line, UTF-8: the names of csv, strings, numbers and null."""
    if len(data) > MOST_BYTES:
        return refused(1, f"more than {MOST_BYTES} bytes")
    found = RemittedLines(reading)
    for line, text in enumerate(data.removeprefix(_BOM).split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            _add_object(found, line, read_object(text))
        except LineError as error:
            found.note(line, str(error))
        if found.is_full:
            break
    if found.is_empty:
        found.note(1, "no payments")
    return found.parsed()


def _add_object(found: RemittedLines, line: int, values: Mapping[str, str]) -> None:
    problems = column_problems(values)
    for problem in problems:
        found.note(line, problem.replace("the header", "the object").replace("column", "name"))
    if not problems:
        found.add(line, values)
