"""The records of one message -> the store: patient, account, guarantors, coverages and entries, in one savepoint."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import NamedTuple, TypeVar

from hl7bridge.errors import UNKNOWN_KEY, Location, MessageError
from hl7bridge.ledger.account import AccountState, fold_entries, new_account
from hl7bridge.ledger.intake import complete_entries, merge_account, merge_record, new_entries
from hl7bridge.mapping.records import Account, Coverage, Guarantor, Patient, Records
from hl7bridge.message.datatypes import parse_timestamp
from hl7bridge.message.model import Message
from hl7bridge.rules.due import DueDays
from hl7bridge.storage import accounts as table
from hl7bridge.storage.database import Later, RowSink, Store
from hl7bridge.storage.entries import entries_by_transaction, insert_entries

_Ranked = TypeVar("_Ranked", Guarantor, Coverage)
_ACCOUNT_NUMBER = Location("PID", 1, 18, 1, 1)


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


class Arrival(NamedTuple):
    """Where and when records come from: order among messages (``event_time``), sender, message id, time of receipt."""

    as_of: str
    source: str
    message_id: int
    now: str


def known_account(store: Store, later: Later, records: Records) -> AccountState | None:
    """Return the account that a message addresses if it is known, with all that belongs to it on the table.

    To be called outside the message's savepoint: what is written here belongs to messages before it.
    """
    told = records.account
    known = None if told is None else table.account_in_facility(store, str(told.facility), str(told.number))
    if known is not None:
        later.write()
    return known


def apply_records(
    store: Store,
    later: Later,
    records: Records,
    known: AccountState | None,
    arrival: Arrival,
    due_on: DueDays,
    *,
    may_create: bool,
) -> int | None:
    """Store what a message says and return the id of the account it addresses, if any.

    Runs inside the caller's savepoint; ``known`` is what ``known_account`` found before it. What belongs to an account
    that is new goes to ``later``, last of all, when nothing can fail any more. Raises MessageError: 204 for an account
    that is not known and may not be created, 205 for an entry whose id is known with other content.
    """
    as_of, source, message_id, now = arrival
    patient_id = None
    if records.patient is not None:
        patient_id = _apply_patient(store, records.patient, as_of, message_id, now[:10])
    told = records.account
    if told is None:
        return None
    if known is None and not may_create:
        raise MessageError(UNKNOWN_KEY, _ACCOUNT_NUMBER, "this account is not known; send its registration first")
    entries = complete_entries(records.entries)
    state = _told_state(told, known, patient_id, as_of, message_id)
    sink: RowSink = later if known is None else store
    if known is None:
        fresh = new_entries(entries, {})
        state = fold_entries(state, fresh)
        account_id = table.insert_account(store, state._replace(due_on=due_on(state, has_signals=False)), now)
        guarantors = [merge_record(None, record) for record in _ranked(records.guarantors)]
        coverages = [merge_record(None, record) for record in _ranked(records.coverages)]
    else:
        account_id = known.id
        ids = [entry.transaction_id for entry in entries if isinstance(entry.transaction_id, str)]
        fresh = new_entries(entries, entries_by_transaction(store, account_id, source, ids)) if entries else []
        state = fold_entries(state, fresh)
        state = state._replace(due_on=due_on(state))
        if state != known:
            table.update_account(store, state, now)
        is_newer = as_of >= known.as_of
        guarantors = _changed(table.read_guarantors(store, account_id), _ranked(records.guarantors), is_newer=is_newer)
        coverages = _changed(table.read_coverages(store, account_id), _ranked(records.coverages), is_newer=is_newer)
    if guarantors:
        table.write_guarantors(sink, account_id, guarantors, as_of, message_id)
    if coverages:
        table.write_coverages(sink, account_id, coverages, as_of, message_id)
    if fresh:
        insert_entries(sink, account_id, fresh, source=source, recorded_at=now, message_id=message_id)
    return account_id


def _apply_patient(store: Store, told: Patient, as_of: str, message_id: int, today: str) -> int:
    authority = told.authority if isinstance(told.authority, str) else ""
    told = told._replace(authority=authority)
    stored = table.patient_by_number(store, str(told.facility), str(told.number), authority)
    if stored is None:
        return table.insert_patient(store, merge_record(None, told), as_of, message_id)
    if as_of >= stored.as_of:
        merged = merge_record(stored.patient, told)
        if merged != stored.patient or as_of > stored.as_of:
            table.update_patient(store, stored.id, merged, as_of, message_id)
            if merged != stored.patient:
                table.make_patient_due(store, stored.id, today)
    else:  # a late message: it fills what is unknown
        merged = merge_record(merge_record(None, told), stored.patient)
        if merged != stored.patient:
            table.update_patient(store, stored.id, merged, stored.as_of, message_id)
            table.make_patient_due(store, stored.id, today)
    return stored.id


def _told_state(
    told: Account, known: AccountState | None, patient_id: int | None, as_of: str, message_id: int
) -> AccountState:
    state = known or new_account(str(told.facility), str(told.number), as_of=as_of, message_id=message_id)
    is_newer = as_of >= state.as_of
    owner = patient_id if patient_id is not None and (is_newer or state.patient_id is None) else state.patient_id
    return merge_account(state, told, owner, as_of=as_of, message_id=message_id, is_newer=is_newer)


def _ranked(records: tuple[_Ranked, ...]) -> list[_Ranked]:
    """Number records that carry no rank of their own by their place in the message."""
    return [
        record if isinstance(record.rank, int) and record.rank else record._replace(rank=at)
        for at, record in enumerate(records, 1)
    ]


def _changed(known: tuple[_Ranked, ...], told: list[_Ranked], *, is_newer: bool) -> list[_Ranked]:
    """Return the records to write: what a newer message changes, or what an older one adds. Nothing is deleted."""
    by_rank = {record.rank: record for record in known}
    changed: list[_Ranked] = []
    for record in told:
        before = by_rank.get(record.rank)
        if before is None or is_newer:
            merged = merge_record(before, record)
        else:
            merged = merge_record(merge_record(None, record), before)
        if merged != before:
            changed.append(merged)
    return changed
