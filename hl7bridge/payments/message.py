"""A payment and the account it belongs to -> the DFT^P03 that posts it. Source: HL7 v2.3-2.5.1 chapter 6, FT1."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import hl7

from hl7bridge.message.escape import escape
from hl7bridge.money import money_text
from hl7bridge.payments.payment import Payment, PaymentKind

VERSIONS: Final = ("2.3", "2.3.1", "2.4", "2.5", "2.5.1")
CURRENCY: Final = "USD"
MESSAGE_KIND: Final = "DFT^P03"
UNKNOWN_CLASS: Final = "U"  # table 0004, "unknown": PV1-2 is required
_WITH_STRUCTURE: Final = ("2.5", "2.5.1")  # versions with MSH-9.3 and FT1-30
# What would break the framing if it stood in a field that is echoed as it arrived.
ECHOED: Final = str.maketrans({"\r": "\\X0D\\", "\n": "\\X0A\\", "\x0b": "\\X0B\\", "\x1c": "\\X1C\\"})
_TEXTS: Final = {
    PaymentKind.PAYMENT: "Agency payment",
    PaymentKind.ADJUSTMENT: "Agency adjustment",
    PaymentKind.REVERSAL: "Agency payment reversal",
}


class _Codes(Protocol):
    @property
    def payment(self) -> str: ...
    @property
    def adjustment(self) -> str: ...
    @property
    def payment_by_agency(self) -> Mapping[str, str]: ...
    @property
    def adjustment_by_agency(self) -> Mapping[str, str]: ...


class _Settings(Protocol):
    """What a destination's settings must have; the configuration itself is not read here."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def sending_application(self) -> str: ...
    @property
    def sending_facility(self) -> str: ...
    @property
    def receiving_application(self) -> str: ...
    @property
    def receiving_facility(self) -> str: ...
    @property
    def processing_id(self) -> str: ...
    @property
    def payment_sign(self) -> str: ...
    @property
    def adjustment_sign(self) -> str: ...
    @property
    def reversal(self) -> str: ...
    @property
    def pid_2(self) -> str: ...
    @property
    def codes(self) -> _Codes: ...


@dataclass(frozen=True, slots=True)
class DestinationForm:
    """How one EHR wants its payments: header fields, signs, codes.

    MSH-3 to MSH-6 may have components (``NAME^1.2.3^ISO``). A sign is ``positive`` or ``negative``; ``reversal`` is
    ``negative`` (PY of the opposite sign) or ``credit`` (CD). A code may bring its own text: ``CODE^Text``; the
    mappings by agency go before the code for all. ``pid_2`` is ``empty`` or ``account``.
    """

    name: str
    version: str = "2.5.1"
    sending_application: str = "HL7BRIDGE"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing_id: str = "P"
    payment_sign: str = "positive"
    adjustment_sign: str = "positive"
    reversal: str = "negative"
    payment_code: str = "AGYPAY"
    adjustment_code: str = "AGYADJ"
    pid_2: str = "empty"
    payment_by_agency: Mapping[str, str] = field(default_factory=dict)
    adjustment_by_agency: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: _Settings) -> DestinationForm:
        """Return the form that a destination's settings describe."""
        return cls(
            settings.name,
            settings.version,
            settings.sending_application,
            settings.sending_facility,
            settings.receiving_application,
            settings.receiving_facility,
            settings.processing_id,
            settings.payment_sign,
            settings.adjustment_sign,
            settings.reversal,
            settings.codes.payment,
            settings.codes.adjustment,
            settings.pid_2,
            settings.codes.payment_by_agency,
            settings.codes.adjustment_by_agency,
        )


class Addressed(NamedTuple):
    """Whose account a payment posts to: whole fields as they arrived, in standard delimiters, escapes kept.

    ``patient_class`` and ``account_number`` are plain text; "" is unknown, and an absent field is "".
    """

    pid_3: str
    pid_5: str
    pid_18: str
    pv1_19: str
    pv1_50: str
    patient_class: str
    account_number: str


class Identifiers(NamedTuple):
    """What names one payment for ever at the destination: MSH-10, FT1-2, FT1-3."""

    control_id: str
    transaction_id: str
    batch_id: str


def build_payment_message(
    form: DestinationForm,
    payment: Payment,
    addressed: Addressed,
    identifiers: Identifiers,
    *,
    posted_on: dt.date,
    at: dt.datetime,
) -> str:
    """Return the DFT^P03 of one payment, segments ended by CR; to be sent as UTF-8.

    ``at`` is aware and becomes MSH-7 and EVN-2 in UTC. MSH-15 and MSH-16 stay blank (original mode). MSH-18 is given
    only when something is not ASCII.
    """
    stamp = at.astimezone(dt.UTC).strftime("%Y%m%d%H%M%S+0000")
    segments = [
        _segment("EVN", {1: "P03", 2: stamp}),
        _segment("PID", _patient(form, addressed)),
        _segment("PV1", _visit(addressed)),
        _segment("FT1", _transaction(form, payment, identifiers, posted_on)),
    ]
    is_ascii = all(str(segment).isascii() for segment in segments)
    header = _header(form, identifiers.control_id, stamp, is_ascii=is_ascii)
    return str(hl7.Message("\r", [header, *segments]))


def _segment(name: str, fields: dict[int, str]) -> hl7.Segment:
    texts = [name, *(fields.get(number, "") for number in range(1, max(fields) + 1))]
    return hl7.Segment("|", [hl7.Field("~", [text]) for text in texts])


def _header(form: DestinationForm, control_id: str, stamp: str, *, is_ascii: bool) -> hl7.Segment:
    names = (form.sending_application, form.sending_facility, form.receiving_application, form.receiving_facility)
    fields = {number: _escape_components(name) for number, name in enumerate(names, start=3)}
    is_ascii = is_ascii and all(name.isascii() for name in names)
    fields |= {
        1: "|",
        2: "^~\\&",
        7: stamp,
        9: "DFT^P03^DFT_P03" if form.version in _WITH_STRUCTURE else MESSAGE_KIND,
        10: control_id,
        11: form.processing_id,
        12: form.version,
    }
    if not is_ascii:
        fields[18] = "UNICODE UTF-8"
    return _segment("MSH", fields)


def _patient(form: DestinationForm, addressed: Addressed) -> dict[int, str]:
    account = escape(addressed.account_number) if form.pid_2 == "account" else ""
    return {1: "1", 2: account, 3: _echo(addressed.pid_3), 5: _echo(addressed.pid_5), 18: _echo(addressed.pid_18)}


def _visit(addressed: Addressed) -> dict[int, str]:
    fields = {
        1: "1",
        2: escape(addressed.patient_class) or UNKNOWN_CLASS,
        19: _echo(addressed.pv1_19),
        50: _echo(addressed.pv1_50),
    }
    return {number: text for number, text in fields.items() if text}


def _transaction(
    form: DestinationForm, payment: Payment, identifiers: Identifiers, posted_on: dt.date
) -> dict[int, str]:
    kind, amount, code = _posting(form, payment)
    texts = [escape(part) for part in code.split("^")]
    defaults = ("", _TEXTS[payment.kind], "L")
    fields = {
        1: "1",
        2: identifiers.transaction_id,
        3: identifiers.batch_id,
        4: f"{payment.paid_on:%Y%m%d}",
        5: f"{posted_on:%Y%m%d}",
        6: kind,
        7: "^".join(texts + list(defaults[len(texts) :])),
        10: "1",
        11: f"{amount}&{CURRENCY}",  # CP in v2.3 and later: the price is an MO, its parts subcomponents
        12: f"{amount}&{CURRENCY}",
    }
    if form.version in _WITH_STRUCTURE:
        fields[30] = f"{escape(payment.agency_payment_id)}^^^{escape(payment.agency)}"
    return fields


def _posting(form: DestinationForm, payment: Payment) -> tuple[str, str, str]:
    """Return FT1-6, the signed amount's text and the code: HL7 has no rule for signs, so the destination does."""
    paid = form.payment_by_agency.get(payment.agency, form.payment_code)
    if payment.kind is PaymentKind.ADJUSTMENT:
        is_negative = form.adjustment_sign == "negative"
        kind, code = "AJ", form.adjustment_by_agency.get(payment.agency, form.adjustment_code)
    elif payment.kind is PaymentKind.PAYMENT:
        is_negative = form.payment_sign == "negative"
        kind, code = "PY", paid
    elif form.reversal == "credit":
        is_negative = False  # the type alone tells the direction
        kind, code = "CD", paid
    else:
        is_negative = form.payment_sign != "negative"
        kind, code = "PY", paid
    return kind, money_text(-payment.amount if is_negative else payment.amount), code


def _escape_components(text: str) -> str:
    return "^".join(map(escape, text.split("^")))


def _echo(text: str) -> str:
    return text.translate(ECHOED)
