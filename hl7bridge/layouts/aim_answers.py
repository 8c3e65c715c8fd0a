"""Fixed records of an agency that works AIM-style -> its answers, or every problem by its line.

AACK accepts placements, AREC is the inventory, AOBJ objects to recalls, ACLS returns accounts; ASTS, ABKP and ADEC tell
statuses. Of each only the positions in ``aim_records`` are read, so that no free text is ever kept; a trailer record
(ATRL), when there is one, has to agree with the file. Source: collections.md 1.3.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from hl7bridge.layouts.aim_records import ANSWER_TRAILER, ANSWERS, NO_DAY, STATUS_CODES
from hl7bridge.layouts.answers import Cells, Collected
from hl7bridge.layouts.fixed import cut_record
from hl7bridge.layouts.layout import MOST_BYTES, LineProblem, Parsed, Stated

LONGEST_LINE: Final = 4096  # bytes
_BOM: Final = b"\xef\xbb\xbf"
_FIXED_VALUES: Final = {
    "AACK": {"accepted": "yes"},
    "ACLS": {"code": "ACLS"},
    "ABKP": {"status": "bankruptcy"},
    "ADEC": {"status": "deceased"},
}


def parse_answers(kind: str | None, data: bytes) -> Parsed:
    """Return the records of a file that an agency sent, or every problem by its line; see ``layout.Layout``.

    Any line ends and a byte order mark are taken, blank lines skipped; trailing blanks of a line may be left out.
    """
    if len(data) > MOST_BYTES:
        return Parsed(kind or "", problems=(LineProblem(1, f"more than {MOST_BYTES} bytes"),))
    found = Collected(kind or "")
    stated: Stated | None = None
    records = 0
    for line, text in enumerate(data.removeprefix(_BOM).split(b"\n"), 1):
        # Positions are bytes, and latin-1 has a character for each; what is read has to be plain ASCII all the same.
        record = text.rstrip(b"\r").decode("latin-1")
        if not record.strip() or found.is_full:
            continue
        if stated is not None:
            found.note(line, "a record after the trailer record")
        elif record[:4] == ANSWER_TRAILER[0]:
            stated = _read_trailer(found, line, record, records)
        else:
            records += 1
            _read_record(found, line, record)
    if not records and stated is None:
        found.note(1, "there is no record")
    return found.parsed()._replace(stated=stated)


def _read_trailer(found: Collected, line: int, record: str, records: int) -> Stated:
    cells = Cells(line, cut_record(record, ANSWER_TRAILER[1]), _day)
    stated = cells.number("records")
    if stated is None:
        found.note(line, "the trailer record does not say how many records there are")
    elif stated != records:
        found.note(line, f"the trailer record says {stated} records, and there are {records}")
    return Stated(stated or 0)


def _read_record(found: Collected, line: int, record: str) -> None:
    kind, positions, least = ANSWERS.get(record[:4], ("", (), 0))
    if not kind:
        found.note(line, f"not a record that is read (one of {', '.join(ANSWERS)})")
        return
    found.kind = found.kind or kind
    if kind != found.kind:
        found.note(line, f"{record[:4]} in a file of {found.kind}")
    elif len(record) < least:
        found.note(line, f"cut short: {record[:4]} has {least} characters at least")
    elif len(record) > LONGEST_LINE:
        found.note(line, f"longer than {LONGEST_LINE} characters")
    else:
        values = cut_record(record, positions) | _FIXED_VALUES.get(record[:4], {})
        if not all(value.isascii() for value in values.values()):
            found.note(line, "characters that are not ASCII")
            return
        _add(found, line, record[:4], values)


def _add(found: Collected, line: int, record_type: str, values: dict[str, str]) -> None:
    if record_type == "AACK":
        values["balance"] = values["original_balance"]
    elif record_type == "AREC":
        values["balance"] = values["current_balance"]
    elif record_type == "ASTS":
        if values["status"] not in STATUS_CODES:
            found.note(line, f"status: expected one of {', '.join(STATUS_CODES)}")
            return
        values["status"] = STATUS_CODES[values["status"]]
    found.add(Cells(line, values, _day))


def _day(text: str) -> dt.date | None:
    """Return the day of CCYYMMDD, None for the day that stands for none. Raises ValueError for anything else."""
    if text == NO_DAY:
        return None
    day = dt.datetime.strptime(text, "%Y%m%d").replace(tzinfo=dt.UTC).date()
    if day.strftime("%Y%m%d") != text:
        raise ValueError("not CCYYMMDD")
    return day
