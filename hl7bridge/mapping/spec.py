"""What a compiled mapping is: which events make which records, and where each field of a record comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from hl7bridge.mapping.convert import Converter
from hl7bridge.mapping.outbound import Outbound
from hl7bridge.message.path import Path
from hl7bridge.tomlfile import KeyPath

MAPPING_FORMAT: Final = 1
NOWHERE: Final = Path("", 1, 0)  # the path of a constant
Event = tuple[str, str]  # message type and trigger event


class Place(NamedTuple):
    """Where a key stands: the file, which may be one that the mapping extends, and the line."""

    file: str
    line: int

    def __str__(self) -> str:
        """Return ``file:line``."""
        return f"{self.file}:{self.line}"


class Table(NamedTuple):
    """Codes of the sender -> values of ours. ``default`` is for codes not listed; None refuses them."""

    name: str
    codes: dict[str, Any]
    default: Any


class Held(NamedTuple):
    """What a repetition must hold to be the one that a path means: ``5 = 'MR'``."""

    component: int
    subcomponent: int
    text: str


class Reading(NamedTuple):
    """A path, and what the repetition holds that it means; with no ``where`` the path's own number tells which."""

    path: Path
    where: tuple[Held, ...] = ()

    def __str__(self) -> str:
        """Return it as a mapping file has it."""
        said = " and ".join(
            f"{held.component}{f'.{held.subcomponent}' if held.subcomponent > 1 else ''} = '{held.text}'"
            for held in self.where
        )
        return f"{self.path} where {said}" if said else str(self.path)


class Condition(NamedTuple):
    """What the text at a path must be. ``words`` are what it is compared with."""

    reading: Reading
    op: str  # in, not_in, present, absent, starts_with
    words: tuple[str, ...]


class Source(NamedTuple):
    """One place a value may come from; a constant comes from none."""

    reading: Reading
    convert: Converter
    is_whole: bool  # the converter takes the whole field, or the whole repetition that was chosen
    table: Table | None
    value: Any  # a fixed value, as the field holds it, taken when the path holds anything; None reads the path
    when: tuple[Condition, ...] = ()
    events: frozenset[Event] | None = None  # None: every event that makes the record
    key: KeyPath = ()  # where the file says it

    @property
    def path(self) -> Path:
        """Return the path alone."""
        return self.reading.path

    @property
    def is_constant(self) -> bool:
        """Return whether the value is there whatever was sent."""
        return self.reading.path is NOWHERE

    def __str__(self) -> str:
        """Return where the value comes from, as a person reads it."""
        return "constant" if self.is_constant else str(self.reading)


class Field(NamedTuple):
    """One field of a record: its sources in order, and what is said of a value that is missing, null or wrong."""

    name: str
    position: int
    sources: tuple[Source, ...]
    required: bool
    ignore_invalid: bool
    keep_null: bool
    key: str  # as a person finds it in the file: account.number, signals[2]
    place: Place


Readers = dict[tuple[str, int], tuple[int, ...]]
_NO_READERS: Final[Readers] = {}

# Returns None when the careful way has to be taken, () when there is nothing to make; may raise ValueError.
Rows = Callable[[str], list[list[str]]]
Quick = Callable[[Rows, list[str] | None], Any]


class RecordSpec(NamedTuple):
    """How one kind of record is made: once a message, or once for each segment named ``each``.

    ``quick`` is generated from the rest: it makes the record when nothing unusual is in what it reads. ``make`` takes
    ``size`` values. ``needs_any``: positions of values of which one must be there, or there is nothing to make.
    ``readers``: for each HL7 field that is read, the places in ``fields`` of what reads it; -1 is ``when``.
    """

    kind: str
    make: Callable[..., Any]
    size: int
    each: str | None
    fields: tuple[Field, ...]
    needs_any: tuple[int, ...] = ()
    when: tuple[Condition, ...] = ()
    events: frozenset[Event] | None = None
    quick: Quick = lambda _rows, _row: None
    readers: Readers = _NO_READERS


class Mapping(NamedTuple):
    """A compiled mapping file. ``events``: its records, and whether each may be left out."""

    name: str
    events: dict[Event, tuple[tuple[RecordSpec, bool], ...]]
    types: frozenset[str]
    keeps: dict[str, tuple[int, ...]]  # every field that the mapping names, by segment
    lines: dict[str, Place]  # ``account.number`` -> where it is said: in this file or in one it extends
    paths: dict[str, str]  # ``account.number`` -> what it is read from
    named_at: dict[tuple[str, int], tuple[str, Place]]  # segment and field -> the key that names it first, and where
    outbound: Outbound | None = None
