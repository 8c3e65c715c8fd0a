"""``accounts show --provenance``: for each value the message, the path, the line of the mapping, and when."""

from __future__ import annotations

import datetime as dt

import pytest
from bridge_samples import NOW, Bridge, charges, registration

from hl7bridge.storage.config_versions import START, record_version
from hl7bridge.versions import files_of, load_configuration

LATER = NOW + dt.timedelta(hours=1)
EVENTS = '"DFT^P03" = ["patient?", "account", "guarantor", "coverage", "entry", "balance"'
SIGNALS = '[[signals]]\nname = "charity"\neach = "FT1"\nfrom = "FT1-7.1"\ntable = "charity"\n'
CHARITY = '[tables.charity]\nCHFULL = "approved"\nINSPAY = "denied"\n\n'


@pytest.fixture
def bridge(tmp_path):
    made = Bridge(tmp_path / "d")
    made.receive(registration(), charges())
    return made


def values(bridge, *options, account="5027440"):
    """Return the rows by record and field."""
    rows = bridge.rows("accounts", "show", account, "--provenance", *options)
    return {(row["record"], row["field"]): row for row in rows}


def line_of(bridge, row):
    """Return the line of the mapping that a row names."""
    name, _, number = row["line"].rpartition(":")
    return (bridge.folder / "mappings" / name).read_text().splitlines()[int(number) - 1]


def tell_signals(bridge):
    """Have the mapping read a signal from FT1-7."""
    path = bridge.folder / "mappings" / "generic.toml"
    assert EVENTS in path.read_text()
    bridge.configure(EVENTS, f'{EVENTS}, "signals"', "mappings/generic.toml")
    bridge.configure("\n[tables.payer]", f"\n{SIGNALS}{CHARITY}[tables.payer]", "mappings/generic.toml")


def keep_version(bridge, at):
    """Keep the configuration as the daemon does that starts with it."""
    files = files_of(load_configuration(bridge.config))
    with bridge.store() as store, store.transaction():
        record_version(store, files, at=at, actor="daemon", reason=START)


def test_each_value_names_its_message_path_line_and_time(bridge):
    """People, plans, the account, entries and totals."""
    told = values(bridge)
    company = told["coverage 1", "company_name"]
    assert {
        name: company[name] for name in ("value", "path", "message", "received_at", "sender", "mapping", "note")
    } == {
        "value": "SAMPLE INSURANCE",
        "path": "IN1-4.1",
        "message": 1,
        "received_at": "2026-01-15T16:30:00.000Z",
        "sender": "REG|NORTHGATE",
        "mapping": "generic",
        "note": "",
    }
    assert line_of(bridge, company).startswith('company_name = "IN1-4.1"')
    assert told["entry 2", "amount"]["path"] == "FT1[2]-11"
    assert told["entry 2", "amount"]["value"] == "200.00"
    assert told["ledger", "insurance_paid_on"]["note"] == "of entries 2, 3"
    assert told["account", "patient_class"]["message"] == 1
    assert told["account", "number"]["message"] == 2
    assert (told["account", "status"]["message"], told["account", "status"]["note"]) == (1, "")


def test_a_status_that_no_message_told_is_that_of_every_account(tmp_path):
    """Charges alone open an account."""
    bridge = Bridge(tmp_path / "d")
    bridge.receive(charges())
    assert values(bridge)["account", "status"]["note"] == "as every account begins"


def test_what_tells_of_a_person_is_masked_until_it_is_asked_for(bridge):
    """The audit log says who asked."""
    row = values(bridge)["guarantor 1", "family_name"]
    assert (row["value"], row["masked"], row["path"]) == ("***", True, "GT1-3.1.1")
    assert values(bridge)["account", "pv1_19"]["masked"]
    assert bridge.audit()[0] == ("accounts.show", "account id 1")
    row = values(bridge, "--reveal")["guarantor 1", "family_name"]
    assert (row["value"], row["masked"]) == ("TESTPATIENT", False)
    assert bridge.audit()[0] == ("accounts.reveal", "account id 1")
    printed = bridge.run("accounts", "show", "5027440", "--provenance").stdout
    assert "GT1-3.1.1" in printed
    assert "TESTPATIENT" not in printed


def test_a_value_is_of_the_newest_message_that_tells_it_by_its_own_time(bridge):
    """An older message that comes late does not take its place."""
    late = registration("A0").replace(b"20260105101500", b"20260103101500").replace(b"SAMPLE INSURANCE", b"OLD INSURER")
    bridge.receive(late)
    assert values(bridge)["coverage 1", "company_name"]["message"] == 1
    newer = registration("A9").replace(b"20260105101500", b"20260113101500")
    bridge.receive(newer, now=LATER)
    row = values(bridge)["coverage 1", "company_name"]
    assert (row["message"], row["received_at"]) == (4, "2026-01-15T17:30:00.000Z")


def test_amounts_made_of_a_unit_and_a_quantity_name_both(bridge):
    """As of a sender that leaves FT1-11 empty; entries without FT1-2 are found by their place."""
    block = charges("D2", "5027441").replace(b"|PROC1|||1|500.00", b"|PROC1|||3||40.00")
    bridge.receive(block.replace(b"|TX2|", b"||").replace(b"|TX3|", b"||"))
    told = values(bridge, account="5027441")
    assert (told["entry 4", "amount"]["value"], told["entry 4", "amount"]["path"]) == ("120.00", "FT1-12 x FT1-10")
    assert told["entry 5", "amount"]["path"] == "FT1[2]-11"
    assert told["entry 6", "amount"]["path"] == "FT1[3]-11"
    assert ("entry 5", "transaction_id") not in told


def test_a_resend_does_not_become_the_origin_of_an_entry(bridge):
    """The message that made it stays it."""
    bridge.receive(charges("D2").replace(b"20260110120000", b"20260111120000"))
    assert values(bridge)["entry 1", "amount"]["message"] == 2


def test_what_the_sender_says_of_the_balance_is_told_too(bridge):
    """It is an assertion and changes nothing."""
    said = registration("A9").replace(b"20260105101500", b"20260113101500")
    bridge.receive(said.replace(b"V77^^^NORTHGATE^VN", b"V77^^^NORTHGATE^VN" + b"|" * 27 + b"300.00"))
    row = values(bridge)["balance of the account", "balance"]
    assert (row["value"], row["path"], row["message"]) == ("300.00", "PV1-46", 3)


def test_a_signal_of_a_message_names_its_path_and_a_persons_says_who(bridge):
    """With the time at which each was told."""
    tell_signals(bridge)
    bridge.receive(charges("D2").replace(b"INSPAY", b"CHFULL").replace(b"|TX", b"|TY"), now=LATER)
    row = values(bridge)["signal", "charity"]
    assert (row["value"], row["path"], row["message"]) == ("approved", "FT1[2]-7.1", 3)
    assert line_of(bridge, row) == "[[signals]]"
    bridge.run("signals", "set", "5027440", "dispute", "open")
    row = values(bridge)["signal", "dispute"]
    assert row["note"].startswith("told by user:")
    assert row["message"] is None
    bridge.configure(SIGNALS, "", "mappings/generic.toml")
    bridge.configure(', "signals"', "", "mappings/generic.toml")
    row = values(bridge)["signal", "charity"]
    assert (row["message"], row["path"], row["line"]) == (3, "FT1[2]-7.1", None)
    assert row["note"] == "what is kept of the message does not tell it now"


def test_messages_of_an_account_that_was_merged_into_this_one_count(bridge):
    """Who was told of only there is explained from there."""
    bridge.receive(registration("A2", "5027441").replace(b"|1||M77", b"|1||M78"))
    with bridge.store() as store:
        store.execute("UPDATE accounts SET merged_into = 1, status = 'merged' WHERE id = 2")
        store.execute("UPDATE patients SET merged_into = 1 WHERE id = 2")
        store.execute("DELETE FROM coverages WHERE account_id = 1")
        store.execute("UPDATE coverages SET account_id = 1")
        store.execute("UPDATE coverages SET company_name = 'OTHER'")
    told = values(bridge)
    assert told["coverage 1", "plan"]["message"] == 3
    assert (
        told["coverage 1", "company_name"]["note"] == "no kept message tells it now; this one told of the record last"
    )


def test_a_person_is_told_of_by_messages_of_other_accounts_and_by_those_of_no_account(bridge):
    """But their guarantors and plans are not this account's."""
    other = registration("A2", "5027441").replace(b"20260105101500", b"20260113101500")
    bridge.receive(other.replace(b"1 SAMPLE ST^^TESTVILLE^IL^60000||", b"2 SAMPLE ST^^TESTVILLE^IL^60000||"))
    told = values(bridge)
    assert told["patient", "street"]["message"] == 3
    assert told["guarantor 1", "street"]["message"] == 1


def test_what_is_read_by_another_path_now_is_shown_as_the_former_mapping_had_it(bridge):
    """When the store has the configuration of then; where both agree nothing is said."""
    keep_version(bridge, NOW - dt.timedelta(days=1))
    bridge.configure('company_name = "IN1-4.1"', 'company_name = "IN1-3.1"', "mappings/generic.toml")
    keep_version(bridge, NOW + dt.timedelta(days=1))
    told = values(bridge)
    row = told["coverage 1", "company_name"]
    assert (row["value"], row["path"], row["message"]) == ("SAMPLE INSURANCE", "IN1-4.1", 1)
    assert row["note"] == "the mapping has changed since"
    assert told["coverage 1", "plan"]["note"] == ""
    assert told["entry 1", "amount"]["note"] == ""


def test_a_former_mapping_that_cannot_be_read_any_more_explains_nothing(bridge):
    """The newest message that told of the record is named."""
    keep_version(bridge, NOW - dt.timedelta(days=1))
    with bridge.store() as store:
        store.execute("UPDATE config_versions SET files = replace(files, 'IN1-4.1', 'IN1-4.x.x')")
    bridge.configure('company_name = "IN1-4.1"', 'company_name = "IN1-3.1"', "mappings/generic.toml")
    row = values(bridge)["coverage 1", "company_name"]
    assert row["note"] == "no kept message tells it now; this one told of the record last"
    assert row["message"] == 1


def test_entries_are_told_apart_also_when_a_mapping_changed(bridge):
    """What an FT1 is read as now is not taken for another entry of its message."""
    bridge.configure('amount = "FT1-11"', 'amount = "FT1-10"', "mappings/generic.toml")
    told = values(bridge)
    assert told["entry 1", "amount"]["note"] == "what is kept of the message does not tell it now"
    assert told["entry 1", "amount"]["message"] == 2
    bridge.configure('amount = "FT1-10"', 'amount = "FT1-30"', "mappings/generic.toml")
    assert values(bridge)["entry 1", "kind"]["note"] != ""


def test_one_of_timeline_and_provenance_is_shown_at_a_time(bridge):
    """Wrong use."""
    result = bridge.run("accounts", "show", "5027440", "--timeline", "--provenance")
    assert result.exit_code == 2
    assert "one at a time" in result.stderr


def test_a_kept_message_that_cannot_be_read_again_is_passed_over(bridge):
    """And so is one of which only the header was kept; the others explain what they tell."""
    with bridge.store() as store:
        store.execute("UPDATE messages SET content = 'MSH|^~\\&' || char(13) || 'MSH|^~\\&' WHERE id = 1")
    told = values(bridge)
    assert told["coverage 1", "plan"]["note"].startswith("no kept message tells it now")
    assert told["entry 1", "amount"]["message"] == 2
    with bridge.store() as store:
        store.execute("UPDATE messages SET content = 'MSH|^~\\&' WHERE id = 1")
    assert values(bridge)["coverage 1", "plan"]["note"].startswith("no kept message tells it now")


def test_a_status_that_an_event_stands_for_is_the_mappings_own_word(bridge):
    """Closed, because a BAR^P06 says so by being one."""
    ended = charges("E1").partition(b"FT1|")[0].replace(b"DFT^P03^DFT_P03", b"BAR^P06").replace(b"P03", b"P06")
    bridge.receive(ended.replace(b"20260110", b"20260112"), now=LATER)
    row = values(bridge)["account", "status"]
    assert (row["value"], row["path"], row["message"]) == ("closed", "constant", 3)
    assert line_of(bridge, row).startswith("status = ")
