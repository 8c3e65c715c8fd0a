"""``messages`` and ``status`` about what is parked: who waits, and how a person ends the wait."""

from __future__ import annotations

import pytest
from bridge_samples import NOW, Bridge, charges, registration

UNLISTED = charges().replace(b"|CG|", b"|CHG|")
UNREADABLE = registration("A9").replace(b"|2.5.1\r", b"|2.5.1||||||KLINGON\r")


@pytest.fixture
def bridge(tmp_path):
    made = Bridge(tmp_path / "d")
    made.configure('[[listeners]]\nname = "ehr"', '[[listeners]]\nname = "ehr"\nerror_policy = "park"')
    return made


def waiting(bridge):
    """Return the ids of those that wait."""
    return [row["id"] for row in bridge.rows("messages", "--waiting")]


def status(bridge):
    """Return what ``status`` says of parked messages."""
    (found,) = bridge.rows("status")
    return found["parked_waiting"], found["oldest_parked_seconds"]


def test_parked_messages_are_listed_and_counted_with_the_age_of_the_oldest(bridge):
    """``--disposition parked`` has all that ever were, ``--waiting`` those that are still to be looked at."""
    assert status(bridge) == (0, None)
    bridge.receive(UNLISTED, registration(), UNREADABLE)
    count, seconds = status(bridge)
    assert count == 2
    assert seconds > 0
    assert waiting(bridge) == [3, 1]
    assert bridge.audit()[0] == ("messages.list", "messages that wait: the newest 50")
    assert "parked      2 wait for a person, the oldest since" in bridge.run("status").stdout
    bridge.run("messages", "dismiss", 3, "--reason", "asked them to mend it")
    assert waiting(bridge) == [1]
    assert [row["id"] for row in bridge.rows("messages", "--disposition", "parked")] == [3, 1]
    assert bridge.rows("messages", "--disposition", "rejected", "--waiting") == []


def test_a_parked_message_is_shown_with_its_reason_and_what_was_kept(bridge):
    """Masked as any other; one that could not be read by its size and digest."""
    bridge.receive(UNLISTED, UNREADABLE)
    shown = bridge.run("messages", "show", 1).stdout
    assert "disposition: parked\nack_code: AA\nreason: 103 FT1-6" in shown
    assert "Transaction amount extended" in shown
    assert "TESTPATIENT" not in shown
    (row,) = bridge.rows("messages", "show", 1)
    assert row["reply"][1] == "MSA|AA|D1"
    shown = bridge.run("messages", "show", 2).stdout
    assert "disposition: parked" in shown
    assert f"{len(UNREADABLE)} bytes that are no message, SHA-256 " in shown
    assert "TESTPATIENT" not in shown
    assert "TESTPATIENT" in bridge.run("messages", "show", 2, "--reveal").stdout
    assert bridge.audit()[0] == ("messages.reveal", "message 2")


def test_a_replay_that_is_taken_ends_the_wait_and_one_that_is_not_does_not(bridge):
    """Exit 1 while the mapping is as it was; then the charge counts once."""
    bridge.receive(UNLISTED)
    refused = bridge.run("messages", "replay", 1)
    assert refused.exit_code == 1
    assert "message 1 is message 2 now: rejected" in refused.stdout
    assert waiting(bridge) == [1]
    bridge.configure('CG = "CG"', 'CG = "CG"\nCHG = "CG"', "mappings/generic.toml")
    (result,) = bridge.rows("messages", "replay", 1)
    assert result["disposition"] == "applied"
    assert waiting(bridge) == []
    (account,) = bridge.rows("accounts")
    assert account["balance"] == "250.00"
    assert bridge.run("db", "verify").exit_code == 0


def test_a_parked_block_that_could_not_be_read_is_replayed_with_its_bytes(bridge):
    """The listener has been told the sender's character set meanwhile."""
    bridge.receive(UNREADABLE)
    assert bridge.run("messages", "replay", 1).exit_code == 1
    bridge.configure('error_policy = "park"', 'error_policy = "park"\ncharset = "8859/1"\ncharset_for = "all"')
    (result,) = bridge.rows("messages", "replay", 1)
    assert result["disposition"] == "applied"
    assert waiting(bridge) == []


def test_what_was_kept_is_replayed_in_the_listeners_character_set(bridge):
    """A name keeps its accent; what the new set lacks is not made up."""
    bridge.configure('error_policy = "park"', 'error_policy = "park"\ncharset = "8859/1"')
    bridge.receive(UNLISTED.replace(b"AURELIA", b"AUR\xc9LIE"))
    bridge.configure('CG = "CG"', 'CG = "CG"\nCHG = "CG"', "mappings/generic.toml")
    bridge.configure('charset = "8859/1"', 'charset = "8859/5"')
    refused = bridge.run("messages", "replay", 1)
    assert refused.exit_code == 1
    assert "message 1 holds characters that are not of the character set which listener ehr has now" in refused.stderr
    bridge.configure('charset = "8859/5"', 'charset = "8859/1"')
    assert bridge.rows("messages", "replay", 1)[0]["disposition"] == "applied"
    (row,) = bridge.rows("accounts", "show", "5027440", "--reveal")
    assert row["patient"]["given_name"] == "AURÉLIE"


def test_dismissing_needs_a_reason_and_is_all_or_nothing(bridge):
    """What does not wait is named, and the others go on waiting."""
    bridge.receive(UNLISTED, registration(), UNREADABLE)
    assert bridge.run("messages", "dismiss", 1).exit_code == 2
    assert "a reason is needed" in bridge.run("messages", "dismiss", 1, "--reason", " ").stderr
    result = bridge.run("messages", "dismiss", 1, 2, "--reason", "by hand")
    assert (result.exit_code, result.stderr) == (
        1,
        "hl7bridge: message 2 does not wait for a person: it is applied\n",
    )
    assert waiting(bridge) == [3, 1]
    result = bridge.run("messages", "dismiss", 1, 1, "--reason", "by hand")
    assert result.stdout == "message 1 waits no longer\n"
    assert bridge.rows("messages", "dismiss", 3, "--reason", "by hand") == [{"id": 3, "dismissed": True}]
    assert waiting(bridge) == []
    actions = [action for action, _ in bridge.audit()]
    assert actions.count("messages.dismiss") == 2
    assert "no message 9" in bridge.run("messages", "dismiss", 9, "--reason", "by hand").stderr


def test_try_says_that_a_message_would_be_parked(bridge, tmp_path):
    """And parks nothing."""
    file = tmp_path / "message.hl7"
    file.write_bytes(UNLISTED)
    (trial,) = bridge.rows("try", file)
    assert (trial["disposition"], trial["ack_code"]) == ("parked", "AA")
    assert waiting(bridge) == []
    assert status(bridge) == (0, None)


def test_an_age_is_measured_from_when_it_was_parked(bridge):
    """Not from a look or a resend."""
    bridge.receive(UNLISTED)
    bridge.receive(UNLISTED, now=NOW.replace(hour=20))
    with bridge.store() as store:
        assert store.rows("SELECT parked_at FROM parked") == [("2026-01-15T16:30:00.000Z",)]
