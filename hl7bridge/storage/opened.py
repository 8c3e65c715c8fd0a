"""Accounts and patients that nobody told of before -> rows that get their ids at once and are written draft."""

from __future__ import annotations

from typing import Final

from hl7bridge.ledger.account import AccountState
from hl7bridge.ledger.arrival import Arrival
from hl7bridge.mapping.records import Patient
from hl7bridge.storage.accounts import account_values, stored_values
from hl7bridge.storage.later import Draft

_PATIENT_COLUMNS: Final = ("id", "as_of", "message_id", "field_times", *Patient._fields)
_ACCOUNT_COLUMNS: Final = (*AccountState._fields, "created_at", "updated_at")
_INSERT_PATIENT, _INSERT_ACCOUNT = (
    f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for table, columns in (("patients", _PATIENT_COLUMNS), ("accounts", _ACCOUNT_COLUMNS))
)
REFERRED_TO: Final = (_INSERT_PATIENT, _INSERT_ACCOUNT)  # accounts refer to patients, and the rest to accounts


def insert_patient(draft: Draft, patient: Patient, arrival: Arrival, field_times: str) -> int:
    """Have a new patient stored and return the id."""
    patient_id = draft.next_id("patients")
    row = (patient_id, arrival.as_of, arrival.message_id, field_times, *stored_values(patient))
    draft.executemany(_INSERT_PATIENT, [row])
    return patient_id


def insert_account(draft: Draft, state: AccountState, now: str) -> AccountState:
    """Have a new account stored and return it with its id."""
    account_id = draft.next_id("accounts")
    draft.executemany(_INSERT_ACCOUNT, [(account_id, *account_values(state), now, now)])
    return AccountState._make((account_id, *state[1:]))
