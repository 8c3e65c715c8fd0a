"""What a compiled mapping is: which events make which records, and where each field of a record comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hl7bridge.mapping.convert import Converter
from hl7bridge.mapping.records import Record
from hl7bridge.message.path import Path

MAPPING_FORMAT = 1


class Table(NamedTuple):
    """Codes of the sender -> values of ours. ``default`` is for codes not listed; None refuses them."""

    name: str
    codes: dict[str, str]
    default: str | None


class Source(NamedTuple):
    """One place a value may come from."""

    path: Path
    convert: Converter
    is_whole: bool  # the converter takes the whole field
    table: Table | None
    value: Any  # a fixed value, as the field holds it, taken when the path holds anything; None reads the path


class Field(NamedTuple):
    """One field of a record: its sources in order, and what is said of a value that is missing or wrong."""

    name: str
    position: int
    sources: tuple[Source, ...]
    required: bool
    ignore_invalid: bool
    line: int


Quick = Callable[[Callable[[str], list[list[str]]], list[str] | None], Record | None]


class RecordSpec(NamedTuple):
    """How one kind of record is made: once a message, or once for each segment named ``each``.

    ``quick`` is generated from ``fields``: it makes the record of a message with nothing unusual in it, and returns
    None, or raises ValueError, when the careful way has to be taken.
    """

    kind: str
    type: type[Record]
    each: str | None
    fields: tuple[Field, ...]
    quick: Quick


class Mapping(NamedTuple):
    """A compiled mapping file. ``events``: (type, event) -> its records, and whether each may be left out."""

    name: str
    events: dict[tuple[str, str], tuple[tuple[RecordSpec, bool], ...]]
    types: frozenset[str]
    keeps: dict[str, tuple[int, ...]]  # every field that the mapping names, by segment
    lines: dict[str, int]  # ``account.number`` -> line in the file, for provenance
