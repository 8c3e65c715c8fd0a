"""Money in suspense is posted out of suspense or not at all; a person is asked about what was written off for it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from exchange_samples import POSTING, exceptions
from payment_samples import make_payment
from remitting_samples import owed, paid, payments_of, put_payer, remit, suspense_of

from hl7bridge.errors import RefusedError
from hl7bridge.exchange.reversing import reverse_payment
from hl7bridge.exchange.settlement import Decided, approve_settlement, assign_suspense, post, return_suspense
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.verify import verify_store

WHO = Decided("user:tester", "agreed, J.D.")
DAY = dt.date(2026, 3, 1)


def post_by_hand(store, name="CHK1", amount="100.00", kind=PaymentKind.PAYMENT, **more):
    with store.transaction():
        payment = make_payment(name, amount, kind, paid_on=DAY, **more)
        return post(store, payment, find_account(store, "A1001"), POSTING)


def check(store) -> None:
    assert [problem for each in verify_store(store) for problem in each.problems] == []


def test_what_waits_in_suspense_is_not_posted_behind_its_back(store, tmp_path):
    """The person is told what to do instead, and that works."""
    account = put_payer(store)
    remit(store, tmp_path, [paid(account="404")])
    with pytest.raises(RefusedError, match="waits in suspense: 'hl7bridge suspense assign 1' posts it"):
        post_by_hand(store)
    assert (payments_of(store), owed(store, account)) == ([], Decimal("150.00"))
    with store.transaction():
        assign_suspense(store, 1, "A1001", None, POSTING, WHO)
    assert not post_by_hand(store).is_new
    assert (owed(store, account), suspense_of(store)[0][3]) == (Decimal("50.00"), "assigned")
    check(store)


def test_what_went_back_to_the_agency_is_never_posted_by_hand_either(store, tmp_path):
    """Money that comes again has an id of its own."""
    put_payer(store)
    remit(store, tmp_path, [paid(account="404")])
    with store.transaction():
        return_suspense(store, 1, POSTING.now, WHO)
    with pytest.raises(RefusedError, match="went back to the agency as suspense 1"):
        post_by_hand(store)
    assert payments_of(store) == []
    check(store)


def test_a_settlement_that_is_taken_back_by_hand_waits_for_a_person_too(store):
    """What was written off for it is still written off; before that, nothing is to be asked."""
    account = put_payer(store)
    post_by_hand(store, "SET1", "90.00", is_settlement=True)
    with store.transaction():
        approve_settlement(store, 1, None, POSTING, WHO)
    post_by_hand(store, "NSF1", "90.00", PaymentKind.REVERSAL)
    assert exceptions(store) == [
        ("settlement", account, "payment 1 was taken back, and adjustment 2 wrote off what it had left")
    ]


def test_another_original_or_another_rest_is_another_record(store, tmp_path):
    """A reversal that names another payment now, a settlement that leaves something else: the agency is asked."""
    put_payer(store)
    rows = [paid("P1", amount="40.00"), paid("P2", amount="40.00"), paid("S1", amount="5.00", kind="settlement",
            left="10.00"), paid("S2", amount="5.00", kind="settlement")]  # fmt: skip
    remit(store, tmp_path, rows)
    back = paid("R1", amount="40.00", kind="reversal", reversal_of="P1")
    assert remit(store, tmp_path, [back], 2)[0][0] == "applied"
    assert remit(store, tmp_path, [back | {"reversal_of": ""}], 3)[0][0] == "ignored"
    again = [back | {"reversal_of": "P2"}, rows[2] | {"left": "11.00"}, rows[3] | {"left": ""}]
    [(first, why), (second, what), third] = remit(store, tmp_path, again, 4)
    assert (first, second, third[0]) == ("exception", "exception", "ignored")
    assert "another reversal_of (what it takes back)" in why
    assert "another left (10.00, now 11.00)" in what
    assert len(payments_of(store)) == 5


def test_a_payment_is_taken_back_in_parts_up_to_what_it_was(store, tmp_path):
    """Each part names it; a cent more waits in suspense, and a person takes back none that was taken back in part."""
    account = put_payer(store)
    remit(store, tmp_path, [paid("P1"), paid("P2", amount="40.00")])
    part = paid("R1", amount="30.00", kind="reversal", reversal_of="P1")
    rows = [part, part | {"agency_payment_id": "R2", "amount": "60.00"}]
    assert [outcome for outcome, _ in remit(store, tmp_path, rows, 2)] == ["applied", "applied"]
    more = part | {"agency_payment_id": "R3", "amount": "10.01"}
    unnamed = part | {"agency_payment_id": "R4", "amount": "10.00", "reversal_of": ""}
    [(_, why)] = remit(store, tmp_path, [more], 3)
    assert why.startswith("suspense 1: the reversal names no payment of this agency on the account that has so much")
    remit(store, tmp_path, [unnamed], 4)
    assert store.rows("SELECT agency_payment_id, reverses FROM payments WHERE kind = 'reversal' ORDER BY id") == [
        ("R1", 1), ("R2", 1), ("R4", 2),
    ]  # fmt: skip
    with pytest.raises(RefusedError, match="taken back before, by payment 3"), store.transaction():
        reverse_payment(store, 1, POSTING, WHO)
    remit(store, tmp_path, [more | {"agency_payment_id": "R5", "amount": "10.00"}], 5)
    assert owed(store, account) == Decimal("120.00")
    check(store)
    store.execute("UPDATE payments SET reverses = 1, amount = 10000 WHERE agency_payment_id = 'R4'")
    found = [problem for each in verify_store(store) for problem in each.problems]
    assert "payment 1 was taken back in parts that are more than it was" in found
