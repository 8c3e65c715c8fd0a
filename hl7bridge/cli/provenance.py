"""The origins of an account's values -> rows to show: one a value, one a record, or one a message of a record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hl7bridge.cli.kept_fields import MASK
from hl7bridge.cli.revealed import visible_text

if TYPE_CHECKING:
    from hl7bridge.cli.account_view import Known
    from hl7bridge.config import Settings
    from hl7bridge.provenance import Origin
    from hl7bridge.storage.database import Store

VALUE_COLUMNS: Final = ("record", "field", "value", "path", "message", "received_at", "line", "note")
SUMMARY_COLUMNS: Final = ("record", "fields", "message", "received_at", "sender", "note")
# What is shown of people without --reveal, as ``accounts show`` has it; of other records everything but the hidden.
_SHOWN: Final = {
    "patient": frozenset({"deceased", "deleted"}),
    "guarantor": frozenset({"relationship", "deceased", "billing_hold"}),
}
_HIDDEN: Final = frozenset({"pid_18", "pv1_19", "pv1_50", "visit_number", "alternate_visit_number"})


def find_origins(settings: Settings, store: Store, known: Known) -> list[Origin]:
    """Return where each value of an account is from, by the mappings of the settings."""
    from hl7bridge.cli.readers import load_readers
    from hl7bridge.provenance import Subject, trace_account
    from hl7bridge.storage.history import read_told
    from hl7bridge.storage.signals import read_signal_rows

    account = known.case.account
    told = read_told(store, account.id, account.patient_id)
    in_force = {row.signal.name: row for row in read_signal_rows(store, account.id)}
    subject = Subject(known.case, told, known.entries, [in_force[name] for name in sorted(in_force)])
    return trace_account(store, subject, load_readers(settings, store))


def value_rows(origins: Sequence[Origin], *, reveal: bool) -> Iterator[dict[str, Any]]:
    """Return a row for each value; without ``reveal`` what tells of a person is masked."""
    for each in origins:
        shown = _SHOWN.get(each.record.partition(" ")[0])
        is_shown = reveal or (each.field not in _HIDDEN if shown is None else each.field in shown)
        value = visible_text(each.value) if isinstance(each.value, str) else each.value
        yield {
            "record": each.record,
            "field": each.field,
            "value": value if is_shown else MASK,
            "masked": not is_shown,
            "path": each.path,
            "message": each.message,
            "received_at": each.received_at,
            "sender": _sender(each),
            "mapping": each.mapping,
            "line": _line(each),
            "note": visible_text(each.note),
        }


def record_rows(origins: Sequence[Origin]) -> Iterator[dict[str, Any]]:
    """Return a row for each record: the newest message that told a value of it, and of each field path and line."""
    groups: dict[str, list[Origin]] = {}
    for each in origins:
        groups.setdefault(each.record, []).append(each)
    for record, members in groups.items():
        newest = max(members, key=lambda each: each.message or 0)
        told = [each for each in members if each.message is not None]
        yield {
            "record": record,
            "message": newest.message,
            "received_at": newest.received_at,
            "sender": _sender(newest),
            "mapping": newest.mapping,
            "fields": {each.field: each.path or None for each in told},
            "messages": {each.field: each.message for each in told},
            "lines": {each.field: _line(each) for each in told},
            "notes": {each.field: visible_text(each.note) for each in members if each.note},
        }


def summary_rows(origins: Sequence[Origin]) -> Iterator[dict[str, Any]]:
    """Return a row for each message of each record, with the fields that it told; entries of one message share rows."""
    told: dict[tuple[str, int | None, str], list[Origin]] = {}
    for each in origins:
        told.setdefault((each.record, each.message, each.note), []).append(each)
    groups: dict[tuple[str, tuple[str, ...], int | None, str], list[Origin]] = {}
    for (record, message, note), members in told.items():
        kind, _, number = record.partition(" ")
        fields = tuple(each.field for each in members)
        groups.setdefault((kind if number.isdecimal() else record, fields, message, note), []).append(members[0])
    for (kind, fields, message, note), members in groups.items():
        numbers = ", ".join(each.record.removeprefix(kind).strip() for each in members)
        yield {
            "record": f"{kind} {numbers}".rstrip(),
            "fields": list(fields),
            "message": message,
            "received_at": members[0].received_at,
            "sender": _sender(members[0]),
            "note": visible_text(note),
        }


def _sender(origin: Origin) -> str | None:
    return None if origin.sender is None else visible_text(origin.sender)


def _line(origin: Origin) -> str | None:
    return None if origin.place is None else f"{Path(origin.place.file).name}:{origin.place.line}"
