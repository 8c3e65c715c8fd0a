"""What `hl7bridge profile` costs: a file of invented messages profiled, beside a plain parse of the same file.

Run ``python -m benchmarks.profile`` in the project's folder. Each runs in a process of its own, in turn, on one file;
the figures are of the fastest round, with start-up and the writing of the report in them: messages a second by the
clock and by the processor's time, peak memory, and how many times as long the profile takes as the parse. A tenth of
the file is profiled as well: memory that does not grow shows in the two.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.messages import make_templates, number_messages
from hl7bridge.cli.message_file import read_pieces, units_of
from hl7bridge.message.parse import parse_message

FEWEST: Final = 5000  # messages a second: what the product promises
_MESSAGES: Final = 50_000
_ROUNDS: Final = 3
_SEED: Final = 7
_DAY: Final = dt.datetime(2026, 11, 21, 9, 30, tzinfo=dt.UTC)
_LIMIT: Final = 16 << 20


class Run(NamedTuple):
    """One run of one process over a file: seconds by the clock and of the processor, peak memory in bytes."""

    messages: int
    elapsed: float
    processor: float
    memory: int

    @property
    def rate(self) -> float:
        """Return messages a second by the clock."""
        return self.messages / self.elapsed

    @property
    def processor_rate(self) -> float:
        """Return messages a second of processor time: what one core that does nothing else would do."""
        return self.messages / self.processor


def write_messages(path: Path, count: int) -> None:
    """Write a file of framed messages, charges and registrations in turn."""
    with path.open("wb") as file:
        file.writelines(each.block for each in islice(number_messages(make_templates(_SEED, _DAY), 1), count))


def run(command: Sequence[str], count: int) -> Run:
    """Return what a command took that reads ``count`` messages. Raises RuntimeError when it fails."""
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        _, status, used = os.wait4(child.pid, 0)
        elapsed = time.monotonic() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        said = child.stderr.read().decode() if child.stderr else ""
    if child.returncode:
        raise RuntimeError(f"{' '.join(command[:4])}: {said}")
    return Run(count, elapsed, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def parse_file(path: Path) -> int:
    """Return how many messages a file has, having parsed each: the plain work that the profile is held against."""
    count = 0
    with path.open("rb") as file:
        for unit in units_of(read_pieces(file, _LIMIT, lambda _data: None), _LIMIT):
            parse_message(unit.data)
            count += 1
    return count


def measure(folder: Path, count: int, rounds: int) -> dict[str, Run]:
    """Return the fastest run of each: ``parse`` and ``profile`` of the file, ``tenth`` of a tenth of it."""
    whole, tenth = folder / "messages.hl7", folder / "tenth.hl7"
    write_messages(whole, count)
    write_messages(tenth, count // 10)
    run([sys.executable, "-m", "hl7bridge", "init", str(folder / "site")], 0)
    profile = [sys.executable, "-m", "hl7bridge", "profile", "--config", str(folder / "site" / "hl7bridge.toml")]
    commands = {
        "parse": ([sys.executable, "-m", "benchmarks.profile", "--parse", str(whole)], count),
        "profile": ([*profile, str(whole)], count),
        "tenth": ([*profile, str(tenth)], count // 10),
    }
    best: dict[str, Run] = {}
    for _ in range(rounds):
        for name, (command, messages) in commands.items():
            done = run(command, messages)
            best[name] = min(best.get(name, done), done, key=lambda each: each.processor)
    return best


def _rows(found: dict[str, Run]) -> list[dict[str, object]]:
    return [
        {
            "what": name,
            "messages": each.messages,
            "per_second": round(each.rate),
            "per_processor_second": round(each.processor_rate),
            "rss": each.memory,
        }
        for name, each in found.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when the profile is slower than promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--messages", type=int, default=_MESSAGES)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parse", type=Path, metavar="FILE", help="parse FILE and nothing else")
    asked = parser.parse_args(arguments)
    if asked.parse:
        print(parse_file(asked.parse))
        return 0
    with tempfile.TemporaryDirectory(prefix="hl7bridge-profile-") as folder:
        found = measure(Path(folder), asked.messages, asked.rounds)
    ratio = found["profile"].processor / found["parse"].processor
    if asked.json:
        print(json.dumps({"rows": _rows(found), "ratio": ratio}))
    else:
        print(f"{'what':<10}{'messages':>10}{'per second':>12}{'per CPU second':>16}{'peak memory':>14}")
        for name, each in found.items():
            memory = f"{each.memory / (1 << 20):.0f} MiB"
            print(f"{name:<10}{each.messages:>10}{each.rate:>12.0f}{each.processor_rate:>16.0f}{memory:>14}")
        print(f"the profile takes {ratio:.1f} times as long as a plain parse")
    return 0 if found["profile"].processor_rate >= FEWEST else 1


if __name__ == "__main__":
    sys.exit(main())
