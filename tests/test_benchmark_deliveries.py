"""The benchmark of deliveries: its command runs, every payment is posted once, and a wrong one is never overlooked."""

import argparse
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.deliveries import Run, RunningPartner, table

ROOT = Path(__file__).resolve().parent.parent
PAYMENT = b"\x0bMSH|^~\\&|HL7BRIDGE||EHR||20260115103000||DFT^P03|%b|P|2.5.1\rFT1|1|%b|B1\r\x1c\r"


def run_benchmark(folder, *arguments):
    command = [sys.executable, "-m", "benchmarks.deliveries", "--folder", folder, "--rounds", "1", "--json"]
    quick = ("--seconds", "0.2", "--warm-up", "0.1", "--senders", "2", "--delay", "0.01")
    return subprocess.run([*command, *quick, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_measures_each_partner_and_the_intake_with_and_without(tmp_path):
    """The documented command, for fractions of a second: figures for all four, nothing posted twice, nothing left."""
    done = run_benchmark(tmp_path, "--payments", "3000")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told) == ["answers at once", "takes 10 ms", "intake alone", "intake meanwhile"]
    instant, slow, alone, meanwhile = told.values()
    assert all(run["per_second"] > 0 and run["posted"] > 0 for run in (instant, slow, meanwhile))
    assert slow["per_second"] < 8 / 0.01  # a window of eight, ten milliseconds each
    assert alone["posted"] == 0
    assert alone["p99"] > 0 < meanwhile["p99"]
    assert [run["wrong"] for run in told.values()] == [0, 0, 0, 0]


def test_too_few_payments_are_no_measurement(tmp_path):
    """Where all were posted before the run began there is nothing to tell."""
    done = run_benchmark(tmp_path, "--payments", "5", "--warm-up", "1")
    assert done.returncode != 0
    assert "5 payments were too few" in done.stderr


def test_the_table_is_what_a_person_reads():
    """Two partners, the intake without and with, and how much longer that took."""
    runs = {
        "answers at once": Run(per_second=1500.4, cpu=300.2, rss=85.0),
        "takes 50 ms": Run(per_second=152.0, cpu=900.0, rss=85.0),
        "intake alone": Run(intake_per_second=900.0, p50=5.0, p99=8.0),
        "intake meanwhile": Run(per_second=700.0, intake_per_second=600.0, p50=7.5, p99=12.0),
    }
    lines = [line.split() for line in table(runs, argparse.Namespace(delay=0.05, window=8))]
    assert [line[-4:] for line in lines[1:3]] == [["1500", "-", "300", "85"], ["152", "95%", "900", "85"]]
    assert [line[-4:] for line in lines[4:6]] == [["900", "5.00", "8.00", "0"], ["600", "7.50", "12.00", "700"]]
    assert lines[6] == ["ratio", "1.50", "1.50"]


def test_the_partner_acknowledges_each_message_and_counts_payments_that_come_again():
    """AA to its MSH-10; the same FT1-2 under another one is a repeat."""
    partner = RunningPartner(0.0)
    with socket.create_connection(("127.0.0.1", partner.port), 10) as connection:
        for control_id, transaction in ((b"HB1", b"T1"), (b"HB2", b"T2"), (b"HB3", b"T1")):
            connection.sendall(PAYMENT % (control_id, transaction))
            assert b"\rMSA|AA|%b\r" % control_id in connection.recv(1000)
        count = partner.ask()
    partner.close()
    assert (count.messages, count.repeats, count.connections) == (3, 1, 1)


@pytest.fixture(autouse=True)
def _no_store_is_left(tmp_path):
    yield
    assert list(tmp_path.iterdir()) == []
