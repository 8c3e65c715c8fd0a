"""A rules file's tables -> names and conditions, with every mistake kept as ``file:line: key: problem (hint)``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from hl7bridge.errors import Problem
from hl7bridge.money import parse_money
from hl7bridge.rules.facts import FACTS, FactSpec, FactType
from hl7bridge.rules.spec_conditions import Condition, Group, Joint, Op, Predicate, Wanted
from hl7bridge.tomlfile import TomlFile

MOST_DAYS: Final = 36_500  # a hundred years: more is a slip of the keyboard
MOST_YEARS: Final = 150
MOST_NUMBER: Final = 999_999_999
MOST_DEEP: Final = 5  # groups inside groups: more nobody can read
LEAST_PAYMENT: Final = "least_payment"
PAYMENT_FACTS: Final = ("days_without_payment", "days_since_last_payment")  # those that take least_payment
_BOUNDS: Final = (Op.AT_LEAST, Op.AT_MOST)
OPS: Final = {
    FactType.MONEY: _BOUNDS,
    FactType.DAYS: _BOUNDS,
    FactType.YEARS: _BOUNDS,
    FactType.NUMBER: (*_BOUNDS, Op.IS),
    FactType.FLAG: (Op.IS,),
    FactType.TEXT: (Op.IS, Op.IN),
    FactType.LIST: (),
}
_MOST: Final = {FactType.DAYS: MOST_DAYS, FactType.YEARS: MOST_YEARS, FactType.NUMBER: MOST_NUMBER}
_JOINTS: Final = tuple(joint.value for joint in Joint)
_TEXT_HINT: Final = 'is = "..." or in = ["...", "..."]'
WhereInFile = tuple[str | int, ...]


class Reader:
    """Reads one file; collects problems and goes on, so that a person sees all of them at once."""

    def __init__(self, source: TomlFile) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def complain(self, path: Sequence[str | int], problem: str, hint: str = "") -> None:
        """Keep a problem."""
        self.problems.append(self.source.problem(path, problem, hint))

    def near(self, word: str, known: Iterable[str]) -> str:
        """Return a hint: the known word that is meant, or all of them."""
        names = list(known)
        found = difflib.get_close_matches(word, names, 1)
        return f"did you mean {found[0]}?" if found else "one of " + ", ".join(names)

    def check_names(self, section: str, what: str, names: Iterable[str]) -> None:
        """Complain of every table of a list whose name an earlier one has; ``names`` are in the file's order."""
        seen: set[str] = set()
        for index, name in enumerate(names):
            if name in seen:
                self.complain((section, index, "name"), f"another {what} has this name", "names are unique")
            seen.add(name)

    def check_keys(self, path: WhereInFile, table: dict[str, Any], known: Sequence[str]) -> None:
        """Complain of every key that is not known."""
        for key in table:
            if key not in known:
                self.complain((*path, key), "unknown key", self.near(key, known))

    def read_name(self, path: WhereInFile, table: dict[str, Any], key: str) -> str:
        """Return a name, "" when there is none."""
        name = table.get(key)
        if not isinstance(name, str) or not name.strip():
            self.complain((*path, key), "a name is needed", f'write: {key} = "..."')
            return ""
        return name

    def read_money(self, path: WhereInFile, table: dict[str, Any], key: str) -> Decimal | None:
        """Return dollars, None when there are none or they cannot be read."""
        if key not in table:
            return None
        try:
            return _money(key, table[key])
        except WrongValueError as wrong:
            self.complain((*path, key), wrong.problem, wrong.hint)
            return None

    def read_conditions(self, path: WhereInFile, tables: Any, deep: int = 0) -> tuple[Condition, ...]:
        """Return the conditions of a list, without those that are wrong."""
        if not isinstance(tables, list):
            self.complain(path, "expected a list of predicates", '[{ fact = "balance", at_least = "25.00" }]')
            return ()
        found = [self._read_condition((*path, index), table, deep) for index, table in enumerate(tables)]
        return tuple(condition for condition in found if condition is not None)

    def _read_condition(self, path: WhereInFile, table: Any, deep: int) -> Condition | None:
        joints = [key for key in table if key in _JOINTS] if isinstance(table, dict) else []
        if not joints:
            return self._read_predicate(path, table)
        if len(table) > 1:
            self.complain(path, f"{joints[0]} stands alone", "put the others into a table of their own")
            return None
        if deep == MOST_DEEP:
            self.complain(path, f"more than {MOST_DEEP} groups inside each other", "say it with several rules")
            return None
        return self._read_group((*path, joints[0]), Joint(joints[0]), table[joints[0]], deep + 1)

    def _read_group(self, path: WhereInFile, joint: Joint, value: Any, deep: int) -> Condition | None:
        if joint is Joint.NOT:
            part = self._read_condition(path, value, deep)
            return None if part is None else Group(joint, (part,))
        parts = self.read_conditions(path, value, deep)
        if value == []:
            self.complain(path, f"{joint.value} needs at least one predicate", '[{ fact = "...", ... }]')
        return Group(joint, parts) if parts else None

    def _read_predicate(self, path: WhereInFile, table: Any) -> Predicate | None:
        if not isinstance(table, dict) or not isinstance(table.get("fact"), str):
            self.complain(path, "a predicate names a fact", '{ fact = "balance", at_least = "25.00" }')
            return None
        spec = FACTS.get(table["fact"])
        if spec is None:
            self.complain((*path, "fact"), f"unknown fact {table['fact']!r}", self.near(table["fact"], FACTS))
            return None
        if spec.type is FactType.LIST:
            self.complain((*path, "fact"), f"{spec.name} overrides every rule already", "leave this predicate out")
            return None
        takes_payment = spec.name in PAYMENT_FACTS
        ops = [op.value for op in OPS[spec.type]]
        given = [key for key in table if key != "fact" and not (takes_payment and key == LEAST_PAYMENT)]
        if len(given) != 1 or given[0] not in ops:
            more = f", and {LEAST_PAYMENT}" if takes_payment else ""
            problem = f"{spec.name} ({spec.type.value}) takes one comparison"
            self.complain(path, problem, "one of " + ", ".join(ops) + more)
            return None
        try:
            wanted = _wanted(self, spec, given[0], table[given[0]])
        except WrongValueError as wrong:
            self.complain((*path, given[0]), wrong.problem, wrong.hint)
            return None
        return Predicate(spec, Op(given[0]), wanted, self.read_money(path, table, LEAST_PAYMENT))


class WrongValueError(Exception):
    """A predicate's value does not suit its fact."""

    def __init__(self, problem: str, hint: str) -> None:
        self.problem = problem
        self.hint = hint
        super().__init__(problem)


def read_value(reader: Reader, spec: FactSpec, value: Any) -> Decimal | int | bool | str:
    """Return one value of a fact; raises WrongValueError."""
    if spec.type is FactType.MONEY:
        return _money(spec.name, value)
    if spec.type is FactType.TEXT:
        return _text(reader, spec, value)
    if spec.type is FactType.FLAG:
        if isinstance(value, bool):
            return value
        raise WrongValueError(f"{spec.name} is true or false", "true or false, without quotes")
    most, what = _MOST[spec.type], "" if spec.type is FactType.NUMBER else f" of {spec.type.value}"
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise WrongValueError(f"{spec.name} is a whole number{what}", f"0 to {most}, without quotes")


def _wanted(reader: Reader, spec: FactSpec, op: str, value: Any) -> Wanted:
    if spec.type is not FactType.TEXT:
        return read_value(reader, spec, value)
    texts = value if op == Op.IN.value else [value]
    if not isinstance(texts, list) or not texts:
        raise WrongValueError(f"{spec.name} is a text", _TEXT_HINT)
    return tuple(_text(reader, spec, text) for text in texts)


def _text(reader: Reader, spec: FactSpec, text: Any) -> str:
    if not isinstance(text, str) or not text:
        raise WrongValueError(f"{spec.name} is a text", _TEXT_HINT)
    if spec.values and text not in spec.values:
        raise WrongValueError(f"{text!r} is not a value of {spec.name}", reader.near(text, spec.values))
    return text


def _money(name: str, value: Any) -> Decimal:
    if isinstance(value, str):
        try:
            return parse_money(value)
        except ValueError:
            pass
    raise WrongValueError(f"{name} is dollars", 'in quotes, as "25.00"')
