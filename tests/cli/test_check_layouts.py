"""`check`: a field that was chosen for an agency and has no place in its layout is said, and does not fail."""

from __future__ import annotations

import pytest
from cli_samples import init_folder, run

FEW = 'fields = ["placement_id", "client_account", "balance", "payer_name", "insurance_payments"]'


@pytest.fixture
def config(tmp_path):
    return init_folder(tmp_path / "d")


def checked(config, *lines):
    """The warnings of `check` with these lines added to the agency."""
    text = config.read_text()
    outgoing = next(line for line in text.splitlines() if line.startswith("outgoing = "))
    config.write_text(text.replace(outgoing, "\n".join((outgoing, *lines))))
    result = run("check", "--config", config)
    assert result.exit_code == 0
    return [line.partition(": ")[2] for line in result.stdout.splitlines()[:-1]]


def test_fields_that_the_layout_leaves_out_are_named(config):
    """The agency would go without them, and nobody would know why."""
    [warning] = checked(config, 'layout = "tsi"', 'client_number = "H01"', FEW)
    told = "agencies[1].fields: layout tsi has no place for payer_name, insurance_payments"
    assert warning == f"{told} (leave them out, or see docs/layouts.md)"


@pytest.mark.parametrize("layout", ["csv", "jsonl", "aim"])
def test_the_other_layouts_have_a_place_for_every_field(config, layout):
    """Nothing is said of them."""
    assert checked(config, f'layout = "{layout}"', FEW) == []


def test_tsi_without_what_the_agency_calls_the_hospital_is_said(config):
    """Each line begins with it. The fields that every agency gets are not held against the layout."""
    [warning] = checked(config, 'layout = "tsi"')
    assert warning.startswith("agencies[1].layout: layout tsi begins each line with what the agency calls the hospital")
    assert warning.endswith(" (set client_number)")


def test_agencies_that_cannot_be_read_are_not_asked(config):
    """Their own mistake is told, and no warning about what was not understood."""
    config.write_text(config.read_text().replace('outgoing = "', 'layout = "tsi"\ncolour = "red"\noutgoing = "'))
    result = run("check", "--config", config)
    assert result.exit_code == 1
    assert "colour" in result.output
    assert "begins each line" not in result.output
