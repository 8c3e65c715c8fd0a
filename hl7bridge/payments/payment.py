"""What an agency says it received -> a payment that is counted once, and the identifiers the EHR knows it by."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.money import ZERO, money_text, parse_money

LONGEST_ID: Final = 50  # an agency's own payment id, in characters
_ID = re.compile(rf"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{{0,{LONGEST_ID - 2}}}[^\s\x00-\x1f\x7f])?\Z")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_EARLIEST_ZONE: Final = dt.timedelta(hours=14)  # UTC+14: where each calendar day begins first
TAG_LENGTH: Final = 4  # characters of a store's tag, in front of its ids
TRANSACTION_LENGTH: Final = 12  # characters of FT1-2, HL7 v2.3 to v2.5.1
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class PaymentKind(StrEnum):
    """What the agency reports: money received, a balance it gave up, or money that went back."""

    PAYMENT = "payment"
    ADJUSTMENT = "adjustment"
    REVERSAL = "reversal"


class PaymentStatus(StrEnum):
    """Where a payment is on its way into the EHR; the ledger counts it from the day it is received."""

    RECEIVED = "received"
    QUEUED = "queued"
    SENT = "sent"
    POSTED = "posted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment, adjustment or reversal of one account; (agency, agency_payment_id) names it for ever.

    ``amount`` is dollars above zero: ``kind`` tells the direction. ``paid_on`` is the agency's day, ``trust_on`` the
    day it paid the money into its trust account. ``fee`` is what the agency keeps: it never lowers what the patient is
    credited. ``method`` is the agency's code for the medium. ``reversal_of`` is the id of the payment that is taken
    back. A settlement ends the account for less than was owed: ``left`` is what remains then, as the agency tells it
    (None: the balance), and is written off only once a person approves.
    """

    agency: str
    agency_payment_id: str
    kind: PaymentKind
    amount: Decimal
    paid_on: dt.date
    fee: Decimal = ZERO
    trust_on: dt.date | None = None
    method: str = ""
    reversal_of: str = ""
    is_settlement: bool = False
    left: Decimal | None = None

    @property
    def ledger_kind(self) -> str:
        """Return the entry's kind: AJ for an adjustment, PY for money in or back. Source: HL7 table 0017."""
        return "AJ" if self.kind is PaymentKind.ADJUSTMENT else "PY"

    @property
    def ledger_amount(self) -> Decimal:
        """Return the entry's dollars: below zero for a reversal, so that the balance rises again."""
        return -self.amount if self.kind is PaymentKind.REVERSAL else self.amount


class PaymentText(NamedTuple):
    """A payment as a person or a file wrote it, before anything of it is believed."""

    agency_payment_id: str
    amount: str
    date: str
    kind: str = PaymentKind.PAYMENT.value


def parse_payment(agency: str, written: PaymentText, now: dt.datetime) -> tuple[Payment | None, tuple[str, ...]]:
    """Return the payment, or None and everything that is wrong with it, in words that quote no value.

    A day that has not yet begun anywhere on earth at ``now`` (aware) is refused: nobody was paid on it.
    """
    problems: list[str] = []
    kind = written.kind.strip().lower() or PaymentKind.PAYMENT.value
    if not _ID.match(written.agency_payment_id):
        problems.append(f"agency_payment_id: expected 1 to {LONGEST_ID} printable characters")
    if kind not in set(PaymentKind):
        problems.append("kind: expected payment, adjustment or reversal")
    amount = _parse_amount(written.amount, problems)
    day = _parse_day(written.date, now, problems)
    if problems or day is None:
        return None, tuple(problems)
    return Payment(agency, written.agency_payment_id, PaymentKind(kind), amount, day), ()


def _parse_amount(text: str, problems: list[str]) -> Decimal:
    try:
        amount = parse_money(text)
    except ValueError as error:
        problems.append(f"amount: {error}; write dollars as 150.00, with no separators")
        return ZERO
    if amount <= ZERO:
        problems.append("amount: expected more than zero; money that went back is kind reversal")
    return amount


def _parse_day(text: str, now: dt.datetime, problems: list[str]) -> dt.date | None:
    try:
        day = dt.date.fromisoformat(text.strip()) if _DAY.match(text.strip()) else None
    except ValueError:
        day = None
    if day is None:
        problems.append("date: expected a day that exists, as YYYY-MM-DD")
    elif day > (now.astimezone(dt.UTC) + _EARLIEST_ZONE).date():
        problems.append("date: that day has not come yet")
    return day


def payment_differences(known: Payment, offered: Payment) -> tuple[str, ...]:
    """Return what differs between two payments of one id, dollars and days spelled out; empty when they are one.

    What a reversal takes back, and what a settlement leaves, can be told by one of them only: that is no difference.
    """
    found: list[str] = []
    if known.kind is not offered.kind:
        found.append(f"kind ({known.kind.value}, now {offered.kind.value})")
    if known.amount != offered.amount:
        found.append(f"amount ({money_text(known.amount)}, now {money_text(offered.amount)})")
    if known.paid_on != offered.paid_on:
        found.append(f"date ({known.paid_on}, now {offered.paid_on})")
    if known.fee != offered.fee:
        found.append(f"fee ({money_text(known.fee)}, now {money_text(offered.fee)})")
    if known.is_settlement != offered.is_settlement:
        found.append("meaning (a settlement, or none)")
    if known.reversal_of and offered.reversal_of and known.reversal_of != offered.reversal_of:
        found.append("reversal_of (what it takes back)")
    if known.left is not None and offered.left is not None and known.left != offered.left:
        found.append(f"left ({money_text(known.left)}, now {money_text(offered.left)})")
    return tuple(found)


def control_id(tag: str, payment_id: int) -> str:
    """Return MSH-10 of a payment's message, the same at every attempt: HB, the store's tag, 12 digits.

    18 characters. Source: MSH-10 holds 20 up to HL7 v2.6.
    """
    return f"HB{tag}{payment_id:012d}"


def transaction_id(tag: str, payment_id: int) -> str:
    """Return FT1-2 of a payment, never used twice by this store: its tag (4 characters) and 8 of base 36.

    Source: FT1-2 is ST with at most 12 characters, HL7 v2.3 to v2.5.1.
    """
    text = ""
    rest = payment_id
    while rest:
        rest, digit = divmod(rest, 36)
        text = _DIGITS[digit] + text
    return f"{tag}{text:0>8}"


def batch_id(posted_on: dt.date, number: int = 1) -> str:
    """Return FT1-3 for what is posted together on a day: B, yymmdd, three of base 36 made from ``number``.

    Source: FT1-3 is ST with at most 10 characters, HL7 v2.3 to v2.5.1.
    """
    tail = "".join(_DIGITS[number // power % 36] for power in (1296, 36, 1))
    return f"B{posted_on:%y%m%d}{tail}"
