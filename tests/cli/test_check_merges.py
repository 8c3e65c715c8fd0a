"""`check`: a mapping in use that ignores merges is said, for what it loses is lost for good."""

from __future__ import annotations

import pytest
from cli_samples import init_folder, run

MAPPING = """format = 1
name = "old"
description = "as the first mappings were"
[events]
"ADT^A08" = ["account"]
[account]
facility = "MSH-4.1"
number = "PID-18.1"
"""


@pytest.fixture
def config(tmp_path):
    made = init_folder(tmp_path / "d")
    (made.parent / "mappings" / "old.toml").write_text(MAPPING)
    return made


def use(config, text):
    config.write_text(config.read_text().replace('default = "generic"', text))


def test_a_mapping_in_use_that_takes_no_identity_event_is_said_and_does_not_fail(config):
    """With its file and what to write; one that nobody uses is not."""
    result = run("check", "--config", config)
    assert "merges" not in result.stdout
    use(config, 'default = "old"')
    result = run("check", "--config", config)
    assert result.exit_code == 0
    warning, verdict = result.stdout.splitlines()
    assert warning.startswith(f"{config.parent}/mappings/old.toml:1: events: no event that changes identities is taken")
    assert verdict == f"{config}: nothing is wrong yet"


def test_a_mapping_that_is_wrong_is_not_said_to_ignore_merges_too(config):
    """Its mistakes come first."""
    use(config, 'default = "old"')
    path = config.parent / "mappings" / "old.toml"
    path.write_text(MAPPING.replace("number =", "nummer ="))
    result = run("check", "--config", config)
    assert result.exit_code == 1
    assert "merges" not in result.stdout


def test_a_feed_of_charges_alone_needs_no_identity_events(config):
    """Merges come with the registrations."""
    use(config, 'default = "old"')
    path = config.parent / "mappings" / "old.toml"
    path.write_text(MAPPING.replace("ADT^A08", "BAR^P01"))
    assert run("check", "--config", config).stdout == f"{config}: all is well\n"
