"""Accounts, patients, guarantors and coverages <-> their tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.ledger.account import AccountState
from hl7bridge.ledger.ranked import Kind, Ranked
from hl7bridge.mapping.records import Coverage, Guarantor, Patient
from hl7bridge.money import from_cents, to_cents
from hl7bridge.storage.database import Row, RowSink, Store
from hl7bridge.storage.identifiers import ACCOUNT, ALTERNATE_VISIT, PATIENT, VISIT, find_target

_COLUMNS: Final = ", ".join(AccountState._fields)
_WRITTEN: Final = AccountState._fields[1:]
_ACCOUNT_BY_ID: Final = f"SELECT {_COLUMNS} FROM accounts WHERE id = ?"
_ACCOUNT_BY_NUMBER: Final = f"SELECT {_COLUMNS} FROM accounts WHERE number = ? AND facility = ?"
_MONEY: Final = ("charges", "payments", "adjustments", "insurance_payments")
_ACCOUNT_MONEY: Final = tuple(AccountState._fields.index(name) for name in _MONEY)
_INSERT_ACCOUNT: Final = (
    f"INSERT INTO accounts ({', '.join(_WRITTEN)}, created_at, updated_at)"
    f" VALUES ({', '.join('?' * (len(_WRITTEN) + 2))})"
)
# What SQLite names in an UPDATE it looks up and indexes anew, changed or not: these columns seldom are.
_KEYS: Final = frozenset({"facility", "number", "patient_id", "merged_into"})
_LESS: Final = tuple(name for name in _WRITTEN if name not in _KEYS)
_UPDATE_ACCOUNT, _UPDATE_LESS = (
    f"UPDATE accounts SET {' = ?, '.join(names)} = ?, updated_at = ? WHERE id = ?" for names in (_WRITTEN, _LESS)
)
_pick_less = itemgetter(*map(_WRITTEN.index, _LESS))
_pick_keys = attrgetter(*_KEYS)
_FACILITIES: Final = (
    "SELECT facility FROM accounts WHERE number = ? UNION"
    " SELECT facility FROM identifiers WHERE kind IN ('account', 'visit', 'alternate_visit') AND number = ? ORDER BY 1"
)
_PATIENT_COLUMNS: Final = ", ".join(Patient._fields)
_PATIENT: Final = f"SELECT id, as_of, field_times, merged_into, {_PATIENT_COLUMNS} FROM patients WHERE"
_PATIENT_BY_NUMBER: Final = f"{_PATIENT} number = ? AND facility = ? AND authority = ?"
_PATIENT_BY_ID: Final = f"{_PATIENT} id = ?"
_INSERT_PATIENT: Final = (
    f"INSERT INTO patients (as_of, message_id, field_times, {_PATIENT_COLUMNS})"
    f" VALUES ({', '.join('?' * (len(Patient._fields) + 3))})"
)
_PATIENT_SET: Final = " = ?, ".join(("as_of", "message_id", "field_times", *Patient._fields))
_UPDATE_PATIENT: Final = f"UPDATE patients SET {_PATIENT_SET} = ? WHERE id = ?"


class StoredPatient(NamedTuple):
    """A patient with its row id, the time of the newest message that told of it, and its fields' own times."""

    id: int
    as_of: str
    patient: Patient
    field_times: str = ""


def read_account(store: Store, account_id: int) -> AccountState:
    """Return one account; raises NotFoundError."""
    row = store.row(_ACCOUNT_BY_ID, (account_id,))
    if row is None:
        raise NotFoundError(f"no account with id {account_id}")
    return _account(row)


def account_in_facility(store: Store, facility: str, number: str) -> AccountState | None:
    """Return the account with a number in a facility, or None."""
    row = store.row(_ACCOUNT_BY_NUMBER, (number, facility))
    return None if row is None else _account(row)


def account_by_ids(
    store: Store, facility: str, number: str, visit_number: str | None = None, alternate_visit_number: str | None = None
) -> AccountState | None:
    """Return the account that ids lead to, or None: by its own number, then by one it had, then by a visit.

    A merged account is followed to the one it was merged into. A visit counts when the number given is the visit's own
    (nobody told the account's), or when the account was opened under the visit's number for the same reason.
    """
    found = account_in_facility(store, facility, number)
    if found is None:
        return account_by_other_ids(store, facility, number, visit_number, alternate_visit_number)
    return surviving(store, found)


def account_by_other_ids(
    store: Store, facility: str, number: str, visit_number: str | None, alternate_visit_number: str | None
) -> AccountState | None:
    """Return the account that ids lead to, as ``account_by_ids`` does, when no account has the number as its own."""
    target = find_target(store, ACCOUNT, facility, number, "")
    found = None if target is None else read_account(store, target)
    for kind, visit in ((VISIT, visit_number), (ALTERNATE_VISIT, alternate_visit_number)):
        if found is None and visit:
            if visit == number:
                target = find_target(store, kind, facility, visit, "")
                found = None if target is None else read_account(store, target)
            else:
                found = account_in_facility(store, facility, visit)
                if found is not None and not is_provisional(found):
                    found = None
    return None if found is None else surviving(store, found)


def is_provisional(state: AccountState) -> bool:
    """Return whether an account was opened under the number of a visit, because no message told its own yet."""
    return state.number in {state.visit_number, state.alternate_visit_number}


def surviving(store: Store, state: AccountState) -> AccountState:
    """Return the account that one was merged into, over any number of merges."""
    while state.merged_into is not None:
        state = read_account(store, state.merged_into)
    return state


def find_account(store: Store, number: str, facility: str | None = None) -> AccountState:
    """Return the account a person names by a number it has or had, or by a visit.

    Raises NotFoundError, or RefusedError when several facilities have it.
    """
    if facility is not None:
        found = account_by_ids(store, facility, number, number, number)
        if found is None:
            raise NotFoundError("no such account in that facility")
        return found
    facilities = store.rows(_FACILITIES, (number, number))
    everywhere = (account_by_ids(store, each, number, number, number) for (each,) in facilities)
    by_id = {found.id: found for found in everywhere if found is not None}
    if not by_id:
        raise NotFoundError("no such account")
    if len(by_id) > 1:
        names = ", ".join(str(each) for (each,) in facilities)
        raise RefusedError(f"that account number exists in {len(by_id)} facilities ({names}); name one with --facility")
    return by_id.popitem()[1]


def insert_account(store: Store, state: AccountState, now: str) -> int:
    """Store a new account and return its id."""
    return store.insert(_INSERT_ACCOUNT, (*account_values(state), now, now))


def update_account(store: Store, state: AccountState, now: str, before: AccountState | None = None) -> None:
    """Store an account that exists; ``before`` is what the store has of it, if that is known."""
    values = account_values(state)
    is_less = before is not None and _pick_keys(state) == _pick_keys(before)
    sql, told = (_UPDATE_LESS, _pick_less(values)) if is_less else (_UPDATE_ACCOUNT, values)
    store.execute(sql, (*told, now, state.id))


def patient_by_number(store: Store, facility: str, number: str, authority: str) -> StoredPatient | None:
    """Return a patient by a number it has or had, or None. A merged patient is followed to the one it became."""
    row = store.row(_PATIENT_BY_NUMBER, (number, facility, authority))
    if row is None:
        target = find_target(store, PATIENT, facility, number, authority)
        row = None if target is None else store.row(_PATIENT_BY_ID, (target,))
    while row is not None and row[3] is not None:
        row = store.row(_PATIENT_BY_ID, (row[3],))
    return None if row is None else StoredPatient(row[0], row[1], _patient(row[4:]), row[2])


def read_patient(store: Store, patient_id: int | None) -> Patient | None:
    """Return a patient, or None."""
    if patient_id is None:
        return None
    row = store.row(_PATIENT_BY_ID, (patient_id,))
    return None if row is None else _patient(row[4:])


def insert_patient(store: Store, patient: Patient, as_of: str, message_id: int, field_times: str = "") -> int:
    """Store a new patient and return its id."""
    return store.insert(_INSERT_PATIENT, (as_of, message_id, field_times, *stored_values(patient)))


def update_patient(
    store: Store, patient_id: int, patient: Patient, as_of: str, message_id: int, field_times: str = ""
) -> None:
    """Store what is now known of a patient."""
    store.execute(_UPDATE_PATIENT, (as_of, message_id, field_times, *stored_values(patient), patient_id))


def make_patient_due(store: Store, patient_id: int, today: str) -> None:
    """Have a patient's accounts decided anew: what is known of the person changed."""
    store.execute(
        "UPDATE accounts SET due_on = ? WHERE patient_id = ? AND status = 'open' AND charges > payments + adjustments",
        (today, patient_id),
    )


def read_guarantors(store: Store, account_id: int) -> tuple[Guarantor, ...]:
    """Return an account's guarantors, first responsible first."""
    return tuple(row.record for row in read_ranked(store, Guarantor, account_id).values())


def read_coverages(store: Store, account_id: int) -> tuple[Coverage, ...]:
    """Return an account's coverages, primary first."""
    return tuple(row.record for row in read_ranked(store, Coverage, account_id).values())


def read_ranked(store: Store, kind: type[Kind], account_id: int) -> dict[int, Ranked[Kind]]:
    """Return an account's guarantors or coverages by rank, with the times of their fields."""
    rows = store.execute(_READ_RANKED[kind], (account_id,))
    return {row[2]: Ranked(_ranked(kind, row[2:]), row[0], row[1]) for row in rows}


def write_ranked(
    sink: RowSink, kind: type[Guarantor | Coverage], account_id: int, rows: Iterable[Ranked[Any]], message_id: int
) -> None:
    """Store guarantors or coverages by rank, over what was there."""
    values = [(account_id, *stored_values(row.record), row.as_of, row.times, message_id) for row in rows]
    sink.executemany(_WRITE_RANKED[kind], values)


def delete_ranked(store: Store, kind: type[Guarantor | Coverage], account_id: int, ranks: Iterable[int]) -> None:
    """Remove guarantors or coverages that a message deleted."""
    store.executemany(_DELETE_RANKED[kind], [(account_id, rank) for rank in ranks])


def _upsert(table: str, kind: type[Guarantor | Coverage]) -> str:
    columns = (*kind._fields, "as_of", "field_times", "message_id")
    return (
        f"INSERT INTO {table} (account_id, {', '.join(columns)}) VALUES ({', '.join('?' * (len(columns) + 1))})"
        f" ON CONFLICT (account_id, rank) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns)}"
    )


_TABLES: Final[dict[type[Guarantor | Coverage], str]] = {Guarantor: "guarantors", Coverage: "coverages"}
_WRITE_RANKED: Final = {kind: _upsert(table, kind) for kind, table in _TABLES.items()}
_DELETE_RANKED: Final = {
    kind: f"DELETE FROM {table} WHERE account_id = ? AND rank = ?" for kind, table in _TABLES.items()
}
_READ_RANKED: Final = {
    kind: f"SELECT as_of, field_times, {', '.join(kind._fields)} FROM {table} WHERE account_id = ? ORDER BY rank"
    for kind, table in _TABLES.items()
}


def _ranked(kind: type[Kind], row: Row) -> Kind:
    values: list[Any] = list(row)
    for at in _DATED[kind]:
        values[at] = day_of(values[at])
    if kind is Guarantor:
        values[16], values[17] = _flag(values[16]), _flag(values[17])
    return kind._make(values)


def _account(row: Row) -> AccountState:
    values = list(row)
    for at in _DATED[AccountState]:
        values[at] = day_of(values[at])
    for at in _ACCOUNT_MONEY:
        values[at] = from_cents(values[at])
    return AccountState._make(values)


def account_values(state: AccountState) -> list[Any]:
    """Return the values of an account as they are stored, but its id."""
    values = stored_values(state)
    for at in _ACCOUNT_MONEY:
        values[at] = to_cents(values[at])
    return values[1:]


def _patient(row: Row) -> Patient:
    values = list(row)
    values[6], values[15], values[16], values[19] = day_of(row[6]), _flag(row[15]), day_of(row[16]), _flag(row[19])
    return Patient._make(values)


_DATED: Final = {
    kind: tuple(at for at, name in enumerate(kind._fields) if name.endswith("_on"))
    for kind in (Patient, Guarantor, Coverage, AccountState)
}


def stored_values(record: Patient | Guarantor | Coverage | AccountState) -> list[Any]:
    """Return the values of a merged record (it holds no NULL any more) as they are stored."""
    values: list[Any] = list(record)
    for at in _DATED[type(record)]:
        if values[at] is not None:
            values[at] = values[at].isoformat()
    return values


def day_of(text: str | None) -> dt.date | None:
    """Return the day that a column holds."""
    return None if text is None else dt.date.fromisoformat(text)


def _flag(number: int | None) -> bool | None:
    return None if number is None else bool(number)


def day_text(day: dt.date | None) -> str | None:
    """Return a day as a column holds it."""
    return None if day is None else day.isoformat()
