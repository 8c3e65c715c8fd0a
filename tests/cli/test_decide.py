"""``hl7bridge decide`` runs what is due, says why in dollars that foot, and has written the files when it ends."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from placement_samples import GUARANTOR, NOW_TEXT, charge, new_key_store, put_account, settings_in, signal

from hl7bridge.cli.main import main
from hl7bridge.layouts.placements_csv import parse_placements, parse_trailer
from hl7bridge.storage.audit import read_audit
from hl7bridge.storage.placements import list_placements
from hl7bridge.storage.signals import add_signal


@pytest.fixture
def config(tmp_path):
    return settings_in(tmp_path)


def run(config, *arguments: str):
    return CliRunner().invoke(main, [arguments[0], "--config", str(config), *arguments[1:]])


def rows(result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def outgoing(config):
    return config.parent / "agencies" / "sample" / "outgoing"


def fill(config) -> None:
    with new_key_store(config) as store:
        put_account(store, "A1001")
        put_account(store, "A1002", entries=[charge("80.50", 200)])
        put_account(store, "A1003", signals=[signal("bankruptcy", "filed")])
        put_account(store, "A1004", guarantors=(GUARANTOR._replace(city=None),))
        put_account(store, "A1005", entries=[charge("10.00", 160)])


def test_what_is_due_is_decided_and_sent_before_the_command_ends(config):
    """Two are placed, two are refused with their reason, one owes too little to be looked at."""
    fill(config)
    result = run(config, "decide", "--as-of", "2026-03-02")
    assert result.exit_code == 0, result.output
    assert "days_without_payment: wanted at least 90, found 160: yes" in result.stdout
    assert "has_address: wanted yes, found no: no" in result.stdout
    assert "bankruptcy is filed since 2026-03-02" in result.stdout
    assert "decided: 4 accounts, 530.50 dollars" in result.stdout
    assert "not placed: 2 accounts, 300.00 dollars" in result.stdout
    assert "queued: 2 accounts, 230.50 dollars" in result.stdout
    assert "2 placements, 230.50 dollars" in result.stdout
    [data] = outgoing(config).glob("placements-sample-000001-????????.csv")
    assert len(parse_placements(data.read_bytes()).rows) == 2
    [trailer] = outgoing(config).glob("*.trailer.csv")
    assert parse_trailer(trailer.read_bytes()).balance_total == "230.50"


def test_json_is_one_object_an_account_and_the_totals_go_to_stderr(config):
    """A program reads stdout, a person stderr."""
    fill(config)
    result = run(config, "decide", "--as-of", "2026-03-02", "--json")
    by_account = {row["account"]: row for row in rows(result)}
    assert set(by_account) == {"A1001", "A1002", "A1003", "A1004"}
    placed = by_account["A1002"]
    assert placed.pop("reasons")[-1] == "days_without_payment: wanted at least 90, found 200: yes"
    assert placed == {
        "account": "A1002",
        "facility": "NORTHGATE",
        "eligible": True,
        "result": "queued",
        "placement": 2,
        "rule": "aged",
        "agency": "sample",
        "tier": "primary",
        "balance": "80.50",
        "as_of": "2026-03-02",
    }
    assert by_account["A1003"]["result"] == "not placed"
    assert "decided: 4 accounts, 530.50 dollars" in result.stderr
    assert "wrote " in result.stderr


def test_a_limit_shortens_the_table_and_not_the_run(config):
    """All are decided; the totals say so."""
    fill(config)
    result = run(config, "decide", "--as-of", "2026-03-02", "--limit", "1")
    assert "decided: 4 accounts" in result.stdout
    with new_key_store(config) as store:
        assert len(list(list_placements(store))) == 2


def test_a_dry_run_says_the_same_and_writes_no_placement_and_no_file(config):
    """It shows patients' accounts, so it stands in the audit log."""
    fill(config)
    result = run(config, "decide", "--as-of", "2026-03-02", "--dry-run")
    assert result.exit_code == 0
    assert "queued: 2 accounts, 230.50 dollars" in result.stdout
    assert "dry run: nothing was written" in result.stdout
    assert not list(outgoing(config).glob("*"))
    with new_key_store(config) as store:
        assert list(list_placements(store)) == []
        assert [row["action"] for row in read_audit(store)] == ["decide.dry_run"]


def test_a_day_that_has_not_come_decides_as_if_it_had(config):
    """An account of 10 days is aged 80 days later."""
    with new_key_store(config) as store:
        put_account(store, entries=[charge("150.00", 10)])
    assert "No account is due." in run(config, "decide", "--as-of", "2026-03-02").output
    result = run(config, "decide", "--as-of", "2026-05-21", "--json")
    assert [row["rule"] for row in rows(result)] == ["aged"]
    assert list(outgoing(config).glob("*.csv"))


def test_without_a_day_it_is_each_facilitys_today(config):
    """The computer's clock and the facility's zone."""
    with new_key_store(config) as store:
        put_account(store, entries=[charge("150.00", 160)])
    result = run(config, "decide", "--json")
    assert [row["result"] for row in rows(result)] == ["queued"]


def test_a_hold_that_comes_before_the_file_is_told_as_a_cancellation(config):
    """The placement that waited is cancelled and the command says why."""
    fill(config)
    outgoing(config).rmdir()
    outgoing(config).write_text("in the way")
    first = run(config, "decide", "--as-of", "2026-03-02")
    assert first.exit_code == 1
    assert f"hl7bridge: agency sample: {outgoing(config)}: cannot write: File exists" in first.stderr
    outgoing(config).unlink()
    with new_key_store(config) as store, store.transaction():
        add_signal(store, 1, signal("cease", "yes"), NOW_TEXT)
    second = run(config, "decide", "--as-of", "2026-03-02")
    assert second.exit_code == 0
    assert "placement 1: cancelled, not sent: holds: wanted none, found cease: cease is yes" in second.stdout
    assert "1 placements, 80.50 dollars" in second.stdout


def test_rules_that_name_an_agency_that_is_not_configured_are_refused(config):
    """Nothing is queued for nobody."""
    fill(config)
    file = config.parent / "rules.toml"
    file.write_text(file.read_text().replace('agency = "sample"', 'agency = "smaple"'))
    result = run(config, "decide")
    assert result.exit_code == 1
    assert 'no agency is named "smaple"' in result.stderr
    with new_key_store(config) as store:
        assert list(list_placements(store)) == []


def test_wrong_rules_and_wrong_days_are_told(config):
    """Rules by file, line and key, exit 1; a day that is none is wrong use, exit 2."""
    fill(config)
    assert run(config, "decide", "--as-of", "tomorrow").exit_code == 2
    (config.parent / "rules.toml").write_text("format = 1\n")
    result = run(config, "decide")
    assert result.exit_code == 1
    assert "rules.toml:1: rules: there is no rule" in result.stderr
