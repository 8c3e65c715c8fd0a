"""What mapping one message costs: a DFT^P03 with three charges through a compiled mapping, beside python-hl7's reads.

Run ``python -m benchmarks.mapping`` in the project's folder. Both get the same messages in turn, a batch at a time, and
read the same fields; the figures are medians of the rounds, in microseconds of CPU a message. hl7bridge converts, looks
up and makes records of what it reads, from a message that was parsed before; python-hl7 parses and reads text. Both
sides of hl7bridge are told, with parsing and without, so that they can be compared.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import hl7

from benchmarks.messages import make_templates, number_messages
from hl7bridge.assemble import read_mapping
from hl7bridge.errors import ConfigError
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.spec import Mapping
from hl7bridge.message.parse import parse_message
from hl7bridge.message.path import Path as FieldPath

MOST: Final = 60.0  # microseconds of mapping a message: what the product promises
_ROUNDS: Final = 5
_MESSAGES: Final = 400
_BATCH: Final = 32  # as many as the daemon takes at once when it is busy
_SEED: Final = 7
_DAY: Final = dt.datetime(2026, 11, 21, 9, 30, tzinfo=dt.UTC)
_EVENT: Final = ("DFT", "P03")
_FOLDER: Final = Path(__file__).resolve().parent.parent / "mappings"


class Cost(NamedTuple):
    """One mapping's medians, in microseconds of CPU a message; ``reads`` is how many places the mapping reads."""

    mapping: str
    reads: int
    mapped: float
    parsed_and_mapped: float
    peer: float

    @property
    def ratio(self) -> float:
        """Return how many times as much python-hl7 takes to parse and read."""
        return self.peer / self.parsed_and_mapped


def make_charges(count: int) -> list[bytes]:
    """Return messages of the benchmark's feed that are charges, without their frames."""
    blocks = islice(number_messages(make_templates(_SEED, _DAY), 1), 2 * count)
    return [numbered.block[1:-2] for numbered in islice(blocks, 0, None, 2)]


def list_reads(mapping: Mapping) -> list[FieldPath]:
    """Return every path that the mapping's records of the event read, each once."""
    found: dict[FieldPath, None] = {}
    for spec, _ in mapping.events[_EVENT]:
        for field in spec.fields:
            found |= {source.path: None for source in field.sources if not source.is_constant}
    return list(found)


def measure(mapping: Mapping, messages: Sequence[bytes], rounds: int) -> Cost:
    """Return what a mapping costs; each round takes every message both ways, a batch at a time."""
    reads = list_reads(mapping)
    mapped, both, peer = [], [], []
    for _ in range(rounds):
        parse_ns = map_ns = peer_ns = 0
        for at in range(0, len(messages), _BATCH):
            batch = messages[at : at + _BATCH]
            start = time.thread_time_ns()
            parsed = [parse_message(data) for data in batch]
            middle = time.thread_time_ns()
            for message in parsed:
                apply_mapping(mapping, message)
            map_ns += time.thread_time_ns() - middle
            parse_ns += middle - start
            start = time.thread_time_ns()
            for data in batch:
                _read_peer(data, reads)
            peer_ns += time.thread_time_ns() - start
        mapped.append(map_ns / len(messages) / 1000)
        both.append((parse_ns + map_ns) / len(messages) / 1000)
        peer.append(peer_ns / len(messages) / 1000)
    medians = (statistics.median(figures) for figures in (mapped, both, peer))
    return Cost(mapping.name, len(reads), *medians)


def _read_peer(data: bytes, reads: Iterable[FieldPath]) -> int:
    """Return how many of the places hold something, read by python-hl7 from every segment of the name."""
    message = hl7.parse(data.decode())
    segments: dict[str, list[hl7.Segment]] = {}
    for segment in message:
        segments.setdefault(str(segment[0]), []).append(segment)
    found = 0
    for path in reads:
        for number, segment in enumerate(segments.get(path.segment, ()), 1):
            try:
                found += bool(
                    segment.extract_field(
                        number, path.field, path.repetition, path.component or 1, path.subcomponent or 1
                    )
                )
            except LookupError:
                continue
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the mappings that are named and print what they cost; 1 when one costs more than it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mapping", description=__doc__.splitlines()[0])
    parser.add_argument("mappings", nargs="*", default=["generic"], help="names of mappings (generic)")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="the folder of mappings")
    parser.add_argument("--messages", type=int, default=_MESSAGES)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--json", action="store_true", help="one JSON object a mapping")
    options = parser.parse_args(arguments)
    messages = make_charges(options.messages)
    try:
        costs = [measure(read_mapping(options.folder, name), messages, options.rounds) for name in options.mappings]
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    for cost in costs:
        print(json.dumps({**cost._asdict(), "ratio": cost.ratio}) if options.json else _row(cost))
    return int(any(cost.mapped > MOST for cost in costs))


def _row(cost: Cost) -> str:
    return (
        f"{cost.mapping}: mapping {cost.mapped:.1f} us a DFT^P03 with three FT1 (at most {MOST:.0f}); with parsing"
        f" {cost.parsed_and_mapped:.1f} us; python-hl7 parses and reads the same {cost.reads} places in"
        f" {cost.peer:.0f} us: x {cost.ratio:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
