"""A message about an account that nobody told of before -> its rows, all written at the batch's end.

What ``intake`` does of such a message, without a look at the store: nothing is there to merge with, and nothing that
could have to be undone.
"""

from __future__ import annotations

from hl7bridge.errors import UNKNOWN_KEY, MessageError
from hl7bridge.intake import ACCOUNT_NUMBER, Applied, repeated_text, with_deletions
from hl7bridge.ledger.account import fold_entries, with_due
from hl7bridge.ledger.arrival import Arrival
from hl7bridge.ledger.intake import complete_entries, first_account, new_entries, repeated_entries
from hl7bridge.ledger.ranked import start_all
from hl7bridge.ledger.times import first_told
from hl7bridge.mapping.records import Coverage, Guarantor, Patient, Records
from hl7bridge.money import ZERO
from hl7bridge.payments.echo import ECHOED_KINDS
from hl7bridge.rules.due import DueDays
from hl7bridge.storage.accounts import write_ranked
from hl7bridge.storage.addressing import note_visits
from hl7bridge.storage.entries import insert_entries
from hl7bridge.storage.later import Draft, Later
from hl7bridge.storage.opened import insert_account, insert_patient


def open_account(
    later: Later, records: Records, arrival: Arrival, due_on: DueDays, *, may_create: bool
) -> Applied | None:
    """Have what a message tells of an account and a patient that are new stored, and return the two.

    None, and nothing is stored, when it tells what has to be compared with rows: signals, a balance, the reversal of an
    entry, what may be the echo of a payment. Raises MessageError, as ``apply_records`` does, before anything is stored.
    """
    account = records.account
    if account is None or records.signals or records.balance is not None:
        return None
    as_of, source, message_id, now = arrival
    if not may_create:
        raise MessageError(UNKNOWN_KEY, ACCOUNT_NUMBER, "this account is not known; send its registration first")
    entries = complete_entries(records.entries)
    if any(entry.kind in ECHOED_KINDS or (entry.amount or ZERO) < ZERO for entry in entries):
        return None
    repeated = repeated_entries(records.entries)
    fresh = new_entries(entries, {}, repeated)
    draft = Draft(later)
    patient_id = None if records.patient is None else _open_patient(draft, records.patient, arrival)
    state = first_account(account, patient_id, at=as_of, message_id=message_id)
    state = fold_entries(with_deletions(state, records, as_of), fresh)
    before = with_due(state, due_on(state, has_signals=False))
    state = insert_account(draft, before, now)
    note_visits(draft, before, state, account, arrival)
    if records.guarantors:
        write_ranked(draft, Guarantor, state.id, start_all(records.guarantors, as_of), message_id)
    if records.coverages:
        write_ranked(draft, Coverage, state.id, start_all(records.coverages, as_of), message_id)
    if fresh:
        visit = account.visit_number if isinstance(account.visit_number, str) else None
        insert_entries(
            draft, state.id, fresh, source=source, recorded_at=now, message_id=message_id, visit_number=visit
        )
    draft.keep()
    return Applied(state.id, patient_id, repeated_text(len(repeated)))


def _open_patient(draft: Draft, told: Patient, arrival: Arrival) -> int:
    if not isinstance(told.authority, str):
        told = told._replace(authority="")
    row = first_told(told, arrival.as_of)
    return insert_patient(draft, Patient._make(row.values), arrival, row.times)
