"""A long queue costs what its next deliveries cost: bounded memory, the order of each account, one unknown at most."""

from __future__ import annotations

import tracemalloc

import pytest
from payment_samples import NOW, add_account, post

from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.verdict import Outcome, Verdict
from hl7bridge.storage.sending import Attempt, claim_deliveries, next_deliveries, record_attempts, recover_sending

QUEUED, ACCOUNTS, WINDOW = 6_000, 500, 8
MOST_BYTES = 300_000  # of six thousand messages, as rows, several millions
ACCEPTED = Verdict(Outcome.ACCEPTED)


def copy(store, table, own, count):
    """Write the first row of a table again and again, with ids and names of its own."""
    others = [row[1] for row in store.rows(f"PRAGMA table_info({table})") if row[1] not in own]
    numbers = f"WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    names, values = ", ".join((*own, *others)), ", ".join((*own.values(), *(f"t.{name}" for name in others)))
    store.execute(f"INSERT INTO {table} ({names}) {numbers} SELECT {values} FROM n JOIN {table} t ON t.id = 1")


@pytest.fixture
def long(store):
    """Return a store with a queue: payment after payment, of account after account, round and round."""
    post(store, add_account(store))
    account = f"1 + (n.i - 1) % {ACCOUNTS}"
    with store.transaction():
        copy(store, "accounts", {"id": "n.i", "number": "'X' || n.i"}, ACCOUNTS)
        copy(store, "payments", {"id": "n.i", "agency_payment_id": "'P' || n.i", "account_id": account}, QUEUED)
        own = {"id": "n.i", "control_id": "'C' || n.i", "account_id": account, "payment_id": "n.i"}
        copy(store, "deliveries", own, QUEUED)
        store.execute("INSERT INTO delivery_payments SELECT id, payment_id FROM deliveries WHERE id > 1")
    return store


def test_sending_from_a_long_queue_takes_no_memory_for_it_and_keeps_its_order(long):
    """Eight at a time, all of different accounts, the oldest first."""
    order = []

    def turn():
        claimed = claim_deliveries(long, "ehr", NOW, WINDOW)
        order.extend(each.id for each in claimed)
        record_attempts(long, [Attempt(each, ACCEPTED, 0.0) for each in claimed], DeliveryRules(), NOW)
        return claimed

    turn()
    tracemalloc.start()
    with long.transaction():
        while len(order) < 1_000:
            assert len({each.account_id for each in turn()}) == WINDOW
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < MOST_BYTES
    assert order == list(range(1, 1_001))


def test_a_restart_settles_what_was_in_flight_piece_by_piece(long):
    """However many there were."""
    long.execute("UPDATE deliveries SET status = 'sending' WHERE id <= 2500")
    tracemalloc.start()
    with long.transaction():
        assert recover_sending(long, "ehr", DeliveryRules(), NOW) == 2_500
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < MOST_BYTES
    assert long.rows("SELECT status, count(*) FROM payments GROUP BY 1") == [("queued", 3_500), ("unknown", 2_500)]


def test_an_account_that_is_stuck_keeps_its_own_and_no_others_waiting(long):
    """Whoever is behind it in the queue."""
    long.execute("UPDATE deliveries SET status = 'unknown' WHERE id = 3")
    assert [each.id for each in next_deliveries(long, "ehr", NOW, 4)] == [1, 2, 4, 5]
