"""Entries fold into totals that foot, in any order; a reversal takes back, and only a payment is payment activity."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.ledger.account import fold_entries, new_account
from hl7bridge.mapping.records import Entry

EMPTY = new_account("NORTHGATE", "1", as_of="", message_id=1)
JAN, FEB = dt.date(2026, 1, 5), dt.date(2026, 2, 1)

entries = st.builds(
    Entry,
    kind=st.sampled_from(["CG", "CD", "PY", "AJ", "CO"]),
    amount=st.decimals(-1_000_000, 1_000_000, places=2),
    payer=st.sampled_from(["insurance", "patient", "unknown"]),
    service_on=st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)),
)


def entry(kind, amount, on=JAN, payer="unknown"):
    return Entry(kind=kind, amount=Decimal(amount), payer=payer, service_on=on)


@given(st.lists(entries, max_size=12), st.randoms(use_true_random=False), st.integers(0, 12))
def test_the_balance_is_charges_less_payments_less_adjustments_in_any_order(made, random, cut):
    """Whatever arrives, however it is mixed and split over messages, the totals are the sums of the entries."""
    totals = {
        kind: sum((each.amount for each in made if each.kind == kind), Decimal())
        for kind in ["CG", "CD", "PY", "AJ", "CO"]
    }
    state = fold_entries(EMPTY, made)
    assert state.charges == totals["CG"]
    assert state.payments == totals["PY"] + totals["CO"]
    assert state.adjustments == totals["AJ"] + totals["CD"]
    assert state.balance == state.charges - state.payments - state.adjustments
    mixed = list(made)
    random.shuffle(mixed)
    assert fold_entries(fold_entries(EMPTY, mixed[:cut]), mixed[cut:]) == state


@given(st.lists(entries, max_size=6))
def test_an_entry_and_its_reversal_leave_the_balance_as_it_was(made):
    """The reversal is the same entry with the other sign."""
    state = fold_entries(EMPTY, made)
    reversals = [each._replace(amount=-each.amount) for each in made]
    assert fold_entries(state, reversals).balance == 0


def test_no_entries_change_nothing():
    """The very same state comes back."""
    assert fold_entries(EMPTY, []) is EMPTY


@pytest.mark.parametrize(
    ("kind", "field"),
    [("CG", "charges"), ("PY", "payments"), ("CO", "payments"), ("AJ", "adjustments"), ("CD", "adjustments")],
)
def test_each_kind_has_its_total_and_direction(kind, field):
    """Charges raise what is owed; payments, copays, adjustments and credits lower it."""
    state = fold_entries(EMPTY, [entry(kind, "10.00")])
    assert getattr(state, field) == Decimal("10.00")
    assert state.balance == (Decimal("10.00") if kind == "CG" else Decimal("-10.00"))


def test_service_days_are_those_of_charges():
    """The first and the last day of any charge, also of one that is reversed."""
    state = fold_entries(
        EMPTY, [entry("CG", "1.00", FEB), entry("CG", "-1.00", JAN), entry("PY", "1.00", dt.date(2025, 1, 1))]
    )
    assert (state.first_service_on, state.last_service_on) == (JAN, FEB)


def test_only_a_payment_of_more_than_nothing_is_payment_activity():
    """A bounced cheque, a payment of zero and an adjustment do not start the ninety days anew."""
    state = fold_entries(
        EMPTY, [entry("PY", "5.00", JAN), entry("PY", "-5.00", FEB), entry("CO", "0.00", FEB), entry("AJ", "5.00", FEB)]
    )
    assert state.last_payment_on == JAN
    assert fold_entries(state, [entry("CO", "5.00", FEB)]).last_payment_on == FEB


def test_what_insurance_paid_and_when_is_kept_apart():
    """Its payments add up, and its adjustments count as an answer too; what a patient pays does neither."""
    state = fold_entries(EMPTY, [entry("PY", "5.00", JAN, "patient"), entry("AJ", "5.00", JAN, "patient")])
    assert (state.insurance_payments, state.insurance_paid_on) == (0, None)
    state = fold_entries(state, [entry("PY", "7.00", JAN, "insurance"), entry("AJ", "1.00", FEB, "insurance")])
    assert (state.insurance_payments, state.insurance_paid_on) == (Decimal("7.00"), FEB)


def test_an_entry_without_a_day_changes_totals_alone():
    """Days that are known stay."""
    state = fold_entries(EMPTY, [entry("CG", "1.00", JAN), entry("CG", "1.00", None), entry("PY", "1.00", None)])
    assert (state.first_service_on, state.last_service_on, state.last_payment_on) == (JAN, JAN, None)
    assert state.charges == Decimal("2.00")
