"""The document on validating and the program say the same: rules, severities, keys of profiles, the example."""

from docs_reader import fenced, first_names, names, read, section, table

from hl7bridge.message import profile
from hl7bridge.message.conformance import MOST_FINDINGS
from hl7bridge.message.findings import Rule
from hl7bridge.tomlfile import parse_toml


def test_every_rule_is_documented_with_its_severity():
    """In the order of the program, word for word."""
    rows = table(section(read("validate.md"), "Rules"))
    assert [(names(row[0])[0], row[1]) for row in rows] == [(rule.value, rule.severity.value) for rule in Rule]
    assert f"{MOST_FINDINGS:,}" in section(read("validate.md"), "Rules")


def test_every_key_of_a_profile_is_documented():
    """Top level and the tables."""
    known = profile.TOP_KEYS.union(*profile.RULE_KEYS.values())
    assert set(first_names(section(read("validate.md"), "Profiles"))) == known


def test_the_example_of_a_profile_compiles():
    """Whoever copies it begins with something that works."""
    (text,) = fenced(read("validate.md"), "toml")
    compiled = profile.compile_profile(parse_toml(text, "docs/validate.md"))
    assert compiled.name == "GOODHOPE feed"
    assert {demand.rule for demand in compiled.demands} == set(profile._RULES.values())
