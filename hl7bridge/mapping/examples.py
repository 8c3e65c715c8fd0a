"""The examples inside a mapping file, run: each message through its own mapping, against what the file expects."""

from __future__ import annotations

import re
from typing import Any, Final

from hl7bridge.errors import MessageError, Problem
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.records import NULL, RECORD_TYPES, Records
from hl7bridge.mapping.spec import Mapping
from hl7bridge.message.parse import parse_message
from hl7bridge.tomlfile import TomlFile

_KEY: Final = re.compile(r"(\w+)(?:\[(\d+)\])?(?:\.(\w+))?\Z")


def check_examples(mapping: Mapping, file: TomlFile) -> list[Problem]:
    """Return a problem for each expectation of the file's examples that its mapping does not meet."""
    problems: list[Problem] = []
    examples = file.data.get("examples", [])
    if not isinstance(examples, list):
        return [file.problem(("examples",), "expected a list", "[[examples]]")]
    for number, example in enumerate(examples):
        problems += _check_example(mapping, file, number, example)
    return problems


def _check_example(mapping: Mapping, file: TomlFile, number: int, example: Any) -> list[Problem]:
    at = ("examples", number)
    if not isinstance(example, dict) or not isinstance(example.get("message"), str):
        return [file.problem(at, "an example needs a message", "message = '''MSH|...'''")]
    expect = example.get("expect")
    if not isinstance(expect, dict) or not expect:
        return [file.problem(at, "an example needs what it expects", '[examples.expect] then "account.number" = "1"')]
    try:
        records = apply_mapping(mapping, parse_message(example["message"].strip().encode()))
    except MessageError as error:
        return _check_refusal(file, at, expect.get("refused"), error)
    if "refused" in expect:
        where = expect["refused"]
        return [file.problem((*at, "expect", "refused"), f"accepted, expected to be refused at {where}")]
    if records is None:
        return [file.problem(at, "no event of this mapping takes the message", "see [events]")]
    found = (_check_value(file, (*at, "expect", key), records, key, wanted) for key, wanted in expect.items())
    return [problem for problem in found if problem is not None]


def _check_refusal(file: TomlFile, at: tuple[str | int, ...], wanted: Any, error: MessageError) -> list[Problem]:
    if wanted is None:
        return [file.problem(at, f"refused at {error.location}: {error.text}", "mend the mapping or the example")]
    if str(error.location) != wanted:
        return [file.problem((*at, "expect", "refused"), f"refused at {error.location}, expected {wanted}")]
    return []


def _check_value(file: TomlFile, at: tuple[str | int, ...], records: Records, key: str, wanted: Any) -> Problem | None:
    match = _KEY.match(key)
    if match is None or match[1] not in RECORD_TYPES:
        return file.problem(at, "not a record or field", '"account.number", "entry[2].amount" or entry = 2')
    kind, index, name = match[1], int(match[2] or 1), match[3]
    made = _of_kind(records, kind)
    if name is None:
        return None if len(made) == wanted else file.problem(at, f"made {len(made)}, expected {wanted}")
    if name not in RECORD_TYPES[kind]._fields:
        return file.problem(at, f"{kind} has no field {name}")
    if not 1 <= index <= len(made):
        return file.problem(at, f"made {len(made)} of {kind}")
    found = getattr(made[index - 1], name)
    text = "" if found is None else str(NULL.value if found is NULL else found)
    return None if text == str(wanted) else file.problem(at, f"found {text!r}, expected {str(wanted)!r}")


def _of_kind(records: Records, kind: str) -> tuple[Any, ...]:
    if kind == "patient":
        return () if records.patient is None else (records.patient,)
    if kind == "account":
        return () if records.account is None else (records.account,)
    return {"guarantor": records.guarantors, "coverage": records.coverages, "entry": records.entries}[kind]
