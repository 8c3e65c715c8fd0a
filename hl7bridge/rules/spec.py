"""A rules file (TOML) -> frozen Rules, with every mistake named ``file:line: key: problem (hint)``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple

from hl7bridge.errors import ConfigError
from hl7bridge.rules.facts import FACTS
from hl7bridge.rules.facts_payer import KINDS
from hl7bridge.rules.holds import HOLDS, Action
from hl7bridge.rules.spec_allocation import Allocation, read_allocations
from hl7bridge.rules.spec_conditions import Condition, Group, Joint, Op, Predicate, predicates_of
from hl7bridge.rules.spec_dates import Dates, read_dates
from hl7bridge.rules.spec_examples import Example, read_examples
from hl7bridge.rules.spec_reader import Reader, WhereInFile
from hl7bridge.tomlfile import TomlFile

__all__ = [
    "Action",
    "Allocation",
    "Condition",
    "Dates",
    "Example",
    "Group",
    "Joint",
    "Mode",
    "Op",
    "Predicate",
    "Rule",
    "Rules",
    "compile_rules",
    "predicates_of",
]
FORMAT: Final = 1
ANY_SEQUENCE: Final = "any"
MOST_SEQUENCE: Final = 99
OFF: Final = "off"
EXAMPLES: Final = "examples"
KEYS: Final = ("format", "common", "rules", "allocations", "holds", "dates", "payer_kinds", EXAMPLES)
RULE_KEYS: Final = (
    "name", "agency", "allocation", "tier", "mode", "sequence", "minimum", "guarantor_minimum", "when",
)  # fmt: skip


class Mode(Enum):
    """What becomes of an eligible account: queued for the agency, or kept for a person to approve."""

    AUTOMATIC = "automatic"
    REVIEW = "review"


class Rule(NamedTuple):
    """One rule: when all its conditions (and the common ones) are satisfied, the account goes to an agency.

    ``agency`` is "" when an ``allocation`` says which. ``sequence`` is which placement of the account it makes, None
    for any. A rule's minimums are among its conditions.
    """

    name: str
    agency: str
    tier: str
    mode: Mode
    when: tuple[Condition, ...]
    allocation: str = ""
    sequence: int | None = 1


class Rules(NamedTuple):
    """A rules file, ready to decide with. ``version`` changes when the meaning of the file does, not its comments.

    ``holds`` has the action of each hold that the file changes, None when it is off; ``payer_kinds`` the site's own
    codes (IN1-15).
    """

    version: str
    common: tuple[Condition, ...]
    rules: tuple[Rule, ...]
    allocations: tuple[Allocation, ...] = ()
    dates: Dates = Dates()
    holds: Mapping[str, Action | None] = {}
    payer_kinds: Mapping[str, str] = {}
    examples: tuple[Example, ...] = ()

    @property
    def agencies(self) -> tuple[str, ...]:
        """Return the agencies that the rules and allocations name, each once, in order."""
        return tuple(dict.fromkeys(name for _, name in self.named_agencies if name))

    @property
    def named_agencies(self) -> tuple[tuple[WhereInFile, str], ...]:
        """Return each place of the file that names an agency, with the name."""
        rules = [(("rules", index, "agency"), rule.agency) for index, rule in enumerate(self.rules) if rule.agency]
        shares = [
            (("allocations", index, "shares", number, "agency"), share.agency)
            for index, allocation in enumerate(self.allocations)
            for number, share in enumerate(allocation.shares)
        ]
        return (*rules, *shares)

    def allocation(self, name: str) -> Allocation:
        """Return an allocation by its name, as a rule of this file names it."""
        return next(each for each in self.allocations if each.name == name)


def compile_rules(source: TomlFile) -> Rules:
    """Return the rules of a file. Raises ConfigError with all problems."""
    reader = Reader(source)
    rules = _read(reader)
    if reader.problems:
        raise ConfigError(reader.problems)
    return rules


def _read(reader: Reader) -> Rules:
    data = reader.source.data
    reader.check_keys((), data, KEYS)
    if data.get("format") != FORMAT:
        reader.complain(("format",), f"this program reads format {FORMAT}", f"write: format = {FORMAT}")
    common = _read_common(reader, data.get("common", {}))
    allocations = read_allocations(reader, data.get("allocations", []))
    rules = _read_rules(reader, data.get("rules", []))
    _check_allocations(reader, rules, allocations)
    text = json.dumps({key: value for key, value in data.items() if key != EXAMPLES}, sort_keys=True, default=str)
    return Rules(
        hashlib.sha256(text.encode()).hexdigest()[:16],
        common,
        rules,
        allocations,
        read_dates(reader, data.get("dates", {})),
        _read_holds(reader, data.get("holds", {})),
        _read_payer_kinds(reader, data.get("payer_kinds", {})),
        read_examples(reader, data.get(EXAMPLES, []), [rule.name for rule in rules]),
    )


def _read_common(reader: Reader, table: Any) -> tuple[Condition, ...]:
    if not isinstance(table, dict):
        reader.complain(("common",), "expected a table", "write: [common]")
        return ()
    reader.check_keys(("common",), table, ("require",))
    return reader.read_conditions(("common", "require"), table.get("require", []))


def _read_rules(reader: Reader, tables: Any) -> tuple[Rule, ...]:
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        reader.complain(("rules",), "there is no rule", "add a table: [[rules]]")
        return ()
    rules = [_read_rule(reader, ("rules", index), table) for index, table in enumerate(tables)]
    reader.check_names("rules", "rule", (rule.name for rule in rules))
    return tuple(rules)


def _read_rule(reader: Reader, path: WhereInFile, table: dict[str, Any]) -> Rule:
    reader.check_keys(path, table, RULE_KEYS)
    mode = table.get("mode", Mode.AUTOMATIC.value)
    modes = [known.value for known in Mode]
    if mode not in modes:
        reader.complain((*path, "mode"), "not a mode", "one of " + ", ".join(modes))
        mode = Mode.REVIEW.value
    when = reader.read_conditions((*path, "when"), table.get("when", []))
    if not table.get("when"):
        reader.complain((*path, "when"), "a rule needs at least one predicate", 'when = [{ fact = "...", ... }]')
    name = reader.read_name(path, table, "name")
    agency, allocation = _read_goal(reader, path, table)
    tier = reader.read_name(path, table, "tier") if "tier" in table else "primary"
    least = _minimum(reader, path, table, "minimum", "balance")
    of_guarantor = _minimum(reader, path, table, "guarantor_minimum", "guarantor_balance")
    when = (*least, *of_guarantor, *when)
    return Rule(name, agency, tier, Mode(mode), when, allocation, _read_sequence(reader, path, table))


def _read_goal(reader: Reader, path: WhereInFile, table: dict[str, Any]) -> tuple[str, str]:
    """Return the agency or the allocation, and "" for the other."""
    if "allocation" not in table:
        return reader.read_name(path, table, "agency"), ""
    if "agency" in table:
        reader.complain((*path, "allocation"), "an agency and an allocation: one of them", "leave one out")
    return "", reader.read_name(path, table, "allocation")


def _minimum(reader: Reader, path: WhereInFile, table: dict[str, Any], key: str, fact: str) -> tuple[Predicate, ...]:
    least: Decimal | None = reader.read_money(path, table, key)
    return () if least is None else (Predicate(FACTS[fact], Op.AT_LEAST, least),)


def _read_sequence(reader: Reader, path: WhereInFile, table: dict[str, Any]) -> int | None:
    value = table.get("sequence", 1)
    if value == ANY_SEQUENCE:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SEQUENCE:
        return value
    hint = f'1 for a first placement, 2 after a return, up to {MOST_SEQUENCE}, or "{ANY_SEQUENCE}"'
    reader.complain((*path, "sequence"), "not a sequence", hint)
    return 1


def _check_allocations(reader: Reader, rules: tuple[Rule, ...], allocations: tuple[Allocation, ...]) -> None:
    names = [each.name for each in allocations]
    for index, rule in enumerate(rules):
        if rule.allocation and rule.allocation not in names:
            hint = reader.near(rule.allocation, names) if names else "add a table: [[allocations]]"
            reader.complain(("rules", index, "allocation"), f'no allocation is named "{rule.allocation}"', hint)


def _read_holds(reader: Reader, table: Any) -> dict[str, Action | None]:
    if not isinstance(table, dict):
        reader.complain(("holds",), "expected a table", "write: [holds]")
        return {}
    found: dict[str, Action | None] = {}
    for name, value in table.items():
        spec = HOLDS.get(name)
        if spec is None:
            reader.complain(("holds", name), "there is no such hold", reader.near(name, HOLDS))
            continue
        words = [*(action.value for action in Action), *([OFF] if spec.may_be_off else [])]
        if value not in words:
            problem = f"{name} cannot be turned off" if value == OFF else "not an action"
            reader.complain(("holds", name), problem, "one of " + ", ".join(words))
            continue
        found[name] = None if value == OFF else Action(value)
    return found


def _read_payer_kinds(reader: Reader, table: Any) -> dict[str, str]:
    """Return the kind of payer of each code, in capitals."""
    if not isinstance(table, dict):
        reader.complain(("payer_kinds",), "expected a table", 'write: [payer_kinds] then medicare = ["MCR"]')
        return {}
    found: dict[str, str] = {}
    for kind, codes in table.items():
        path = ("payer_kinds", kind)
        if kind not in KINDS:
            reader.complain(path, "not a kind of payer", reader.near(kind, KINDS))
        elif not isinstance(codes, list) or not all(isinstance(code, str) and code.strip() for code in codes):
            reader.complain(path, "expected a list of codes", f'{kind} = ["..."]')
        else:
            found |= {code.strip().upper(): kind for code in codes}
    return found
