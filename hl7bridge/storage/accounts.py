"""Accounts, patients, guarantors and coverages <-> their tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import Coverage, Guarantor, Patient
from hl7bridge.money import from_cents, to_cents
from hl7bridge.storage.database import Row, RowSink, Store

_COLUMNS: Final = ", ".join(AccountState._fields)
_WRITTEN: Final = AccountState._fields[1:]
_ACCOUNT_BY_ID: Final = f"SELECT {_COLUMNS} FROM accounts WHERE id = ?"
_ACCOUNT_BY_NUMBER: Final = f"SELECT {_COLUMNS} FROM accounts WHERE number = ? AND facility = ?"
_ACCOUNT_DAYS: Final = tuple(at for at, name in enumerate(AccountState._fields) if name.endswith("_on"))
_ACCOUNT_MONEY: Final = tuple(
    AccountState._fields.index(name) for name in ("charges", "payments", "adjustments", "insurance_payments")
)
_INSERT_ACCOUNT: Final = (
    f"INSERT INTO accounts ({', '.join(_WRITTEN)}, created_at, updated_at)"
    f" VALUES ({', '.join('?' * (len(_WRITTEN) + 2))})"
)
_UPDATE_ACCOUNT: Final = (
    f"UPDATE accounts SET {', '.join(f'{name} = ?' for name in _WRITTEN)}, updated_at = ? WHERE id = ?"
)
_PATIENT_COLUMNS: Final = ", ".join(Patient._fields)
_PATIENT_BY_NUMBER: Final = (
    f"SELECT id, as_of, {_PATIENT_COLUMNS} FROM patients WHERE number = ? AND facility = ? AND authority = ?"
)
_INSERT_PATIENT: Final = (
    f"INSERT INTO patients (as_of, message_id, {_PATIENT_COLUMNS})"
    f" VALUES ({', '.join('?' * (len(Patient._fields) + 2))})"
)
_UPDATE_PATIENT: Final = (
    f"UPDATE patients SET as_of = ?, message_id = ?, {', '.join(f'{name} = ?' for name in Patient._fields)}"
    " WHERE id = ?"
)


class StoredPatient(NamedTuple):
    """A patient with its row id and the time of the newest message that told of it."""

    id: int
    as_of: str
    patient: Patient


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


def find_account(store: Store, number: str, facility: str | None = None) -> AccountState:
    """Return the account a person names; raises NotFoundError, or RefusedError when several facilities have it."""
    if facility is not None:
        found = account_in_facility(store, facility, number)
        if found is None:
            raise NotFoundError("no such account in that facility")
        return found
    rows = store.rows(f"SELECT {_COLUMNS} FROM accounts WHERE number = ? ORDER BY facility", (number,))
    if not rows:
        raise NotFoundError("no such account")
    if len(rows) > 1:
        names = ", ".join(str(row[1]) for row in rows)
        raise RefusedError(f"that account number exists in {len(rows)} facilities ({names}); name one with --facility")
    return _account(rows[0])


def insert_account(store: Store, state: AccountState, now: str) -> int:
    """Store a new account and return its id."""
    return store.insert(_INSERT_ACCOUNT, (*_account_values(state), now, now))


def update_account(store: Store, state: AccountState, now: str) -> None:
    """Store an account that exists."""
    store.execute(_UPDATE_ACCOUNT, (*_account_values(state), now, state.id))


def patient_by_number(store: Store, facility: str, number: str, authority: str) -> StoredPatient | None:
    """Return a patient by identity, or None."""
    row = store.row(_PATIENT_BY_NUMBER, (number, facility, authority))
    return None if row is None else StoredPatient(row[0], row[1], _patient(row[2:]))


def read_patient(store: Store, patient_id: int | None) -> Patient | None:
    """Return a patient, or None."""
    if patient_id is None:
        return None
    row = store.row(f"SELECT {_PATIENT_COLUMNS} FROM patients WHERE id = ?", (patient_id,))
    return None if row is None else _patient(row)


def insert_patient(store: Store, patient: Patient, as_of: str, message_id: int) -> int:
    """Store a new patient and return its id."""
    return store.insert(_INSERT_PATIENT, (as_of, message_id, *_stored(patient)))


def update_patient(store: Store, patient_id: int, patient: Patient, as_of: str, message_id: int) -> None:
    """Store what is now known of a patient."""
    store.execute(_UPDATE_PATIENT, (as_of, message_id, *_stored(patient), patient_id))


def make_patient_due(store: Store, patient_id: int, today: str) -> None:
    """Have a patient's accounts decided anew: what is known of the person changed."""
    store.execute(
        "UPDATE accounts SET due_on = ? WHERE patient_id = ? AND status = 'open' AND charges > payments + adjustments",
        (today, patient_id),
    )


def read_guarantors(store: Store, account_id: int) -> tuple[Guarantor, ...]:
    """Return an account's guarantors, first responsible first."""
    columns = ", ".join(Guarantor._fields)
    rows = store.execute(f"SELECT {columns} FROM guarantors WHERE account_id = ? ORDER BY rank", (account_id,))
    return tuple(
        Guarantor(*row)._replace(birth_on=day_of(row[6]), deceased=_flag(row[16]), billing_hold=_flag(row[17]))
        for row in rows
    )


def read_coverages(store: Store, account_id: int) -> tuple[Coverage, ...]:
    """Return an account's coverages, primary first."""
    columns = ", ".join(Coverage._fields)
    rows = store.execute(f"SELECT {columns} FROM coverages WHERE account_id = ? ORDER BY rank", (account_id,))
    return tuple(Coverage(*row)._replace(effective_on=day_of(row[5]), expires_on=day_of(row[6])) for row in rows)


def write_guarantors(
    sink: RowSink, account_id: int, guarantors: Iterable[Guarantor], as_of: str, message_id: int
) -> None:
    """Store guarantors by rank, over what was there."""
    _write_ranked(sink, "guarantors", account_id, guarantors, as_of, message_id)


def write_coverages(sink: RowSink, account_id: int, coverages: Iterable[Coverage], as_of: str, message_id: int) -> None:
    """Store coverages by rank, over what was there."""
    _write_ranked(sink, "coverages", account_id, coverages, as_of, message_id)


def _upsert(table: str, kind: type[Guarantor | Coverage]) -> str:
    columns = (*kind._fields, "as_of", "message_id")
    return (
        f"INSERT INTO {table} (account_id, {', '.join(columns)}) VALUES ({', '.join('?' * (len(columns) + 1))})"
        f" ON CONFLICT (account_id, rank) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns)}"
    )


_RANKED: Final = {"guarantors": _upsert("guarantors", Guarantor), "coverages": _upsert("coverages", Coverage)}


def _write_ranked(
    sink: RowSink,
    table: str,
    account_id: int,
    records: Iterable[Guarantor | Coverage],
    as_of: str,
    message_id: int,
) -> None:
    sink.executemany(_RANKED[table], [(account_id, *_stored(record), as_of, message_id) for record in records])


def _account(row: Row) -> AccountState:
    values = list(row)
    for at in _ACCOUNT_DAYS:
        values[at] = day_of(values[at])
    for at in _ACCOUNT_MONEY:
        values[at] = from_cents(values[at])
    return AccountState._make(values)


def _account_values(state: AccountState) -> list[Any]:
    values: list[Any] = list(state)
    for at in _ACCOUNT_DAYS:
        values[at] = day_text(values[at])
    for at in _ACCOUNT_MONEY:
        values[at] = to_cents(values[at])
    return values[1:]


def _patient(row: Row) -> Patient:
    return Patient(*row)._replace(birth_on=day_of(row[6]), deceased=_flag(row[15]), died_on=day_of(row[16]))


_DATED: Final = {
    kind: tuple(at for at, name in enumerate(kind._fields) if name.endswith("_on"))
    for kind in (Patient, Guarantor, Coverage)
}


def _stored(record: Patient | Guarantor | Coverage) -> list[Any]:
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
