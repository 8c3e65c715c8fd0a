"""What a message says of guarantors and coverages -> their tables, and the former coverages."""

from __future__ import annotations

from collections.abc import Sequence

from hl7bridge.ledger.account import AccountState
from hl7bridge.ledger.arrival import Arrival
from hl7bridge.ledger.ranked import (
    DELETED,
    Kind,
    Ranked,
    end_before,
    is_delete_all,
    merge_ranked,
    number_by_place,
    start_ranked,
)
from hl7bridge.ledger.times import mark_of
from hl7bridge.mapping.records import Coverage
from hl7bridge.storage.accounts import delete_ranked, read_ranked, write_ranked
from hl7bridge.storage.coverage_history import add_former_coverage
from hl7bridge.storage.database import RowSink, Store


def apply_ranked(
    store: Store,
    sink: RowSink,
    kind: type[Kind],
    told: Sequence[Kind],
    state: AccountState,
    *,
    arrival: Arrival,
    is_new: bool,
) -> None:
    """Store what a message says of guarantors or coverages. Nothing is deleted unless it says so.

    ``is_new``: the account has none yet.
    """
    rows = {} if is_new else read_ranked(store, kind, state.id)
    changed: list[Ranked[Kind]] = []
    ended: list[Ranked[Kind]] = []
    if is_delete_all(told):
        gone = [rank for rank, row in rows.items() if row.as_of <= arrival.as_of]
        ended = [rows[rank] for rank in gone]
        changed = [end_before(row, arrival.as_of) for rank, row in rows.items() if rank not in gone]
        delete_ranked(store, kind, state.id, gone)
    else:
        deleted_at = mark_of(state.field_times, DELETED[kind])
        for rank, record in {record.rank: record for record in number_by_place(told)}.items():
            known = rows.get(rank or 0)
            if known is None:
                row = start_ranked(record, arrival.as_of, deleted_at)
            else:
                row, former = merge_ranked(known, record, arrival.as_of)
                ended += [former] if former is not None else []
            if row is not None and row != known:
                changed.append(row)
    if changed:
        write_ranked(sink, kind, state.id, changed, arrival.message_id)
    if ended and kind is Coverage:
        for each in ended:
            add_former_coverage(store, state.id, each, ended_at=arrival.now, message_id=arrival.message_id)
