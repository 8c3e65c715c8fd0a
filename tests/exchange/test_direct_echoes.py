"""An agency tells back what the hospital was paid itself: no money, and the hospital's own entry is named."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from remitting_samples import owed, paid, put_payer, remit

from hl7bridge.exchange.remitting import DIRECT, NO_ACCOUNT, NO_ENTRY
from hl7bridge.mapping.records import Entry
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.entries import add_entry


@pytest.fixture
def account(store):
    """An account of 150.00 on which the hospital was paid 40.00 and took 10.00 of it back."""
    account_id = put_payer(store)
    for amount, day in (("40.00", 1), ("-10.00", 2)):
        entry = Entry("PY", Decimal(amount), "patient", dt.date(2026, 3, day), transaction_id=f"T{day}")
        with store.transaction():
            add_entry(
                store, read_account(store, account_id), entry, source="REG|N", recorded_at="", due_on=lambda _: None
            )
    return account_id


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"amount": "40.00", "kind": "direct"}, "entry 2 of the ledger"),
        ({"amount": "10.00", "kind": "direct_reversal", "date": "2026-03-02"}, "entry 3 of the ledger"),
        ({"amount": "40.00", "kind": "direct", "date": "2026-03-02"}, NO_ENTRY),
        ({"amount": "41.00", "kind": "direct"}, NO_ENTRY),
        ({"amount": "40.00", "kind": "direct", "account": "404"}, NO_ACCOUNT),
    ],
)
def test_it_is_the_hospitals_own_entry_or_none(store, tmp_path, account, told, reason):
    """The balance stays as the hospital's feed has it."""
    rows = [paid("D1", **told), paid("CHK1", amount="1.00")]
    assert remit(store, tmp_path, rows) == [("ignored", f"{DIRECT}; {reason}"), ("applied", "payment 1")]
    assert owed(store, account) == Decimal("119.00")
