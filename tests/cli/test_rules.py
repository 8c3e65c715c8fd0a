"""``hl7bridge rules`` tries rules before they place anything: examples, one account on any day, the facts."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from placement_samples import GUARANTOR, charge, new_key_store, put_account, settings_in, signal

from hl7bridge.cli.main import main
from hl7bridge.rules.facts import FACTS
from hl7bridge.storage.audit import read_audit


@pytest.fixture
def config(tmp_path):
    return settings_in(tmp_path)


def run(config, *arguments: str):
    return CliRunner().invoke(main, ["rules", *arguments, "--config", str(config)])


def explained(config, *arguments: str) -> dict:
    result = run(config, "explain", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_examples_of_the_configured_rules_are_run(config):
    """All of the shipped ones come out as they say."""
    result = run(config, "test")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("6 examples, 6 as expected, 0 otherwise\n")
    rows = [json.loads(line) for line in run(config, "test", "--json").stdout.splitlines()]
    assert rows[1] == {
        "example": "90 days without payment",
        "as_of": "2026-01-01",
        "expected": "aged",
        "found": "aged",
        "result": "as expected",
        "problem": "",
    }


def test_an_example_that_comes_out_otherwise_fails(config):
    """Of a file that is not in force yet, too; check says it with its line."""
    rules = config.parent / "rules.toml"
    draft = config.parent / "draft.toml"
    draft.write_text(rules.read_text().replace("at_least = 90", "at_least = 60"))
    result = run(config, "test", str(draft))
    assert result.exit_code == 1
    assert "6 examples, 5 as expected, 1 otherwise" in result.stdout
    assert "expected none, found aged" in result.stdout
    assert run(config, "test").exit_code == 0
    rules.write_text(draft.read_text())
    checked = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert checked.exit_code == 1
    assert "examples[1]: expected none, found aged" in checked.output
    assert "(run hl7bridge rules test)" in checked.output


def test_a_file_without_examples_says_so_and_one_with_mistakes_is_refused(config):
    """Exit 0 and exit 1."""
    rules = config.parent / "rules.toml"
    rules.write_text(rules.read_text().partition("# Examples:")[0])
    result = run(config, "test")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "The file has no examples.\n")
    rules.write_text("format = 2\n")
    assert run(config, "test").exit_code == 1


def test_an_account_is_explained_on_any_day(config):
    """The day before it is placed, and the day on which it is."""
    with new_key_store(config) as store:
        put_account(store, entries=[charge("150.00", 10)])
    early = run(config, "explain", "A1001", "--as-of", "2026-05-20")
    assert early.exit_code == 0, early.output
    assert early.stdout.startswith("as of 2026-05-20: not eligible; will be on 2026-05-21\n")
    assert ["aged", "days_without_payment", "at", "least", "90", "89", "no"] in [
        line.split() for line in early.stdout.splitlines()
    ]
    found = explained(config, "A1001", "--as-of", "2026-05-21")
    assert (found["eligible"], found["rule"], found["agency"], found["next_on"]) == (True, "aged", "sample", None)
    assert found["holds"] == []
    said = run(config, "explain", "A1001", "--as-of", "2026-05-21").stdout
    assert said.startswith("as of 2026-05-21: eligible, rule aged, agency sample, automatic\n")
    with new_key_store(config) as store:
        row = next(iter(read_audit(store)))
    assert (row["action"], row["subject"]) == ("rules.explain", "account id 1")


def test_holds_are_told_with_what_they_do(config):
    """Nobody's name, and no day on which it will be eligible."""
    with new_key_store(config) as store:
        put_account(store, signals=[signal("charity", "approved", 3)])
    found = explained(config, "A1001", "--as-of", "2026-03-02")
    assert found["holds"] == [
        {
            "hold": "charity",
            "action": "recall",
            "since": "2026-02-27",
            "until": None,
            "source": "signal charity",
            "why": "charity is approved since 2026-02-27 (test)",
        }
    ]
    said = run(config, "explain", "A1001", "--as-of", "2026-03-02").stdout
    assert said.startswith("as of 2026-03-02: not eligible; not until a fact changes\n")
    assert "hold     action  since" in said
    assert GUARANTOR.family_name not in said


def test_without_a_day_it_is_the_facilitys_today(config):
    """As the next run would decide."""
    with new_key_store(config) as store:
        put_account(store)
    assert explained(config, "A1001")["as_of"] >= "2026-03-02"


def test_a_rule_with_an_allocation_names_it(config):
    """Which agency it is, is asked when the account is placed."""
    rules = config.parent / "rules.toml"
    shares = '[[allocations]]\nname = "split"\nshares = [{ agency = "sample", percent = 100 }]\n'
    rules.write_text(rules.read_text().replace('agency = "sample"', 'allocation = "split"') + shares)
    with new_key_store(config) as store:
        put_account(store)
    found = explained(config, "A1001", "--as-of", "2026-03-02")
    assert (found["rule"], found["agency"], found["allocation"]) == ("aged", None, "split")
    said = run(config, "explain", "A1001", "--as-of", "2026-03-02").stdout
    assert said.startswith("as of 2026-03-02: eligible, rule aged, allocation split, automatic\n")


def test_an_agency_of_a_share_must_be_configured(config):
    """As that of a rule."""
    rules = config.parent / "rules.toml"
    shares = '[[allocations]]\nname = "split"\nshares = [{ agency = "nobody" }]\n'
    rules.write_text(rules.read_text() + shares)
    result = run(config, "explain", "A1001")
    assert result.exit_code == 1
    assert 'allocations[1].shares[1].agency: no agency is named "nobody" (there are: sample)' in result.stderr


def test_accounts_show_the_holds_that_the_rules_leave_in_force(config):
    """Also when the rules cannot be read: then as if nothing were turned off."""
    rules = config.parent / "rules.toml"
    rules.write_text(rules.read_text().replace("[holds]", '[holds]\nvip = "off"'))
    with new_key_store(config) as store:
        put_account(store, signals=[signal("vip", "yes"), signal("dispute", "open")])

    def holds() -> list[str]:
        result = CliRunner().invoke(main, ["accounts", "--json", "--config", str(config)])
        return json.loads(result.stdout)["holds"]

    assert holds() == ["dispute"]
    rules.write_text("format = 9\n")
    assert holds() == ["dispute", "vip"]


def test_the_facts_are_listed_without_a_configuration():
    """Name, kind, comparisons, where each is from."""
    result = CliRunner().invoke(main, ["rules", "facts", "--json"])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["fact"] for row in rows] == list(FACTS)
    assert rows[0]["comparisons"] == ["at_least", "at_most"]
