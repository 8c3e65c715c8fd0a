"""``validate``: how messages break the standard and a site's profile, in the sender's terms and without a value."""

from __future__ import annotations

import json

import pytest
from bridge_samples import charges
from bridge_samples import registration as registered
from cli_samples import run

CANARY = "QZXCANARY"
BROKEN = (
    f"MSH|^~\\&|EHR|NORTHGATE|||2026||ADT^A08|C2|P|2.5.1\rPID|1||{CANARY}^{CANARY}^^^^^{CANARY}||"
    f"{CANARY}^{CANARY}||{CANARY}||||{CANARY * 30}||||||||{CANARY}\rPV1|{CANARY}|{CANARY}\r{CANARY}\rQZX|{CANARY}\r"
).encode()


def registration():
    """Return the ADT^A04 of an invented patient, its diagnosis whole and where it belongs."""
    without, _, _ = registered().partition(b"DG1|")
    return without.replace(b"GT1|", b"DG1|1||X1^INVENTED DIAGNOSIS^L|||W\rGT1|")


PROFILE = """
format = 1
name = "GOODHOPE feed"

[[require]]
messages = ["ADT"]
paths = ["PID-18.1"]

[[allow]]
path = "PV1-2"
values = ["I", "O"]

[[forbid]]
paths = ["PID-19", "DG1"]
"""


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a file of messages."""

    def write(*messages, name="in.hl7"):
        path = tmp_path / name
        path.write_bytes(b"".join(messages))
        return path

    return write


@pytest.fixture
def profile(tmp_path):
    """The file of a site's profile."""
    path = tmp_path / "goodhope.toml"
    path.write_text(PROFILE)
    return path


def rows(*arguments, code=0):
    """The JSON objects of a run, having checked its exit code."""
    result = run("validate", "--json", *arguments)
    assert result.exit_code == code, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_messages_that_conform_are_said_to(file):
    result = run("validate", file(registration(), charges()))
    assert result.exit_code == 0
    first, second, last = result.stdout.splitlines()
    assert first.endswith("in.hl7, message 1: ADT^A04 A1 by version 2.5.1: nothing found")
    assert second.endswith("in.hl7, message 2: DFT^P03 D1 by version 2.5.1: nothing found")
    assert last == "2 messages, 2 without a finding: nothing found."


def test_each_finding_is_a_line_in_the_senders_terms(file):
    result = run("validate", file(charges().replace(b"|CG|", b"||").replace(b"|PY|", b"||") + b"DG1|1||X^Y^Z^^^^Q\r"))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:] == [
        (
            "  error    FT1-6          Financial transaction, Transaction type: required field missing "
            "(IS, table 0017); 1 more like it"
        ),
        "  warning  DG1-3.7        Diagnosis, Diagnosis code DG1: is not defined in this version (of CE)",
        "  error    DG1-6          Diagnosis, Diagnosis type: required field missing (IS, table 0052)",
    ]


def test_the_same_as_json_is_one_object_a_message(file):
    (row, other) = rows(file(charges().replace(b"|CG|", b"||"), registration()), code=1)
    assert row.pop("file").endswith("in.hl7")
    assert row == {
        "message": 1,
        "control_id": "D1",
        "type": "DFT^P03",
        "version": "2.5.1",
        "structure": "DFT_P03",
        "errors": 1,
        "warnings": 0,
        "cut": False,
        "findings": [
            {
                "path": "FT1-6",
                "segment": "Financial transaction",
                "field": "Transaction type",
                "rule": "required field missing",
                "expected": "IS, table 0017",
                "severity": "error",
            }
        ],
    }
    assert (other["message"], other["errors"], other["findings"]) == (2, 0, [])


def test_warnings_alone_are_no_failure(file):
    (row,) = rows(file(registration().replace(b"PV1|1|O", b"PV1|1|O~I")))
    assert (row["errors"], row["warnings"], row["findings"][0]["expected"]) == (0, 1, "at most 1")
    result = run("validate", file(registration().replace(b"PV1|1|O", b"PV1|1|O~I")))
    assert "0 errors, 1 warning\n" in result.stdout


def test_what_is_no_message_cannot_be_read(file):
    (row,) = rows(file(b"nothing of the kind"), code=1)
    assert row["findings"] == [
        {
            "path": "MSH",
            "segment": "Message header",
            "field": "",
            "rule": "cannot be read",
            "expected": "a message must begin with MSH",
            "severity": "error",
        }
    ]
    assert (row["type"], row["version"], row["control_id"]) == ("", "", "")
    assert "no type: 1 error" in run("validate", file(b"nothing of the kind")).stdout


def test_stdin_is_read_in_place_of_a_file():
    result = run("validate", "-", input=registration())
    assert result.stdout == "-, message 1: ADT^A04 A1 by version 2.5.1: nothing found\n"


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    result = run("validate", tmp_path / "none.hl7")
    assert result.exit_code == 1
    assert "none.hl7: cannot read: No such file or directory" in result.stderr


def test_a_version_may_be_chosen_and_an_unknown_one_is_the_nearest(file):
    """HL7 withdrew EVN-1 in 2.7."""
    (row,) = rows(file(registration().replace(b"2.5.1\r", b"2.9\r")), "--version", "2.7", code=1)
    assert (row["version"], row["findings"][0]["path"]) == ("2.7", "EVN-1")
    (row,) = rows(file(registration().replace(b"2.5.1\r", b"2.5.2\r")))
    assert (row["version"], row["findings"][0]["expected"]) == ("2.5.1", "checked as 2.5.1")
    assert run("validate", file(registration()), "--version", "2.9").exit_code == 2


def test_a_profile_is_checked_as_well(file, profile):
    (row,) = rows(file(registration().replace(b"5027440^^^NORTHGATE^AN", b"|123")), "--profile", profile, code=1)
    assert [(each["path"], each["field"], each["rule"], each["expected"]) for each in row["findings"]] == [
        ("PID-18.1", "Patient account number", "is required by the profile", ""),
        ("PID-19", "SSN number patient", "is forbidden by the profile", ""),
        ("DG1", "", "is forbidden by the profile", ""),
    ]
    (row,) = rows(file(charges()), "--profile", profile)
    assert row["findings"] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = 1\n[[forbid]]\npath = 'PID-19'", ":3: forbid[1].path: unknown key (known: messages, paths)"),
        ("format = ", ":1: (syntax): "),
        (None, ":1: (file): there is no such file"),
    ],
)
def test_a_profile_with_a_mistake_is_refused_by_its_line(file, profile, text, said):
    if text is None:
        profile.unlink()
    else:
        profile.write_text(text)
    result = run("validate", file(registration()), "--profile", profile)
    assert result.exit_code == 1
    assert f"hl7bridge: {profile}{said}" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "data", [BROKEN, BROKEN.replace(b"MSH|", CANARY.encode()), BROKEN.replace(b"ADT^A08", b"QZXCANARY^QZX")]
)
@pytest.mark.parametrize("options", [(), ("--json",), ("--version", "2.8"), ("--version", "2.1", "--json")])
def test_no_value_is_shown(file, profile, data, options):
    """On either stream, in either form."""
    result = run("validate", file(data), "--profile", profile, *options)
    assert result.exit_code == 1
    assert "error" in result.stdout
    for text in (result.stdout, result.stderr):
        assert CANARY[:3] not in text


def test_what_is_this_wrong_is_cut_short(file):
    data = registration().replace(b"|19710418|", b"|" + b"~".join([b"x"] * 10_010) + b"|")
    assert rows(file(data), code=1)[0]["cut"] is True
    result = run("validate", file(data))
    assert result.stdout.splitlines()[-1] == "  and more: what is this wrong may be no HL7 at all"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_on_a_terminal_a_bar_shows_how_far_it_is(file, monkeypatch, is_terminal):
    """From more than a few messages on, and on stderr: the report can be piped."""
    import rich.console

    from hl7bridge.cli import validate

    class Stream:
        def isatty(self):
            return is_terminal

    screen = rich.console.Console(force_terminal=True, width=100, record=True, color_system=None)
    monkeypatch.setattr(rich.console, "Console", lambda **_: screen)
    monkeypatch.setattr(validate, "sys", type("Fake", (), {"stdout": Stream(), "stderr": Stream()}))
    result = run("validate", file(*[registration()] * 6))
    assert result.exit_code == 0
    assert ("checking" in screen.export_text()) is is_terminal
