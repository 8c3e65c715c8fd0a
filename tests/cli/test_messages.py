"""``messages``: what arrived and what became of it; values masked; a person can run it once more, and only once."""

from __future__ import annotations

import hashlib
import json

import pytest
from bridge_samples import NOW, Bridge, charges, registration

from hl7bridge.cli.kept_fields import kept_fields
from hl7bridge.cli.messages import COLUMNS
from hl7bridge.cli.revealed import visible_bytes, visible_text
from hl7bridge.net.faults import fault_of
from hl7bridge.net.limits import Limits
from hl7bridge.storage.messages import read_message
from hl7bridge.wire.mllp import Junk, Oversize, Truncated

LIMITS = Limits("ehr", 1000, 30, None)
SECRETS = ("TESTPATIENT", "AURELIA", "M77", "G77", "V77", "19710418", "SAMPLE ST", "555-0143", "SAMPLE INSURANCE")


@pytest.fixture
def bridge(tmp_path):
    return Bridge(tmp_path / "d")


def test_the_list_is_newest_first_with_the_keys_that_scripts_rely_on(bridge):
    """A registration, a resend of it, and an event that no mapping uses."""
    ignored = registration("A2").replace(b"A04", b"A60")
    bridge.receive(registration(), registration(), ignored)
    rows = bridge.rows("messages")
    assert [tuple(row) for row in rows] == [COLUMNS] * 3
    assert [(row["id"], row["disposition"], row["account"]) for row in rows] == [
        (3, "ignored", None),
        (2, "duplicate", "5027440"),
        (1, "applied", "5027440"),
    ]
    assert rows[2] == {
        "id": 1,
        "received_at": "2026-01-15T16:30:00.000Z",
        "listener": "ehr",
        "sending_application": "REG",
        "sending_facility": "NORTHGATE",
        "message_type": "ADT",
        "trigger_event": "A04",
        "control_id": "A1",
        "disposition": "applied",
        "ack_code": "AA",
        "reason": "",
        "account": "5027440",
    }


def test_the_list_can_be_of_one_disposition_and_says_when_there_are_more(bridge):
    """The audit log tells that somebody looked, in words without values."""
    bridge.receive(registration("A1"), registration("A2"), registration("A1"))
    assert [row["id"] for row in bridge.rows("messages", "--disposition", "duplicate")] == [3]
    result = bridge.run("messages", "--limit", 1)
    assert "A1" in result.stdout
    assert "A2" not in result.stdout
    assert "The first 1; --limit 0 shows all." in result.stderr
    assert bridge.run("messages", "--disposition", "parked").stderr == "No messages.\n"
    assert bridge.run("messages", "--disposition", "lost").exit_code == 2
    assert bridge.audit() == [
        ("messages.list", "parked messages: the newest 50"),
        ("messages.list", "messages: the newest 1"),
        ("messages.list", "duplicate messages: the newest 50"),
    ]
    bridge.rows("messages", "--limit", 0)
    assert bridge.audit()[0] == ("messages.list", "messages: all")


def test_a_message_is_shown_field_by_field_with_hl7s_names_and_masked_values(bridge):
    """Numbers, dates and codes of the account stay readable."""
    bridge.receive(registration(), charges())
    result = bridge.run("messages", "show", 1)
    assert result.exit_code == 0
    assert not [secret for secret in SECRETS if secret in result.stdout]
    assert "*** is a patient's value" in result.stderr
    lines = result.stdout.splitlines()
    at = lines.index("PID  Patient identification")
    assert [" ".join(line.split()) for line in lines[at + 1 : at + 3]] == [
        "PID-3 Patient identifier list ***",
        "PID-5 Patient name ***",
    ]
    (row,) = bridge.rows("messages", "show", 1)
    fields = {each["path"]: each for each in row["fields"]}
    assert fields["PID-5"] == {"path": "PID-5", "name": "Patient name", "value": "***", "masked": True}
    assert fields["PID-18"]["value"] == "5027440^^^NORTHGATE^AN"
    assert fields["GT1-11"] == {
        "path": "GT1-11",
        "name": "Guarantor relationship",
        "value": "SEL",
        "masked": False,
    }
    assert row["reply"][1] == "MSA|AA|A1"
    assert row["mapping"] == "generic"
    assert row["raw"] is None
    (row,) = bridge.rows("messages", "show", 2)
    fields = {each["path"]: each["value"] for each in row["fields"]}
    assert fields["FT1[2]-11"] == "200.00"
    assert "FT1-7" not in fields
    assert fields["FT1[3]-7"] == "CONTRACTUAL"


def test_reveal_shows_patients_values_and_the_log_says_who_did(bridge):
    """What no mapping names was never kept, so nothing can reveal it."""
    bridge.receive(registration())
    result = bridge.run("messages", "show", 1, "--reveal")
    assert "TESTPATIENT^AURELIA^Q" in result.stdout
    assert "CANARY" not in result.stdout
    assert result.stderr == ""
    bridge.run("messages", "show", 1)
    assert bridge.audit() == [("messages.show", "message 1"), ("messages.reveal", "message 1")]
    missing = bridge.run("messages", "show", 2)
    assert (missing.exit_code, missing.stderr) == (1, "hl7bridge: no message 2\n")


def test_of_an_unreadable_block_the_size_and_digest_are_shown_and_its_bytes_on_request(bridge):
    """Escaped: a terminal obeys nothing of them."""
    block = b"PID|1\r\n\x1b[31mTESTPATIENT\\\t\xff"
    bridge.receive(block)
    result = bridge.run("messages", "show", 1)
    digest = hashlib.sha256(block).hexdigest()
    assert f"{len(block)} bytes that are no message, SHA-256 {digest}\n--reveal shows them." in result.stdout
    assert "TESTPATIENT" not in result.stdout
    result = bridge.run("messages", "show", 1, "--reveal")
    assert "PID|1\\r\n\\n\n\\x1b[31mTESTPATIENT\\\\\\t\\xff\n" in result.stdout
    (row,) = bridge.rows("messages", "show", 1)
    assert row["raw"] == {"bytes": len(block), "sha256": digest, "escaped": ""}


def test_nothing_is_kept_of_a_duplicate(bridge):
    """Its first coming has it all."""
    bridge.receive(registration(), registration())
    assert bridge.run("messages", "show", 2).stderr == "Nothing was kept.\n"


def test_what_has_no_name_is_shown_by_number():
    """Nobody knows a site's own segments; of a version without tables, such as v2.9, the next older ones count."""
    header = "MSH|^~\\&|A|B|||20260105||ADT^A04|1|P|2.9"
    found = {each.path: each.name for each in kept_fields(f"{header}\rPID|1|||ALT", reveal=False)}
    assert (found["MSH-9"], found["PID-4"]) == ("Message type", "Alternate patient id")
    found = {each.path: each for each in kept_fields(f"{header}\rZPM|1||SECRET\rPID|" + "|" * 60 + "X", reveal=False)}
    assert (found["ZPM-3"].name, found["ZPM-3"].value) == ("", "***")
    assert found["PID-61"].name == ""
    assert found["MSH-1"].value == "|"
    no_version = {each.path: each for each in kept_fields("MSH|^~\\&|A", reveal=True)}
    assert no_version["MSH-3"].name == "Sending application"


def test_what_a_terminal_would_obey_is_written_as_an_escape():
    """Letters of any alphabet stay as they are."""
    assert visible_text("Ärger 李") == "Ärger 李"
    assert visible_text("a\x1b[2J\u202eb") == "a\\x1b[2J\\u202eb"
    assert visible_bytes(b"a\\\x00") == "a\\\\\\x00"


def test_a_rejected_message_is_replayed_once_the_mapping_takes_it(bridge):
    """Nobody is answered; the new row says what it repeats; balances are right, and a second replay is refused."""
    bridge.receive(charges().replace(b"|CG|", b"|CHG|"))
    refused = bridge.run("messages", "replay", 1)
    assert refused.exit_code == 1
    assert refused.stdout.startswith("message 1 is message 2 now: rejected: 103 FT1-6")
    bridge.configure('CG = "CG"', 'CG = "CG"\nCHG = "CG"', "mappings/generic.toml")
    (result,) = bridge.rows("messages", "replay", 1)
    assert result == {"id": 3, "replay_of": 1, "disposition": "applied", "reason": "replay of message 1"}
    (account,) = bridge.rows("accounts")
    assert account["balance"] == "250.00"
    again = bridge.run("messages", "replay", 1)
    assert again.exit_code == 1
    assert "message 1 was replayed already, as message 3; --force" in again.stderr
    assert ("messages.replay", "message 1, now message 3: applied") in bridge.audit()


def test_a_sender_that_repeats_a_replayed_message_is_told_that_it_was_taken(bridge):
    """Also its entries without an FT1-2 are counted once."""
    block = charges().replace(b"|CG|", b"|CHG|").replace(b"|TX1|", b"||")
    bridge.receive(block)
    bridge.configure('CG = "CG"', 'CG = "CG"\nCHG = "CG"', "mappings/generic.toml")
    bridge.rows("messages", "replay", 1)
    (reply,) = bridge.receive(block)
    assert (reply.disposition, reply.reason) == ("duplicate", "repeats message 2")
    assert b"MSA|AA|D1" in reply.data
    (account,) = bridge.rows("accounts")
    assert account["charges"] == "500.00"


def test_what_was_taken_is_replayed_only_by_force_and_its_entries_count_once(bridge):
    """Each entry is known by its FT1-2."""
    bridge.receive(registration(), charges())
    result = bridge.run("messages", "replay", 1, 2)
    assert (result.exit_code, result.stderr) == (
        1,
        "hl7bridge: message 1 is applied; --force runs it again all the same\n",
    )
    result = bridge.run("messages", "replay", 1, 2, 2, "--force")
    assert result.stdout == "message 1 is message 3 now: applied\nmessage 2 is message 4 now: applied\n"
    (account,) = bridge.rows("accounts")
    assert (account["charges"], account["balance"]) == ("500.00", "250.00")
    with bridge.store() as store:
        assert store.rows("SELECT sum(value) FROM counters WHERE name = 'received'") == [(4,)]


def test_all_replays_of_one_command_are_made_or_none(bridge):
    """The second is not there, so the first is not run either."""
    bridge.receive(charges().replace(b"|CG|", b"|CHG|"))
    result = bridge.run("messages", "replay", 1, 9)
    assert (result.exit_code, result.stderr) == (1, "hl7bridge: no message 9\n")
    assert [row["id"] for row in bridge.rows("messages")] == [1]


def test_a_message_that_names_its_character_set_is_replayed_in_it(bridge):
    """Kept as text, run again as the bytes that its MSH-18 speaks of."""
    said = charges().replace(b"|2.5.1\r", b"|2.5.1||||||8859/1\r").replace(b"AURELIA", b"AUR\xc9LIE")
    unsaid = charges("D2", "5027441").replace(b"AURELIA", "AURÉLIE".encode())
    bridge.receive(*(each.replace(b"|CG|", b"|CHG|") for each in (said, unsaid)))
    bridge.configure('CG = "CG"', 'CG = "CG"\nCHG = "CG"', "mappings/generic.toml")
    assert [row["disposition"] for row in bridge.rows("messages", "replay", 1, 2)] == ["applied", "applied"]
    (row,) = bridge.rows("accounts", "show", "5027440", "--reveal")
    assert row["patient"]["given_name"] == "AURÉLIE"


def test_an_unreadable_block_is_replayed_with_its_bytes(bridge):
    """It is refused for the same reason, which makes the command exit 1."""
    bridge.receive(b"PID|1\r")
    result = bridge.run("messages", "replay", 1)
    assert result.exit_code == 1
    assert "message 1 is message 2 now: unreadable: 100 MSH: a message must begin with MSH" in result.stdout
    with bridge.store() as store:
        assert read_message(store, 2).raw == b"PID|1\r"


@pytest.mark.parametrize("event", [Truncated(charges()), Junk(charges())])
def test_bytes_that_never_were_a_whole_block_are_replayed_only_by_force(bridge, event):
    """Half a message parses, and would post half its charges."""
    data, error, answered = fault_of(event, LIMITS)
    bridge.receive(data, fault=error, answered=answered)
    result = bridge.run("messages", "replay", 1)
    assert result.exit_code == 1
    assert "message 1 was not a whole block (100 MSH: " in result.stderr
    assert bridge.run("messages", "replay", 1, "--force").exit_code == 0


def test_a_block_of_which_only_the_head_was_kept_is_never_replayed(bridge):
    """Its end is gone for good."""
    data, error, answered = fault_of(Oversize(2000, charges()), LIMITS)
    bridge.receive(data, fault=error, answered=answered)
    result = bridge.run("messages", "replay", 1, "--force")
    assert (result.exit_code, result.stderr) == (
        1,
        "hl7bridge: of message 1 only the beginning was kept: it was too long; have it sent again\n",
    )


def test_a_message_of_which_only_the_header_was_kept_is_never_replayed(bridge):
    """A duplicate says where its content is; an ignored message must be sent again."""
    bridge.receive(registration(), registration(), registration("A2").replace(b"A04", b"A60"))
    duplicate = bridge.run("messages", "replay", 2, "--force")
    assert "of message 2 (duplicate) no more than its header was kept; it repeats message 1" in duplicate.stderr
    ignored = bridge.run("messages", "replay", 3, "--force")
    assert "of message 3 (ignored) no more than its header was kept; have it sent again" in ignored.stderr


def test_a_replay_needs_the_listener_that_the_message_came_by(bridge):
    """Its policy says what is taken."""
    bridge.receive(registration())
    bridge.configure('[[listeners]]\nname = "ehr"', '[[listeners]]\nname = "other"')
    result = bridge.run("messages", "replay", 1, "--force")
    assert "came by listener ehr, which is not configured any more" in result.stderr


def test_the_configuration_may_be_named_before_the_subcommand(bridge):
    """As in every group of commands."""
    bridge.receive(registration(), now=NOW)
    result = bridge.run("messages", "show", 1, "--json")
    assert json.loads(result.stdout)["id"] == 1
