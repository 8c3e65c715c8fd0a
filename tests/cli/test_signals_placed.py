"""A signal about an account that an agency has is told in the same transaction; holds may end by themselves."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from placement_samples import charge, new_key_store, put_account, settings_in

from hl7bridge.cli.main import main
from hl7bridge.storage.signals import read_signals


@pytest.fixture
def config(tmp_path):
    """A bridge whose account A1001 has been sent to its agency."""
    path = settings_in(tmp_path)
    with new_key_store(path) as store:
        put_account(store, "A1001", entries=[charge("150.00", 160)])
        put_account(store, "A1002", entries=[charge("150.00", 10)])
    assert CliRunner().invoke(main, ["decide", "--config", str(path), "--as-of", "2026-03-02"]).exit_code == 0
    return path


def run(config, *arguments: str, text: str | None = None):
    return CliRunner().invoke(main, ["signals", *arguments, "--config", str(config)], input=text)


def queued(config) -> list[tuple[str, str]]:
    """Return the kinds and reasons of the notices that wait for the agency."""
    with new_key_store(config) as store:
        return store.rows("SELECT kind, reason FROM notices WHERE status = 'queued' ORDER BY id")


def status(config) -> str:
    with new_key_store(config) as store:
        return store.rows("SELECT status FROM placements WHERE id = 1")[0][0]


def test_a_hold_stops_the_agency_in_the_same_transaction(config):
    """And the command says so."""
    result = run(config, "set", "A1001", "dispute", "open")
    assert result.exit_code == 0, result.output
    assert "placement 1: agency sample is told: suspend\n" in result.stdout
    assert queued(config) == [("suspend", "dispute")]
    assert status(config) == "suspended"


def test_a_hold_that_recalls_takes_the_placement_back(config):
    """As bankruptcy does unless the rules say otherwise."""
    result = run(config, "set", "A1001", "bankruptcy", "filed")
    assert "placement 1: agency sample is told: recall\n" in result.stdout
    assert queued(config) == [("recall", "bankruptcy")]
    assert status(config) == "recall_pending"


def test_a_file_of_signals_stops_too_and_keeps_stdout_for_data(config):
    """A dry run tells nobody."""
    text = "account,name,value\nA1001,cease,yes\nA1002,cease,yes\n"
    assert run(config, "import", "-", "--dry-run", text=text).exit_code == 0
    assert queued(config) == []
    result = run(config, "import", "-", "--json", text=text)
    assert json.loads(result.stdout) == {"signals": 2, "stored": 2, "dry_run": False}
    assert "placement 1: agency sample is told: suspend" in result.stderr
    assert queued(config) == [("suspend", "cease")]


def test_a_hold_before_the_agency_has_the_account_tells_nobody(config):
    """It is not placed; a placement that waits for a person is cancelled, and the command says so."""
    assert run(config, "set", "A1002", "bankruptcy", "filed").stdout.count("\n") == 1
    rules = config.parent / "rules.toml"
    rules.write_text(rules.read_text().replace('mode = "automatic"', 'mode = "review"'))
    with new_key_store(config) as store:
        put_account(store, "A1003", entries=[charge("150.00", 160)])
    CliRunner().invoke(main, ["decide", "--config", str(config), "--as-of", "2026-03-02"])
    assert run(config, "set", "A1003", "dispute", "open").stdout.endswith("placement 2: cancelled\n")


def test_a_hold_is_taken_also_when_the_rules_cannot_be_read(config):
    """The daemon tells the agency once they can."""
    (config.parent / "rules.toml").write_text("format = 9\n")
    result = run(config, "set", "A1001", "dispute", "open")
    assert result.exit_code == 0
    assert "hl7bridge: the rules cannot be read, so no agency is told yet: " in result.stderr
    with new_key_store(config) as store:
        assert read_signals(store, 1)["dispute"].value == "open"
        assert store.rows("SELECT account_id FROM stale_placements") == [(1,)]


def test_a_hold_may_have_a_last_day(config):
    """By an option or a column; once it is over, the list says that it is not in force."""
    result = run(config, "set", "A1002", "dispute", "open", "--on", "2026-02-01", "--until", "2999-12-31")
    assert result.stdout == "dispute is open since 2026-02-01 until 2999-12-31: stored\n"
    text = "account,name,value,observed_on,until\nA1002,cease,yes,2026-02-01,2026-02-28\n"
    assert run(config, "import", "-", text=text).exit_code == 0
    rows = [json.loads(line) for line in run(config, "list", "A1002", "--history", "--json").stdout.splitlines()]
    assert [(row["name"], row["until"], row["in_force"]) for row in rows] == [
        ("cease", "2026-02-28", False),
        ("dispute", "2999-12-31", True),
    ]
    with new_key_store(config) as store:
        assert read_signals(store, 2)["cease"].until.isoformat() == "2026-02-28"
    wrong = run(config, "import", "-", text="account,name,value,until\nA1002,cease,no,2026-02-28\n")
    assert "-:2: until: cease is no hold with this value, so it has no end" in wrong.stderr


def test_another_last_day_is_another_word(config):
    """The account becomes due when only the end changes."""
    run(config, "set", "A1002", "dispute", "open", "--on", "2026-02-01")
    with new_key_store(config) as store:
        store.execute("UPDATE accounts SET due_on = NULL")
    again = run(config, "set", "A1002", "dispute", "open", "--on", "2026-02-01", "--until", "2999-12-31")
    assert again.stdout.endswith(": stored\n")
    with new_key_store(config) as store:
        assert store.rows("SELECT due_on FROM accounts WHERE id = 2") != [(None,)]
