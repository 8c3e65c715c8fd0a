"""What an agency reports, gives back, objects to and lists: what each changes here, once, and what a person settles."""

from __future__ import annotations

import datetime as dt

import pytest
from exchange_samples import about, active, answer, exceptions, placed
from placement_samples import GUARANTOR, NOW, NOW_TEXT, put_account

from hl7bridge.placement.state import By, Status
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.placements import move_placement, read_placement
from hl7bridge.storage.signals import read_signals


def recall(store, placement=1, *, recall_by="2026-03-12T14:00:00.000Z"):
    """Have a placement recalled and its notice sent."""
    with store.transaction():
        move_placement(
            store,
            placement,
            Status.RECALL_PENDING,
            by=By.PERSON,
            actor="user:tester",
            at=NOW_TEXT,
            reason="requested",
            notice=True,
        )
        store.execute("UPDATE placements SET recall_by = ? WHERE id = ?", (recall_by, placement))


@pytest.mark.parametrize(
    ("status", "name", "value", "becomes"),
    [
        ("dispute", "dispute", "open", "suspended"),
        ("cease", "cease", "yes", "suspended"),
        ("attorney", "attorney", "yes", "suspended"),
        ("bankruptcy", "bankruptcy", "filed", "recall_pending"),
        ("deceased", "deceased", "yes", "recall_pending"),
        ("insurance_found", "insurance_pending", "yes", "suspended"),
    ],
)
def test_what_an_agency_learns_is_a_signal_and_its_hold_follows_at_once(store, tmp_path, status, name, value, becomes):
    """In the same transaction; the same again changes nothing."""
    active(store, tmp_path)
    row = about(status=status, since="2026-02-27")
    assert answer(store, tmp_path, "statuses", [row]) == [("applied", f"signal {name} is {value}")]
    signal = read_signals(store, 1)[name]
    assert (signal.value, signal.source, signal.observed_on) == (value, "agency sample", dt.date(2026, 2, 27))
    assert read_placement(store, 1).status == becomes
    assert answer(store, tmp_path, "statuses", [row], 2) == [("ignored", f"signal {name} was {value} before")]


def test_a_day_in_the_future_is_today(store, tmp_path):
    """A signal is true since a day that has been."""
    active(store, tmp_path)
    answer(store, tmp_path, "statuses", [about(status="dispute", since="2031-01-01")])
    assert read_signals(store, 1)["dispute"].observed_on == dt.date(2026, 3, 2)


def test_a_status_that_is_no_hold_is_noted(store, tmp_path):
    """A promise to pay is the agency's business; a placement that was only acknowledged is active by it."""
    placed(store, tmp_path)
    store.execute("UPDATE placements SET status = 'acknowledged'")
    assert answer(store, tmp_path, "statuses", [about(status="promise_to_pay")]) == [
        ("applied", "the agency says promise_to_pay")
    ]
    assert read_placement(store, 1).status == "active"


@pytest.mark.parametrize(
    ("kind", "balance", "status"),
    [("returned", "150.00", "returned"), ("paid_in_full", "0.00", "paid_in_full"), ("", "", "returned")],
)
def test_a_return_ends_the_placement_with_the_agencys_code(store, tmp_path, kind, balance, status):
    """The account is looked at by the next decisions; told twice it is known."""
    active(store, tmp_path)
    row = about(code="B7", kind=kind, balance=balance)
    [said] = answer(store, tmp_path, "returns", [row])
    assert said[0] == "applied"
    assert read_placement(store, 1).status == status
    assert read_account(store, 1).due_on == dt.date.min
    assert "with code B7" in store.rows("SELECT end_reason FROM placements")[0][0]
    assert answer(store, tmp_path, "returns", [row], 2) == [("ignored", f"{status} before")]


def test_a_return_with_another_balance_is_a_discrepancy_and_paid_in_full_says_zero(store, tmp_path):
    """Ours is the ledger's."""
    active(store, tmp_path, "A1001", "A1002")
    rows = [about(code="B7", balance="100.00"), about(2, "A1002", code="PIF", kind="paid_in_full")]
    assert [said[0] for said in answer(store, tmp_path, "returns", rows)] == ["applied"] * 2
    assert store.rows("SELECT placement_id, kind, ours, theirs, dollars FROM agency_discrepancies") == [
        (1, "balance", "150.00", "100.00", 5000),
        (2, "balance", "150.00", "0.00", 15000),
    ]


def test_what_was_recalled_and_comes_back_is_recalled(store, tmp_path):
    """Whatever the agency calls it; what nobody recalled cannot be."""
    active(store, tmp_path, "A1001", "A1002", "A1003")
    recall(store, 1)
    recall(store, 2)
    rows = [
        about(1, "A1001", code="RCL", kind="recalled"),
        about(2, "A1002", code="B7"),
        about(3, "A1003", code="RCL", kind="recalled"),
    ]
    assert [said[0] for said in answer(store, tmp_path, "returns", rows)] == ["applied", "applied", "exception"]
    assert [read_placement(store, number).status for number in (1, 2, 3)] == ["recalled", "recalled", "active"]


def test_a_settlement_waits_for_a_person(store, tmp_path):
    """No money is given up by an agency's word alone."""
    active(store, tmp_path)
    [said] = answer(store, tmp_path, "returns", [about(code="SIF", kind="settled", balance="60.00")])
    assert said == ("exception", "the agency settled it with code SIF, 60.00 dollars are left: approve it or not")
    assert read_placement(store, 1).status == "active"
    assert [each[0] for each in exceptions(store)] == ["settlement"]
    [said] = answer(store, tmp_path, "returns", [about(code="SIF", kind="settled")], 2)
    assert "150.00 dollars are left" in said[1]


def test_an_objection_puts_the_recall_off_once_and_a_person_answers(store, tmp_path):
    """By the days of the configuration from when it would have been over; never from a day that has passed."""
    active(store, tmp_path, "A1001", "A1002", "A1003")
    recall(store, 1)
    recall(store, 2, recall_by="2026-02-01T00:00:00.000Z")
    rows = [
        about(reason="payment promised"),
        about(2, "A1002", reason="payment plan"),
        about(3, "A1003", reason="what recall"),
    ]
    said = answer(store, tmp_path, "objections", rows)
    assert [each[0] for each in said] == ["exception"] * 3
    assert answer(store, tmp_path, "objections", [about(reason="again")], 2)[0][0] == "ignored"
    assert store.rows("SELECT recall_by FROM placements ORDER BY id") == [
        ("2026-03-26T14:00:00.000Z",),
        ((NOW + dt.timedelta(days=14)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),),
        (None,),
    ]
    assert [each[0] for each in exceptions(store)] == ["recall_objection", "recall_objection", "agency_answer"]
    assert "payment promised" not in str(exceptions(store))


def test_an_objection_to_a_recall_without_a_day_counts_from_now(store, tmp_path):
    """A recall of an older release has none."""
    active(store, tmp_path)
    recall(store, recall_by=None)
    answer(store, tmp_path, "objections", [about(reason="payment promised")])
    assert store.rows("SELECT recall_by FROM placements") == [("2026-03-16T14:00:00.000Z",)]


def test_an_inventory_is_compared_line_by_line(store, tmp_path):
    """What does not agree is a discrepancy, and no exception."""
    active(store, tmp_path, "A1001", "A1002")
    rows = [about(balance="150.00"), about(2, "A1002", balance="15.00"), {"client_account": "A9", "balance": "1.00"}]
    assert [said[0] for said in answer(store, tmp_path, "inventory", rows)] == ["applied"] * 3
    assert store.rows("SELECT kind, reference FROM agency_discrepancies ORDER BY id") == [
        ("balance", "A1002"),
        ("missing_here", "A9"),
    ]
    assert exceptions(store) == []
    assert store.rows("SELECT placement_id FROM received_records WHERE kind = 'inventory' ORDER BY line") == [
        (1,),
        (2,),
        (None,),
    ]


def test_what_a_record_said_is_kept_without_what_is_empty(store, tmp_path):
    """As JSON, in the encrypted store."""
    put_account(store, "A1001", guarantors=(GUARANTOR,))
    active(store, tmp_path, "A1002")
    content = store.rows("SELECT content FROM received_records")[0][0]
    assert content.startswith('{"placement_id":1,"client_account":"A1002","is_accepted":true')
