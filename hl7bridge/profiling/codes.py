"""What was sent where a table of the mapping reads -> the codes that the table does not have.

A code is shown only of fields that hold codes, and that look like one: what a sender put into the wrong field may be
a name. A procedure, which FT1-7 of a charge is, is not even counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from hl7bridge.mapping.apply import At, are_met, sent_at
from hl7bridge.mapping.convert import convert_text
from hl7bridge.mapping.readings import NULL_TEXT, read_part
from hl7bridge.mapping.spec import Field, RecordSpec, Source, Table
from hl7bridge.message.path import Path
from hl7bridge.privacy.keeping import is_payment

MOST_CODES: Final = 40  # different ones; a field that holds more is no list of codes
_MOST_KNOWN: Final = 1000
# One short word, and no number that could be a person's: seven digits or more, with or without signs between them.
_CODE: Final = re.compile(r"(?!(?:[._/+-]*\d){7,}[._/+-]*\Z)[A-Za-z0-9][A-Za-z0-9._/+-]{0,11}", re.ASCII)
# Fields of the standard's types IS, ID, CE and CWE among those that may be kept. Source: HL7 v2.5.1 chapters 2, 3, 6.
_CODED: Final[dict[str, frozenset[int]]] = {
    "MSH": frozenset({9, 11, 12, 15, 16, 17, 18, 19, 20}),
    "EVN": frozenset({1}),
    "PID": frozenset({8, 15, 30}),
    "PD1": frozenset({11}),
    "PV1": frozenset({2, 18, 20, 21, 22, 24, 28, 31, 33, 36, 41, 51}),
    "PV2": frozenset({30}),
    "GT1": frozenset({10, 11, 20, 22, 23, 36, 54}),
    "IN1": frozenset({15, 17, 20, 21, 22, 31, 32, 35, 45, 46, 47}),
    "FT1": frozenset({6, 7, 14, 17, 24}),
    "ACC": frozenset({4, 5, 6, 12}),
}
_PROCEDURE: Final = ("FT1", 7)
_KIND: Final = 6


def is_coded(path: Path) -> bool:
    """Return whether a field holds codes: one of the standard's that does, or one that a site made for itself."""
    return path.segment.startswith("Z") or path.field in _CODED.get(path.segment, ())


class CodeTally:
    """What one source of one field sent that its table does not have. Memory is bounded whatever comes."""

    __slots__ = (
        "codes",
        "has_too_many",
        "is_of_procedures",
        "is_shown",
        "key",
        "known",
        "listed",
        "other",
        "source",
        "table",
    )

    def __init__(self, key: str, source: Source, table: Table) -> None:
        self.key = key
        self.source = source
        self.table = table
        self.is_shown = is_coded(source.path)
        self.is_of_procedures = (source.path.segment, source.path.field) == _PROCEDURE
        self.codes: dict[str, int] = {}
        self.known: set[str] = set()  # whole fields whose code the table has
        self.listed = 0
        self.other = 0  # not in the table, and not to be shown
        self.has_too_many = False

    def note_listed(self, field_text: str) -> None:
        """Count a code that the table has."""
        self.listed += 1
        if len(self.known) < _MOST_KNOWN:
            self.known.add(field_text)

    def note_other(self, code: str) -> None:
        """Count a code that the table does not have."""
        if code in self.codes:
            self.codes[code] += 1
        elif not self.is_shown or self.has_too_many or not _CODE.fullmatch(code):
            self.other += 1
        elif len(self.codes) < MOST_CODES:
            self.codes[code] = 1
        else:
            self.other += 1 + sum(self.codes.values())
            self.codes.clear()
            self.has_too_many = True


class CodedField(NamedTuple):
    """The sources of a field of which a table reads one: each with its tally, None for those that have no table."""

    field: Field
    sources: tuple[tuple[Source, CodeTally | None], ...]


CodeTallies = dict[tuple[str, str, str], CodeTally]


def coded_fields(spec: RecordSpec, tallies: CodeTallies) -> tuple[CodedField, ...]:
    """Return the fields of a record that tables read; ``tallies`` has what is counted of each source, and grows."""
    return tuple(
        CodedField(field, tuple(_with_tallies(field, tallies)))
        for field in spec.fields
        if any(source.table is not None and source.value is None for source in field.sources)
    )


def _with_tallies(field: Field, tallies: CodeTallies) -> Iterator[tuple[Source, CodeTally | None]]:
    for source in field.sources:
        tally = None
        if source.table is not None and source.value is None:
            key = field.key, str(source), source.table.name
            tally = tallies.setdefault(key, CodeTally(field.key, source, source.table))
        yield source, tally


def count_codes(coded: CodedField, each: str | None, at: At) -> None:
    """Look at a field's sources in order, as the mapping does, until one says something; count what has no table."""
    for source, tally in coded.sources:
        if source.when and not are_met(source.when, each, at):
            continue
        if source.is_constant:
            return
        text = sent_at(source.path, each, at)
        if not text:
            continue
        if tally is None:
            if read_part(source.reading, text, at.delimiters, is_whole=source.is_whole) not in ("", NULL_TEXT):
                return
        elif _is_found(tally, text, each, at):
            return


def _is_found(tally: CodeTally, text: str, each: str | None, at: At) -> bool:
    """Count the code in a whole field; return whether the table says something of it."""
    if tally.is_of_procedures and not _is_payment(tally.source.path, each, at):
        return tally.table.default is not None
    if text in tally.known:
        tally.listed += 1
        return True
    source = tally.source
    part = read_part(source.reading, text, at.delimiters, is_whole=source.is_whole)
    code = convert_text(part, at.delimiters)
    if not code or part == NULL_TEXT:
        return False
    if code in tally.table.codes:
        tally.note_listed(text)
        return True
    tally.note_other(code)
    return tally.table.default is not None


def _is_payment(path: Path, each: str | None, at: At) -> bool:
    return is_payment(sent_at(path._replace(field=_KIND), each, at), at.delimiters.component)
