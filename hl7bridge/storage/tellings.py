"""An account -> the accounts and people that were merged into it, and the kept messages that told of any of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hl7bridge.storage.database import Store

_ACCOUNTS: Final = (
    "WITH RECURSIVE merged (id) AS (SELECT ? UNION SELECT a.id FROM accounts a JOIN merged m ON a.merged_into = m.id)"
    " SELECT id FROM merged ORDER BY id"
)
_PATIENTS: Final = (
    "WITH RECURSIVE merged (id) AS (SELECT ? UNION SELECT p.id FROM patients p JOIN merged m ON p.merged_into = m.id)"
    " SELECT id FROM merged ORDER BY id"
)
_KEPT: Final = "id, received_at, sending_application, sending_facility, mapping, account_id, content"


class Kept(NamedTuple):
    """What is kept of an applied message. ``account_id`` is None for one that told of a person only."""

    id: int
    received_at: str
    sending_application: str
    sending_facility: str
    mapping: str
    account_id: int | None
    content: str


def merged_accounts(store: Store, account_id: int) -> list[int]:
    """Return an account's id and those of all accounts that were merged into it, over any number of merges."""
    return [row[0] for row in store.execute(_ACCOUNTS, (account_id,))]


def merged_patients(store: Store, patient_id: int | None) -> list[int]:
    """Return a patient's id and those of all that were merged into it; none for None."""
    return [row[0] for row in store.execute(_PATIENTS, (patient_id,)) if row[0] is not None]


def patient_numbers(store: Store, patients: Sequence[int]) -> frozenset[str]:
    """Return every number that patients have or had."""
    people = ", ".join("?" * len(patients))
    rows = store.execute(
        f"SELECT number FROM patients WHERE id IN ({people}) UNION"
        f" SELECT number FROM identifiers WHERE kind = 'patient' AND target_id IN ({people})",
        (*patients, *patients),
    )
    return frozenset(row[0] for row in rows)


def kept_messages(store: Store, accounts: Sequence[int], patients: Sequence[int]) -> Iterator[Kept]:
    """Return the applied messages of accounts and of people, in order of arrival, one at a time.

    A message belongs to an account also when it made an entry that was moved there, and when it told of the account
    last, as one may that ends several; to a person, when it addresses the
    person alone or any account of the person.
    """
    ours, people = ", ".join("?" * len(accounts)), ", ".join("?" * len(patients))
    rows = store.execute(
        f"SELECT {_KEPT} FROM messages WHERE disposition = 'applied' AND (account_id IN ({ours})"
        f" OR id IN (SELECT message_id FROM entries WHERE account_id IN ({ours}))"
        f" OR id IN (SELECT message_id FROM accounts WHERE id IN ({ours}))"
        f" OR account_id IN (SELECT id FROM accounts WHERE patient_id IN ({people}))"
        f" OR (account_id IS NULL AND patient_id IN ({people}))) ORDER BY id",
        (*accounts, *accounts, *accounts, *patients, *patients),
    )
    return (Kept(*row) for row in rows)
