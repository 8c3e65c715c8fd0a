"""The fields of a record -> a Python function that makes it: the hot path, a quarter of the time of the careful way.

The function is generated as text, as the standard library does for named tuples and dataclasses. It holds for fields
with the standard's delimiters and neither escapes nor nulls (``unusual``); each of them is split once. No text
of a mapping file gets into the code: only numbers do, all else is bound by name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from hl7bridge.mapping.convert import (
    Converter,
    convert_date,
    convert_field,
    convert_money,
    convert_number,
    convert_phone,
    convert_text,
)
from hl7bridge.mapping.spec import Condition, Field, Held, Quick, Reading, RecordSpec, Source
from hl7bridge.message.delimiters import DEFAULT
from hl7bridge.message.path import Path
from hl7bridge.money import ZERO

_DOLLARS: Final = re.compile(r"(\d{1,13}\.\d\d)(?:&(?:USD)?)?\Z", re.ASCII)
_Items = list[tuple[Field, Source]]
_NEVER_FAIL: Final = frozenset({convert_text, convert_field, convert_phone})


def generate_quick(spec: RecordSpec) -> Quick:
    """Return the function that makes a record from ``message.fields`` and the row of its own segment, if it has one.

    It returns None when a required value is missing or a code is not in its table, and lets a converter's ValueError
    through; then ``apply`` goes the careful way, which says what is wrong. It returns () for no record.
    """
    return _Code(spec).compiled()


class _Code:
    """The lines of one function's body, and what is bound in it by name. Every method returns lines to be indented."""

    def __init__(self, spec: RecordSpec) -> None:
        self._each = spec.each
        # What a named tuple does when it is called, without reading its arguments one by one first.
        is_record = isinstance(spec.make, type)
        self._bound: dict[str, Any] = {"make": spec.make, "new": tuple.__new__, "standard": DEFAULT}
        self._met: dict[Condition, str] = {}  # each condition is looked at once
        values = [f"v{position}" for position in range(spec.size)]
        self.lines = [f"{' = '.join(values)} = None"]
        if spec.when:
            guard = self._conditions(spec.when)
            self.lines.append(f"if not ({guard}): return ()")
        self._single([(field, field.sources[0]) for field in spec.fields if len(field.sources) == 1])
        for field in spec.fields:
            if len(field.sources) > 1:
                self._several(field)
        self.lines += [f"if v{field.position} is None: return None" for field in spec.fields if field.required]
        if spec.needs_any:
            nothing = " and ".join(f"v{position} is None" for position in spec.needs_any)
            self.lines.append(f"if {nothing}: return ()")
        listed = ", ".join(values)
        self.lines.append(f"return new(make, ({listed},))" if is_record else f"return make({listed})")

    def compiled(self) -> Quick:
        """Return the function."""
        text = "\n".join(["def quick(fields, row):", *_indent(self.lines)])
        exec(compile(text, "<mapping>", "exec"), self._bound)  # noqa: S102  (see the first lines of this file)
        quick: Quick = self._bound["quick"]
        return quick

    def _single(self, items: _Items) -> None:
        """Read the fields that have one source, each HL7 field once for all of them."""
        by_segment: dict[tuple[str, int], dict[int, _Items]] = {}
        guards = {id(source): self._conditions(source.when) for _, source in items}
        for field, source in items:
            if source.is_constant:
                self.lines += _under(guards[id(source)], [f"v{field.position} = {self._bind(source.value)}"])
            else:
                at = source.path.segment, source.path.occurrence
                by_segment.setdefault(at, {}).setdefault(source.path.field, []).append((field, source))
        for (segment, occurrence), numbers in by_segment.items():
            self.lines += self._open(segment, occurrence)
            for number in sorted(numbers):
                self.lines += self._take(number, numbers[number], guards)

    def _several(self, field: Field) -> None:
        """Read a field's sources in order, until one says something."""
        guards = {id(source): self._conditions(source.when) for source in field.sources}
        for source in field.sources:
            if source.is_constant:
                lines = [f"v{field.position} = {self._bind(source.value)}"]
            else:
                lines = self._open(source.path.segment, source.path.occurrence)
                lines += self._take(source.path.field, [(field, source)], {})
            guard = guards[id(source)]
            self.lines += _under(f"v{field.position} is None{f' and {guard}' if guard else ''}", lines)

    def _conditions(self, conditions: tuple[Condition, ...]) -> str:
        """Return the expression that all of them hold; what it reads is read before, once."""
        for condition in conditions:
            if condition not in self._met:
                name = self._met[condition] = f"w{len(self._met)}"
                self.lines += self._held_text(condition.reading)
                self.lines.append(f"{name} = {self._test(condition)}")
        return " and ".join(self._met[condition] for condition in conditions)

    def _held_text(self, reading: Reading) -> list[str]:
        """Set h to the text that a condition looks at."""
        path = reading.path
        lines = [f"t = r[{path.field}]", *self._choose(path.repetition, reading.where)]
        lines += _part(path, lambda text: [f"h = {text}.strip()"])
        return [*self._open(path.segment, path.occurrence), "h = ''", *_under(_holds(path.field), lines)]

    def _test(self, condition: Condition) -> str:
        if condition.op in {"present", "absent"}:
            return "h != ''" if condition.op == "present" else "h == ''"
        words = self._bind(condition.words)
        if condition.op == "starts_with":
            return f"h.startswith({words})"
        return f"h in {words}" if condition.op == "in" else f"h not in {words}"

    def _open(self, segment: str, occurrence: int) -> list[str]:
        """Set r to the row of a segment and n to its length."""
        if segment == self._each:
            return ["r = row", "n = len(r)"]
        return [
            f"rows = fields({self._bind(segment)})",
            f"r = rows[{occurrence - 1}] if len(rows) >= {occurrence} else ()",
            "n = len(r)",
        ]

    def _take(self, number: int, items: _Items, guards: dict[int, str]) -> list[str]:
        """Read one HL7 field for every item that it is a source of."""
        lines = [f"t = r[{number}]"]
        by_choice: dict[tuple[int, tuple[Held, ...]], _Items] = {}
        for field, source in items:
            if source.is_whole and not source.reading.where and source.path.repetition == 1:
                lines += _under(guards.get(id(source), ""), self._assign(field, source, "t"))
            else:
                choice = source.path.repetition, source.reading.where
                by_choice.setdefault(choice, []).append((field, source))
        for (repetition, where), those in by_choice.items():
            if repetition == 1 and not where and not any(source.path.component > 1 for _, source in those):
                lines += self._take_first(those, guards)
                continue
            lines += self._choose(repetition, where)
            for field, source in those:
                lines += _under(guards.get(id(source), ""), self._take_part(field, source))
        return _under(_holds(number), lines)

    def _take_first(self, items: _Items, guards: dict[int, str]) -> list[str]:
        """Read the first component of the first repetition, which is all that most fields have, without dividing it."""
        lines = []
        for field, source in items:
            at = source.path.subcomponent
            taken = self._assign(field, source, "s" if at else "f")
            if at:
                taken = [f"s = {_sub('f', at)}", *_under("s", taken)]
            lines += _under(guards.get(id(source), ""), taken)
        head = ["f = t.split('~', 1)[0] if '~' in t else t", "if '^' in f: f = f.split('^', 1)[0]"]
        return [*head, *_under("f", lines)]

    def _choose(self, repetition: int, where: tuple[Held, ...]) -> list[str]:
        """Set q to the repetition that is meant, p to its components and k to their number."""
        if where:
            tests = [
                f"len(p) >= {held.component} and {_sub(f'p[{held.component - 1}]', held.subcomponent)}.strip()"
                f" == {self._bind(held.text)}"
                for held in where
            ]
            return [
                "for q in t.split('~'):",
                "    p = q.split('^')",
                f"    if {' and '.join(tests)}: break",
                "else:",
                "    q, p = '', ()",
                "k = len(p)",
            ]
        if repetition == 1:
            lines = ["q = t.split('~', 1)[0] if '~' in t else t"]
        else:
            lines = ["q = t.split('~')", f"q = q[{repetition - 1}] if len(q) >= {repetition} else ''"]
        return [*lines, "p = q.split('^')", "k = len(p)"]

    def _take_part(self, field: Field, source: Source) -> list[str]:
        if source.is_whole:
            return _under("q", self._assign(field, source, "q"))
        return _part(source.path, lambda text: self._assign(field, source, text))

    def _assign(self, field: Field, source: Source, text: str) -> list[str]:
        name = f"v{field.position}"
        lines = [f"{name} = {self._converted(source, text)}"]
        if source.value is None and field.ignore_invalid and source.convert not in _NEVER_FAIL:
            lines = ["try:", *_indent(lines), "except ValueError:", "    pass"]
        # A code that its only table does not have is for the careful way to judge.
        is_strict = source.table is not None and source.value is None and source.table.default is None
        if is_strict and len(field.sources) == 1 and not field.ignore_invalid:
            lines.append(f"if {name} is None: return None")
        return lines

    def _converted(self, source: Source, text: str) -> str:
        if source.value is not None:
            return self._bind(source.value)
        if source.convert is convert_field:
            return text
        plain = f"{text}.strip()"
        value = plain
        if source.convert in _STANDARD:
            value = f"{self._bind(_STANDARD[source.convert])}({text})"
        elif source.convert is not convert_text:
            value = f"{self._bind(source.convert)}({text}, standard)"
        if source.table is not None:
            return f"{self._bind(source.table.codes)}.get({value}, {self._bind(source.table.default)})"
        return f"{value} or None" if source.convert in {convert_text, convert_phone} else value

    def _bind(self, value: Any) -> str:
        name = f"b{len(self._bound)}"
        self._bound[name] = value
        return name


@lru_cache(maxsize=16384)  # a text alone is found in half the time of a text with delimiters
def _standard_date(text: str) -> dt.date:
    return convert_date.__wrapped__(text, DEFAULT)


@lru_cache(maxsize=1024)  # quantities: few
def _standard_number(text: str) -> Decimal:
    return convert_number(text, DEFAULT)


def _standard_money(text: str) -> Decimal:
    """Read 150.00 and 150.00&USD at once; all else as the converter does."""
    found = _DOLLARS.match(text)
    return Decimal(found[1]) or ZERO if found else convert_money(text, DEFAULT)


# What these converters are for the standard's delimiters.
_STANDARD: Final[dict[Converter, Callable[[str], Any]]] = {
    convert_date: _standard_date,
    convert_number: _standard_number,
    convert_money: _standard_money,
}


def _holds(number: int) -> str:
    return f"n > {number} and r[{number}]"


def _part(path: Path, use: Callable[[str], list[str]]) -> list[str]:
    """Return what uses a component's or subcomponent's text, when there is one."""
    index = (path.component or 1) - 1
    lines = use("s") if path.subcomponent else use(f"p[{index}]")
    if path.subcomponent:
        at = path.subcomponent
        if at == 1:
            divided = [f"s = p[{index}]", "if '&' in s: s = s.split('&', 1)[0]"]
        else:
            divided = [f"s = p[{index}].split('&')", f"s = s[{at - 1}] if len(s) >= {at} else ''"]
        lines = [*divided, *_under("s", lines)]
    return _under(f"k > {index} and p[{index}]", lines)


def _sub(text: str, subcomponent: int) -> str:
    """Return the expression of a subcomponent's text; one that is not there holds nothing."""
    if subcomponent == 1:
        return f"{text}.split('&', 1)[0]"
    return f"''.join({text}.split('&')[{subcomponent - 1}:{subcomponent}])"


def _under(guard: str, lines: list[str]) -> list[str]:
    """Return lines under a condition, or as they are when there is none."""
    return [f"if {guard}:", *_indent(lines)] if guard else lines


def _indent(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
