"""A site's own list of what a feed must, may and must not send (TOML) -> a compiled Profile -> findings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from hl7bridge.errors import ConfigError, Location, Problem
from hl7bridge.message.definitions import is_known, other_versions, segment_fields, segment_versions
from hl7bridge.message.findings import Finding, Rule
from hl7bridge.message.model import Empty, Message
from hl7bridge.message.path import Path, parse_path
from hl7bridge.message.segment_names import segment_name
from hl7bridge.tomlfile import TomlFile

PROFILE_FORMAT: Final = 1
TOP_KEYS: Final = frozenset({"format", "name", "require", "allow", "forbid"})
RULE_KEYS: Final = {
    "require": frozenset({"messages", "paths"}),
    "allow": frozenset({"messages", "path", "values"}),
    "forbid": frozenset({"messages", "paths"}),
}
_RULES: Final = {
    "require": Rule.PROFILE_MISSING,
    "allow": Rule.PROFILE_VALUE,
    "forbid": Rule.PROFILE_FORBIDDEN,
}
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
_EVENT = re.compile(r"[A-Z]{3}(?:\^[A-Z][A-Z0-9]{2})?", re.ASCII)
_MOST_NAMED: Final = 12  # allowed values in a finding


class Target(NamedTuple):
    """A segment, or with ``path`` a value in it; in every occurrence and repetition unless the file names one."""

    text: str
    segment: str
    path: Path | None
    each_occurrence: bool
    each_repetition: bool


class Demand(NamedTuple):
    """One thing that the profile says of one target; ``messages`` as ``ADT^A01`` or ``DFT``, none for all."""

    rule: Rule
    messages: frozenset[str]
    target: Target
    values: tuple[str, ...]

    def applies_to(self, kind: str, event: str) -> bool:
        """Return whether it speaks of messages of this type and event."""
        return not self.messages or kind in self.messages or f"{kind}^{event}" in self.messages


class Profile(NamedTuple):
    """What a site wants of a feed, in the order of its file."""

    name: str
    demands: tuple[Demand, ...]


def check_profile(profile: Profile, message: Message, version: str) -> list[Finding]:
    """Return what a message does not do that the profile wants; names of fields are those of ``version``."""
    found: list[Finding] = []
    for demand in profile.demands:
        if demand.applies_to(message.message_type, message.trigger_event):
            found += _check_demand(demand, message, version)
    return found


def _check_demand(demand: Demand, message: Message, version: str) -> Iterator[Finding]:
    target = demand.target
    count = message.count(target.segment)
    is_required = demand.rule is Rule.PROFILE_MISSING
    if target.path is None:
        if is_required != bool(count):
            yield Finding(target.segment, segment_name(target.segment), demand.rule)
        return
    name = _field_name(target.path, version)
    numbers = range(1, count + 1) if target.each_occurrence else (target.path.occurrence,)
    for number in numbers or (1,):
        path = target.path._replace(occurrence=number)
        if is_required:
            if not _text(message, path):
                yield Finding(str(path), name, demand.rule)
            continue
        for each in _repetitions(message, path) if target.each_repetition else (path,):
            text = _text(message, each)
            if text and text not in demand.values:
                yield Finding(str(each), name, demand.rule, _choices(demand.values))


def _text(message: Message, path: Path) -> str:
    """Return a value; "" for none, for HL7's null, and for delimiters with nothing between them."""
    value = message.get(path)
    return "" if isinstance(value, Empty) or not value.strip("".join(message.delimiters) + " ") else value


def _repetitions(message: Message, path: Path) -> Iterator[Path]:
    segments = message.fields(path.segment)
    fields = segments[path.occurrence - 1] if path.occurrence <= len(segments) else []
    text = fields[path.field] if path.field < len(fields) else ""
    for number in range(1, text.count(message.delimiters.repetition) + 2):
        yield path._replace(repetition=number)


def _field_name(path: Path, version: str) -> str:
    part = (segment_fields(path.segment, version) or {}).get(path.field)
    part = part or other_versions(path.segment, path.field, version)[0]
    return part.name if part else ""


def _choices(values: tuple[str, ...]) -> str:
    """Return the values that the profile allows, as the file has them; a long list is cut."""
    if not values:
        return ""
    more = ", ..." if len(values) > _MOST_NAMED else ""
    return "one of " + ", ".join(values[:_MOST_NAMED]) + more


# ---- compiling ------------------------------------------------------------------------------------------------------


def compile_profile(file: TomlFile) -> Profile:
    """Return the profile of a file. Raises ConfigError with every problem found."""
    problems: list[Problem] = []
    data = file.data
    problems += _unknown_keys(file, (), data, TOP_KEYS)
    if data.get("format") != PROFILE_FORMAT:
        hint = f"this release reads profile format {PROFILE_FORMAT}"
        problems.append(file.problem(("format",), f"expected {PROFILE_FORMAT}", hint))
    name = data.get("name", "")
    if not isinstance(name, str):
        problems.append(file.problem(("name",), "expected a name", 'for example name = "GOODHOPE feed"'))
    demands: list[Demand] = []
    for kind in RULE_KEYS:
        demands += _compile_tables(file, kind, problems)
    if not demands and not problems:
        problems.append(file.problem((), "it wants nothing", "write [[require]], [[allow]] or [[forbid]]"))
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    return Profile(name, tuple(demands))


def _unknown_keys(
    file: TomlFile, path: tuple[str | int, ...], data: dict[str, Any], known: frozenset[str]
) -> Iterator[Problem]:
    for key in data:
        if key not in known:
            yield file.problem((*path, key), "unknown key", "known: " + ", ".join(sorted(known)))


def _compile_tables(file: TomlFile, kind: str, problems: list[Problem]) -> list[Demand]:
    tables = file.data.get(kind, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.append(file.problem((kind,), "expected a list of tables", f"[[{kind}]]"))
        return []
    demands: list[Demand] = []
    for index, table in enumerate(tables):
        at = (kind, index)
        problems += _unknown_keys(file, at, table, RULE_KEYS[kind])
        messages = _compile_messages(file, at, table, problems)
        values = _compile_values(file, at, table, problems) if kind == "allow" else ()
        texts = (
            _texts(table.get("path"), is_list=False) if kind == "allow" else _texts(table.get("paths"), is_list=True)
        )
        key = "path" if kind == "allow" else "paths"
        if not texts:
            what = "expected a path" if kind == "allow" else "expected a list of paths"
            hint = 'path = "FT1-6"' if kind == "allow" else 'paths = ["PID-3.1"]'
            problems.append(file.problem((*at, key), what, hint))
        for text in texts:
            try:
                target = _compile_target(text, with_segments=kind != "allow")
            except ValueError as error:
                problems.append(file.problem((*at, key), str(error), "as PID-18.1, FT1[2]-11 or PID-3(2).4"))
            else:
                demands.append(Demand(_RULES[kind], messages, target, values))
    return demands


def _compile_messages(
    file: TomlFile, at: tuple[str | int, ...], table: dict[str, Any], problems: list[Problem]
) -> frozenset[str]:
    if "messages" not in table:
        return frozenset()
    texts = _texts(table["messages"], is_list=True)
    if not texts or not all(map(_EVENT.fullmatch, texts)):
        hint = 'messages = ["ADT^A01", "DFT"]; leave it out for all messages'
        problems.append(file.problem((*at, "messages"), "expected a list of message types", hint))
    return frozenset(texts)


def _compile_values(
    file: TomlFile, at: tuple[str | int, ...], table: dict[str, Any], problems: list[Problem]
) -> tuple[str, ...]:
    values = _texts(table.get("values"), is_list=True)
    if not values:
        problems.append(file.problem((*at, "values"), "expected a list of texts", 'values = ["CG", "PY"]'))
    return values


def _texts(value: Any, *, is_list: bool) -> tuple[str, ...]:
    """Return the texts of a value as the file has it; () for anything else."""
    texts = value if is_list else [value]
    return tuple(texts) if isinstance(texts, list) and all(isinstance(text, str) for text in texts) else ()


def _compile_target(text: str, *, with_segments: bool) -> Target:
    """Return what a text of the file names; ValueError when it is no place in any version of HL7."""
    if with_segments and _SEGMENT.fullmatch(text):
        if not text.startswith("Z") and not segment_versions(text):
            raise ValueError(f"{text} is not a segment of any version of HL7")
        return Target(text, text, None, each_occurrence=True, each_repetition=True)
    path = parse_path(text)
    if not is_known(path.segment, path.field):
        raise ValueError(f"{Location(path.segment, field=path.field)} is not a field of any version of HL7")
    return Target(text, path.segment, path, "[" not in text, "(" not in text)
