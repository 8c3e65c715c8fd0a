"""An account's totals, its entries and its itemization -> a refusal with the difference, when they do not foot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from hl7bridge.errors import RefusedError
from hl7bridge.ledger.account import AccountState
from hl7bridge.money import ZERO, money_text
from hl7bridge.placement.itemization import CHARGE, PAYMENTS, Itemization, Line


def check_footing(account: AccountState, lines: Sequence[Line], item: Itemization | None) -> None:
    """Raise RefusedError when an account's totals are not what its entries come to, or its itemization is not.

    Each total is looked at: two that are wrong may make up for each other in the balance.
    """
    charges = _sum(line for line in lines if line.kind == CHARGE)
    payments = _sum(line for line in lines if line.kind in PAYMENTS)
    insured = _sum(line for line in lines if line.kind in PAYMENTS and line.payer == "insurance")
    balance = charges - payments - _sum(line for line in lines if line.kind not in {CHARGE, *PAYMENTS})
    if account.balance != balance:
        raise RefusedError(
            f"charges {money_text(account.charges)} less payments {money_text(account.payments)} less adjustments"
            f" {money_text(account.adjustments)} is {money_text(account.balance)}, and the entries come to"
            f" {money_text(balance)}: a difference of {money_text(account.balance - balance)}"
        )
    _require("the charges are", account.charges, "their entries come", charges)
    _require("the payments are", account.payments, "their entries come", payments)
    _require("the insurance payments are", account.insurance_payments, "their entries come", insured)
    if item is not None:
        _require("the balance is", account.balance, f"the itemization by {item.kind} comes", item.comes_to)


def _require(what: str, ours: Decimal, other: str, theirs: Decimal) -> None:
    if ours != theirs:
        raise RefusedError(
            f"{what} {money_text(ours)}, and {other} to {money_text(theirs)}: a difference of"
            f" {money_text(ours - theirs)}"
        )


def _sum(lines: Iterable[Line]) -> Decimal:
    return sum((line.amount for line in lines), ZERO)
