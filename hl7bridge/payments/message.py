"""Payments of an account -> the DFT^P03 that posts them. Source: HL7 v2.3-2.5.1 chapter 6, FT1."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import hl7

from hl7bridge.mapping.outbound import VERSIONS, FieldRule, Part
from hl7bridge.message.charset import find_codec
from hl7bridge.message.escape import escape
from hl7bridge.money import money_text
from hl7bridge.payments.destination import DestinationForm
from hl7bridge.payments.payment import Payment
from hl7bridge.payments.posting import Item, Line, lines_of

__all__ = ["VERSIONS", "Addressed", "DestinationForm", "Identifiers", "build_message", "build_payment_message"]

CURRENCY: Final = "USD"
MESSAGE_KIND: Final = "DFT^P03"
UNKNOWN_CLASS: Final = "U"  # table 0004, "unknown": PV1-2 is required
WITH_STRUCTURE: Final = ("2.5", "2.5.1")  # versions with MSH-9.3 and FT1-30
UTF_8: Final = "UNICODE UTF-8"
# What would break the framing if it stood in a field that is echoed as it arrived.
ECHOED: Final = str.maketrans({"\r": "\\X0D\\", "\n": "\\X0A\\", "\x0b": "\\X0B\\", "\x1c": "\\X1C\\"})
_Fields = dict[int, str]


class Addressed(NamedTuple):
    """Whose account a payment posts to: whole fields as they arrived, in standard delimiters, escapes kept.

    ``patient_class``, ``account_number`` and what is told of the guarantor are plain text; "" is unknown, and an
    absent field is "".
    """

    pid_3: str
    pid_5: str
    pid_18: str
    pv1_19: str
    pv1_50: str
    patient_class: str
    account_number: str
    guarantor_number: str = ""
    guarantor_name: tuple[str, ...] = ()  # family, given, middle; or an organization's alone

    def value(self, name: str) -> str:
        """Return the field that a mapping names as a value, as it is written."""
        if name == "account":
            return escape(self.account_number)
        if name == "guarantor":
            return escape(self.guarantor_number)
        if name == "guarantor_name":
            return "^".join(map(escape, self.guarantor_name))
        return str(getattr(self, name)).translate(ECHOED)


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
    """Return the DFT^P03 of one payment that is neither a settlement's rest nor names what it takes back."""
    item = Item(payment, identifiers.transaction_id, identifiers.batch_id, posted_on)
    return build_message(form, [item], addressed, identifiers.control_id, at=at)


def build_message(
    form: DestinationForm,
    items: Sequence[Item],
    addressed: Addressed,
    control_id: str,
    *,
    at: dt.datetime,
    first: int = 1,
) -> str:
    """Return the DFT^P03 of an account's payments, segments ended by CR; ``first`` is FT1-1 of the first.

    ``at`` is aware and becomes MSH-7 and EVN-2 in UTC. MSH-15 and MSH-16 stay blank in original mode. MSH-18 is the
    form's; without one it says UTF-8 when something is not ASCII.
    """
    stamp = at.astimezone(dt.UTC).strftime("%Y%m%d%H%M%S+0000")
    segments = [
        *_with_extra(form, "EVN", {1: "P03", 2: stamp}, addressed, None),
        *_with_extra(form, "PID", _patient(form, addressed), addressed, None),
        *_with_extra(form, "PV1", _visit(addressed), addressed, None),
    ]
    lines = [line for item in items for line in lines_of(form, item)]
    for number, line in enumerate(lines, first):
        segments += _with_extra(form, "FT1", _transaction(form, line, number), addressed, line)
    if form.to_guarantor:
        fields = {1: "1", 2: addressed.value("guarantor"), 3: addressed.value("guarantor_name")}
        segments += _with_extra(form, "GT1", fields, addressed, None)
    is_ascii = all(str(segment).isascii() for segment in segments)
    header = _header(form, control_id, stamp, is_ascii=is_ascii)
    text = str(hl7.Message("\r", [header, *segments]))
    return text if form.outbound.charset is None else fit_text(text, form.outbound.charset)


def fit_text(text: str, charset: str) -> str:
    """Return text with each letter that a character set of table 0211 lacks as its base letter, or else as ``?``."""
    codec = find_codec(charset) or "utf-8"
    return "".join(each if is_encodable(each, charset) else _base_letters(each, codec) for each in text)


def is_encodable(text: str, charset: str) -> bool:
    """Return whether a character set of table 0211 has all of a text."""
    try:
        text.encode(find_codec(charset) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _base_letters(letter: str, codec: str) -> str:
    plain = "".join(each for each in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(each))
    return plain.encode(codec, "replace").decode(codec)


def _segment(name: str, fields: _Fields) -> hl7.Segment:
    texts = [name, *(fields.get(number, "") for number in range(1, max(fields) + 1))]
    return hl7.Segment("|", [hl7.Field("~", [text]) for text in texts])


def _with_extra(
    form: DestinationForm, name: str, fields: _Fields, addressed: Addressed, line: Line | None
) -> list[hl7.Segment]:
    """Return a segment as the form's own fields change it, and the Z-segments that follow it."""
    changed = _filled(form.outbound.fields.get(name, ()), addressed, line)
    fields = {number: text for number, text in (fields | changed).items() if text or number not in changed}
    extra = [each for each in form.outbound.segments if each.after == name]
    return [_segment(name, fields), *(_segment(each.name, _filled(each.fields, addressed, line)) for each in extra)]


def _filled(rules: Sequence[FieldRule], addressed: Addressed, line: Line | None) -> _Fields:
    values = {} if line is None else _values(line)
    return {rule.field: "^".join(_text(part, addressed, values) for part in rule.parts) for rule in rules}


def _text(part: Part, addressed: Addressed, values: Mapping[str, str]) -> str:
    if not part.is_value:
        return escape(part.text)
    return escape(values[part.text]) if part.text in values else addressed.value(part.text)


def _values(line: Line) -> dict[str, str]:
    """Return the named values of a payment as plain text; money is always above zero, days are YYYYMMDD."""
    item = line.item
    payment = item.payment
    return {
        "agency": payment.agency,
        "agency_payment_id": payment.agency_payment_id,
        "amount": money_text(payment.amount),
        "batch_id": item.batch_id,
        "code": line.code.split("^")[0],
        "fee": money_text(payment.fee),
        "method": payment.method,
        "net": money_text(payment.amount - payment.fee),
        "original_transaction_id": item.original_transaction_id,
        "paid_on": f"{payment.paid_on:%Y%m%d}",
        "posted_on": f"{item.posted_on:%Y%m%d}",
        "posting": line.posting.value,
        "reversal_of": payment.reversal_of,
        "transaction_id": line.transaction_id,
        "trust_on": f"{payment.trust_on or payment.paid_on:%Y%m%d}",
    }


def _header(form: DestinationForm, control_id: str, stamp: str, *, is_ascii: bool) -> hl7.Segment:
    names = (form.sending_application, form.sending_facility, form.receiving_application, form.receiving_facility)
    fields = {number: _escape_components(name) for number, name in enumerate(names, start=3)}
    is_ascii = is_ascii and all(name.isascii() for name in names)
    fields |= {
        1: "|",
        2: "^~\\&",
        7: stamp,
        9: "DFT^P03^DFT_P03" if form.version in WITH_STRUCTURE else MESSAGE_KIND,
        10: control_id,
        11: form.processing_id,
        12: form.version,
    }
    if form.is_enhanced:  # the reply at once, and the application's later. Source: HL7 v2.5.1 2.9.3, table 0155
        fields |= {15: "AL", 16: "AL"}
    if form.outbound.charset is not None:
        fields[18] = form.outbound.charset
    elif not is_ascii:
        fields[18] = UTF_8
    return _segment("MSH", fields)


def _patient(form: DestinationForm, addressed: Addressed) -> _Fields:
    account = escape(addressed.account_number) if form.pid_2 == "account" else ""
    return {1: "1", 2: account, 3: _echo(addressed.pid_3), 5: _echo(addressed.pid_5), 18: _echo(addressed.pid_18)}


def _visit(addressed: Addressed) -> _Fields:
    fields = {
        1: "1",
        2: escape(addressed.patient_class) or UNKNOWN_CLASS,
        19: _echo(addressed.pv1_19),
        50: _echo(addressed.pv1_50),
    }
    return {number: text for number, text in fields.items() if text}


def _transaction(form: DestinationForm, line: Line, number: int) -> _Fields:
    item = line.item
    payment = item.payment
    fields = {
        1: str(number),
        2: line.transaction_id,
        3: item.batch_id,
        4: f"{payment.paid_on:%Y%m%d}",
        5: f"{item.posted_on:%Y%m%d}",
        6: line.type,
        7: _escape_components(line.code),
        10: "1",
        11: f"{line.amount}&{CURRENCY}",  # CP in v2.3 and later: the price is an MO, its parts subcomponents
        12: f"{line.amount}&{CURRENCY}",
    }
    if form.version in WITH_STRUCTURE:
        fields[30] = f"{escape(payment.agency_payment_id)}^^^{escape(payment.agency)}"
    return fields


def _escape_components(text: str) -> str:
    return "^".join(map(escape, text.split("^")))


def _echo(text: str) -> str:
    return text.translate(ECHOED)
