"""An entry of the EHR's feed and a payment of ours -> whether the one is the other come back. Source: HL7 FT1."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import Final, NamedTuple

from hl7bridge.errors import MessageError
from hl7bridge.mapping.records import Entry
from hl7bridge.message.datatypes import parse_amount
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message
from hl7bridge.message.text import encode_text
from hl7bridge.money import ZERO

ECHOED_KINDS: Final = frozenset({"PY", "AJ", "CD"})  # what an entry can be that was posted: table 0017
_KINDS: Final = ECHOED_KINDS | {"CG", "CO"}
_TRANSACTION, _DAY, _KIND, _CODE, _EXTENDED, _UNIT = 2, 4, 6, 7, 11, 12  # fields of FT1


class Verdict(Enum):
    """What an entry is that carries the id of a payment of ours."""

    ECHO = "echo"
    DIFFERS = "differs"  # another amount or type than was posted
    ELSEWHERE = "elsewhere"  # on another account than it was posted to
    TAKEN_BACK = "taken back"  # the EHR has undone it


class Sent(NamedTuple):
    """How a payment was written for its EHR: FT1-6, -11 in dollars, -4, and -7.1; None where it cannot be told."""

    kind: str
    amount: Decimal
    day: dt.date | None
    code: str | None


class OwnPayment(NamedTuple):
    """A payment of ours: its account, FT1-6 and the dollars as the ledger counts them, and as they were sent."""

    id: int
    account_id: int
    kind: str
    amount: Decimal
    sent: Sent


def read_sent(content: str, transaction_id: str, otherwise: Sent) -> Sent:
    """Return how a queued message writes the payment of an FT1-2; ``otherwise`` when it is no such message."""
    if not content.startswith("MSH|"):
        return otherwise
    try:
        message = parse_message(encode_text(content, errors="replace"))
    except MessageError:
        return otherwise
    for at, fields in enumerate(message.fields("FT1"), 1):
        padded = [*fields, *[""] * (_UNIT + 1 - len(fields))]
        if padded[_TRANSACTION] == transaction_id:
            return _sent(message, at, padded, otherwise)
    return otherwise


def _sent(message: Message, at: int, fields: list[str], otherwise: Sent) -> Sent:
    code = message.get(f"FT1[{at}]-{_CODE}.1")
    try:
        amount = parse_amount(fields[_EXTENDED] or fields[_UNIT], message.delimiters).amount
        day = dt.datetime.strptime(fields[_DAY][:8], "%Y%m%d").date()  # noqa: DTZ007  (a day has no zone)
    except ValueError:
        return otherwise
    return Sent(fields[_KIND], amount, day, code if isinstance(code, str) else None)


def judge_entry(entry: Entry, account_id: int, own: OwnPayment, told_before: Decimal | None) -> Verdict:
    """Return what an entry is that has the FT1-2 of ``own``; ``told_before`` are the dollars of its first echo.

    A sign may be as it was sent or, when the mapping turns signs, as the ledger counts; the opposite of that takes the
    payment back.
    """
    if account_id != own.account_id:
        return Verdict.ELSEWHERE
    amount = entry.amount or ZERO
    if entry.kind not in _kinds(own) or abs(amount) != abs(own.amount):
        return Verdict.DIFFERS
    if told_before is not None:
        return Verdict.ECHO if amount == told_before else Verdict.TAKEN_BACK
    return Verdict.ECHO if amount in _amounts(entry.kind, own) else Verdict.TAKEN_BACK


def is_echo_by_content(entry: Entry, own: OwnPayment) -> bool:
    """Return whether an entry under the EHR's own id says what was sent, field by field: type, dollars, day and code.

    Without a code there is no telling it from other money of that day: it is not taken for an echo.
    """
    return (
        own.sent.code is not None
        and entry.code == own.sent.code
        and (entry.kind == own.sent.kind or own.sent.kind not in _KINDS)
        and entry.service_on == own.sent.day
        and entry.amount in _amounts(entry.kind, own)
    )


def _kinds(own: OwnPayment) -> frozenset[str]:
    """Return the types that an echo may have: a site's own type comes back as whatever its mapping makes of it."""
    return frozenset({own.kind, own.sent.kind}) if own.sent.kind in _KINDS else ECHOED_KINDS


def _amounts(kind: str | None, own: OwnPayment) -> set[Decimal]:
    """Return the dollars that an echo of a type may have: as sent, and as the ledger has them."""
    if own.sent.kind not in _KINDS:
        return {own.sent.amount, own.amount}
    amounts = {own.sent.amount} if kind == own.sent.kind else set()
    return amounts | ({own.amount} if kind == own.kind else set())
