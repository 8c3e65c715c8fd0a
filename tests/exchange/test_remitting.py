"""A payment file in the incoming folder: posted once when it foots, held when it does not, and nothing is dropped."""

from __future__ import annotations

from decimal import Decimal

import pytest
from exchange_samples import POSTING, agency_at, exceptions, placed, put_file, take, taking_of
from placement_samples import NOW
from remitting_samples import owed, paid, payments_of, put_payer, put_payments, remit, suspense_of

from hl7bridge.exchange import incoming
from hl7bridge.exchange.incoming import release_file, take_files
from hl7bridge.storage.accounts import find_account, update_account
from hl7bridge.storage.received_files import read_outcomes
from hl7bridge.times import utc_text


def test_a_file_that_foots_is_posted_and_its_fees_are_kept_apart(store, tmp_path):
    """Gross to the patient's account; the fee lowers the cheque, never the credit."""
    account = put_payer(store)
    assert remit(store, tmp_path, [paid(fee="20.00", trust_date="2026-03-02", method="CHK")]) == [
        ("applied", "payment 1")
    ]
    assert owed(store, account) == Decimal("50.00")
    assert store.rows("SELECT amount, fee, trust_on, method, remittance_id, destination FROM payments") == [
        (10000, 2000, "2026-03-02", "CHK", 1, "ehr")
    ]
    assert store.rows("SELECT agency, gross, reversals, fees, paid, records, received_file_id FROM remittances") == [
        ("sample", 10000, 0, 2000, 8000, 1, 1)
    ]
    [(content, payment)] = store.rows("SELECT content, payment_id FROM deliveries")
    assert payment == 1
    assert "|100.00&USD|" in content
    [(transaction,)] = store.rows("SELECT transaction_id FROM payments")
    assert f"|{transaction}|" in content


@pytest.mark.parametrize("cheque", ["79.99", "100.00"])
def test_a_file_that_does_not_foot_is_held_with_the_difference(store, tmp_path, cheque):
    """Nothing of it is posted, and nobody can release it."""
    account = put_payer(store)
    put_payments(tmp_path, [paid(fee="20.00")], cheque=cheque)
    [came] = take(store, tmp_path).files
    difference = Decimal(cheque) - 80
    assert came.file.status == "held"
    assert came.file.problem == (
        f"balance_total: the trailer says {cheque}, and the records come to 80.00: a difference of {difference:.2f}"
    )
    assert (owed(store, account), payments_of(store)) == (Decimal("150.00"), [])
    with pytest.raises(Exception, match="cannot be taken"):
        release_file(store, [agency_at(tmp_path)], 1, "it is right", taking_of())


def test_the_same_file_under_the_next_number_posts_nothing(store, tmp_path):
    """By its bytes: the numbers stay without gaps."""
    account = put_payer(store)
    rows = [paid(), paid("CHK9", "404"), paid("F1", kind="fee", amount="1.00")]
    put_payments(tmp_path, rows, cheque="199.00")
    put_payments(tmp_path, rows, 2, cheque="199.00")
    first, again = take(store, tmp_path).files
    assert [row["reason"] for row in read_outcomes(store, again.file.id)] == ["the same file as remittance 1"] * 3
    assert first.outcomes == {"applied": 2, "exception": 1}
    assert remit(store, tmp_path, [paid(), paid("CHK2", amount="1.00")], 3) == [
        ("ignored", "payment 1: known"),
        ("applied", "payment 2"),
    ]
    assert owed(store, account) == Decimal("49.00")
    assert store.rows("SELECT count(*) FROM deliveries") == [(2,)]


@pytest.mark.parametrize("place", ["move_to", "apply_remittance"])
def test_a_crash_posts_a_file_once(store, tmp_path, monkeypatch, place):
    """Before the transaction ends, or between it and the move."""
    account = put_payer(store)
    put_payments(tmp_path, [paid()])
    original = getattr(incoming, place)

    def crash(*given: object) -> None:
        if place == "apply_remittance":
            original(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(incoming, place, crash)
    with pytest.raises(KeyboardInterrupt):
        take(store, tmp_path)
    monkeypatch.undo()
    take(store, tmp_path)
    take(store, tmp_path)
    assert (owed(store, account), len(payments_of(store))) == (Decimal("50.00"), 1)


def test_what_names_no_account_waits_in_suspense_with_its_dollars(store, tmp_path):
    """The others of the file are posted; the same again is known."""
    put_payer(store)
    put_payer(store, "A7", facility="NORTHGATE")
    put_payer(store, "A7", facility="SOUTHGATE")
    found = remit(store, tmp_path, [paid(), paid("CHK2", "404", fee="5.00"), paid("CHK3", "A7"), paid("CHK4", "A1001")])
    assert [outcome for outcome, _ in found] == ["applied", "exception", "exception", "applied"]
    assert found[1][1] == "suspense 1: no such account"
    assert suspense_of(store) == [("CHK2", "404", 10000, "open"), ("CHK3", "A7", 10000, "open")]
    assert remit(store, tmp_path, [paid("CHK2", "404", fee="5.00")], 2) == [("ignored", "suspense 1: known")]
    assert remit(store, tmp_path, [paid("CHK2", "404", "99.00", fee="5.00")], 3)[0][1].startswith(
        "suspense 1 came again with another amount (100.00, now 99.00)"
    )


def test_money_that_cannot_be_posted_waits_in_suspense(store, tmp_path):
    """No destination takes it, or the EHR could not tell whose it is."""
    put_payer(store, patient_id=None)
    store.execute("UPDATE accounts SET patient_id = NULL")
    [(_, why)] = remit(store, tmp_path, [paid()])
    assert "PID-3" in why
    put_payer(store, "A2")
    put_payments(tmp_path, [paid("CHK2", "A2")], 2)
    take_files(store, [agency_at(tmp_path)], taking_of(posting=POSTING._replace(form_of=lambda _: None)))
    assert [row[0] for row in store.rows("SELECT reason FROM suspense ORDER BY id")][1].startswith("no destination")
    assert (payments_of(store), store.rows("SELECT count(*) FROM deliveries")) == ([], [(0,)])


def test_a_placement_can_name_the_account(store, tmp_path):
    """Also one whose account has another number by now; a placement of another agency is none."""
    placed(store, tmp_path)
    store.execute("UPDATE patients SET pid_3 = '100234^^^HOSP^MR'")
    rows = [
        paid(account="", placement_id="1"),
        paid("CHK2", "", placement_id="9"),
        paid("CHK3", "A9", placement_id="1"),
    ]
    found = remit(store, tmp_path, rows)
    assert found[0] == ("applied", "payment 1")
    assert found[1][1] == "suspense 1: no placement of that number was sent to this agency"
    assert found[2][1] == "suspense 2: the placement of that number is of another account"
    assert [row[1] for row in suspense_of(store)] == ["placement 9", "A9"]
    assert store.rows("SELECT placement_id FROM received_records WHERE outcome = 'applied'") == [(1,)]


def test_of_two_accounts_of_a_number_the_one_that_the_agency_has_is_meant(store, tmp_path):
    """When the file does not say the facility."""
    placed(store, tmp_path, "A1001")
    store.execute("UPDATE patients SET pid_3 = '100234^^^HOSP^MR'")
    put_payer(store, facility="SOUTHGATE")
    assert remit(store, tmp_path, [paid(), paid("CHK2", facility="SOUTHGATE")]) == [
        ("applied", "payment 1"),
        ("applied", "payment 2"),
    ]
    assert store.rows("SELECT facility FROM accounts a JOIN payments p ON p.account_id = a.id ORDER BY p.id") == [
        ("NORTHGATE",), ("SOUTHGATE",),
    ]  # fmt: skip


def test_a_payment_after_the_account_was_given_back_is_posted_all_the_same(store, tmp_path):
    """The grace period: the money is real."""
    placed(store, tmp_path)
    store.execute("UPDATE patients SET pid_3 = '100234^^^HOSP^MR'")
    store.execute("UPDATE placements SET status = 'recalled'")
    assert remit(store, tmp_path, [paid()]) == [("applied", "payment 1")]


def test_a_careful_site_has_a_person_look_at_payments_of_accounts_that_the_agency_never_had(store, tmp_path):
    """The number may be a wrong one; placed once is enough."""
    placed(store, tmp_path)
    put_payer(store, "A2")
    store.execute("UPDATE patients SET pid_3 = '100234^^^HOSP^MR'")
    store.execute("UPDATE placements SET status = 'recalled'")
    put_payments(tmp_path, [paid(), paid("CHK2", "A2")])
    take(store, tmp_path, posting=POSTING._replace(careful=frozenset({"sample"})))
    assert [row[0] for row in payments_of(store)] == ["CHK1"]
    assert store.rows("SELECT account, reason FROM suspense") == [
        ("A2", "the account was never placed with this agency")
    ]


def test_a_payment_that_comes_again_changed_is_an_exception_for_a_person(store, tmp_path):
    """Amount, fee, date, kind or account; nothing of it is posted, and each change is told."""
    account = put_payer(store)
    put_payer(store, "A2")
    remit(store, tmp_path, [paid()])
    changes = (
        {"amount": "101.00"},
        {"fee": "1.00"},
        {"date": "2026-02-28"},
        {"kind": "adjustment"},
        {"kind": "settlement"},
        {"account": "A2"},
        {"account": "404"},
    )
    for number, change in enumerate(changes, 2):
        [(outcome, why)] = remit(store, tmp_path, [paid() | change], number)
        assert (outcome, why.startswith("payment 1 came again with another ")) == ("exception", True)
    told = exceptions(store)
    assert [each[:2] for each in told] == [("payment_changed", account)] * len(changes)
    assert told[0][2].startswith("agency sample, remittance 2, line 2: payment 1 came again")
    assert owed(store, account) == Decimal("50.00")


def test_a_payment_under_the_number_of_a_merged_account_is_known(store, tmp_path):
    """The account that is left has it."""
    account = put_payer(store)
    put_payer(store, "OLD")
    with store.transaction():
        state = find_account(store, "OLD")
        update_account(store, state._replace(status="merged", merged_into=account, charges=Decimal(0)), utc_text(NOW))
    remit(store, tmp_path, [paid(account="OLD")])
    assert remit(store, tmp_path, [paid(), paid("CHK2", amount="1.00")], 2)[0] == ("ignored", "payment 1: known")
    assert owed(store, account) == Decimal("49.00")


def test_a_reversal_names_what_it_takes_back_once(store, tmp_path):
    """By the agency's id; the balance rises again and the EHR is told."""
    account = put_payer(store)
    rows = [paid("NSF1", kind="reversal", reversal_of="CHK1", amount="100.00"), paid(), paid("CHK2", amount="30.00")]
    found = remit(store, tmp_path, rows)  # a reversal may stand before what it takes back
    assert found == [("applied", "payment 3"), ("applied", "payment 1"), ("applied", "payment 2")]
    assert store.rows("SELECT reverses FROM payments ORDER BY id") == [(None,), (None,), (1,)]
    assert owed(store, account) == Decimal("120.00")
    for number, row in enumerate(
        (
            paid("NSF2", kind="reversal", reversal_of="CHK1", amount="30.00"),  # taken back before
            paid("NSF3", kind="reversal", reversal_of="CHK9", amount="30.00"),  # never reported
            paid("NSF4", kind="reversal", reversal_of="CHK2", amount="100.00"),  # more than was paid
            paid("NSF5", kind="reversal", amount="30.01"),
        ),
        2,
    ):
        [(outcome, _)] = remit(store, tmp_path, [row], number)
        assert outcome == "exception"
    assert [row[0] for row in suspense_of(store)] == ["NSF2", "NSF3", "NSF4", "NSF5"]
    assert [each[:2] for each in exceptions(store)] == [("reversal_unmatched", account)] * 4
    assert owed(store, account) == Decimal("120.00")


def test_a_reversal_that_names_nothing_takes_back_the_only_payment_it_can_mean(store, tmp_path):
    """The newest of its amount, or the only one that has as much; several are a person's choice."""
    put_payer(store, "A1001")
    rows = [paid(amount="40.00"), paid("CHK2", amount="40.00"), paid("CHK3", amount="60.00")]
    remit(store, tmp_path, rows)
    remit(store, tmp_path, [paid("NSF1", amount="40.00", kind="reversal")], 2)
    [(outcome, why)] = remit(store, tmp_path, [paid("NSF2", amount="10.00", kind="reversal")], 3)
    assert (outcome, "could mean several" in why) == ("exception", True)
    remit(store, tmp_path, [paid("NSF3", amount="50.00", kind="reversal")], 4)
    assert store.rows("SELECT agency_payment_id, reverses FROM payments WHERE kind = 'reversal' ORDER BY id") == [
        ("NSF1", 2), ("NSF3", 3),
    ]  # fmt: skip


def test_what_the_hospital_was_paid_itself_and_fees_are_not_posted(store, tmp_path):
    """An echo is ignored; a fee of its own is kept with the file; an adjustment taken back is a person's matter."""
    account = put_payer(store)
    rows = [
        paid("D1", kind="direct", fee="10.00"),
        paid("F1", kind="fee", amount="0.01"),
        paid("A1", kind="adjustment_reversal"),
    ]
    put_payments(tmp_path, rows, cheque="-10.01")
    [came] = take(store, tmp_path).files
    found = [(row["outcome"], row["reason"]) for row in read_outcomes(store, came.file.id)]
    assert [outcome for outcome, _ in found] == ["ignored", "applied", "exception"]
    assert (payments_of(store), owed(store, account)) == ([], Decimal("150.00"))
    assert [each[0] for each in exceptions(store)] == ["adjustment_taken_back"]
    assert store.rows("SELECT gross, fees, paid FROM remittances") == [(0, 1001, -1001)]


def test_an_agency_pays_in_its_own_layout(store, tmp_path):
    """AIM-style records in a .txt file, with the same trailer as any other."""
    account = put_payer(store)
    data = f"APAY{'':<9}{'A1001':<30}{'25.00':<12}20260301PA {'T1':<30}\r\n".encode("ascii")
    put_file(tmp_path, "remittances", 1, [], data=data, layout="txt", told={"records": 1, "balance_total": "25.00"})
    agency = agency_at(tmp_path, layout="aim", payment_layout="aim")
    [came] = take_files(store, [agency], taking_of()).files
    assert came.file.status == "taken", came.file.problem
    assert owed(store, account) == Decimal("125.00")


def test_a_store_that_has_lost_its_tag_posts_nothing_of_a_file(store, tmp_path):
    """The whole file is undone and left where it is."""
    put_payer(store)
    store.execute("DELETE FROM meta WHERE key = 'tag'")
    put_payments(tmp_path, [paid()])
    taken = take(store, tmp_path)
    assert (taken.failed, len(taken.problems)) == ({"sample"}, 1)
    assert (payments_of(store), store.rows("SELECT count(*) FROM remittances")) == ([], [(0,)])
