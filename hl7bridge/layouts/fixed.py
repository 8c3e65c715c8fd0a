"""Named values <-> one fixed record: each at its positions, counted in bytes from 1, blank where nothing stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Position(NamedTuple):
    """Where a value stands in a record: from ``first`` to ``last``, both counted from 1."""

    name: str
    first: int
    last: int

    @property
    def width(self) -> int:
        """Return how many bytes there are."""
        return self.last - self.first + 1


class Record(NamedTuple):
    """A record that is written: its type in the first four bytes, its length, and its positions."""

    kind: str
    length: int
    positions: tuple[Position, ...]


def encode_record(record: Record, values: Mapping[str, str]) -> bytes:
    """Return a record with its values, left-justified. Raises ValueError when one is too long or not ASCII."""
    data = bytearray(b" " * record.length)
    data[:4] = record.kind.encode("ascii")
    for position in record.positions:
        value = values.get(position.name, "").encode("ascii")
        if len(value) > position.width:
            raise ValueError(f"{position.name} is longer than {position.width} characters")
        data[position.first - 1 : position.first - 1 + len(value)] = value
    return bytes(data)


def cut_record(line: str, positions: tuple[Position, ...]) -> dict[str, str]:
    """Return what stands at each position, without the blanks around it."""
    return {position.name: line[position.first - 1 : position.last].strip() for position in positions}
