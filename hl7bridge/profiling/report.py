"""What was counted -> sections of rows, as every form of the report shows them; nothing in them is a patient's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hl7bridge.mapping.spec import Field
from hl7bridge.message.segment_names import segment_name
from hl7bridge.profiling.counting import MappingCounts, Refusals
from hl7bridge.profiling.fields import FieldTally
from hl7bridge.profiling.needs import Answer, Known, Need, answer, key_text
from hl7bridge.profiling.plan import Probe, probes_of
from hl7bridge.profiling.segments import OTHER
from hl7bridge.profiling.shapes import Shapes

SHOWN_SHAPES: Final = 5
_ENTRY_FIELDS: Final = {"entry:insurer": "entry.payer"}

Cell = str | int | tuple[str, ...] | None
Row = tuple[Cell, ...]


class Section(NamedTuple):
    """One table of the report. ``name`` is its key in JSON and CSV; ``empty`` is said when it has no row."""

    name: str
    title: str
    note: str
    empty: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


class Report(NamedTuple):
    """What was found for one mapping."""

    mapping: str
    messages: int
    used: int
    refused: int
    sections: tuple[Section, ...]


def build_report(counts: MappingCounts, needs: Sequence[Need]) -> Report:
    """Return everything that was counted for one mapping, as sections in the order in which a team asks."""
    counts.settle()
    used = sum(event.messages for event in counts.events.values())
    refused = sum(event.refused for event in counts.events.values())
    sections = (
        _needs(counts, needs),
        _fields(counts),
        _codes(counts),
        _dates(counts),
        refusal_section(counts.refusals, "Messages that the mapping refuses", "The mapping refuses none."),
        _events(counts),
        _segments(counts),
        _own_fields(counts),
    )
    return Report(counts.mapping.name, counts.messages, used, refused, sections)


def refusal_section(refusals: Refusals, title: str, empty: str) -> Section:
    """Return what is refused, the most frequent first."""
    ranked = sorted(refusals.items(), key=lambda item: (-item[1], item[0]))
    rows = tuple((place, code, text, count) for (place, code, text), count in ranked)
    return Section("refused", title, "", empty, ("path", "error", "why", "messages"), rows)


def percent_text(part: int, whole: int) -> str:
    """Return a share as ``98.7 %``; never 0 or 100 for what is not quite; "" of nothing."""
    if not whole:
        return ""
    tenths = round(1000 * part / whole)
    if part:
        tenths = max(tenths, 1)
    if part < whole:
        tenths = min(tenths, 999)
    return f"{tenths // 10}.{tenths % 10} %" if tenths % 10 else f"{tenths // 10} %"


def _needs(counts: MappingCounts, needs: Sequence[Need]) -> Section:
    view = _View(counts)
    answers = [answer(need, view.is_mapped, view.known) for need in needs]
    return Section(
        "needs",
        "What the agency and the rules need",
        "What is not known makes no account eligible, and holds none back. Signals that the feed does not say can come"
        " by 'hl7bridge signals'. Shares are those of the message type that says it best.",
        "Nothing is needed.",
        ("name", "needed_by", "found", "field", "seen", "of", "percent"),
        tuple(map(_need_row, answers)),
    )


def _need_row(each: Answer) -> Row:
    seen, of = each.known
    share = percent_text(seen, of) if of is not None else ""
    field = " and ".join(map(key_text, each.keys))
    return each.need.name, each.need.needed_by, str(each.found), field, seen, of, share


class _View:
    """Looks up the keys that needs are made of. What one message type says best is what a feed knows."""

    def __init__(self, counts: MappingCounts) -> None:
        self._needs = counts.needs
        self._by_type = _by_type(counts)
        self._signals = {
            field.name for event in counts.events.values() for spec in event.specs if spec.spec.kind == "signals"
            for field, _ in spec.fields
        }  # fmt: skip

    def is_mapped(self, key: str) -> bool:
        kind, _, name = key.partition(":")
        if kind == "signal":
            return name in self._signals
        if kind == "entry":
            return _ENTRY_FIELDS.get(key, "entry.kind") in self._by_type
        return key.replace("responsible.", "guarantor.") in self._by_type

    def known(self, key: str) -> Known:
        if key.startswith("responsible."):
            return Known(self._needs.counts.get(key, 0), self._needs.guarantors)
        if ":" in key:
            return Known(self._needs.counts.get(key, 0), None)
        known = [Known(tally.filled, of) for tally, of in self._by_type[key].values()]
        return max(known, key=lambda each: (each.seen / (each.of or 1), each.of or 0))


def _by_type(counts: MappingCounts) -> dict[str, dict[str, tuple[FieldTally, int]]]:
    """Return, for each field and message type, its tally and how often it could have been filled.

    That is how many records of its kind the events make, or should have made.
    """
    could_be: dict[tuple[str, str], int] = {}
    for event in counts.events.values():
        for spec in event.specs:
            for field, _ in spec.fields:
                at = spec.message_type, field.key
                could_be[at] = could_be.get(at, 0) + spec.could_be
    found: dict[str, dict[str, tuple[FieldTally, int]]] = {}
    for (message_type, key), tally in counts.fields.items():
        found.setdefault(key, {})[message_type] = tally, could_be[message_type, key]
    return found


def _fields(counts: MappingCounts) -> Section:
    by_type = _by_type(counts)
    named: dict[str, Field] = {}
    sources: dict[str, dict[str, Probe | None]] = {}
    for event in counts.events.values():
        for spec in event.specs:
            named.update({field.key: field for field, _ in spec.fields if field.key not in named})
            for key, source, probe in probes_of(spec.spec):
                sources.setdefault(key, {}).setdefault(source, probe)
    rows = [row for key, field in named.items() for row in _field_rows(counts, field, by_type[key], sources[key])]
    return Section(
        "fields",
        "Fields that the mapping reads",
        "9 is a digit, A a letter, {8} eight in a row; other signs are as sent. 'unread' was sent and left out.",
        "The mapping names no field.",
        (
            "field", "required", "path", "seen", "of", "percent", "by_type", "null", "unread", "shortest", "longest",
            "shapes",
        ),
        tuple(rows),
    )  # fmt: skip


def _field_rows(
    counts: MappingCounts, field: Field, by_type: dict[str, tuple[FieldTally, int]], sources: dict[str, Probe | None]
) -> Iterator[Row]:
    """Return a row for each source; the first has what is true of the field."""
    name = f"{field.key} {field.name}" if field.key.startswith("signals") else field.key
    seen = sum(tally.filled for tally, _ in by_type.values())
    of = sum(could_be for _, could_be in by_type.values())
    shares = [f"{kind} {percent_text(tally.filled, each)}" for kind, (tally, each) in by_type.items() if each]
    nulls = sum(tally.nulls for tally, _ in by_type.values())
    unread = sum(tally.unreadable for tally, _ in by_type.values())
    whole: Row = (seen, of, percent_text(seen, of), tuple(shares) if len(shares) > 1 else (), nulls, unread)
    for number, (source, probe) in enumerate(sources.items()):
        # What other records read from the same place is nothing that was said of this one.
        shapes = counts.shapes[probe] if probe is not None and of else None
        told: Row = (None,) * 3 if shapes is None else _shape_cells(shapes)
        yield (name, "yes" if field.required else "", source, *(whole if not number else (None,) * len(whole)), *told)


def _shape_cells(shapes: Shapes) -> Row:
    return shapes.shortest or None, shapes.longest or None, _shown(shapes)


def _shown(shapes: Shapes) -> tuple[str, ...]:
    sent = shapes.sent
    shown = [f"{percent_text(count, sent)} {shape}" for shape, count in shapes.most_common(SHOWN_SHAPES)]
    beyond = shapes.beyond(SHOWN_SHAPES)
    if beyond:
        kinds = f"{'more than ' if shapes.more else ''}{len(shapes.counts) - SHOWN_SHAPES} others"
        shown.append(f"{percent_text(beyond, sent)} {kinds}")
    return tuple(shown)


def _codes(counts: MappingCounts) -> Section:
    rows: list[Row] = []
    for tally in counts.codes.values():
        known = tally.listed
        default = "" if tally.table.default is None else "taken as the table's *"
        at = tally.key, str(tally.source), tally.table.name
        total = known + tally.other + sum(tally.codes.values())
        for code, count in sorted(tally.codes.items(), key=lambda item: (-item[1], item[0])):
            rows.append((*at, code, count, percent_text(count, total), default))
        if tally.other:
            why = (
                "too many different ones to be codes"
                if tally.has_too_many
                else "not shown: they do not look like codes"
            )
            rows.append((*at, None, tally.other, percent_text(tally.other, total), why))
    return Section(
        "codes",
        "Codes that the mapping's tables do not have",
        "",
        "The tables have every code that came.",
        ("field", "path", "table", "code", "seen", "percent", "note"),
        tuple(rows),
    )


def _dates(counts: MappingCounts) -> Section:
    ranked = sorted(counts.dates.counts.items(), key=lambda item: (-item[1], item[0]))
    rows = tuple((key, wrong, count) for (key, wrong), count in ranked)
    return Section(
        "dates", "Dates that cannot be right", "", "Every date can be right.", ("field", "wrong", "seen"), rows
    )


def _events(counts: MappingCounts) -> Section:
    used = [
        ("^".join(event), "used" if tally.messages else "used, none came", tally.messages, tally.refused)
        for event, tally in counts.events.items()
        if tally.specs
    ]
    other = [("^".join(event).rstrip("^"), "not used", count, 0) for event, count in counts.unused.items()]
    rows = sorted([*used, *other], key=lambda row: (-row[2], row[0]))
    return Section("events", "Events", "", "No message came.", ("event", "use", "messages", "refused"), tuple(rows))


def _segments(counts: MappingCounts) -> Section:
    tally = counts.segments
    rows = [
        (
            name,
            "not a segment of HL7" if name == OTHER else segment_name(name),
            tally.messages[name],
            percent_text(tally.messages[name], counts.messages),
            tally.segments[name],
        )
        for name in tally.unmapped(counts.mapping.keeps)
    ]
    return Section(
        "segments",
        "Segments of which the mapping reads nothing",
        "",
        "The mapping reads something of every segment that came.",
        ("segment", "name", "messages", "percent", "segments"),
        tuple(rows),
    )


def _own_fields(counts: MappingCounts) -> Section:
    keeps = counts.mapping.keeps
    rows = [
        (
            f"{name}-{number}",
            "mapped" if number in keeps.get(name, ()) else "not mapped",
            shapes.sent,
            percent_text(shapes.sent, counts.segments.segments[name]),
            *_shape_cells(shapes),
        )
        for (name, number), shapes in sorted(counts.segments.own.items())
    ]
    return Section(
        "z_fields",
        "Fields of Z-segments",
        "",
        "No Z-segment came.",
        ("path", "use", "seen", "percent", "shortest", "longest", "shapes"),
        tuple(rows),
    )
