"""The ``when`` of a record, field or signal -> what has to hold, or what is wrong with it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from hl7bridge.mapping.context import Context, nearest, parse_event
from hl7bridge.mapping.readings import parse_reading
from hl7bridge.mapping.spec import Condition, Event, Reading
from hl7bridge.mapping.vocabulary import CONDITION_KEYS
from hl7bridge.tomlfile import KeyPath

_EXAMPLE: Final = '{ path = "FT1-6.1", is = "CG" } or { events = ["DFT^P03"] }'
_COMPARISONS: Final = CONDITION_KEYS - {"path", "events"}
_OPS: Final = {"is": "in", "in": "in", "not_in": "not_in", "starts_with": "starts_with"}


class When(NamedTuple):
    """Conditions that must all hold, and the events they hold for; None for every event."""

    conditions: tuple[Condition, ...] = ()
    events: frozenset[Event] | None = None

    def both(self, other: When) -> When:
        """Return what holds when this and the other hold."""
        events = self.events if other.events is None else other.events
        if self.events is not None and other.events is not None:
            events = self.events & other.events
        return When(self.conditions + tuple(one for one in other.conditions if one not in self.conditions), events)


def compile_when(context: Context, path: KeyPath, value: Any) -> When:
    """Return what ``when`` says: one condition or a list of them. ``path`` is the key of the record or field."""
    at = (*path, "when")
    if value is None:
        return When()
    found = When()
    several = [((*at, index), one) for index, one in enumerate(value)] if isinstance(value, list) else []
    for place, one in several or [(at, value)]:
        if isinstance(one, dict) and one:
            found = found.both(_compile_one(context, place, one))
        else:
            context.problem(place, "expected a condition or a list of them", _EXAMPLE)
    return found


def _compile_one(context: Context, at: KeyPath, spec: dict[str, Any]) -> When:
    unknown = [key for key in spec if key not in CONDITION_KEYS]
    for key in unknown:
        context.unknown(at, key, CONDITION_KEYS, "word of a condition")
    if unknown:
        return When()
    if "events" in spec:
        if len(spec) > 1:
            context.problem(at, "events stand in a condition of their own", "[{ events = [...] }, { path = ... }]")
        return When((), _compile_events(context, at, spec["events"]))
    compared = sorted(_COMPARISONS & spec.keys())
    reading = compile_reading(context, at, spec.get("path"))
    if len(compared) != 1:
        context.problem(at, "a condition is a path and one comparison", _EXAMPLE)
    if reading is None or len(compared) != 1:
        return When()
    words = _compile_words(context, at, compared[0], spec[compared[0]])
    op = _OPS.get(compared[0], compared[0])
    return When() if words is None else When((Condition(reading, op, words),))


def _compile_words(context: Context, at: KeyPath, comparison: str, value: Any) -> tuple[str, ...] | None:
    if comparison in {"present", "absent"}:
        if value is not True:
            context.problem((*at, comparison), "expected true", "present and absent are each other's contrary")
            return None
        return ()
    words = value if isinstance(value, list) and comparison != "is" else [value]
    if not words or not all(isinstance(word, str) and word.strip() for word in words):
        what = "expected a text" if comparison == "is" else "expected a text or a list of texts"
        context.problem((*at, comparison), what, "absent = true is for nothing")
        return None
    return tuple(dict.fromkeys(word.strip() for word in words))


def _compile_events(context: Context, at: KeyPath, value: Any) -> frozenset[Event]:
    found: set[Event] = set()
    names = {"^".join(event) for event in context.events}
    for name in value if isinstance(value, list) and value else [value]:
        event = parse_event(name)
        if event is None:
            context.problem((*at, "events"), "expected a list of message types and events", '["DFT^P03"]')
        elif event not in context.events:
            context.problem((*at, "events"), f"no event {name} under [events]", nearest(str(name), names))
        else:
            found.add(event)
    return frozenset(found)


def compile_reading(context: Context, key: KeyPath, origin: Any) -> Reading | None:
    """Return what a path means; None, and a problem, when it is none."""
    if not isinstance(origin, str):
        context.problem(key, "expected a path", 'for example "PID-18.1"')
        return None
    try:
        return parse_reading(origin)
    except ValueError as error:
        context.problem(key, str(error))
        return None
