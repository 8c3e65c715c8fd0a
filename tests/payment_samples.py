"""Invented accounts and payments, and a real store to put them in."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hl7bridge.ledger.account import AccountState, new_account
from hl7bridge.mapping.records import Entry, Patient
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.payment import Payment, PaymentKind, batch_id
from hl7bridge.storage.accounts import insert_account, insert_patient, read_account
from hl7bridge.storage.database import Store, open_store
from hl7bridge.storage.entries import add_entry
from hl7bridge.storage.payments import PostedPayment, post_payment

KEY = bytes(range(32))
NOW = dt.datetime(2026, 1, 15, 16, 30, tzinfo=dt.UTC)
TODAY = dt.date(2026, 1, 15)
FORM = DestinationForm("ehr")
PATIENT = Patient(
    facility="NORTHGATE",
    number="100234",
    authority="HOSP",
    family_name="TESTPATIENT",
    given_name="AURELIA",
    pid_3="100234^^^HOSP^MR~5550199^^^OTHER^PI",
    pid_5="TESTPATIENT^AURELIA^Q",
)


def make_store(folder) -> Store:
    """Return a new store."""
    return open_store(folder / "hl7bridge.db", KEY, create=True)


def add_account(
    store: Store, number: str = "5027440", *, facility: str = "NORTHGATE", patient: Patient | None = PATIENT, **changes
) -> AccountState:
    """Store an account with charges of 500.00 and return it."""
    with store.transaction():
        patient_id = None
        if patient is not None:
            patient_id = insert_patient(store, patient._replace(number=f"MRN-{number}", facility=facility), "", 1)
        values = {
            "patient_class": "O",
            "pid_18": f"{number}^^^HOSP^AN",
            "pv1_19": f"V{number}^^^HOSP^VN",
            "patient_id": patient_id,
        }
        account = new_account(facility, number, as_of="", message_id=1)._replace(**(values | changes))
        account = read_account(store, insert_account(store, account, "2026-01-01T00:00:00.000Z"))
        charge = Entry(kind="CG", amount=Decimal("500.00"), payer="unknown", service_on=dt.date(2025, 6, 1))
        return add_entry(store, account, charge, source="EPIC|NORTHGATE", recorded_at="", due_on=never_due)


def never_due(_state: AccountState) -> None:
    """Return no day: rules are another test's matter."""


def make_payment(
    agency_payment_id: str = "CHK1", amount: str = "150.00", kind: PaymentKind = PaymentKind.PAYMENT, **changes
) -> Payment:
    """Return a payment that agency ``sample`` reports."""
    values = {"agency": "sample", "paid_on": dt.date(2026, 1, 14)} | changes
    return Payment(agency_payment_id=agency_payment_id, kind=kind, amount=Decimal(amount), **values)


def post(
    store: Store, account: AccountState, payment: Payment | None = None, *, form: DestinationForm = FORM
) -> PostedPayment:
    """Post a payment in a transaction of its own."""
    with store.transaction():
        return post_payment(
            store,
            payment or make_payment(),
            read_account(store, account.id),
            form,
            now=NOW,
            posted_on=TODAY,
            batch_id=batch_id(TODAY),
            due_on=never_due,
        )


def statuses(store: Store) -> list[tuple[str, str]]:
    """Return the status of each delivery and of its payment, in the order queued."""
    return store.rows(
        "SELECT d.status, p.status FROM deliveries d JOIN payments p ON p.id = d.payment_id ORDER BY d.id"
    )
