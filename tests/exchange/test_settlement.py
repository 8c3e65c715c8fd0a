"""What a person decides about agencies' money: a settlement's rest is written off once, suspense is assigned once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from exchange_samples import POSTING, exceptions
from remitting_samples import owed, paid, payments_of, put_payer, remit, suspense_of

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.exchange.settlement import Decided, approve_settlement, assign_suspense, return_suspense
from hl7bridge.storage.audit import read_audit, verify_audit
from hl7bridge.storage.suspense import count_suspense, list_suspense, read_suspense

WHO = Decided("user:tester", "agreed, J.D.")


def approve(store, payment=1, amount=None, decided=WHO):
    with store.transaction():
        return approve_settlement(store, payment, None if amount is None else Decimal(amount), POSTING, decided)


def assign(store, suspense=1, account="A1001", facility=None, decided=WHO):
    with store.transaction():
        return assign_suspense(store, suspense, account, facility, POSTING, decided)


def settle(store, folder, **more):
    """Have the agency settle 150.00 for 90.00."""
    account = put_payer(store)
    [(outcome, _)] = remit(store, folder, [paid("SET1", amount="90.00", kind="settlement", **more)])
    assert outcome == "applied"
    return account


def test_a_settlement_pays_at_once_and_writes_off_only_after_approval(store, tmp_path):
    """PY when the file comes, AJ when a person says so; both messages go out in that order."""
    account = settle(store, tmp_path)
    assert owed(store, account) == Decimal("60.00")
    assert exceptions(store) == [
        (
            "settlement",
            account,
            "payment 1 settles the account, 60.00 dollars are left: 'hl7bridge payments approve 1' writes them off",
        )
    ]
    posted, amount = approve(store)
    assert (posted.payment_id, amount, owed(store, account)) == (2, Decimal("60.00"), Decimal("0.00"))
    assert payments_of(store)[1] == ("settlement-of-1", "adjustment", 6000)
    assert store.rows("SELECT settles FROM payments ORDER BY id") == [(None,), (1,)]
    contents = store.rows("SELECT content FROM deliveries ORDER BY id")
    assert [("|PY|" in row[0], "|AJ|" in row[0]) for row in contents] == [
        (True, False), (False, True),
    ]  # fmt: skip
    assert exceptions(store) == []
    assert "payments.approve" in [row["action"] for row in read_audit(store)]
    assert verify_audit(store).ok


def test_it_is_approved_once(store, tmp_path):
    """However often it is said, and never for what is no settlement, or was taken back."""
    settle(store, tmp_path, left="10.00")
    assert approve(store)[1] == Decimal("10.00")
    with pytest.raises(RefusedError, match="approved before: the rest is adjustment 2"):
        approve(store)
    with pytest.raises(RefusedError, match="payment 2 settles nothing"):
        approve(store, 2)
    with pytest.raises(NotFoundError, match="no payment 9"):
        approve(store, 9)
    with pytest.raises(RefusedError, match="a reason is needed"):
        approve(store, decided=WHO._replace(reason=" "))


def test_a_settlement_that_bounced_is_not_approved(store, tmp_path):
    """Nothing was settled."""
    account = settle(store, tmp_path)
    remit(store, tmp_path, [paid("NSF1", amount="90.00", kind="reversal", reversal_of="SET1")], 2)
    with pytest.raises(RefusedError, match="taken back by payment 2"):
        approve(store)
    assert owed(store, account) == Decimal("150.00")


def test_a_settlement_that_bounces_after_it_was_approved_waits_for_a_person(store, tmp_path):
    """What was written off for it is still written off."""
    account = settle(store, tmp_path)
    approve(store)
    remit(store, tmp_path, [paid("NSF1", amount="90.00", kind="reversal", reversal_of="SET1")], 2)
    assert owed(store, account) == Decimal("90.00")
    [(kind, _, reason)] = exceptions(store)
    assert kind == "settlement"
    assert reason.endswith("payment 1 was taken back, and adjustment 2 wrote off what it had left")


@pytest.mark.parametrize("amount", ["60.01", "0.00", "-1.00"])
def test_no_more_is_written_off_than_is_owed(store, tmp_path, amount):
    """Nor nothing."""
    settle(store, tmp_path)
    with pytest.raises(RefusedError, match=r"60\.00 are owed; say how much with --amount"):
        approve(store, amount=amount)
    assert len(payments_of(store)) == 1


def test_what_waits_in_suspense_is_posted_to_the_account_that_a_person_names(store, tmp_path):
    """Once, with everything that the agency told of it; the remittance keeps it."""
    account = put_payer(store)
    remit(store, tmp_path, [paid(account="404", fee="20.00", trust_date="2026-03-02", method="CHK")])
    assert count_suspense(store) == (1, Decimal("100.00"))
    posted = assign(store)
    assert owed(store, account) == Decimal("50.00")
    assert store.rows("SELECT amount, fee, trust_on, method, remittance_id FROM payments") == [
        (10000, 2000, "2026-03-02", "CHK", 1)
    ]
    [row] = list_suspense(store)
    assert (row["status"], row["payment"], row["closed_by"], row["resolution"]) == (
        "assigned", posted.payment_id, "user:tester", "agreed, J.D.",
    )  # fmt: skip
    assert count_suspense(store) == (0, Decimal("0.00"))
    with pytest.raises(RefusedError, match="suspense 1 was assigned before"):
        assign(store)
    with pytest.raises(RefusedError, match="suspense 1 was assigned before"), store.transaction():
        return_suspense(store, 1, POSTING.now, WHO)
    assert remit(store, tmp_path, [paid(account="404", fee="20.00")], 2)[0][0] == "exception"  # it is A1001's now
    assert remit(store, tmp_path, [paid(fee="20.00")], 3) == [("ignored", "payment 1: known")]


def test_a_settlement_and_a_reversal_come_out_of_suspense_as_what_they_are(store, tmp_path):
    """The settlement asks to be approved; the reversal needs its original."""
    account = put_payer(store)
    rows = [
        paid("SET1", "404", "90.00", kind="settlement", left="5.00"),
        paid("NSF1", "404", "90.00", kind="reversal", reversal_of="SET1"),
    ]
    remit(store, tmp_path, rows)
    assert count_suspense(store) == (2, Decimal("0.00"))
    with pytest.raises(RefusedError, match=r"takes back 90\.00"):
        assign(store, 2)
    assign(store, 1)
    assert [each[0] for each in exceptions(store)] == ["settlement"]
    assert store.rows("SELECT settlement FROM payments") == [(500,)]
    assign(store, 2)
    assert store.rows("SELECT reverses FROM payments WHERE id = 2") == [(1,)]
    assert owed(store, account) == Decimal("150.00")


def test_money_that_goes_back_to_the_agency_is_never_posted(store, tmp_path):
    """Not even when it comes again."""
    account = put_payer(store)
    remit(store, tmp_path, [paid(account="404")])
    with store.transaction():
        assert return_suspense(store, 1, POSTING.now, WHO) == Decimal("100.00")
    assert suspense_of(store) == [("CHK1", "404", 10000, "returned")]
    assert remit(store, tmp_path, [paid(account="404", method="CHK")], 2) == [("ignored", "suspense 1: known")]
    [(outcome, why)] = remit(store, tmp_path, [paid()], 3)
    assert (outcome, why.startswith("suspense 1 came again with another account")) == ("exception", True)
    assert (owed(store, account), payments_of(store)) == (Decimal("150.00"), [])
    assert "suspense.return" in [row["action"] for row in read_audit(store)]


def test_nothing_is_assigned_without_a_reason_or_where_it_cannot_be(store, tmp_path):
    """It stays in suspense then."""
    put_payer(store)
    remit(store, tmp_path, [paid(account="404")])
    with pytest.raises(RefusedError, match="a reason is needed"):
        assign(store, decided=WHO._replace(reason=""))
    with pytest.raises(NotFoundError, match="no such account"):
        assign(store, account="405")
    with pytest.raises(NotFoundError, match="nothing in suspense has number 9"):
        assign(store, 9)
    assert read_suspense(store, 1).payment.amount == Decimal("100.00")
