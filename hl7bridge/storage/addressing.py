"""The ids that a message names -> the account it addresses, and the ids that lead to that account from then on."""

from __future__ import annotations

from typing import Final

from hl7bridge.ledger.account import AccountState
from hl7bridge.ledger.arrival import Arrival
from hl7bridge.ledger.identity import ACCOUNT_AUTHORITY, Kind, another_authority, renumber_field
from hl7bridge.mapping.records import Account, Records
from hl7bridge.message.escape import escape
from hl7bridge.rules.due import DueDays
from hl7bridge.storage import accounts as table
from hl7bridge.storage.authorities import check_authority
from hl7bridge.storage.database import RowSink, Store
from hl7bridge.storage.exceptions import hold_account, open_exception
from hl7bridge.storage.identifiers import ACCOUNT, ALTERNATE_VISIT, VISIT, Identifier, is_of_merged, write_identifiers
from hl7bridge.storage.later import Later
from hl7bridge.storage.merging import join_account_rows
from hl7bridge.storage.visits import moved_to

_MERGED_STATUS: Final = "its number is of an account that was merged or that its visit left: no status is changed"


def known_account(store: Store, later: Later, records: Records) -> AccountState | None:
    """Return the account that a message addresses if it is known, with all that belongs to it on the table.

    To be called outside the message's savepoint: what is written here belongs to messages before it. Raises
    MessageError (205 at PID-18.4) when the number is one that the account had, of another assigning authority.
    """
    told = records.account
    if told is None:
        return None
    facility, number = str(told.facility), str(told.number)
    known = table.account_in_facility(store, facility, number)
    if known is None:
        visit, alternate = _text(told.visit_number), _text(told.alternate_visit_number)
        if number in {visit, alternate}:
            later.write()  # with the visits of accounts that are new themselves
        known = table.account_by_other_ids(store, facility, number, visit, alternate)
    if known is not None:
        later.write()
        known = table.surviving(store, known)
        if known.moved_visits:
            known = _account_of_visit(store, known, _text(told.visit_number), _text(told.alternate_visit_number))
        if known.number != number:
            check_authority(store, facility, number, _text(told.authority) or "", ACCOUNT_AUTHORITY)
    return known


def _account_of_visit(store: Store, state: AccountState, *visits: str | None) -> AccountState:
    """Return the account that one of an account's former visits was moved to, or the account itself."""
    for kind, visit in zip((Kind.VISIT, Kind.ALTERNATE_VISIT), visits, strict=True):
        moved = None if visit is None else moved_to(store, kind, state.facility, visit)
        if moved is not None:
            return moved
    return state


def with_provisional(
    store: Store, known: AccountState, told: Account, arrival: Arrival, due_on: DueDays
) -> AccountState:
    """Join the account that was opened under the number of a visit, when a message tells that it is this account's."""
    for visit, newest in (
        (told.visit_number, known.visit_number),
        (told.alternate_visit_number, known.alternate_visit_number),
    ):
        if not isinstance(visit, str) or visit in {newest, known.number}:
            continue
        other = table.account_in_facility(store, known.facility, visit)
        if other is not None and other.merged_into is None and table.is_provisional(other):
            joined = join_account_rows(store, other, known, arrival, due_on)
            known = joined.account
            if joined.is_both_placed:
                open_exception(
                    store, "both_placed", known.id, other.id, message_id=arrival.message_id, at=arrival.now,
                    reason="both were placed: held until a person has looked",
                )  # fmt: skip
                hold_account(store, known.id, arrival.now)
    return known


def without_status(store: Store, state: AccountState, told: Account) -> tuple[Account, str]:
    """Return what a message tells without a status that is another account's, and what there is to say of that.

    A duplicate that was merged and is cancelled then cancels nothing else, and nor does an account that a visit left. A
    number that was corrected is the account's own.
    """
    if told.status is None or told.number == state.number:
        return told, ""
    other = table.account_in_facility(store, state.facility, str(told.number))
    if other is None:
        is_others = is_of_merged(store, ACCOUNT, state.facility, str(told.number))
    else:
        is_others = not table.is_provisional(other)
    if not is_others:
        return told, ""
    return told._replace(status=None), "" if told.status == state.status else _MERGED_STATUS


def with_own_number(state: AccountState, told: Account) -> tuple[AccountState, Account]:
    """Return the account with its own number, and what a message tells of it under the number that it names.

    An account that was opened under a visit's number gets its own when a message tells both. One that is named by a
    number it had, or by its visit, stays under its own, also where that is echoed. Raises MessageError (205 at
    PID-18.4) when the number is known of another assigning authority: it is another account's.
    """
    number, authority = str(told.number), told.authority
    if number == state.number:
        if state.authority and isinstance(authority, str) and authority != state.authority:
            raise another_authority(ACCOUNT_AUTHORITY)
        return state, told
    if state.number in {told.visit_number, told.alternate_visit_number}:
        return state._replace(number=number), told
    echoed = None if state.pid_18 else renumber_field(_text(told.pid_18), escape(number), escape(state.number))
    return state, told._replace(authority=None, pid_18=echoed)


def note_visits(sink: RowSink, before: AccountState, state: AccountState, told: Account, arrival: Arrival) -> None:
    """Have the visits that a message names lead to the account."""
    found: list[Identifier] = []
    for kind, number, known in (
        (VISIT, told.visit_number, before.visit_number),
        (ALTERNATE_VISIT, told.alternate_visit_number, before.alternate_visit_number),
    ):
        if not isinstance(number, str) or number in {state.number, told.number}:  # it says nothing of the account
            continue
        if number != known or arrival.as_of < before.as_of or before.number != state.number or not before.id:
            found.append(
                Identifier(kind, state.facility, number, "", state.id, arrival.as_of, arrival.message_id, retired=0)
            )
    if found:
        write_identifiers(sink, found)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
