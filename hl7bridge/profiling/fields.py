"""The records that a message made, or should have made -> how often each field of the mapping was filled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hl7bridge.mapping.apply import At, are_met, sent_at
from hl7bridge.mapping.readings import NULL_TEXT, read_part
from hl7bridge.mapping.records import NULL, Records
from hl7bridge.mapping.spec import Field, RecordSpec
from hl7bridge.message.model import Message
from hl7bridge.profiling.codes import CodeTallies, coded_fields, count_codes

_ONCE: Final = (None,)
_MOST_PATTERNS: Final = 500
_SINGLE: Final = frozenset({"patient", "account", "balance"})
_SLOTS: Final = {"guarantor": "guarantors", "coverage": "coverages", "entry": "entries", "identity": "identities"}


class FieldTally:
    """How often one field of the mapping was filled, deleted, or sent and of no use."""

    __slots__ = ("filled", "nulls", "unreadable")

    def __init__(self) -> None:
        self.filled = 0
        self.nulls = 0
        self.unreadable = 0  # sent, and left out: invalid = "ignore", or a code that no table has


class _Pattern:
    """Records that have the same values and lack the same: how many, and of what they lack, what may have been sent."""

    __slots__ = ("times", "unsure")

    def __init__(self, unsure: tuple[tuple[Field, FieldTally], ...]) -> None:
        self.times = 0
        self.unsure = unsure


FieldTallies = dict[tuple[str, str], FieldTally]  # by message type and the field's key


class SpecTally:
    """One kind of record as one event makes it: how often it could have been made, and its fields' tallies."""

    __slots__ = ("_coded", "_left_out", "_patterns", "_slot", "could_be", "fields", "message_type", "spec")

    def __init__(self, message_type: str, spec: RecordSpec, fields: FieldTallies, codes: CodeTallies) -> None:
        self.message_type = message_type
        self.spec = spec
        self.could_be = 0
        self.fields = tuple(
            (field, fields.setdefault((message_type, field.key), FieldTally())) for field in spec.fields
        )
        self._left_out = tuple((field, tally) for field, tally in self.fields if _may_be_left_out(field))
        self._patterns: dict[tuple[bool | None, ...], _Pattern] = {}
        self._coded = coded_fields(spec, codes)
        self._slot = None if spec.kind == "signals" else Records._fields.index(_SLOTS.get(spec.kind, spec.kind))

    def take(self, message: Message, records: Records | None) -> None:
        """Count what a message sent for this record; ``records`` are what the mapping made, None when it refused.

        What was not made is counted by what was sent for it, and so are signals, which are no records of their own.
        """
        each = self.spec.each
        made = () if records is None else self._made(records)
        rows: Sequence[list[str] | None] = _ONCE if each is None else message.fields(each)
        if self.spec.kind == "identity":  # its groups are the mapping's to find
            rows = _ONCE * len(made)
        if self._coded:
            for row in rows:
                self._take_codes(message, row)
        if len(made) == len(rows):
            self.could_be += len(rows)
            for record, row in zip(made, rows, strict=True):
                self._take_made(message, record, row)
        else:
            for row in rows:
                self._take_sent(At(message.fields, row, {}, message.delimiters))

    def _made(self, records: Records) -> Sequence[Any]:
        if self._slot is None:
            return ()
        made: Any = records[self._slot]
        if self.spec.kind in _SINGLE:
            return () if made is None else (made,)
        several: Sequence[Any] = made
        return several

    def _take_made(self, message: Message, record: Sequence[Any], row: list[str] | None) -> None:
        """Count a record by which of its values are there: most records of a feed lack the same ones."""
        known = tuple([None if value is None else value is not NULL for value in record])
        pattern = self._patterns.get(known)
        if pattern is None:
            if len(self._patterns) >= _MOST_PATTERNS:
                self.settle()
            unsure = tuple((field, tally) for field, tally in self._left_out if record[field.position] is None)
            pattern = self._patterns[known] = _Pattern(unsure)
        pattern.times += 1
        if pattern.unsure:
            at = At(message.fields, row, {}, message.delimiters)
            for field, tally in pattern.unsure:
                if _sent(self.spec, field, at):
                    tally.unreadable += 1

    def settle(self) -> None:
        """Bring the fields' tallies up to date; before anybody looks at them."""
        for known, pattern in self._patterns.items():
            for field, tally in self.fields:
                is_known = known[field.position]
                tally.filled += pattern.times * (is_known is True)
                tally.nulls += pattern.times * (is_known is False)
        self._patterns.clear()

    def _take_codes(self, message: Message, row: list[str] | None) -> None:
        at = At(message.fields, row, {}, message.delimiters)
        if not self.spec.when or are_met(self.spec.when, self.spec.each, at):
            for coded in self._coded:
                count_codes(coded, self.spec.each, at)

    def _take_sent(self, at: At) -> None:
        """Count the fields of a record that was not made, by what was sent for them."""
        if self.spec.when and not are_met(self.spec.when, self.spec.each, at):
            return
        self.could_be += 1
        for field, tally in self.fields:
            sent = _sent(self.spec, field, at)
            tally.filled += sent is True
            tally.nulls += sent is None


def _may_be_left_out(field: Field) -> bool:
    """Return whether a value may be sent and still be none: one that cannot be read, or is in no table."""
    return field.ignore_invalid or len(field.sources) > 1


def _sent(spec: RecordSpec, field: Field, at: At) -> bool | None:
    """Return whether anything was sent for a field; None for a null and nothing else."""
    sent: bool | None = False
    for source in field.sources:
        if source.when and not are_met(source.when, spec.each, at):
            continue
        if source.is_constant:
            return True
        text = sent_at(source.path, spec.each, at)
        if not text:
            continue
        part = read_part(source.reading, text, at.delimiters, is_whole=source.is_whole)
        if part == NULL_TEXT:
            sent = None
        elif part and not part.isspace():
            return True
    return sent
