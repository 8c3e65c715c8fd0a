"""What is known of an account -> for each field, the message that told it last and the path it was read from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from hl7bridge.errors import ConfigError
from hl7bridge.mapping.records import Account, Coverage, Guarantor, Patient, Record
from hl7bridge.mapping.spec import Mapping
from hl7bridge.storage.database import Store
from hl7bridge.storage.entries import EntryRow
from hl7bridge.storage.history import Sender, Told, read_sender
from hl7bridge.storage.placements import Case

COLUMNS: Final = ("record", "field", "path", "message", "received_at", "sender", "mapping")
_NOT_A_FIELD: Final = frozenset({"rank", "status"})  # the mapping's order and the ledger's own word, as a rule


class Origin(NamedTuple):
    """One record's origin. ``paths``: field -> the mapping's path, None when the mapping does not name the field now.

    ``message`` is None for what an agency's payment made; ``source`` is None when that message is not stored.
    """

    record: str
    message: int | None
    source: Sender | None
    paths: dict[str, str | None]


def read_origins(
    store: Store, folder: Path, case: Case, entries: Sequence[EntryRow], told: Sequence[Told]
) -> list[Origin]:
    """Return the origin of the account, its people, coverages and entries. ``folder`` has the mapping files."""
    paths = _Paths(folder)
    senders: dict[int, Sender | None] = {}

    def origin(name: str, kind: str, message: int | None, record: Record) -> Origin:
        if message is None:
            return Origin(name, None, None, {})
        if message not in senders:
            senders[message] = read_sender(store, message)
        source = senders[message]
        return Origin(name, message, source, paths.of(source.mapping if source else "", kind, record))

    account = case.account
    known = Account(*(getattr(account, field) for field in Account._fields))
    found = [origin("account", "account", account.message_id, known)]
    records: dict[tuple[str, int], Patient | Guarantor | Coverage] = {
        ("guarantor", each.rank or 0): each for each in case.guarantors
    }
    records |= {("coverage", each.rank or 0): each for each in case.coverages}
    if case.patient is not None:
        records["patient", 0] = case.patient
    for kind, rank, message in told:
        name = f"{kind} {rank}" if rank else kind
        found.append(origin(name, kind, message, records[kind, rank]))
    found += [origin(f"entry {row.id}", "entry", row.message_id, row.entry) for row in entries]
    return found


def origin_rows(origins: Sequence[Origin]) -> Iterator[dict[str, Any]]:
    """Return a row for each field; records that agree in all but their number share rows."""
    groups: dict[tuple[str, int, tuple[tuple[str, str | None], ...]], list[Origin]] = {}
    for each in origins:
        if each.message is not None:
            kind = each.record.partition(" ")[0]
            groups.setdefault((kind, each.message, tuple(each.paths.items())), []).append(each)
    for (kind, message, paths), members in groups.items():
        numbers = ", ".join(each.record.partition(" ")[2] for each in members)
        source = members[0].source or Sender("", "", "")
        for field, path in paths:
            yield {
                "record": f"{kind} {numbers}".rstrip(),
                "field": field,
                "path": path or "not named now",
                "message": message,
                **source._asdict(),
            }


class _Paths:
    """The paths of mapping files, each file read and compiled when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mappings: dict[str, dict[str, dict[str, str]]] = {}

    def of(self, mapping: str, kind: str, record: Record) -> dict[str, str | None]:
        """Return field -> path for the fields of a record that hold a value."""
        if mapping not in self._mappings:
            self._mappings[mapping] = self._read(mapping)
        named = self._mappings[mapping].get(kind, {})
        return {
            field: named.get(field)
            for field, value in zip(record._fields, record, strict=True)
            if value is not None and (field in named or field not in _NOT_A_FIELD)
        }

    def _read(self, name: str) -> dict[str, dict[str, str]]:
        from hl7bridge.assemble import read_toml
        from hl7bridge.mapping.compile import compile_mapping

        try:
            mapping = compile_mapping(read_toml(self._folder / f"{name}.toml"))
        except ConfigError:  # renamed, removed or broken by now: then no path can be told
            return {}
        return _paths_of(mapping)


def _paths_of(mapping: Mapping) -> dict[str, dict[str, str]]:
    """Return record -> field -> its path, or its paths in order."""
    found: dict[str, dict[str, str]] = {}
    for rows in mapping.events.values():
        for spec, _ in rows:
            found[spec.kind] = {
                field.name: ", ".join(str(source.path) for source in field.sources) for field in spec.fields
            }
    return found
