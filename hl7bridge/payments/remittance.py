"""What one record of an agency's payment file says -> what it posts, and what it does to the cheque.

The cheque of a file is gross - reversals - fees. Source: collections.md 1.3 (APAY), 1.5 (YGC 30), 1.8, 3.4.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.money import ZERO, parse_money
from hl7bridge.payments.payment import Payment, PaymentKind, PaymentText, parse_payment

REMITTANCES: Final = "remittances"  # the kind of a file of payments, in its name and its trailer
REQUIRED: Final = ("agency_payment_id", "account", "amount", "date")
OPTIONAL: Final = (
    "agency", "kind", "facility", "placement_id", "fee", "net", "trust_date", "method", "reversal_of", "left",
)  # fmt: skip
_LONGEST_ACCOUNT: Final = 64
_LONGEST_METHOD: Final = 20
_LONGEST_ID: Final = 50
_LONGEST_NUMBER: Final = 18  # digits of a placement's number


class RecordKind(StrEnum):
    """What a record reports."""

    PAYMENT = "payment"
    SETTLEMENT = "settlement"  # a payment that ends the account for less than was owed
    REVERSAL = "reversal"  # money that went back: a cheque that bounced, a chargeback
    ADJUSTMENT = "adjustment"  # a balance that the agency gave up
    ADJUSTMENT_REVERSAL = "adjustment_reversal"
    DIRECT = "direct"  # the hospital was paid, and the agency says so back: never posted
    DIRECT_REVERSAL = "direct_reversal"
    FEE = "fee"  # the agency's fee as a record of its own
    FEE_REVERSAL = "fee_reversal"


# What of a record's amount and of its fee the cheque has.
_EFFECTS: Final = {
    RecordKind.PAYMENT: (1, -1),
    RecordKind.SETTLEMENT: (1, -1),
    RecordKind.REVERSAL: (-1, 1),
    RecordKind.ADJUSTMENT: (0, -1),
    RecordKind.ADJUSTMENT_REVERSAL: (0, 1),
    RecordKind.DIRECT: (0, -1),
    RecordKind.DIRECT_REVERSAL: (0, 1),
    RecordKind.FEE: (-1, 0),
    RecordKind.FEE_REVERSAL: (1, 0),
}
_POSTED: Final = {
    RecordKind.PAYMENT: PaymentKind.PAYMENT,
    RecordKind.SETTLEMENT: PaymentKind.PAYMENT,
    RecordKind.REVERSAL: PaymentKind.REVERSAL,
    RecordKind.ADJUSTMENT: PaymentKind.ADJUSTMENT,
}
_GROSS: Final = frozenset({RecordKind.PAYMENT, RecordKind.SETTLEMENT})
_FEES: Final = frozenset({RecordKind.FEE, RecordKind.FEE_REVERSAL})


class Remitted(NamedTuple):
    """One record of a file. ``kind`` is what it reports; of ``payment`` the kind counts only when it is posted.

    ``account`` is the hospital's number, "" when only ``placement_id`` names the account; ``facility`` is None when the
    file does not say.
    """

    line: int
    kind: RecordKind
    payment: Payment
    account: str = ""
    placement_id: int | None = None
    facility: str | None = None

    @property
    def is_posted(self) -> bool:
        """Return whether it becomes a payment of the account: not a fee, nor what the hospital knows already."""
        return self.kind in _POSTED

    @property
    def net(self) -> Decimal:
        """Return what it adds to the cheque, below zero for what it takes off."""
        of_amount, of_fee = _EFFECTS[self.kind]
        return of_amount * self.payment.amount + of_fee * self.payment.fee


class Totals(NamedTuple):
    """The dollars of a file, each above zero but for fees that were given back."""

    gross: Decimal = ZERO
    reversals: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def paid(self) -> Decimal:
        """Return the cheque: gross - reversals - fees."""
        return self.gross - self.reversals - self.fees


def total_of(records: Iterable[Remitted]) -> Totals:
    """Return the control totals of records."""
    gross = reversals = fees = ZERO
    for record in records:
        amount = record.payment.amount
        gross += amount if record.kind in _GROSS else ZERO
        reversals += amount if record.kind is RecordKind.REVERSAL else ZERO
        of_amount, of_fee = _EFFECTS[record.kind]
        fees -= of_fee * record.payment.fee
        fees -= of_amount * amount if record.kind in _FEES else ZERO
    return Totals(gross, reversals, fees)


def column_problems(names: Iterable[str]) -> list[str]:
    """Return what is wrong with the names of a file's values; an unknown one is counted, not quoted."""
    given = list(names)
    has_placement = "placement_id" in given
    missing = [name for name in REQUIRED if name not in given and not (name == "account" and has_placement)]
    unknown = sum(name not in REQUIRED + OPTIONAL for name in given)
    problems: list[str] = []
    if missing:
        problems.append(f"the header has no {', '.join(missing)}")
    if unknown:
        allowed = ", ".join(REQUIRED + OPTIONAL)
        problems.append(f"the header has {unknown} unknown column{'s' if unknown > 1 else ''}; known are {allowed}")
    if len(set(given)) < len(given):
        problems.append("the header names a column twice")
    return problems


def read_remitted(
    line: int, values: Mapping[str, str], agency: str | None, now: dt.datetime
) -> tuple[Remitted | None, list[str]]:
    """Return what the named values of one record say, or None and everything that is wrong, in words without values.

    The record is ``agency``'s; a value ``agency`` may say so too, and has to when ``agency`` is None.
    """
    told = {name: text.strip() for name, text in values.items()}
    kind_text = told.get("kind", "").lower() or RecordKind.PAYMENT.value
    problems: list[str] = []
    kind = RecordKind(kind_text) if kind_text in set(RecordKind) else RecordKind.PAYMENT
    if kind_text not in set(RecordKind):
        problems.append(f"kind: expected one of {', '.join(RecordKind)}")
    named = told.get("agency") or agency or ""
    posted_as = _POSTED.get(kind, PaymentKind.PAYMENT)
    text = PaymentText(told["agency_payment_id"], told["amount"], told["date"], posted_as)
    payment, wrong = parse_payment(named, text, now)
    problems += wrong
    if not named or (agency is not None and named != agency):
        problems.append("agency: " + ("not the one the file is imported for" if named else "none is named"))
    fee = _dollars("fee", told, problems) or ZERO
    left = _dollars("left", told, problems)
    trust_on = _day("trust_date", told, problems)
    method = _text("method", told, _LONGEST_METHOD, problems)
    reversal_of = _text("reversal_of", told, _LONGEST_ID, problems)
    _check_together(kind, told, problems)
    placement_id = _number("placement_id", told, problems)
    account = told.get("account", "")
    if not account.isprintable() or len(account) > _LONGEST_ACCOUNT or not (account or placement_id is not None):
        problems.append(f"account: expected 1 to {_LONGEST_ACCOUNT} printable characters")
    if problems or payment is None:
        return None, problems
    is_settlement = kind is RecordKind.SETTLEMENT
    payment = replace(
        payment,
        fee=fee, trust_on=trust_on, method=method, reversal_of=reversal_of, is_settlement=is_settlement, left=left,
    )  # fmt: skip
    record = Remitted(line, kind, payment, account, placement_id, told.get("facility") or None)
    return record, _net_problems(record, told)


def _check_together(kind: RecordKind, told: Mapping[str, str], problems: list[str]) -> None:
    """Note values that this kind of record cannot have."""
    if kind in _FEES and told.get("fee"):
        problems.append(f"fee: a record of kind {kind} has its dollars in amount")
    if told.get("reversal_of") and kind is not RecordKind.REVERSAL:
        problems.append("reversal_of: only for kind reversal")
    if told.get("left") and kind is not RecordKind.SETTLEMENT:
        problems.append("left: only for kind settlement")


def _net_problems(record: Remitted, told: Mapping[str, str]) -> list[str]:
    """Return whether the record's own net is not what its amount less its fee comes to."""
    if not told.get("net"):
        return []
    problems: list[str] = []
    net = _dollars("net", told, problems, can_be_negative=True)
    # A reversal's net may be told with either sign, for its amount is told without one.
    if net is not None and net != record.net and not (record.kind is RecordKind.REVERSAL and -net == record.net):
        problems.append("net: is not what amount and fee come to")
    return problems


def _dollars(
    name: str, told: Mapping[str, str], problems: list[str], *, can_be_negative: bool = False
) -> Decimal | None:
    if not told.get(name):
        return None
    try:
        amount = parse_money(told[name])
    except ValueError as error:
        problems.append(f"{name}: {error}; write dollars as 150.00, with no separators")
        return None
    if amount < ZERO and not can_be_negative:
        problems.append(f"{name}: expected zero or more")
    return amount


def _day(name: str, told: Mapping[str, str], problems: list[str]) -> dt.date | None:
    text = told.get(name, "")
    try:
        day = dt.date.fromisoformat(text) if text else None
    except ValueError:
        day = None
    if text and (day is None or day.isoformat() != text):
        problems.append(f"{name}: expected a day that exists, as YYYY-MM-DD")
    return day


def _text(name: str, told: Mapping[str, str], most: int, problems: list[str]) -> str:
    text = told.get(name, "")
    if len(text) > most or not text.isprintable():
        problems.append(f"{name}: expected at most {most} printable characters")
    return text


def _number(name: str, told: Mapping[str, str], problems: list[str]) -> int | None:
    text = told.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        problems.append(f"{name}: expected digits")
        return None
    return int(text) if text else None
