"""The kept text of a message -> its fields, each with HL7's name, and the values of patients masked.

Only fields of the table below are shown as they are; whatever else was kept tells of a person and is masked.
Source: HL7 v2.5.1 chapters 2, 3 and 6 for what each field holds; 45 CFR 164.514(b) for what identifies a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from hl7bridge.cli.revealed import visible_text

MASK: Final = "***"
_VERSION: Final = 12
_DEFAULT_VERSION: Final = "2.5.1"
_NAME_INDEX: Final = 3  # of what hl7apy says of a field
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
    if not content:
        return
    mark = content[3:4]
    segments = [segment.split(mark) for segment in content.split("\r")]
    header = segments[0]
    header.insert(1, mark)
    version = header[_VERSION].partition(header[2][:1] or "^")[0] if len(header) > _VERSION else ""
    names = field_names(version or _DEFAULT_VERSION)
    counts: Counter[str] = Counter()
    for fields in segments:
        segment = fields[0]
        counts[segment] += 1
        place = segment if counts[segment] == 1 else f"{segment}[{counts[segment]}]"
        for number, value in enumerate(fields):
            if number and value:
                masked = not reveal and number not in _SHOWN.get(segment, frozenset())
                shown = MASK if masked else visible_text(value)
                yield KeptField(f"{place}-{number}", names.name(segment, number), shown, masked)


class FieldNames:
    """HL7's names of the fields of one version, looked up when asked for."""

    def __init__(self, version: str) -> None:
        import hl7apy

        self._version = version if version in hl7apy.SUPPORTED_LIBRARIES else ""

    def name(self, segment: str, number: int) -> str:
        """Return the name in words, as ``Patient name``; "" for a field or version that hl7apy does not know."""
        if not self._version or segment.startswith("Z"):
            return ""
        from hl7apy import load_reference
        from hl7apy.exceptions import ChildNotFound

        try:
            found: Any = load_reference(f"{segment}_{number}", "Field", self._version)
        except ChildNotFound:
            return ""
        return str(found[_NAME_INDEX]).replace("_", " ").capitalize()


@lru_cache(maxsize=4)
def field_names(version: str) -> FieldNames:
    """Return the names of one version."""
    return FieldNames(version)
