"""Files, stdin or the store -> messages into the counts of the mapping that reads each."""

from __future__ import annotations

import datetime as dt
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from hl7bridge.cli.message_file import Unit, read_pieces, units_of
from hl7bridge.cli.revealed import visible_text
from hl7bridge.errors import SEGMENT_SEQUENCE, BridgeError, Location, MessageError
from hl7bridge.mapping.spec import Mapping
from hl7bridge.message.model import Message
from hl7bridge.message.parse import parse_message
from hl7bridge.policy import Policy, Setup
from hl7bridge.profiling.counting import MappingCounts, Refusals, note_refusal
from hl7bridge.storage.traffic import KeptMessage, read_traffic

if TYPE_CHECKING:
    from hl7bridge.storage.database import Store

STDIN: Final = "-"
_TOLD_AFTER: Final = 200  # messages between two signs of progress
_MSH: Final = Location("MSH")
Advance = Callable[[int], None]


class FeedCounter:
    """Counts messages, each for the mapping that would read it; ``mapping`` is read for all when it is given."""

    def __init__(self, setup: Setup, policy: Policy, mapping: Mapping | None, today: dt.date) -> None:
        self._setup = setup
        self._policy = policy
        self._mapping = mapping
        self._today = today
        self.messages = 0
        self.unreadable: Refusals = {}
        self.counts: dict[str, MappingCounts] = {}

    def take_units(self, units: Iterable[Unit]) -> None:
        """Count the messages of a file."""
        charset, override = self._policy.charset, self._policy.charset_overrides
        for unit in units:
            self.messages += 1
            if unit.fault is not None:
                note_refusal(self.unreadable, unit.fault)
                continue
            try:
                message = parse_message(unit.data, charset=charset, override=override)
            except MessageError as error:
                note_refusal(self.unreadable, error)
                continue
            self._count(message, self._mapping_of(message, self._policy.name))

    def take_stored(self, store: Store, first: int, advance: Advance) -> None:
        """Count the messages that a store kept, from an id on; ``advance`` is told of the ids that were passed."""
        passed = first
        for kept in read_traffic(store, first):
            self.messages += 1
            try:
                self._take_kept(kept)
            except MessageError as error:
                note_refusal(self.unreadable, error)
            if not self.messages % _TOLD_AFTER:
                advance(kept.id - passed)
                passed = kept.id

    def _take_kept(self, kept: KeptMessage) -> None:
        listener = kept.listener if kept.listener in self._setup.policies else self._policy.name
        policy = self._setup.policies[listener]
        if kept.raw is None:
            message = parse_message(kept.text.encode(), charset="UNICODE UTF-8", override=True)
        elif kept.is_whole:
            message = parse_message(kept.raw, charset=policy.charset, override=policy.charset_overrides)
        else:
            raise MessageError(SEGMENT_SEQUENCE, _MSH, "what came was not a whole message")
        mapping = self._mapping_of(message, listener)
        if kept.is_header_only and (message.message_type, message.trigger_event) in mapping.events:
            raise MessageError(SEGMENT_SEQUENCE, _MSH, "only its header was kept: no mapping named its event that day")
        self._count(message, mapping)

    def _mapping_of(self, message: Message, listener: str) -> Mapping:
        return self._mapping or self._setup.mappings[self._setup.mapping_name(listener, message)]

    def _count(self, message: Message, mapping: Mapping) -> None:
        counts = self.counts.get(mapping.name)
        if counts is None:
            counts = self.counts[mapping.name] = MappingCounts(mapping, self._today)
        counts.take(message)


def count_files(counter: FeedCounter, files: Iterable[str], limit: int, advance: Advance) -> None:
    """Count the messages of files, ``-`` is stdin; ``limit`` is the longest in bytes. Raises BridgeError for no file.

    ``advance`` is told of the bytes.
    """
    for name in files:
        before = counter.messages
        with _open_input(name) as file:
            pieces = read_pieces(file, limit, lambda data: advance(len(data)))
            counter.take_units(units_of(pieces, limit))
        if counter.messages == before:
            raise BridgeError(f"{_shown(name)}: no message here; a message begins with MSH at the start of a line")


def input_bytes(files: Iterable[str]) -> int | None:
    """Return how many bytes there are to read; None when one is a pipe, and nobody knows."""
    total = 0
    for name in files:
        try:
            facts = os.fstat(sys.stdin.fileno()) if name == STDIN else Path(name).stat()
        except (OSError, ValueError):  # it is said when it is opened; a stdin that is no file has no number
            return None
        if not stat.S_ISREG(facts.st_mode):
            return None
        total += facts.st_size
    return total


@contextmanager
def _open_input(name: str) -> Iterator[BinaryIO]:
    if name == STDIN:
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        yield file


def _shown(name: str) -> str:
    return visible_text(os.fsencode(name).decode("utf-8", "replace"))
