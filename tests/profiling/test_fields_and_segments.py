"""How often each field was filled, deleted or left out, and which segments came that nobody reads."""

from __future__ import annotations

import pytest
from feed_samples import adt, dft, ft1, gt1, message, pid, pv1, segment
from hl7apy import SUPPORTED_LIBRARIES, load_library
from mapping_samples import ACCOUNT, HEAD, PERSON, compiled
from profiling_samples import counted, fields, generic, section

from hl7bridge.profiling.counting import MOST_EVENTS, MOST_REFUSALS
from hl7bridge.profiling.segments import MOST_OWN, STANDARD


def filled(row):
    """Return what a row says of a field."""
    return row["seen"], row["of"], row["percent"], row["null"], row["unread"]


def test_a_field_is_counted_against_the_records_that_could_have_it():
    """A person for each message, a guarantor for each GT1."""
    told = fields(counted(generic(), adt("A1", gt1(), gt1(f8="")), adt("A2")))
    assert filled(told["patient.family_name", "PID-5.1.1"]) == (2, 2, "100 %", 0, 0)
    assert filled(told["guarantor.birth_on", "GT1-8"]) == (1, 2, "50 %", 0, 0)
    assert filled(told["coverage.plan", "IN1-2.1"]) == (0, 0, "", 0, 0)
    assert told["account.number", "PID-18.1"]["required"] == "yes"


def test_what_each_message_type_says_is_told_apart():
    """Registrations know the birth date, charges often do not."""
    told = fields(counted(generic(), adt("A1"), dft("D1").replace(b"19710418", b"")))
    assert told["patient.birth_on", "PID-7"]["by_type"] == ("ADT 100 %", "DFT 0 %")
    assert told["entry.amount", "FT1-11"]["by_type"] == ()


def test_a_null_is_no_value():
    """It deletes what was known."""
    told = fields(counted(generic(), message("ADT^A04", "A1", pid(f7='""'), pv1())))
    assert filled(told["patient.birth_on", "PID-7"]) == (0, 1, "0 %", 1, 0)


def test_what_was_sent_and_left_out_is_told():
    """An unusable birth date stays unknown, and nobody is told by the message's acknowledgement."""
    told = fields(counted(generic(), message("ADT^A04", "A1", pid(f7="SOON"), pv1())))
    assert filled(told["patient.birth_on", "PID-7"]) == (0, 1, "0 %", 0, 1)
    assert told["patient.birth_on", "PID-7"]["shapes"] == ("100 % A{4}",)


def test_records_that_lack_many_different_things_are_counted_in_bounded_memory(monkeypatch):
    """So many kinds are remembered, and then counted."""
    monkeypatch.setattr("hl7bridge.profiling.fields._MOST_PATTERNS", 1)
    blocks = [
        message("ADT^A04", "A1", pid(**{name: text}), pv1()) for name in ("f7", "f30") for text in ("", '""', "Y")
    ]
    told = fields(counted(generic(), *blocks))
    assert filled(told["patient.birth_on", "PID-7"]) == (3, 6, "50 %", 1, 1)
    assert filled(told["patient.deceased", "PID-30"]) == (1, 6, "16.7 %", 1, 0)


def test_a_required_field_that_is_missing_counts_though_no_record_was_made():
    """An account that could not be made, because its number was not sent, is one without a number."""
    told = fields(counted(generic(), adt("A1"), adt("A2", account="")))
    assert filled(told["account.number", "PID-18.1"]) == (1, 2, "50 %", 0, 0)
    assert filled(told["account.patient_class", "PV1-2.1"]) == (2, 2, "100 %", 0, 0)


def test_the_fields_of_a_refused_message_are_counted_by_what_was_sent():
    """It is the messages that are refused which a team looks at."""
    block = message("DFT^P03", "D1", pid(f7='""', f5=" "), ft1(amount="TEN"))
    counts = counted(generic(), block)
    told = fields(counts)
    assert filled(told["entry.amount", "FT1-11"]) == (1, 1, "100 %", 0, 0)
    assert filled(told["patient.birth_on", "PID-7"]) == (0, 1, "0 %", 1, 0)
    assert filled(told["patient.family_name", "PID-5.1.1"]) == (0, 1, "0 %", 0, 0)
    (refused,) = section(counts, "refused")
    assert (refused["path"], refused["error"], refused["messages"]) == ("FT1-11", "102", 1)


def test_refusals_are_counted_by_place_whichever_segment_it_was():
    """The third charge is refused for the same reason as the first."""
    blocks = [dft("D1", ft1(), ft1(amount="X")), dft("D2", ft1(amount="X")), dft("D3", ft1(f4=""))]
    rows = section(counted(generic(), *blocks), "refused")
    assert [(row["path"], row["messages"]) for row in rows] == [("FT1-11", 2), ("FT1-4", 1)]


def test_so_many_refusals_are_told_apart_and_no_more(monkeypatch):
    """Memory is bounded whatever comes."""
    assert MOST_REFUSALS == 200
    monkeypatch.setattr("hl7bridge.profiling.counting.MOST_REFUSALS", 1)
    blocks = [dft("D1", ft1(amount="X")), dft("D3", ft1(f4="")), dft("D1", ft1(amount="X"))]
    rows = section(counted(generic(), *blocks), "refused")
    assert [(row["path"], row["messages"]) for row in rows] == [("FT1-11", 2), ("(other)", 1)]


SITE = f"""{HEAD}
[events]
"ADT^A04" = ["patient", "account", "guarantor", "signals"]
[patient]
{PERSON}
{ACCOUNT}
status = {{ constant = "open", when = {{ path = "PV1-2", is = "O" }} }}
[guarantor]
number = "GT1-2.1"
deceased = [{{ path = "GT1-24", value = "Y" }}, "GT1-25"]
[guarantor.when]
path = "GT1-10"
is = "P"
[[signals]]
name = "charity"
from = "ZFA-2"
table = "charity"
each = "ZFA"
[[signals]]
name = "dispute"
from = "PV1-41.1"
value = "yes"
when = {{ path = "PV1-2", is = "O" }}
[tables.charity]
G = "approved"
"""


def test_a_record_counts_only_where_its_condition_holds():
    """A GT1 of another kind makes no guarantor, and lacks nothing."""
    told = fields(counted(compiled(SITE), adt("A1", gt1(f10="P"), gt1(f10="X"))))
    assert filled(told["guarantor.number", "GT1-2.1"]) == (1, 1, "100 %", 0, 0)


def test_signals_are_counted_by_what_was_sent_for_them():
    """With their number in the file, and their name."""
    own = [segment("ZFA", {2: code}) for code in ("G", "X", "")]
    told = fields(counted(compiled(SITE), adt("A1", *own), message("ADT^A04", "A2", pid(), pv1(f2="I", f41="D"))))
    assert filled(told["signals[1] charity", "ZFA-2"]) == (2, 3, "66.7 %", 0, 0)
    assert filled(told["signals[2] dispute", "PV1-41.1"]) == (0, 2, "0 %", 0, 0)


def test_a_constant_is_there_where_its_condition_holds():
    """Nothing is sent for it, so it has no shape."""
    blocks = adt("A1"), message("ADT^A04", "A2", pid(), pv1(f2="I")), message("ADT^A04", "A3", pid(account=""), pv1())
    told = fields(counted(compiled(SITE), *blocks))["account.status", "constant"]
    assert filled(told) == (2, 3, "66.7 %", 0, 0)
    assert told["shapes"] is None


def test_each_source_of_a_field_has_its_own_shapes():
    """The field's own counts stand in the first line."""
    told = fields(counted(compiled(SITE), adt("A1", gt1(f10="P", f24="20260101"), gt1(f10="P", f25="N"))))
    first, second = (told["guarantor.deceased", path] for path in ("GT1-24", "GT1-25"))
    assert filled(first) == (2, 2, "100 %", 0, 0)
    assert (first["shapes"], second["shapes"], second["seen"]) == (("100 % 9{8}",), ("100 % A",), None)


def test_identity_changes_are_counted_by_their_groups():
    """A merge of two is two."""
    block = message("ADT^A40", "A1", pid(), segment("MRG", {1: "M2"}), pid(number="M3"), segment("MRG", {1: "M4"}))
    told = fields(counted(generic(), block, message("ADT^A40", "A2", "PID|1").replace(b"NORTHGATE", b"")))
    assert filled(told["identity.prior_patient_number", "MRG-1.1"]) == (2, 2, "100 %", 0, 0)


def events(counts):
    """Return event, whether the mapping uses it, messages and refused."""
    return [(row["event"], row["use"], row["messages"], row["refused"]) for row in section(counts, "events")]


def test_events_are_told_that_are_not_used_or_did_not_come():
    """The most frequent first."""
    counts = counted(
        compiled(SITE), adt("A1"), adt("A2", event="A60"), adt("A3", event="A60"), message("doe^jane", "X")
    )
    assert events(counts) == [
        ("ADT^A60", "not used", 2, 0),
        ("(other)", "not used", 1, 0),
        ("ADT^A04", "used", 1, 0),
    ]
    assert events(counted(compiled(SITE))) == [("ADT^A04", "used, none came", 0, 0)]


def test_an_event_of_which_the_mapping_makes_nothing_is_not_used():
    """Its list of records is empty in effect: each has a condition that names other events."""
    when = 'when = { events = ["ADT^A08"] }'
    mapping = compiled(f'{HEAD}[events]\n"ADT^A04" = ["patient"]\n"ADT^A08" = ["patient"]\n[patient]\n{PERSON}{when}\n')
    assert ("ADT^A04", "not used", 1, 0) in events(counted(mapping, adt("A1")))


def test_so_many_events_are_told_apart_and_no_more(monkeypatch):
    """A sender may put anything there."""
    assert MOST_EVENTS == 300
    monkeypatch.setattr("hl7bridge.profiling.counting.MOST_EVENTS", 1)
    blocks = [adt("A1", event=event) for event in ("A60", "A61", "A60")]
    assert events(counted(compiled(SITE), *blocks))[:2] == [
        ("ADT^A60", "not used", 2, 0),
        ("(other)", "not used", 1, 0),
    ]


def test_segments_that_nobody_reads_are_told_by_name():
    """A line that is no segment may begin with anything, and is not shown."""
    block = adt("A1", "NK1|1|X", "NK1|2|Y", "DOE|JANE", "zed|1", "ZPV|1")
    rows = section(counted(generic(), block, adt("A2")), "segments")
    assert [(row["segment"], row["name"], row["messages"], row["percent"], row["segments"]) for row in rows] == [
        ("EVN", "Event type", 2, "100 %", 2),
        ("(other)", "not a segment of HL7", 1, "50 %", 2),
        ("NK1", "Next of kin/associated parties", 1, "50 %", 2),
        ("ZPV", "", 1, "50 %", 1),
    ]


def test_the_fields_of_a_sites_own_segments_are_told_by_shape():
    """And whether the mapping reads them."""
    rows = section(counted(compiled(SITE), adt("A1", "ZFA|1|G||O'HARA", "ZFA|2|")), "z_fields")
    assert [(row["path"], row["use"], row["seen"], row["percent"], row["shapes"]) for row in rows] == [
        ("ZFA-1", "not mapped", 2, "100 %", ("100 % 9",)),
        ("ZFA-2", "mapped", 1, "50 %", ("100 % A",)),
        ("ZFA-4", "not mapped", 1, "50 %", ("100 % A'A{4}",)),
    ]


def test_so_many_segments_of_a_site_are_told_apart_and_no_more():
    """Names that a line happens to begin with are not worth the memory."""
    names = [f"Z{first}{second}|1" for first in "ABCDEFGH" for second in "ABCDEFGH"]
    rows = section(counted(generic(), adt("A1", *names)), "z_fields")
    assert len(rows) == MOST_OWN


def test_every_segment_of_every_version_is_known():
    """hl7apy's tables are the judge."""
    known = {name for version in SUPPORTED_LIBRARIES for name in load_library(version).SEGMENTS}
    assert {name for name in known if len(name) == 3 and name[0] != "Z" and name.isupper()} <= STANDARD


@pytest.mark.parametrize("signs", [b"|^~\\&", b"$*+!%"])
def test_a_message_in_signs_of_its_own_is_counted_alike(signs):
    """Shapes are cut where the message itself is."""
    block = adt("A1", gt1()).translate(bytes.maketrans(b"|^~\\&", signs))
    told = fields(counted(generic(), block))
    assert told["guarantor.family_name", "GT1-3.1.1"]["shapes"] == ("100 % A{11}",)
