"""The benchmark of the profile: its file is the feed that others are measured with, and its command gives figures."""

from __future__ import annotations

import json

import pytest

from benchmarks import profile
from hl7bridge.message.parse import parse_message


def test_the_file_holds_charges_and_registrations_in_turn(tmp_path):
    """Parsed as by the plain parse that the profile is held against."""
    profile.write_messages(tmp_path / "messages.hl7", 20)
    assert profile.parse_file(tmp_path / "messages.hl7") == 20
    first = (tmp_path / "messages.hl7").read_bytes().split(b"\x1c\r")[0][1:]
    assert parse_message(first).message_type == "DFT"


def test_the_command_measures_the_profile_the_parse_and_a_tenth(capsys):
    """Its exit says whether the promise is kept; of so few messages start-up is all there is to see."""
    code = profile.main(["--messages", "200", "--rounds", "1", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [(row["what"], row["messages"]) for row in told["rows"]] == [("parse", 200), ("profile", 200), ("tenth", 20)]
    assert all(row["rss"] > 0 and row["per_second"] > 0 for row in told["rows"])
    assert told["ratio"] > 0
    assert code == (0 if told["rows"][1]["per_processor_second"] >= profile.FEWEST else 1)


def test_the_table_has_a_line_each_and_the_ratio(capsys, tmp_path):
    """What a person reads; --parse does that and nothing else."""
    profile.main(["--messages", "50", "--rounds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["what", "parse", "profile", "tenth"]
    assert "times as long as a plain parse" in lines[4]
    profile.write_messages(tmp_path / "messages.hl7", 3)
    assert profile.main(["--parse", str(tmp_path / "messages.hl7")]) == 0
    assert capsys.readouterr().out == "3\n"


def test_a_command_that_fails_is_not_measured():
    """A wrong answer is never counted as a fast one."""
    with pytest.raises(RuntimeError, match="false"):
        profile.run(["false"], 1)
