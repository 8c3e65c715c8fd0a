"""``accounts show --timeline``: everything that happened to an account, in order of time, in plain sentences."""

from __future__ import annotations

import datetime as dt

import pytest
from bridge_samples import NOW, Bridge, charges, registration

from hl7bridge.storage.exceptions import close_exception, open_exception

HEADER = "MSH|^~\\&|REG|NORTHGATE|HL7BRIDGE|AGENCY|{sent}||ADT^{event}^ADT_A39|{id}|P|2.5.1\rEVN|{event}|{sent}\r"
PERSON = "PID|1||M77^^^NORTHGATE^MR||TESTPATIENT^AURELIA^Q|||||||||||||{account}^^^NORTHGATE^AN\r"
SECOND = "5027441"


@pytest.fixture
def bridge(tmp_path):
    made = Bridge(tmp_path / "d")
    made.receive(registration(), charges())
    return made


def hours(number):
    """Return a time of receipt so many hours after the first messages'."""
    return NOW + dt.timedelta(hours=number)


def identity(event, control_id, account, prior, *, sent="20260113101500", more=""):
    """Return an ADT that changes identities: its PID, and what its MRG says."""
    return (
        (HEADER + PERSON + "MRG|{prior}\r{more}")
        .format(event=event, id=control_id, account=account, prior=prior, sent=sent, more=more)
        .encode()
    )


def second_account(bridge):
    """Have another account of the same person, with entries of its own."""
    bridge.receive(
        registration("A2", SECOND).replace(b"V77", b"V78"), charges("D2", SECOND).replace(b"|TX", b"|TY"), now=hours(1)
    )


def timeline(bridge, kind=None, account="5027440"):
    """Return the events, or the sentences of those of one kind."""
    events = bridge.rows("accounts", "show", account, "--timeline")
    return events if kind is None else [event["text"] for event in events if event["kind"] == kind]


def test_the_timeline_alone_is_an_event_a_line(bridge):
    """With its amount, and the message that told of it; the audit log says that somebody looked."""
    events = timeline(bridge)
    assert [(event["kind"], event["amount"], event["message"]) for event in events] == [
        ("message", None, 1),
        ("message", None, 2),
        ("entry", "500.00", 2),
        ("entry", "200.00", 2),
        ("entry", "50.00", 2),
    ]
    assert bridge.audit() == [("accounts.show", "account id 1")]
    printed = bridge.run("accounts", "show", "5027440", "--timeline").stdout
    assert "insurance payment 200.00 of 2025-09-01, balance 300.00" in printed
    assert "TESTPATIENT" not in printed


def test_a_coverage_that_another_takes_the_place_of_is_told(bridge):
    """By its company, as the account shows it; the account lists the coverages it had."""
    newer = registration("A9").replace(b"20260105101500", b"20260113101500")
    bridge.receive(newer.replace(b"PLAN1^SAMPLE PLAN|00001|SAMPLE", b"PLAN2|00002|OTHER"), now=hours(1))
    assert timeline(bridge, "coverage") == ["coverage 1, SAMPLE INSURANCE, ended or changed, said message 3"]
    (account,) = bridge.rows("accounts", "show", "5027440")
    (former,) = account["former_coverages"]
    assert (former["plan"], former["company_name"], former["ended_by"]) == ("PLAN1", "SAMPLE INSURANCE", 3)
    assert "Coverages it had" in bridge.run("accounts", "show", "5027440").stdout


def test_a_balance_that_the_sender_says_otherwise_is_told_until_it_agrees(bridge):
    """In dollars; the account shows what is open and what was."""

    def say(control_id, day, balance, hour):
        said = registration(control_id).replace(b"20260105", f"202601{day}".encode())
        told = b"V77^^^NORTHGATE^VN" + b"|" * 27 + balance
        bridge.receive(said.replace(b"V77^^^NORTHGATE^VN", told), now=hours(hour))

    say("A8", 13, b"300.00", 1)
    assert timeline(bridge, "discrepancy") == [
        "the sender says that the account's balance is 300.00, the ledger 250.00: 50.00 apart (message 3)"
    ]
    (account,) = bridge.rows("accounts", "show", "5027440")
    (found,) = account["discrepancies"]
    assert (found["figure"], found["ours"], found["theirs"], found["difference"]) == (
        "balance",
        "250.00",
        "300.00",
        "50.00",
    )
    assert "visit" not in found
    (account,) = bridge.rows("accounts", "show", "5027440", "--reveal")
    assert account["discrepancies"][0]["visit"] == ""
    assert "What the sender says otherwise" in bridge.run("accounts", "show", "5027440").stdout
    say("A9", 14, b"250.00", 2)
    assert timeline(bridge, "discrepancy")[1] == "the account's balance is as the sender says again"


def test_a_merge_is_told_with_what_happened_to_the_account_that_is_no_more(bridge):
    """Its messages, and its entries, which count here now; its number leads here."""
    second_account(bridge)
    bridge.receive(identity("A41", "M1", "5027440", f"M77^^^NORTHGATE^MR||{SECOND}^^^NORTHGATE^AN"), now=hours(2))
    assert timeline(bridge, "identity") == [
        "accounts merged, by ADT^A41 M1 from REG|NORTHGATE (accounts merged, entries moved: 3)",
        f"account number {SECOND} became 5027440, said message 5",
    ]
    told = timeline(bridge, "message")
    assert f"account {SECOND}: registered, by ADT^A04 A2 from REG|NORTHGATE" in told
    assert f"charge 500.00 of 2025-08-01, balance 750.00; of account {SECOND}" in timeline(bridge, "entry")
    result = bridge.run("accounts", "show", SECOND)
    assert "hl7bridge: that number leads to account 5027440" in result.stderr
    assert f"merged into it: {SECOND}" in result.stdout
    assert "Other numbers" in result.stdout
    (account,) = bridge.rows("accounts", "show", SECOND)
    assert account["merged_accounts"] == [SECOND]
    assert [(each["number"], each["becomes"], each["retired"]) for each in account["ids"]] == [
        (SECOND, "5027440^^^NORTHGATE", True)
    ]
    (account,) = bridge.rows("accounts", "show", SECOND, "--reveal")
    assert {each["kind"] for each in account["ids"]} >= {"account", "visit"}
    values = {(row["record"], row["field"]): row for row in bridge.rows("accounts", "show", SECOND, "--provenance")}
    moved = next(row["entry"] for row in account["entries"] if row["transaction_id"] == "TY2")
    assert (values[f"entry {moved}", "amount"]["message"], values[f"entry {moved}", "amount"]["path"]) == (
        4,
        "FT1[2]-11",
    )


def test_an_account_that_has_another_number_now_says_which_message_said_so(bridge):
    """The number is read from the event that changed it."""
    bridge.receive(identity("A49", "M1", "5027999", "M77^^^NORTHGATE^MR||5027440^^^NORTHGATE^AN"), now=hours(1))
    assert "account number 5027440 became 5027999, said message 3" in timeline(bridge, "identity")
    rows = {(row["record"], row["field"]): row for row in bridge.rows("accounts", "show", "5027440", "--provenance")}
    number = rows["account", "number"]
    assert (number["value"], number["message"], number["path"]) == ("5027999", 3, "PID-18.1")


def test_a_visit_that_moves_to_another_account_takes_its_entries_with_it(bridge):
    """Each side says where they came from, or went; what comes back says so."""
    second_account(bridge)
    visit = "PV1|1|O|||||||||||||||||{}^^^NORTHGATE^VN\r"
    late = charges("D3", SECOND).replace(b"|TX", b"|TZ").replace(b"FT1|1", visit.format("V78").encode() + b"FT1|1")
    bridge.receive(late, now=hours(2))
    prior = "M77^^^NORTHGATE^MR||{}^^^NORTHGATE^AN||V78^^^NORTHGATE^VN"
    away = identity("A45", "M1", "5027440", prior.format(SECOND), more=visit.format("V78"))
    back = identity("A45", "M2", SECOND, prior.format("5027440"), sent="20260114101500", more=visit.format("V78"))
    bridge.receive(away, now=hours(3))
    assert any(line.endswith(f"; of account {SECOND}") for line in timeline(bridge, "entry"))
    left = timeline(bridge, "entry", SECOND)
    assert any(line.endswith("moved to another account by message 6") for line in left)
    moved = {(row["record"], row["note"]) for row in bridge.rows("accounts", "show", SECOND, "--provenance")}
    assert any(note.startswith("of entry ") and note.endswith(": moved by message 6") for _, note in moved)
    told = {
        row["message"]
        for row in bridge.rows("accounts", "show", "5027440", "--provenance")
        if row["record"].startswith("entry") and row["field"] == "amount"
    }
    assert told == {2, 5}
    bridge.receive(back, now=hours(4))
    returned = timeline(bridge, "entry", SECOND)
    assert any("came back from another account by message 7" in line for line in returned)
    for number in ("5027440", SECOND):
        (account,) = bridge.rows("accounts", "show", number)
        assert account["foots"] is True


def test_a_reversal_and_what_it_reverses_name_each_other(bridge):
    """In the timeline and in the ledger."""
    undo = charges("D2").replace(b"|TX", b"|TR").replace(b"|500.00", b"|-500.00")
    bridge.receive(undo, now=hours(1))
    assert any(line.endswith("with entry 1 a reversal and what it reverses") for line in timeline(bridge, "entry"))
    (account,) = bridge.rows("accounts", "show", "5027440")
    by_id = {row["entry"]: row["reverses"] for row in account["entries"]}
    assert (by_id[1], by_id[4], by_id[2]) == (4, 1, None)


def test_what_a_person_must_look_at_and_what_came_of_it_is_told(bridge):
    """With who settled it, and how."""
    with bridge.store() as store, store.transaction():
        opened = {"message_id": 2, "reason": "both were placed", "at": "2026-01-15T17:00:00.000Z"}
        open_exception(store, "unclear", 1, None, **opened)
        open_exception(store, "unclear", None, 1, **opened)
        close_exception(store, 1, lift_hold=False, now=hours(2), actor="user:a", reason="recalled by telephone")
    assert timeline(bridge, "exception") == [
        "for a person to look at: both were placed",
        "for a person to look at: both were placed",
        "looked at by user:a: recalled by telephone",
    ]


def test_a_signal_says_who_told_it_and_whether_it_holds(bridge):
    """At the time at which it became known here."""
    bridge.run("signals", "set", "5027440", "dispute", "open", "--on", "2026-01-12")
    (text,) = timeline(bridge, "signal")
    assert text.startswith("dispute is open since 2026-01-12, said user:")
    assert text.endswith("; it holds the account")


def test_a_message_about_the_person_alone_is_told_too(bridge):
    """As of an address, or of a merge of two numbers of the person."""
    update = HEADER.format(event="A31", id="P1", sent="20260113101500").replace("ADT_A39", "ADT_A05")
    bridge.receive((update + PERSON.format(account="")).encode(), now=hours(1))
    assert timeline(bridge, "message")[-1] == "person updated, by ADT^A31 P1 from REG|NORTHGATE"


def test_a_message_that_was_refused_says_what_became_of_it(bridge):
    """When it came so far that its account was known."""
    with bridge.store() as store:
        store.execute("UPDATE messages SET disposition = 'rejected', reason = 'no room' WHERE id = 2")
    assert timeline(bridge, "message")[1] == "DFT^P03 D1 from BILL|NORTHGATE: rejected (no room)"


def test_an_account_of_which_nothing_is_known_has_an_empty_timeline(bridge):
    """It was stored by no message."""
    with bridge.store() as store:
        store.execute(
            "INSERT INTO accounts (facility, number, status, charges, payments, adjustments, insurance_payments,"
            " as_of, message_id, created_at, updated_at) VALUES ('NORTHGATE', '7', 'open', 0, 0, 0, 0, '', 0, '', '')"
        )
    result = bridge.run("accounts", "show", "7", "--timeline")
    assert (result.exit_code, result.stderr) == (0, "Nothing happened yet.\n")
