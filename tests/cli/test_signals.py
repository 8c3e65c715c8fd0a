"""``hl7bridge signals`` takes facts that HL7 has no field for: checked, audited, all of a file or nothing."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from placement_samples import charge, new_key_store, put_account, settings_in

from hl7bridge.cli.main import main
from hl7bridge.storage.audit import read_audit
from hl7bridge.storage.signals import read_signals


@pytest.fixture
def config(tmp_path):
    path = settings_in(tmp_path)
    with new_key_store(path) as store:
        put_account(store, "A1001", entries=[charge("150.00", 160)])
        put_account(store, "A1002", facility="SOUTHGATE")
        put_account(store, "A1002")
    return path


def run(config, *arguments: str, text: str | None = None):
    return CliRunner().invoke(main, ["signals", *arguments, "--config", str(config)], input=text)


def known(config, account_id: int = 1) -> dict:
    with new_key_store(config) as store:
        return read_signals(store, account_id)


def test_a_signal_is_set_and_audited(config):
    """The audit log says which account by its id, and which signal; not its value."""
    result = run(config, "set", "A1001", "charity", "pending", "--on", "2026-02-20")
    assert result.exit_code == 0, result.output
    assert result.stdout == "charity is pending since 2026-02-20: stored\n"
    found = known(config)["charity"]
    assert (found.value, found.observed_on.isoformat()) == ("pending", "2026-02-20")
    assert found.source.startswith("user:")
    with new_key_store(config) as store:
        [row] = read_audit(store)
    assert (row["action"], row["subject"], row["reason"]) == ("signals.set", "account id 1: charity", "stored")
    again = run(config, "set", "A1001", "charity", "pending", "--on", "2026-02-20")
    assert again.stdout.endswith(": known already\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("A1001", "charitee", "yes"), "name: not a signal (did you mean charity?)"),
        (("A1001", "charity", "perhaps"), "value: not a value of charity"),
        (("A9999", "charity", "yes"), "no such account"),
        (("A1002", "charity", "yes"), "name one with --facility"),
        (("A1001", "charity", "yes", "--on", "2999-01-01"), "the day lies ahead of the facility's today"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_stored(config, arguments, problem):
    """One line, exit 1."""
    result = run(config, "set", *arguments)
    assert result.exit_code == 1
    assert problem in result.stderr
    assert known(config) == {}


def test_a_facility_tells_accounts_of_one_number_apart(config):
    """The second facility's account gets it."""
    assert run(config, "set", "A1002", "cease", "yes", "--facility", "SOUTHGATE").exit_code == 0
    assert set(known(config, 2)) == {"cease"}
    assert known(config, 3) == {}


def test_a_file_is_imported_whole(config, tmp_path):
    """What is known already is counted and not stored again."""
    file = tmp_path / "signals.csv"
    file.write_text(
        "account,name,value,facility,observed_on,source\n"
        "A1001,dispute,open,,2026-02-01,ledger desk\n"
        "A1002,first_statement,2025-11-01,NORTHGATE,,\n"
    )
    result = run(config, "import", str(file))
    assert result.exit_code == 0, result.output
    assert result.stdout == "2 signals: 2 stored, 0 known already\n"
    assert known(config)["dispute"].source == "ledger desk"
    assert known(config, 3)["first_statement"].source.startswith("import by user:")
    again = run(config, "import", "--json", "-", text=file.read_text())
    assert json.loads(again.stdout) == {"signals": 2, "stored": 0}
    with new_key_store(config) as store:
        counts = [row["reason"] for row in read_audit(store)]
    assert counts == ["0 stored, 2 known already", "2 stored, 0 known already"]


def test_a_file_with_problems_is_refused_whole_and_every_problem_is_told(config, tmp_path):
    """By file and line, whatever kind of problem it is."""
    file = tmp_path / "signals.csv"
    file.write_text(
        "account,name,value,observed_on\n"
        "A1001,dispute,open,\n"
        "A9999,dispute,open,\n"
        "A1002,dispute,open,\n"
        "A1001,dispute,opened,\n"
        "A1001,cease,yes,2999-01-01\n"
    )
    result = run(config, "import", str(file))
    assert result.exit_code == 1
    for line in (3, 4, 5, 6):
        assert f"signals.csv:{line}: " in result.stderr
    assert "signals.csv:2" not in result.stderr
    assert known(config) == {}


def test_a_file_that_is_not_utf_8_or_not_there_is_told(config, tmp_path):
    """One line, exit 1."""
    file = tmp_path / "signals.csv"
    file.write_bytes(b"account,name,value\nA1001,cease,\xff\n")
    assert "not UTF-8; save the file as CSV UTF-8" in run(config, "import", str(file)).stderr
    assert "cannot read" in run(config, "import", str(tmp_path / "none.csv")).stderr


def test_the_signals_in_force_are_listed_and_which_hold(config):
    """The newest of each name."""
    run(config, "set", "A1001", "dispute", "open", "--on", "2026-02-01")
    run(config, "set", "A1001", "dispute", "resolved", "--on", "2026-02-02")
    run(config, "set", "A1001", "cease", "yes", "--on", "2026-02-03")
    rows = [json.loads(line) for line in run(config, "list", "A1001", "--json").stdout.splitlines()]
    assert [(row["name"], row["value"], row["holds"]) for row in rows] == [
        ("cease", "yes", True),
        ("dispute", "resolved", False),
    ]
    with new_key_store(config) as store:
        assert next(iter(read_audit(store)))["action"] == "signals.list"


def test_every_signal_there_is_can_be_looked_up():
    """Without a configuration."""
    result = CliRunner().invoke(main, ["signals", "names", "--json"])
    rows = {row["name"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert rows["charity"]["holding"] == ["yes", "pending", "approved"]
    assert rows["first_statement"]["values"] == ["YYYY-MM-DD"]


def test_a_hold_that_comes_after_the_agency_has_the_account_warns(config):
    """There is no recall yet: a person must tell the agency, and the command says so."""
    CliRunner().invoke(main, ["decide", "--config", str(config), "--as-of", "2026-03-02"])
    result = run(config, "set", "A1001", "bankruptcy", "filed")
    assert result.exit_code == 0
    assert "placement 1 is with agency sample (sent): bankruptcy is filed; tell the agency to stop" in result.stderr
    lifted = run(config, "import", "-", text="account,name,value\nA1001,dispute,open\nA1001,bankruptcy,dismissed\n")
    assert "dispute is open; tell the agency to stop" in lifted.stderr
    assert "dismissed" not in lifted.stderr


def test_a_hold_before_the_agency_has_the_account_needs_no_warning(config):
    """It will not be sent: nothing is placed, or it waits for a person to approve it."""
    assert run(config, "set", "A1002", "bankruptcy", "filed", "--facility", "NORTHGATE").stderr == ""
    rules = config.parent / "rules.toml"
    rules.write_text(rules.read_text().replace('mode = "automatic"', 'mode = "review"'))
    CliRunner().invoke(main, ["decide", "--config", str(config), "--as-of", "2026-03-02"])
    assert run(config, "set", "A1001", "bankruptcy", "filed").stderr == ""
