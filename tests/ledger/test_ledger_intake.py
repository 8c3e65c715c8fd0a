"""What a message says against what is known: merged records, settled amounts, and entries that are new."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.errors import MessageError
from hl7bridge.ledger.account import new_account
from hl7bridge.ledger.events import DEFINED_EVENTS
from hl7bridge.ledger.intake import (
    MOST_DOLLARS,
    complete_entries,
    entry_key,
    first_account,
    merge_account,
    merge_record,
    new_entries,
    repeated_entries,
)
from hl7bridge.mapping.records import NULL, Account, Entry, Patient

JAN = dt.date(2026, 1, 5)
ACCOUNT = new_account("NORTHGATE", "1", as_of="b", message_id=1)
KNOWN = merge_account(ACCOUNT, Account(patient_class="O"), None, at="b", message_id=1)
CHARGE = Entry(kind="CG", amount=Decimal("10.00"), payer="unknown", service_on=JAN, transaction_id="T1")


def refused(call, *arguments):
    """Return the code and place of a refusal."""
    with pytest.raises(MessageError) as raised:
        call(*arguments)
    return raised.value.error.code, str(raised.value.location)


def test_absent_keeps_null_clears_anything_else_replaces():
    """And a first record holds no null any more."""
    known = Patient(number="1", street="1 SAMPLE ST", city="TESTVILLE", deceased=True)
    told = Patient(number="1", street=NULL, city="SAMPLETON", deceased=False)
    assert merge_record(known, told) == Patient(number="1", city="SAMPLETON", deceased=False)
    assert merge_record(known, Patient()) == known
    assert merge_record(None, told) == Patient(number="1", city="SAMPLETON", deceased=False)
    assert merge_record(None, known) is known


texts = st.one_of(st.none(), st.just(NULL), st.sampled_from("AB"))


@given(texts, texts)
def test_merging_twice_is_merging_once(known, told):
    """A message that comes again changes nothing more."""
    once = merge_record(merge_record(None, Patient(city=known)), Patient(city=told))
    assert merge_record(once, Patient(city=told)) == once
    assert once.city is not NULL


def test_a_newer_message_replaces_what_the_account_is_and_an_older_one_overwrites_nothing_newer():
    """The older one leaves as_of and the message that told it alone; what nobody told it fills."""
    told = Account(facility="OTHER", number="2", patient_class="I", financial_class="SP", status="closed")
    newer = merge_account(KNOWN, told, 7, at="c", message_id=2)
    assert (newer.facility, newer.number) == ("NORTHGATE", "1")
    assert (newer.patient_class, newer.financial_class, newer.status) == ("I", "SP", "closed")
    assert (newer.as_of, newer.message_id, newer.patient_id) == ("c", 2, 7)
    older = merge_account(KNOWN, told, 7, at="a", message_id=2)
    assert (older.patient_class, older.financial_class, older.status) == ("O", "SP", "closed")
    assert (older.as_of, older.message_id, older.patient_id) == ("b", 1, 7)


@given(
    st.builds(
        Account,
        st.just("NORTHGATE"),
        st.just("1"),
        st.sampled_from([None, NULL, "open", "closed"]),
        *[st.sampled_from([None, NULL, "x"])] * (len(Account._fields) - 3),
    ),
    st.sampled_from([None, 7]),
)
def test_the_first_record_of_an_account_comes_to_what_merging_it_would(told, patient_id):
    """It is only quicker."""
    merged = merge_account(ACCOUNT, told, patient_id, at="b", message_id=1)
    assert first_account(told, patient_id, at="b", message_id=1) == merged


def test_an_account_is_open_until_a_message_says_otherwise_and_a_late_one_may():
    """Nobody said that it was open, so an older word counts; a newer word that it is open counts more."""
    closed = merge_account(KNOWN, Account(status="closed"), None, at="a", message_id=2)
    assert closed.status == "closed"
    opened = merge_account(KNOWN, Account(status="open"), None, at="c", message_id=2)
    assert merge_account(opened, Account(status="closed"), None, at="b", message_id=3).status == "open"
    assert merge_account(opened, Account(status="closed"), None, at="d", message_id=3).status == "closed"


def test_an_account_whose_status_is_deleted_is_open():
    """There is no account without a status."""
    told = Account(status=NULL, plan_code=NULL, authority=NULL)
    made = merge_account(KNOWN._replace(status="closed", plan_code="P"), told, None, at="c", message_id=2)
    assert (made.status, made.plan_code, made.authority) == ("open", None, "")
    late = merge_account(ACCOUNT, Account(plan_code=NULL), None, at="a", message_id=2)
    assert late.plan_code is None


def test_what_was_cleared_stays_so_whatever_an_older_message_says():
    """A null is a word like any other."""
    cleared = merge_account(KNOWN, Account(patient_class=NULL), None, at="d", message_id=2)
    assert merge_account(cleared, Account(patient_class="I"), None, at="c", message_id=3).patient_class is None
    assert merge_account(cleared, Account(patient_class="I"), None, at="e", message_id=3).patient_class == "I"


@pytest.mark.parametrize(
    ("amount", "unit", "quantity", "settled"),
    [
        ("10.00", "3.00", "2", "10.00"),
        (None, "3.00", "2", "6.00"),
        (None, "3.00", None, "3.00"),
        (None, "3.00", "1", "3.00"),
        (None, "3.00", "-2", "-6.00"),
        (None, "0.50", "1.5000", "0.75"),
        (None, "0.00", "0.0000001", "0.00"),
        (NULL, "3.00", NULL, "3.00"),
        ("-10.00", None, None, "-10.00"),
    ],
)
def test_the_amount_is_the_extended_one_else_unit_amount_times_quantity(amount, unit, quantity, settled):
    """A null says no more than nothing does."""
    entry = CHARGE._replace(
        amount=Decimal(amount) if isinstance(amount, str) else amount,
        unit_amount=None if unit is None else Decimal(unit),
        quantity=Decimal(quantity) if isinstance(quantity, str) else quantity,
    )
    assert complete_entries([entry])[0].amount == Decimal(settled)


@pytest.mark.parametrize(
    ("amount", "unit", "quantity", "code"),
    [
        (None, None, "2", "101"),
        (NULL, NULL, None, "101"),
        (None, "0.01", "0.5", "102"),
        (None, "9999999999999.00", "99999", "102"),
        (MOST_DOLLARS, None, None, "102"),
        (-MOST_DOLLARS, None, None, "102"),
    ],
)
def test_an_amount_that_cannot_be_is_refused_at_its_ft1(amount, unit, quantity, code):
    """Missing, a fraction of a cent, or a hundred billion dollars."""
    entry = CHARGE._replace(
        amount=Decimal(amount) if isinstance(amount, int) else amount,
        unit_amount=Decimal(unit) if isinstance(unit, str) else unit,
        quantity=None if quantity is None else Decimal(quantity),
    )
    assert refused(complete_entries, [CHARGE, entry]) == (code, "FT1[2]-11")


def test_the_code_of_a_payment_is_kept_and_that_of_a_charge_is_not():
    """FT1-7 is the medium of a payment and the procedure of a charge."""
    kinds = ("CG", "CD", "PY", "AJ", "CO")
    made = complete_entries([CHARGE._replace(kind=kind, code="X1", payer="insurance") for kind in kinds])
    assert [(each.kind, each.code, each.payer) for each in made] == [
        ("CG", None, "unknown"),
        ("CD", None, "unknown"),
        ("PY", "X1", "insurance"),
        ("AJ", "X1", "insurance"),
        ("CO", "X1", "insurance"),
    ]
    nulls = Entry(
        kind="PY", amount=Decimal(1), payer=NULL, service_on=JAN, posted_on=NULL, code=NULL, transaction_id=NULL
    )
    assert complete_entries([nulls])[0][2:] == ("unknown", JAN, None, None, None, None, None, None)


def test_entries_are_told_apart_by_transaction_and_batch():
    """Without FT1-2 an entry has no key, and each is new."""
    assert entry_key(CHARGE) == ("T1", "")
    assert entry_key(CHARGE._replace(batch_id="B1")) == ("T1", "B1")
    assert entry_key(CHARGE._replace(transaction_id=None)) is None
    nameless = CHARGE._replace(transaction_id=None)
    assert new_entries([nameless, nameless], {}) == [nameless, nameless]


def test_the_same_entry_again_is_one_entry():
    """In the ledger or twice in one message."""
    assert new_entries([CHARGE, CHARGE], {}) == [CHARGE]
    assert new_entries([CHARGE], {("T1", ""): CHARGE._replace(payer="patient")}) == []
    other_batch = CHARGE._replace(batch_id="B1")
    assert new_entries([CHARGE, other_batch], {}) == [CHARGE, other_batch]


def test_entries_without_an_id_that_say_all_the_same_are_one_told_twice():
    """In one message; what differs in any field, be it a charge's code that is not kept, is another entry."""
    nameless = CHARGE._replace(transaction_id=None, code="T0001")
    others = [nameless._replace(code="T0002"), nameless._replace(batch_id="B1"), nameless._replace(transaction_id=NULL)]
    assert repeated_entries([nameless]) == repeated_entries([]) == frozenset()
    assert repeated_entries([nameless, *others, nameless, CHARGE, CHARGE]) == {4}
    assert new_entries([nameless, CHARGE, nameless, CHARGE], {}, frozenset({2})) == [nameless, CHARGE]


@pytest.mark.parametrize("change", [{"kind": "PY"}, {"amount": Decimal("10.01")}, {"service_on": dt.date(2026, 1, 6)}])
def test_the_same_transaction_id_with_other_content_is_refused(change):
    """205 at the FT1-2 that repeats, whether the first is in the ledger or in this message."""
    changed = CHARGE._replace(**change)
    assert refused(new_entries, [changed], {("T1", ""): CHARGE}) == ("205", "FT1-2")
    assert refused(new_entries, [CHARGE, changed], {}) == ("205", "FT1[2]-2")


def test_the_events_of_the_standard_are_known():
    """A01 to A55 and three more, P03 and P11, P01 to P12."""
    assert len(DEFINED_EVENTS["ADT"]) == 58
    assert "P03" in DEFINED_EVENTS["DFT"]
    assert "P05" in DEFINED_EVENTS["BAR"]
