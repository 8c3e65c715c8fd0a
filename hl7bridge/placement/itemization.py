"""An account's ledger and statement days -> the itemization: what was owed on one day, and what has come off it since.

The day is one of a few kinds (last statement, last payment ...), tried in the order that the rules file gives. The sums
foot: the balance of that day, plus interest and fees, less payments and credits since, is the balance now.
Source: 12 CFR 1006.34(b)(3) and (c)(2)(viii), as collections.md 1.7 tells it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.money import ZERO
from hl7bridge.rules.signals import Signal, is_day

PAYMENTS: Final = frozenset({"PY", "CO"})
CHARGE: Final = "CG"
# The kinds that a signal tells the day of, with its name; the others are days of the ledger.
_SIGNALS: Final = {"last_statement": "last_statement", "charge_off": "charge_off", "judgment": "judgment"}


class Line(NamedTuple):
    """One entry of the ledger as an itemization needs it: dollars, the day of FT1-4, and the message that told it."""

    kind: str
    amount: Decimal
    payer: str
    on: dt.date
    message_id: int | None


class DatedFact(NamedTuple):
    """A day and where it is from, as ``message 12, FT1-4`` or ``signal last_statement (message 3, ZST-2)``."""

    on: dt.date
    source: str


class Itemization(NamedTuple):
    """What was owed on a day, and what changed since; dollars. The ledger has no interest and no fees of its own.

    A payment or credit since is less than zero when more was taken back than came.
    """

    kind: str
    day: DatedFact
    balance: Decimal
    payments_since: Decimal
    credits_since: Decimal
    interest: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def comes_to(self) -> Decimal:
        """Return what the parts come to: it has to be the balance of now."""
        return self.balance + self.interest + self.fees - self.payments_since - self.credits_since


def itemize(
    lines: Sequence[Line], signals: Mapping[str, Signal], kinds: Sequence[str], today: dt.date
) -> Itemization | None:
    """Return the itemization of the first kind that can be used, or None when none can.

    A kind is of no use when its day is not known or lies ahead, or when charges were added for services after it: then
    what is owed now was not yet owed on that day. Charges taken back since are credits.
    """
    for kind in kinds:
        day = _day_of(kind, lines, signals)
        if day is not None and day.on <= today:
            charged_since = sum((line.amount for line in _charges(lines) if line.on > day.on), ZERO)
            if charged_since <= ZERO:
                return _of_day(kind, day, lines)
    return None


def _of_day(kind: str, day: DatedFact, lines: Sequence[Line]) -> Itemization:
    before = sum((_signed(line) for line in lines if line.on <= day.on), ZERO)
    since = [line for line in lines if line.on > day.on]
    payments = sum((line.amount for line in since if line.kind in PAYMENTS), ZERO)
    everything = -sum(map(_signed, since), ZERO)
    return Itemization(kind, day, before, payments, everything - payments)


def _signed(line: Line) -> Decimal:
    return line.amount if line.kind == CHARGE else -line.amount


def _day_of(kind: str, lines: Sequence[Line], signals: Mapping[str, Signal]) -> DatedFact | None:
    if kind in _SIGNALS:
        return signal_day(signals, _SIGNALS[kind])
    if kind == "last_payment":
        paid = last_paid(lines)
        return None if paid is None else dated(paid)
    return last_service(lines)


def signal_day(signals: Mapping[str, Signal], name: str) -> DatedFact | None:
    """Return the day that a signal tells, or None."""
    signal = signals.get(name)
    if signal is None or not is_day(signal.value):
        return None
    return DatedFact(dt.date.fromisoformat(signal.value), f"signal {name} ({signal.source})")


def first_service(lines: Sequence[Line]) -> DatedFact | None:
    """Return the first day of service, of charges."""
    found = min(_charges(lines), key=_day, default=None)
    return None if found is None else dated(found)


def last_service(lines: Sequence[Line]) -> DatedFact | None:
    """Return the last day of service, of charges."""
    found = max(_charges(lines), key=_day, default=None)
    return None if found is None else dated(found)


def last_paid(lines: Sequence[Line], payer: str | None = None) -> Line | None:
    """Return the last payment of more than zero, of one kind of payer if given; of one day the one recorded last."""
    paid = [line for line in lines if line.kind in PAYMENTS and line.amount > ZERO and payer in {None, line.payer}]
    return max(reversed(paid), key=_day, default=None)


def dated(line: Line) -> DatedFact:
    """Return the day of an entry and the message it is from."""
    return DatedFact(line.on, "an agency's payment" if line.message_id is None else f"message {line.message_id}, FT1-4")


def _charges(lines: Sequence[Line]) -> Iterator[Line]:
    return (line for line in lines if line.kind == CHARGE)


def _day(line: Line) -> dt.date:
    return line.on
