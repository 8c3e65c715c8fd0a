"""What an agency gets of an account: what the allow-list has, whole, with where it is from, and nothing else."""

from __future__ import annotations

from decimal import Decimal

import pytest
from placement_samples import COVERAGE, GUARANTOR, PATIENT, TODAY, account, charge, days_ago, facts, payment, signal

from hl7bridge.errors import RefusedError
from hl7bridge.mapping.records import NULL, Guarantor
from hl7bridge.placement.footing import check_footing
from hl7bridge.placement.itemization import Line, itemize
from hl7bridge.placement.lineage import ToldBy
from hl7bridge.placement.snapshot import Frozen, Known, Snapshot, Terms, build_snapshot
from hl7bridge.privacy.sending import SEND_FIELDS, USUAL_FIELDS
from hl7bridge.rules.spec_dates import Dates

DEFAULT = Dates()
TERMS = Terms(7, "primary", "aged", 1, TODAY, "Northgate Sample Hospital")
ENTRIES = [
    charge("200.00", 160),
    charge("50.00", 155),
    payment("80.00", 120, "insurance"),
    payment("15.00", 100),
    payment("30.00", 120, "insurance", kind="AJ"),
]
STATE = account(ENTRIES, discharged_on=days_ago(150), patient_class="O")
SECOND = COVERAGE._replace(rank=2, company_name="SECOND SAMPLE MUTUAL")
SIGNALS = (
    signal("first_statement", "2025-10-20"),
    signal("last_statement", "2025-12-20"),
    signal("statement_count", "3"),
)


def lines_of(entries) -> tuple[Line, ...]:
    """Return entries as the store has them, each told by a message of its own from 11 on."""
    return tuple(Line(each.kind, each.amount, each.payer, each.service_on, 11 + at) for at, each in enumerate(entries))


def known_of(state=STATE, entries=ENTRIES, **changes) -> Known:
    """Return what is known of an account."""
    signals = {each.name: each for each in changes.pop("signals", ())}
    lines = lines_of(entries)
    told_by = ToldBy(1, 5, 6, (7, 8))
    return Known(state, PATIENT, (GUARANTOR,), (COVERAGE,), signals, facts(state), lines, told_by)._replace(**changes)


def frozen_of(terms=TERMS, dates=DEFAULT, **changes) -> Frozen:
    """Return the snapshot of an account with its sources."""
    return build_snapshot(terms, known_of(**changes), dates)


def snapshot_of(**changes) -> Snapshot:
    """Return the snapshot of an account."""
    return frozen_of(**changes).snapshot


def test_the_snapshot_has_exactly_the_fields_of_the_allow_list():
    """A field that the privacy table does not name cannot be sent, and one it names is there."""
    assert Snapshot._fields == tuple(SEND_FIELDS)


def test_an_account_is_told_in_full():
    """Every value, as text."""
    snapshot = snapshot_of(signals=SIGNALS, coverages=(COVERAGE, SECOND))
    assert snapshot._asdict() == {
        "placement_id": "7",
        "client_account": "A1001",
        "facility": "NORTHGATE",
        "creditor": "Northgate Sample Hospital",
        "tier": "primary",
        "rule": "aged",
        "sequence": "1",
        "placed_on": "2026-03-02",
        "patient_family_name": "TESTPATIENT",
        "patient_given_name": "AURELIA",
        "patient_middle_name": "",
        "patient_birth_on": "1980-05-17",
        "guarantor_family_name": "TESTGUARANTOR",
        "guarantor_given_name": "BRUNO",
        "guarantor_middle_name": "",
        "guarantor_organization": "",
        "guarantor_birth_on": "1975-01-31",
        "guarantor_relationship": "SPO",
        "guarantor_street": "1 SAMPLE STREET",
        "guarantor_street_2": "",
        "guarantor_city": "SAMPLETON",
        "guarantor_state": "IL",
        "guarantor_postal_code": "60601",
        "guarantor_country": "",
        "guarantor_phone": "5550101",
        "guarantor_language": "es",
        "service_from": "2025-09-23",
        "service_to": "2025-09-28",
        "discharged_on": "2025-10-03",
        "charges": "250.00",
        "insurance_payments": "80.00",
        "other_payments": "15.00",
        "adjustments": "30.00",
        "balance": "125.00",
        "last_payment_on": "2025-11-22",
        "payer_name": "SAMPLE MUTUAL",
        "file_no": "000000007",
        "itemization_on": "2025-12-20",
        "itemization_kind": "last_statement",
        "itemization_balance": "125.00",
        "interest": "0.00",
        "fees": "0.00",
        "payments_since": "0.00",
        "credits_since": "0.00",
        "first_delinquency_on": "2025-09-28",
        "first_statement_on": "2025-10-20",
        "last_statement_on": "2025-12-20",
        "statement_count": "3",
        "eca_not_before": "2026-02-17",
        "fap_deadline": "2026-06-17",
        "last_payment_amount": "15.00",
        "last_payment_by": "patient",
        "last_insurance_payment_on": "2025-11-02",
        "service_class": "O",
        "payer_2_name": "SECOND SAMPLE MUTUAL",
        "payer_plan_type": "HMO",
        "insurance_status": "finished",
        "guarantor_number": "G1",
        "share": "",
        "prior_placement_id": "",
        "prior_agency": "",
    }


def test_every_day_and_sum_tells_where_it_is_from():
    """The message and its field, the signal and who told it, or what it was computed from."""
    sources = frozen_of(signals=SIGNALS).sources
    assert {field: source for field, source in sources.items() if not source.endswith("or one before it")} == {
        **dict.fromkeys(
            ("charges", "insurance_payments", "other_payments", "adjustments", "balance"),
            "the sum of the ledger's entries",
        ),
        "service_from": "message 11, FT1-4",
        "service_to": "message 12, FT1-4",
        "first_delinquency_on": "service_to",
        "last_payment_on": "message 14, FT1-4",
        "last_insurance_payment_on": "message 13, FT1-4",
        "itemization_on": "signal last_statement (test)",
        "itemization_balance": "entries up to 2025-12-20",
        "payments_since": "entries after 2025-12-20",
        "credits_since": "entries after 2025-12-20",
        "first_statement_on": "signal first_statement (test)",
        "last_statement_on": "signal last_statement (test)",
        "statement_count": "signal statement_count (test)",
        "eca_not_before": "first_statement_on + 120 days",
        "fap_deadline": "first_statement_on + 240 days",
    }


def test_every_value_of_a_record_tells_its_field_and_the_message_that_told_of_the_record_last():
    """What is not known has no source; what the guarantor has from the patient is of PID."""
    own = GUARANTOR._replace(relationship="SEL", phone=None, language=None)
    sources = frozen_of(guarantors=(own,), coverages=(COVERAGE, SECOND)).sources
    told = {field: source.removesuffix(" or one before it") for field, source in sources.items()}
    expected = {
        "client_account": "PID-18, message 1",
        "discharged_on": "PV1-45, message 1",
        "service_class": "PV1-2, message 1",
        "patient_family_name": "PID-5.1, message 5",
        "guarantor_street": "GT1-5.1, message 6",
        "guarantor_birth_on": "GT1-8, message 6",
        "guarantor_number": "GT1-2, message 6",
        "guarantor_phone": "PID, message 5",
        "payer_name": "IN1-4, message 7",
        "payer_plan_type": "IN1-15, message 7",
        "payer_2_name": "IN1-4, message 8",
    }
    assert {field: told[field] for field in expected} == expected
    assert "patient_middle_name" not in told
    bare = frozen_of(guarantors=(), coverages=(), patient=None, told_by=ToldBy(1)).sources
    assert not {"guarantor_phone", "patient_family_name", "payer_name"} & set(bare)


def test_a_site_sets_the_days_itself():
    """They are its policy; the bridge counts them, across the end of February of a leap year."""
    frozen = frozen_of(dates=Dates(30, 90), signals=[signal("first_statement", "2024-02-01")])
    assert (frozen.snapshot.eca_not_before, frozen.snapshot.fap_deadline) == ("2024-03-02", "2024-05-01")
    assert frozen.sources["fap_deadline"] == "first_statement_on + 90 days"
    late = snapshot_of(signals=[signal("first_statement", "9999-12-30")])
    assert late.eca_not_before == "9999-12-31"


def test_a_second_placement_tells_of_the_first():
    """Its agency and number, and the share that chose this one."""
    terms = TERMS._replace(sequence=2, share="challenger", prior_placement_id=4, prior_agency="alpha")
    snapshot = snapshot_of(terms=terms)
    told = snapshot.choose(("sequence", "share", "prior_placement_id", "prior_agency"))
    assert told == ("2", "challenger", "4", "alpha")


@pytest.mark.parametrize(("code", "told"), [("I", "I"), ("E", "E"), ("B", ""), ("P", ""), (None, "")])
def test_of_the_patient_class_only_inpatient_outpatient_and_emergency_leave(code, told):
    """B is obstetrics: that says why somebody was treated."""
    assert snapshot_of(state=STATE._replace(patient_class=code)).service_class == told


def test_without_a_service_day_the_discharge_is_when_the_debt_began():
    """The later of the two is not looked for: the first that is known counts."""
    entries = [payment("-50.00", 9, kind="AJ")]
    frozen = frozen_of(state=account(entries, discharged_on=days_ago(150)), entries=entries)
    assert frozen.snapshot.first_delinquency_on == days_ago(150).isoformat()
    assert frozen.sources["first_delinquency_on"] == "discharged_on"


def test_the_amounts_foot():
    """Charges less payments less adjustments are the balance, and so is what the itemization comes to, to the cent."""
    snapshot = snapshot_of(coverages=(), signals=[signal("last_statement", days_ago(110).isoformat())])
    parts = [Decimal(text) for text in snapshot.choose(("insurance_payments", "other_payments", "adjustments"))]
    assert Decimal(snapshot.charges) - sum(parts) == Decimal(snapshot.balance)
    assert snapshot.choose(("itemization_balance", "payments_since", "credits_since")) == ("140.00", "15.00", "0.00")
    assert snapshot.payer_name == ""


def test_a_balance_that_the_entries_do_not_come_to_is_refused_with_the_difference():
    """An amount that does not foot is never sent."""
    with pytest.raises(RefusedError, match=r"is 125\.00, and the entries come to 124\.99: a difference of 0\.01"):
        snapshot_of(entries=[*ENTRIES, payment("0.01", 1)])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"charges": "251.00", "payments": "96.00"}, "the charges are 251.00, and their entries come to 250.00"),
        ({"payments": "94.00", "adjustments": "31.00"}, "the payments are 94.00, and their entries come to 95.00"),
        ({"insurance_payments": "79.00"}, "the insurance payments are 79.00, and their entries come to 80.00"),
    ],
)
def test_two_wrong_totals_that_make_up_for_each_other_are_refused_too(changes, told):
    """Each amount that is sent has to be true by itself."""
    state = STATE._replace(**{name: Decimal(amount) for name, amount in changes.items()})
    with pytest.raises(RefusedError, match=told.replace(".", r"\.")):
        snapshot_of(state=state)


def test_an_itemization_that_does_not_come_to_the_balance_is_refused_with_the_difference():
    """The same check that the ledger's totals pass."""
    lines = lines_of(ENTRIES)
    item = itemize(lines, {}, ("last_payment",), TODAY)
    check_footing(STATE, lines, item)
    with pytest.raises(RefusedError, match=r"the itemization by last_payment comes to 124\.00: a difference of 1\.00"):
        check_footing(STATE, lines, item._replace(balance=item.balance - 1))


def test_what_is_not_known_is_empty():
    """An agency sees an empty field, never the word None."""
    entries = [payment("-50.00", 9, kind="AJ")]
    bare = account(entries)
    snapshot = snapshot_of(state=bare, entries=entries, patient=None, guarantors=(), coverages=())
    empty = {name for name, value in snapshot._asdict().items() if value == ""}
    assert {"patient_family_name", "guarantor_street", "service_from", "last_payment_on", "payer_name"} <= empty
    assert {"itemization_on", "itemization_kind", "interest", "first_delinquency_on", "eca_not_before"} <= empty
    deleted = PATIENT._replace(family_name=NULL, birth_on=NULL)
    snapshot = snapshot_of(state=bare, entries=entries, patient=deleted)
    assert (snapshot.patient_family_name, snapshot.patient_birth_on) == ("", "")


def test_what_could_not_be_itemized_says_so():
    """Nothing is made up where no day is known."""
    frozen = frozen_of(dates=Dates(itemization=("judgment",)))
    assert frozen.sources["itemization_on"] == "none of the wanted kinds is known"
    assert frozen.snapshot.itemization_balance == ""


def test_a_guarantor_who_is_the_patient_has_the_patients_address():
    """The same rule by which the decision found an address."""
    snapshot = snapshot_of(guarantors=(Guarantor(rank=1, relationship="SEL"),))
    assert (snapshot.guarantor_family_name, snapshot.guarantor_street) == ("TESTPATIENT", "9 PATIENT WAY")


def test_control_characters_in_a_value_become_spaces():
    """A line break inside a value is legal CSV and breaks importers all the same."""
    odd = GUARANTOR._replace(street="1 SAMPLE\r\nSTREET\x00 ", city="\tSAMPLETON\x1b")
    snapshot = snapshot_of(guarantors=(odd,))
    assert (snapshot.guarantor_street, snapshot.guarantor_city) == ("1 SAMPLE STREET", "SAMPLETON")


def test_only_the_chosen_fields_are_sent_in_the_order_chosen():
    """The minimum necessary is the agency's list."""
    snapshot = snapshot_of()
    assert snapshot.choose(("balance", "client_account", "placement_id")) == ("125.00", "A1001", "7")
    assert "1975-01-31" not in snapshot.choose(USUAL_FIELDS)
    assert "1980-05-17" not in snapshot.choose(USUAL_FIELDS)
