"""The records that a mapping makes from a message: the fields a mapping file may name, and what each holds.

A field is None when the message says nothing (keep what is known) and NULL when it says delete (``""``).
The records are named tuples: immutable like a frozen dataclass, and four times cheaper to make on the hot path.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import Final, NamedTuple


class Null(Enum):
    """HL7's explicit delete, ``""``. Source: HL7 v2.5.1 section 2.7, "null"."""

    NULL = '""'


NULL: Final = Null.NULL
Text = str | Null | None
Day = dt.date | Null | None
Flag = bool | Null | None


class Patient(NamedTuple):
    """The person treated. ``number`` with ``authority`` is the identity within a facility (PID-3)."""

    facility: Text = None
    number: Text = None
    authority: Text = None
    family_name: Text = None
    given_name: Text = None
    middle_name: Text = None
    birth_on: Day = None
    street: Text = None
    street_2: Text = None
    city: Text = None
    state: Text = None
    postal_code: Text = None
    country: Text = None
    phone: Text = None
    language: Text = None
    deceased: Flag = None
    died_on: Day = None
    pid_3: Text = None  # whole fields, echoed in outbound messages
    pid_5: Text = None
    deleted: Flag = None  # the sender deleted the person: a tombstone, nothing is erased


class Guarantor(NamedTuple):
    """Who owes the balance of the account that the message addresses (GT1). ``rank`` is 1 for the first."""

    rank: int | None = None
    number: Text = None
    family_name: Text = None
    given_name: Text = None
    middle_name: Text = None
    organization: Text = None
    birth_on: Day = None
    relationship: Text = None  # table 0063, as sent: SEL is the patient
    street: Text = None
    street_2: Text = None
    city: Text = None
    state: Text = None
    postal_code: Text = None
    country: Text = None
    phone: Text = None
    language: Text = None
    deceased: Flag = None
    billing_hold: Flag = None


class Coverage(NamedTuple):
    """One insurance of the account (IN1), without the policy number."""

    rank: int | None = None
    plan: Text = None
    company: Text = None
    company_name: Text = None
    plan_type: Text = None
    effective_on: Day = None
    expires_on: Day = None


class Account(NamedTuple):
    """The account a message addresses (PID-18 and PV1)."""

    facility: Text = None
    number: Text = None
    status: Text = None  # open, closed, merged, cancelled
    patient_class: Text = None
    financial_class: Text = None
    account_status: Text = None
    plan_code: Text = None  # PV1-24: a payment plan the guarantor entered into
    admitted_on: Day = None
    discharged_on: Day = None
    pid_18: Text = None  # whole fields, echoed in outbound messages
    pv1_19: Text = None
    pv1_50: Text = None
    authority: Text = None  # who assigned the number: PID-18.4
    visit_number: Text = None
    alternate_visit_number: Text = None


class Entry(NamedTuple):
    """One line of the ledger (FT1). ``amount`` is as sent: a negative one is a reversal."""

    kind: str | None = None  # CG CD PY AJ CO: FT1-6, table 0017
    amount: Decimal | None = None
    payer: str | None = None  # insurance, patient, unknown: who paid, for PY and CO; insurance for its AJ
    service_on: dt.date | None = None
    posted_on: dt.date | None = None
    code: Text = None
    transaction_id: Text = None
    batch_id: Text = None
    unit_amount: Decimal | None = None  # with quantity, for a sender that leaves FT1-11 empty
    quantity: Decimal | None = None


class Balance(NamedTuple):
    """What the sender says that the account, or only the visit, stands at (PV1-46 to 49): an assertion, no entry."""

    level: str | None = None  # account or visit: PV1-51, table 0326
    balance: Decimal | None = None
    charges: Decimal | None = None
    adjustments: Decimal | None = None
    payments: Decimal | None = None


class Identity(NamedTuple):
    """One group {PID, MRG, PV1} of an event that changes identities; which change it is, the trigger event says.

    The plain fields are the target, which stays; ``prior_`` is the source. Source: HL7 v2.5.1 section 3.6.2.
    """

    facility: str | None = None
    patient_number: str | None = None
    patient_authority: str | None = None
    account_number: str | None = None
    visit_number: str | None = None
    alternate_visit_number: str | None = None
    prior_patient_number: str | None = None
    prior_patient_authority: str | None = None
    prior_account_number: str | None = None
    prior_visit_number: str | None = None
    prior_alternate_visit_number: str | None = None
    prior_patient_id: str | None = None  # MRG-4, for patient_id
    patient_id: str | None = None  # PID-2
    account_authority: str | None = None
    prior_account_authority: str | None = None


class Signal(NamedTuple):
    """A fact that HL7 has no field for, of the vocabulary in ``mapping.signal_names``."""

    name: str
    value: str
    path: str  # where it was read, with the segment's number: FT1[2]-7.1


Record = Patient | Guarantor | Coverage | Account | Entry | Balance | Identity

RECORD_TYPES: Final[dict[str, type[Record]]] = {
    "patient": Patient,
    "guarantor": Guarantor,
    "coverage": Coverage,
    "account": Account,
    "entry": Entry,
    "balance": Balance,
    "identity": Identity,
}


class Records(NamedTuple):
    """All records of one message, in the order in which they are applied."""

    account: Account | None
    patient: Patient | None
    guarantors: tuple[Guarantor, ...]
    coverages: tuple[Coverage, ...]
    entries: tuple[Entry, ...]
    balance: Balance | None = None
    signals: tuple[Signal, ...] = ()
    identities: tuple[Identity, ...] = ()
    others: tuple[Records, ...] = ()  # of the further accounts of a message that ends several: BAR^P02, BAR^P06
