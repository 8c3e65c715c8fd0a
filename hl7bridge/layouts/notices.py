"""A notice -> its named values as text, the same for every layout that has room for all of them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

from hl7bridge.money import money_text
from hl7bridge.placement.people import PEOPLE_FIELDS
from hl7bridge.placement.records import Notice

_FIXED: Final = (
    "notice_id",
    "placement_id",
    "client_account",
    "agency_account",
    "kind",
    "reason",
    "effective_on",
    "balance",
    "amount",
    "paid_on",
    "payer",
    "entry",
    "former_client_account",
    "changed",
)
NOTICE_COLUMNS: Final = (*_FIXED, *PEOPLE_FIELDS)


def notice_values(notice: Notice) -> dict[str, str]:
    """Return every column of a notice: "" when unknown or not of its kind, money "123.45", days YYYY-MM-DD.

    ``changed`` names the people's columns that hold a new value; one that is named and empty was taken away.
    Raises ValueError for a change of any other field.
    """
    changes = dict(notice.changes)
    if not changes.keys() <= set(PEOPLE_FIELDS):
        raise ValueError("a notice tells of changes of people only")
    fixed = {
        "notice_id": str(notice.notice_id),
        "placement_id": str(notice.placement_id),
        "client_account": notice.client_account,
        "agency_account": notice.agency_account,
        "kind": notice.kind.value,
        "reason": notice.reason,
        "effective_on": notice.effective_on.isoformat(),
        "balance": money_text(notice.balance),
        "amount": _money(notice.amount),
        "paid_on": _day(notice.paid_on),
        "payer": notice.payer,
        "entry": "" if notice.entry is None else str(notice.entry),
        "former_client_account": notice.former_client_account,
        "changed": " ".join(name for name in PEOPLE_FIELDS if name in changes),
    }
    return fixed | {name: changes.get(name, "") for name in PEOPLE_FIELDS}


def _money(amount: Decimal | None) -> str:
    return "" if amount is None else money_text(amount)


def _day(day: dt.date | None) -> str:
    return "" if day is None else day.isoformat()
