"""What the agency and the rules need: told with how well the feed says it, by the best of the ways there are."""

from __future__ import annotations

import pytest
from feed_samples import GENERIC, adt, dft, ft1, gt1, message, pid, pv1
from hypothesis import given
from hypothesis import strategies as st
from mapping_samples import compiled
from profiling_samples import counted, generic, section

from hl7bridge.privacy.sending import SEND_FIELDS, USUAL_FIELDS
from hl7bridge.profiling.needs import ALWAYS_KNOWN, OF_FACTS, OF_FIELDS, OURS, agency_needs, hold_needs, rule_needs
from hl7bridge.profiling.report import percent_text
from hl7bridge.rules.facts import FACTS
from hl7bridge.rules.signals import SIGNALS
from hl7bridge.rules.spec import compile_rules
from hl7bridge.shipped import read_shipped
from hl7bridge.tomlfile import parse_toml

RULES = compile_rules(parse_toml(read_shipped("rules.toml"), "rules.toml"))


def needed(counts, needs):
    """Return, by name, what was found, in which field, how often and of how many."""
    rows = section(counts, "needs", tuple(needs))
    return {row["name"]: (row["found"], row["field"], row["seen"], row["of"], row["percent"]) for row in rows}


def test_every_field_that_may_be_sent_is_ours_or_comes_of_the_feed():
    """Whoever adds one to the allow-list says here where a feed would say it."""
    assert OF_FIELDS.keys() | OURS == SEND_FIELDS.keys()
    assert OF_FACTS.keys() | ALWAYS_KNOWN == FACTS.keys()


def test_every_key_that_a_need_names_is_one_that_a_mapping_or_a_count_can_have():
    """A slip would be told as not mapped for ever."""
    everything = [*agency_needs([("a", tuple(SEND_FIELDS))]), *rule_needs(RULES), *hold_needs()]
    found = needed(counted(generic()), everything)
    by_signal = {each.name for each in everything if all("signal:" in keys[0] for keys in each.alternatives)}
    assert {name for name, row in found.items() if row[0] == "not mapped"} <= by_signal | SIGNALS.keys()


def test_the_fields_of_each_agency_are_told_once_with_all_who_need_them():
    """What the bridge makes itself is no question to a feed."""
    needs = list(agency_needs([("alpha", ("placement_id", "balance")), ("beta", ("balance", "payer_name"))]))
    assert [(need.name, need.needed_by) for need in needs] == [
        ("balance", "agency alpha, beta"),
        ("payer_name", "agency beta"),
    ]


def test_the_facts_that_rules_ask_for_are_told_with_the_rules():
    """In the order of the table of facts."""
    needs = [(need.name, need.needed_by) for need in rule_needs(RULES)]
    assert ("balance", "every rule") in needs
    assert ("days_without_payment", "rule aged") in needs
    assert "account_status" not in dict(needs)


def test_signals_that_hold_are_told_and_what_else_says_the_same():
    """A death is in PID-30 as well."""
    found = needed(counted(generic(), message("ADT^A04", "A1", pid(f30="Y"), pv1())), hold_needs())
    assert found["deceased"] == ("sent", "patient.deceased", 1, 1, "100 %")
    assert found["bankruptcy"] == ("not mapped", "signals bankruptcy", 0, None, "")
    assert "first_statement" not in found


def test_a_field_that_is_never_partly_or_mostly_sent_is_told_so():
    """Ninety-five in a hundred is enough to call it sent."""
    needs = tuple(agency_needs([("a", ("payer_name", "discharged_on", "patient_given_name"))]))
    late = message("ADT^A04", "A1", pid(), pv1(f45="20260105"))
    found = needed(counted(generic(), late, *(adt("A2") for _ in range(19))), needs)
    assert found["discharged_on"] == ("partly", "account.discharged_on", 1, 20, "5 %")
    assert found["payer_name"] == ("never sent", "coverage.company_name", 0, 0, "")
    assert found["patient_given_name"][0] == "sent"
    found = needed(counted(generic(), adt("A1"), *(late for _ in range(19))), needs)
    assert found["discharged_on"] == ("sent", "account.discharged_on", 19, 20, "95 %")


def test_the_message_type_that_says_it_best_is_what_the_feed_knows():
    """Charges need not repeat what registrations say."""
    needs = tuple(agency_needs([("a", ("patient_birth_on",))]))
    feed = [adt("A1"), *(dft("D1").replace(b"19710418", b"") for _ in range(9))]
    assert needed(counted(generic(), *feed), needs)["patient_birth_on"] == ("sent", "patient.birth_on", 1, 1, "100 %")


def test_entries_are_told_by_what_they_are():
    """An agency sees charges, payments of insurers and of others, and adjustments."""
    needs = tuple(agency_needs([("a", ("charges", "insurance_payments", "other_payments", "adjustments"))]))
    feed = dft("D1", ft1(), ft1(kind="PY", f7="INSPAY"), ft1(kind="CO"), ft1(kind="CD"), ft1(kind="AJ", f7="INSADJ"))
    found = {name: row[:3] for name, row in needed(counted(generic(), feed), needs).items()}
    assert found == {
        "charges": ("sent", "entry.kind CG", 1),
        "insurance_payments": ("sent", "entry.payer insurance", 2),
        "other_payments": ("sent", "entry.kind PY or CO", 2),
        "adjustments": ("sent", "entry.kind AJ or CD", 2),
    }


def test_a_charge_whose_procedure_is_in_the_payers_table_is_no_insurers_payment():
    """Its code says what was done, not who paid."""
    needs = tuple(agency_needs([("a", ("insurance_payments",))]))
    found = needed(counted(generic(), dft("D1", ft1(f7="INS"))), needs)
    assert found["insurance_payments"][0] == "never sent"


def test_a_guarantor_who_is_the_patient_has_the_patients_address():
    """GT1-11 says SEL, so what GT1 leaves out is not lacking."""
    address = {"f11": "1 SAMPLE ST^^TESTVILLE^IL^60000"}
    own = message("ADT^A04", "A1", pid(**address), pv1(), gt1(f5="", f8=""))
    other = message("ADT^A04", "A2", pid(**address), pv1(), gt1(f5="", f8='""', f11="SPO"))
    found = needed(counted(generic(), own), rule_needs(RULES))
    assert found["has_address"][:1] + found["has_address"][2:] == ("sent", 1, 1, "100 %")
    assert found["guarantor_age"] == ("sent", "guarantor.birth_on", 1, 1, "100 %")
    assert needed(counted(generic(), own, other), rule_needs(RULES))["has_address"][0] == "partly"


def test_a_signal_that_the_feed_tells_is_counted():
    """By the mapping's own word for it."""
    text = GENERIC.replace('"balance"]', '"balance", "signals"]')
    text += '\n[[signals]]\nname = "plan_status"\nfrom = "PV1-24.1"\nvalue = "active"\n'
    found = needed(counted(compiled(text), message("ADT^A04", "A1", pid(), pv1(f24="P")), adt("A2")), rule_needs(RULES))
    assert found["plan_status"] == ("sent", "signals plan_status", 1, None, "")


def test_an_agency_that_gets_the_usual_fields_can_be_asked_for():
    """The fields that are sent when nothing is chosen."""
    assert {need.name for need in agency_needs([("a", USUAL_FIELDS)])} == set(USUAL_FIELDS) - OURS


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, ""),
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (1, 3, "33.3 %"),
        (1, 9999, "0.1 %"),
        (9999, 10000, "99.9 %"),
        (1, 2, "50 %"),
    ],
)
def test_a_share_is_whole_only_when_it_is(part, whole, text):
    """One that is missing of ten thousand is not all."""
    assert percent_text(part, whole) == text


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_no_share_is_said_to_be_none_or_all_that_is_not(part, whole):
    """Whatever rounding does."""
    text = percent_text(min(part, whole), whole)
    assert (text == "0 %") == (part == 0)
    assert (text == "100 %") == (part >= whole)
