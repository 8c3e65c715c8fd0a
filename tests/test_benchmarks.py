"""The benchmark: its messages are what it says, a wrong answer is never counted as an answer, and its command runs."""

import datetime as dt
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.load import is_accepted, percentile
from benchmarks.messages import make_templates, number_messages
from hl7bridge.message.parse import parse_message
from hl7bridge.wire.mllp import Block, Decoder

ROOT = Path(__file__).resolve().parent.parent
NOW = dt.datetime(2026, 11, 21, 9, 30, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def blocks():
    """The first two hundred messages of a load."""
    return list(islice(number_messages(make_templates(7, NOW), 1), 200))


def test_every_block_holds_one_message_with_the_control_id_it_is_counted_by(blocks):
    """A reply is checked against this id, so it has to be the message's own."""
    for numbered in blocks:
        (event,) = Decoder().feed(numbered.block)
        assert isinstance(event, Block)
        assert parse_message(event.data).control_id.encode() == numbered.control_id


def test_no_two_messages_share_a_control_id_an_account_a_patient_or_a_transaction(blocks):
    """Otherwise a server could answer from what it remembers."""
    seen = []
    for numbered in blocks:
        message = parse_message(numbered.block[1:-2])
        seen += [message.control_id, message.get("PID-18.1"), message.get("PID-3.1")]
        seen += [row[2] for row in message.fields("FT1")]
    assert len(set(seen)) == len(seen)


def test_charges_and_registrations_come_in_turn_at_the_sizes_that_the_documents_name(blocks):
    """DFT^P03 of about 2.9 KB with three charges, ADT^A08 of about 2 KB."""
    for at, kind, size, charges in ((0, "DFT", 2900, 3), (1, "ADT", 2000, 0)):
        messages = [parse_message(each.block[1:-2]) for each in blocks[at::2]]
        assert {each.message_type for each in messages} == {kind}
        assert {each.count("FT1") for each in messages} == {charges}
        assert sum(len(each.text) for each in messages) / len(messages) == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize(
    ("reply", "accepted"),
    [
        (b"\x0bMSH|^~\\&|A\rMSA|AA|BM1\r\x1c\r", True),
        (b"\x0bMSH|^~\\&|A\rMSA|CA|BM1|fine\r\x1c\r", True),
        (b"\x0bMSH|^~\\&|A\rMSA|AE|BM1\r\x1c\r", False),
        (b"\x0bMSH|^~\\&|A\rMSA|AA|BM12\r\x1c\r", False),
        (b"\x0bMSH|^~\\&|A\rMSA|AA\r\x1c\r", False),
        (b"\x0bMSH|^~\\&|A\r\x1c\r", False),
    ],
)
def test_only_a_positive_reply_to_the_same_control_id_counts_as_accepted(reply, accepted):
    """A server that answers something else is not measured as fast."""
    assert is_accepted(reply, b"BM1") is accepted


def test_a_percentile_is_a_waiting_time_that_was_measured():
    """By nearest rank: the 99th of a hundred values is the 99th, not a blend."""
    assert percentile(range(1, 101), 99) == 99
    assert percentile(range(1, 101), 50) == 50
    assert percentile([5], 99) == 5
    assert percentile([], 99) == 0


def run_benchmark(folder, *arguments):
    command = [sys.executable, "-m", "benchmarks.intake", "--folder", folder, "--rounds", "1", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_measures_both_servers_and_every_reply_is_right(tmp_path):
    """The documented command, for a fraction of a second: figures for both servers, and the ratio of the two."""
    done = run_benchmark(tmp_path, "--seconds", "0.3", "--warm-up", "0.1", "--connections", "1,4", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(row["connections"], row["server"]) for row in told["rows"]] == [
        (1, "hl7bridge"), (1, "python-hl7"), (4, "hl7bridge"), (4, "python-hl7"),
    ]  # fmt: skip
    assert all(row["messages"] > 0 and row["refused"] == 0 and row["rss"] > 0 for row in told["rows"])
    assert [ratio["connections"] for ratio in told["ratios"]] == [1, 4]
    assert list(tmp_path.iterdir()) == []


def test_the_table_has_a_line_for_each_server_and_one_for_the_ratio(tmp_path):
    """What a person reads without --json."""
    done = run_benchmark(tmp_path, "--seconds", "0.3", "--warm-up", "0.1", "--connections", "2")
    assert done.returncode == 0, done.stderr
    machine, header, ours, other, ratio, replies = done.stdout.splitlines()
    assert "processors" in machine
    assert header.split()[:2] == ["connections", "server"]
    assert (ours.split()[:2], other.split()[:2]) == (["2", "hl7bridge"], ["2", "python-hl7"])
    assert ratio.split()[:2] == ["ratio", "x"]
    assert replies.endswith(" 0 not AA or CA to their own message")
