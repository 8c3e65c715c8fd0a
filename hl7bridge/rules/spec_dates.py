"""The table ``[dates]`` of a rules file -> the days that go with a placement, and the kinds of itemization to try."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from hl7bridge.rules.spec_reader import MOST_DAYS, Reader

_DAYS: Final = ("eca_days", "fap_days", "recent_payment_days")
# Source: 12 CFR 1006.34(b)(3), as collections.md 1.7 tells it: the five dates to which an itemization may refer.
KINDS: Final = ("last_statement", "charge_off", "last_payment", "transaction", "judgment")


class Dates(NamedTuple):
    """Days that a site's policy and counsel set; the defaults are what is usual, no advice.

    ``eca_days`` and ``fap_days`` count from the first statement: before that day no extraordinary collection action,
    and until that day an application for assistance. ``itemization`` are the kinds of date to try, best first.
    ``recent_payment_days``: a patient's payment of ``recent_payment_least`` dollars or more holds the account back so
    long; 0 is never.
    """

    eca_days: int = 120
    fap_days: int = 240
    itemization: tuple[str, ...] = ("last_statement", "last_payment", "transaction")
    recent_payment_days: int = 30
    recent_payment_least: Decimal = Decimal("0.01")


def read_dates(reader: Reader, table: Any) -> Dates:
    """Return the dates of a file; what is wrong with them goes to the reader's problems."""
    usual = Dates()
    if not isinstance(table, dict):
        reader.complain(("dates",), "expected a table", "write: [dates]")
        return usual
    reader.check_keys(("dates",), table, Dates._fields)
    days = {name: _read_days(reader, name, table) for name in _DAYS if name in table}
    kinds = _read_kinds(reader, table["itemization"]) if "itemization" in table else usual.itemization
    least = reader.read_money(("dates",), table, "recent_payment_least") or usual.recent_payment_least
    return usual._replace(itemization=kinds, recent_payment_least=least, **days)


def _read_days(reader: Reader, name: str, table: dict[str, Any]) -> int:
    value = table[name]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_DAYS:
        return value
    reader.complain(("dates", name), "expected a whole number of days", f"0 to {MOST_DAYS}, without quotes")
    return 0


def _read_kinds(reader: Reader, value: Any) -> tuple[str, ...]:
    path = ("dates", "itemization")
    if not isinstance(value, list) or not value or not all(isinstance(kind, str) for kind in value):
        reader.complain(path, "expected a list of kinds", "one or more of " + ", ".join(KINDS))
        return ()
    for index, kind in enumerate(value):
        if kind not in KINDS:
            reader.complain((*path, index), f"{kind!r} is not a kind of itemization date", reader.near(kind, KINDS))
        elif kind in value[:index]:
            reader.complain((*path, index), f"{kind!r} is there twice", "each once, best first")
    return tuple(value)
