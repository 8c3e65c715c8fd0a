"""A destination's form -> its messages about invented payments, and what a strict check and examples say of them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

from hl7bridge.errors import Problem
from hl7bridge.mapping.context import nearest
from hl7bridge.mapping.layers import MappingFile
from hl7bridge.mapping.outbound import EXAMPLE_KEYS, VERSIONS, Outbound, Posting
from hl7bridge.message.conformance import check_strictly
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message
from hl7bridge.message.path import parse_path
from hl7bridge.message.text import encode_text
from hl7bridge.money import ZERO, parse_money
from hl7bridge.payments.message import Addressed, DestinationForm, build_message
from hl7bridge.payments.payment import Payment, PaymentKind, batch_id, control_id, transaction_id
from hl7bridge.payments.posting import Item, fee_transaction_id
from hl7bridge.tomlfile import KeyPath

_DAY: Final = dt.date(2026, 1, 15)
_AT: Final = dt.datetime(2026, 1, 15, 16, 30, tzinfo=dt.UTC)
_INVENTED: Final = Addressed(
    pid_3="100234^^^HOSP^MR~5550199^^^OTHER^PI",
    pid_5="TESTPATIENT^AURELIA^Q",
    pid_18="5027440^^^HOSP^AN",
    pv1_19="V889912^^^HOSP^VN",
    pv1_50="A77^^^HOSP^VN",
    patient_class="O",
    account_number="5027440",
    guarantor_number="70088",
    guarantor_name=("TESTGUARANTOR", "MARIUS"),
)
_AMOUNT: Final = Decimal("150.00")
_FEE: Final = Decimal("37.50")
_KINDS: Final = {
    Posting.PAYMENT: PaymentKind.PAYMENT,
    Posting.ADJUSTMENT: PaymentKind.ADJUSTMENT,
    Posting.SETTLEMENT: PaymentKind.ADJUSTMENT,
    Posting.REVERSAL: PaymentKind.REVERSAL,
    Posting.NSF: PaymentKind.REVERSAL,
}
_COUNTED: Final = 3  # letters of a segment's name


def sample_messages(form: DestinationForm) -> dict[Posting, str]:
    """Return one message of each kind for an invented account, as this destination would receive it."""
    kinds = [each for each in _KINDS if each is not Posting.NSF or form.outbound.rule(each).methods]
    return {posting: _build(form, _item(form, posting)) for posting in kinds}


def check_form(form: DestinationForm) -> list[str]:
    """Return each breach of the standard in the messages this destination would receive, and none when all conform.

    Segments of a site's own (Z) are no part of the standard, and are not looked at.
    """
    if form.version not in VERSIONS:
        return [f"version: expected one of {', '.join(VERSIONS)}"]
    messages = {posting.value: text for posting, text in sample_messages(form).items()}
    if form.batch != "payment":
        messages["several"] = _build(form, _item(form, Posting.PAYMENT), _item(form, Posting.REVERSAL, number=124))
    return list(
        dict.fromkeys(
            f"{kind}: {problem}" for kind, text in messages.items() for problem in check_strictly(text, form.version)
        )
    )


def outbound_problems(name: str, outbound: Outbound, file: MappingFile) -> list[Problem]:
    """Return what is wrong with the messages that a mapping's section makes: by the standard, and by its examples."""
    form = DestinationForm.alone(name, outbound)
    problems = [file.problem(("outbound",), breach, "see docs/payments.md") for breach in check_form(form)]
    examples = file.data["outbound"].get("examples", [])
    if not isinstance(examples, list):
        return [*problems, file.problem(("outbound", "examples"), "expected a list", "[[outbound.examples]]")]
    for number, example in enumerate(examples):
        problems += _example_problems(form, file, ("outbound", "examples", number), example)
    return problems


def _example_problems(form: DestinationForm, file: MappingFile, at: KeyPath, example: Any) -> list[Problem]:
    if not isinstance(example, dict) or not isinstance(example.get("expect"), dict) or not example["expect"]:
        return [file.problem(at, "an example needs what it expects", '[outbound.examples.expect] then "FT1-6" = "PY"')]
    problems = [
        file.problem((*at, key), "unknown key", nearest(key, EXAMPLE_KEYS))
        for key in example
        if key not in EXAMPLE_KEYS
    ]
    told = {key: example.get(key, "") for key in EXAMPLE_KEYS if key != "expect"}
    problems += [file.problem((*at, key), "expected a text") for key, text in told.items() if not isinstance(text, str)]
    if problems:
        return problems
    named = told["posting"] or Posting.PAYMENT.value
    if named not in set(_KINDS):
        return [file.problem((*at, "posting"), f"expected one of {', '.join(_KINDS)}")]
    posting = Posting(named)
    if posting is Posting.NSF and not form.outbound.rule(posting).methods:
        return [file.problem((*at, "posting"), "no method is a bounced cheque", '[outbound.nsf] methods = ["NSF"]')]
    try:
        amounts = [parse_money(told[key]) if told[key] else None for key in ("amount", "fee")]
    except ValueError as error:
        return [file.problem(at, f"amount and fee: {error}", '"150.00"')]
    item = _item(form, posting, told["agency"], told["method"], amount=amounts[0], fee=amounts[1] or ZERO)
    message = parse_message(encode_text(_build(form, item)))
    return [
        file.problem((*at, "expect", key), found)
        for key, wanted in example["expect"].items()
        if (found := _difference(message, key, wanted))
    ]


def _difference(message: Message, key: str, wanted: Any) -> str:
    """Return how a message differs from what is expected of a path, or of how often a segment is there; "" if not."""
    if len(key) == _COUNTED:
        count = message.count(key)
        return "" if count == wanted else f"there are {count}, expected {wanted}"
    try:
        path = parse_path(key)
    except ValueError:
        return 'not a path: "FT1-7.1", or a segment alone, for how many there are'
    found = message.get(path)
    text = found if isinstance(found, str) else ""
    return "" if text == wanted else f"found {text!r}, expected {wanted!r}"


def _item(
    form: DestinationForm,
    posting: Posting,
    agency: str = "",
    method: str = "",
    *,
    number: int = 123,
    amount: Decimal | None = None,
    fee: Decimal = _FEE,
) -> Item:
    """Return an invented payment that is posted as ``posting``."""
    bounced = min(form.outbound.rule(Posting.NSF).methods, default="")
    payment = Payment(
        agency or "sample",
        "CHK004417",
        _KINDS[posting],
        _AMOUNT if amount is None else amount,
        _DAY,
        fee,
        method=method or (bounced if posting is Posting.NSF else ""),
        reversal_of="CHK004400" if _KINDS[posting] is PaymentKind.REVERSAL else "",
    )
    return Item(
        payment,
        transaction_id("TEST", number),
        batch_id(_DAY),
        _DAY,
        fee_transaction_id("TEST", number),
        is_settling=posting is Posting.SETTLEMENT,
        original_transaction_id=transaction_id("TEST", 100) if payment.reversal_of else "",
    )


def _build(form: DestinationForm, *items: Item) -> str:
    return build_message(form, items, _INVENTED, control_id("TEST", 123), at=_AT)
