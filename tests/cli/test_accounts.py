"""``accounts``: balances and holds; of one account what happened, entries that foot, and where each fact is from."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from bridge_samples import Bridge, charges, registration
from delivery_samples import claim_one, end_attempt

from hl7bridge.cli.accounts import COLUMNS
from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.verdict import Outcome, Verdict
from hl7bridge.storage.deliveries import cancel_delivery

NAMES = ("TESTPATIENT", "AURELIA", "SAMPLE ST", "1971", "555-0143", "M77", "V77")


@pytest.fixture
def bridge(tmp_path):
    made = Bridge(tmp_path / "d")
    made.receive(registration(), charges())
    return made


def newer(control_id):
    """Return a registration that was sent after the charges."""
    return registration(control_id).replace(b"20260105101500", b"20260112101500")


def texts(account, kind):
    """Return the lines of the timeline of one kind."""
    return [event["text"] for event in account["timeline"] if event["kind"] == kind]


def test_the_list_has_the_keys_that_scripts_rely_on_newest_first(bridge):
    """Money is text with two places; the audit log says that somebody looked."""
    bridge.receive(registration("A2", "5027441"))
    rows = bridge.rows("accounts")
    assert [tuple(row) for row in rows] == [COLUMNS, COLUMNS]
    assert rows[0]["account"] == "5027441"
    assert rows[1] == {
        "account": "5027440",
        "facility": "NORTHGATE",
        "balance": "250.00",
        "charges": "500.00",
        "payments": "200.00",
        "adjustments": "50.00",
        "status": "open",
        "holds": [],
    }
    assert bridge.audit() == [("accounts.list", "accounts: the newest 50")]
    result = bridge.run("accounts", "--limit", 1)
    assert "5027441" in result.stdout
    assert "5027440" not in result.stdout
    assert "--limit 0 shows all" in result.stderr


def test_the_list_can_be_of_one_facility(bridge):
    """A number may exist in two; showing it then needs the facility."""
    bridge.receive(registration("A2").replace(b"|NORTHGATE|", b"|SOUTHGATE|"))
    assert [row["facility"] for row in bridge.rows("accounts", "--facility", "SOUTHGATE")] == ["SOUTHGATE"]
    assert bridge.run("accounts", "--facility", "WESTGATE").stderr == "No accounts.\n"
    both = bridge.run("accounts", "show", "5027440")
    assert both.exit_code == 1
    assert "name one with --facility" in both.stderr
    (row,) = bridge.rows("accounts", "show", "5027440", "--facility", "SOUTHGATE")
    assert row["balance"] == "0.00"


def test_every_hold_of_an_account_is_named_once(bridge):
    """A guarantor who is a child, and whose patient and guarantor have both died."""
    child = f"{dt.datetime.now(dt.UTC).year - 9}0101".encode()
    late = newer("A9").replace(b"19710418", child).replace(b"F||SEL", b"F||SEL" + b"|" * 14 + b"Y")
    bridge.receive(late.replace(b"^AN\r", b"^AN||||||||||||Y\r"))
    (row,) = bridge.rows("accounts")
    assert row["holds"] == ["deceased", "minor_guarantor"]
    assert "holds: deceased, minor_guarantor" in bridge.run("accounts", "show", "5027440").stdout


def test_an_account_is_shown_with_entries_that_foot_and_without_names(bridge):
    """Also the timeline and the provenance hold no name, address, birth date or record number."""
    result = bridge.run("accounts", "show", "5027440")
    assert result.exit_code == 0
    assert not [name for name in NAMES if name in result.stdout]
    assert "account 5027440 of NORTHGATE, open" in result.stdout
    assert "balance 250.00 = charges 500.00 - payments 200.00 - adjustments 50.00" in result.stdout
    assert "3 entries come to 250.00 = the balance 250.00" in result.stdout
    assert "guarantor: rank 1, relationship SEL, has_address yes" in result.stdout
    assert bridge.audit() == [("accounts.show", "account id 1")]
    (account,) = bridge.rows("accounts", "show", "5027440")
    assert account["foots"] is True
    assert [(row["kind"], row["amount"], row["balance"]) for row in account["entries"]] == [
        ("CG", "500.00", "500.00"),
        ("PY", "200.00", "300.00"),
        ("AJ", "50.00", "250.00"),
    ]
    assert account["last_payment_on"] == "2025-09-01"
    assert "pid_18" not in account


def test_names_are_shown_on_request_and_the_log_says_who_asked(bridge):
    """Addresses and identifiers too."""
    result = bridge.run("accounts", "show", "5027440", "--reveal")
    assert "family_name TESTPATIENT, given_name AURELIA" in result.stdout
    assert "pv1_19: V77^^^NORTHGATE^VN" in result.stdout
    assert bridge.audit() == [("accounts.reveal", "account id 1")]
    (account,) = bridge.rows("accounts", "show", "5027440", "--reveal")
    assert account["patient"]["birth_on"] == "1971-04-18"
    assert account["guarantors"][0]["street"] == "1 SAMPLE ST"


def test_the_timeline_tells_everything_in_order_of_time(bridge):
    """From the first message to the EHR's word that the payment is posted."""
    bridge.run("signals", "set", "5027440", "charity", "denied")
    assert bridge.run("decide", "--as-of", "2026-03-01").exit_code == 0
    paid = ("payments", "post", "--agency", "sample", "--account", "5027440", "--date", "2026-01-14")
    assert bridge.run(*paid, "--id", "CHK1", "--amount", "100.00").exit_code == 0
    assert bridge.run(*paid, "--id", "ADJ1", "--amount", "20.00", "--kind", "adjustment").exit_code == 0
    now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    with bridge.store() as store:
        with store.transaction():
            first = claim_one(store, "ehr", now)
            end_attempt(store, first.id, Verdict(Outcome.ACCEPTED), DeliveryRules(), now)
        with store.transaction():
            second = claim_one(store, "ehr", now)
            end_attempt(store, second.id, Verdict(Outcome.HELD, "AE: no"), DeliveryRules(), now)
    (account,) = bridge.rows("accounts", "show", "5027440")
    at = [event["at"] for event in account["timeline"]]
    assert at == sorted(at)
    assert texts(account, "message") == [
        "registered, by ADT^A04 A1 from REG|NORTHGATE",
        "charges and payments, by DFT^P03 D1 from BILL|NORTHGATE",
    ]
    assert texts(account, "signal")[0].startswith("charity is denied since ")
    assert texts(account, "decision") == ["as of 2026-03-01, balance 250.00: eligible by rule aged, agency sample"]
    queued, sent = texts(account, "placement")
    assert queued.startswith("placement 1 with sample: eligible -> queued by user:")
    assert "queued -> sent" in sent
    assert texts(account, "payment") == [
        "agency sample reported a payment of 100.00 on 2026-01-14; now posted",
        "agency sample reported an adjustment of 20.00 on 2026-01-14; now refused",
    ]
    assert texts(account, "entry")[0] == "charge 500.00 of 2025-08-01, balance 500.00"
    assert texts(account, "entry")[-1] == "adjustment 20.00 of 2026-01-14, balance 130.00"
    lines = texts(account, "delivery")
    assert any(line.endswith("of payment 1 accepted by ehr after 1 attempt") for line in lines)
    assert any(line.endswith("of payment 2 is held after 1 attempt: AE: no") for line in lines)
    assert account["foots"] is True
    with bridge.store() as store, store.transaction():
        cancel_delivery(store, second.id, now=now, actor="user:a", reason="posted by hand")
    (account,) = bridge.rows("accounts", "show", "5027440")
    assert any(line.endswith("of payment 2 cancelled after 1 attempt") for line in texts(account, "delivery"))


def test_a_decision_against_placing_says_what_failed(bridge):
    """A hold is the whole reason when there is one."""
    bridge.run("signals", "set", "5027440", "hold", "yes")
    bridge.run("decide", "--as-of", "2026-03-01")
    bridge.run("signals", "set", "5027440", "hold", "no")
    bridge.receive(newer("A5").replace(b"^^TESTVILLE^IL^60000", b'^^TESTVILLE^IL^""'))
    bridge.run("decide", "--as-of", "2026-03-02")
    (account,) = bridge.rows("accounts", "show", "5027440")
    held, failed = texts(account, "decision")
    assert "not eligible: holds: wanted none, found hold: hold is yes" in held
    assert "has_address" in failed


def test_each_record_says_which_message_told_it_last_and_by_which_paths_and_lines(bridge):
    """And of each field by which message; the table has a line for each message of a record."""
    (account,) = bridge.rows("accounts", "show", "5027440")
    told = {each["record"]: each for each in account["provenance"]}
    assert told["account"]["message"] == 2
    assert told["account"]["messages"]["patient_class"] == 1
    assert told["account"]["notes"] == {}
    assert told["patient"]["message"] == 2
    guarantor = told["guarantor 1"]
    assert (guarantor["message"], guarantor["sender"], guarantor["mapping"]) == (1, "REG|NORTHGATE", "generic")
    assert guarantor["received_at"] == "2026-01-15T16:30:00.000Z"
    assert guarantor["fields"]["relationship"] == "GT1-11.1"
    assert told["coverage 1"]["fields"]["company_name"] == "IN1-4.1"
    assert told["entry 2"]["fields"] == {
        "kind": "FT1[2]-6.1",
        "amount": "FT1[2]-11",
        "payer": "FT1[2]-7.1",
        "service_on": "FT1[2]-4",
        "posted_on": "FT1[2]-5",
        "code": "FT1[2]-7.1",
        "transaction_id": "FT1[2]-2.1",
    }
    line = int(told["entry 2"]["lines"]["amount"].removeprefix("generic.toml:"))
    assert (bridge.folder / "mappings" / "generic.toml").read_text().splitlines()[line - 1].startswith("amount = ")
    printed = bridge.run("accounts", "show", "5027440").stdout
    assert "of entries 1" in printed
    assert re.search(r"entry 2, 3 +kind, amount, payer, service_on, posted_on, code, transaction_id +2 ", printed)


def test_a_payments_entry_has_no_message_and_a_lost_mapping_no_paths(bridge):
    """The agency told of it; a file that was renamed since tells nothing."""
    paid = ("--agency", "sample", "--id", "CHK1", "--account", "5027440", "--amount", "1.00", "--date", "2026-01-14")
    bridge.run("payments", "post", *paid)
    bridge.configure('city = "GT1-5.3"', "", "mappings/generic.toml")
    (account,) = bridge.rows("accounts", "show", "5027440")
    told = {each["record"]: each for each in account["provenance"]}
    assert (told["entry 4"]["message"], told["entry 4"]["fields"]) == (None, {})
    assert told["entry 4"]["notes"]["amount"] == "payment 1"
    assert told["guarantor 1"]["fields"]["city"] is None
    assert "no kept message tells it now" in bridge.run("accounts", "show", "5027440").stdout
    (bridge.folder / "mappings" / "generic.toml").unlink()
    (account,) = bridge.rows("accounts", "show", "5027440")
    assert set(account["provenance"][0]["fields"].values()) == {None}


def test_a_message_that_is_not_stored_any_more_is_still_named(bridge):
    """Its number stays; who sent it is not known."""
    with bridge.store() as store:
        store.execute("PRAGMA foreign_keys = OFF")
        store.execute("DELETE FROM messages WHERE id = 1")
    (account,) = bridge.rows("accounts", "show", "5027440")
    told = {each["record"]: each for each in account["provenance"]}
    assert (told["guarantor 1"]["message"], told["guarantor 1"]["sender"]) == (1, None)
    assert bridge.run("accounts", "show", "5027440").exit_code == 0


def test_an_account_whose_entries_do_not_come_to_its_balance_says_so(bridge):
    """Exit 1, in words and in JSON."""
    with bridge.store() as store:
        store.execute("UPDATE accounts SET charges = charges + 1")
    result = bridge.run("accounts", "show", "5027440")
    assert result.exit_code == 1
    assert "3 entries come to 250.00 IS NOT the balance 250.01" in result.stdout
    assert "the entries do not come to the balance; see 'hl7bridge db verify'" in result.stderr
    assert '"foots": false' in bridge.run("accounts", "show", "5027440", "--json").stdout


def test_an_account_without_entries_or_people_is_shown(bridge):
    """Nothing is owed; what is not known takes no line."""
    with bridge.store() as store:
        store.execute(
            "INSERT INTO accounts (facility, number, status, charges, payments, adjustments, insurance_payments,"
            " as_of, message_id, created_at, updated_at) VALUES ('NORTHGATE', '7', 'open', 0, 0, 0, 0, '', 0, '', '')"
        )
    result = bridge.run("accounts", "show", "7")
    assert result.exit_code == 0
    assert "0 entries come to 0.00 = the balance 0.00" in result.stdout
    assert "guarantor:" not in result.stdout
    assert "No entries." in result.stderr


def test_an_account_that_is_not_there_reveals_nothing_and_logs_nothing(bridge):
    """One line, exit 1."""
    result = bridge.run("accounts", "show", "999")
    assert (result.exit_code, result.stderr) == (1, "hl7bridge: no such account\n")
    assert bridge.audit() == []


def test_an_account_that_is_due_at_once_is_due_today(bridge):
    """However the store marks it: a person is shown a day, and never one that has passed."""
    assert bridge.run("signals", "set", "5027440", "dispute", "open").exit_code == 0
    shown = bridge.rows("accounts", "show", "5027440")[0]
    assert shown["due_on"] == dt.datetime.now(dt.UTC).date().isoformat()
