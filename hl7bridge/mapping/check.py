"""A mapping file -> every problem that can be told of it in one run: mistakes, examples, what nothing uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from hl7bridge.errors import ConfigError, MessageError, Problem
from hl7bridge.mapping.apply import At, are_met, first_of, sent_at
from hl7bridge.mapping.compile import compile_parts, sort_problems
from hl7bridge.mapping.context import misspelt, parse_event
from hl7bridge.mapping.examples import check_examples, parse_example
from hl7bridge.mapping.layers import MappingFile, ReadText, gather, no_other_files
from hl7bridge.mapping.readings import read_part
from hl7bridge.mapping.spec import Field, Mapping, RecordSpec
from hl7bridge.mapping.unreached import find_unreached
from hl7bridge.mapping.vocabulary import SIGNALS_KIND
from hl7bridge.message.model import Message
from hl7bridge.tomlfile import TomlFile


class Checked(NamedTuple):
    """What came of a mapping file. ``mapping`` is None when it cannot be used; ``read`` is what could be read of it."""

    mapping: Mapping | None
    read: Mapping | None
    file: MappingFile | None
    problems: list[Problem]


def check_mapping(file: TomlFile, read: ReadText = no_other_files) -> Checked:
    """Compile a mapping, run its examples, and look for what no message can ever use."""
    try:
        gathered = gather(file, read)
    except ConfigError as error:
        return Checked(None, None, None, list(error.problems))
    compiled = compile_parts(gathered)
    problems = compiled.problems[:]
    is_usable = not problems
    if is_usable:
        problems += check_examples(compiled.mapping, gathered)
        problems += _missing_codes(compiled.mapping, gathered)
    else:
        problems += _examples_of_no_event(gathered)
    problems += _unused_tables(gathered)
    problems += find_unreached(gathered, compiled.specs, [message for _, _, message in _examples(gathered)])
    problems = sort_problems(dict.fromkeys(problems), gathered.file)
    return Checked(compiled.mapping if is_usable else None, compiled.mapping, gathered, problems)


def _examples(file: MappingFile) -> Iterator[tuple[int, dict[str, Any], Message]]:
    """Yield the examples that have a message which can be read."""
    examples = file.data.get("examples")
    for number, example in enumerate(examples if isinstance(examples, list) else ()):
        if isinstance(example, dict) and isinstance(example.get("message"), str):
            try:
                yield number, example, parse_example(example)
            except MessageError:
                continue


def _examples_of_no_event(file: MappingFile) -> Iterator[Problem]:
    """Look for examples that no event takes, in a file that cannot be compiled: the others have to wait."""
    events = file.data.get("events")
    known = {parse_event(name) for name in events} if isinstance(events, dict) else set()
    for number, _, message in _examples(file):
        is_taken = (message.message_type, message.trigger_event) in known
        if not is_taken and not file.is_inherited("examples", number):
            yield file.problem(("examples", number), "no event of this mapping takes the message", "see [events]")


def _unused_tables(file: MappingFile) -> Iterator[Problem]:
    tables = file.data.get("tables")
    if isinstance(tables, dict):
        used = set(_table_names({key: value for key, value in file.data.items() if key not in ("tables", "examples")}))
        for name in tables.keys() - used - misspelt(used, tables):
            if file.place(("tables", name)).file == file.file:  # one that a base uses may be of no use to the site
                yield file.problem(("tables", name), "no field uses this table", f'table = "{name}", or remove it')


def _table_names(data: Any) -> Iterator[str]:
    """Yield every name of a table that the records and signals of a file give."""
    if isinstance(data, dict):
        if isinstance(data.get("table"), str):
            yield data["table"]
        for value in data.values():
            yield from _table_names(value)
    elif isinstance(data, list):
        for value in data:
            yield from _table_names(value)


def _missing_codes(mapping: Mapping, file: MappingFile) -> Iterator[Problem]:
    """Look for codes in examples that leave a field empty because no table lists them.

    A code that refuses its example is told there; of signals, codes that are not listed tell nothing.
    """
    for number, _, message in _examples(file):
        for spec, _ in mapping.events.get((message.message_type, message.trigger_event), ()):
            rows = (None,) if spec.each is None else message.fields(spec.each)
            for occurrence, row in enumerate(rows, 1):
                at = At(message.fields, row, {spec.each or "": occurrence}, message.delimiters)
                is_made = spec.kind != SIGNALS_KIND and are_met(spec.when, spec.each, at)
                for field in spec.fields if is_made else ():
                    yield from _missing_codes_of(spec, field, at, file, number)


def _missing_codes_of(spec: RecordSpec, field: Field, at: At, file: MappingFile, number: int) -> Iterator[Problem]:
    try:
        if first_of(spec, field, at) is not None:
            return
    except MessageError:
        return
    for source in field.sources:
        if source.table is None or source.value is not None or not are_met(source.when, spec.each, at):
            continue
        text = sent_at(source.path, spec.each, at)
        sent = read_part(source.reading, text, at.delimiters) if text else ""
        if sent.strip() and source.table.name in file.data.get("tables", {}):
            problem = f"examples[{number + 1}] has a code at {source} that is not listed: {field.key} stays empty"
            yield file.problem(("tables", source.table.name), problem, 'add it, or "*" for every code not listed')
