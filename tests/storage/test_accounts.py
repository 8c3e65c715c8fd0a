"""Accounts, people and entries come back from the store as they went in, and the ledger only ever grows."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.ledger.account import AccountState, fold_entries, new_account
from hl7bridge.ledger.ranked import Ranked
from hl7bridge.mapping.records import NULL, Coverage, Entry, Guarantor, Patient
from hl7bridge.storage.accounts import (
    account_in_facility,
    find_account,
    insert_account,
    insert_patient,
    make_patient_due,
    patient_by_number,
    read_account,
    read_coverages,
    read_guarantors,
    read_patient,
    read_ranked,
    update_account,
    update_patient,
    write_ranked,
)
from hl7bridge.storage.database import IntegrityError
from hl7bridge.storage.entries import add_entry, entries_by_transaction, insert_entries, read_entries

JAN = dt.date(2026, 1, 5)
PATIENT = Patient(
    facility="NORTHGATE", number="TMRN1", authority="HOSP", family_name="TESTPATIENT", given_name="AURELIA",
    birth_on=dt.date(1971, 4, 18), deceased=False, pid_3="TMRN1^^^HOSP",
)  # fmt: skip
CHARGE = Entry(kind="CG", amount=Decimal("10.50"), payer="unknown", service_on=JAN, transaction_id="T1")


@pytest.fixture
def account(store):
    """Return a stored account with a patient."""
    patient_id = insert_patient(store, PATIENT, "a", 1)
    made = new_account("NORTHGATE", "TACC1", as_of="a", message_id=1)._replace(patient_id=patient_id)
    return read_account(store, insert_account(store, made, "now"))


def due_on(_state):
    return dt.date(2026, 4, 5)


days = st.one_of(st.none(), st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)))
words = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
dollars = st.decimals(-(10**13), 10**13, places=2)
states = st.builds(
    AccountState, st.just(0), st.just("NORTHGATE"), st.just("TACC1"), st.sampled_from(["open", "closed", "cancelled"]),
    words, words, words, words, days, days, words, words, words, st.none(), dollars, dollars, dollars, dollars,
    days, days, days, days, days, st.text("0123456789. ", max_size=6), st.integers(0, 2**62),
    st.sampled_from(["", "HOSP"]), words, words, st.none(), st.integers(0, 9), st.sampled_from(["", "3:a"]),
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state=states)
def test_an_account_comes_back_as_it_went_in(store, state):
    """Every field, cents to the cent, days as days, unknown as unknown; and once more after an update."""
    store.execute("DELETE FROM accounts")
    account_id = insert_account(store, state, "now")
    assert read_account(store, account_id) == state._replace(id=account_id)
    assert account_in_facility(store, "NORTHGATE", "TACC1") == state._replace(id=account_id)
    changed = state._replace(id=account_id, charges=state.charges + Decimal("0.01"), due_on=JAN, plan_code=None)
    update_account(store, changed, "later")
    assert read_account(store, account_id) == changed


def test_an_account_is_found_by_its_number_and_where_it_is_not_unique_by_its_facility(store, account):
    """A person who names too little is told which facilities there are, and never given the wrong one."""
    assert find_account(store, "TACC1") == account
    assert find_account(store, "TACC1", "NORTHGATE") == account
    other = insert_account(store, new_account("SOUTHGATE", "TACC1", as_of="", message_id=1), "now")
    assert find_account(store, "TACC1", "SOUTHGATE").id == other
    with pytest.raises(RefusedError, match=r"in 2 facilities \(NORTHGATE, SOUTHGATE\); name one"):
        find_account(store, "TACC1")


def test_an_account_that_is_not_there_is_not_found(store, account):
    """By number, facility or id."""
    for call in (
        lambda: find_account(store, "TACC2"),
        lambda: find_account(store, "TACC1", "EASTGATE"),
        lambda: read_account(store, 99),
    ):
        with pytest.raises(NotFoundError):
            call()
    assert account_in_facility(store, "EASTGATE", "TACC1") is None


def test_one_number_is_one_account_in_a_facility(store, account):
    """The schema holds it."""
    with pytest.raises(IntegrityError):
        insert_account(store, account, "now")


def test_a_patient_comes_back_as_told_and_is_changed_in_place(store, account):
    """Known by number, facility and authority."""
    stored = patient_by_number(store, "NORTHGATE", "TMRN1", "HOSP")
    assert (stored.as_of, stored.patient) == ("a", PATIENT)
    changed = PATIENT._replace(deceased=True, died_on=JAN, city="TESTVILLE")
    update_patient(store, stored.id, changed, "b", 2)
    assert patient_by_number(store, "NORTHGATE", "TMRN1", "HOSP") == (stored.id, "b", changed, "")
    assert read_patient(store, stored.id) == changed
    assert patient_by_number(store, "NORTHGATE", "TMRN1", "") is None
    assert read_patient(store, None) is None
    assert read_patient(store, 99) is None


def test_only_open_accounts_that_owe_become_due_with_their_patient(store, account):
    """A closed account or one that is paid is nobody's to place."""

    def row(number, **changes):
        return insert_account(store, account._replace(number=number, **changes), "now")

    owing = row("TACC2", charges=Decimal(5))
    paid = row("TACC3", charges=Decimal(5), payments=Decimal(5))
    closed = row("TACC4", charges=Decimal(5), status="closed")
    make_patient_due(store, account.patient_id, "2026-11-21")
    due = [read_account(store, each).due_on for each in (account.id, owing, paid, closed)]
    assert due == [None, dt.date(2026, 11, 21), None, None]


def test_guarantors_and_coverages_are_replaced_by_rank_and_never_deleted(store, account):
    """In order of rank, whatever the order of writing."""
    second, first = Guarantor(rank=2, family_name="SECOND"), Guarantor(rank=1, family_name="FIRST", billing_hold=True)
    changed = first._replace(birth_on=JAN, billing_hold=None, deceased=False)
    write_ranked(store, Guarantor, account.id, [Ranked(second, "a"), Ranked(first, "a")], 1)
    write_ranked(store, Guarantor, account.id, [Ranked(changed, "b", "1:a")], 2)
    assert read_ranked(store, Guarantor, account.id) == {1: Ranked(changed, "b", "1:a"), 2: Ranked(second, "a")}
    found = read_guarantors(store, account.id)
    assert found == (Guarantor(rank=1, family_name="FIRST", birth_on=JAN, deceased=False), second)
    coverage = Coverage(rank=1, plan="PLAN1", effective_on=JAN)
    write_ranked(store, Coverage, account.id, [Ranked(coverage, "a")], 1)
    assert read_coverages(store, account.id) == (coverage,)
    assert read_coverages(store, 99) == read_guarantors(store, 99) == ()


def test_an_entry_moves_the_totals_and_the_due_day_with_it(store, account):
    """And can be found by its transaction id, by its own sender only."""
    with store.transaction():
        state = add_entry(store, account, CHARGE, source="REG|NORTHGATE", recorded_at="now", due_on=due_on)
        state = add_entry(store, state, CHARGE._replace(kind="PY", code=NULL, batch_id=NULL, transaction_id="T2"),
                          source="agency:sample", recorded_at="now", due_on=due_on, payment_id=7)  # fmt: skip
    assert read_account(store, account.id) == state
    assert (state.charges, state.balance, state.due_on) == (Decimal("10.50"), Decimal("0.00"), dt.date(2026, 4, 5))
    entries = list(read_entries(store, account.id))
    assert [(each.id, each.source, each.message_id, each.payment_id) for each in entries] == [
        (1, "REG|NORTHGATE", None, None),
        (2, "agency:sample", None, 7),
    ]
    assert entries[0].entry == CHARGE._replace(batch_id="")
    assert entries[1].entry.code is None
    assert fold_entries(account, [each.entry for each in entries])._replace(due_on=state.due_on) == state
    assert set(entries_by_transaction(store, account.id, "REG|NORTHGATE", ["T1", "T2"])) == {("T1", "")}


def test_entries_without_amount_or_payer_are_nothing_and_unknown(store, account):
    """What is settled before is not guessed here."""
    insert_entries(store, account.id, [Entry(kind="CG", service_on=JAN)], source="s", recorded_at="now", message_id=3)
    (row,) = read_entries(store, account.id)
    assert (row.entry.amount, row.entry.payer, row.message_id) == (Decimal("0.00"), "unknown", 3)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET amount = 0",
        "UPDATE entries SET account_id = 2 WHERE id = 1",
        "DELETE FROM entries",
        "DELETE FROM entries WHERE id = 1",
        "INSERT OR REPLACE INTO entries SELECT * FROM entries",
    ],
)
def test_the_ledger_is_append_only(store, account, statement):
    """No statement changes or removes an entry: what is wrong is reversed by another."""
    insert_entries(store, account.id, [CHARGE], source="s", recorded_at="now")
    with pytest.raises(IntegrityError, match="append-only"):
        store.execute(statement)
    assert store.row("SELECT count(*), sum(amount) FROM entries") == (1, 1050)


def test_one_transaction_id_of_one_sender_is_one_entry(store, account):
    """The schema holds it, also against a fault of ours; entries without an id are not told apart."""
    insert_entries(store, account.id, [CHARGE], source="s", recorded_at="now")
    with pytest.raises(IntegrityError):
        insert_entries(store, account.id, [CHARGE], source="s", recorded_at="now")
    insert_entries(store, account.id, [CHARGE], source="other", recorded_at="now")
    nameless = CHARGE._replace(transaction_id=None)
    insert_entries(store, account.id, [nameless, nameless], source="s", recorded_at="now")
    assert store.row("SELECT count(*) FROM entries")[0] == 4
