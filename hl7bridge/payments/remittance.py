"""An agency's CSV file of payments -> lines that can be posted, or every problem by line number."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Final, NamedTuple

from hl7bridge.payments.payment import Payment, PaymentText, parse_payment

REQUIRED: Final = ("agency_payment_id", "account", "amount", "date")
OPTIONAL: Final = ("agency", "kind", "facility")
_FORMULA: Final = ("=", "+", "@", "\t")  # what a spreadsheet would run; a leading minus is refused with the amount
_LONGEST_ACCOUNT: Final = 64


class RemittanceLine(NamedTuple):
    """One payment of a file, and the account it names: ``facility`` is None when the file does not say."""

    line: int
    payment: Payment
    account: str
    facility: str | None


class LineProblem(NamedTuple):
    """What is wrong with one line (counted from 1, the header's); it quotes no value."""

    line: int
    problem: str


class Remittance(NamedTuple):
    """A parsed file: when there is one problem or more, nothing of it may be posted."""

    lines: tuple[RemittanceLine, ...]
    problems: tuple[LineProblem, ...]


def parse_remittance(text: str, agency: str | None, now: dt.datetime) -> Remittance:
    """Return the payments of a CSV text (RFC 4180; a byte order mark and any line ends are taken).

    The header is required; its columns may stand in any order and none may be unknown. Blank lines are skipped. The
    payments are ``agency``'s; a column ``agency`` may say so too, and has to when ``agency`` is None.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    lines: list[RemittanceLine] = []
    problems: list[LineProblem] = []
    columns: list[str] = []
    first_lines: dict[tuple[str, str], int] = {}
    start = 1
    try:
        for row in rows:
            line, start = start, rows.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if not columns:
                columns = [cell.strip().lower() for cell in row]
                problems += [LineProblem(line, problem) for problem in _header_problems(columns)]
                if problems:
                    break
                continue
            found, wrong = _parse_row(dict(zip(columns, row, strict=False)), len(row) - len(columns), agency, now)
            problems += [LineProblem(line, problem) for problem in wrong]
            if found is not None:
                lines.append(found._replace(line=line))
                problems += _repeated(found.payment, line, first_lines)
    except csv.Error as error:
        problems.append(LineProblem(start, f"not CSV: {error}"))
    if not lines and not problems:
        problems.append(LineProblem(start, "no payments" if columns else "no header: " + ",".join(REQUIRED)))
    return Remittance(tuple(lines), tuple(problems))


def _header_problems(columns: list[str]) -> list[str]:
    missing = [name for name in REQUIRED if name not in columns]
    unknown = sum(name not in REQUIRED + OPTIONAL for name in columns)
    problems: list[str] = []
    if missing:
        problems.append(f"the header has no {', '.join(missing)}")
    if unknown:
        allowed = ", ".join(REQUIRED + OPTIONAL)
        problems.append(f"the header has {unknown} unknown column{'s' if unknown > 1 else ''}; known are {allowed}")
    if len(set(columns)) < len(columns):
        problems.append("the header names a column twice")
    return problems


def _parse_row(
    cells: dict[str, str], surplus: int, agency: str | None, now: dt.datetime
) -> tuple[RemittanceLine | None, list[str]]:
    if surplus:
        return None, [f"{abs(surplus)} cell{'s' if abs(surplus) > 1 else ''} too {'many' if surplus > 0 else 'few'}"]
    formulas = [f"{name}: begins like a formula" for name, cell in cells.items() if cell.startswith(_FORMULA)]
    cells = {name: cell.strip() for name, cell in cells.items()}
    written = PaymentText(cells["agency_payment_id"], cells["amount"], cells["date"], cells.get("kind", ""))
    named = cells.get("agency") or agency or ""
    payment, wrong = parse_payment(named, written, now)
    account = cells["account"]
    problems = [*formulas, *wrong]
    if not named or (agency is not None and named != agency):
        problems.append("agency: " + ("not the one the file is imported for" if named else "none is named"))
    if not account.isprintable() or not 0 < len(account) <= _LONGEST_ACCOUNT:
        problems.append(f"account: expected 1 to {_LONGEST_ACCOUNT} printable characters")
    if problems or payment is None:
        return None, problems
    return RemittanceLine(0, payment, account, cells.get("facility") or None), []


def _repeated(payment: Payment, line: int, first_lines: dict[tuple[str, str], int]) -> list[LineProblem]:
    first = first_lines.setdefault((payment.agency, payment.agency_payment_id), line)
    return [] if first == line else [LineProblem(line, f"the same agency_payment_id as line {first}")]
