"""A CSV file of signals -> lines that can be stored, or every problem by line number."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Final, NamedTuple

from hl7bridge.rules.signals import is_day, signal_problem

REQUIRED: Final = ("account", "name", "value")
OPTIONAL: Final = ("facility", "observed_on", "until", "source")


class SignalLine(NamedTuple):
    """One signal of a file; what the file does not say is None. ``until`` is the last day of a hold."""

    line: int
    account: str
    facility: str | None
    name: str
    value: str
    observed_on: dt.date | None
    source: str | None
    until: dt.date | None = None


class LineProblem(NamedTuple):
    """What is wrong with one line (counted from 1, the header's); it quotes no value."""

    line: int
    problem: str


class SignalFile(NamedTuple):
    """A parsed file: when there is one problem or more, nothing of it may be stored."""

    lines: tuple[SignalLine, ...]
    problems: tuple[LineProblem, ...]


def parse_signals(text: str) -> SignalFile:
    """Return the signals of a CSV text (RFC 4180; a byte order mark and any line ends are taken).

    The header is required; its columns may stand in any order and none may be unknown. Blank lines are skipped.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    lines: list[SignalLine] = []
    problems: list[LineProblem] = []
    columns: list[str] = []
    start = 1
    try:
        for row in reader:
            line, start = start, reader.line_num + 1
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not columns:
                columns = [cell.lower() for cell in cells]
                found = _header_problems(columns)
                if found:
                    return SignalFile((), tuple(LineProblem(line, problem) for problem in found))
            elif len(cells) != len(columns):
                problems.append(LineProblem(line, f"{len(cells)} fields, and the header has {len(columns)}"))
            else:
                _read_line(line, dict(zip(columns, cells, strict=True)), lines, problems)
    except csv.Error as error:
        problems.append(LineProblem(start, f"not CSV: {error}"))
    if not columns:
        problems.append(LineProblem(1, "there is no header; it names " + ", ".join(REQUIRED)))
    return SignalFile(tuple(lines), tuple(problems))


def _header_problems(columns: list[str]) -> list[str]:
    known = (*REQUIRED, *OPTIONAL)
    problems = [f"column {name} is missing" for name in REQUIRED if name not in columns]
    problems += [
        f"column {at} is not known (one of {', '.join(known)})"
        for at, name in enumerate(columns, 1)
        if name not in known
    ]
    twice = [name for name in known if columns.count(name) > 1]
    return problems + [f"column {name} is there twice" for name in twice]


def _read_line(line: int, cells: dict[str, str], lines: list[SignalLine], problems: list[LineProblem]) -> None:
    found = [f"{name} is empty" for name in REQUIRED if not cells[name]]
    if not found:
        wrong = signal_problem(cells["name"], cells["value"])
        found += [f"{wrong.key}: {wrong.problem} ({wrong.hint})"] if wrong else []
    days = {name: cells.get(name) or "" for name in ("observed_on", "until")}
    found += [f"{name}: not a day (YYYY-MM-DD)" for name, day in days.items() if day and not is_day(day)]
    problems += [LineProblem(line, problem) for problem in found]
    if not found:
        lines.append(
            SignalLine(
                line,
                cells["account"],
                cells.get("facility") or None,
                cells["name"],
                cells["value"],
                _day(days["observed_on"]),
                cells.get("source") or None,
                _day(days["until"]),
            )
        )


def _day(text: str) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None
