"""The examples inside a mapping file, run: each message through its own mapping, against what the file expects."""

from __future__ import annotations

import re
from typing import Any, Final

from hl7bridge.errors import TABLE_VALUE, MessageError, Problem
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.layers import MappingFile
from hl7bridge.mapping.records import NULL, RECORD_TYPES, Records, Signal
from hl7bridge.mapping.signal_names import SIGNALS
from hl7bridge.mapping.spec import Mapping
from hl7bridge.mapping.vocabulary import EXAMPLE_KEYS, KINDS, SIGNALS_KIND
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message
from hl7bridge.tomlfile import KeyPath, TomlFile

_KEY: Final = re.compile(r"(\w+)(?:\[(\d+)\])?(?:\.(\w+))?\Z")
_FORMS: Final = '"account.number", "entry[2].amount" or entry = 2'
_INHERITED: Final = "mend it, or leave them out with inherit_examples = false and give examples of your own"
AnyFile = MappingFile | TomlFile


def check_examples(mapping: Mapping, file: AnyFile) -> list[Problem]:
    """Return a problem for each expectation of the file's examples that its mapping does not meet."""
    problems: list[Problem] = []
    examples = file.data.get("examples", [])
    if not isinstance(examples, list):
        return [file.problem(("examples",), "expected a list", "[[examples]]")]
    inherited: list[Problem] = []  # the first of each example
    for number, example in enumerate(examples):
        is_inherited = isinstance(file, MappingFile) and file.is_inherited("examples", number)
        found = _check_example(mapping, file, number, example, is_inherited=is_inherited)
        if is_inherited:
            inherited += found[:1]
        else:
            problems += found
    return problems + ([_not_met(file, inherited)] if inherited else [])


def _not_met(file: AnyFile, inherited: list[Problem]) -> Problem:
    """Return one problem for all inherited examples that are not met: where the file says that it inherits them."""
    first = inherited[0]
    count = "an inherited example is" if len(inherited) == 1 else f"{len(inherited)} inherited examples are"
    what = f"{count} not met, first {first.file}:{first.line}: {first.key}: {first.problem}"
    return file.problem(("extends",), what, _INHERITED)


def _check_example(mapping: Mapping, file: AnyFile, number: int, example: Any, *, is_inherited: bool) -> list[Problem]:
    at = ("examples", number)
    if not isinstance(example, dict) or not isinstance(example.get("message"), str):
        return [file.problem(at, "an example needs a message", "message = '''MSH|...'''")]
    expect = example.get("expect")
    if not isinstance(expect, dict) or not expect:
        return [file.problem(at, "an example needs what it expects", '[examples.expect] then "account.number" = "1"')]
    known = ", ".join(sorted(EXAMPLE_KEYS))
    problems = [
        file.problem((*at, key), "unknown key", f"known: {known}") for key in example if key not in EXAMPLE_KEYS
    ]
    return problems + _check_outcome(mapping, file, at, example, is_inherited=is_inherited)


def _check_outcome(
    mapping: Mapping, file: AnyFile, at: KeyPath, example: dict[str, Any], *, is_inherited: bool
) -> list[Problem]:
    expect = example["expect"]
    try:
        records = apply_mapping(mapping, parse_example(example))
    except MessageError as error:
        return _check_refusal(file, at, expect.get("refused"), error)
    if records is None and is_inherited:  # the site took the event away, and with it the base's examples of it
        return []
    if "refused" in expect:
        where = expect["refused"]
        return [file.problem((*at, "expect", "refused"), f"accepted, expected to be refused at {where}")]
    if records is None:
        return [file.problem(at, "no event of this mapping takes the message", "see [events]")]
    found = (_check_value(file, (*at, "expect", key), records, key, wanted) for key, wanted in expect.items())
    return [problem for problem in found if problem is not None]


def parse_example(example: dict[str, Any]) -> Message:
    """Return the message of an example that has one. Raises MessageError."""
    return parse_message(str(example["message"]).strip().encode())


def _check_refusal(file: AnyFile, at: KeyPath, wanted: Any, error: MessageError) -> list[Problem]:
    if wanted is None:
        hint = "mend the mapping or the example"
        if error.error is TABLE_VALUE:
            hint = 'add the code to the table, "*" for every code that is not listed, or mend the example'
        return [file.problem(at, f"refused at {error.location}: {error.text}", hint)]
    if str(error.location) != wanted:
        return [file.problem((*at, "expect", "refused"), f"refused at {error.location}, expected {wanted}")]
    return []


def _check_value(file: AnyFile, at: KeyPath, records: Records, key: str, wanted: Any) -> Problem | None:
    match = _KEY.match(key)
    kind = match[1] if match is not None else ""
    if match is None or kind not in KINDS:
        return file.problem(at, "not a record or field", _FORMS)
    index, name = int(match[2] or 1), match[3]
    made = _of_kind(records, kind)
    if name is None:
        return None if len(made) == wanted else file.problem(at, f"made {len(made)}, expected {wanted}")
    if kind == SIGNALS_KIND and name in SIGNALS:
        found = next((signal.value for signal in made if signal.name == name), None)
    elif name not in (Signal if kind == SIGNALS_KIND else RECORD_TYPES[kind])._fields:
        return file.problem(at, f"{kind} has no field {name}")
    elif not 1 <= index <= len(made):
        return file.problem(at, f"made {len(made)} of {kind}")
    else:
        found = getattr(made[index - 1], name)
    text, expected = _text(found), _text(wanted)
    return None if text == expected else file.problem(at, f"found {text!r}, expected {expected!r}")


def _text(value: Any) -> str:
    """Return a value as an example writes it: a flag is yes or no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(NULL.value if value is NULL else value)


def _of_kind(records: Records, kind: str) -> tuple[Any, ...]:
    single: dict[str, Any] = {"patient": records.patient, "account": records.account, "balance": records.balance}
    if kind in single:
        return () if single[kind] is None else (single[kind],)
    return {
        "guarantor": records.guarantors,
        "coverage": records.coverages,
        "entry": records.entries,
        "identity": records.identities,
        SIGNALS_KIND: records.signals,
    }[kind]
