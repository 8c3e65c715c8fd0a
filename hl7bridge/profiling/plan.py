"""The records that an event makes -> which parts of which rows have their shapes counted, and the counting of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from hl7bridge.mapping.readings import NULL_TEXT, read_part
from hl7bridge.mapping.spec import Reading, RecordSpec
from hl7bridge.message.delimiters import DEFAULT, Delimiters
from hl7bridge.profiling.shapes import MOST_LENGTH, Shapes, shape_of

MOST_SEEN: Final = 100  # shapes of a whole row, and of a whole field, that are kept undivided
_LONGEST_SEEN: Final = 512

Rows = list[list[str]]


class Probe(NamedTuple):
    """One place of a message whose shapes are counted; ``every`` in each row of its segment, else in the path's own."""

    reading: Reading
    is_whole: bool
    every: bool


ShapesOf = Callable[[Probe], Shapes]


class FieldPlan(NamedTuple):
    """What is counted of one HL7 field: ``whole`` all of it, ``divided`` what follows, for a null.

    ``parts``: components from the second on. ``subs``: first subcomponents; there the first component is number 0.
    """

    whole: tuple[Shapes, ...]
    divided: tuple[Shapes, ...]
    first: tuple[Shapes, ...]
    parts: tuple[tuple[int, Shapes], ...]
    subs: tuple[tuple[int, Shapes], ...]


class RowPlan(NamedTuple):
    """What is counted of the rows of a segment: of row ``occurrence``, or of all when that is 0.

    ``seen``: shapes of whole rows that came before, and how often; ``settle`` divides them once for all.
    ``fields``, in order: HL7's number, the same of the whole field, and how it is divided.
    ``chosen`` are places that depend on what a repetition holds, or that few mappings name: read one by one.
    """

    segment: str
    occurrence: int
    seen: dict[str, int]
    fields: tuple[tuple[int, dict[str, int], FieldPlan], ...]
    chosen: tuple[tuple[Probe, Shapes], ...]


def probes_of(spec: RecordSpec) -> list[tuple[str, str, Probe | None]]:
    """Return, for each source of each field of a record: the field's key, the source as text, and its probe.

    A constant has no probe: nothing is sent for it.
    """
    return [
        (
            field.key,
            str(source),
            None if source.is_constant else Probe(source.reading, source.is_whole, source.path.segment == spec.each),
        )
        for field in spec.fields
        for source in field.sources
    ]


def compile_plan(specs: Iterable[RecordSpec], shapes_of: ShapesOf) -> tuple[RowPlan, ...]:
    """Return what is counted of a message whose event makes these records; each place once, however often named."""
    places: dict[tuple[str, int], dict[Probe, Shapes]] = {}
    for spec in specs:
        for _, _, probe in probes_of(spec):
            if probe is not None:
                path = probe.reading.path
                at = path.segment, 0 if probe.every else path.occurrence
                places.setdefault(at, {})[probe] = shapes_of(probe)
    return tuple(_row_plan(segment, occurrence, probes) for (segment, occurrence), probes in places.items())


def _row_plan(segment: str, occurrence: int, probes: dict[Probe, Shapes]) -> RowPlan:
    chosen = {probe: shapes for probe, shapes in probes.items() if not _is_plain(probe)}
    by_number: dict[int, dict[Probe, Shapes]] = {}
    for probe, shapes in probes.items():
        if probe not in chosen:
            by_number.setdefault(probe.reading.path.field, {})[probe] = shapes
    seen: dict[int, dict[str, int]] = {number: {} for number in by_number}
    fields = tuple((number, seen[number], _field_plan(those)) for number, those in sorted(by_number.items()))
    return RowPlan(segment, occurrence, {}, fields, tuple(chosen.items()))


def _is_plain(probe: Probe) -> bool:
    path = probe.reading.path
    return not probe.reading.where and path.repetition == 1 and path.subcomponent <= 1


def _field_plan(probes: dict[Probe, Shapes]) -> FieldPlan:
    whole: list[Shapes] = []
    first: list[Shapes] = []
    parts: list[tuple[int, Shapes]] = []
    subs: list[tuple[int, Shapes]] = []
    for probe, shapes in probes.items():
        path = probe.reading.path
        index = max(path.component, 1) - 1
        if probe.is_whole:
            whole.append(shapes)
        elif path.subcomponent:
            subs.append((index, shapes))
        elif index:
            parts.append((index, shapes))
        else:
            first.append(shapes)
    divided = (*first, *(shapes for _, shapes in parts), *(shapes for _, shapes in subs))
    return FieldPlan(tuple(whole), divided, tuple(first), tuple(parts), tuple(subs))


def count_row(plan: RowPlan, row: Sequence[str], shape: str, delimiters: Delimiters, *, is_usual: bool) -> None:
    """Count the shapes of one row: ``row`` has its fields as sent, ``shape`` is that of the segment.

    ``is_usual``: the delimiters are the standard's, as those of ``settle``.
    """
    seen = plan.seen
    if is_usual and shape in seen:
        seen[shape] += 1
    elif is_usual and len(seen) < MOST_SEEN and len(shape) <= _LONGEST_SEEN:
        seen[shape] = 1
    else:
        _count_fields(plan, shape, delimiters, is_usual=is_usual)
    for probe, shapes in plan.chosen:
        number = probe.reading.path.field
        text = row[number] if number < len(row) else ""
        if text:
            part = read_part(probe.reading, text, delimiters, is_whole=probe.is_whole)
            if part:
                shapes.add(shape_of(part))


def settle(plans: Iterable[RowPlan]) -> None:
    """Count what ``count_row`` has only seen so far; before anybody looks at the shapes."""
    for plan in plans:
        for shape, times in plan.seen.items():
            for _, field, text in _fields_of(plan, shape, DEFAULT):
                _count_field(field, text, times, DEFAULT)
        plan.seen.clear()
        for _, seen, field in plan.fields:
            for text, times in seen.items():
                _count_field(field, text, times, DEFAULT)
            seen.clear()


def _fields_of(plan: RowPlan, shape: str, delimiters: Delimiters) -> Iterator[tuple[dict[str, int], FieldPlan, str]]:
    """Return the fields of a row that hold something and that are counted."""
    fields = shape.split(delimiters.field)
    if plan.segment == "MSH":
        fields.insert(1, delimiters.field)  # MSH-1 is the separator itself
    size = len(fields)
    for number, seen, field in plan.fields:
        if number >= size:
            break
        if fields[number]:
            yield seen, field, fields[number]


def _count_fields(plan: RowPlan, shape: str, delimiters: Delimiters, *, is_usual: bool) -> None:
    for seen, field, text in _fields_of(plan, shape, delimiters):
        if is_usual and text in seen:
            seen[text] += 1
        elif is_usual and len(seen) < MOST_SEEN and len(text) <= MOST_LENGTH:
            seen[text] = 1
        else:
            _count_field(field, text, 1, delimiters)


def _count_field(field: FieldPlan, text: str, times: int, delimiters: Delimiters) -> None:
    """Count one field that came so often, by repetition, component and subcomponent."""
    for shapes in field.whole:
        shapes.add(text, times)
    if delimiters.repetition in text:
        text = text.split(delimiters.repetition, 1)[0]
    if text == NULL_TEXT:
        for shapes in field.divided:
            shapes.add(text, times)
        return
    components = text.split(delimiters.component)
    size = len(components)
    for shapes in field.first:
        shapes.add(components[0], times)
    for index, shapes in field.parts:
        if index < size:
            shapes.add(components[index], times)
    for index, shapes in field.subs:
        if index < size:
            sign = delimiters.subcomponent
            shapes.add(components[index].split(sign, 1)[0] if sign else components[index], times)
