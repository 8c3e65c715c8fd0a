"""The fields of a record -> a Python function that makes it: the hot path, a quarter of the time of the careful way.

The function is generated as text, as the standard library does for named tuples and dataclasses. It holds for messages
with the standard's delimiters and neither escapes nor nulls (``apply.is_usual``); each HL7 field is split once. No text
of a mapping file gets into the code: only numbers do, all else is bound by name.
"""

from __future__ import annotations

from typing import Any

from hl7bridge.mapping.convert import convert_field, convert_phone, convert_text
from hl7bridge.mapping.records import Record
from hl7bridge.mapping.spec import Field, Quick, Source
from hl7bridge.message.delimiters import DEFAULT


def generate_quick(record_type: type[Record], each: str | None, fields: tuple[Field, ...]) -> Quick:
    """Return the function that makes a record from ``message.fields`` and the row of its own segment, if it has one.

    It returns None when a required value is missing or a code is not in its table, and lets a converter's ValueError
    through; then ``apply`` goes the careful way, which says what is wrong.
    """
    bound: dict[str, Any] = {"make": record_type, "standard": DEFAULT}
    lines = ["def quick(fields, row):"]
    names = [f"v{position}" for position in range(len(record_type._fields))]
    lines.append(f"    {' = '.join(names)} = None")
    single = [(field, field.sources[0]) for field in fields if len(field.sources) == 1]
    by_segment: dict[tuple[str, int], dict[int, list[tuple[Field, Source]]]] = {}
    for field, source in single:
        at = source.path.segment, source.path.occurrence
        by_segment.setdefault(at, {}).setdefault(source.path.field, []).append((field, source))
    for (segment, occurrence), numbers in by_segment.items():
        lines += _open_segment(segment, occurrence, each, bound)
        for number in sorted(numbers):
            lines += _take_field(number, numbers[number], bound)
    for field in fields:
        if len(field.sources) > 1:
            for source in field.sources:
                lines.append(f"    if v{field.position} is None:")
                lines += _indent(_open_segment(source.path.segment, source.path.occurrence, each, bound))
                lines += _indent(_take_field(source.path.field, [(field, source)], bound))
    lines += [f"    if v{field.position} is None: return None" for field in fields if field.required]
    lines.append(f"    return make({', '.join(names)})")
    exec(compile("\n".join(lines), "<mapping>", "exec"), bound)  # noqa: S102  (see the first lines of this file)
    quick: Quick = bound["quick"]
    return quick


def _open_segment(segment: str, occurrence: int, each: str | None, bound: dict[str, Any]) -> list[str]:
    if segment == each:
        return ["    r = row", "    n = len(r)"]
    name = _bind(bound, segment)
    return [
        f"    rows = fields({name})",
        f"    r = rows[{occurrence - 1}] if len(rows) >= {occurrence} else ()",
        "    n = len(r)",
    ]


def _take_field(number: int, items: list[tuple[Field, Source]], bound: dict[str, Any]) -> list[str]:
    lines = [f"    if n > {number} and r[{number}]:", f"        t = r[{number}]"]
    lines += [
        f"        v{field.position} = {'t' if source.convert is convert_field else _converted(source, 't', bound)}"
        for field, source in items
        if source.is_whole
    ]
    divided = [(field, source) for field, source in items if not source.is_whole]
    by_repetition: dict[int, list[tuple[Field, Source]]] = {}
    for field, source in divided:
        by_repetition.setdefault(source.path.repetition, []).append((field, source))
    for repetition, those in by_repetition.items():
        if repetition == 1:
            lines.append("        p = (t.split('~', 1)[0] if '~' in t else t).split('^')")
        else:
            lines.append("        q = t.split('~')")
            lines.append(f"        p = q[{repetition - 1}].split('^') if len(q) >= {repetition} else ()")
        lines.append("        k = len(p)")
        for field, source in those:
            lines += _take_component(field, source, bound)
    return lines


def _take_component(field: Field, source: Source, bound: dict[str, Any]) -> list[str]:
    path = source.path
    index = (path.component or 1) - 1
    lines = [f"        if k > {index} and p[{index}]:"]
    text = f"p[{index}]"
    if path.subcomponent:
        lines.append(f"            s = {text}.split('&')")
        lines.append(f"            s = s[{path.subcomponent - 1}] if len(s) >= {path.subcomponent} else ''")
        lines.append("            if s:")
        return [
            *lines,
            f"                v{field.position} = {_converted(source, 's', bound)}",
            *_refuse(field, source, 16),
        ]
    return [*lines, f"            v{field.position} = {_converted(source, text, bound)}", *_refuse(field, source, 12)]


def _refuse(field: Field, source: Source, indent: int) -> list[str]:
    """A code that its only table does not have is for the careful way to judge."""
    if source.table is None or source.value is not None or source.table.default is not None or len(field.sources) > 1:
        return []
    return [f"{' ' * indent}if v{field.position} is None: return None"]


def _converted(source: Source, text: str, bound: dict[str, Any]) -> str:
    if source.value is not None:
        return _bind(bound, source.value)
    plain = f"{text}.strip()"
    value = plain if source.convert is convert_text else f"{_bind(bound, source.convert)}({text}, standard)"
    if source.table is not None:
        return f"{_bind(bound, source.table.codes)}.get({value}, {_bind(bound, source.table.default)})"
    if source.convert is convert_text:
        return f"{plain} or None"
    return f"{value} or None" if source.convert is convert_phone else value


def _bind(bound: dict[str, Any], value: Any) -> str:
    name = f"b{len(bound)}"
    bound[name] = value
    return name


def _indent(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
