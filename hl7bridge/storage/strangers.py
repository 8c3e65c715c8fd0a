"""The numbers that a batch's messages name -> which of them nobody has: their messages need not look anything up.

True inside one transaction that writes, for as long as no message that names the number has been applied.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from hl7bridge.mapping.records import Account, Records
from hl7bridge.storage.database import Store

_ACCOUNTS: Final = "SELECT number FROM accounts WHERE number IN"
_FORMER_ACCOUNTS: Final = "SELECT number FROM identifiers WHERE kind = 'account' AND number IN"
_PATIENTS: Final = "SELECT number FROM patients WHERE number IN"
_FORMER_PATIENTS: Final = "SELECT number FROM identifiers WHERE kind = 'patient' AND number IN"


class New(NamedTuple):
    """Which of the two that a message tells of nobody has told of before, in any facility."""

    account: bool
    patient: bool


class Strangers:
    """Numbers of accounts and patients that lead to no row of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._accounts: set[str] = set()
        self._patients: set[str] = set()

    def look_up(self, told: Iterable[Records]) -> None:
        """Find out about all that messages name, with a query for each table. Nothing may wait to be written."""
        accounts: set[str] = set()
        visits: set[str] = set()
        patients: set[str] = set()
        for records in told:
            if records.account is not None:
                number, named = _numbers(records.account)
                visits.update(named)
                if number not in named:  # else it may be the number of a visit that is known
                    accounts.add(number)
            if records.patient is not None:
                patients.add(str(records.patient.number))
        self._accounts = (accounts | visits) - self._known(_ACCOUNTS, accounts | visits)
        self._accounts -= self._known(_FORMER_ACCOUNTS, accounts)
        self._patients = patients - self._known(_PATIENTS, patients) - self._known(_FORMER_PATIENTS, patients)

    def take(self, records: Records) -> New:
        """Return which of those that a message tells of is new. From now on nobody that it names is."""
        if records.identities or records.others:
            self._accounts.clear()
            self._patients.clear()
            return New(account=False, patient=False)
        is_account = is_patient = False
        if records.account is not None:
            number, visits = _numbers(records.account)
            is_account = number not in visits and self._accounts.issuperset((number, *visits))
            self._accounts.difference_update((number, *visits))
        if records.patient is not None:
            is_patient = records.patient.number in self._patients
            self._patients.discard(str(records.patient.number))
        return New(is_account, is_patient)

    def _known(self, select: str, numbers: Iterable[str]) -> set[str]:
        return {row[0] for row in self._store.rows_in(select, list(numbers))}


def _numbers(account: Account) -> tuple[str, tuple[str, ...]]:
    """Return an account's number, and those of its visits."""
    visits = account.visit_number, account.alternate_visit_number
    return str(account.number), tuple(each for each in visits if isinstance(each, str))
