"""The places whose shapes are counted: the short way finds in every message what reading place by place finds."""

from __future__ import annotations

from feed_samples import OWN_SIGNS, message, segment
from hypothesis import given
from hypothesis import strategies as st
from mapping_samples import ACCOUNT, HEAD, PERSON, compiled
from profiling_samples import counted, fields

from hl7bridge.mapping.readings import read_part
from hl7bridge.message.parse import parse_message
from hl7bridge.profiling.plan import MOST_SEEN
from hl7bridge.profiling.shapes import Shapes, shape_of

MAPPING = compiled(
    f"""{HEAD}
[events]
"ADT^A04" = ["patient", "account", "guarantor"]
[patient]
{PERSON}
authority = "PID-3.4.1"
family_name = "PID-5.1.1"
given_name = "PID-5.2"
postal_code = "MSH-1"
middle_name = "PID-5.2.1"
street_2 = "PID-11.2.2"
city = "PID-3(2).1"
state = "PID-3.1 where 5 = 'MR'"
country = "NK1[2]-2"
language = ["PID-15", {{ constant = "eng" }}]
pid_5 = {{ from = "PID-5", convert = "field" }}
{ACCOUNT}
[guarantor]
number = "GT1-2.1"
family_name = "GT1-3.1.1"
birth_on = {{ from = "GT1-8", invalid = "ignore" }}
"""
)
values = st.sampled_from([
    "", '""', "M1", "M1^^^HOSP&X^MR", "M1^^^HOSP~M2^^^Y^MR", "&B^C&D",
    " ", "^^", '""^A', "~M3", "A\\T\\B", "a&&", "99", "\u00dc&1",
])  # fmt: skip
rows = st.dictionaries(st.sampled_from([2, 3, 5, 8, 11, 15, 18]), values, max_size=6)
blocks = st.lists(st.tuples(st.sampled_from(["PID", "GT1", "NK1"]), rows), max_size=6)


def one_by_one(mapping, messages):
    """Return, for each place that the mapping reads, the shapes of what is read there, one at a time."""
    counts = counted(mapping)
    found = {probe: Shapes() for probe in counts.shapes}
    for each in messages:
        for probe, shapes in found.items():
            path = probe.reading.path
            every = each.fields(path.segment)
            for row in every if probe.every else every[path.occurrence - 1 : path.occurrence]:
                text = row[path.field] if path.field < len(row) else ""
                shapes.add(shape_of(read_part(probe.reading, text, each.delimiters, is_whole=probe.is_whole)))
    return found


@given(st.lists(blocks, max_size=3), st.booleans())
def test_the_shapes_of_a_feed_are_those_of_its_values_read_one_by_one(feed, is_own):
    """Whatever components, repetitions, nulls and delimiters were sent."""
    raw = [message("ADT^A04", "C1", *(segment(name, row) for name, row in each)) for each in feed]
    if is_own:
        raw = [each.translate(OWN_SIGNS) for each in raw]
    counts = counted(MAPPING, *raw)
    counts.settle()
    wanted = one_by_one(MAPPING, [parse_message(each) for each in raw])
    for probe, shapes in counts.shapes.items():
        assert (shapes.counts, shapes.nulls) == (wanted[probe].counts, wanted[probe].nulls), probe
        assert (shapes.shortest, shapes.longest) == (wanted[probe].shortest, wanted[probe].longest)


def test_the_header_is_counted_though_its_fields_are_numbered_from_its_separator():
    """MSH-4 is the fourth field, and the third between separators."""
    told = fields(counted(MAPPING, message("ADT^A04", "C1", "PID|1")))
    assert told["patient.facility", "MSH-4.1"]["shapes"] == ("100 % A{9}",)


def test_more_shapes_of_rows_and_fields_than_are_kept_are_counted_one_by_one(monkeypatch):
    """Rows first, then fields, then parts: each way finds the same."""
    feed = [message("ADT^A04", "C1", segment("PID", {3: "1" * each, 5: "A^B&C"}), "GT1|1|X") for each in range(1, 9)]
    wanted = one_by_one(MAPPING, [parse_message(each) for each in feed])
    for most in (0, 1, 3):
        monkeypatch.setattr("hl7bridge.profiling.plan.MOST_SEEN", most)
        counts = counted(MAPPING, *feed, feed[0])
        counts.settle()
        found = {probe: shapes.sent for probe, shapes in counts.shapes.items()}
        assert found == {probe: shapes.sent + bool(shapes.sent) for probe, shapes in wanted.items()}


def test_more_shapes_of_a_field_than_are_kept_undivided_are_counted_as_well():
    """Names have more lengths than that."""
    names = [f"{'A' * (each % 20 + 1)}^{'B' * (each // 20 + 1)}" for each in range(MOST_SEEN + 50)]
    feed = [message("ADT^A04", "C1", segment("PID", {3: "1", 5: name})) for name in (*names, "A" * 99)]
    row = fields(counted(MAPPING, *feed))["patient.given_name", "PID-5.2"]
    assert (row["shortest"], row["longest"]) == (1, 8)
    counts = counted(MAPPING, *feed)
    counts.settle()
    assert {shapes.sent for probe, shapes in counts.shapes.items() if str(probe.reading) == "PID-5.2"} == {150}
