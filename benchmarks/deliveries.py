"""Payments out of the durable outbox: how many a second, processor time a payment, and what intake feels of it.

Run ``python -m benchmarks.deliveries`` in the project's folder. A store with payments queued is copied for each run:
the daemon posts them to a partner that answers at once, to one that takes 50 ms, and to one that answers at once while
senders load its listener, beside the same load alone. Figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load import Result, cpu_seconds, rss_mib
from benchmarks.outbox import make_outbox
from benchmarks.partner import Count
from benchmarks.servers import Server, serve
from hl7bridge.storage.database import open_store, read_key

PAYMENTS: Final = 20_000
WINDOW: Final = 8
DELAY: Final = 0.05
SECONDS: Final = 5.0
WARM_UP: Final = 1.0
ROUNDS: Final = 3
SENDERS: Final = 8
_LOOK_SECONDS: Final = 0.02
_START_SECONDS: Final = 30.0
INSTANT, SLOW, ALONE, MEANWHILE = "answers at once", "takes {:.0f} ms", "intake alone", "intake meanwhile"


class Run(NamedTuple):
    """One run: payments a second, daemon's CPU us a payment (0: not told), RSS MiB, and the load's p99 in ms (0: none).

    ``posted`` payments came to the partner, ``wrong`` of them twice or not as the store has it.
    """

    per_second: float = 0.0
    cpu: float = 0.0
    rss: float = 0.0
    intake_per_second: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    posted: int = 0
    wrong: int = 0


class RunningPartner:
    """The partner's process."""

    def __init__(self, delay: float) -> None:
        command = [sys.executable, "-m", "benchmarks.partner", f"--delay={delay}"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._read())

    def _read(self) -> str:
        if self._process.stdout is None:
            raise RuntimeError("the partner was started without a pipe")
        return self._process.stdout.readline()

    def ask(self) -> Count:
        """Return what came so far."""
        if self._process.stdin is None:
            raise RuntimeError("the partner was started without a pipe")
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Count(**json.loads(self._read()))

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@contextmanager
def site(made: Path, folder: Path, port: int, window: int) -> Iterator[Path]:
    """Copy a site for one run, its destination at the port of a partner, and yield its configuration."""
    shutil.copytree(made, folder)
    config = folder / "hl7bridge.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace('connect = "127.0.0.1:2576"', f'connect = "127.0.0.1:{port}"\nwindow = {window}', 1),
        encoding="utf-8",
    )
    yield config
    shutil.rmtree(folder)


def measure_posting(made: Path, folder: Path, delay: float, chosen: argparse.Namespace) -> Run:
    """Post for some seconds, or until nothing is queued."""
    with closing(RunningPartner(delay)) as partner, site(made, folder, partner.port, chosen.window) as config:
        with serve(config) as daemon:
            _wait_for(partner, 1)
            _wait_for(partner, chosen.payments, chosen.warm_up)
            first, cpu = partner.ask(), cpu_seconds(daemon.pid)
            _wait_for(partner, chosen.payments, chosen.seconds)
            last, cpu = partner.ask(), cpu_seconds(daemon.pid) - cpu
            rss = rss_mib(daemon.pid)
        posted, wrong = _verify(config, partner)
    count = last.messages - first.messages
    if not count:
        raise RuntimeError(f"{chosen.payments} payments were too few: all were posted before the run began")
    return Run(count / (last.at - first.at), cpu / count * 1e6, rss, posted=posted, wrong=wrong)


def measure_intake(made: Path, folder: Path, chosen: argparse.Namespace, *, is_posting: bool) -> Run:
    """Load the listener, with payments going out or without."""
    with closing(RunningPartner(0.0)) as partner:
        port = partner.port if is_posting else 9  # the discard port: nobody listens
        with site(made, folder, port, chosen.window) as config:
            with serve(config) as daemon:
                if is_posting:
                    _wait_for(partner, 1)
                first = partner.ask()
                load = _load(daemon, chosen)
                last = partner.ask()
                rss = rss_mib(daemon.pid)
            posted, wrong = _verify(config, partner)
    if is_posting and last.messages == chosen.payments:
        raise RuntimeError(f"{chosen.payments} payments were too few: all were posted before the load ended")
    return Run(
        (last.messages - first.messages) / (last.at - first.at),
        0.0,
        rss,
        load.per_second,
        load.p50,
        load.p99,
        posted,
        wrong + load.refused,
    )


def _wait_for(partner: RunningPartner, messages: int, seconds: float = 0.0) -> None:
    """Return when so many messages came, or after so many seconds; 0: they must come."""
    end = time.monotonic() + (seconds or _START_SECONDS)
    while partner.ask().messages < messages:
        if time.monotonic() >= end:
            if not seconds:
                raise RuntimeError("no payment came")
            return
        time.sleep(_LOOK_SECONDS)


def _verify(config: Path, partner: RunningPartner) -> tuple[int, int]:
    """Return how many payments the partner has, and how many of them came twice or are not accepted in the store."""
    came = partner.ask()
    key = read_key(config.parent / "secrets" / "store.key")
    with closing(open_store(config.parent / "data" / "hl7bridge.db", key)) as store:
        statuses: dict[str, int] = dict(store.rows("SELECT status, count(*) FROM deliveries GROUP BY status"))
    others = sum(count for status, count in statuses.items() if status not in {"accepted", "queued"})
    return came.messages, came.repeats + others + abs(came.messages - came.repeats - statuses.get("accepted", 0))


def _load(daemon: Server, chosen: argparse.Namespace) -> Result:
    options = {
        "port": daemon.port,
        "pid": daemon.pid,
        "connections": chosen.senders,
        "first": 1,
        "seconds": chosen.seconds,
        "warm-up": chosen.warm_up,
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return Result(**json.loads(done.stdout))


def measure(folder: Path, chosen: argparse.Namespace) -> dict[str, Run]:
    """Run everything in every round, and return the medians."""
    made = folder / "made"
    make_outbox(made, chosen.payments)
    found: dict[str, list[Run]] = {}
    slow = SLOW.format(chosen.delay * 1000)
    for _ in range(chosen.rounds):
        found.setdefault(INSTANT, []).append(measure_posting(made, folder / "run", 0.0, chosen))
        found.setdefault(slow, []).append(measure_posting(made, folder / "run", chosen.delay, chosen))
        found.setdefault(ALONE, []).append(measure_intake(made, folder / "run", chosen, is_posting=False))
        found.setdefault(MEANWHILE, []).append(measure_intake(made, folder / "run", chosen, is_posting=True))
    return {name: _medians(runs) for name, runs in found.items()}


def _medians(runs: Sequence[Run]) -> Run:
    medians = Run(*(statistics.median(values) for values in zip(*runs, strict=True)))
    return medians._replace(posted=sum(each.posted for each in runs), wrong=sum(each.wrong for each in runs))


def table(found: dict[str, Run], chosen: argparse.Namespace) -> Iterator[str]:
    """Return the lines of a plain table."""
    yield f"{'partner':<18}{'payments/s':>12}{'of the most':>13}{'CPU us/payment':>16}{'RSS MiB':>9}"
    slow = SLOW.format(chosen.delay * 1000)
    for name in (INSTANT, slow):
        run = found[name]
        share = f"{run.per_second * chosen.delay / chosen.window:.0%}" if name == slow else "-"
        yield f"{name:<18}{run.per_second:>12.0f}{share:>13}{run.cpu:>16.0f}{run.rss:>9.0f}"
    yield f"{'intake':<18}{'messages/s':>12}{'p50 ms':>13}{'p99 ms':>16}{'payments/s':>13}"
    for name in (ALONE, MEANWHILE):
        run = found[name]
        yield f"{name:<18}{run.intake_per_second:>12.0f}{run.p50:>13.2f}{run.p99:>16.2f}{run.per_second:>13.0f}"
    alone, meanwhile = found[ALONE], found[MEANWHILE]
    yield f"{'ratio':<18}{'':>12}{meanwhile.p50 / alone.p50:>13.2f}{meanwhile.p99 / alone.p99:>16.2f}"


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deliveries", description=__doc__)
    parser.add_argument("--payments", type=int, default=PAYMENTS, help="queued before each run [20000]")
    parser.add_argument("--window", type=int, default=WINDOW, help="connections that the partner allows [8]")
    parser.add_argument("--delay", type=float, default=DELAY, help="seconds that the slow partner takes [0.05]")
    parser.add_argument("--senders", type=int, default=SENDERS, help="stop-and-wait senders that load the intake [8]")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="measured seconds a run [5]")
    parser.add_argument("--warm-up", type=float, default=WARM_UP, help="seconds before each run that do not count [1]")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each [3]")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the stores are made, and removed again")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args()


def main() -> int:
    """Measure, print, and return 1 when a payment was posted twice, or not as the store has it."""
    chosen = _parse_arguments()
    with tempfile.TemporaryDirectory(prefix=".deliveries-", dir=chosen.folder) as made:
        found = measure(Path(made).resolve(), chosen)
    wrong = sum(each.wrong for each in found.values())
    if chosen.json:
        print(json.dumps({name: each._asdict() for name, each in found.items()}))
    else:
        print(*table(found, chosen), sep="\n")
        print(f"payments: {sum(each.posted for each in found.values())} posted, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
