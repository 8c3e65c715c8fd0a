"""A message through a mapping: which records it makes, what each field holds, and where a refusal points."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from feed_samples import OWN_SIGNS, adt, dft, ft1, generic_mapping, gt1, in1, message, pid, pv1
from mapping_samples import careful

from hl7bridge.errors import MessageError
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.mapping.compile import compile_mapping
from hl7bridge.mapping.records import NULL, Coverage
from hl7bridge.message.parse import parse_message
from hl7bridge.tomlfile import parse_toml

GENERIC = generic_mapping()


def records(data, mapping=GENERIC):
    """Return the records of a message; both ways of making them must agree."""
    made = apply_mapping(mapping, parse_message(data))
    assert apply_mapping(careful(mapping), parse_message(data)) == made
    return made


def refused(data, mapping=GENERIC):
    """Return the code, place and text that a message is refused with."""
    with pytest.raises(MessageError) as raised:
        apply_mapping(mapping, parse_message(data))
    return raised.value.error.code, str(raised.value.location), raised.value.text


def site(fields, *, kind="patient", events='"ADT^A04" = ["patient"]', tables=""):
    """Return a mapping with one record and what else that needs."""
    base = {
        "patient": 'facility = "MSH-4.1"\nnumber = "PID-3.1"\n',
        "account": 'facility = "MSH-4.1"\nnumber = "PID-18.1"\n',
    }
    text = f'format = 1\nname = "site"\n[events]\n{events}\n'
    for name in ("account", "patient", "entry", "guarantor", "coverage"):
        if name in events:
            text += f"[{name}]\n{base.get(name, '')}{fields if name == kind else ''}\n"
    return compile_mapping(parse_toml(text + tables, "site.toml"))


def entry_site(fields, tables=""):
    """Return a mapping that makes entries."""
    return site(fields, kind="entry", events='"DFT^P03" = ["account", "entry"]', tables=tables)


def test_a_registration_makes_patient_account_guarantor_and_coverage():
    """Every field that the shipped mapping names, from an ordinary message."""
    made = records(adt("A1", gt1(), in1(f12="20260101", f15="HMO")))
    assert made.patient.number == "TMRN1"
    assert made.patient.facility == "NORTHGATE"
    assert made.patient.authority == "HOSP"
    assert made.patient.birth_on == dt.date(1971, 4, 18)
    assert made.patient.pid_3 == "TMRN1^^^HOSP^MR"
    assert (made.account.number, made.account.patient_class, made.account.financial_class) == ("TACC1", "O", "SP")
    assert made.guarantors[0].relationship == "SEL"
    assert made.coverages == (
        Coverage(
            plan="PLAN1",
            company="00001",
            company_name="SAMPLE INSURANCE",
            plan_type="HMO",
            effective_on=dt.date(2026, 1, 1),
        ),
    )
    assert made.entries == ()


def test_entries_come_one_for_each_ft1_in_order():
    """The second is read from its own segment."""
    made = records(dft("D1", ft1("100&USD"), ft1("25.00", "PY", "TTX2", f7="PATPAY", f5="20260107")))
    assert [entry.amount for entry in made.entries] == [Decimal("100.00"), Decimal("25.00")]
    assert made.entries[1].payer == "patient"
    assert made.entries[1].posted_on == dt.date(2026, 1, 7)
    assert made.patient is not None


def test_an_event_that_the_mapping_does_not_use_makes_nothing():
    """None is not the same as no records."""
    assert records(adt(event="A02")) is None


def test_a_person_event_speaks_of_no_account():
    """A31 has PID-18 and the account is left alone."""
    made = records(adt(event="A31"))
    assert made.account is None
    assert made.patient is not None


def test_an_optional_record_is_left_out_when_it_lacks_what_it_needs():
    """A registration without an account number is a person only; a charge without one is refused at its place."""
    assert records(adt(account="")).account is None
    assert refused(dft(account="")) == ("101", "PID-18.1", "account number is required and missing")


def test_a_null_where_a_value_is_required_is_refused_even_in_an_optional_record():
    """Nobody may delete an account's number."""
    assert refused(adt(account='""')) == ("101", "PID-18.1", "account number is required and missing")


def test_absent_null_and_blank_are_three_things():
    """Nothing sent keeps, two quotes delete, blanks say nothing."""
    made = records(message("ADT^A31", "C1", pid(f11='""', f15="  ", f30='""', f29='""')))
    assert made.patient.street is NULL
    assert made.patient.language is None
    assert made.patient.deceased is NULL
    assert made.patient.died_on is NULL
    assert made.patient.phone is None


def test_a_null_component_deletes_that_component_alone():
    """PID-11.2 is deleted, the street stays."""
    made = records(message("ADT^A31", "C1", pid(f11='1 SAMPLE ST^""^TESTVILLE')))
    assert (made.patient.street, made.patient.street_2, made.patient.city) == ("1 SAMPLE ST", NULL, "TESTVILLE")


def test_a_null_field_deletes_all_of_its_components():
    """Two quotes for an address leave no city behind."""
    made = records(message("ADT^A31", "C1", pid(f11='""')))
    assert (made.patient.street, made.patient.city, made.patient.postal_code) == (NULL, NULL, NULL)


def test_a_sender_without_subcomponents_has_each_component_whole():
    """MSH-2 of three signs: the ampersand is a letter like others."""
    made = records(message("ADT^A31", "C1", pid(f5="TEST&CO^AURELIA"), m2="^~\\"))
    assert (made.patient.family_name, made.patient.given_name) == ("TEST&CO", "AURELIA")


def test_escapes_are_decoded_in_values_and_kept_in_echoes():
    r"""\T\ is an ampersand in a name, and stays \T\ in the field that goes back."""
    made = records(message("ADT^A31", "C1", pid(f5="TEST\\T\\CO^AURELIA")))
    assert made.patient.family_name == "TEST&CO"
    assert made.patient.pid_5 == "TEST\\T\\CO^AURELIA"


def test_a_sender_with_its_own_signs_makes_the_same_records():
    """MSH-1 and MSH-2 divide the message, whatever they are; what is echoed is in the standard's."""
    for data in (adt("A1", gt1(), in1()), dft("D1", ft1("100&USD"), ft1("1.00", "PY"))):
        assert records(data.translate(OWN_SIGNS)) == records(data)


def test_signs_that_are_data_for_this_sender_are_escaped_in_what_is_echoed():
    """A caret in a name of a sender whose components are divided by stars."""
    own = message("ADT^A31", "C1", pid(f5="A*B+C^D")).replace(b"*", b"?").replace(b"+", b"?").translate(OWN_SIGNS)
    made = records(own.replace(b"A?B?C*D", b"A^B|C*!S!~"))
    assert made.patient.family_name == "A^B|C"
    assert made.patient.given_name == "*~"
    assert made.patient.pid_5 == "A\\S\\B\\F\\C^*\\R\\"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([ft1(), ft1("TEN")], ("102", "FT1[2]-11", "amount: not a number with at most two decimal places")),
        ([ft1(f11="5&EUR")], ("102", "FT1-11", "amount: expected dollars (USD or no currency)")),
        ([ft1(f4="")], ("101", "FT1-4", "entry service_on is required and missing")),
        ([ft1(), ft1(), ft1(f4='""')], ("101", "FT1[3]-4", "entry service_on is required and missing")),
        ([ft1(f4="20260230")], ("102", "FT1-4", "service_on: no such day in the calendar")),
        ([ft1(f4="2026")], ("102", "FT1-4", "service_on: a date without its day; YYYYMMDD is needed")),
        ([ft1(kind="XX")], ("103", "FT1-6.1", "kind: expected one of AJ, CD, CG, CO, CREDIT, PAYMENT, PY")),
        ([ft1(f6="")], ("101", "FT1-6.1", "entry kind is required and missing")),
        ([ft1(f10="two")], ("102", "FT1-10", "quantity: expected a number")),
    ],
)
def test_a_refusal_names_the_place_and_what_was_expected(entries, expected):
    """Segment with its occurrence, field and component; never the value."""
    code, place, text = refused(dft("D1", *entries))
    if code == "103":
        text = text.replace("ADJUSTMENT, ", "").replace("CHARGE, ", "").replace("COPAY, ", "")
    assert (code, place, text) == expected


def test_a_refusal_in_another_segment_names_that_segments_own_number():
    """An entry that takes its day from the second PV1 is refused there, whichever FT1 it is."""
    mapping = entry_site('kind = "FT1-6"\namount = "FT1-11"\nservice_on = "PV1[2]-44"')
    blocks = [message("DFT^P03", "D1", pid(), pv1(), pv1(f44=day), ft1(), ft1()) for day in ("SOON", "")]
    assert refused(blocks[0], mapping)[:2] == ("102", "PV1[2]-44")
    assert refused(blocks[1], mapping)[:2] == ("101", "PV1[2]-44")


def test_what_may_be_unusable_is_left_out_and_the_rest_is_taken():
    """A birth date nobody can read stays unknown."""
    made = records(message("ADT^A31", "C1", pid(f7="APRIL")))
    assert made.patient.birth_on is None
    assert made.patient.family_name == "TESTPATIENT"


def test_a_code_is_looked_up_without_blanks_and_unlisted_codes_take_the_tables_default():
    """FT1-7 is the site's own table: what it does not list is of unknown origin."""
    made = records(dft("D1", ft1("1.00", " PY ", f7=" INSPAY "), ft1("1.00", "PAYMENT", "T2", f7="CASHBOX")))
    assert [(entry.kind, entry.payer) for entry in made.entries] == [("PY", "insurance"), ("PY", "unknown")]


def test_a_field_without_a_table_is_held_to_its_own_words():
    """Kind may be CG CD PY AJ CO and nothing else."""
    mapping = entry_site('kind = "FT1-6"\namount = "FT1-11"\nservice_on = "FT1-4"')
    assert records(dft("D1", ft1(kind="AJ")), mapping).entries[0].kind == "AJ"
    assert refused(dft("D1", ft1(kind="CHARGE")), mapping) == (
        "103",
        "FT1-6",
        "kind: expected one of AJ, CD, CG, CO, PY",
    )


def test_the_first_source_that_says_something_wins():
    """The amount is FT1-12, else FT1-22; a null in the first says something."""
    assert records(dft("D1", ft1("", f12="7.00", f22="9.00"))).entries[0].unit_amount == Decimal("7.00")
    assert records(dft("D1", ft1("", f22="9.00"))).entries[0].unit_amount == Decimal("9.00")
    assert records(dft("D1", ft1("", f12='""', f22="9.00"))).entries[0].unit_amount is NULL
    assert records(dft("D1", ft1(""))).entries[0].unit_amount is None


def test_a_code_that_one_sources_table_lacks_is_left_to_the_next_source():
    """Only when no source knows the code is there no value, and a required field is missing."""
    tables = '[tables.a]\nX = "CG"\n[tables.b]\nY = "PY"\n'
    sources = '[{ path = "FT1-6", table = "a" }, { path = "FT1-7", table = "b" }]'
    mapping = entry_site(f'kind = {sources}\namount = "FT1-11"\nservice_on = "FT1-4"', tables)
    assert records(dft("D1", ft1(f6="X", f7="Y")), mapping).entries[0].kind == "CG"
    assert records(dft("D1", ft1(f6="Z", f7="Y")), mapping).entries[0].kind == "PY"
    assert refused(dft("D1", ft1(f6="Z", f7="Z")), mapping)[:2] == ("101", "FT1-6")


def test_a_bad_value_in_the_first_source_is_refused_unless_it_may_be_ignored():
    """With invalid = ignore the next source is asked."""
    for option, expected in (("", None), (', invalid = "ignore"', dt.date(2026, 2, 1))):
        mapping = site(f'birth_on = {{ from = ["PID-7", "PID-33"]{option} }}')
        data = message("ADT^A04", "C1", pid(f7="BAD", f33="20260201"))
        if expected is None:
            assert refused(data, mapping)[:2] == ("102", "PID-7")
        else:
            assert records(data, mapping).patient.birth_on == expected


def test_a_fixed_value_is_taken_when_the_path_holds_anything():
    """PID-29 filled means dead, whatever day it names; empty says nothing, null deletes."""
    mapping = site(
        'deceased = { from = "PID-29", value = "Y" }\nlanguage = { from = ["PID-16", "PID-15"], value = "some" }'
    )
    said = {
        text: records(message("ADT^A04", "C1", pid(f29=text, f15="EN")), mapping).patient for text in ("2026", "", '""')
    }
    assert [patient.deceased for patient in said.values()] == [True, None, NULL]
    assert said[""].language == "some"


def test_repetition_component_and_subcomponent_are_what_the_path_says():
    """PID-3(2).4.2 is the universal id of the second identifier's authority; what is not there says nothing."""
    mapping = site(
        'authority = "PID-3(2).4.2"\nfamily_name = "PID-5(3).1"\nlanguage = "PID-15(2)"\npostal_code = "PID-11.5.2"'
    )
    made = records(message("ADT^A04", "C1", pid(f3="T1~T2^^^A&1.2.3", f5="ONE~TWO", f15="EN", f11="^^^^6&7")), mapping)
    assert made.patient.authority == "1.2.3"
    assert (made.patient.family_name, made.patient.language, made.patient.postal_code) == (None, None, "7")
    fewer = records(message("ADT^A04", "C1", pid(f3="T1~T2^^^A", f15="EN~FR", f11="^^^^6&")), mapping)
    assert (fewer.patient.authority, fewer.patient.language, fewer.patient.postal_code) == (None, "FR", None)


def test_a_record_may_be_made_of_another_segment_and_carry_its_own_rank():
    """A site whose guarantors stand in a Z-segment."""
    mapping = site(
        'each = "ZGT"\nrank = "ZGT-1"\nnumber = "ZGT-2"\nphone = { from = "ZGT-3", convert = "phone" }',
        kind="guarantor",
        events='"ADT^A04" = ["account", "guarantor"]',
    )
    made = records(adt("A1", "ZGT|7|TGUA7|~555", "ZGT|x7|TGUA8".replace("x", "")), mapping)
    assert [(each.rank, each.number, each.phone) for each in made.guarantors] == [
        (7, "TGUA7", None),
        (7, "TGUA8", None),
    ]


def test_an_optional_guarantor_that_lacks_what_the_mapping_requires_is_left_out():
    """The others of the message stay."""
    mapping = site(
        'number = { from = "GT1-2.1", required = true }',
        kind="guarantor",
        events='"ADT^A04" = ["account", "guarantor?"]',
    )
    made = records(adt("A1", gt1(f2=""), gt1(f2="TGUA2")), mapping)
    assert [each.number for each in made.guarantors] == ["TGUA2"]
    assert len(made.guarantors) == 1


def test_a_phone_without_a_number_says_nothing():
    """Neither nothing nor blanks may replace a number that is known."""
    assert [records(adt("A1", gt1(f6=text))).guarantors[0].phone for text in ("~555", "^PRN^PH", " ")] == [None] * 3
