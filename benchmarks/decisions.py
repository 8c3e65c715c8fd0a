"""Seconds that a run of decisions takes, in two sizes of store with the same number due, and what intake feels of it.

    python -m benchmarks.decisions [--accounts N] [--due N] [--rounds N] [--seconds S] [--folder DIR]

A store of N accounts and one of a tenth (``benchmarks.big_store``); in each the same number is due. A run is timed in a
process of its own, that many times; the figures are medians. Then the daemon of the large store is loaded, alone and
while it runs the day's decisions itself, and while ``hl7bridge decide`` does beside it: replies are counted by how long
they took. Exit 1 when a run took over a minute, the ratio is above 1.3, or the p99 of intake more than doubled.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.big_store import ACCOUNTS, DUE, make_due_again, make_site
from benchmarks.load import Result
from benchmarks.servers import Server, serve
from hl7bridge.storage.database import Store, open_store, read_key
from hl7bridge.storage.decisions import Run, run_decisions
from hl7bridge.versions import load_configuration

MOST_SECONDS: Final = 60.0
MOST_RATIO: Final = 1.3
MOST_SLOWER: Final = 2.0  # times the p99 of intake
CONNECTIONS: Final = 8
LOAD_SECONDS: Final = 8.0
_RUN_DAY: Final = "decisions_run_on"


class Site(NamedTuple):
    """A store with its configuration; so many accounts, of which so many are due."""

    config: Path
    accounts: int
    due: int

    def open(self) -> Store:
        """Open its store."""
        settings = load_configuration(self.config).settings.store
        return open_store(settings.path, read_key(settings.key_file))

    def make_due_again(self, due: int | None = None) -> None:
        """Undo the decisions, so that the same are due; or another number of accounts."""
        with closing(self.open()) as store:
            today = dt.datetime.now(dt.UTC).date()
            make_due_again(store, today, accounts=self.accounts, due=self.due if due is None else due)


def run_once(config: Path) -> dict[str, float]:
    """Run what is due in this process, and return how many were decided and placed, and the seconds."""
    assembled = load_configuration(config)
    settings = assembled.settings.store
    now = dt.datetime.now(dt.UTC)
    decided = placed = 0
    with closing(open_store(settings.path, read_key(settings.key_file))) as store:
        begun, used = time.perf_counter(), time.process_time()
        for outcome in run_decisions(store, Run(assembled.rules, lambda _: now.date(), now, "benchmark")):
            decided += 1
            placed += outcome.placement_id is not None
        took, cpu = time.perf_counter() - begun, time.process_time() - used
    return {"decided": decided, "placed": placed, "seconds": took, "cpu": cpu}


def time_runs(sites: list[Site], rounds: int) -> list[float]:
    """Return the median seconds of a run of each site; the sites take turns."""
    seconds: dict[int, list[float]] = {}
    for _ in range(rounds):
        for site in sites:
            site.make_due_again()
            command = [sys.executable, "-m", "benchmarks.decisions", "--once", str(site.config)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            told = json.loads(done.stdout)
            if told["placed"] != site.due:
                raise RuntimeError(f"{told['placed']} were placed, and {site.due} are due")
            seconds.setdefault(site.accounts, []).append(told["seconds"])
    return [statistics.median(seconds[site.accounts]) for site in sites]


@contextmanager
def nothing_else(_site: Site) -> Iterator[None]:
    """Intake alone."""
    yield


@contextmanager
def the_daemons_run(site: Site) -> Iterator[None]:
    """Have the daemon run the day's decisions: it looks at the clock several times a minute."""
    site.make_due_again()
    with closing(site.open()) as store:
        store.execute("DELETE FROM meta WHERE key = ?", (_RUN_DAY,))
        _wait_for_decisions(store)
        yield


@contextmanager
def a_command(site: Site) -> Iterator[None]:
    """Have ``hl7bridge decide`` run them, in a process of its own."""
    site.make_due_again()
    command = [sys.executable, "-m", "hl7bridge", "decide", "--limit", "1", "--config", str(site.config)]
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=silent, stderr=silent), closing(site.open()) as store:
        _wait_for_decisions(store)
        yield


def _wait_for_decisions(store: Store) -> None:
    while store.row("SELECT 1 FROM decisions LIMIT 1") is None:
        time.sleep(0.05)


SCENARIOS: Final[dict[str, Callable[[Site], AbstractContextManager[None]]]] = {
    "alone": nothing_else,
    "the daemon decides": the_daemons_run,
    "a command decides": a_command,
}


def time_intake(site: Site, seconds: float, rounds: int) -> dict[str, list[Result]]:
    """Load the daemon of a site in each scenario, in turn, round after round, and return what it answered."""
    site.make_due_again(0)
    with closing(site.open()) as store:
        today = dt.datetime.now(dt.UTC).date().isoformat()
        store.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_RUN_DAY, today))
    config = site.config.read_text(encoding="utf-8")
    site.config.write_text(config.replace('run_at = "05:00"', 'run_at = "00:00"'), encoding="utf-8")
    results: dict[str, list[Result]] = {name: [] for name in SCENARIOS}
    first = 1
    with serve(site.config) as server:
        for _ in range(rounds):
            for name, scenario in SCENARIOS.items():
                with scenario(site):
                    result = _load(server, first, seconds)
                results[name].append(result)
                first = result.next_serial
            site.make_due_again(0)
    return results


def _load(server: Server, first: int, seconds: float) -> Result:
    command = [sys.executable, "-m", "benchmarks.load", f"--port={server.port}", f"--pid={server.pid}"]
    command += [f"--connections={CONNECTIONS}", f"--first={first}", f"--seconds={seconds}", "--warm-up=0.5"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Result(**json.loads(done.stdout))


def measure(folder: Path, chosen: argparse.Namespace) -> bool:
    """Make both stores in a folder, measure and print; False when a limit is passed."""
    sites: list[Site] = []
    for accounts in (chosen.accounts // 10, chosen.accounts):
        begun = time.perf_counter()
        config = make_site(folder / str(accounts), accounts=accounts, due=chosen.due)
        sites.append(Site(config, accounts, chosen.due))
        print(f"{accounts:>10,} accounts made in {time.perf_counter() - begun:.0f} s")
    seconds = time_runs(sites, chosen.rounds)
    for site, each in zip(sites, seconds, strict=True):
        print(
            f"{site.accounts:>10,} accounts, {site.due:,} due: {each:.2f} s, {each / site.due * 1e6:.0f} us a decision"
        )
    ratio = seconds[1] / seconds[0]
    print(f"{'ratio':>10} {ratio:.2f} at ten times the accounts")
    is_fast = seconds[1] < MOST_SECONDS and ratio <= MOST_RATIO
    return is_fast and (not chosen.seconds or _intake_keeps_up(sites[1], chosen.seconds, chosen.rounds))


def _intake_keeps_up(site: Site, seconds: float, rounds: int) -> bool:
    results = time_intake(site, seconds, rounds)
    medians = {name: statistics.median(result.p99 for result in each) for name, each in results.items()}
    for name, each in results.items():
        rate, p50 = (statistics.median(getattr(result, field) for result in each) for field in ("per_second", "p50"))
        ratio = medians[name] / medians["alone"]
        print(f"{name:>20}: {rate:,.0f} messages/s, p50 {p50:.1f} ms, p99 {medians[name]:.1f} ms, x {ratio:.2f}")
    refused = sum(result.refused for each in results.values() for result in each)
    return max(medians.values()) <= MOST_SLOWER * medians["alone"] and not refused


def main() -> int:
    """Measure and print. Exit 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS, help="accounts of the large store [1000000]")
    parser.add_argument("--due", type=int, default=DUE, help="due in each store [20000]")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each store, and of each scenario [3]")
    parser.add_argument("--seconds", type=float, default=LOAD_SECONDS, help="of load in each scenario, 0: none [8]")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the stores are made, and removed: a disk")
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.once:
        print(json.dumps(run_once(chosen.once)))
        return 0
    with tempfile.TemporaryDirectory(prefix=".decisions-", dir=chosen.folder) as made:
        return 0 if measure(Path(made).resolve(), chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
