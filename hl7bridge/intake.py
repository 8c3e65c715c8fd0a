"""The records of one message -> the store: patient, account, people, entries, balances, signals, in one savepoint."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from hl7bridge.errors import UNKNOWN_KEY, Location, MessageError
from hl7bridge.ledger.account import AccountState, fold_entries, new_account, with_due
from hl7bridge.ledger.arrival import Arrival
from hl7bridge.ledger.identity import Name, renumber_field
from hl7bridge.ledger.intake import complete_entries, merge_account, new_entries, repeated_entries
from hl7bridge.ledger.ranked import DELETED, is_delete_all
from hl7bridge.ledger.times import first_told, merge_told, with_mark
from hl7bridge.mapping.records import Account, Coverage, Entry, Guarantor, Patient, Records
from hl7bridge.message.datatypes import parse_timestamp
from hl7bridge.message.escape import escape
from hl7bridge.message.model import Message
from hl7bridge.money import ZERO
from hl7bridge.rules.due import DueDays
from hl7bridge.storage import accounts as table
from hl7bridge.storage.addressing import note_visits, with_own_number, with_provisional, without_status
from hl7bridge.storage.database import RowSink, Store
from hl7bridge.storage.discrepancies import compare_balance
from hl7bridge.storage.echoes import Echoed, take_echoes
from hl7bridge.storage.entries import entries_by_transaction, has_reversal, insert_entries, pair_entries
from hl7bridge.storage.later import Later
from hl7bridge.storage.patients import is_merged_number, stored_patient, touch_patient
from hl7bridge.storage.ranked import apply_ranked
from hl7bridge.storage.signals import apply_signals

ACCOUNT_NUMBER: Final = Location("PID", 1, 18, 1, 1)


def event_time(message: Message, zone: dt.tzinfo, now: str) -> str:
    """Return the text by which messages about one thing are put in order: MSH-7 in UTC, then EVN-2.

    ``now`` is the time of receipt as ``order_text`` gives it. A time that is missing, unusable or later than that
    counts as ``now``: a sender's wrong clock must not lock a record.
    """
    rows = message.fields("EVN")
    recorded = rows[0][2] if rows and len(rows[0]) > 2 else ""  # noqa: PLR2004  (EVN-2)
    mark = message.delimiters.component  # TS has its degree of precision behind it
    sent = _ordered(message.header.timestamp.partition(mark)[0], zone) or now
    occurred = (_ordered(recorded.partition(mark)[0], zone) or now) if recorded else ""
    return f"{min(sent, now)} {min(occurred, now)}"


def order_text(at: dt.datetime) -> str:
    """Return an aware time as text that sorts by time."""
    return at.astimezone(dt.UTC).strftime("%Y%m%d%H%M%S.%f")


@lru_cache(maxsize=4096)
def _ordered(text: str, zone: dt.tzinfo) -> str | None:
    try:
        return order_text(parse_timestamp(text, zone).at)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=1024)
def source_mark(source: str) -> str:
    """Return what stands for a sender in the time of a message: of two of one time, one is always the newer."""
    return blake2b(source.encode(), digest_size=4).hexdigest()


class Applied(NamedTuple):
    """The account and the patient that a message is about, what there is to say of it, and counters to add to."""

    account_id: int | None = None
    patient_id: int | None = None
    reason: str = ""
    counters: tuple[str, ...] = ()


def apply_records(
    store: Store,
    later: Later,
    records: Records,
    known: AccountState | None,
    arrival: Arrival,
    due_on: DueDays,
    *,
    may_create: bool,
) -> Applied:
    """Store what a message says and return the account and patient it is about.

    Runs inside the caller's savepoint; ``known`` is what ``known_account`` found before it. What belongs to an account
    that is new goes to ``later``, last of all, when nothing can fail any more. Raises MessageError: 204 for an account
    that is not known and may not be created, 205 for an entry whose id is known with other content and for an account
    number of another assigning authority.
    """
    as_of, _, message_id, now = arrival
    said: list[str] = []
    patient_id = None if records.patient is None else _apply_patient(store, records.patient, arrival, said)
    told = records.account
    if told is None:
        return Applied(None, patient_id, "; ".join(said))
    if known is None and not may_create:
        raise MessageError(UNKNOWN_KEY, ACCOUNT_NUMBER, "this account is not known; send its registration first")
    if known is not None:
        known = with_provisional(store, known, told, arrival, due_on)
        told, unused = without_status(store, known, told)
        said.append(unused)
    before = known or new_account(str(told.facility), str(told.number), as_of=as_of, message_id=message_id)
    state, echoed, repeated = _apply_account(store, records, told, before, patient_id, arrival, due_on)
    sink: RowSink = later if known is None else store
    note_visits(sink, before, state, told, arrival)
    if records.guarantors:
        apply_ranked(store, sink, Guarantor, records.guarantors, state, arrival=arrival, is_new=known is None)
    if records.coverages:
        apply_ranked(store, sink, Coverage, records.coverages, state, arrival=arrival, is_new=known is None)
    if echoed.entries:
        _append(store, sink, state, echoed.entries, _text(told.visit_number), arrival, is_new=known is None)
    if records.balance is not None and as_of >= before.as_of:
        compare_balance(store, state, records.balance, _text(told.visit_number), message_id=message_id, now=now)
    if records.signals:
        apply_signals(store, state.id, records.signals, arrival=arrival)
    said += repeated_text(repeated), echoed.said
    return Applied(state.id, patient_id, "; ".join(filter(None, said)), echoed.counters)


def _apply_account(
    store: Store,
    records: Records,
    told: Account,
    before: AccountState,
    patient_id: int | None,
    arrival: Arrival,
    due_on: DueDays,
) -> tuple[AccountState, Echoed, int]:
    """Store the account with the totals of new entries; return it, them without echoes, how many were told twice."""
    as_of, source, message_id, now = arrival
    state, told = with_own_number(before, told)
    entries = complete_entries(records.entries) if records.entries else []
    repeated = repeated_entries(records.entries)
    state = merge_account(state, told, patient_id, at=as_of, message_id=message_id)
    state = with_deletions(state, records, as_of)
    if not before.id:
        fresh = new_entries(entries, {}, repeated)
        echoed = take_echoes(store, 0, fresh, entries, records.entries, arrival)
        state = fold_entries(state, echoed.entries)
        state = with_due(state, due_on(state, has_signals=False))
        state = state._replace(id=table.insert_account(store, state, now))
    else:
        ids = [entry.transaction_id for entry in entries if isinstance(entry.transaction_id, str)]
        fresh = new_entries(entries, _known_entries(store, before, told, source, ids) if ids else {}, repeated)
        echoed = take_echoes(store, before.id, fresh, entries, records.entries, arrival)
        state = fold_entries(state, echoed.entries)
        state = with_due(state, due_on(state))
        if state != before:
            table.update_account(store, state, now, before)
    return state, echoed, len(repeated)


def _known_entries(
    store: Store, state: AccountState, told: Account, source: str, ids: Sequence[str]
) -> dict[tuple[str, str], Entry]:
    """Return the entries of an account by their ids, and those of the account that is named, if its visit moved here.

    What the named account has had is told again, wherever its visit is now.
    """
    known = entries_by_transaction(store, state.id, source, ids)
    named = None
    if told.number != state.number:
        named = table.account_in_facility(store, state.facility, str(told.number))
    if named is not None and named.merged_into is None:
        known = {**known, **entries_by_transaction(store, named.id, source, ids)}
    return known


def _apply_patient(store: Store, told: Patient, arrival: Arrival, said: list[str]) -> int:
    as_of, _, message_id, now = arrival
    authority = told.authority if isinstance(told.authority, str) else ""
    told = told._replace(authority=authority)
    stored = stored_patient(store, str(told.facility), Name(str(told.number), authority))
    if stored is None:
        first = first_told(told, as_of)
        return table.insert_patient(store, Patient._make(first.values), as_of, message_id, first.times)
    known = stored.patient
    if known.number == told.number and not (known.authority and authority):
        both = known.authority or authority  # whoever tells of one: it is the same person
        known, told = known._replace(authority=both), told._replace(authority=both)
    elif (known.number, known.authority) != (told.number, authority):  # a number it had: it keeps the one it has
        echoed = renumber_field(_text(told.pid_3), escape(str(told.number)), escape(str(known.number)))
        if told.deleted is not None and is_merged_number(store, str(told.facility), Name(str(told.number), authority)):
            if told.deleted is True or known.deleted:
                said.append("its patient was merged into another: neither is deleted, nor back")
            told = told._replace(deleted=None)
        told = told._replace(facility=None, number=None, authority=None, pid_3=None if known.pid_3 else echoed)
    row = merge_told(known, stored.as_of, stored.field_times, told, as_of)
    newest = max(as_of, stored.as_of)
    merged = Patient._make(row.values)
    if merged != stored.patient:
        table.update_patient(store, stored.id, merged, newest, message_id, row.times)
        table.make_patient_due(store, stored.id, now[:10])
    elif newest != stored.as_of or row.times != stored.field_times:
        touch_patient(store, stored.id, newest, message_id, row.times)
    return stored.id


def with_deletions(state: AccountState, records: Records, as_of: str) -> AccountState:
    """Mark when all guarantors or coverages were deleted, so that what older messages tell of them stays out."""
    times = state.field_times
    if records.guarantors and is_delete_all(records.guarantors):
        times = with_mark(times, DELETED[Guarantor], as_of)
    if records.coverages and is_delete_all(records.coverages):
        times = with_mark(times, DELETED[Coverage], as_of)
    return state if times == state.field_times else state._replace(field_times=times)


def _append(
    store: Store,
    sink: RowSink,
    state: AccountState,
    entries: Sequence[Entry],
    visit: str | None,
    arrival: Arrival,
    *,
    is_new: bool,
) -> None:
    """Append entries, those that reverse or may be reversed one by one, so that each finds its other half."""
    _, source, message_id, now = arrival
    if any((entry.amount or ZERO) < ZERO for entry in entries) or (not is_new and has_reversal(store, state.id)):
        pair_entries(
            store, state.id, entries, source=source, recorded_at=now, message_id=message_id, visit_number=visit
        )
    else:
        insert_entries(
            sink, state.id, entries, source=source, recorded_at=now, message_id=message_id, visit_number=visit
        )


def repeated_text(count: int) -> str:
    """Return what there is to say of entries that a message tells twice."""
    return f"{count} of its entries are told twice and counted once" if count else ""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
