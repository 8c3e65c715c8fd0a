"""A payment and a destination's rules -> what its FT1 says: type, sign, code. Source: HL7 v2.5.1 6.5.1; spec 6.

HL7 has no rule for the sign of an amount, nor for how money that went back is told: the destination does.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.mapping.outbound import Posting
from hl7bridge.money import ZERO, money_text
from hl7bridge.payments.destination import DestinationForm
from hl7bridge.payments.payment import TAG_LENGTH, TRANSACTION_LENGTH, Payment, PaymentKind, transaction_id

_FEE: Final = "F"  # behind the tag, in FT1-2 of a fee; a payment's has a 0 there
_TEXTS: Final = {
    Posting.PAYMENT: "Agency payment",
    Posting.ADJUSTMENT: "Agency adjustment",
    Posting.SETTLEMENT: "Agency settlement",
    Posting.REVERSAL: "Agency payment reversal",
    Posting.NSF: "Agency payment returned",
    Posting.FEE: "Agency fee",
}
# Where a code that is not said for a posting is looked for.
_CODES_OF: Final = {
    Posting.PAYMENT: (Posting.PAYMENT,),
    Posting.ADJUSTMENT: (Posting.ADJUSTMENT,),
    Posting.SETTLEMENT: (Posting.SETTLEMENT, Posting.ADJUSTMENT),
    Posting.REVERSAL: (Posting.REVERSAL, Posting.PAYMENT),
    Posting.NSF: (Posting.NSF, Posting.REVERSAL, Posting.PAYMENT),
    Posting.FEE: (Posting.FEE,),
}


class Item(NamedTuple):
    """One payment as a message posts it.

    ``transaction_id`` is FT1-2, ``fee_transaction_id`` that of its fee, ``batch_id`` FT1-3, ``posted_on`` FT1-5.
    ``is_settling``: it writes off the rest of a settled account. ``original_transaction_id`` is FT1-2 of the payment
    that it takes back.
    """

    payment: Payment
    transaction_id: str
    batch_id: str
    posted_on: dt.date
    fee_transaction_id: str = ""
    is_settling: bool = False
    original_transaction_id: str = ""


class Line(NamedTuple):
    """What one FT1 says of an item. ``amount`` has its sign; ``code`` is FT1-7 with up to three components."""

    item: Item
    posting: Posting
    transaction_id: str
    type: str
    amount: str
    code: str


def fee_transaction_id(tag: str, payment_id: int) -> str:
    """Return FT1-2 of a payment's fee, told apart from those of all payments; 12 characters too."""
    return f"{tag}{_FEE}{transaction_id(tag, payment_id)[len(tag) + 1 :]}"


def paid_transaction_id(text: str) -> str | None:
    """Return FT1-2 of the payment whose fee has this FT1-2; None when it is no fee's."""
    if len(text) != TRANSACTION_LENGTH or text[TAG_LENGTH] != _FEE:
        return None
    return f"{text[:TAG_LENGTH]}0{text[TAG_LENGTH + 1 :]}"


def posting_of(form: DestinationForm, item: Item) -> Posting:
    """Return what an item posts; a bounced cheque is told from other reversals by the agency's method."""
    payment = item.payment
    if payment.kind is PaymentKind.PAYMENT:
        return Posting.PAYMENT
    if payment.kind is PaymentKind.ADJUSTMENT:
        return Posting.SETTLEMENT if item.is_settling else Posting.ADJUSTMENT
    is_bounced = payment.method in form.outbound.rule(Posting.NSF).methods
    return Posting.NSF if is_bounced else Posting.REVERSAL


def lines_of(form: DestinationForm, item: Item) -> list[Line]:
    """Return an item's FT1s: its own, and one of its fee where the destination wants fees posted."""
    payment = item.payment
    posting = posting_of(form, item)
    lines = [_line(form, item, posting, item.transaction_id, payment.amount)]
    if Posting.FEE in form.outbound.postings and payment.fee:
        goes_back = payment.kind is PaymentKind.REVERSAL
        fee = -payment.fee if goes_back else payment.fee
        lines.append(_line(form, item, Posting.FEE, item.fee_transaction_id, fee))
    return lines


def _line(form: DestinationForm, item: Item, posting: Posting, transaction_id: str, amount: Decimal) -> Line:
    kind, is_negative = _type_and_sign(form, posting)
    code = _code(form, posting, item.payment).split("^")
    defaults = ("", _TEXTS[posting], "L")
    signed = (-amount if is_negative else amount) or ZERO
    return Line(item, posting, transaction_id, kind, money_text(signed), "^".join(code + list(defaults[len(code) :])))


def _type_and_sign(form: DestinationForm, posting: Posting) -> tuple[str, bool]:
    """Return FT1-6, and whether the amount of a posting is written below zero."""
    rule = form.outbound.rule(posting)
    if posting is Posting.PAYMENT:
        kind, is_negative = "PY", form.payment_sign == "negative"
    elif posting in (Posting.ADJUSTMENT, Posting.FEE):
        kind, is_negative = "AJ", form.adjustment_sign == "negative"
    elif posting is Posting.SETTLEMENT:
        kind, is_negative = _type_and_sign(form, Posting.ADJUSTMENT)
    else:
        kind, is_negative = _of_reversal(form, posting)
    return rule.type or kind, is_negative if rule.sign is None else rule.sign == "negative"


def _of_reversal(form: DestinationForm, posting: Posting) -> tuple[str, bool]:
    """Return type and sign of money that goes back: of a payment's own type with the opposite sign, or of another."""
    paid, is_paid_negative = _type_and_sign(form, Posting.PAYMENT)
    kind = "CD" if form.reversal == "credit" else paid
    if posting is Posting.NSF:
        kind, is_negative = _type_and_sign(form, Posting.REVERSAL)
        if form.outbound.rule(posting).type in (None, kind):
            return kind, is_negative
    own = form.outbound.rule(posting).type or kind
    return own, own == paid and not is_paid_negative  # of another type, the type alone tells the direction


def _code(form: DestinationForm, posting: Posting, payment: Payment) -> str:
    agency, method = payment.agency, payment.method
    own = {Posting.PAYMENT: form.payment_by_agency, Posting.ADJUSTMENT: form.adjustment_by_agency}
    for each in _CODES_OF[posting]:
        rule = form.outbound.rule(each)
        if agency in own.get(each, {}):
            return own[each][agency]
        listed = (rule.codes.get(name) for name in (f"{agency} {method}", agency, f"* {method}"))
        code = next((code for code in listed if code is not None), rule.code)
        if code is not None:
            return code
    return form.payment_code if _CODES_OF[posting][-1] is Posting.PAYMENT else form.adjustment_code
