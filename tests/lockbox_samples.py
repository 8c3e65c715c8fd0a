"""Payments that wait for a lockbox file, in a store of their own."""

from __future__ import annotations

from payment_samples import NOW, TODAY, make_payment, never_due

from hl7bridge.payments.destination import DestinationForm
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.payments import record_payment
from hl7bridge.storage.posting import queue_payments

FORM = DestinationForm("box")


def queue(store, account, *numbers, form=FORM, **changes):
    """Queue payments of 10.00, as a file of an agency does; each number is the agency's id of one."""
    with store.transaction():
        recorded = [
            record_payment(
                store, make_payment(f"CHK{number}", "10.00", **changes), read_account(store, account.id), form, now=NOW,
                posted_on=TODAY, due_on=never_due,
            )
            for number in numbers
        ]  # fmt: skip
        queue_payments(store, form, account, recorded, posted_on=TODAY, batch_id="B260115001", now=NOW)


def states(store):
    """Return the status of each delivery, with that of its first payment, its file and its attempts."""
    return store.rows(
        "SELECT d.status, p.status, d.lockbox_file_id, d.attempts FROM deliveries d"
        " JOIN payments p ON p.id = d.payment_id ORDER BY d.id"
    )


def transaction_ids(store):
    """Return FT1-2 of each payment."""
    return [row[0] for row in store.rows("SELECT transaction_id FROM payments ORDER BY id")]
