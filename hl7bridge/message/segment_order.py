"""The names of a message's segments, held against its structure -> which are missing, out of place or too many.

Every way to read the segments as the structure's own is weighed, and the one with the fewest breaches is taken: a
segment that strayed is then called out of place, and not all those around it. Linear in the number of segments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from hl7bridge.message.definitions import Node, structure
from hl7bridge.message.findings import Rule

_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
_BREACH: Final = 2  # what each breach costs; 1 is for what is only the less likely of two
# A reading that is this much worse than the best so far is given up.
_BEAM: Final = 8 * _BREACH

Place = tuple[int, ...]  # which child, of which child, of the structure


class Breach(NamedTuple):
    """What is wrong at the segment ``at`` (0-based; as many as there are: at the end), and the segment's name."""

    at: int
    name: str
    rule: Rule


class _Step(NamedTuple):
    """What it costs to go from one place to another: required segments passed by, and a repetition not allowed.

    ``is_late``: a group begins anew without its first segments; rather than that, a segment has strayed.
    """

    missing: tuple[str, ...]
    is_repeated: bool = False
    is_late: bool = False

    @property
    def cost(self) -> int:
        return _BREACH * (len(self.missing) + self.is_repeated) + self.is_late


class _Reading(NamedTuple):
    """One way to read the segments so far; ``before`` is the same without the last that has breaches."""

    cost: int
    breaches: tuple[Breach, ...]
    before: _Reading | None


def find_breaches(names: Sequence[str], structure_name: str, version: str) -> list[Breach]:
    """Return what is wrong with the order of segments, in their order; nothing for a structure open to any segment.

    ``names`` has no segment of a site's own, none that the version does not define, and begins with MSH.
    """
    order = _order(structure_name, version)
    if order.is_open:
        return []
    readings: dict[Place, _Reading] = {(): _Reading(0, (), None)}
    foreign: list[Breach] = []
    for index, name in enumerate(names):
        if name in order.places:
            readings = _read_on(order, readings, index, name)
        else:
            foreign.append(Breach(index, name, Rule.SEGMENT_FOREIGN))
    ends = [_taken(reading, order.end(place), len(names), "") for place, reading in readings.items()]
    found = foreign + _unwound(min(ends, key=lambda reading: reading.cost))
    strayed = {breach.name for breach in found if breach.rule is Rule.SEGMENT_MISPLACED}
    # What stands elsewhere is not missing as well.
    kept = [breach for breach in found if breach.rule is not Rule.SEGMENT_MISSING or breach.name not in strayed]
    return sorted(kept, key=lambda breach: breach.at)


def _read_on(order: _Order, readings: dict[Place, _Reading], index: int, name: str) -> dict[Place, _Reading]:
    """Return the readings that are left after one more segment: at each of its places, or passed over as strayed."""
    found: dict[Place, _Reading] = {}
    for place in order.places[name]:
        ways = [(reading, order.step(before, place)) for before, reading in readings.items()]
        taken = [_taken(reading, step, index, name) for reading, step in ways if step is not None]
        if taken:
            found[place] = min(taken, key=lambda reading: reading.cost)
    strayed = (Breach(index, name, Rule.SEGMENT_MISPLACED),)
    for place, reading in readings.items():
        if place not in found or found[place].cost > reading.cost + _BREACH:
            found[place] = _Reading(reading.cost + _BREACH, strayed, reading)
    worst = min(reading.cost for reading in found.values()) + _BEAM
    return {place: reading for place, reading in found.items() if reading.cost <= worst}


def _taken(reading: _Reading, step: _Step, index: int, name: str) -> _Reading:
    if not step.cost:
        return reading
    breaches = [Breach(index, missing, Rule.SEGMENT_MISSING) for missing in step.missing]
    if step.is_repeated:
        breaches.append(Breach(index, name, Rule.REPEATED))
    return _Reading(reading.cost + step.cost, tuple(breaches), reading)


def _unwound(reading: _Reading | None) -> list[Breach]:
    found: list[Breach] = []
    while reading is not None:
        found += reversed(reading.breaches)
        reading = reading.before
    return found[::-1]


class _Order:
    """A structure, with the places of each segment and what each step between two of them costs."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._steps: dict[tuple[Place, Place], _Step | None] = {}
        self.places: dict[str, list[Place]] = {}
        for place, name in _leaves(root, ()):
            self.places.setdefault(name, []).append(place)
        self.is_open = not all(map(_SEGMENT.fullmatch, self.places))

    def step(self, before: Place, after: Place) -> _Step | None:
        """Return the cheapest way from a place (``()``: the start) to another; None when there is no way back to it."""
        if (before, after) not in self._steps:
            self._steps[before, after] = self._cheapest(before, after)
        return self._steps[before, after]

    def end(self, before: Place) -> _Step:
        """Return what is still missing when a message ends at a place."""
        return _Step(self._closed(before, 0) if before else _needed(self._root.children))

    def _cheapest(self, before: Place, after: Place) -> _Step | None:
        if not before:
            return _Step(self._opened(after, 0))
        shared = next((at for at, (one, two) in enumerate(zip(before, after, strict=False)) if one != two), len(after))
        steps = []
        if shared < len(after) and before[shared] < after[shared]:
            group = self._at(after[:shared])
            between = () if group.is_choice else _needed(group.children[before[shared] + 1 : after[shared]])
            missing = self._closed(before, shared + 1) + between + self._opened(after, shared + 1)
            steps.append(_Step(missing))
        for depth in range(shared, 0, -1):  # once more the segment itself, or a group around both
            opened = self._opened(after, depth)
            is_repeated = not self._at(after[:depth]).repeats
            steps.append(_Step(self._closed(before, depth) + opened, is_repeated, bool(opened)))
        return min(steps, key=lambda step: (step.cost, step.is_repeated), default=None)

    def _at(self, place: Place) -> Node:
        node = self._root
        for index in place:
            node = node.children[index]
        return node

    def _closed(self, place: Place, depth: int) -> tuple[str, ...]:
        """Return what is still required behind a place, in the groups around it from the innermost to ``depth``."""
        missing: tuple[str, ...] = ()
        for at in range(len(place) - 1, depth - 1, -1):
            group = self._at(place[:at])
            if not group.is_choice:
                missing += _needed(group.children[place[at] + 1 :])
        return missing

    def _opened(self, place: Place, depth: int) -> tuple[str, ...]:
        """Return what is required before a place, in the groups around it from ``depth`` to the innermost."""
        missing: tuple[str, ...] = ()
        for at in range(depth, len(place)):
            group = self._at(place[:at])
            if not group.is_choice:
                missing += _needed(group.children[: place[at]])
        return missing


@lru_cache(maxsize=64)
def _order(structure_name: str, version: str) -> _Order:
    return _Order(structure(structure_name, version))


def _leaves(node: Node, place: Place) -> Iterator[tuple[Place, str]]:
    for index, child in enumerate(node.children):
        if child.children:
            yield from _leaves(child, (*place, index))
        else:
            yield (*place, index), child.name


def _needed(nodes: Sequence[Node]) -> tuple[str, ...]:
    """Return the names of the segments that are required of these nodes."""
    names: tuple[str, ...] = ()
    for node in nodes:
        if node.required and not node.is_choice:
            names += _needed(node.children) if node.children else (node.name,)
    return names
