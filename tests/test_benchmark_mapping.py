"""The mapping's benchmark: what it reads is what the mapping reads, and its command runs."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.mapping import list_reads, make_charges
from hl7bridge.assemble import read_mapping
from hl7bridge.mapping.apply import apply_mapping
from hl7bridge.message.parse import parse_message

ROOT = Path(__file__).resolve().parent.parent
GENERIC = read_mapping(ROOT / "mappings", "generic")


def run_benchmark(*arguments):
    command = [sys.executable, "-m", "benchmarks.mapping", "--rounds", "1", "--messages", "64", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_each_message_has_three_charges_a_guarantor_a_coverage_and_all_that_the_mapping_can_take():
    """Or what is measured would be less than what is said."""
    for data in make_charges(40):
        made = apply_mapping(GENERIC, parse_message(data))
        assert (len(made.entries), len(made.guarantors), len(made.coverages)) == (3, 1, 1)
        assert None not in (made.patient, made.account, made.patient.phone, made.account.visit_number)


def test_python_hl7_reads_as_many_places_as_the_mapping():
    """Every path of every record of the event, each once."""
    reads = {str(path) for path in list_reads(GENERIC)}
    assert {"PID-3.1", "PV1-46", "FT1-11", "GT1-5.5", "IN1-4.1"} <= reads
    assert len(reads) >= 70


def test_the_command_tells_what_a_mapping_costs():
    """As a line for a person, as JSON for a program; the exit code says whether it keeps its promise."""
    told = run_benchmark("--json")
    (cost,) = map(json.loads, told.stdout.splitlines())
    assert cost["mapping"] == "generic"
    assert 0 < cost["mapped"] < cost["parsed_and_mapped"] < cost["peer"]
    assert told.returncode == int(cost["mapped"] > 60)
    assert "us a DFT^P03 with three FT1" in run_benchmark("generic", "epic").stdout.splitlines()[1]


def test_a_mapping_that_is_not_there_is_told(tmp_path):
    """In one line."""
    told = run_benchmark("--folder", tmp_path)
    assert (told.returncode, told.stdout) == (1, "")
    assert "there is no such file" in told.stderr
