"""Payments of before schema 5 get the ids they were sent with, so that their echoes are known."""

from __future__ import annotations

from payment_samples import add_account, post

from hl7bridge.payments.payment import transaction_id
from hl7bridge.storage.posting import store_tag
from hl7bridge.storage.schema_echoes import fill_transactions


def test_older_payments_get_their_ids_and_destination(store):
    """They follow from the payment's number and the store's tag."""
    post(store, add_account(store))
    store.execute("UPDATE payments SET transaction_id = '', destination = ''")
    fill_transactions(store.connection)
    assert store.rows("SELECT transaction_id, destination FROM payments") == [
        (transaction_id(store_tag(store), 1), "ehr")
    ]


def test_a_store_without_a_tag_has_no_payments(store):
    """A new one, whose tag comes after its tables."""
    store.execute("DELETE FROM meta WHERE key = 'tag'")
    fill_transactions(store.connection)
    assert store.rows("SELECT count(*) FROM payments") == [(0,)]
