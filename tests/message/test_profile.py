"""A site's own list of what a feed must, may and must not send: its mistakes are named, and so is what breaks it."""

from __future__ import annotations

import pytest

from hl7bridge.errors import ConfigError
from hl7bridge.message.findings import Finding, Rule, Severity
from hl7bridge.message.parse import parse_message
from hl7bridge.message.profile import check_profile, compile_profile
from hl7bridge.tomlfile import parse_toml

DFT = (
    b"MSH|^~\\&|ORMIS|NORTHGATE|||20261121093015||DFT^P03^DFT_P03|T1|P|2.5.1\r"
    b"PID|1||^^^NORTHGATE^MR~E0001||TESTPATIENT^AURELIA|||||||||||||AC0001|123456789\r"
    b"FT1|1|T1||20261121||CG~PY~|58661\r"
    b'FT1|2|T2||""||XX|00840\r'
    b"DG1|1\r"
)


def profile(text):
    """The compiled profile of a file's text."""
    return compile_profile(parse_toml("format = 1\n" + text, "site.toml"))


def found(text, version="2.5.1"):
    """Path and rule of what the profile finds."""
    return [tuple(each[::2]) for each in check_profile(profile(text), parse_message(DFT), version)]


def require(*paths, messages=None):
    """A [[require]] table."""
    of = f"messages = {list(messages)}\n" if messages is not None else ""
    return f"[[require]]\n{of}paths = {list(paths)}\n"


def allow(path, *values):
    """An [[allow]] table."""
    return f'[[allow]]\npath = "{path}"\nvalues = {list(values)}\n'


def forbid(*paths):
    """A [[forbid]] table."""
    return f"[[forbid]]\npaths = {list(paths)}\n"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (require("PID-18.1", "PID-5.1", "FT1-6", "PID"), []),
        (require("PID-3.1"), ["PID-3.1"]),
        (require("PID-3(2).1"), []),
        (require("PID-3"), []),
        (require("FT1-4"), ["FT1[2]-4"]),
        (require("FT1[2]-4", "FT1[1]-4", "FT1[3]-4"), ["FT1[2]-4", "FT1[3]-4"]),
        (require("PV1-19.1", "GT1", "ZPY-1"), ["PV1-19.1", "GT1", "ZPY-1"]),
        (require("PV1-19", messages=["DFT"]), ["PV1-19"]),
        (require("PV1-19", messages=["ADT^A01", "DFT^P03"]), ["PV1-19"]),
        (require("PV1-19", messages=["ADT", "DFT^P11"]), []),
        (allow("FT1-6", "CG", "PY"), ["FT1[2]-6"]),
        (allow("FT1-6", "CG"), ["FT1-6(2)", "FT1[2]-6"]),
        (allow("FT1-6(1)", "CG"), ["FT1[2]-6"]),
        (allow("FT1[1]-6(2)", "CG"), ["FT1-6(2)"]),
        (allow("PV1-2", "I", "O"), []),
        (allow("FT1-4", "20261121"), []),
        (allow("FT1-30", "X"), []),
        (forbid("PID-19"), ["PID-19"]),
        (forbid("PID-3"), ["PID-3", "PID-3(2)"]),
        (forbid("PID-3(2)"), ["PID-3(2)"]),
        (forbid("DG1", "OBX", "PID-4", "ZPY-1", "FT1-4"), ["DG1", "FT1-4"]),
    ],
)
def test_a_profile_finds_what_it_asks_for(text, paths):
    assert [path for path, _ in found(text)] == paths


def test_each_kind_of_demand_has_its_own_rule_and_is_an_error():
    text = require("GT1-3") + allow("FT1[2]-6", "CG", "PY") + forbid("PID-19")
    findings = check_profile(profile(text), parse_message(DFT), "2.5.1")
    assert findings == [
        Finding("GT1-3", "Guarantor name", Rule.PROFILE_MISSING),
        Finding("FT1[2]-6", "Transaction type", Rule.PROFILE_VALUE, "one of CG, PY"),
        Finding("PID-19", "SSN number patient", Rule.PROFILE_FORBIDDEN),
    ]
    assert {each.severity for each in findings} == {Severity.ERROR}


def test_a_field_is_named_even_where_the_version_has_it_no_more():
    assert check_profile(profile(require("PID-28", "ZPY-2")), parse_message(DFT), "2.8.2") == [
        Finding("PID-28", "Nationality", Rule.PROFILE_MISSING),
        Finding("ZPY-2", "", Rule.PROFILE_MISSING),
    ]


def test_a_long_list_of_choices_is_cut():
    (finding,) = check_profile(profile(allow("FT1[2]-6", *map(str, range(50)))), parse_message(DFT), "2.5.1")
    assert finding.expected.endswith("10, 11, ...")


def test_a_name_is_kept_and_may_be_left_out():
    assert profile('name = "GOODHOPE feed"\n' + forbid("PID-19")).name == "GOODHOPE feed"
    assert profile(forbid("PID-19")).name == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "site.toml:1: (file): it wants nothing (write [[require]], [[allow]] or [[forbid]])"),
        ("require = 1", "site.toml:2: require: expected a list of tables ([[require]])"),
        ("require = [1]", "site.toml:2: require: expected a list of tables ([[require]])"),
        ("name = 1\n" + forbid("PID-19"), 'site.toml:2: name: expected a name (for example name = "GOODHOPE feed")'),
        (
            "requires = 1\n" + forbid("PID-19"),
            "site.toml:2: requires: unknown key (known: allow, forbid, format, name, require)",
        ),
        (
            '[[allow]]\npaths = ["FT1-6"]\npath = "FT1-6"\nvalues = ["CG"]',
            "site.toml:3: allow[1].paths: unknown key (known: messages, path, values)",
        ),
        ("[[require]]", 'site.toml:2: require[1].paths: expected a list of paths (paths = ["PID-3.1"])'),
        (
            '[[forbid]]\npaths = "PID-19"',
            'site.toml:3: forbid[1].paths: expected a list of paths (paths = ["PID-3.1"])',
        ),
        ('[[allow]]\nvalues = ["CG"]', 'site.toml:2: allow[1].path: expected a path (path = "FT1-6")'),
        (
            '[[allow]]\npath = "FT1-6"\nvalues = []',
            'site.toml:4: allow[1].values: expected a list of texts (values = ["CG", "PY"])',
        ),
        (
            require("PID-19", messages=["A01"]) + require("PID-20", messages=[]),
            (
                "site.toml:3: require[1].messages: expected a list of message types "
                '(messages = ["ADT^A01", "DFT"]; leave it out for all messages)\n'
                "site.toml:6: require[2].messages: expected a list of message types "
                '(messages = ["ADT^A01", "DFT"]; leave it out for all messages)'
            ),
        ),
        (
            require("PDI-3"),
            (
                "site.toml:3: require[1].paths: PDI-3 is not a field of any version of HL7 "
                "(as PID-18.1, FT1[2]-11 or PID-3(2).4)"
            ),
        ),
        (
            forbid("QQQ"),
            (
                "site.toml:3: forbid[1].paths: QQQ is not a segment of any version of HL7 "
                "(as PID-18.1, FT1[2]-11 or PID-3(2).4)"
            ),
        ),
        (
            allow("PID", "1"),
            (
                "site.toml:3: allow[1].path: not a path: 'PID' (write it as PID-18.1, PID-3(2).4 or FT1[2]-11.1.1) "
                "(as PID-18.1, FT1[2]-11 or PID-3(2).4)"
            ),
        ),
    ],
)
def test_each_mistake_is_named_by_its_line_and_key(text, problem):
    with pytest.raises(ConfigError) as caught:
        profile(text)
    assert str(caught.value) == problem


def test_a_profile_of_another_format_is_refused():
    with pytest.raises(ConfigError, match=r"site.toml:1: format: expected 1 \(this release reads profile format 1\)"):
        compile_profile(parse_toml("format = 2\n" + forbid("Z01", "PID-19"), "site.toml"))
