"""Two accounts that are one, a number that becomes another -> every row that hangs on them, re-keyed.

All of it runs inside the caller's savepoint. No entry is changed or deleted: see ``storage.transfer``. The row of what
was merged stays, empty, and leads to the one that it became.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState, fold_entries, new_account
from hl7bridge.ledger.arrival import Arrival
from hl7bridge.ledger.identity import Name, renumber_field
from hl7bridge.ledger.intake import merge_account
from hl7bridge.ledger.joining import join_accounts, join_ranked, without_authority
from hl7bridge.mapping.records import Account, Coverage, Guarantor
from hl7bridge.message.escape import escape
from hl7bridge.rules.due import DueDays
from hl7bridge.storage import accounts as table
from hl7bridge.storage.cases import OPEN_STATUSES
from hl7bridge.storage.coverage_history import add_former_coverage
from hl7bridge.storage.database import Store
from hl7bridge.storage.identifiers import Identifier
from hl7bridge.storage.transfer import transfer_entries

MERGED: Final = "merged"
ACTOR: Final = "daemon"
FIRST: Final = ""  # sorts before all times: whatever a message tells of a row that an event opened is newer
_WITH_AGENCY: Final = "'sent', 'acknowledged', 'active', 'suspended', 'recall_pending'"
# An account's own, and those of accounts merged into it that are placed beside it.
_PLACED: Final = (
    f"SELECT id FROM placements WHERE status IN ({OPEN_STATUSES}) AND"
    " (account_id = ? OR account_id IN (SELECT id FROM accounts WHERE merged_into = ?)) ORDER BY id"
)
_REKEYED: Final = ("payments", "deliveries", "echoes", "signals", "coverage_history")


class Joined(NamedTuple):
    """What came of joining two accounts. ``alike``: entries whose ids the target has for others."""

    account: AccountState
    entries: int
    alike: int
    is_both_placed: bool


def open_account(store: Store, facility: str, name: Name, arrival: Arrival, patient_id: int | None = None) -> int:
    """Store an account of which an event has told no more than its number, and return its id.

    PID-18, which is echoed to the sender, is what was told until a message brings the whole of it; ``patient_id`` is
    whose it is until a message tells.
    """
    state = new_account(facility, name.number, as_of=FIRST, message_id=arrival.message_id)
    state = state._replace(authority=name.authority, pid_18=echoed(name), patient_id=patient_id)
    return table.insert_account(store, state, arrival.now)


def echoed(name: Name) -> str:
    """Return an id as it is echoed, in standard delimiters, when no message brought the whole field."""
    return escape(name.number) + (f"^^^{escape(name.authority)}" if name.authority else "")


def join_account_rows(
    store: Store, source: AccountState, target: AccountState, arrival: Arrival, due_on: DueDays
) -> Joined:
    """Merge an account into another: the source is left with nothing, and leads to the target."""
    is_both_placed = bool(open_placements(store, source.id)) and bool(open_placements(store, target.id))
    moved = transfer_entries(store, source.id, target.id, message_id=arrival.message_id, now=arrival.now)
    target = fold_entries(join_accounts(target, source), moved.added)
    target = target._replace(due_on=due_on(target))
    source = fold_entries(source, moved.undone)
    table.update_account(
        store, source._replace(status=MERGED, merged_into=target.id, due_on=None, moved_visits=0), arrival.now
    )
    table.update_account(store, target, arrival.now)
    _join_people(store, source.id, target.id, arrival)
    _rekey_account(store, source.id, target.id, arrival, keep_open=is_both_placed)
    return Joined(target, len(moved.undone), moved.alike, is_both_placed)


def renumber_account(store: Store, state: AccountState, name: Name, now: str) -> AccountState:
    """Give an account another number, also where it is echoed, and return it.

    Who assigned the number stays, unless another is told: then nothing that was told of the one before counts.
    """
    if name.authority and state.authority not in {"", name.authority}:
        state = without_authority(state)._replace(number=name.number, authority=name.authority, pid_18=echoed(name))
    else:
        pid_18 = renumber_field(state.pid_18, escape(state.number), escape(name.number))
        state = state._replace(number=name.number, pid_18=pid_18)
    table.update_account(store, state, now)
    return state


def tell_owner(
    store: Store, state: AccountState, patient_id: int | None, arrival: Arrival, due_on: DueDays, authority: str = ""
) -> bool:
    """Have an account belong to a patient, unless a newer message says whose it is; return whether it was another's.

    ``authority`` is who assigned its number, which counts when nobody said so before.
    """
    told = Account(authority=authority if authority and not state.authority else None)
    if patient_id is None and told.authority is None:
        return False
    moved = merge_account(state, told, patient_id, at=arrival.as_of, message_id=arrival.message_id)
    if moved._replace(message_id=state.message_id) != state:
        table.update_account(store, moved._replace(due_on=due_on(moved)), arrival.now)
    return moved.patient_id != state.patient_id


def move_entries(
    store: Store,
    source: AccountState,
    target: AccountState,
    visits: Collection[str],
    arrival: Arrival,
    due_on: DueDays,
) -> int:
    """Have the entries of some visits count in another account, and return how many there were."""
    moved = transfer_entries(store, source.id, target.id, message_id=arrival.message_id, now=arrival.now, visits=visits)
    for state, entries in ((source, moved.undone), (target, moved.added)):
        if entries:
            folded = fold_entries(state, entries)
            table.update_account(store, folded._replace(due_on=due_on(folded)), arrival.now)
    return len(moved.undone)


def open_placements(store: Store, account_id: int) -> list[int]:
    """Return the open placements of an account and of those merged into it."""
    return [row[0] for row in store.rows(_PLACED, (account_id, account_id))]


def is_with_agency(store: Store, account_id: int) -> bool:
    """Return whether an agency has been sent an account and has it still."""
    sql = f"SELECT 1 FROM placements WHERE account_id = ? AND status IN ({_WITH_AGENCY}) LIMIT 1"
    return store.row(sql, (account_id,)) is not None


def has_account_history(store: Store, account_id: int) -> bool:
    """Return whether an account was ever charged, paid or placed."""
    sql = (
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM entries WHERE account_id = ?)"
        " OR EXISTS (SELECT 1 FROM placements WHERE account_id = ?)"
    )
    return store.row(sql, (account_id, account_id)) is not None


def rekey_placements(store: Store, source_id: int, target_id: int, *, at: str, actor: str, reason: str) -> None:
    """Have the open placements of an account belong to another, which has none; each notes why."""
    rows = store.rows(
        f"SELECT id, status FROM placements WHERE account_id = ? AND status IN ({OPEN_STATUSES})", (source_id,)
    )
    for placement_id, status in rows:
        store.execute(
            "UPDATE placements SET account_id = ?, updated_at = ? WHERE id = ?", (target_id, at, placement_id)
        )
        store.execute(
            "INSERT INTO placement_events (placement_id, at, actor, from_status, to_status, reason)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (placement_id, at, actor, status, status, reason),
        )


def remove_identifier(store: Store, identifier: Identifier) -> None:
    """Forget an id that leads to a row: it is the row's own again."""
    store.execute(
        "DELETE FROM identifiers WHERE kind = ? AND number = ? AND facility = ? AND authority = ?",
        (identifier.kind, identifier.number, identifier.facility, identifier.authority),
    )


def _rekey_account(store: Store, source_id: int, target_id: int, arrival: Arrival, *, keep_open: bool) -> None:
    both = (target_id, source_id)
    if not keep_open:
        reason = f"account merged by message {arrival.message_id}"
        rekey_placements(store, source_id, target_id, at=arrival.now, actor=ACTOR, reason=reason)
    store.execute(
        f"UPDATE placements SET account_id = ? WHERE account_id = ? AND status NOT IN ({OPEN_STATUSES})", both
    )
    for name in _REKEYED:
        store.execute(f"UPDATE {name} SET account_id = ? WHERE account_id = ?", both)
    store.execute("UPDATE exceptions SET account_id = ? WHERE account_id = ? AND closed_at IS NULL", both)
    store.execute("UPDATE accounts SET merged_into = ? WHERE merged_into = ?", both)
    store.execute("UPDATE identifiers SET target_id = ? WHERE target_id = ? AND kind <> 'patient'", both)
    # Nothing is left to compare with; the target's figures are compared when the sender tells them.
    store.execute(
        "UPDATE discrepancies SET resolved_at = ? WHERE account_id = ? AND resolved_at IS NULL",
        (arrival.now, source_id),
    )


def _join_people(store: Store, source_id: int, target_id: int, arrival: Arrival) -> None:
    """Join guarantors, and coverages, place by place; the source's rows stay where they are."""
    guarantors = table.read_ranked(store, Guarantor, target_id)
    told = table.read_ranked(store, Guarantor, source_id)
    joined = [join_ranked(guarantors.get(rank), row)[0] for rank, row in told.items()]
    table.write_ranked(store, Guarantor, target_id, joined, arrival.message_id)
    coverages = table.read_ranked(store, Coverage, target_id)
    for rank, row in table.read_ranked(store, Coverage, source_id).items():
        kept, former = join_ranked(coverages.get(rank), row)
        table.write_ranked(store, Coverage, target_id, [kept], arrival.message_id)
        if former is not None:
            add_former_coverage(store, target_id, former, ended_at=arrival.now, message_id=arrival.message_id)
