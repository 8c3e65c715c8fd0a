"""``exceptions``: what only a person can settle, shown and closed."""

from __future__ import annotations

import json

import pytest
from bridge_samples import Bridge, charges, registration

from hl7bridge.storage.exceptions import hold_account, open_exception

AT = "2026-01-15T16:30:00.000Z"


@pytest.fixture
def bridge(tmp_path):
    """Return a bridge with two exceptions, of which one is closed."""
    made = Bridge(tmp_path / "d")
    made.receive(registration(), charges())
    with made.store() as store, store.transaction():
        for kind, account in (("both_placed", 1), ("unclear", None)):
            open_exception(store, kind, account, None, message_id=2, reason="a person must look", at=AT)
        hold_account(store, 1, AT)
    assert made.run("exceptions", "close", 2, "--reason", "looked").exit_code == 0
    return made


@pytest.mark.parametrize("command", [("exceptions",), ("exceptions", "list")])
def test_what_waits_is_listed_and_with_all_what_was_closed_too(bridge, command):
    """Newest first."""
    rows = [json.loads(line) for line in bridge.run(*command, "--json").stdout.splitlines()]
    assert [(row["exception"], row["kind"], row["account"]) for row in rows] == [(1, "both_placed", "5027440")]
    rows = [json.loads(line) for line in bridge.run(*command, "--all", "--json").stdout.splitlines()]
    assert [row["exception"] for row in rows] == [2, 1]
    assert "both_placed" in bridge.run(*command).stdout


def test_one_is_shown_with_what_its_kind_means(bridge):
    """As lines, or as JSON; one that is not there is an error."""
    shown = bridge.run("exceptions", "show", 1).stdout
    assert "meaning: two accounts or patients that are one were both placed" in shown
    assert "closed_at" not in shown
    row = json.loads(bridge.run("exceptions", "show", 2, "--json").stdout)
    assert (row["kind"], row["resolution"]) == ("unclear", "looked")
    missing = bridge.run("exceptions", "show", 9)
    assert (missing.exit_code, missing.stderr) == (1, "hl7bridge: no exception 9\n")


def test_closing_says_what_was_lifted(bridge):
    """With a reason, which is required."""
    assert bridge.run("exceptions", "close", 1).exit_code == 2
    closed = bridge.run("exceptions", "close", 1, "--reason", "recalled", "--lift-hold")
    assert closed.stdout == "exception 1 is closed, 1 holds lifted\n"
    assert bridge.run("exceptions", "close", 1, "--reason", "again").exit_code == 1
    assert bridge.run("exceptions").stderr == "No exceptions.\n"


def test_closing_may_answer_with_the_whole_of_it(bridge):
    """As one JSON object."""
    row = json.loads(bridge.run("exceptions", "close", 1, "--reason", "recalled", "--json").stdout)
    assert (row["closed_by"][:5], row["resolution"], row["holds_lifted"]) == ("user:", "recalled", 0)
