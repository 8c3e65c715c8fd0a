"""``payments try``: what would be sent, seen before it is; and what ``check`` says of how payments are written."""

from __future__ import annotations

import json

import pytest
from payment_samples import add_account
from payments_site import Site

from hl7bridge.storage.audit import read_audit

SECTION = """format = 1
name = "site"
extends = "generic"
inherit_examples = false
[outbound]
version = "2.3"
[outbound.payment]
code = "7001^Agency payment"
codes = { "sample CHK" = "7102" }
[[outbound.examples]]
expect = { "FT1-7.1" = "7001" }
"""


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "d")
    add_account(made.store)
    yield made
    made.store.close()


def write_section(site, text=SECTION):
    """Have the destination take its form from a mapping of the site."""
    (site.folder / "mappings" / "site.toml").write_text(text)
    config = site.config.read_text()
    if 'mapping = "site"' not in config:
        site.config.write_text(config.replace("[[destinations]]\n", '[[destinations]]\nmapping = "site"\n', 1))


def attempt(site, *options):
    return site.run("payments", "try", "--agency", "sample", "--account", "5027440", "--amount", "150.00", *options)


def test_the_message_is_printed_and_nothing_is_written_but_who_looked(site):
    """One segment a line."""
    result = attempt(site)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line[:3] for line in lines] == ["MSH", "EVN", "PID", "PV1", "FT1"]
    assert "|PY|AGYPAY^Agency payment^L|||1|150.00&USD|" in lines[4]
    assert site.counts() == [0, 0, 1]
    (entry,) = [each for each in read_audit(site.store) if each["action"] == "payments.try"]
    assert entry["subject"] == "account 1, destination ehr"


def test_it_is_written_as_the_mapping_of_the_destination_says(site):
    """Version and code; a settlement has a second message."""
    write_section(site)
    rows = [json.loads(line) for line in attempt(site, "--method", "CHK", "--json").stdout.splitlines()]
    assert [(row["destination"], row["needs_approval"]) for row in rows] == [("ehr", False)]
    assert "|2.3\r" in rows[0]["message"]
    assert "|7102^Agency payment^L|" in rows[0]["message"]
    result = attempt(site, "--kind", "settlement", "--left", "20.00")
    assert "\nOnce a person has approved what is left:\n" in result.stdout
    assert "|AJ|AGYADJ^Agency settlement^L|||1|20.00&USD|" in result.stdout


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--amount", "x"), "amount: not a number"),
        (("--agency", "nobody"), "no agency of that name"),
        (("--account", "1"), "no such account"),
    ],
)
def test_what_cannot_be_posted_is_refused_as_it_would_be(site, options, wanted):
    """With the same words."""
    result = attempt(site, *options)
    assert result.exit_code == 1
    assert wanted in result.stderr


def test_a_destination_that_says_it_itself_wins(site):
    """The version that stands in the settings."""
    write_section(site)
    site.config.write_text(site.config.read_text().replace('mapping = "site"\n', 'mapping = "site"\nversion = "2.4"\n'))
    assert "|P|2.4\n" in attempt(site).stdout


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ('"FT1-7.1" = "7001"', '"FT1-7.1" = "7009"', "outbound.examples[1].expect.FT1-7.1: found '7001'"),
        ('version = "2.3"', 'version = "2.3"\nfields = { "FT1-30" = "X" }', "FT1-30: is not defined in this version"),
        ('"sample CHK"', '"other CHK"', 'for an agency that is not configured: "other"'),
        ("[outbound.payment]", "[outbound.paymnet]", "outbound.paymnet: unknown key"),
    ],
)
def test_check_finds_what_is_wrong_with_how_payments_are_written(site, old, new, wanted):
    """Examples, the standard, agencies, keys: before anything is sent; and the daemon does not start with it."""
    write_section(site)
    assert site.run("check").stdout.endswith("all is well\n")
    write_section(site, SECTION.replace(old, new))
    result = site.run("check")
    assert result.exit_code == 1
    assert wanted in result.stdout


def test_a_mapping_that_says_nothing_of_payments_is_no_mapping_for_a_destination(site):
    """Nor one that is not there."""
    write_section(site, SECTION[: SECTION.index("[outbound]")] + "outbound = false\n")
    assert "mapping site has no [outbound] section" in site.run("check").stdout
    (site.folder / "mappings" / "site.toml").unlink()
    result = site.run("check")
    assert "site.toml: there is no such mapping" in result.stdout
    assert "1 problem\n" in result.stderr
    assert attempt(site).exit_code == 1
