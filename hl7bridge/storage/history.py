"""Accounts in the order they are listed; and of one account which message told last of each person and plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hl7bridge.storage.database import Store


class Told(NamedTuple):
    """Which message told of a record last. ``rank`` tells guarantors and coverages apart; 0 for the others."""

    kind: str
    rank: int
    message_id: int


def account_ids(store: Store, *, facility: str | None = None) -> Iterator[int]:
    """Return the ids of all accounts, or of a facility's, newest first, one at a time."""
    for row in store.execute(
        "SELECT id FROM accounts WHERE facility = coalesce(?, facility) ORDER BY id DESC", (facility,)
    ):
        yield row[0]


def read_told(store: Store, account_id: int, patient_id: int | None) -> list[Told]:
    """Return which message told last of the patient, and of each guarantor and coverage."""
    told = [
        Told("patient", 0, row[0])
        for row in store.execute("SELECT message_id FROM patients WHERE id = ?", (patient_id,))
    ]
    for kind, table in (("guarantor", "guarantors"), ("coverage", "coverages")):
        rows = store.execute(f"SELECT rank, message_id FROM {table} WHERE account_id = ? ORDER BY rank", (account_id,))
        told += [Told(kind, *row) for row in rows]
    return told
