"""A payment is in the store once: its row, its ledger entry and its delivery together, or none of them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from payment_samples import NOW, PATIENT, TODAY, add_account, make_payment, make_store, post, statuses

from hl7bridge.errors import RefusedError, StoreError
from hl7bridge.message.parse import parse_message
from hl7bridge.payments.payment import PaymentKind, PaymentStatus
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.entries import read_entries
from hl7bridge.storage.payments import list_payments


def counts(store):
    return [store.row(f"SELECT count(*) FROM {table}")[0] for table in ("payments", "deliveries", "entries")]


def test_a_payment_lowers_the_balance_and_queues_its_message(store):
    """All in one transaction."""
    account = add_account(store)
    posted = post(store, account)
    assert (posted.is_new, posted.status) == (True, PaymentStatus.QUEUED)
    assert read_account(store, account.id).balance == Decimal("350.00")
    assert statuses(store) == [("queued", "queued")]
    (row,) = list_payments(store)
    assert row == {
        "payment": posted.payment_id,
        "agency": "sample",
        "agency_payment_id": "CHK1",
        "account": "5027440",
        "facility": "NORTHGATE",
        "amount": Decimal("150.00"),
        "kind": "payment",
        "paid_on": "2026-01-14",
        "status": "queued",
        "received_at": "2026-01-15T16:30:00.000Z",
        "delivery": 1,
        "fee": Decimal("0.00"),
        "trust_on": None,
        "method": "",
        "reverses": None,
        "settlement": None,
        "settles": None,
    }


def test_the_queued_message_names_account_patient_and_store(store):
    """PID-3, PID-5, PID-18 and PV1-19 as they arrived; MSH-10 and FT1-2 carry the store's tag."""
    post(store, add_account(store, pv1_50="A77^^^HOSP^VN", patient_class="I"))
    tag = store.row("SELECT value FROM meta WHERE key = 'tag'")[0]
    control_id, content, kind = store.row("SELECT control_id, content, kind FROM deliveries")
    message = parse_message(content.encode())
    assert kind == "DFT^P03"
    assert message.control_id == control_id == f"HB{tag}000000000001"
    assert message.get("FT1-2") == f"{tag}00000001"
    assert message.get("PID-18") == "5027440^^^HOSP^AN"
    assert message.fields("PID")[0][3] == PATIENT.pid_3
    assert message.fields("PID")[0][5] == PATIENT.pid_5
    assert message.get("PV1-19") == "V5027440^^^HOSP^VN"
    assert message.get("PV1-50.1") == "A77"
    assert message.get("PV1-2") == "I"
    assert message.get("FT1-11.1.1") == "150.00"


def test_the_ledger_entry_is_the_patients_payment(store):
    """Posted today, paid when the agency says."""
    account = add_account(store)
    posted = post(store, account)
    row = list(read_entries(store, account.id))[-1]
    assert (row.entry.kind, row.entry.amount, row.entry.payer) == ("PY", Decimal("150.00"), "patient")
    assert (row.entry.service_on, row.entry.posted_on) == (dt.date(2026, 1, 14), TODAY)
    assert (row.source, row.entry.transaction_id, row.payment_id) == ("agency:sample", "CHK1", posted.payment_id)


def test_the_same_payment_again_changes_nothing(store):
    """However often it comes, the first answer is given again."""
    account = add_account(store)
    first = post(store, account)
    before = counts(store)
    again = post(store, account)
    assert (again.payment_id, again.is_new) == (first.payment_id, False)
    assert counts(store) == before
    assert read_account(store, account.id).balance == Decimal("350.00")


def test_a_known_payment_reports_what_became_of_it(store):
    """Its status now, not queued again."""
    account = add_account(store)
    post(store, account)
    store.execute("UPDATE payments SET status = 'posted'")
    assert post(store, account).status is PaymentStatus.POSTED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amount": "150.01"}, r"another amount \(150.00, now 150.01\)"),
        ({"kind": PaymentKind.ADJUSTMENT}, r"another kind \(payment, now adjustment\)"),
        ({"paid_on": dt.date(2026, 1, 13)}, r"another date"),
    ],
)
def test_another_payment_under_a_known_id_is_refused(store, change, words):
    """What differs is named, and nothing is written."""
    account = add_account(store)
    post(store, account)
    before = counts(store)
    with pytest.raises(RefusedError, match=words):
        post(store, account, make_payment(**change))
    assert counts(store) == before


def test_a_known_id_on_another_account_is_refused(store):
    """An agency's id names one payment of one account."""
    post(store, add_account(store))
    with pytest.raises(RefusedError, match="another account"):
        post(store, add_account(store, "5027441"))


def test_two_agencies_may_use_the_same_id(store):
    """The agency is part of a payment's name."""
    account = add_account(store)
    post(store, account)
    post(store, account, make_payment(agency="other"))
    assert counts(store)[0] == 2
    assert read_account(store, account.id).balance == Decimal("200.00")


def test_an_adjustment_lowers_the_balance_and_is_no_payment(store):
    """AJ adds to adjustments."""
    account = add_account(store)
    post(store, account, make_payment(kind=PaymentKind.ADJUSTMENT))
    state = read_account(store, account.id)
    assert (state.balance, state.payments, state.adjustments) == (Decimal("350.00"), Decimal(0), Decimal("150.00"))


def test_a_reversal_restores_the_balance(store):
    """A bounced cheque: PY below zero, and no payment activity."""
    account = add_account(store)
    post(store, account)
    post(store, account, make_payment("NSF1", kind=PaymentKind.REVERSAL))
    assert read_account(store, account.id).balance == Decimal("500.00")
    assert [row["kind"] for row in list_payments(store)] == ["reversal", "payment"]


def test_a_reversal_of_more_than_was_paid_is_refused(store):
    """Nor can one be reversed twice, nor another agency's payment, nor an adjustment."""
    account = add_account(store)
    post(store, account)
    post(store, account, make_payment("ADJ", kind=PaymentKind.ADJUSTMENT))
    with pytest.raises(RefusedError, match=r"takes back 150.01, .* are 150.00"):
        post(store, account, make_payment("NSF1", "150.01", kind=PaymentKind.REVERSAL))
    with pytest.raises(RefusedError, match=r"are 0.00"):
        post(store, account, make_payment("NSF1", kind=PaymentKind.REVERSAL, agency="other"))
    post(store, account, make_payment("NSF1", kind=PaymentKind.REVERSAL))
    with pytest.raises(RefusedError, match=r"are 0.00"):
        post(store, account, make_payment("NSF2", kind=PaymentKind.REVERSAL))


@pytest.mark.parametrize("patient", [None, PATIENT._replace(pid_3=None)])
def test_a_payment_nobody_could_match_is_refused(store, patient):
    """Without a patient identifier from the feed no id is made up, and nothing is written."""
    account = add_account(store, patient=patient)
    with pytest.raises(RefusedError, match="PID-3"):
        post(store, account)
    assert counts(store) == [0, 0, 1]


def test_an_account_known_only_by_its_number_is_named_by_it(store):
    """And a patient without a name is sent without one."""
    post(store, add_account(store, pid_18=None, pv1_19=None, patient=PATIENT._replace(pid_5=None), patient_class=None))
    message = parse_message(store.row("SELECT content FROM deliveries")[0].encode())
    assert message.get("PID-18") == "5027440"
    assert message.fields("PID")[0][5] == ""
    assert message.get("PV1-2") == "U"


def test_an_account_known_by_its_visit_is_named_by_that_alone(store):
    """Nothing is put where nothing arrived."""
    post(store, add_account(store, pid_18=None))
    message = parse_message(store.row("SELECT content FROM deliveries")[0].encode())
    assert len(message.fields("PID")[0]) < 19 or message.fields("PID")[0][18] == ""


def test_a_failure_leaves_nothing_behind(store):
    """A store without its tag posts nothing: no payment without a message."""
    account = add_account(store)
    store.execute("DELETE FROM meta WHERE key = 'tag'")
    with pytest.raises(StoreError, match="no tag"):
        post(store, account)
    assert counts(store) == [0, 0, 1]
    assert read_account(store, account.id).balance == Decimal("500.00")


def test_payments_are_listed_newest_first_and_by_status(store):
    """Or one by its id."""
    account = add_account(store)
    for name in "ABC":
        post(store, account, make_payment(name, "1"))
    store.execute("UPDATE payments SET status = 'posted' WHERE agency_payment_id = 'B'")
    assert [row["agency_payment_id"] for row in list_payments(store)] == ["C", "B", "A"]
    assert [row["agency_payment_id"] for row in list_payments(store, status="posted")] == ["B"]
    assert [row["agency_payment_id"] for row in list_payments(store, payment_id=3)] == ["C"]
    assert list(list_payments(store, payment_id=3, status="posted")) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 10**7), st.sampled_from(PaymentKind)), max_size=12))
def test_the_ledger_is_the_sum_of_unique_payments(tmp_path_factory, offered):
    """Any payments in any order, repeated, changed and refused: the balance foots to the cent."""
    store = make_store(tmp_path_factory.mktemp("store"))
    account = add_account(store)
    expected = Decimal("500.00")
    for number, cents, kind in offered:
        payment = make_payment(f"ID{number}", str(Decimal(cents).scaleb(-2)), kind)
        try:
            posted = post(store, account, payment)
        except RefusedError:
            continue
        if posted.is_new:
            expected -= payment.ledger_amount
    assert read_account(store, account.id).balance == expected
    assert store.row("SELECT count(*) FROM payments")[0] == store.row("SELECT count(*) FROM deliveries")[0]
    store.close()


def test_now_is_the_time_it_was_received(store):
    """UTC, in the row and in MSH-7."""
    post(store, add_account(store))
    assert parse_message(store.row("SELECT content FROM deliveries")[0].encode()).get("MSH-7") == NOW.strftime(
        "%Y%m%d%H%M%S+0000"
    )
