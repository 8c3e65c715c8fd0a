"""A visit that gets another number or another account -> the ids that lead to accounts, and the entries of the visit.

All of it runs inside the caller's savepoint. An account that is only known by the number of a visit is that visit's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.ledger.arrival import Arrival
from hl7bridge.ledger.identity import Kind, Name, renumber_field
from hl7bridge.message.escape import escape
from hl7bridge.rules.due import DueDays
from hl7bridge.storage.accounts import (
    account_in_facility,
    is_provisional,
    read_account,
    surviving,
    update_account,
)
from hl7bridge.storage.database import Store
from hl7bridge.storage.identifiers import Identifier, add_identifier, write_identifiers
from hl7bridge.storage.merging import move_entries, renumber_account

_FIND: Final = (
    f"SELECT {', '.join(Identifier._fields)} FROM identifiers WHERE kind = ? AND number = ? AND facility = ?"
    " ORDER BY since DESC LIMIT 1"
)
_FORMER: Final = (
    "WITH RECURSIVE former (number) AS (SELECT ? UNION SELECT i.number FROM identifiers i JOIN former f"
    " ON i.becomes = f.number WHERE i.kind = ? AND i.facility = ? AND i.retired = 1) SELECT number FROM former"
)
_LEAD: Final = "UPDATE identifiers SET target_id = ? WHERE kind = ? AND facility = ? AND number = ?"
_FIELDS: Final = {Kind.VISIT: ("visit_number", "pv1_19"), Kind.ALTERNATE_VISIT: ("alternate_visit_number", "pv1_50")}


class Moved(NamedTuple):
    """What came of moving a visit: the account that has it now, and how many entries it took along."""

    account_id: int
    entries: int


def find_visit(store: Store, kind: Kind, facility: str, number: str) -> Identifier | None:
    """Return what is known of a visit's number, or None."""
    row = store.row(_FIND, (kind, number, facility))
    return None if row is None else Identifier(*row)


def owner_of(store: Store, kind: Kind, facility: str, number: str) -> AccountState | None:
    """Return the account that a visit belongs to, or None."""
    found = find_visit(store, kind, facility, number)
    state = account_in_facility(store, facility, number) if found is None else read_account(store, found.target_id)
    if state is None or (found is None and not is_provisional(state)):
        return None
    return surviving(store, state)


def moved_to(store: Store, kind: Kind, facility: str, number: str) -> AccountState | None:
    """Return the account that an event moved a visit to, under this number or one that it got; None if none did.

    That another account named the visit is no move.
    """
    seen: set[str] = set()
    found = find_visit(store, kind, facility, number)
    while found is not None and found.retired and found.becomes and found.number not in seen:
        seen.add(found.number)
        found = find_visit(store, kind, facility, found.becomes)
    if found is None or not found.retired or found.becomes:
        return None
    return surviving(store, read_account(store, found.target_id))


def former_numbers(store: Store, kind: Kind, facility: str, number: str) -> set[str]:
    """Return a visit's number and all numbers that became it."""
    return {row[0] for row in store.execute(_FORMER, (number, kind, facility))}


class Means(NamedTuple):
    """What changes are made with: ``join`` merges an account's row into another and returns how many entries moved."""

    arrival: Arrival
    due_on: DueDays
    join: Callable[[int, int], int]


def rename_visit(store: Store, kind: Kind, state: AccountState, source: str, target: str, means: Means) -> int:
    """Have a visit's number become another's, in an account; return how many entries came from another account."""
    arrival = means.arrival
    facility, entries = state.facility, 0
    moved = find_visit(store, kind, facility, source)
    owner = owner_of(store, kind, facility, source)
    if owner is not None and owner.id != state.id:
        if owner.number == source:
            entries = means.join(owner.id, state.id)
        elif kind is Kind.VISIT:
            visits = former_numbers(store, kind, facility, source)
            entries = move_entries(store, owner, state, visits, arrival, means.due_on)
        state = read_account(store, state.id)
    elif state.number == source:  # nobody told the account's own number yet
        state = renumber_account(store, state, Name(target), arrival.now)
    name, field = _FIELDS[kind]
    changes: dict[str, Any] = {field: renumber_field(getattr(state, field), escape(source), escape(target))}
    if getattr(state, name) in {source, None}:
        changes[name] = target
    update_account(store, state._replace(**changes), arrival.now)
    _note(store, kind, facility, source, state.id, arrival, becomes=target)
    if target != state.number and find_visit(store, kind, facility, target) is None:
        if moved is not None and moved.retired:  # by an event, and it stays so under the new number
            write_identifiers(store, [moved._replace(number=target, target_id=state.id)])
        else:
            _note(store, kind, facility, target, state.id, arrival, becomes=None)
    return entries


def move_visit(
    store: Store, kind: Kind, visit: str, source: AccountState | None, target: AccountState, means: Means
) -> Moved:
    """Have a visit belong to another account with its entries.

    A newer event may have moved it on already: then its entries follow it there.
    """
    facility, arrival = target.facility, means.arrival
    known = find_visit(store, kind, facility, visit)
    owner = owner_of(store, kind, facility, visit)
    is_late = known is not None and bool(known.retired) and known.since >= arrival.as_of and owner is not None
    goal = owner if is_late and owner is not None else target
    left = source or owner
    entries = 0
    leaving = {} if left is None else {left.id: left}
    if owner is not None and owner.number == visit:
        leaving[owner.id] = owner
    leaving.pop(goal.id, None)
    for each in leaving.values():
        if each.number == visit:
            entries += means.join(each.id, goal.id)
        elif kind is Kind.VISIT:
            visits = former_numbers(store, kind, facility, visit)
            goal_now = read_account(store, goal.id)
            entries += move_entries(store, each, goal_now, visits, arrival, means.due_on)
    if left is not None and left.id != goal.id:
        _leave(store, kind, visit, left.id, arrival, is_new=bool(entries) or owner is None or owner.id == left.id)
    if not is_late:
        _note(store, kind, facility, visit, goal.id, arrival, becomes="")
        others = former_numbers(store, kind, facility, visit) - {visit}
        store.executemany(_LEAD, [(goal.id, kind, facility, each) for each in sorted(others)])
    return Moved(goal.id, entries)


def _leave(store: Store, kind: Kind, visit: str, account_id: int, arrival: Arrival, *, is_new: bool) -> None:
    """Note in an account that a visit left it, so that messages that name both are looked up by the visit."""
    state = read_account(store, account_id)
    name, field = _FIELDS[kind]
    changes: dict[str, Any] = {}
    if getattr(state, name) == visit:
        changes = {name: None, field: None}
    if is_new or not state.moved_visits:
        changes["moved_visits"] = state.moved_visits + 1
    if changes and state.merged_into is None:
        update_account(store, state._replace(**changes), arrival.now)


def _note(
    store: Store, kind: Kind, facility: str, number: str, account_id: int, arrival: Arrival, *, becomes: str | None
) -> None:
    """Have a visit's number lead to an account; ``becomes`` None: nothing else was said of it."""
    add_identifier(
        store, kind, facility, number, "", account_id, since=arrival.as_of, message_id=arrival.message_id,
        retired=int(becomes is not None), becomes=becomes or "",
    )  # fmt: skip
