"""``hl7bridge placements`` shows what was placed, explains why, and changes only what can be made true."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from placement_samples import charge, new_key_store, put_account, settings_in, signal

from hl7bridge.cli.main import main
from hl7bridge.storage.audit import read_audit, verify_audit
from hl7bridge.storage.placements import read_events


@pytest.fixture
def config(tmp_path):
    path = settings_in(tmp_path)
    with new_key_store(path) as store:
        put_account(store, "A1001")
        put_account(store, "A1002", entries=[charge("80.50", 200)])
    return path


@pytest.fixture
def reviewed(config):
    file = config.parent / "rules.toml"
    file.write_text(file.read_text().replace('mode = "automatic"', 'mode = "review"'))
    return config


def run(config, *arguments: str):
    return CliRunner().invoke(main, ["placements", *arguments, "--config", str(config)])


def decide(config) -> None:
    CliRunner().invoke(main, ["decide", "--config", str(config), "--as-of", "2026-03-02"])


def rows(result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def status_of(config) -> dict[str, str]:
    return {row["account"]: row["status"] for row in rows(run(config, "--json"))}


def outgoing(config) -> list[str]:
    return [path.name for path in (config.parent / "agencies" / "sample" / "outgoing").glob("*")]


def test_the_list_has_the_promised_keys(config):
    """Newest first; money and times as text; reasons of the rule that placed it."""
    assert "No placements." in run(config).stderr
    decide(config)
    newest, oldest = rows(run(config, "--json"))
    assert list(newest) == [
        "placement",
        "account",
        "facility",
        "agency",
        "tier",
        "rule",
        "status",
        "balance",
        "decided_at",
        "sent_at",
        "reasons",
    ]
    assert (newest["placement"], newest["account"]) == (2, "A1002")
    assert (newest["status"], newest["balance"]) == ("sent", "80.50")
    assert newest["reasons"][0] == "holds: wanted none, found none: yes"
    assert oldest["sent_at"].endswith("Z")
    assert len(rows(run(config, "--json", "--limit", "1"))) == 1
    assert rows(run(config, "--json", "--status", "queued")) == []
    assert rows(run(config, "--json", "--agency", "other")) == []
    assert run(config, "--status", "eligible").exit_code == 2
    assert "A1002" in run(config).stdout


def test_one_placement_shows_its_changes_and_exactly_what_was_sent(config):
    """The frozen fields, not what is known today."""
    decide(config)
    found = json.loads(run(config, "show", "1", "--json").stdout)
    assert [event["to_status"] for event in found["events"]] == ["queued", "sent"]
    assert found["sent"]["guarantor_family_name"] == "TESTGUARANTOR"
    assert "guarantor_birth_on" not in found["sent"]
    assert found["file"].startswith("placements-sample-000001-")
    text = run(config, "show", "1").stdout
    assert "status: sent" in text
    assert "guarantor_street" in text
    assert run(config, "show", "9").exit_code == 1


def test_a_placement_that_was_not_sent_says_so(reviewed):
    """There is nothing frozen yet."""
    decide(reviewed)
    assert "Nothing has been sent." in run(reviewed, "show", "1").stderr


def test_an_account_is_explained_as_things_stand(config):
    """Every predicate: what it wanted, what it found, whether it was satisfied."""
    with new_key_store(config) as store:
        put_account(store, "A1003", entries=[charge("150.00", 160)], signals=[signal("cease", "yes")])
        put_account(store, "A1004", entries=[charge("15.00", 160)])
    result = run(config, "explain", "A1001")
    assert ": eligible, rule aged\n" in result.stdout
    told = rows(run(config, "explain", "A1003", "--json"))
    assert [(row["rule"], row["fact"], row["held"]) for row in told[:2]] == [
        ("holds", "holds", False),
        ("common", "balance", True),
    ]
    assert "not eligible; not until a fact changes" in run(config, "explain", "A1004").stdout
    decide(config)
    assert "; placement 1 is open (sent)" in run(config, "explain", "A1001").stdout


def test_an_account_that_is_too_young_is_told_its_day(config):
    """The first day on which it would be eligible."""
    with new_key_store(config) as store:
        put_account(store, "A1005")
        store.execute("UPDATE accounts SET last_service_on = date('now', '-10 days') WHERE number = 'A1005'")
    assert "not eligible; will be on 20" in run(config, "explain", "A1005").stdout


def test_a_placement_is_explained_as_it_was_decided(config):
    """By its number when no account has that number, or when it is said to be one."""
    decide(config)
    with new_key_store(config) as store:
        put_account(store, "2")
    by_number = run(config, "explain", "1")
    assert "placement 1 was decided as of 2026-03-02 by rule aged" in by_number.stdout
    assert "as of" in run(config, "explain", "2").stdout
    assert "placement 2 was decided" in run(config, "explain", "2", "--placement").stdout
    assert run(config, "explain", "nobody").exit_code == 1
    assert run(config, "explain", "nobody", "--placement").exit_code == 1
    assert run(config, "explain", "77").exit_code == 1
    assert run(config, "explain", "77", "--facility", "NORTHGATE").exit_code == 1


def test_what_waits_in_review_is_sent_when_a_person_approves(reviewed):
    """All that are named or none; the file is there when the command ends."""
    decide(reviewed)
    assert status_of(reviewed) == {"A1001": "review", "A1002": "review"}
    assert outgoing(reviewed) == []
    refused = run(reviewed, "approve", "1", "99")
    assert refused.exit_code == 1
    assert status_of(reviewed)["A1001"] == "review"
    result = run(reviewed, "approve", "1")
    assert result.exit_code == 0, result.output
    assert "placement 1: queued" in result.stdout
    assert "1 placements, 150.00 dollars" in result.stdout
    assert status_of(reviewed) == {"A1001": "sent", "A1002": "review"}
    assert len(outgoing(reviewed)) == 2
    again = run(reviewed, "approve", "1")
    assert again.exit_code == 1
    assert "does not go from sent to queued" in again.stderr


def test_an_approval_that_cannot_be_sent_exits_1_and_stays_queued(reviewed):
    """The person learns that the agency has nothing yet."""
    decide(reviewed)
    folder = reviewed.parent / "agencies" / "sample" / "outgoing"
    folder.rmdir()
    folder.write_text("in the way")
    assert run(reviewed, "approve", "1").exit_code == 1
    assert status_of(reviewed)["A1001"] == "queued"


def test_a_placement_is_cancelled_before_it_is_sent_and_not_after(reviewed):
    """What the agency has, only the agency can give back; the reason is kept."""
    decide(reviewed)
    result = run(reviewed, "cancel", "2", "--reason", "wrong account type")
    assert result.stdout == "placement 2: cancelled\n"
    with new_key_store(reviewed) as store:
        assert read_events(store, 2)[-1].reason == "wrong account type"
        newest = next(iter(read_audit(store)))
        assert (newest["action"], newest["subject"], newest["reason"]) == (
            "placements.cancelled",
            "placement 2",
            "wrong account type",
        )
    run(reviewed, "approve", "1")
    late = run(reviewed, "cancel", "1", "--reason", "too late")
    assert late.exit_code == 1
    assert "a person can make it: suspended, recall_pending" in late.stderr
    assert run(reviewed, "cancel").exit_code == 2


def test_everything_that_reveals_or_changes_is_in_the_audit_log(reviewed):
    """Listing, showing, explaining, approving, cancelling, sending."""
    decide(reviewed)
    run(reviewed)
    run(reviewed, "show", "1")
    run(reviewed, "explain", "A1001")
    run(reviewed, "explain", "1")
    run(reviewed, "approve", "1")
    run(reviewed, "cancel", "2", "--reason", "test")
    with new_key_store(reviewed) as store:
        actions = [(row["action"], row["subject"]) for row in reversed(list(read_audit(store)))]
        assert verify_audit(store).ok
    assert [subject for action, subject in actions if action == "placements.explain"] == ["account id 1", "placement 1"]
    assert [action for action, _ in actions] == [
        "decide.run",
        "decide",
        "placements.list",
        "placements.show",
        "placements.explain",
        "placements.explain",
        "placements.queued",
        "placements.send",
        "placements.cancelled",
    ]
