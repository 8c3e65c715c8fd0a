"""The order of segments is read as the structure's own with the fewest breaches, however they are mixed up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.message.definitions import UNLIMITED, VERSIONS, segment_fields, structure, structure_names
from hl7bridge.message.findings import Rule
from hl7bridge.message.segment_order import find_breaches

MISSING, MISPLACED, FOREIGN, REPEATED = (
    Rule.SEGMENT_MISSING,
    Rule.SEGMENT_MISPLACED,
    Rule.SEGMENT_FOREIGN,
    Rule.REPEATED,
)

SEGMENTS = (
    "MSH",
    "EVN",
    "PID",
    "PD1",
    "PV1",
    "PV2",
    "OBX",
    "DG1",
    "PR1",
    "ROL",
    "GT1",
    "IN1",
    "IN2",
    "FT1",
    "NTE",
    "MRG",
)


@pytest.mark.parametrize(
    ("names", "of", "breaches"),
    [
        ("MSH EVN PID PV1", "ADT_A01", []),
        ("MSH PID EVN PV1", "ADT_A01", [(1, "PID", MISPLACED)]),
        ("MSH EVN PID PV1 PV1", "ADT_A01", [(4, "PV1", REPEATED)]),
        ("MSH EVN PID PID PV1 PID", "ADT_A01", [(3, "PID", REPEATED), (5, "PID", MISPLACED)]),
        ("MSH EVN PID ACC PV1 DG1 DG1 GT1 IN1 IN2", "ADT_A01", [(3, "ACC", MISPLACED)]),
        ("MSH EVN PID PV1 IN2 IN1 IN2 IN1 IN3 IN3 ACC", "ADT_A01", [(4, "IN1", MISSING)]),
        ("MSH EVN PID PV1 OBX OBX IN1 MRG", "ADT_A01", [(7, "MRG", FOREIGN)]),
        ("MSH EVN PID ROL PV1 ROL PR1 ROL ROL", "ADT_A01", []),
        ("MSH", "ADT_A01", [(1, "EVN", MISSING), (1, "PID", MISSING), (1, "PV1", MISSING)]),
        ("MSH EVN PID PV1 FT1 NTE FT1 PR1 ROL PR1 DG1 GT1 IN1", "DFT_P03", []),
        ("MSH EVN PID PV1 GT1 IN1 FT1", "DFT_P03", [(4, "GT1", MISPLACED), (5, "IN1", MISPLACED)]),
        ("MSH EVN PID PV1 GT1 IN1 FT1", "DFT_P11", []),
        ("MSH EVN PID PV1", "DFT_P03", [(4, "FT1", MISSING)]),
        ("MSH EVN PID PV1 FT1 PR1 NTE FT1", "DFT_P03", [(5, "PR1", MISPLACED)]),
        ("MSH EVN PID MRG PID MRG PV1", "ADT_A39", []),
        ("MSH EVN PID PID MRG", "ADT_A39", [(3, "MRG", MISSING)]),
        ("MSH PID EVN MRG", "ADT_A39", [(1, "PID", MISPLACED)]),
        ("MSH MSA MSH", "ACK", [(2, "MSH", MISPLACED)]),
        ("MSH EVN NTE ZZZ", "MFN_Znn", []),
        ("MSH QPD RCP DSC", "QBP_Q13", []),
    ],
)
def test_the_fewest_breaches_are_named(names, of, breaches):
    found = [tuple(each) for each in find_breaches(names.split(), of, "2.5.1")]
    assert found == breaches


@pytest.mark.parametrize("version", VERSIONS)
def test_segments_in_the_order_of_the_structure_have_no_breach(version):
    """Every structure of the tables, each group and segment once."""
    from hl7apy import load_library

    def leaves(node):
        children = node.children[:1] if node.is_choice else node.children
        for child in children:
            yield from leaves(child) if child.children else [child.name]

    for name in load_library(version).ELEMENTS["Message"]:
        assert find_breaches(list(leaves(structure(name, version))), name, version) == [], name


@pytest.mark.parametrize("version", VERSIONS)
def test_every_segment_of_the_tables_can_be_read(version):
    """Whatever is odd in them: types without parts, fields without a definition, segments without fields."""
    from hl7apy import load_library

    for name in load_library(version).ELEMENTS["Segment"]:
        for number, part in (segment_fields(name, version) or {}).items():
            assert part.number == number > 0
            assert part.most >= UNLIMITED
            assert set(part.parts) <= set(range(1, 40))


def test_many_segments_take_time_in_proportion():
    """6,000 segments; a walk over all pairs would not end within the limit of a test."""
    names = ["MSH", "EVN", "PID", "PV1"] + ["FT1", "PR1", "NTE"] * 2000
    found = find_breaches(names, "DFT_P03", "2.8.2")
    assert {each.name for each in found} == {"PR1"}


@settings(max_examples=60)
@given(st.lists(st.sampled_from(SEGMENTS)))
def test_any_order_is_read(names):
    """Each breach is about a segment that is there, or one that is missing."""
    for of in ("ADT_A01", "DFT_P03", "ADT_A39", "BAR_P01"):
        for breach in find_breaches(["MSH", *names], of, "2.5.1"):
            assert 0 <= breach.at <= len(names) + 1
            assert breach.name in names or breach.rule is MISSING or breach.name == "MSH"


@pytest.mark.parametrize(
    ("kind", "event", "stated", "version", "expected"),
    [
        ("ADT", "A04", "", "2.5.1", "ADT_A01"),
        ("ADT", "A04", "", "2.2", "ADT_A04"),
        ("ADT", "A28", "", "2.3.1", "ADT_A01"),
        ("ADT", "A12", "", "2.4", "ADT_A09"),
        ("ADT", "A40", "ADT_A40", "2.8", "ADT_A39"),
        ("ADT", "A44", "", "2.8", "ADT_A44"),
        ("ADT", "A49", "", "2.5.1", "ADT_A30"),
        ("ADT", "A49", "", "2.8", "ADT_A43"),
        ("ADT", "A47", "ADT_A30", "2.8", "ADT_A44"),
        ("BAR", "P05", "", "2.3", "BAR_P01"),
        ("ACK", "A01", "", "2.5", "ACK"),
        ("QBP", "Q22", "QBP_Q21", "2.5", "QBP_Q21"),
        ("ZZZ", "Z01", "QBP_Q21", "2.5", None),
    ],
)
def test_each_event_has_its_structure(kind, event, stated, version, expected):
    """Table 0354, and what older versions had instead."""
    assert next(iter(structure_names(kind, event, stated, version)), None) == expected
