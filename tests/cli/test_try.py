"""``try``: what a message would do, by the real path, on the real store or an empty one; and nothing is written."""

from __future__ import annotations

import json
import tempfile

import pytest
from bridge_samples import Bridge, charges, registration

from hl7bridge.cli import try_message


@pytest.fixture
def bridge(tmp_path):
    return Bridge(tmp_path / "d")


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a file of messages."""

    def write(*messages, name="in.hl7"):
        path = tmp_path / name
        path.write_bytes(b"".join(messages))
        return path

    return write


def tried(bridge, *arguments, code=0):
    """Return the rows of a run, having checked its exit code."""
    result = bridge.run("try", "--json", *arguments)
    assert result.exit_code == code, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_message_is_tried_on_the_path_of_production(bridge, file):
    """Mapping, records, ledger, decision with reasons, and the acknowledgement; each message after those before it."""
    before = bridge.dump()
    first, second = tried(bridge, file(registration(), charges()), "--as-of", "2026-03-01")
    assert (first["message"], second["message"]) == (1, 2)
    assert (second["message_type"], second["trigger_event"], second["control_id"]) == ("DFT", "P03", "D1")
    assert (second["mapping"], second["disposition"], second["listener"]) == ("generic", "applied", "ehr")
    assert first["records"]["patient"]["family_name"] == "TESTPATIENT"
    assert first["records"]["guarantors"][0]["relationship"] == "SEL"
    assert first["change"]["is_new"] is True
    change = second["change"]
    assert (change["is_new"], change["before"], change["after"]) == (False, "0.00", "250.00")
    assert (change["entries_new"], change["entries_known"], change["placement"]) == (3, 0, "")
    assert (change["decision"]["eligible"], change["decision"]["rule"]) == (True, "aged")
    assert {"fact": "days_without_payment", "wanted": "at least 90", "found": "181", "rule": "aged", "held": True} in (
        change["decision"]["reasons"]
    )
    assert second["ack_code"] == "AA"
    assert second["reply"][1] == "MSA|AA|D1"
    assert bridge.dump() == before
    assert bridge.audit() == []


def test_a_try_on_an_account_that_is_stored_is_logged_and_changes_nothing_else(bridge, file):
    """It shows a balance, so the audit log says whose."""
    bridge.receive(registration(), charges())
    before = bridge.dump()
    more = charges("D2").replace(b"|TX3|", b"|TX4|")
    (row,) = tried(bridge, file(more))
    change = row["change"]
    assert (change["before"], change["after"]) == ("250.00", "200.00")
    assert (change["entries_new"], change["entries_known"]) == (1, 2)
    assert "stored_id" not in change
    assert bridge.dump() == before
    assert bridge.audit() == [("try", "account id 1")]


def test_a_message_that_was_received_already_is_a_duplicate(bridge, file):
    """The stored reply would go out again; the balance stays."""
    bridge.receive(registration(), charges())
    (row,) = tried(bridge, file(charges()))
    assert (row["disposition"], row["reason"]) == ("duplicate", "repeats message 2")
    assert (row["change"]["before"], row["change"]["after"]) == ("250.00", "250.00")
    assert (row["change"]["entries_new"], row["change"]["entries_known"]) == (0, 3)


def test_an_account_with_an_open_placement_is_not_decided_again(bridge, file):
    """The output says so."""
    bridge.receive(registration(), charges())
    bridge.run("decide", "--as-of", "2026-03-01")
    result = bridge.run("try", file(charges("D2")))
    assert "but it is placed already (sent), so it is not decided" in result.stdout


def test_people_read_lines_and_each_reason(bridge, file):
    """Values are shown: it is the person's own file."""
    result = bridge.run("try", file(registration(), charges()), "--as-of", "2026-03-01")
    assert result.exit_code == 0
    out = result.stdout
    assert "in.hl7, message 2: DFT^P03 D1\n  mapping      generic\n  disposition  applied\n" in out
    assert "patient      facility NORTHGATE, number M77" in out
    assert "ledger       account 5027440 of NORTHGATE (new)\n" in out
    assert "balance 0.00 -> 250.00; entries: 3 new, 0 known" in out
    assert "decision     as of 2026-03-01: eligible, rule aged, agency sample" in out
    assert "+ days_without_payment: wanted at least 90, found 181: yes" in out
    assert "reply        AA\n    MSH|" in out
    assert out.endswith("Nothing was written.\n")


def test_a_message_that_would_be_refused_says_where_and_exits_1(bridge, file):
    """Others in the same run are tried all the same."""
    broken = charges("D2").replace(b"500.00", b"MUCH")
    first, second = tried(bridge, file(broken, charges()), code=1)
    assert (first["disposition"], first["ack_code"]) == ("rejected", "AE")
    assert first["reason"].startswith("102 FT1-11: amount: not a number")
    assert (first["records"], first["change"]) == (None, None)
    assert second["disposition"] == "applied"
    result = bridge.run("try", file(broken))
    assert result.exit_code == 1
    assert "not eligible" not in result.stdout


def test_an_event_that_no_mapping_uses_makes_no_records(bridge, file):
    """It would be answered AA and ignored."""
    (row,) = tried(bridge, file(registration().replace(b"A04", b"A60")))
    assert (row["disposition"], row["ack_code"], row["records"]) == ("ignored", "AA", None)
    assert row["mapping"] == "generic"


def test_bytes_that_are_no_message_are_tried_as_one_block(bridge, file):
    """What would be answered is shown."""
    path = file(b"PID|1\x1b[2J")
    (row,) = tried(bridge, path, code=1)
    assert (row["disposition"], row["mapping"]) == ("unreadable", "")
    assert row["reply"][1].startswith("MSA|AE||")
    assert "in.hl7, message 1: no message\n  mapping      none\n" in bridge.run("try", path).stdout


def test_standard_input_is_tried_too(bridge):
    """With line feeds in place of returns, as an editor saves it."""
    result = bridge.run("try", "-", input=registration().decode().replace("\r", "\n"))
    assert result.exit_code == 0
    assert "disposition  applied" in result.stdout


def test_without_a_store_an_empty_one_is_used_and_thrown_away(bridge, file, tmp_path, monkeypatch):
    """Encrypted, in a temporary folder that is gone afterwards."""
    (bridge.folder / "data" / "hl7bridge.db").unlink()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    rows = tried(bridge, file(registration(), charges()))
    assert rows[1]["change"]["after"] == "250.00"
    assert list(temporary.iterdir()) == []
    assert not (bridge.folder / "data" / "hl7bridge.db").exists()


def test_the_listener_can_be_chosen(bridge, file):
    """Its own policy and mapping count."""
    second = '[[listeners]]\nname = "test"\nbind = "127.0.0.1:2599"\nprocessing_ids = ["T"]\nmapping = "generic"\n\n'
    bridge.configure("[[destinations]]", f"{second}[[destinations]]")
    (row,) = tried(bridge, file(charges()), "--listener", "test", code=1)
    assert (row["listener"], row["ack_code"]) == ("test", "AR")
    missing = bridge.run("try", file(charges()), "--listener", "nobody")
    assert missing.exit_code == 1
    assert "no listener nobody in" in missing.stderr
    assert "there is ehr, test" in missing.stderr


def test_a_configuration_without_listeners_receives_nothing(bridge, file):
    """Said in one line."""
    text = (bridge.folder / "hl7bridge.toml").read_text()
    start, end = text.index("[[listeners]]"), text.index("[[destinations]]")
    (bridge.folder / "hl7bridge.toml").write_text(text[:start] + text[end:])
    result = bridge.run("try", file(charges()))
    assert result.exit_code == 1
    assert "there is no listener" in result.stderr


def test_a_run_that_would_lock_the_store_for_long_is_refused(bridge, file, monkeypatch):
    """The daemon's intake waits meanwhile."""
    monkeypatch.setattr(try_message, "MOST_TRIED", 2)
    result = bridge.run("try", file(*(charges(f"D{number}") for number in range(3))))
    assert result.exit_code == 1
    assert "try at most 2 at once" in result.stderr


def test_many_accounts_are_logged_as_a_count(bridge, file, monkeypatch):
    """A row of the audit log stays short."""
    monkeypatch.setattr(try_message, "_MOST_NAMED", 1)
    bridge.receive(registration(), registration("A2", "5027441"))
    tried(bridge, file(charges(), charges("D2", "5027441")))
    assert bridge.audit() == [("try", "2 accounts")]


def test_a_file_that_is_not_there_is_one_line(bridge, tmp_path):
    """Exit 1."""
    result = bridge.run("try", tmp_path / "none.hl7")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_a_message_about_a_person_alone_touches_no_account(bridge, file):
    """No ledger and no decision are shown."""
    result = bridge.run("try", file(registration().replace(b"A04", b"A28").replace(b"5027440", b"")))
    assert result.exit_code == 0
    assert "patient      facility NORTHGATE" in result.stdout
    assert "account" not in result.stdout
    assert "ledger" not in result.stdout


def test_a_merge_shows_the_ids_it_joins_and_what_the_target_comes_to(bridge, file):
    """And a charge that still names the retired number begins at the target's balance."""
    merge = registration("M1").replace(b"ADT^A04^ADT_A01", b"ADT^A41^ADT_A39").partition(b"\rPV1")[0]
    merge += b"\rMRG|1002003^^^NORTHGATE^MR||OLD1\r"
    late = charges("D2").replace(b"5027440", b"OLD1").replace(b"|TX", b"|TY")
    rows = tried(bridge, file(registration(), charges(), merge, late))
    (identity,) = rows[2]["records"]["identities"]
    assert (identity["account_number"], identity["prior_account_number"]) == ("5027440", "OLD1")
    assert (rows[2]["change"]["is_new"], rows[2]["change"]["before"], rows[2]["change"]["after"]) == (
        False,
        "250.00",
        "250.00",
    )
    change = rows[3]["change"]
    assert (change["account"], change["before"], change["after"]) == ("5027440", "250.00", "500.00")
