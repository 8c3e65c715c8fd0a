"""hl7apy's tables of one HL7 version -> what a segment's fields and a message's structure are, as plain tuples.

Known faults of the tables are mended here: names of withdrawn fields, TS before 2.5, TS-2 in 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

# Oldest first. hl7apy has them all; this order is what "older" and "nearest" mean.
VERSIONS: Final = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")
USUAL_VERSION: Final = "2.5.1"
UNLIMITED: Final = -1
# Before 2.6 the tables have no say in which components are required; what 2.1 says (TS-2) is a mistake.
_COMPONENTS_REQUIRED_FROM: Final = VERSIONS.index("2.6")
_NAMES: Final = {"PID_4": "Alternate patient id", "PID_28": "Nationality"}
_TABLE_PREFIX: Final = "HL7"
_WITHDRAWN: Final = frozenset({"WD", "wd"})
_RESERVED: Final = ("leaf", None, "", "", None)  # a field without a definition, as OBX-20 of 2.5.1
_VERSION_NUMBER = re.compile(r"(\d{1,3})(?:\.(\d{1,3}))?(?:\.(\d{1,3}))?", re.ASCII)
# Which structure an event has when none bears its name: table 0354 of v2.5.1, and for A47
# and A49 that of v2.9, for from 2.7 on there is no ADT_A30.
_EVENTS: Final = {
    "ADT": {
        "ADT_A01": "A04 A08 A13",
        "ADT_A05": "A14 A28 A31",
        "ADT_A06": "A07",
        "ADT_A09": "A10 A11 A12",
        "ADT_A21": "A22 A23 A25 A26 A27 A29 A32 A33",
        "ADT_A30": "A34 A35 A36 A46 A47 A48 A49",
        "ADT_A39": "A40 A41 A42",
        "ADT_A43": "A44 A49",
        "ADT_A44": "A47",
        "ADT_A50": "A51",
        "ADT_A52": "A53",
        "ADT_A54": "A55",
        "ADT_A61": "A62",
    },
    "BAR": {"BAR_P01": "P05"},
    "MDM": {"MDM_T01": "T03 T05 T07 T09 T11", "MDM_T02": "T04 T06 T08 T10"},
    "ORU": {"ORU_R01": "R03 R32", "ORU_R30": "R31 R32"},
    "PEX": {"PEX_P07": "P08"},
    "PGL": {"PGL_PC6": "PC7 PC8"},
    "PMU": {"PMU_B01": "B02", "PMU_B04": "B05 B06"},
    "PPP": {"PPP_PCB": "PCC PCD"},
    "PPR": {"PPR_PC1": "PC2 PC3"},
    "RDE": {"RDE_O11": "O25"},
    "REF": {"REF_I12": "I13 I14 I15"},
    "SIU": {"SIU_S12": "S13 S14 S15 S16 S17 S18 S19 S20 S21 S22 S23 S24 S26"},
    "SRM": {"SRM_S01": "S02 S03 S04 S05 S06 S07 S08 S09 S10 S11"},
}
# What an older version has instead. Source: table 0354 of v2.3.1.
_OLDER: Final = {
    "ADT_A05": ("ADT_A01",),
    "ADT_A15": ("ADT_A09",),
    "ADT_A21": ("ADT_A02",),
    "ADT_A37": ("ADT_A24",),
    "ADT_A12": ("ADT_A09",),
}


class Part(NamedTuple):
    """A field, component or sub-component: ``most`` repetitions, UNLIMITED, or 0 for what is withdrawn.

    ``parts`` are its components or sub-components by number; the tables leave out some that are withdrawn.
    """

    number: int
    name: str
    type: str
    table: str
    required: bool
    most: int
    parts: Mapping[int, Part]

    @property
    def expected(self) -> str:
        """Return the data type and the table of its codes, as ``IS, table 0062``."""
        return f"{self.type}, table {self.table}" if self.table else self.type


class Node(NamedTuple):
    """A segment of a structure, or with ``children`` a group; of a choice only one child is there."""

    name: str
    required: bool
    repeats: bool
    is_choice: bool
    children: tuple[Node, ...]


def nearest_version(stated: str) -> str:
    """Return the version whose definitions fit a stated one best: itself, else the next older that there is."""
    found = _VERSION_NUMBER.match(stated)
    if stated in VERSIONS or not found:
        return stated if stated in VERSIONS else USUAL_VERSION
    older = [each for each in VERSIONS if _numbers(each) <= _numbers(found[0])]
    return older[-1] if older else VERSIONS[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@lru_cache(maxsize=2048)
def segment_fields(name: str, version: str) -> Mapping[int, Part] | None:
    """Return a segment's fields by number; None when the version has no such segment."""
    found = _reference(name, "Segment", version)
    if not found or found[0] != "sequence":
        return None
    children = found[1] if len(found) > 1 else ()
    parts = [_part(*child[:3], with_required=True, version=version) for child in children]
    return {part.number: part for part in parts} or None  # of a withdrawn segment the name may be all that is left


@lru_cache(maxsize=2048)
def other_versions(name: str, field: int, version: str) -> tuple[Part | None, str, str]:
    """Return the field as the nearest other version defines it, and the last older and first newer that do.

    None and "" where none does. Sites that mix versions see which one a field was taken from.
    """
    at = VERSIONS.index(version)
    found = {each: (segment_fields(name, each) or {}).get(field) for each in VERSIONS}
    defined = {each: part for each, part in found.items() if part and part.most}
    older = max((each for each in VERSIONS[:at] if each in defined), key=VERSIONS.index, default="")
    newer = next((each for each in VERSIONS[at + 1 :] if each in defined), "")
    return defined.get(older or newer), older, newer


def segment_versions(name: str) -> tuple[str, ...]:
    """Return the versions that have a segment, the oldest first."""
    return tuple(version for version in VERSIONS if segment_fields(name, version) is not None)


def is_known(name: str, field: int) -> bool:
    """Return whether any version has the field of a segment; whatever a site's own segments have is known."""
    return name.startswith("Z") or any(field in (segment_fields(name, version) or {}) for version in VERSIONS)


@lru_cache(maxsize=256)
def type_parts(type_name: str, version: str) -> Mapping[int, Part] | None:
    """Return the components of a data type, none of one that has none; None when the version has no such type."""
    from hl7apy import load_library

    if type_name in load_library(version).BASE_DATATYPES:
        return {}
    found = _reference(type_name, "Datatypes_Structs", version)
    return None if found is None else _parts(type_name, found, version)


def structure_names(kind: str, event: str, stated: str, version: str) -> tuple[str, ...]:
    """Return the structures that a message type and event may have, the likeliest first; none when undefined.

    ``stated`` is MSH-9.3: it decides only where neither the tables nor table 0354 know the event.
    """
    mapped = [name for name, events in _EVENTS.get(kind, {}).items() if event in events.split()]
    direct = "ACK" if kind == "ACK" else f"{kind}_{event}"
    names = [direct, *mapped]
    names += [older for name in names for older in _OLDER.get(name, ())]
    names = [name for name in names if _reference(name, "Message", version)]
    if not names and stated.startswith(f"{kind}_") and _reference(stated, "Message", version):
        names = [stated]
    return tuple(dict.fromkeys(names))


@lru_cache(maxsize=256)
def structure(name: str, version: str) -> Node:
    """Return the structure of that name, one of those that ``structure_names`` gave."""
    return _node((name, _reference(name, "Message", version), (1, 1), "GRP"))


def _reference(name: str, kind: str, version: str) -> Any:
    from hl7apy import load_reference
    from hl7apy.exceptions import ChildNotFound

    try:
        return load_reference(name, kind, version)
    except ChildNotFound:
        return None


def _part(name: str, reference: Any, cardinality: tuple[int, int], *, with_required: bool, version: str) -> Part:
    kind, children, type_name, words, table = (reference or _RESERVED)[:5]
    fewest, most = cardinality
    return Part(
        int(name.rpartition("_")[2]),
        _NAMES.get(name) or _in_words(words, name.partition("_")[0]),
        type_name,
        (table or "").removeprefix(_TABLE_PREFIX),
        fewest > 0 and with_required,
        0 if type_name in _WITHDRAWN else most,
        _parts(type_name, children, version) if kind == "sequence" else {},
    )


def _in_words(name: str, segment: str) -> str:
    """Return ``Insured's SSN`` for INSURED_S_SSN."""
    words = name.replace("_S_", "'S_").split("_")
    text = " ".join(word if word in {"ID", "SSN", segment} else word.lower() for word in words)
    return text[:1].upper() + text[1:]


def _parts(type_name: str, children: Any, version: str) -> Mapping[int, Part]:
    """Return components by number; ``children`` is None where the tables call a plain type a composite."""
    with_required = VERSIONS.index(version) >= _COMPONENTS_REQUIRED_FROM
    parts = [_part(*child[:3], with_required=with_required, version=version) for child in children or ()]
    if type_name == "TS":  # a time stamp is one in every version, whatever the tables call its first component
        parts[0] = parts[0]._replace(type="DTM")
    return {part.number: part for part in parts}


def _node(child: Any) -> Node:
    """Return what hl7apy says of one child: its name, reference, cardinality, and ``SEG`` or ``GRP``."""
    name, reference, (fewest, most), kind = child
    children = tuple(map(_node, reference[1])) if kind == "GRP" else ()
    return Node(name, fewest > 0, most != 1, bool(children) and reference[0] == "choice", children)
