"""The examples of a rules file -> facts on a day, and what the rules must make of them."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hl7bridge.money import ZERO
from hl7bridge.rules.facts import ANY_AMOUNT, FACTS, AccountFacts, FactSpec, FactType, Payment
from hl7bridge.rules.holds import HOLDS, make_hold
from hl7bridge.rules.spec_reader import Reader, WhereInFile, WrongValueError, read_value

NONE: Final = "none"
USUAL_DAY: Final = dt.date(2026, 1, 1)
KEYS: Final = ("name", "as_of", "facts", "holds", "expect", "because")


class Example(NamedTuple):
    """One example. ``expect`` is the rule that places, or ``none``; ``because`` are facts that must be in the way."""

    name: str
    as_of: dt.date
    facts: AccountFacts
    expect: str
    because: tuple[str, ...]


def read_examples(reader: Reader, tables: Any, rules: Sequence[str]) -> tuple[Example, ...]:
    """Return the examples of a file with rules of these names; what is wrong goes to the reader's problems."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        reader.complain(("examples",), "expected a list of tables", "write: [[examples]]")
        return ()
    return tuple(_read_example(reader, ("examples", index), table, rules) for index, table in enumerate(tables))


def _read_example(reader: Reader, path: WhereInFile, table: dict[str, Any], rules: Sequence[str]) -> Example:
    reader.check_keys(path, table, KEYS)
    as_of = table.get("as_of", USUAL_DAY)
    if type(as_of) is not dt.date:
        reader.complain((*path, "as_of"), "expected a day", "as_of = 2026-04-01, without quotes")
        as_of = USUAL_DAY
    expect = table.get("expect")
    if expect != NONE and expect not in rules:
        hint = reader.near(str(expect or ""), (*rules, NONE))
        reader.complain((*path, "expect"), f'neither a rule\'s name nor "{NONE}"', hint)
    because = _read_names(reader, (*path, "because"), table.get("because", []), (*FACTS, "agency"))
    if because and expect != NONE:
        reader.complain((*path, "because"), "says what keeps an account from being placed", f'expect = "{NONE}"')
    facts = _read_facts(reader, (*path, "facts"), table.get("facts"), as_of)
    holds = _read_names(reader, (*path, "holds"), table.get("holds", []), HOLDS)
    facts = facts._replace(holds=tuple(make_hold(name, "example", HOLDS[name].when) for name in holds))
    return Example(reader.read_name(path, table, "name"), as_of, facts, str(expect), because)


def _read_names(reader: Reader, path: WhereInFile, value: Any, known: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        reader.complain(path, "expected a list of names", '["..."]')
        return ()
    for index, name in enumerate(value):
        if name not in known:
            reader.complain((*path, index), f"{name!r} is not known", reader.near(name, known))
    return tuple(name for name in value if name in known)


def _read_facts(reader: Reader, path: WhereInFile, table: Any, as_of: dt.date) -> AccountFacts:
    facts = AccountFacts(ZERO, "open")
    if not isinstance(table, dict) or "balance" not in table:
        reader.complain(path, "an example has facts, the balance at least", 'facts = { balance = "150.00" }')
        return facts
    found: dict[str, Any] = {}
    for name, value in table.items():
        spec = FACTS.get(name)
        if spec is None or spec.type is FactType.LIST:
            reader.complain((*path, name), f"unknown fact {name!r}", reader.near(name, FACTS))
            continue
        try:
            read = read_value(reader, spec, value)
        except WrongValueError as wrong:
            reader.complain((*path, name), wrong.problem, wrong.hint)
            continue
        found[spec.attribute] = _dated(spec, read, as_of)
    return facts._replace(**found, payments=_payments(found))


def _dated(spec: FactSpec, value: Any, as_of: dt.date) -> Any:
    """Return the day that so many days or years before a day is; other values as they are."""
    if spec.type is FactType.DAYS:
        return as_of - dt.timedelta(days=int(value))
    if spec.type is not FactType.YEARS:
        return value
    year = as_of.year - int(value)
    return as_of.replace(year=year, day=min(as_of.day, calendar.monthrange(year, as_of.month)[1]))


def _payments(found: dict[str, Any]) -> tuple[Payment, ...]:
    """Return the payments that the days of an example stand for; they count whatever their dollars."""
    days = [(found.get("last_payment_on"), True), (found.get("activity_on"), False)]
    payments = [Payment(day, ANY_AMOUNT, is_patients) for day, is_patients in days if day is not None]
    return tuple(sorted(payments, reverse=True))
