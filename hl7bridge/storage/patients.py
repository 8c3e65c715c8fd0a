"""Two patients that are one, a number that becomes another -> the accounts that hang on them, re-keyed.

All of it runs inside the caller's savepoint. The row of who was merged stays, and leads to whom it became.
"""

from __future__ import annotations

from typing import Final

from hl7bridge.ledger.arrival import Arrival
from hl7bridge.ledger.identity import Name, renumber_field
from hl7bridge.ledger.joining import PatientRow, join_patients
from hl7bridge.mapping.records import Patient
from hl7bridge.message.escape import escape
from hl7bridge.storage import accounts as table
from hl7bridge.storage.cases import OPEN_STATUSES
from hl7bridge.storage.database import Store
from hl7bridge.storage.merging import FIRST, echoed

_SAME_NUMBER: Final = "SELECT authority FROM patients WHERE number = ? AND facility = ?"
_ANY_AUTHORITY: Final = (
    "SELECT DISTINCT coalesce(merged_into, id) FROM patients WHERE id IN"
    " (SELECT id FROM patients WHERE number = ? AND facility = ?"
    " UNION SELECT target_id FROM identifiers WHERE kind = 'patient' AND number = ? AND facility = ?)"
)
_TOUCH: Final = "UPDATE patients SET as_of = ?, message_id = ?, field_times = ? WHERE id = ?"
_PLACED: Final = (
    "SELECT DISTINCT a.id FROM accounts a JOIN placements p ON p.account_id = a.id"
    f" WHERE a.patient_id = ? AND a.merged_into IS NULL AND p.status IN ({OPEN_STATUSES}) ORDER BY a.id"
)


def stored_patient(store: Store, facility: str, name: Name) -> table.StoredPatient | None:
    """Return the patient that an id leads to, or None.

    An id that was stored or is given without an authority is found by its number alone if one patient has it.
    """
    found = table.patient_by_number(store, facility, *name)
    if found is not None:
        return found
    known = [row[0] for row in store.rows(_SAME_NUMBER, (name.number, facility))]
    near = [authority for authority in known if not authority or not name.authority]
    return table.patient_by_number(store, facility, name.number, near[0]) if len(near) == 1 else None


def find_patient(store: Store, facility: str, name: Name) -> int | None:
    """Return the row of the patient that an id leads to, or None."""
    found = stored_patient(store, facility, name)
    return None if found is None else found.id


def same_number(store: Store, facility: str, name: Name) -> set[int]:
    """Return the patients that an id may mean when no authority says which; empty when one says."""
    if name.authority:
        return set()
    return {row[0] for row in store.rows(_ANY_AUTHORITY, (name.number, facility) * 2)}


def find_or_open_patient(store: Store, facility: str, name: Name | None, arrival: Arrival) -> int | None:
    """Return the patient that an id leads to, stored if it was not known; None without an id."""
    if name is None:
        return None
    found = find_patient(store, facility, name)
    return open_patient(store, facility, *name, arrival) if found is None else found


def touch_patient(store: Store, patient_id: int, as_of: str, message_id: int, field_times: str) -> None:
    """Store when a patient was last told of, when nothing else of it changed."""
    store.execute(_TOUCH, (as_of, message_id, field_times, patient_id))


def patient_name(store: Store, patient_id: int) -> Name:
    """Return the id that a patient has now."""
    return Name(*store.rows("SELECT number, authority FROM patients WHERE id = ?", (patient_id,))[0])


def is_taken(store: Store, facility: str, name: Name) -> bool:
    """Return whether a patient, merged or not, has an id as its own."""
    return any(name.is_same(Name(name.number, row[0])) for row in store.rows(_SAME_NUMBER, (name.number, facility)))


def is_merged_number(store: Store, facility: str, name: Name) -> bool:
    """Return whether an id is of a patient who was merged into another."""
    rows = store.rows(f"{_SAME_NUMBER} AND merged_into IS NOT NULL", (name.number, facility))
    return any(name.is_same(Name(name.number, row[0])) for row in rows)


def has_accounts(store: Store, patient_id: int) -> bool:
    """Return whether a patient has an account."""
    return store.row("SELECT 1 FROM accounts WHERE patient_id = ? LIMIT 1", (patient_id,)) is not None


def accounts_of(store: Store, patient_id: int) -> list[int]:
    """Return the accounts of a patient that were not merged into others."""
    sql = "SELECT id FROM accounts WHERE patient_id = ? AND merged_into IS NULL ORDER BY id"
    return [row[0] for row in store.rows(sql, (patient_id,))]


def placed_accounts(store: Store, patient_id: int) -> list[int]:
    """Return the accounts of a patient that have an open placement."""
    return [row[0] for row in store.rows(_PLACED, (patient_id,))]


def open_patient(store: Store, facility: str, number: str, authority: str, arrival: Arrival) -> int:
    """Store a patient of whom an event has told no more than the number, and return the id.

    PID-3, which is echoed to the sender, is made of what was told until a message brings the whole of it.
    """
    patient = Patient(facility=facility, number=number, authority=authority, pid_3=echoed(Name(number, authority)))
    return table.insert_patient(store, patient, FIRST, arrival.message_id)


def renumber_patient(store: Store, patient_id: int, number: str, authority: str) -> None:
    """Give a patient another number, also where it is echoed."""
    old, field = store.rows("SELECT number, pid_3 FROM patients WHERE id = ?", (patient_id,))[0]
    store.execute(
        "UPDATE patients SET number = ?, authority = coalesce(nullif(?, ''), authority), pid_3 = ? WHERE id = ?",
        (number, authority, renumber_field(field, escape(old), escape(number)), patient_id),
    )


def join_patient_rows(store: Store, source_id: int, target_id: int, arrival: Arrival) -> int:
    """Merge a patient into another: all accounts come under the target. Return how many there were."""
    joined = join_patients(_patient_row(store, target_id), _patient_row(store, source_id))
    table.update_patient(store, target_id, joined.patient, joined.as_of, arrival.message_id, joined.field_times)
    both = (target_id, source_id)
    count = store.execute("UPDATE accounts SET patient_id = ? WHERE patient_id = ?", both).rowcount
    store.execute("UPDATE patients SET merged_into = ? WHERE id = ? OR merged_into = ?", (*both, source_id))
    store.execute("UPDATE identifiers SET target_id = ? WHERE target_id = ? AND kind = 'patient'", both)
    table.make_patient_due(store, target_id, arrival.now[:10])
    return int(count)


def _patient_row(store: Store, patient_id: int) -> PatientRow:
    as_of, times = store.rows("SELECT as_of, field_times FROM patients WHERE id = ?", (patient_id,))[0]
    return PatientRow(table.read_patient(store, patient_id) or Patient(), as_of, times)
