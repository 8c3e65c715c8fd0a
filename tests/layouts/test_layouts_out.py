"""Every layout writes what it always wrote, and a reader that knows only the public description reads it."""

from __future__ import annotations

import datetime as dt
import typing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_readers import read_notices, read_placements
from layout_samples import ABOUT, COLUMNS, NOTICES, OTHER, PLACEMENT, ROWS, notice

from hl7bridge.config.settings import AgencySettings
from hl7bridge.layouts.registry import LAYOUTS, answering_layout
from hl7bridge.layouts.tsi import update_type
from hl7bridge.placement.records import STOPS, NoticeKind
from hl7bridge.privacy.sending import SEND_FIELDS

GOLDEN = Path(__file__).parent / "golden"
EVERY = sorted(LAYOUTS)


def carried(layout: str) -> list:
    return [each for each in NOTICES if each.kind in LAYOUTS[layout].carries]


def trimmed(data: bytes) -> bytes:
    """Without the blanks that fill fixed records, so that golden files stay readable."""
    return b"\r\n".join(line.rstrip(b" ") for line in data.split(b"\r\n"))


@pytest.mark.parametrize("layout", EVERY)
def test_placements_are_written_as_in_the_golden_file(layout):
    """A change of these bytes is a change for every agency: the layout's version grows with it."""
    data = LAYOUTS[layout].encode_placements(COLUMNS, ROWS, ABOUT)
    golden = (GOLDEN / f"placements.{layout}").read_bytes()
    assert (trimmed(data) if layout == "aim" else data) == golden


@pytest.mark.parametrize("layout", EVERY)
def test_notices_are_written_as_in_the_golden_file(layout):
    """One of each kind that the layout carries, and both directions of money."""
    data = LAYOUTS[layout].encode_notices(carried(layout), ABOUT)
    golden = (GOLDEN / f"notices.{layout}").read_bytes()
    assert (trimmed(data) if layout == "aim" else data) == golden


@pytest.mark.parametrize("layout", EVERY)
def test_an_independent_reader_finds_every_placement_with_its_balance(layout):
    """And the totals of a trailer inside the file agree, where the layout has one."""
    read = read_placements(layout, LAYOUTS[layout].encode_placements(COLUMNS, ROWS, ABOUT))
    assert [(each["placement"], each["account"], each["balance"]) for each in read] == [
        (41, "A1001", Decimal("150.00")),
        (123456789, "B-77", Decimal("1234.50")),
    ]


@pytest.mark.parametrize("layout", ["csv", "jsonl"])
def test_csv_and_jsonl_have_every_column_as_it_is(layout):
    """Accents, quotes, pipes and what looks like a formula arrive unchanged."""
    read = read_placements(layout, LAYOUTS[layout].encode_placements(COLUMNS, ROWS, ABOUT))
    assert [each["fields"] for each in read] == [PLACEMENT, OTHER]


def test_aim_has_a_record_for_every_column_that_has_a_value():
    """Those without positions of their own are title and data; telephones are digits."""
    first, second = read_placements("aim", LAYOUTS["aim"].encode_placements(COLUMNS, ROWS, ABOUT))
    assert (first["last_charge"], first["last_paid"]) == (dt.date(2025, 9, 25), dt.date(2025, 11, 3))
    assert second["last_paid"] is None
    assert (first["phones"], second["phones"]) == ([("1", "5550101")], [("1", "15550102")])
    told = {"placement_id", "client_account", "balance", "service_to", "last_payment_on"}
    told |= {"guarantor_phone", "guarantor_relationship"}
    rest = {name.upper(): value for name, value in PLACEMENT.items() if value and name not in told}
    assert first["fields"] == rest | {"PATIENT_GIVEN_NAME": "AURELIA"}


def test_aim_needs_no_more_than_the_columns_that_every_agency_gets():
    """No telephone record without a telephone, and no day is the day that stands for none."""
    columns = ("placement_id", "file_no", "client_account", "balance")
    [only] = read_placements(
        "aim", LAYOUTS["aim"].encode_placements(columns, [("7", "000000007", "A1", "9.99")], ABOUT)
    )
    assert (only["placement"], only["balance"], only["phones"], only["fields"]) == (7, Decimal("9.99"), [], {})
    assert (only["last_charge"], only["last_paid"]) == (None, None)


def test_tsi_says_who_the_patient_is_to_the_debtor_and_never_a_social_security_number():
    """A guarantor who is a parent has a patient who is a child (3); self is 0. Early-out is service 1."""
    first, second = read_placements("tsi", LAYOUTS["tsi"].encode_placements(COLUMNS, ROWS, ABOUT))
    assert (first["client"], first["debtor"], first["street"]) == ("H01", "TESTGUARANTOR, BRUNO Q", "1 SAMPLE STREET")
    assert (first["birth_on"], first["debt_on"]) == (dt.date(1975, 1, 31), dt.date(2025, 9, 23))
    assert (first["patient_type"], second["patient_type"]) == ("3", "0")
    assert (first["service"], second["service"]) == ("2", "1")
    assert (second["street"], second["phone"], second["paid_on"]) == ('ROW "A", 2 3', "15550102", None)
    assert {first["social_security_numbers"], second["social_security_numbers"]} == {""}


@pytest.mark.parametrize(
    ("people", "debtor"),
    [
        ({"guarantor_organization": "SAMPLE WORKS", "guarantor_family_name": ""}, "SAMPLE WORKS"),
        ({"guarantor_given_name": "", "guarantor_middle_name": ""}, "TESTGUARANTOR"),
        ({"guarantor_family_name": "", "guarantor_given_name": ""}, ""),
    ],
)
def test_tsi_names_an_organization_or_what_is_known(people, debtor):
    """Without a family name the organization, without a given name no comma."""
    values = PLACEMENT | people
    [read] = read_placements("tsi", LAYOUTS["tsi"].encode_placements(tuple(values), [tuple(values.values())], ABOUT))
    assert read["debtor"] == debtor


def test_tsi_writes_only_columns_that_it_has_a_place_for():
    """`check` can warn of the others."""
    assert LAYOUTS["tsi"].leaves_out(("placement_id", "itemization_on", "balance", "service_to", "file_no")) == (
        "itemization_on",
        "service_to",
    )
    assert LAYOUTS["csv"].leaves_out(tuple(SEND_FIELDS)) == ()


@pytest.mark.parametrize("layout", ["csv", "jsonl"])
def test_csv_and_jsonl_tell_all_of_every_notice(layout):
    """Reason, days, payer, entry, the former number, and which fields changed, one of them to nothing."""
    read = [each["fields"] for each in read_notices(layout, LAYOUTS[layout].encode_notices(NOTICES, ABOUT))]
    assert [each["kind"] for each in read] == [each.kind.value for each in NOTICES]
    assert [each["amount"] for each in read[4:9]] == ["50.00", "-50.00", "25.00", "-25.00", "10.00"]
    assert (read[4]["paid_on"], read[4]["payer"], read[4]["entry"]) == ("2026-02-27", "insurance", "9001")
    assert read[9]["changed"] == "guarantor_street guarantor_street_2 guarantor_phone"
    assert (read[9]["guarantor_street"], read[9]["guarantor_street_2"]) == ("2 SAMPLE STREET", "")
    assert (read[10]["client_account"], read[10]["former_client_account"]) == ("A2002", "A1001")


def test_aim_stops_are_final_recalls_and_notices_that_name_the_suspension():
    """An agency may object to one recall only: that of an account it has kept too long."""
    read = read_notices("aim", LAYOUTS["aim"].encode_notices(NOTICES, ABOUT))
    assert [(each["record"], each.get("kind")) for each in read[:4]] == [
        (None, None),
        (None, None),
        ("CFIN", "BAN"),
        ("CFIN", "PIF"),
    ]
    assert [(each["name"], each["reason"]) for each in read[:2]] == [("suspend", "dispute"), ("resume", "dispute")]
    old = notice(NoticeKind.RECALL, reason="keep_at_most")
    [late] = read_notices("aim", LAYOUTS["aim"].encode_notices([old], ABOUT))
    assert (late["record"], late["kind"], late["objection"]) == ("CPEN", "KEE", None)


def test_aim_money_is_positive_and_its_type_says_the_direction():
    """PC and DA lower the balance, PCR and DAR raise it; the entry makes the identifier unique."""
    read = read_notices("aim", LAYOUTS["aim"].encode_notices(NOTICES, ABOUT))
    assert [(each["kind"], each["amount"], each["balance"], each["payment"]) for each in read[4:9]] == [
        ("PC", Decimal("50.00"), Decimal("100.00"), "E9001"),
        ("PCR", Decimal("50.00"), Decimal("150.00"), "E9002"),
        ("DA", Decimal("25.00"), Decimal("125.00"), "E9003"),
        ("DAR", Decimal("25.00"), Decimal("150.00"), "E9004"),
        ("DAR", Decimal("10.00"), Decimal("160.00"), "E9005"),
    ]
    assert [each["paid_on"] for each in read[4:6]] == [dt.date(2026, 2, 27), dt.date(2026, 3, 2)]
    [other] = read_notices("aim", LAYOUTS["aim"].encode_notices([notice(NoticeKind.ADJUSTMENT, 12)], ABOUT))
    assert (other["payment"], other["amount"]) == ("N12", Decimal("0.00"))


def test_aim_tells_changes_of_people_and_of_the_number():
    """A telephone has its own record; a telephone that is gone is an empty CMIS record."""
    read = read_notices("aim", LAYOUTS["aim"].encode_notices(NOTICES, ABOUT))
    assert read[9]["fields"] == {"GUARANTOR_STREET": "2 SAMPLE STREET", "GUARANTOR_STREET_2": ""}
    assert read[9]["phones"] == ["5550199"]
    assert (read[10]["account"], read[10]["fields"]) == ("A2002", {"FORMER_CLIENT_ACCOUNT": "A1001"})
    gone = notice(NoticeKind.DEMOGRAPHIC, changes=(("guarantor_phone", ""),))
    [read] = read_notices("aim", LAYOUTS["aim"].encode_notices([gone], ABOUT))
    assert (read["fields"], read["phones"]) == ({"GUARANTOR_PHONE": ""}, [])


def test_tsi_types_say_which_way_the_money_goes():
    """SS suspends, RI reinstates, CN cancels; PP and CR lower, DB raises; PF is paid in full."""
    read = read_notices("tsi", LAYOUTS["tsi"].encode_notices(carried("tsi"), ABOUT))
    assert [(each["kind"], each["amount"]) for each in read] == [
        ("SS", Decimal("0.00")),
        ("RI", Decimal("0.00")),
        ("CN", Decimal("0.00")),
        ("PF", Decimal("0.00")),
        ("PP", Decimal("50.00")),
        ("DB", Decimal("50.00")),
        ("CR", Decimal("25.00")),
        ("DB", Decimal("25.00")),
        ("DB", Decimal("10.00")),
    ]
    assert {(each["client"], each["placement"]) for each in read} == {("H01", 41)}
    paid = notice(NoticeKind.PAYMENT, amount=Decimal("150.00"), balance=Decimal("0.00"))
    assert update_type(paid) == "PF"


def test_a_notice_tells_of_people_only():
    """Another field in a change is a mistake of ours and is not sent."""
    wrong = notice(NoticeKind.DEMOGRAPHIC, changes=(("payer_name", "SAMPLE MUTUAL"),))
    with pytest.raises(ValueError, match="changes of people only"):
        LAYOUTS["csv"].encode_notices([wrong], ABOUT)


@pytest.mark.parametrize("layout", EVERY)
@given(
    reason=st.text(max_size=250),
    account=st.text(max_size=80),
    kind=st.sampled_from(sorted(STOPS)),
    balance=st.decimals(Decimal("-99999999.99"), Decimal("999999999.99"), places=2),
)
def test_a_stop_can_always_be_written(layout, reason, account, kind, balance):
    """Whatever a person gave as the reason, and whatever the account is called by now."""
    stop = notice(kind, reason=reason, client_account=account, balance=balance)
    assert LAYOUTS[layout].notice_problem(stop) == ""
    [read] = read_notices(layout, LAYOUTS[layout].encode_notices([stop], ABOUT))
    assert read["placement"] == 41


def test_every_layout_carries_every_stop():
    """The layout tsi has no record for a change of a person or of a number; the others carry everything."""
    assert all(layout.carries >= STOPS for layout in LAYOUTS.values())
    left = {name: frozenset(NoticeKind) - layout.carries for name, layout in LAYOUTS.items()}
    assert {name: kinds for name, kinds in left.items() if kinds} == {
        "tsi": {NoticeKind.DEMOGRAPHIC, NoticeKind.REFERENCE}
    }


def test_the_settings_take_the_layouts_that_there_are():
    """By name; each knows its own, its version and how many placements go into one file."""
    assert set(typing.get_args(AgencySettings.model_fields["layout"].annotation)) == set(LAYOUTS)
    assert {name: (layout.name, layout.version, layout.suffix) for name, layout in LAYOUTS.items()} == {
        "csv": ("csv", 1, "csv"),
        "jsonl": ("jsonl", 1, "jsonl"),
        "aim": ("aim", 1, "txt"),
        "tsi": ("tsi", 1, "txt"),
    }
    assert {name: layout.most_records for name, layout in LAYOUTS.items()} == {
        "csv": 2000,
        "jsonl": 2000,
        "aim": 200,
        "tsi": 2000,
    }


def test_the_suffix_of_an_answer_tells_its_layout():
    """An agency of any layout may answer in csv or jsonl."""
    assert answering_layout("tsi", "statuses-1.csv").name == "csv"
    assert answering_layout("aim", "statuses-1.JSONL").name == "jsonl"
    assert answering_layout("aim", "statuses-1.txt").name == "aim"
