"""An account's state, and how entries fold into its totals: charges, payments, adjustments, balance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.mapping.records import Entry
from hl7bridge.money import ZERO


class AccountState(NamedTuple):
    """One account as the ledger knows it. Dollars; days are the facility's; ``as_of`` is the newest message's time."""

    id: int
    facility: str
    number: str
    status: str
    patient_class: str | None
    financial_class: str | None
    account_status: str | None
    plan_code: str | None
    admitted_on: dt.date | None
    discharged_on: dt.date | None
    pid_18: str | None
    pv1_19: str | None
    pv1_50: str | None
    patient_id: int | None
    charges: Decimal
    payments: Decimal
    adjustments: Decimal
    insurance_payments: Decimal
    first_service_on: dt.date | None
    last_service_on: dt.date | None
    last_payment_on: dt.date | None
    insurance_paid_on: dt.date | None
    due_on: dt.date | None
    as_of: str
    message_id: int
    authority: str = ""  # who assigned the number; "" when no message said
    visit_number: str | None = None  # the newest; all are in identifiers
    alternate_visit_number: str | None = None
    merged_into: int | None = None
    moved_visits: int = 0  # visits that were moved away to another account
    field_times: str = ""  # see ledger/times.py

    @property
    def balance(self) -> Decimal:
        """Return what is owed: charges less payments less adjustments."""
        return self.charges - self.payments - self.adjustments


_TOTALS: Final = AccountState._fields.index("charges")
_DUE: Final = AccountState._fields.index("due_on")  # the eight fields between these two are the totals


def new_account(facility: str, number: str, *, as_of: str, message_id: int) -> AccountState:
    """Return an open account with no entries, not yet stored (id 0)."""
    return AccountState(
        0, facility, number, "open", None, None, None, None, None, None, None, None, None, None,
        ZERO, ZERO, ZERO, ZERO, None, None, None, None, None, as_of, message_id,
    )  # fmt: skip


def fold_entries(state: AccountState, entries: Sequence[Entry]) -> AccountState:
    """Return the state with entries added to its totals and dates; the order of entries makes no difference.

    CG adds to charges; PY and CO add to payments; AJ and CD add to adjustments, which lower the balance. A negative
    amount is a reversal. Only a payment of more than zero counts as payment activity.
    """
    if not entries:
        return state
    charges, payments, adjustments = state.charges, state.payments, state.adjustments
    insurance = state.insurance_payments
    first, last = state.first_service_on, state.last_service_on
    paid, insured = state.last_payment_on, state.insurance_paid_on
    for entry in entries:
        kind, amount, day = entry.kind, entry.amount or ZERO, entry.service_on
        if kind == "CG":
            charges += amount
            first = _earlier(first, day)
            last = _later(last, day)
        elif kind in {"PY", "CO"}:
            payments += amount
            if amount > ZERO:
                paid = _later(paid, day)
            if entry.payer == "insurance":
                insurance += amount
                insured = _later(insured, day)
        else:
            adjustments += amount
            if entry.payer == "insurance":
                insured = _later(insured, day)
    totals = charges, payments, adjustments, insurance, first, last, paid, insured
    return AccountState._make((*state[:_TOTALS], *totals, *state[_DUE:]))


def with_due(state: AccountState, day: dt.date | None) -> AccountState:
    """Return the state with the day on which it is to be decided."""
    return state if day == state.due_on else AccountState._make((*state[:_DUE], day, *state[_DUE + 1 :]))


def _earlier(one: dt.date | None, other: dt.date | None) -> dt.date | None:
    return other if one is None or (other is not None and other < one) else one


def _later(one: dt.date | None, other: dt.date | None) -> dt.date | None:
    return other if one is None or (other is not None and other > one) else one
