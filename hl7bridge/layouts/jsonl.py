"""The jsonl layout: placements, notices and answers <-> one JSON object a line, UTF-8; the names are those of csv.

Every value that is written is a string, "" when unknown: no reader makes a float of an amount. Source: RFC 8259.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from hl7bridge.layouts.answers import COLUMNS, Cells, Collected, find_kind, iso_day, name_problems
from hl7bridge.layouts.layout import MOST_BYTES, MOST_COLUMNS, FileContext, Layout, LineProblem, Parsed
from hl7bridge.layouts.notices import notice_values
from hl7bridge.placement.records import Notice, NoticeKind

LONGEST_LINE: Final = 64 * 1024  # bytes
_BOM: Final = b"\xef\xbb\xbf"
_WORDS: Final = {True: "yes", False: "no", None: ""}


def parse_answers(kind: str | None, data: bytes) -> Parsed:
    """Return the records of a file that an agency sent, or every problem by its line; see ``layout.Layout``.

    A line is an object of names and strings, numbers, true (yes), false (no) or null (empty). Blank lines are skipped.
    """
    if len(data) > MOST_BYTES:
        return Parsed(kind or "", problems=(LineProblem(1, f"more than {MOST_BYTES} bytes"),))
    found: Collected | None = None
    usual: tuple[str, ...] = ()  # names that were looked at
    for line, text in enumerate(data.removeprefix(_BOM).split(b"\n"), 1):
        if not text.strip():
            continue
        values, problem = _try_object(text)
        if found is None:
            kind = kind or find_kind(values)
            found = Collected(kind)
            if kind not in COLUMNS and not problem:
                problem = f"the names are of no kind of file (one of {', '.join(COLUMNS)})"
        if problem:
            found.note(line, problem)
        elif tuple(values) == usual or not _note_names(found, line, values):
            usual = tuple(values)
            found.add(Cells(line, values, iso_day))
        if found.is_full or found.kind not in COLUMNS:
            break
    return found.parsed() if found else Parsed(kind or "", problems=(LineProblem(1, "there is no record"),))


def _note_names(found: Collected, line: int, values: Mapping[str, str]) -> bool:
    """Note what is wrong with an object's names; return True when something is."""
    wrong = name_problems(found.kind, values)
    for problem in wrong:
        found.note(line, problem)
    return bool(wrong)


class LineError(ValueError):
    """What is wrong with one line; it quotes no value."""


def _try_object(text: bytes) -> tuple[dict[str, str], str]:
    try:
        return read_object(text), ""
    except LineError as error:
        return {}, str(error)


def read_object(text: bytes) -> dict[str, str]:
    """Return one line's values as text; raises LineError when it is no object of plain values."""
    try:
        value = _read_value(text)
    except UnicodeDecodeError:
        raise LineError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise LineError(f"not JSON, at column {error.colno}") from None
    except RecursionError:
        raise LineError("not JSON") from None
    if not isinstance(value, dict):
        raise LineError("not an object")
    return {name: _as_text(each) for name, each in value.items()}


def _read_value(text: bytes) -> Any:
    if len(text) > LONGEST_LINE:
        raise LineError(f"more than {LONGEST_LINE} bytes")
    return json.loads(
        text.decode("utf-8"), object_pairs_hook=_once, parse_float=str, parse_int=str, parse_constant=_refuse_constant
    )


def _as_text(value: Any) -> str:
    if isinstance(value, dict | list):
        raise LineError("an object or a list inside")
    return value if isinstance(value, str) else _WORDS[value]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise LineError("a name is there twice")
    if len(pairs) > MOST_COLUMNS:
        raise LineError(f"more than {MOST_COLUMNS} names")
    return values


def _refuse_constant(_: str) -> None:
    raise LineError("not a number of JSON")


def _encode_placements(columns: Sequence[str], rows: Sequence[Sequence[str]], _: FileContext) -> bytes:
    return _encode(dict(zip(columns, row, strict=True)) for row in rows)


def _encode_notices(notices: Sequence[Notice], _: FileContext) -> bytes:
    return _encode(notice_values(notice) for notice in notices)


def _encode(rows: Iterable[Mapping[str, str]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8")


JSONL: Final = Layout(
    name="jsonl",
    version=1,
    suffix="jsonl",
    encode_placements=_encode_placements,
    encode_notices=_encode_notices,
    parse_answers=parse_answers,
    placement_problem=lambda _columns, _row: "",
    notice_problem=lambda _notice: "",
    carries=frozenset(NoticeKind),
)
