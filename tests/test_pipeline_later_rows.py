"""Rows kept for the end of a batch: a message that fails takes nothing of the messages before it along."""

from __future__ import annotations

from feed_samples import Feed, adt, dft, ft1, generic_mapping, gt1, in1

from hl7bridge.storage.accounts import read_coverages, read_guarantors
from hl7bridge.storage.entries import read_entries


def test_what_fails_after_an_account_was_made_in_the_same_batch_undoes_only_itself(store):
    """The first message makes the account and its entries; the second uses an entry's id for another amount."""
    feed = Feed(store, generic_mapping())
    good = dft("D1", gt1(), in1(), ft1("150.00", number="TTX1"))
    clash = dft("D2", ft1("99.00", number="TTX1"))
    replies = feed.receive(good, clash, adt("A1", gt1(f6="555-0100")))
    assert [reply.disposition for reply in replies] == ["applied", "rejected", "applied"]
    (account_id,) = store.rows("SELECT id FROM accounts")[0]
    assert [row.entry.transaction_id for row in read_entries(store, account_id)] == ["TTX1"]
    assert len(read_guarantors(store, account_id)) == 1
    assert read_guarantors(store, account_id)[0].phone == "555-0100"
    assert len(read_coverages(store, account_id)) == 1
