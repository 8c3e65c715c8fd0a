"""Messages one by one -> everything that is counted of them for one mapping, in memory that does not grow with them."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from hl7bridge.errors import MessageError
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.spec import Event, Mapping
from hl7bridge.message.delimiters import DEFAULT
from hl7bridge.message.model import Message
from hl7bridge.profiling.codes import CodeTallies
from hl7bridge.profiling.dates import DateChecks
from hl7bridge.profiling.fields import FieldTallies, SpecTally
from hl7bridge.profiling.needs import NeedCounts
from hl7bridge.profiling.plan import Probe, RowPlan, compile_plan, count_row, settle
from hl7bridge.profiling.segments import SegmentCounts
from hl7bridge.profiling.shapes import Shapes, shape_of

OTHER_EVENT: Final = ("(other)", "")
MOST_EVENTS: Final = 300  # that no mapping uses, by name
MOST_REFUSALS: Final = 200
OTHER_REFUSAL: Final = ("(other)", "", "")
_CODE: Final = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
_NUMBER: Final = re.compile(r"\[\d+\]")


Refusals = dict[tuple[str, str, str], int]  # place, HL7's code, why


def note_refusal(refusals: Refusals, error: MessageError) -> None:
    """Count a message that is refused by its place, without the segment's number."""
    key = _NUMBER.sub("", str(error.location)), error.error.code, error.text
    if key not in refusals and len(refusals) >= MOST_REFUSALS:
        key = OTHER_REFUSAL
    refusals[key] = refusals.get(key, 0) + 1


class EventTally:
    """What became of the messages of one event."""

    __slots__ = ("messages", "plan", "refused", "specs")

    def __init__(self, plan: tuple[RowPlan, ...], specs: tuple[SpecTally, ...]) -> None:
        self.messages = 0
        self.refused = 0
        self.plan = plan
        self.specs = specs


class MappingCounts:
    """All counts of the messages that one mapping reads. ``today`` is for dates that lie ahead."""

    def __init__(self, mapping: Mapping, today: dt.date) -> None:
        self.mapping = mapping
        self.messages = 0
        self.shapes: dict[Probe, Shapes] = {}
        self.fields: FieldTallies = {}
        self.codes: CodeTallies = {}
        self.dates = DateChecks(today)
        self.segments = SegmentCounts()
        self.needs = NeedCounts()
        self.refusals: Refusals = {}
        self.unused: dict[Event, int] = {}  # events of which the mapping makes nothing
        self.events: dict[Event, EventTally] = {event: self._event(event) for event in mapping.events}

    def _event(self, event: Event) -> EventTally:
        specs = [spec for spec, _ in self.mapping.events[event]]
        tallies = tuple(SpecTally(event[0], spec, self.fields, self.codes) for spec in specs)
        return EventTally(compile_plan(specs, self._shapes_of), tallies)

    def _shapes_of(self, probe: Probe) -> Shapes:
        return self.shapes.setdefault(probe, Shapes())

    def take(self, message: Message) -> None:
        """Count one message."""
        self.messages += 1
        self.segments.take(message)
        event = message.message_type, message.trigger_event
        tally = self.events.get(event)
        if tally is None:
            self._count_unused(event)
            return
        _count_shapes(tally.plan, message)
        try:
            records = apply_mapping(self.mapping, message)
        except MessageError as error:
            tally.messages += 1
            tally.refused += 1
            note_refusal(self.refusals, error)
            for spec in tally.specs:
                spec.take(message, None)
            return
        if records is None:
            self._count_unused(event)
            return
        tally.messages += 1
        for spec in tally.specs:
            spec.take(message, records)
        self.dates.take(message, records)
        self.needs.take(records)

    def settle(self) -> None:
        """Bring all counts up to date; before anybody looks at them."""
        for event in self.events.values():
            settle(event.plan)
            for spec in event.specs:
                spec.settle()

    def _count_unused(self, event: Event) -> None:
        is_event = all(map(_CODE.fullmatch, event)) and (event in self.unused or len(self.unused) < MOST_EVENTS)
        name = event if is_event else OTHER_EVENT
        self.unused[name] = self.unused.get(name, 0) + 1


def _count_shapes(plan: tuple[RowPlan, ...], message: Message) -> None:
    """Count the shapes of the fields that the mapping names; those of all their segments are made at once."""
    delimiters = message.delimiters
    separator = delimiters.field
    is_usual = delimiters[:5] == DEFAULT[:5]
    names = {rows_plan.segment for rows_plan in plan}
    # A segment's name and the separator, or its name alone: as the message itself finds its segments.
    lines = [line for line in message.segments if line[:3] in names and line[3:4] in ("", separator)]
    shapes: dict[str, list[str]] = {name: [] for name in names}
    for line, shape in zip(lines, shape_of("\r".join(lines)).split("\r"), strict=False):
        shapes[line[:3]].append(shape)
    for rows_plan in plan:
        name, at = rows_plan.segment, rows_plan.occurrence
        first, end = (at - 1, at) if at else (0, None)
        for row, shape in zip(message.fields(name)[first:end], shapes[name][first:end], strict=True):
            count_row(rows_plan, row, shape, delimiters, is_usual=is_usual)
