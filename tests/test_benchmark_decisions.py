"""The benchmark of decisions: its store is whole, so many are due as it says, and its command runs and judges."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest
from placement_samples import new_store, shipped_rules

from benchmarks.big_store import ENTRIES, fill_store, make_due_again
from hl7bridge.storage.decisions import Run, remember_rules, run_decisions
from hl7bridge.storage.verify import verify_store

ROOT = Path(__file__).resolve().parent.parent
TODAY = dt.date(2026, 11, 21)
NOW = dt.datetime(2026, 11, 21, 9, 30, tzinfo=dt.UTC)


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    fill_store(opened, TODAY, accounts=300, due=20)
    with opened.transaction():
        remember_rules(opened, shipped_rules().version)
    yield opened
    opened.close()


def decide(store) -> list[str]:
    run = Run(shipped_rules(), lambda _: TODAY, NOW, "benchmark")
    return [outcome.account for outcome in run_decisions(store, run) if outcome.placement_id is not None]


def test_the_store_is_one_that_intake_could_have_left(store):
    """Totals are those of the entries, references lead somewhere; nothing is out of order."""
    assert [check.problems for check in verify_store(store) if check.problems] == []
    assert store.row("SELECT count(*) FROM entries") == (300 * ENTRIES,)
    assert store.row("SELECT count(*) FROM accounts WHERE due_on <= ?", (TODAY.isoformat(),)) == (20,)


def test_all_that_are_due_are_placed_and_are_due_again_when_a_round_is_over(store):
    """So that the next round measures the same."""
    first = decide(store)
    assert len(first) == 20
    assert decide(store) == []
    make_due_again(store, TODAY, accounts=300, due=20)
    assert decide(store) == first


def run_benchmark(folder, *arguments):
    command = [sys.executable, "-m", "benchmarks.decisions", "--folder", folder, "--rounds", "1", "--seconds", "0"]
    return subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_measures_both_stores_and_tells_the_ratio(tmp_path):
    """The documented command, for a thousandth of its size."""
    done = run_benchmark(tmp_path, "--accounts", "1000", "--due", "10")
    assert "Traceback" not in done.stderr, done.stderr
    made_small, made_large, small, large, ratio = done.stdout.splitlines()
    assert made_small.split()[:2] == ["100", "accounts"]
    assert made_large.split()[:2] == ["1,000", "accounts"]
    assert small.split()[:4] == ["100", "accounts,", "10", "due:"]
    assert large.split()[:4] == ["1,000", "accounts,", "10", "due:"]
    assert ratio.split()[0] == "ratio"
    assert done.returncode == (float(ratio.split()[1]) > 1.3)
    assert list(tmp_path.iterdir()) == []
