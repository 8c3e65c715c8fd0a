"""The kept text of a message -> its fields, each with HL7's name, and the values of patients masked.

Only fields of the table below are shown as they are; whatever else was kept tells of a person and is masked.
Source: HL7 v2.5.1 chapters 2, 3 and 6 for what each field holds; 45 CFR 164.514(b) for what identifies a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from hl7bridge.cli.revealed import visible_text

MASK: Final = "***"
_VERSION: Final = 12
# Numbers, dates and codes of the account and its money. Left out on purpose: names, addresses, birth dates, record
# and visit numbers, insurance, and every segment that is not listed.
_SHOWN: Final[dict[str, frozenset[int]]] = {
    "MSH": frozenset(range(1, 26)),
    "EVN": frozenset({1, 2, 3, 6, 7}),
    "PID": frozenset({1, 18}),
    "PV1": frozenset({1, 2, 18, 20, 24, 41, 44, 45}),
    "GT1": frozenset({1, 11}),
    "IN1": frozenset({1}),
    "FT1": frozenset({1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 15, 17, 22}),
}


class KeptField(NamedTuple):
    """One field: ``path`` as ``FT1[2]-11``; HL7's ``name``, "" when there is none; ``value`` as kept, or the mask."""

    path: str
    name: str
    value: str
    masked: bool


def kept_fields(content: str, *, reveal: bool) -> Iterator[KeptField]:
    """Return the fields of a kept text that hold something, in their order."""
    from hl7bridge.message.definitions import nearest_version

    if not content:
        return
    mark = content[3:4]
    segments = [segment.split(mark) for segment in content.split("\r")]
    header = segments[0]
    header.insert(1, mark)
    version = nearest_version(header[_VERSION].partition(header[2][:1] or "^")[0] if len(header) > _VERSION else "")
    counts: Counter[str] = Counter()
    for fields in segments:
        segment = fields[0]
        counts[segment] += 1
        place = segment if counts[segment] == 1 else f"{segment}[{counts[segment]}]"
        for number, value in enumerate(fields):
            if number and value:
                masked = not reveal and number not in _SHOWN.get(segment, frozenset())
                shown = MASK if masked else visible_text(value)
                yield KeptField(f"{place}-{number}", _name(segment, number, version), shown, masked)


def _name(segment: str, number: int, version: str) -> str:
    """Return HL7's name of a field in words, by the nearest version that has it; "" for one that none has."""
    from hl7bridge.message.definitions import other_versions, segment_fields

    if segment.startswith("Z"):
        return ""
    found = (segment_fields(segment, version) or {}).get(number) or other_versions(segment, number, version)[0]
    return found.name if found else ""
