"""A message about several patients -> its groups. Source: HL7 v2.5.1 3.3, A39 to A51 {PID MRG [PV1]}; 6.4, P02 P06."""

from __future__ import annotations

from typing import Final

from hl7bridge.mapping.spec import Rows
from hl7bridge.message.model import Message

_TARGET: Final = "PID"
_VISIT: Final = "PV1"
_OF_SEVERAL: Final = frozenset({"P02", "P06"})  # {PID [PV1]} once for each account that ended or is purged
Group = tuple[Rows, list[str], dict[str, int]]


def split_accounts(message: Message) -> list[Message]:
    """Return a message for each account of BAR^P02 or P06 that names several, under the header; else the message."""
    if message.trigger_event not in _OF_SEVERAL or message.message_type != "BAR" or message.count(_TARGET) < 2:  # noqa: PLR2004
        return [message]
    opening: list[str] = []
    groups: list[list[str]] = []
    for segment in message.segments:
        if segment[:3] == _TARGET and segment[3:4] in ("", message.delimiters.field):
            groups.append([*opening, segment])
        else:
            (groups[-1] if groups else opening).append(segment)
    return [_part_of(message, segments) for segments in groups]


def _part_of(message: Message, segments: list[str]) -> Message:
    guessed, msh = message.charset_guessed, message.fields("MSH")[0]
    return Message("\r".join(segments), segments, msh, message.delimiters, message.charset, charset_guessed=guessed)


def read_groups(message: Message, each: str) -> list[Group]:
    """Return, for each segment named ``each``, the rows to read its record from, its own row, and their numbers.

    PID is the last before it; PV1 the first after it, before the next of its kind or the next PID. A message without
    such a segment is one group of its first PID and PV1: links (A24, A37) have two PIDs and no MRG. The second and
    further rows of a name are the message's own.
    """
    counts = {_TARGET: 0, _VISIT: 0, each: 0}
    found: list[dict[str, int]] = []
    is_open = False  # the last group still looks for its PV1
    for segment in message.segments:
        name = segment[:3]
        if name not in counts or segment[3:4] not in ("", message.delimiters.field):
            continue
        counts[name] += 1
        if name == each:
            found.append({each: counts[each]} | ({_TARGET: counts[_TARGET]} if counts[_TARGET] else {}))
            is_open = True
        elif name == _TARGET:
            is_open = False
        elif is_open:
            found[-1][_VISIT] = counts[_VISIT]
            is_open = False
    if not found:
        found = [{name: 1 for name in (_TARGET, _VISIT) if counts[name]}]
    return [_group(message, each, numbers) for numbers in found]


def _group(message: Message, each: str, numbers: dict[str, int]) -> Group:
    def rows(name: str) -> list[list[str]]:
        everything = message.fields(name)
        if name not in (_TARGET, _VISIT):
            return everything
        own = everything[numbers[name] - 1] if name in numbers else []
        return [own, *everything[1:]]

    own = message.fields(each)[numbers[each] - 1] if each in numbers else []
    return rows, own, numbers
