"""``db verify`` finds money that does not fit: suspense, reversals, settlements and remittances against one another."""

from __future__ import annotations

import pytest
from exchange_samples import POSTING
from placement_samples import new_store
from remitting_samples import paid, put_payer, remit

from hl7bridge.exchange.settlement import Decided, approve_settlement, assign_suspense, return_suspense
from hl7bridge.storage.verify import verify_store

WHO = Decided("user:tester", "agreed")


@pytest.fixture
def store(tmp_path):
    """A store with a bit of everything."""
    made = new_store(tmp_path)
    put_payer(made)
    rows = [
        paid(amount="40.00"),
        paid("SET1", amount="20.00", kind="settlement"),
        paid("NSF1", amount="40.00", kind="reversal"),
        paid("S1", "404", amount="1.00"),
        paid("S2", "404", amount="2.00"),
        paid("S3", "404", amount="3.00"),
    ]
    remit(made, tmp_path, rows)
    with made.transaction():
        approve_settlement(made, 2, None, POSTING, WHO)
        assign_suspense(made, 1, "A1001", None, POSTING, WHO)
        return_suspense(made, 2, POSTING.now, WHO)
    yield made
    made.close()


def problems(store):
    [check] = [each for each in verify_store(store) if each.name == "remittances"]
    return list(check.problems)


def test_a_store_that_fits_passes(store):
    """All of its checks."""
    assert [problem for check in verify_store(store) for problem in check.problems] == []
    [check] = [each for each in verify_store(store) if each.name == "remittances"]
    assert check.looked_at == "1 remittances, 1 payments in suspense, 0 echoes, 0 closed days"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("UPDATE payments SET reverses = 4 WHERE id = 3", "payment 3 takes back payment 4, which is no payment"),
        ("UPDATE payments SET settles = 5 WHERE id = 4", "payment 4 writes off what payment 5 left"),
        ("UPDATE suspense SET payment_id = NULL WHERE id = 1", "suspense 1 is assigned, and its payment is not"),
        ("UPDATE suspense SET amount = 99 WHERE id = 1", "suspense 1 is assigned, and its payment is not"),
        ("UPDATE suspense SET agency_payment_id = 'CHK1' WHERE id = 3", "suspense 3 is open, and payment 1 was posted"),
        ("UPDATE remittances SET gross = gross - 1, paid = paid - 1", "remittance 1: what came of it is more than"),
        ("UPDATE remittances SET paid = paid - 1", "remittance 1: what came of it is more than"),
    ],
)
def test_what_was_changed_behind_its_back_is_named(store, change, wanted):
    """By its row."""
    store.execute(change)
    assert any(problem.startswith(wanted) for problem in problems(store)), problems(store)
