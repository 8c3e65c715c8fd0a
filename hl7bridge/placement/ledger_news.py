"""Ledger entries that an agency may not know of -> the payments, adjustments and charges that it is told of, each once.

What lowers the balance is told at once, and so is a payment that was taken back. What raises it otherwise is kept back
until a person or the agency's settings say so: nothing is added to what was placed in silence.
Source: collections.md 3.3, rows on payments, adjustments and new charges.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.money import ZERO
from hl7bridge.placement.records import NoticeKind
from hl7bridge.placement.told import Told

CHARGE: Final = "CG"
_PAYMENTS: Final = frozenset({"PY", "CO"})
_MOVED: Final = "moved"  # the kind of a sum of entries that came from, or went to, another account


class News(NamedTuple):
    """One ledger entry: ``kind`` as in FT1-6, dollars as in the ledger. ``cause`` is the message or payment.

    ``is_own``: the agency itself told of it. ``is_moved``: it came from another account or went there.
    """

    entry: int
    kind: str
    amount: Decimal
    payer: str = "unknown"
    paid_on: dt.date | None = None
    cause: str = ""
    is_own: bool = False
    is_moved: bool = False

    @property
    def is_taken_back(self) -> bool:
        """Return whether it takes a payment back, as when a cheque bounces."""
        return self.kind in _PAYMENTS and self.amount < ZERO

    @property
    def effect(self) -> Decimal:
        """Return by how much the balance grows."""
        return self.amount if self.kind in {CHARGE, _MOVED} else -self.amount


class MoneyNotice(NamedTuple):
    """A notice of money. ``amount`` is in ``news``: above zero it lowers the balance, but for a charge."""

    kind: NoticeKind
    balance: Decimal
    news: News


class Money(NamedTuple):
    """What is to be told of money, and what the agency then knows."""

    told: Told
    notices: tuple[MoneyNotice, ...]


def tell_money(
    told: Told, news: Sequence[News], *, row: int, balance: Decimal, last_entry: int, sends_increases: bool
) -> Money:
    """Return what is told of entries. ``balance`` and ``last_entry`` are the account's now, ``row`` its row.

    When the placement came to another account by a merge, it is the difference of the balances that is told.
    """
    if told.row != row:
        difference = balance - told.balance - told.withheld - told.left
        news = [News(last_entry, _MOVED, difference)]
    else:
        moved = [each for each in news if each.is_moved]
        news = [each for each in news if not each.is_moved]
        if moved:
            total = sum((each.effect for each in moved), ZERO)
            news.append(News(moved[-1].entry, _MOVED, total, cause=moved[-1].cause))
    told = told._replace(row=row, entry=max(last_entry, told.entry if told.row == row else 0))
    notices: list[MoneyNotice] = []
    for each in news:
        told = _tell_one(told, each, notices, sends_increases=sends_increases)
    return Money(told, tuple(notices))


def _tell_one(told: Told, news: News, notices: list[MoneyNotice], *, sends_increases: bool) -> Told:
    effect = news.effect
    if not effect:
        return told
    if news.is_own:
        return told._replace(balance=told.balance + effect)
    if news.kind in _PAYMENTS:
        return _tell(told, NoticeKind.PAYMENT, news, notices)
    if effect < ZERO:
        return _lower(told, news, notices)
    if not sends_increases:
        return told._replace(withheld=told.withheld + effect)
    is_charge = news.kind in {CHARGE, _MOVED}
    kind = NoticeKind.CHARGE if is_charge else NoticeKind.ADJUSTMENT
    return _tell(told, kind, news._replace(kind=CHARGE) if is_charge else news, notices)


def _lower(told: Told, news: News, notices: list[MoneyNotice]) -> Told:
    if news.kind in {CHARGE, _MOVED}:
        told, news = _take_back(told, news)
    reduction = News(news.entry, "AJ", -news.effect, news.payer, news.paid_on, news.cause)
    return _tell(told, NoticeKind.ADJUSTMENT, reduction, notices) if news.amount else told


def _tell(told: Told, kind: NoticeKind, news: News, notices: list[MoneyNotice]) -> Told:
    told = told._replace(balance=told.balance + news.effect)
    notices.append(MoneyNotice(kind, told.balance, news))
    return told


def _take_back(told: Told, news: News) -> tuple[Told, News]:
    """Return what is left to tell of a charge that was taken back: first it takes back what was not told."""
    rest = -news.effect
    withheld = min(rest, told.withheld)
    left = min(rest - withheld, told.left)
    told = told._replace(withheld=told.withheld - withheld, left=told.left - left)
    return told, news._replace(amount=-(rest - withheld - left))
