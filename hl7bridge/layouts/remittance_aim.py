"""Fixed APAY records of an agency that works AIM-style -> its payments, or every problem by its line.

The amount is never negative and the type tells the direction: PA paid, PAR taken back, DA and DAR adjustments, FO and
FOR the agency's fee. Comment and buckets are not read. Source: collections.md 1.3.
"""

from __future__ import annotations

from typing import Final

from hl7bridge.layouts.aim_records import ANSWER_TRAILER, APAY, APAY_LEAST
from hl7bridge.layouts.fixed import cut_record
from hl7bridge.layouts.layout import MOST_BYTES, Parsed
from hl7bridge.layouts.remittance import Reading, RemittedLines, refused, spell_day

LONGEST_LINE: Final = 4096  # bytes
TYPES: Final = {
    "PA": "payment",
    "PAR": "reversal",
    "DA": "adjustment",
    "DAR": "adjustment_reversal",
    "FO": "fee",
    "FOR": "fee_reversal",
}
_BOM: Final = b"\xef\xbb\xbf"


def parse_remittance_aim(data: bytes, reading: Reading) -> Parsed:
    """Return the payments of a file. Any line ends and a byte order mark are taken, blank lines skipped.

    A trailer record (ATRL), when there is one, has to agree with how many records there are.
    """
    if len(data) > MOST_BYTES:
        return refused(1, f"more than {MOST_BYTES} bytes")
    found = RemittedLines(reading)
    records = 0
    has_ended = False
    for line, text in enumerate(data.removeprefix(_BOM).split(b"\n"), 1):
        # Positions are bytes, and latin-1 has a character for each; what is read has to be plain ASCII all the same.
        record = text.rstrip(b"\r").decode("latin-1")
        if not record.strip() or found.is_full:
            continue
        if has_ended:
            found.note(line, "a record after the trailer record")
        elif record[:4] == ANSWER_TRAILER[0]:
            has_ended = True
            stated = cut_record(record, ANSWER_TRAILER[1])["records"]
            if not (stated.isascii() and stated.isdigit()) or int(stated) != records:
                found.note(line, f"the trailer record does not say {records} records, and there are so many")
        else:
            records += 1
            _read_record(found, line, record)
    if not records and not has_ended:
        found.note(1, "there is no record")
    return found.parsed()


def _read_record(found: RemittedLines, line: int, record: str) -> None:
    if record[:4] != "APAY":
        found.note(line, "not a record that is read (APAY)")
        return
    if len(record) < APAY_LEAST:
        found.note(line, f"cut short: APAY has {APAY_LEAST} characters at least")
        return
    values = cut_record(record, APAY)
    if len(record) > LONGEST_LINE or not all(value.isascii() for value in values.values()):
        found.note(line, f"longer than {LONGEST_LINE} characters, or characters that are not ASCII")
    elif values["type"] not in TYPES:
        found.note(line, f"type: expected one of {', '.join(TYPES)}")
    else:
        values["kind"] = TYPES[values.pop("type")]
        values["date"] = spell_day(values["date"], year_first=True)
        found.add(line, values)
