"""Escapes and nulls are read carefully where they are, and only there: the rest of a message goes the short way."""

from __future__ import annotations

import pytest
from feed_samples import OWN_SIGNS, dft, ft1, generic_mapping, gt1, in1, message, pid, pv1
from mapping_samples import ACCOUNT, HEAD, careful, compiled, records

from hl7bridge.errors import MessageError
from hl7bridge.mapping import apply
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.records import NULL
from hl7bridge.message.parse import parse_message

GENERIC = generic_mapping()


@pytest.fixture
def careful_records(monkeypatch):
    """The kinds of records that were made the careful way as a whole, as they are made."""
    kinds = []
    make = apply.make_carefully

    def make_and_note(spec, at, *, is_optional):
        kinds.append(spec.kind)
        return make(spec, at, is_optional=is_optional)

    monkeypatch.setattr(apply, "make_carefully", make_and_note)
    return kinds


def made(*segments, mapping=GENERIC, event="DFT^P03"):
    return apply_mapping(mapping, parse_message(message(event, "C1", *segments)))


def test_an_escape_that_nothing_reads_costs_nothing(careful_records):
    """In a note, a description, a clerk's name, another segment."""
    found = made(pid(f9="A\\T\\B"), ft1(f8="NUTS \\T\\ BOLTS"), "NTE|1||A\\.br\\B", 'OBX|1|TX|||""', "EVN|P03|||\\F\\")
    assert len(found.entries) == 1
    assert careful_records == []


def test_only_the_fields_that_hold_a_null_or_an_escape_are_read_carefully(careful_records):
    """Their records are made as quickly as others."""
    found = made(
        pid(f15='""', f11="1 A \\T\\ B ST^^TESTVILLE"), gt1(f6='""'), in1(f4="A \\S\\ B"), ft1(), ft1(f10='""')
    )
    assert (found.patient.language, found.patient.street, found.patient.city) == (NULL, "1 A & B ST", "TESTVILLE")
    assert (found.guarantors[0].phone, found.coverages[0].company_name) == (NULL, "A ^ B")
    assert [entry.quantity for entry in found.entries][1] is NULL
    assert careful_records == []


def test_a_record_that_lacks_what_it_needs_is_looked_at_as_a_whole(careful_records):
    """To say where and why; so are those whose condition is unusual, signals, and groups of identities."""
    with pytest.raises(MessageError):
        made(pid(f18='""'), ft1())
    assert careful_records == ["account"]


def test_other_delimiters_are_unusual_everywhere(careful_records):
    """The short way knows the standard's only."""
    apply_mapping(GENERIC, parse_message(dft("D1", ft1()).translate(OWN_SIGNS)))
    assert set(careful_records) == {"patient", "account", "entry", "balance"}


def test_a_null_in_the_first_place_is_no_word_for_the_second():
    """A null of a required number deletes it: the message is refused, whatever the next source would say."""
    events = f'{HEAD}[events]\n"ADT^A04" = ["account"]\n{ACCOUNT}'
    mapping = compiled(events.replace('"PID-18.1"', '["PID-18.1", "PV1-19.1"]'))
    block = message("ADT^A04", "C1", pid(f18='""'), pv1(f19="V1"))
    for way in (mapping, careful(mapping)):
        with pytest.raises(MessageError, match="account number is required and missing"):
            apply_mapping(way, parse_message(block))
    assert records(mapping, message("ADT^A04", "C1", pid(f18=""), pv1(f19="V1"))).account.number == "V1"


def test_the_second_segment_of_a_name_has_its_own_nulls():
    """One that is unusual leaves the others as they are."""
    found = records(GENERIC, message("DFT^P03", "C1", pid(), ft1(f2="T1"), ft1(f2='""'), ft1(f2="T\\T\\3")))
    assert [entry.transaction_id for entry in found.entries] == ["T1", NULL, "T&3"]


def test_the_signs_of_the_header_itself_are_no_escapes():
    """MSH-2 has the escape sign in it, in every message."""
    found = records(GENERIC, message("ADT^A04", "C1", pid(), m4="NORTH\\T\\GATE"))
    assert found.patient.facility == "NORTH&GATE"
    assert records(GENERIC, message("ADT^A04", "C1", pid(), m8='""')).patient.facility == "NORTHGATE"
