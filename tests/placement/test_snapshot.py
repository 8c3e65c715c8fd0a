"""What an agency gets of an account: what the allow-list has, whole, and nothing else."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from placement_samples import COVERAGE, GUARANTOR, PATIENT, account, charge, days_ago, payment

from hl7bridge.errors import RefusedError
from hl7bridge.mapping.records import NULL, Guarantor
from hl7bridge.placement.snapshot import Snapshot, Terms, build_snapshot
from hl7bridge.privacy.sending import SEND_FIELDS, USUAL_FIELDS

TERMS = Terms(7, "primary", "aged", 1, dt.date(2026, 3, 2), "Northgate Sample Hospital")
STATE = account(
    [
        charge("200.00", 160),
        charge("50.00", 155),
        payment("80.00", 120, "insurance"),
        payment("15.00", 100),
        payment("30.00", 120, "insurance", kind="AJ"),
    ],
    discharged_on=days_ago(150),
)


def test_the_snapshot_has_exactly_the_fields_of_the_allow_list():
    """A field that the privacy table does not name cannot be sent, and one it names is there."""
    assert Snapshot._fields == tuple(SEND_FIELDS)


def test_an_account_is_told_in_full():
    """Every value, as text."""
    snapshot = build_snapshot(TERMS, STATE, PATIENT, (GUARANTOR,), (COVERAGE,), entries_balance=Decimal("125.00"))
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
    }


def test_the_amounts_foot():
    """Charges less both kinds of payments less adjustments are the balance, to the cent."""
    snapshot = build_snapshot(TERMS, STATE, PATIENT, (GUARANTOR,), (), entries_balance=Decimal("125.00"))
    parts = [Decimal(text) for text in snapshot.choose(("insurance_payments", "other_payments", "adjustments"))]
    assert Decimal(snapshot.charges) - sum(parts) == Decimal(snapshot.balance)
    assert snapshot.payer_name == ""


def test_a_balance_that_the_entries_do_not_come_to_is_refused_with_the_difference():
    """An amount that does not foot is never sent."""
    with pytest.raises(RefusedError, match=r"is 125\.00, and the entries come to 124\.99: a difference of 0\.01"):
        build_snapshot(TERMS, STATE, PATIENT, (GUARANTOR,), (), entries_balance=Decimal("124.99"))


def test_what_is_not_known_is_empty():
    """An agency sees an empty field, never the word None."""
    bare = account([payment("-50.00", 9, kind="AJ")])
    snapshot = build_snapshot(TERMS, bare, None, (), (), entries_balance=Decimal("50.00"))
    empty = {name for name, value in snapshot._asdict().items() if value == ""}
    assert {"patient_family_name", "guarantor_street", "service_from", "last_payment_on", "payer_name"} <= empty
    deleted = PATIENT._replace(family_name=NULL, birth_on=NULL)
    snapshot = build_snapshot(TERMS, bare, deleted, (), (), entries_balance=Decimal("50.00"))
    assert (snapshot.patient_family_name, snapshot.patient_birth_on) == ("", "")


def test_a_guarantor_who_is_the_patient_has_the_patients_address():
    """The same rule by which the decision found an address."""
    own = Guarantor(rank=1, relationship="SEL")
    snapshot = build_snapshot(TERMS, STATE, PATIENT, (own,), (), entries_balance=Decimal("125.00"))
    assert (snapshot.guarantor_family_name, snapshot.guarantor_street) == ("TESTPATIENT", "9 PATIENT WAY")


def test_control_characters_in_a_value_become_spaces():
    """A line break inside a value is legal CSV and breaks importers all the same."""
    odd = GUARANTOR._replace(street="1 SAMPLE\r\nSTREET\x00 ", city="\tSAMPLETON\x1b")
    snapshot = build_snapshot(TERMS, STATE, PATIENT, (odd,), (), entries_balance=Decimal("125.00"))
    assert (snapshot.guarantor_street, snapshot.guarantor_city) == ("1 SAMPLE STREET", "SAMPLETON")


def test_only_the_chosen_fields_are_frozen_in_the_order_chosen():
    """The minimum necessary is the agency's list."""
    snapshot = build_snapshot(TERMS, STATE, PATIENT, (GUARANTOR,), (), entries_balance=Decimal("125.00"))
    assert snapshot.choose(("balance", "client_account", "placement_id")) == ("125.00", "A1001", "7")
    assert "1975-01-31" not in snapshot.choose(USUAL_FIELDS)
    assert "1980-05-17" not in snapshot.choose(USUAL_FIELDS)
