"""A table of codes as CSV text (code,value) -> its codes, each with its line, and every problem of the file."""

from __future__ import annotations

import csv
import io
from typing import Final, NamedTuple

from hl7bridge.errors import Problem

HEADER: Final = ("code", "value")


class CodeLine(NamedTuple):
    """One code of the sender, what it means here, and the line it stands in."""

    code: str
    value: str
    line: int


def parse_csv_table(text: str, file: str) -> tuple[list[CodeLine], list[Problem]]:
    """Return the rows of a table below its header, and its problems; blank rows are passed over."""
    found: dict[str, CodeLine] = {}
    problems: list[Problem] = []
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = tuple(cell.strip().lower() for cell in next(rows, []))
        if header != HEADER:
            return [], [Problem(file, 1, "(header)", "expected the columns code and value", "code,value")]
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            problem = _problem(cells, found)
            if problem:
                problems.append(Problem(file, rows.line_num, cells[0] or "(code)", *problem))
            else:
                found[cells[0]] = CodeLine(cells[0], cells[1], rows.line_num)
    except csv.Error:
        problems.append(Problem(file, rows.line_num, "(row)", "not CSV", "a quote inside a quoted cell is doubled"))
    return list(found.values()), problems


def _problem(cells: list[str], found: dict[str, CodeLine]) -> tuple[str, str] | None:
    if len(cells) != len(HEADER):
        return f"expected 2 columns, found {len(cells)}", "quote a cell that has a comma in it"
    if not cells[0]:
        return "a row without its code", '"*" is for every code that is not listed'
    if not cells[1]:
        return "a code without its value", "remove the row, or say what the code means"
    if cells[0] in found:
        return f"this code is there twice, first in line {found[cells[0]].line}", "remove one of them"
    return None
