"""One record of a payment file: what it posts, what it does to the cheque, or everything that is wrong with it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payment_samples import NOW

from hl7bridge.money import ZERO
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.payments.remittance import RecordKind, Totals, column_problems, read_remitted, total_of

USUAL = {"agency_payment_id": "CHK1", "account": "77", "amount": "100.00", "date": "2026-01-14"}


def read(agency="sample", **values):
    return read_remitted(3, USUAL | values, agency, NOW)


def record(**values):
    found, problems = read(**values)
    assert problems == []
    return found


def test_a_record_is_a_payment_of_an_account():
    """With everything that the agency tells of it."""
    found = record(fee="20", trust_date="2026-01-15", method="CHK", facility="NORTHGATE", placement_id="41", kind=" ")
    payment = found.payment
    assert (found.line, found.kind, found.account, found.placement_id, found.facility) == (
        3, RecordKind.PAYMENT, "77", 41, "NORTHGATE",
    )  # fmt: skip
    assert (payment.agency, payment.amount, payment.fee) == ("sample", Decimal("100.00"), Decimal("20.00"))
    assert (payment.trust_on, payment.method, payment.is_settlement) == (dt.date(2026, 1, 15), "CHK", False)


@pytest.mark.parametrize(
    ("kind", "posted", "net"),
    [
        ("payment", PaymentKind.PAYMENT, "90.00"),
        ("settlement", PaymentKind.PAYMENT, "90.00"),
        ("reversal", PaymentKind.REVERSAL, "-90.00"),
        ("adjustment", PaymentKind.ADJUSTMENT, "-10.00"),
        ("adjustment_reversal", None, "10.00"),
        ("direct", None, "-10.00"),
        ("direct_reversal", None, "10.00"),
    ],
)
def test_the_kind_tells_what_is_posted_and_what_the_cheque_has(kind, posted, net):
    """The fee is the agency's also of what the hospital was paid itself."""
    found = record(kind=kind, fee="10.00")
    assert found.is_posted is (posted is not None)
    assert found.net == Decimal(net)
    if posted:
        assert found.payment.kind is posted


@pytest.mark.parametrize(("kind", "net"), [("fee", "-100.00"), ("fee_reversal", "100.00")])
def test_a_fee_of_its_own_is_never_posted(kind, net):
    """Its dollars are in amount."""
    found = record(kind=kind)
    assert (found.is_posted, found.net) == (False, Decimal(net))
    assert read(kind=kind, fee="1")[1] == [f"fee: a record of kind {kind} has its dollars in amount"]


def test_a_settlement_may_say_what_is_left_and_a_reversal_what_it_takes_back():
    """No other kind may."""
    assert record(kind="settlement", left="55.00").payment.left == Decimal("55.00")
    assert record(kind="settlement").payment.left is None
    assert record(kind="reversal", reversal_of="CHK0").payment.reversal_of == "CHK0"
    assert read(left="1", reversal_of="CHK0")[1] == [
        "reversal_of: only for kind reversal",
        "left: only for kind settlement",
    ]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"kind": "gift"}, "kind: expected one of payment, settlement"),
        ({"fee": "-1"}, "fee: expected zero or more"),
        ({"fee": "1,5"}, "fee: "),
        ({"trust_date": "2026-02-30"}, "trust_date: expected a day that exists"),
        ({"trust_date": "20260115"}, "trust_date: expected a day that exists"),
        ({"method": "X" * 21}, "method: expected at most 20"),
        ({"method": "a\x00b"}, "method: expected at most 20"),
        ({"placement_id": "x"}, "placement_id: expected digits"),
        ({"account": ""}, "account: expected 1 to 64"),
        ({"net": "x"}, "net: "),
        ({"net": "80.00", "fee": "10"}, "net: is not what amount and fee come to"),
    ],
)
def test_what_is_wrong_is_told(values, wanted):
    """In words that quote nothing."""
    [problem] = read(**values)[1]
    assert problem.startswith(wanted)


def test_net_agrees_with_amount_and_fee():
    """Of a reversal with either sign."""
    record(net="90.00", fee="10.00")
    for net in ("90.00", "-90.00"):
        record(net=net, fee="10.00", kind="reversal")


def test_a_placement_can_name_the_account_alone():
    """Then the file has no column account."""
    found = record(account="", placement_id="41")
    assert (found.account, found.placement_id) == ("", 41)
    assert column_problems(["agency_payment_id", "placement_id", "amount", "date"]) == []
    assert column_problems(["agency_payment_id", "amount", "date"]) == ["the header has no account"]


def test_a_record_that_is_nobodys_is_refused():
    """Or another's than whose file it is."""
    assert read(agency=None)[1] == ["agency: none is named"]
    assert read(agency=None)[0] is None
    found, problems = read_remitted(1, USUAL | {"agency": "other"}, "sample", NOW)
    assert (found, problems) == (None, ["agency: not the one the file is imported for"])


def test_gross_less_reversals_less_fees_is_the_cheque():
    """Adjustments move no money; what the hospital was paid itself is not in the gross, and its fee is."""
    records = [
        record(fee="20"),
        record(kind="settlement", amount="50"),
        record(kind="reversal", amount="30", fee="6"),
        record(kind="adjustment", amount="7"),
        record(kind="direct", amount="500", fee="5"),
        record(kind="fee", amount="3"),
        record(kind="fee_reversal", amount="1"),
    ]
    totals = total_of(records)
    assert totals == Totals(Decimal(150), Decimal(30), Decimal("21.00"))
    assert totals.paid == Decimal("99.00") == sum((each.net for each in records), ZERO)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(set(RecordKind) - {RecordKind.FEE, RecordKind.FEE_REVERSAL})),
            st.integers(1, 10**7),
            st.integers(0, 10**5),
        ),
        max_size=20,
    )
)
def test_the_cheque_is_the_sum_of_what_each_record_adds(rows):
    """To the cent, whatever is in the file."""
    records = [record(kind=kind, amount=f"{a / 100:.2f}", fee=f"{f / 100:.2f}") for kind, a, f in rows]
    assert total_of(records).paid == sum((each.net for each in records), ZERO)
