"""Ledger entries -> what of money an agency is told: reductions at once, increases by a person's word, each once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hl7bridge.placement.ledger_news import News, tell_money
from hl7bridge.placement.told import Told

HUNDRED = Decimal("100.00")
TOLD = Told(1, "A1001", 5, HUNDRED)


def tell(*news: News, told: Told = TOLD, row: int = 1, sends: bool = False, balance: str = "0.00"):
    last = news[-1].entry if news else 5
    return tell_money(told, news, row=row, balance=Decimal(balance), last_entry=last, sends_increases=sends)


def news(kind: str, amount: str, entry: int = 6, **more) -> News:
    return News(entry, kind, Decimal(amount), **more)


def said(money) -> list[tuple[str, str, str]]:
    return [(each.kind.value, str(each.news.amount), str(each.balance)) for each in money.notices]


@pytest.mark.parametrize(
    ("kind", "amount", "expected"),
    [
        ("PY", "30.00", [("payment", "30.00", "70.00")]),
        ("CO", "30.00", [("payment", "30.00", "70.00")]),
        ("PY", "-30.00", [("payment", "-30.00", "130.00")]),
        ("AJ", "30.00", [("adjustment", "30.00", "70.00")]),
        ("CD", "30.00", [("adjustment", "30.00", "70.00")]),
        ("CG", "-30.00", [("adjustment", "30.00", "70.00")]),
        ("CG", "0.00", []),
        ("CG", "30.00", []),
        ("AJ", "-30.00", []),
    ],
)
def test_what_lowers_the_balance_is_told_and_what_raises_it_is_not_but_for_a_payment(kind, amount, expected):
    """The told and the withheld make up the balance."""
    money = tell(news(kind, amount))
    assert said(money) == expected
    effect = Decimal(amount) if kind == "CG" else -Decimal(amount)
    assert money.told.balance + money.told.withheld == HUNDRED + effect
    assert money.told.entry == 6


def test_with_increases_that_are_sent_a_charge_is_a_charge_and_a_reversal_an_adjustment_below_zero():
    """The agency's settings say so."""
    money = tell(news("CG", "30.00"), news("AJ", "-5.00", 7), sends=True)
    assert said(money) == [("charge", "30.00", "130.00"), ("adjustment", "-5.00", "135.00")]


def test_what_the_agency_told_us_itself_is_no_news_to_it():
    """A payment it collected, an adjustment it gave, and its own reversal."""
    own = [
        news("PY", "30.00", 6, is_own=True),
        news("AJ", "5.00", 7, is_own=True),
        news("PY", "-30.00", 8, is_own=True),
    ]
    money = tell(*own)
    assert (said(money), money.told.balance) == ([], Decimal("95.00"))


def test_a_charge_taken_back_first_takes_back_what_was_not_told():
    """What waits, then what a person left out, then what the agency knows."""
    told = TOLD._replace(withheld=Decimal("10.00"), left=Decimal("5.00"))
    money = tell(news("CG", "-12.00"), told=told)
    assert (said(money), money.told.withheld, money.told.left) == ([], Decimal("0.00"), Decimal("3.00"))
    money = tell(news("CG", "-40.00"), told=told)
    assert (said(money), money.told.left) == ([("adjustment", "25.00", "75.00")], Decimal("0.00"))


def test_what_moved_between_accounts_counts_as_one_sum():
    """Also when nothing comes of it."""
    moved = [news("CG", "40.00", 6, is_moved=True), news("PY", "30.00", 7, is_moved=True)]
    assert (said(tell(*moved)), tell(*moved).told.withheld) == ([], Decimal("10.00"))
    assert said(tell(*moved, sends=True)) == [("charge", "10.00", "110.00")]
    assert said(tell(*moved, news("PY", "50.00", 8, is_moved=True))) == [("adjustment", "40.00", "60.00")]
    assert said(tell(moved[0], news("PY", "40.00", 7, is_moved=True))) == []


def test_a_placement_that_came_to_another_account_is_told_the_difference():
    """Whatever entries that account has; they are looked at from its newest on."""
    money = tell(news("CG", "500.00", 3), row=2, balance="140.00")
    assert (said(money), money.told.withheld, money.told.row, money.told.entry) == ([], Decimal("40.00"), 2, 3)
    money = tell(row=2, balance="60.00")
    assert said(money) == [("adjustment", "40.00", "60.00")]
