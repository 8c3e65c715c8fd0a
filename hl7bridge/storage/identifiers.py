"""All ids that lead to a patient or an account <-> their table: visits, and numbers that were merged or changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from hl7bridge.storage.database import RowSink, Store

PATIENT: Final = "patient"
ACCOUNT: Final = "account"
VISIT: Final = "visit"
ALTERNATE_VISIT: Final = "alternate_visit"


class Identifier(NamedTuple):
    """One id besides a row's own number. ``retired``: it was merged, moved or changed, and ``becomes`` another.

    ``merged``: it was of another than whom it leads to now.
    """

    kind: str
    facility: str
    number: str
    authority: str
    target_id: int  # of patients for a patient's, else of accounts
    since: str
    message_id: int | None
    retired: int
    becomes: str = ""
    merged: int = 0


_COLUMNS: Final = ", ".join(Identifier._fields)
# What an event retired stays so until another event says otherwise. A visit is the account's that named it first: no
# other takes it by naming it, for that would be a move, and a move is an event (A45). Source: HL7 v2.5.1, 3.6.2.
_UPSERT: Final = (
    f"INSERT INTO identifiers ({_COLUMNS}) VALUES ({', '.join('?' * len(Identifier._fields))})"
    " ON CONFLICT (kind, number, facility, authority) DO UPDATE SET target_id = excluded.target_id,"
    " since = excluded.since, message_id = excluded.message_id, retired = excluded.retired, becomes = excluded.becomes,"
    " merged = excluded.merged"
    " WHERE excluded.retired = 1 OR (identifiers.retired = 0 AND excluded.since < identifiers.since)"
)
_FIND: Final = "SELECT authority, target_id FROM identifiers WHERE kind = ? AND number = ? AND facility = ?"
_MERGED: Final = "SELECT 1 FROM identifiers WHERE kind = ? AND number = ? AND facility = ? AND merged = 1 LIMIT 1"
# Without the index named the planner, which has no statistics, reads all of a kind to spare itself the sorting.
_OF_TARGET: Final = (
    f"SELECT {_COLUMNS} FROM identifiers INDEXED BY identifiers_by_target WHERE target_id = ? AND kind = ?"
    " ORDER BY facility, number, authority"
)


def add_identifier(  # noqa: PLR0913  (the columns of one row)
    store: Store,
    kind: str,
    facility: str,
    number: str,
    authority: str,
    target_id: int,
    *,
    since: str,
    message_id: int | None,
    retired: int,
    becomes: str = "",
    merged: int = 0,
) -> None:
    """Have an id lead to a row. A retired one replaces what was known of it; another only what was told later."""
    identifier = Identifier(kind, facility, number, authority, target_id, since, message_id, retired, becomes, merged)
    write_identifiers(store, [identifier])


def write_identifiers(sink: RowSink, identifiers: Iterable[Identifier]) -> None:
    """Store several identifiers, each as ``add_identifier`` does."""
    sink.executemany(_UPSERT, list(identifiers))


def find_target(store: Store, kind: str, facility: str, number: str, authority: str) -> int | None:
    """Return the row an id leads to, or None.

    The same authority counts first. An id that was stored or is asked for without one is found by its number alone if
    that leads to one row only.
    """
    rows = store.rows(_FIND, (kind, number, facility))
    if not rows:
        return None
    for known, target_id in rows:
        if known == authority:
            return int(target_id)
    targets = {target_id for known, target_id in rows if not known or not authority}
    return int(targets.pop()) if len(targets) == 1 else None


def is_of_merged(store: Store, kind: str, facility: str, number: str) -> bool:
    """Return whether an id is of one who was merged into another."""
    return store.row(_MERGED, (kind, number, facility)) is not None


def mark_merged(store: Store, kind: str, target_id: int) -> None:
    """Note of all ids that lead to a row that it is merged into another: they are not the other's own."""
    store.execute("UPDATE identifiers SET merged = 1 WHERE target_id = ? AND kind = ?", (target_id, kind))


def identifiers_of(store: Store, kind: str, target_id: int) -> list[Identifier]:
    """Return the ids of one kind that lead to a row, ordered by facility and number."""
    return [Identifier(*row) for row in store.execute(_OF_TARGET, (target_id, kind))]
