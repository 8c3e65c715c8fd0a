"""A rules file (TOML) -> frozen Rules, with every mistake named ``file:line: key: problem (hint)``."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple

from hl7bridge.errors import ConfigError, Problem
from hl7bridge.money import money_text, parse_money
from hl7bridge.rules.facts import FACTS, FactSpec, FactType
from hl7bridge.tomlfile import TomlFile

FORMAT: Final = 1
MOST_DAYS: Final = 36_500  # a hundred years: more is a slip of the keyboard
MOST_YEARS: Final = 150


class Op(Enum):
    """How a predicate compares."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    IS = "is"
    IN = "in"


class Mode(Enum):
    """What becomes of an eligible account: queued for the agency, or kept for a person to approve."""

    AUTOMATIC = "automatic"
    REVIEW = "review"


_OPS: Final = {
    FactType.MONEY: (Op.AT_LEAST, Op.AT_MOST),
    FactType.DAYS: (Op.AT_LEAST, Op.AT_MOST),
    FactType.YEARS: (Op.AT_LEAST, Op.AT_MOST),
    FactType.FLAG: (Op.IS,),
    FactType.TEXT: (Op.IS, Op.IN),
    FactType.LIST: (),
}
Wanted = Decimal | int | bool | tuple[str, ...]


class Predicate(NamedTuple):
    """One comparison. ``wanted`` is dollars, days or years, a flag, or the texts of which one will do."""

    fact: FactSpec
    op: Op
    wanted: Wanted

    @property
    def text(self) -> str:
        """Return what is wanted, as people read it."""
        if isinstance(self.wanted, tuple):
            return " or ".join(self.wanted)
        if self.fact.type is FactType.FLAG:
            return "yes" if self.wanted else "no"
        bound = money_text(self.wanted) if isinstance(self.wanted, Decimal) else str(self.wanted)
        return f"at least {bound}" if self.op is Op.AT_LEAST else f"at most {bound}"


class Rule(NamedTuple):
    """One rule: when all its predicates (and the common ones) are satisfied, the account goes to an agency."""

    name: str
    agency: str
    tier: str
    mode: Mode
    when: tuple[Predicate, ...]


class Rules(NamedTuple):
    """A rules file, ready to decide with. ``version`` changes when the meaning of the file does, not its comments."""

    version: str
    common: tuple[Predicate, ...]
    rules: tuple[Rule, ...]

    @property
    def agencies(self) -> tuple[str, ...]:
        """Return the agencies that the rules name, each once, in order."""
        return tuple(dict.fromkeys(rule.agency for rule in self.rules))


def compile_rules(source: TomlFile) -> Rules:
    """Return the rules of a file. Raises ConfigError with all problems."""
    reader = _Reader(source)
    rules = reader.read()
    if reader.problems:
        raise ConfigError(reader.problems)
    return rules


class _Reader:
    """Reads one file; collects problems and goes on, so that a person sees all of them at once."""

    def __init__(self, source: TomlFile) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def complain(self, path: Sequence[str | int], problem: str, hint: str = "") -> None:
        self.problems.append(self.source.problem(path, problem, hint))

    def read(self) -> Rules:
        data = self.source.data
        self.check_keys((), data, ("format", "common", "rules"))
        if data.get("format") != FORMAT:
            self.complain(("format",), f"this program reads format {FORMAT}", f"write: format = {FORMAT}")
        common = self.read_common(data.get("common", {}))
        rules = self.read_rules(data.get("rules", []))
        text = json.dumps(data, sort_keys=True, default=str)
        return Rules(hashlib.sha256(text.encode()).hexdigest()[:16], common, rules)

    def check_keys(self, path: tuple[str | int, ...], table: dict[str, Any], known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                self.complain((*path, key), "unknown key", _near(key, known))

    def read_common(self, table: Any) -> tuple[Predicate, ...]:
        if not isinstance(table, dict):
            self.complain(("common",), "expected a table", "write: [common]")
            return ()
        self.check_keys(("common",), table, ("require",))
        return self.read_predicates(("common", "require"), table.get("require", []))

    def read_rules(self, tables: Any) -> tuple[Rule, ...]:
        if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
            self.complain(("rules",), "there is no rule", "add a table: [[rules]]")
            return ()
        rules = [self.read_rule(("rules", index), table) for index, table in enumerate(tables)]
        seen: set[str] = set()
        for index, rule in enumerate(rules):
            if rule.name in seen:
                self.complain(("rules", index, "name"), "another rule has this name", "names are unique")
            seen.add(rule.name)
        return tuple(rules)

    def read_rule(self, path: tuple[str | int, ...], table: dict[str, Any]) -> Rule:
        self.check_keys(path, table, ("name", "agency", "tier", "mode", "when"))
        mode = table.get("mode", Mode.AUTOMATIC.value)
        modes = [known.value for known in Mode]
        if mode not in modes:
            self.complain((*path, "mode"), "not a mode", "one of " + ", ".join(modes))
            mode = Mode.REVIEW.value
        when = self.read_predicates((*path, "when"), table.get("when", []))
        if not table.get("when"):
            self.complain((*path, "when"), "a rule needs at least one predicate", 'when = [{ fact = "...", ... }]')
        name, agency = self.read_name(path, table, "name"), self.read_name(path, table, "agency")
        tier = self.read_name(path, table, "tier") if "tier" in table else "primary"
        return Rule(name, agency, tier, Mode(mode), when)

    def read_name(self, path: tuple[str | int, ...], table: dict[str, Any], key: str) -> str:
        name = table.get(key)
        if not isinstance(name, str) or not name.strip():
            self.complain((*path, key), "a name is needed", f'write: {key} = "..."')
            return ""
        return name

    def read_predicates(self, path: tuple[str | int, ...], tables: Any) -> tuple[Predicate, ...]:
        if not isinstance(tables, list):
            self.complain(path, "expected a list of predicates", '[{ fact = "balance", at_least = "25.00" }]')
            return ()
        found = [self.read_predicate((*path, index), table) for index, table in enumerate(tables)]
        return tuple(predicate for predicate in found if predicate is not None)

    def read_predicate(self, path: tuple[str | int, ...], table: Any) -> Predicate | None:
        if not isinstance(table, dict) or not isinstance(table.get("fact"), str):
            self.complain(path, "a predicate names a fact", '{ fact = "balance", at_least = "25.00" }')
            return None
        spec = FACTS.get(table["fact"])
        if spec is None:
            self.complain((*path, "fact"), f"unknown fact {table['fact']!r}", _near(table["fact"], FACTS))
            return None
        if spec.type is FactType.LIST:
            self.complain((*path, "fact"), f"{spec.name} overrides every rule already", "leave this predicate out")
            return None
        ops = [op.value for op in _OPS[spec.type]]
        given = [key for key in table if key != "fact"]
        if len(given) != 1 or given[0] not in ops:
            problem = f"{spec.name} ({spec.type.value}) takes one comparison"
            self.complain(path, problem, "one of " + ", ".join(ops))
            return None
        try:
            return Predicate(spec, Op(given[0]), _wanted(spec, given[0], table[given[0]]))
        except _WrongValueError as wrong:
            self.complain((*path, given[0]), wrong.problem, wrong.hint)
            return None


class _WrongValueError(Exception):
    """A predicate's value does not suit its fact."""

    def __init__(self, problem: str, hint: str) -> None:
        self.problem = problem
        self.hint = hint
        super().__init__(problem)


def _wanted(spec: FactSpec, op: str, value: Any) -> Wanted:
    if spec.type is FactType.MONEY:
        return _money(spec, value)
    if spec.type is FactType.FLAG:
        if isinstance(value, bool):
            return value
        raise _WrongValueError(f"{spec.name} is true or false", "true or false, without quotes")
    if spec.type is FactType.TEXT:
        return _texts(spec, value if op == Op.IN.value else [value])
    most = MOST_DAYS if spec.type is FactType.DAYS else MOST_YEARS
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise _WrongValueError(f"{spec.name} is a whole number of {spec.type.value}", f"0 to {most}, without quotes")


def _money(spec: FactSpec, value: Any) -> Decimal:
    if isinstance(value, str):
        try:
            return parse_money(value)
        except ValueError:
            pass
    raise _WrongValueError(f"{spec.name} is dollars", 'in quotes, as "25.00"')


def _texts(spec: FactSpec, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(text, str) and text for text in value):
        raise _WrongValueError(f"{spec.name} is a text", 'is = "..." or in = ["...", "..."]')
    for text in value:
        if spec.values and text not in spec.values:
            raise _WrongValueError(f"{text!r} is not a value of {spec.name}", _near(text, spec.values))
    return tuple(value)


def _near(word: str, known: Iterable[str]) -> str:
    names = list(known)
    found = difflib.get_close_matches(word, names, 1)
    return f"did you mean {found[0]}?" if found else "one of " + ", ".join(names)
