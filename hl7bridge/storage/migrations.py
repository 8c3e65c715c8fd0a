"""Numbered, forward-only changes of the schema. Money is integer cents, times ISO-8601 UTC text, days YYYY-MM-DD."""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database, Migrations

from hl7bridge.storage.schema_echoes import fill_transactions
from hl7bridge.storage.schema_initial import INITIAL
from hl7bridge.storage.schema_meaning import MEANING
from hl7bridge.storage.schema_payments import PAYMENTS
from hl7bridge.storage.schema_placements import PLACEMENTS, TRIGGERS
from hl7bridge.storage.schema_visits import fill_visits
from hl7bridge.storage.schema_wire import WIRE

migrations: Final = Migrations("hl7bridge")
# In order; a store that has others was made by a newer release.
NAMES: Final = ("0001_initial", "0002_wire", "0003_meaning", "0004_placements", "0005_payments")
SCHEMA_VERSION: Final = len(NAMES)


def statements(script: str) -> list[str]:
    """Split a script at each semicolon that ends a line."""
    return [part.strip() for part in script.split(";\n") if part.strip()]


@migrations(name=NAMES[0])
def initial(db: Database) -> None:
    """Everything of the first release."""
    for statement in statements(INITIAL):
        db.execute(statement)


@migrations(name=NAMES[1])
def wire(db: Database) -> None:
    """Sequence numbers of senders, messages that wait for a person, loaded files, deliveries that carry no payment."""
    for statement in statements(WIRE):
        db.execute(statement)


@migrations(name=NAMES[2])
def meaning(db: Database) -> None:
    """All ids of a person or account, merges, times of fields, discrepancies, exceptions, versions of the config."""
    for statement in statements(MEANING):
        db.execute(statement)
    fill_visits(db.conn)


@migrations(name=NAMES[3])
def placements(db: Database) -> None:
    """What agencies are told after the placement, what they answer, and which accounts changed under a placement."""
    for statement in (*statements(PLACEMENTS), *TRIGGERS):
        db.execute(statement)


@migrations(name=NAMES[4])
def payments(db: Database) -> None:
    """Remittances, suspense, echoes, what a payment's message still waits for, and closed days of money."""
    for statement in statements(PAYMENTS):
        db.execute(statement)
    fill_transactions(db.conn)
