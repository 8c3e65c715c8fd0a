"""``hl7bridge signals`` takes facts that HL7 has no field for: checked, audited, all of a file or nothing."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from placement_samples import NOW_TEXT, charge, new_key_store, put_account, settings_in

from hl7bridge.cli.main import main
from hl7bridge.mapping.records import Signal as SignalRecord
from hl7bridge.storage.audit import read_audit
from hl7bridge.storage.signals import apply_signals, read_signals


class Told(NamedTuple):
    """What storing signals asks of a message."""

    as_of: str
    message_id: int
    now: str = NOW_TEXT


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
        (("A1001", "charity", "no", "--until", "2999-01-01"), "until: charity is no hold with this value"),
        (
            ("A1001", "charity", "yes", "--on", "2026-02-20", "--until", "2026-02-19"),
            "until: the last day lies before the first, 2026-02-20",
        ),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_stored(config, arguments, problem):
    """One line, exit 1."""
    result = run(config, "set", *arguments)
    assert result.exit_code == 1
    assert problem in result.stderr
    assert known(config) == {}


def test_who_sets_what_is_older_than_what_is_in_force_is_told_so(config):
    """It is stored, and changes nothing."""
    run(config, "set", "A1001", "dispute", "open", "--on", "2026-02-10")
    result = run(config, "set", "A1001", "dispute", "resolved", "--on", "2026-02-01")
    assert (result.exit_code, result.stdout) == (0, "dispute is resolved since 2026-02-01: stored\n")
    assert "not in force, for what is newer counts: dispute is open since 2026-02-10, said user:" in result.stderr
    assert known(config)["dispute"].value == "open"


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
    assert json.loads(again.stdout) == {"signals": 2, "stored": 0, "dry_run": False}
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


def test_what_is_wrong_with_a_line_comes_with_what_would_be_right(config):
    """A source that reads like a message's is refused: where a fact is from must not be in doubt."""
    lines = 'A1002,dispute,open,\nA1001,disputed,open,\nA1001,cease,perhaps,\nA1001,cease,yes,"message 3, ZFA-1"\n'
    result = run(config, "import", "-", text=f"account,name,value,source\n{lines}")
    assert result.exit_code == 1
    for line, hint in (
        (2, "exists in 2 facilities (NORTHGATE, SOUTHGATE); name one in a column facility"),
        (3, "did you mean dispute?"),
        (4, "one of no, yes"),
        (5, 'name who did, as "billing office"'),
    ):
        (told,) = [each for each in result.stderr.splitlines() if f"-:{line}: " in each]
        assert hint in told
    assert known(config) == {}


def test_a_dry_run_says_what_would_be_stored_and_stores_nothing(config):
    """The audit log has that somebody looked; problems are told as in earnest."""
    text = "account,name,value\nA1001,dispute,open\n"
    result = run(config, "import", "--dry-run", "-", text=text)
    assert result.stdout == "1 signals: 1 stored, 0 known already\ndry run: nothing was stored\n"
    assert known(config) == {}
    with new_key_store(config) as store:
        [row] = read_audit(store)
    assert (row["action"], row["reason"]) == ("signals.import_dry_run", "1 stored, 0 known already")
    assert run(config, "import", "--dry-run", "-", text=text.replace("open", "opened")).exit_code == 1
    assert json.loads(run(config, "import", "--dry-run", "--json", "-", text=text).stdout)["dry_run"] is True


def test_a_file_that_is_imported_again_lifts_no_hold_that_came_after_it(config):
    """The second time, what it told before is known."""
    text = "account,name,value\nA1001,dispute,resolved\n"
    assert run(config, "import", "-", text=text).exit_code == 0
    run(config, "set", "A1001", "dispute", "open")
    assert run(config, "import", "-", text=text).stdout == "1 signals: 0 stored, 1 known already\n"
    assert known(config)["dispute"].value == "open"


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
    assert all(row["in_force"] and row["source"].startswith("user:") for row in rows)
    assert rows[0]["told_at"].endswith("Z")
    assert (rows[0]["message"], rows[0]["path"]) == (None, None)
    with new_key_store(config) as store:
        assert next(iter(read_audit(store)))["action"] == "signals.list"


def test_signals_that_are_not_in_force_any_more_are_listed_on_request(config):
    """And what a message told says which, and where it was read."""
    run(config, "set", "A1001", "dispute", "open", "--on", "2026-02-01")
    with new_key_store(config) as store, store.transaction():
        told = SignalRecord("dispute", "resolved", "FT1[2]-7.1")
        apply_signals(store, 1, [told], arrival=Told("20260203120000.000000 20260203120000.000000", 5))
    assert "message 5, FT1[2]-7.1" in run(config, "list", "A1001").stdout
    rows = [json.loads(line) for line in run(config, "list", "A1001", "--history", "--json").stdout.splitlines()]
    assert [(row["value"], row["in_force"], row["message"], row["path"]) for row in rows] == [
        ("open", False, None, None),
        ("resolved", True, 5, "FT1[2]-7.1"),
    ]


def test_every_signal_there_is_can_be_looked_up():
    """Without a configuration."""
    result = CliRunner().invoke(main, ["signals", "names", "--json"])
    rows = {row["name"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert rows["charity"]["holding"] == ["yes", "pending", "approved", "presumptive"]
    assert rows["first_statement"]["values"] == ["YYYY-MM-DD"]
    assert rows["statement_count"]["values"] == ["a whole number"]
