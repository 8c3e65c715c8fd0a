"""A message that changes identities -> what hangs on its ids, re-keyed in the message's savepoint: all groups or none.

Source: HL7 v2.5.1 section 3.6.2. What each event means is in ``ledger.identity``; what two ids that are one come to,
in ``combining``; here groups are taken one after the other, and accounts and visits move.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hl7bridge.combining import UNCLEAR, Accounts, Occasion, Patients, combine, tell_account
from hl7bridge.errors import DUPLICATE_KEY, MessageError
from hl7bridge.ledger.account import AccountState
from hl7bridge.ledger.arrival import Arrival
from hl7bridge.ledger.identity import (
    AccountMoved,
    Change,
    Combined,
    Kind,
    Name,
    Noted,
    VisitMoved,
    account_names,
    patient_names,
    plan_changes,
    source_name,
    target_name,
)
from hl7bridge.mapping.records import Identity
from hl7bridge.rules.due import DueDays
from hl7bridge.storage.accounts import account_by_ids, read_account
from hl7bridge.storage.authorities import check_authority
from hl7bridge.storage.database import Store
from hl7bridge.storage.exceptions import hold_account
from hl7bridge.storage.merging import (
    open_account,
    open_placements,
    remove_identifier,
    renumber_account,
)
from hl7bridge.storage.patients import accounts_of, find_or_open_patient, find_patient, same_number
from hl7bridge.storage.readdressing import readdress_deliveries
from hl7bridge.storage.visits import Means, find_visit, former_numbers, move_visit, owner_of, rename_visit


class IdentityChange(NamedTuple):
    """The account and the patient that an event is about, what was done in words, and counters of the listener."""

    account_id: int | None = None
    patient_id: int | None = None
    reason: str = ""
    counters: tuple[str, ...] = ()


def apply_identities(
    store: Store, identities: Sequence[Identity], event: str, arrival: Arrival, due_on: DueDays
) -> IdentityChange:
    """Do what an event says of identities, inside the caller's savepoint, and return what it was.

    Told again it changes nothing. Rows that wait to be written must be written before. Raises MessageError: 101 for an
    id that is missing; 205 for a merge of an id with itself, in a circle, or of one that was merged into another, and
    for an account number of another assigning authority; 201 for an event that changes no identities.
    """
    occasion = Occasion(store, arrival, due_on)
    account_id = patient_id = None
    for group, identity in enumerate(identities, 1):
        for change in _plan(occasion, identity, event, group):
            found = _apply(occasion, identity, change)
            if found is not None and isinstance(change, Combined) and change.kind is Kind.PATIENT:
                patient_id = found
                occasion.touched.update(accounts_of(store, found))
            elif found is not None:
                account_id = found
                occasion.touched.add(found)
    for each in sorted(occasion.touched):
        readdress_deliveries(store, each)
    if account_id is not None:
        patient_id = read_account(store, account_id).patient_id
    elif patient_id is None:
        patient_id = _told_patient(store, identities)
    return IdentityChange(account_id, patient_id, "; ".join(occasion.said), tuple(occasion.counters))


def _plan(occasion: Occasion, identity: Identity, event: str, group: int) -> tuple[Change, ...]:
    """Return what a group changes: nothing when nobody can say which patient it means, and then a person is asked."""
    store, facility = occasion.store, identity.facility or ""
    changes = plan_changes(event, identity, group)
    for name, place in account_names(identity, changes, group):
        check_authority(store, facility, *name, place)
    if any(len(same_number(store, facility, name)) > 1 for name in patient_names(changes)):
        return (Noted(UNCLEAR, is_unclear=True),)
    return changes


def _told_patient(store: Store, identities: Sequence[Identity]) -> int | None:
    """Return the first patient that PID tells of and who is known here."""
    for identity in identities:
        name = target_name(identity, Kind.PATIENT)
        found = None if name is None else find_patient(store, identity.facility or "", name)
        if found is not None:
            return found
    return None


def _apply(occasion: Occasion, identity: Identity, change: Change) -> int | None:
    """Do one change of a group and return the row that it is about: a patient's for patients, else an account's."""
    facility = identity.facility or ""
    if isinstance(change, Combined):
        if change.kind is Kind.PATIENT:
            return combine(occasion, Patients(occasion, facility), change)
        if change.kind is Kind.ACCOUNT:
            return combine(occasion, Accounts(occasion, facility, target_name(identity, Kind.PATIENT)), change)
        return _rename_visit(occasion, identity, change)
    if isinstance(change, AccountMoved):
        return _move_account(occasion, facility, change)
    if isinstance(change, VisitMoved):
        return _move_visit(occasion, identity, change)
    if change.is_unclear:
        occasion.ask("unclear", None, None, change.reason)
    occasion.say(change.reason)
    return None


def _told_account(occasion: Occasion, identity: Identity, name: Name) -> AccountState:
    """Return the account that a number leads to: opened if it is not known, with its own number, of whom PID tells."""
    facility, visits = identity.facility or "", (identity.visit_number, identity.alternate_visit_number)
    store, arrival = occasion.store, occasion.arrival
    state = account_by_ids(store, facility, name.number, *visits)
    if state is None:
        state = read_account(store, open_account(store, facility, name, arrival))
    elif state.number != name.number and state.number in visits:
        state = renumber_account(store, state, name, arrival.now)
    tell_account(occasion, state, name, target_name(identity, Kind.PATIENT))
    return read_account(store, state.id)


def _move_account(occasion: Occasion, facility: str, change: AccountMoved) -> int:
    store, arrival = occasion.store, occasion.arrival
    state = account_by_ids(store, facility, change.account.number)
    if state is None:
        occasion.say("account in MRG is not known here: opened")
        state = read_account(store, open_account(store, facility, change.account, arrival))
    if not tell_account(occasion, state, change.account, change.patient):
        return _done(occasion, state.id)
    occasion.say("account moved to another patient")
    if open_placements(store, state.id):
        occasion.ask_to_tell(state.id, "the account moved to another patient")
        hold_account(store, state.id, arrival.now)
    return state.id


def _rename_visit(occasion: Occasion, identity: Identity, change: Combined) -> int:
    store, facility, kind = occasion.store, identity.facility or "", change.kind
    source, target = change.source.number, change.target.number
    known = find_visit(store, kind, facility, source)
    if known is not None and known.retired and known.becomes:
        if source not in former_numbers(store, kind, facility, target):
            raise MessageError(DUPLICATE_KEY, change.place, "the source was merged into another before")
        return _done(occasion, known.target_id)
    former = find_visit(store, kind, facility, target)
    if former is not None and target in former_numbers(store, kind, facility, source):
        if change.is_merge:
            raise MessageError(DUPLICATE_KEY, change.place, "the target was merged into the source before: a circle")
        if former.since >= occasion.arrival.as_of:
            return _done(occasion, former.target_id)
        remove_identifier(store, former)  # a number that was corrected is what it was again
    state = _account_of_visit(occasion, identity, change)
    entries = rename_visit(store, kind, state, source, target, _means(occasion, facility))
    occasion.say("visit has another number" + (f", entries moved: {entries}" if entries else ""))
    return state.id


def _account_of_visit(occasion: Occasion, identity: Identity, change: Combined) -> AccountState:
    store, facility, kind = occasion.store, identity.facility or "", change.kind
    told, moved = target_name(identity, Kind.ACCOUNT), find_visit(store, kind, facility, change.target.number)
    is_late = moved is not None and bool(moved.retired) and not moved.becomes and moved.since > occasion.arrival.as_of
    if told is not None:
        account = _told_account(occasion, identity, told)
        if not is_late:  # else a newer event moved the visit on, under its new number
            return account
    state = owner_of(store, kind, facility, change.target.number)
    state = state or owner_of(store, kind, facility, change.source.number)
    state = state or account_by_ids(store, facility, change.target.number)
    return state or read_account(store, open_account(store, facility, change.target, occasion.arrival))


def _move_visit(occasion: Occasion, identity: Identity, change: VisitMoved) -> int:
    store, facility, kind = occasion.store, identity.facility or "", change.kind
    target, source = _told_account(occasion, identity, change.target), None
    if change.source is not None:
        source = account_by_ids(store, facility, change.source.number)
        if source is None:
            name = source_name(identity, Kind.PATIENT)
            is_told = name is not None and len(same_number(store, facility, name)) <= 1
            prior = find_or_open_patient(store, facility, name, occasion.arrival) if is_told else None
            # To be remembered: a message that names this account and the visit is of the account it moved to.
            source = read_account(store, open_account(store, facility, change.source, occasion.arrival, prior))
        tell_account(occasion, source, change.source, None)
        source = read_account(store, source.id)
    left_id = None if source is None else source.id
    if left_id is not None:
        occasion.touched.add(left_id)
    is_both_placed = source is not None and all(open_placements(store, each.id) for each in (source, target))
    moved = move_visit(store, kind, change.visit.number, source, target, _means(occasion, facility))
    occasion.say(f"visit moved to another account, entries moved: {moved.entries}")
    if moved.entries and left_id is not None and is_both_placed:
        occasion.ask_both_placed(moved.account_id, left_id, [moved.account_id])
    if kind is Kind.ALTERNATE_VISIT and not (identity.visit_number or identity.prior_visit_number):
        reason = "a visit moved that is only known by its alternate id: its entries cannot be told apart"
        occasion.ask("unclear", moved.account_id, left_id, reason)
    return moved.account_id


def _means(occasion: Occasion, facility: str) -> Means:
    return Means(occasion.arrival, occasion.due_on, Accounts(occasion, facility, None).join)


def _done(occasion: Occasion, account_id: int) -> int:
    occasion.say("done before: nothing changed")
    return account_id
