"""What a site asks for beside the usual: fields, Z-segments, guarantor, character set, several payments in one."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from outbound_samples import ADDRESSED, build, form_of, make_item, names, read
from payment_samples import make_payment

from hl7bridge.mapping.outbound import VALUES, VERSIONS
from hl7bridge.message.conformance import check_strictly
from hl7bridge.payments.destination import DestinationForm
from hl7bridge.payments.forms import check_form, sample_messages
from hl7bridge.payments.joining import count_lines, is_same_form, join_messages
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.payments.readdress import addressing_of, readdress_message

NEW = ADDRESSED._replace(
    pid_3="2^^^HOSP^MR", pid_18="22^^^HOSP^AN", pv1_19="V2", account_number="2|2", guarantor_number="99",
    guarantor_name=("TESTOTHER",),
)  # fmt: skip
EVERYTHING = """
[outbound]
post_to = "guarantor"
pid_2 = "account"
[outbound.fee]
code = "7900"
[outbound.fields]
"PID-18" = "{guarantor}"
"PV1-50" = ""
"PV1-10" = "AGENCY"
"FT1-30" = ""
"GT1-11" = "SEL"
[[outbound.segments]]
name = "ZPI"
after = "PID"
fields = { 2 = "{account}", 3 = "{pid_3}" }
[[outbound.segments]]
name = "ZPA"
fields = { 1 = "{transaction_id}", 2 = "{agency}^{method}^A&B", 3 = "{pv1_19}" }
"""


def test_fields_and_segments_are_filled_where_the_mapping_says():
    """In order: the Z-segments behind what they follow, once for each FT1; a field that is taken away is gone."""
    item = make_item(make_payment(fee=Decimal("37.50"), method="CHK"))
    text = build(form_of(EVERYTHING), item)
    assert names(text) == ["MSH", "EVN", "PID", "ZPI", "PV1", "FT1", "ZPA", "FT1", "ZPA", "GT1"]
    segments = text.split("\r")
    assert segments[2] == "PID|1|5027440|100234^^^HOSP^MR||TESTPATIENT^AURELIA^Q" + "|" * 13 + "70088"
    assert segments[3] == "ZPI||5027440|100234^^^HOSP^MR"
    assert segments[4] == "PV1|1|O||||||||AGENCY|||||||||V889912^^^HOSP^VN"
    assert segments[5].endswith("|1|150.00&USD|150.00&USD")
    assert segments[6] == "ZPA|A1B200000001|sample^CHK^A\\T\\B|V889912^^^HOSP^VN"
    assert segments[7].startswith("FT1|2|A1B2F0000001|B260115001|20260114|20260115|AJ|7900^Agency fee^L|||1|37.50&USD")
    assert segments[8].startswith("ZPA|A1B2F0000001|")
    assert segments[9] == "GT1|1|70088|TESTGUARANTOR^MARIUS||||||||SEL"


@pytest.mark.parametrize("version", VERSIONS)
def test_it_conforms_in_each_version_and_z_segments_are_no_part_of_that(version):
    """Guarantor, fee, several payments."""
    text = EVERYTHING.replace("[outbound]\n", f'[outbound]\nversion = "{version}"\nbatch = "account"\n', 1)
    form = form_of(text + '[outbound.nsf]\nmethods = ["NSF"]\n')
    assert check_form(form) == []
    assert list(sample_messages(form)) == ["payment", "adjustment", "settlement", "reversal", "nsf"]


def test_a_field_that_the_version_has_not_is_told():
    """At every kind of message; the one that has several is told too."""
    found = check_form(
        form_of('[outbound]\nversion = "2.3"\nbatch = "remittance"\n[outbound.fields]\n"FT1-30" = "X"\n')
    )
    assert found[0].startswith("payment: FT1-30: ")
    assert found[-1].startswith("several: FT1[2]-30: ")


def test_each_named_value_is_what_it_says():
    """Money above zero, days as YYYYMMDD; a day in trust that nobody told is the day of payment."""
    fields = ", ".join(f'{number} = "{{{name}}}"' for number, name in enumerate(VALUES, 1))
    form = form_of(f'[[outbound.segments]]\nname = "ZPA"\nfields = {{ {fields} }}\n')
    payment = make_payment(
        kind=PaymentKind.REVERSAL, fee=Decimal("37.50"), method="CHK", reversal_of="CHK0", trust_on=dt.date(2026, 1, 16)
    )
    item = make_item(payment, original_transaction_id="A1B200000000")
    values = dict(zip(VALUES, build(form, item).split("\r")[5].split("|")[1:], strict=True))
    assert values == {
        "agency": "sample", "agency_payment_id": "CHK1", "amount": "150.00", "batch_id": "B260115001",
        "code": "AGYPAY", "fee": "37.50", "method": "CHK", "net": "112.50",
        "original_transaction_id": "A1B200000000", "paid_on": "20260114", "posted_on": "20260115",
        "posting": "reversal", "reversal_of": "CHK0", "transaction_id": "A1B200000001", "trust_on": "20260116",
    }  # fmt: skip
    trust = form_of('[outbound.fields]\n"FT1-4" = "{trust_on}"\n')
    assert read(trust).get("FT1-4") == "20260114"


def test_a_named_character_set_is_stated_and_what_it_lacks_becomes_its_base_letter():
    """Names only: ids that cannot be written are refused before. Bytes are of the set."""
    form = form_of('[outbound]\ncharset = "8859/1"\n')
    text = build(form, addressed=ADDRESSED._replace(pid_5="MÜLLER^ŁUCJA^Š漢"))
    assert text.split("\r")[0].endswith("|8859/1")
    assert text.split("\r")[2].split("|")[5] == "MÜLLER^?UCJA^S?"
    message = read(form, addressed=ADDRESSED._replace(pid_5="MÜLLER^ANNA"))
    assert (message.charset, message.get("PID-5.1")) == ("iso8859-1", "MÜLLER")


def test_enhanced_mode_asks_for_both_replies():
    """MSH-15 and MSH-16; in original mode neither is there."""
    assert read(DestinationForm("ehr", is_enhanced=True)).get("MSH-16") == "AL"
    assert read(DestinationForm("ehr", is_enhanced=True)).get("MSH-15") == "AL"
    assert len(build(DestinationForm("ehr")).split("\r")[0].split("|")) == 12


def test_several_payments_are_numbered_in_their_order():
    """Each FT1 with its own ids."""
    text = build(form_of("[outbound]\n"), make_item(number=1), make_item(number=2))
    assert [segment.split("|")[1:3] for segment in text.split("\r") if segment.startswith("FT1")] == [
        ["1", "A1B200000001"],
        ["2", "A1B200000002"],
    ]
    assert check_strictly(text, "2.5.1") == []


@pytest.mark.parametrize("text", ["[outbound]\n", EVERYTHING])
def test_a_message_that_nobody_has_seen_takes_more_payments(text):
    """It is the message that would have been built of all of them."""
    form = form_of(text)
    items = [make_item(make_payment(fee=Decimal(5)), number) for number in (1, 2, 3)]
    one = build(form, *items[:2])
    more = build(form, items[2], first=count_lines(one) + 1)
    assert join_messages(one, more) == build(form, *items)
    assert is_same_form(one, more)


def test_a_joined_message_tells_its_character_set():
    """As soon as something of it is not ASCII; one that states a set states it still."""
    form = DestinationForm("ehr")
    odd = make_item(make_payment("SCHÜLER"), 2)
    joined = join_messages(build(form), build(form, odd, first=2))
    assert joined == build(form, make_item(), odd)
    named = form_of('[outbound]\ncharset = "8859/1"\n')
    assert join_messages(build(named), build(named, odd, first=2)) == build(named, make_item(), odd)


def test_messages_of_two_forms_are_not_joined():
    """The configuration was changed meanwhile; the character set alone makes no other form."""
    plain = build(DestinationForm("ehr"))
    assert not is_same_form(plain, build(DestinationForm("ehr", version="2.3")))
    assert not is_same_form(plain, build(DestinationForm("ehr", is_enhanced=True)))
    assert is_same_form(plain, build(DestinationForm("ehr"), make_item(make_payment("SCHÜLER"))))


def test_a_waiting_message_is_addressed_anew_wherever_the_ids_stand():
    """In Z-segments and in GT1 too; what was left out stays out."""
    form = form_of(EVERYTHING)
    addressing = addressing_of(form)
    assert addressing.split(" ") == [
        "PID-3=pid_3", "PV1-19=pv1_19", "PID-2=account", "GT1-2=guarantor", "GT1-3=guarantor_name",
        "PID-18=guarantor", "ZPI-2=account", "ZPI-3=pid_3", "ZPA-3=pv1_19",
    ]  # fmt: skip
    assert readdress_message(build(form), NEW, addressing) == build(form, addressed=NEW)


def test_a_usual_form_needs_no_note_of_where_the_ids_stand():
    """Most messages; PID-2 tells by itself whether it has the account."""
    assert addressing_of(DestinationForm("ehr", pid_2="account")) == ""
    assert addressing_of(form_of('[outbound.fields]\n"FT1-24" = "X"\n')) == ""
    assert addressing_of(form_of('[outbound.fields]\n"PV1-50" = ""\n')) == "PID-3=pid_3 PID-18=pid_18 PV1-19=pv1_19"


def test_ids_that_the_stated_character_set_has_not_leave_the_message_as_it_was():
    """Rather than with a question mark in a number."""
    form = form_of('[outbound]\ncharset = "8859/1"\n')
    assert readdress_message(build(form), NEW) == build(form, addressed=NEW)
    assert readdress_message(build(form), NEW._replace(pid_3="漢2")) == build(form)
