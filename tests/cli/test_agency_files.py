"""`files` shows what went to agencies and what came, and a person decides about what is held."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from cli_samples import run
from exchange_samples import acceptance, put_file
from placement_samples import new_key_store, put_account, settings_in

from hl7bridge.cli.placing import load_rules
from hl7bridge.config import load_settings
from hl7bridge.exchange.incoming import take_files
from hl7bridge.placing import folders_of, taking_of

NOTHING = b"placement_id,client_account,status\r\n"  # a file without records


@pytest.fixture
def config(tmp_path):
    """A site with a placement that was sent, and the agency's folders."""
    config = settings_in(tmp_path)
    with new_key_store(config) as store:
        put_account(store)
    assert run("decide", "--config", config).exit_code == 0
    (tmp_path / "agencies" / "sample" / "incoming").mkdir(exist_ok=True)
    return config


def come(config, kind, number, rows, **options):
    """Have a file come from the agency, and the daemon take it."""
    put_file(config.parent / "agencies" / "sample", kind, number, rows, **options)
    settings = load_settings(config)
    taking = taking_of(settings, load_rules(settings), dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5), "daemon")
    with new_key_store(config) as store:
        assert take_files(store, folders_of(settings), taking).problems == ()


def listed(config, *options):
    """Return the files that the command lists."""
    result = run("files", "--config", config, "--json", *options)
    assert result.exit_code == 0
    return [json.loads(line) for line in result.stdout.splitlines()]


def outgoing(config):
    """Return the agency's files by name."""
    return {path.name: path for path in (config.parent / "agencies" / "sample" / "outgoing").iterdir()}


def test_files_both_ways_are_listed_newest_first(config):
    """With counts, dollars, and what is wrong; --held shows only what waits, --agency one agency's."""
    come(config, "acknowledgements", 1, [acceptance(balance="150.00")])
    come(config, "statuses", 4, [], data=NOTHING, told={"records": 2})
    rows = listed(config)
    assert [(row["file"], row["kind"], row["status"], row["records"], row["total"]) for row in rows] == [
        ("in-2", "statuses", "held", 0, "0.00"),
        ("in-1", "acknowledgements", "taken", 1, "150.00"),
        ("out-1", "placements", "written", 1, "150.00"),
    ]
    assert rows[0]["problem"] == "records: the trailer says 2, and it is 0 (and 1 more)"
    assert [row["file"] for row in listed(config, "--held")] == ["in-2"]
    assert listed(config, "--agency", "other") == []
    table = run("files", "--config", config).stdout
    assert "acknowledgements-000001.csv" in table
    assert run("files", "--held", "--agency", "other", "--config", config).stderr == "No files.\n"


def test_a_file_that_was_taken_shows_what_each_line_did(config):
    """Line, placement, outcome and why."""
    come(config, "acknowledgements", 1, [acceptance(), acceptance(9, "A9")])
    result = run("files", "show", "in-1", "--config", config)
    assert "status: taken" in result.stdout
    assert "no placement of that number was sent to this agency" in result.stdout
    shown = json.loads(run("files", "show", "in-1", "--json", "--config", config).stdout)
    assert [row["outcome"] for row in shown["outcomes"]] == ["applied", "exception"]
    assert shown["problem"] == []


def test_a_file_that_is_held_shows_every_problem(config):
    """Until it is refused, with a reason that is kept."""
    come(config, "statuses", 4, [], data=NOTHING, told={"records": 2})
    assert run("files", "show", "in-1", "--config", config).stdout.count("problem: ") == 2
    result = run("files", "release", "in-1", "--reason", "go on", "--config", config)
    assert result.exit_code == 1
    assert "cannot be taken, whoever releases it: records: the trailer says 2" in result.stderr
    assert run("files", "refuse", "in-1", "--reason", "asked again", "--config", config).stdout == (
        "file in-1: refused\n"
    )
    shown = json.loads(run("files", "show", "in-1", "--json", "--config", config).stdout)
    assert (shown["status"], shown["reason"]) == ("refused", "asked again")
    assert shown["decided_by"].startswith("user:")


def test_a_file_out_of_turn_is_released(config):
    """And says what its records did."""
    come(config, "acknowledgements", 2, [acceptance()])
    result = run("files", "release", "in-1", "--reason", "the first came by mail", "--config", config)
    assert result.stdout == "file in-1: taken: 1 applied\n"
    [row] = [json.loads(line) for line in run("placements", "--json", "--config", config).stdout.splitlines()]
    assert row["status"] == "active"
    come(config, "statuses", 2, [], data=NOTHING)
    assert run("files", "release", "in-2", "--reason", "empty", "--config", config).stdout == (
        "file in-2: taken: no records\n"
    )


def test_a_file_is_written_once_more(config):
    """The same bytes under the same name."""
    before = {name: path.read_bytes() for name, path in outgoing(config).items()}
    for path in outgoing(config).values():
        path.unlink()
    result = run("files", "resend", "out-1", "--config", config)
    assert result.exit_code == 0
    assert "1 records, the same as on" in result.stdout
    assert {name: path.read_bytes() for name, path in outgoing(config).items()} == before


@pytest.mark.parametrize(
    ("command", "file"), [("resend", "in-1"), ("resend", "1"), ("show", "out-1"), ("show", "in-x"), ("refuse", "in-")]
)
def test_a_file_of_the_wrong_direction_is_wrong_use(config, command, file):
    """The list shows how to name one."""
    more = ("--reason", "x") if command == "refuse" else ()
    result = run("files", command, file, *more, "--config", config)
    assert result.exit_code == 2
    assert "expected a file as the list shows it" in result.stderr


def test_a_file_that_is_not_there_is_said_so(config):
    """Exit 1, one line."""
    for command, file in (("resend", "out-9"), ("show", "in-9")):
        result = run("files", command, file, "--config", config)
        assert (result.exit_code, result.stderr) == (1, f"hl7bridge: no file {file}\n")
