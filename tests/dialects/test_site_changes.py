"""The lines that a guide of docs/ehr shows for a site that differs do what the sentence before them says."""

import pytest
from dialects.scripted_day import guide_blocks, segment
from mapping_samples import compiled

from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.message.parse import parse_message
from hl7bridge.shipped import read_shipped_mappings

BASES = {name.replace(".", "_"): text for name, text in read_shipped_mappings().items()}
HEADER = "MSH|^~\\&|EHR|{}|||20260105101500||{}|C1|P|2.3\r"


def changed(ehr, mark, more=""):
    """Return the mapping of a site with the one block of a guide in which ``mark`` stands, and some lines more."""
    (block,) = [each for each in guide_blocks(ehr) if mark in each and "[[listeners]]" not in each]
    text = block if "format = 1" in block else f'format = 1\nname = "site"\nextends = "{ehr}"\n{block}{more}'
    return compiled(text.replace('name = "northgate"', 'name = "site"'), **BASES)


def records(mapping, event, *segments, facility="NORTHGATE"):
    """Return what the mapping makes of a message."""
    return apply_mapping(mapping, parse_message((HEADER.format(facility, event) + "\r".join(segments)).encode()))


def ecw(**fields):
    """Return a person of eClinicalWorks and an entry of 2.0 times FT1-22."""
    entry = {"f1": "1", "f4": "20260105", "f6": "CG", "f10": "2.0"} | fields
    return segment("PID", f2="TACC0001", f3="TST0001", f18="TACC0018"), segment("FT1", **entry)


def test_ecw_msh_4_is_empty_and_the_practice_is_said_by_the_mapping():
    """In every record that has a facility."""
    mapping = changed("eclinicalworks", 'extends = "eclinicalworks"')
    made = records(mapping, "DFT^P03", *ecw(f22="12.50"), facility="")
    assert (made.patient.facility, made.account.facility) == ("NORTHGATE", "NORTHGATE")
    (group,) = records(mapping, "ADT^A40", "PID|||TST0001|TACC0001", "MRG|TST0009|TACC0009", facility="").identities
    assert (group.facility, group.prior_account_number) == ("NORTHGATE", "TACC0009")


def test_ecw_our_own_payment_that_comes_back_is_passed_over_and_a_code_of_the_site_is_known():
    """By FT1-7, which the destination's settings say too."""
    mapping = changed("eclinicalworks", 'extends = "eclinicalworks"')
    assert records(mapping, "DFT^P03", *ecw(f6="PY", f7="AGYPAY", f11="7.00")).entries == ()
    (entry,) = records(mapping, "DFT^P03", *ecw(f6="PY", f7="ERA", f11="7.00")).entries
    assert entry.payer == "insurance"


@pytest.mark.parametrize(
    ("mark", "fields", "expected"),
    [
        ('amount = ["FT1-11", "FT1-22"]', {"f22": "25.00"}, ("CG", "25.00", "25.00")),
        ("implied_decimals", {"f22": "8500"}, ("CG", None, "85.00")),
        ('PMT = "PY"', {"f6": "PMT", "f11": "40.00"}, ("PY", "40.00", None)),
        ('PMT = "PY"', {"f6": "", "f22": "40.00"}, ("CG", None, "40.00")),
    ],
)
def test_ecw_fees_and_words_of_a_site(mark, fields, expected):
    """The kind, the amount for all, and the amount for one."""
    (entry,) = records(changed("eclinicalworks", mark), "DFT^P03", *ecw(**fields)).entries
    amounts = (entry.amount, entry.unit_amount)
    assert (entry.kind, *(None if each is None else str(each) for each in amounts)) == expected


def test_ecw_the_account_is_pid_18_after_all():
    """And what goes in a merge is MRG-3."""
    mapping = changed("eclinicalworks", 'prior_account_number = "MRG-3.1"')
    account = records(mapping, "DFT^P03", *ecw(f22="1.00")).account
    assert (account.number, account.pid_18) == ("TACC0018", "TACC0018")
    person = segment("PID", f3="TST0001", f4="TALT1", f18="TACC0018")
    (group,) = records(mapping, "ADT^A40", person, "MRG|TST0009|TALT2|TACC0019").identities
    assert (group.account_number, group.prior_account_number) == ("TACC0018", "TACC0019")


def test_athenahealth_a_status_in_a_segment_of_the_sites_own_holds_and_releases():
    """The inherited signal, from PV1-41, is replaced; a word that is not listed says nothing."""
    mapping = changed("athenahealth", "ZCL-3")
    person = segment("PID", f3="TST0001", f18="TACC0001")
    visit = segment("PV1", f2="O", f41="CBOHOLD")
    for word, value in (("MGRHOLD", ["yes"]), ("BILLED", ["no"]), ("DROP", [])):
        made = records(mapping, "ADT^A08", person, visit, f"ZCL|1|TCLAIM1|{word}")
        assert [each.value for each in made.signals if each.name == "hold"] == value


def test_athenahealth_amounts_in_cents():
    """In FT1-11, and in FT1-12 when it is empty."""
    mapping = changed("athenahealth", "implied_decimals")
    person = segment("PID", f3="TST0001", f18="TACC0001")
    lines = [segment("FT1", f4="20260105", f6="CG", **fields) for fields in ({"f11": "8500"}, {"f12": "8500"})]
    made = records(mapping, "DFT^P03", person, *lines)
    assert [str(each.amount or each.unit_amount) for each in made.entries] == ["85.00", "85.00"]


def test_nextgen_the_encounter_is_the_account_where_pid_18_is_empty():
    """Without the line such a registration is a person only, as an example of the mapping has it."""
    mapping = changed("nextgen", '"PV1-19.1"]')
    visit = segment("PV1", f2="O", f19="TENC0001")
    for number, found in (("", "TENC0001"), ("TACC0001", "TACC0001")):
        account = records(mapping, "ADT^A04", segment("PID", f3="TST0001", f18=number), visit).account
        assert account.number == found


def test_nextgen_amounts_as_people_write_them_and_payments_below_zero():
    """A payment that was sent as -1,250.00 is a payment, one sent above zero is a reversal."""
    person = segment("PID", f3="TST0001", f18="TACC0001")
    mapping = changed("nextgen", "loose = true", '[tables.transaction_type]\nP = "PY"\n')
    sent = (("CG", "$1,250.00"), ("P", "-1,250.00"), ("P", "20.00"))
    lines = [segment("FT1", f4="20260105", f6=kind, f11=amount) for kind, amount in sent]
    entries = records(mapping, "DFT^P03", person, *lines).entries
    assert [(each.kind, str(each.amount)) for each in entries] == [
        ("CG", "1250.00"),
        ("PY", "1250.00"),
        ("PY", "-20.00"),
    ]


def test_nextgen_of_several_numbers_the_one_of_type_mr_in_merges_too():
    """In PID-3 and in MRG-1."""
    mapping = changed("nextgen", "PID-3.1 where 5 = 'MR'")
    person = "PID|||77^^^CHART^PI~TST0001^^^NGPM^MR"
    assert records(mapping, "ADT^A31", person).patient.number == "TST0001"
    (group,) = records(mapping, "ADT^A40", person, "MRG|88^^^CHART^PI~TST0009^^^NGPM^MR").identities
    assert (group.patient_number, group.prior_patient_number) == ("TST0001", "TST0009")
    assert (group.patient_authority, group.prior_patient_authority) == ("NGPM", "NGPM")
