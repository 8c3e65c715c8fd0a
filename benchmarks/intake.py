"""Intake throughput, waiting time and CPU time a message: hl7bridge beside python-hl7's own server, in one run.

Run ``python -m benchmarks.intake`` in the project's folder. Both servers run all the time and are loaded in turn; the
figures are medians of the rounds. hl7bridge parses, maps, stores (encrypted, synchronous=FULL), keeps the ledger and
answers; python-hl7's server parses and answers, and stores nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.load import Result
from benchmarks.servers import Server, bridge, peer

CONNECTIONS: Final = "1,8,32"
SECONDS: Final = 5.0
WARM_UP: Final = 1.0
ROUNDS: Final = 3
_OURS, _PEER = "hl7bridge", "python-hl7"
_SHOWN: Final = (
    ("per_second", "messages/s", ".0f"),
    ("p50", "p50 ms", ".2f"),
    ("p99", "p99 ms", ".2f"),
    ("cpu", "CPU us/message", ".0f"),
    ("rss", "RSS MiB", ".0f"),
    ("load_cpu_share", "load's CPU", ".0%"),
)


class Row(NamedTuple):
    """The medians of one server at one number of connections; units as in ``load.Result``."""

    server: str
    connections: int
    messages: int
    refused: int
    per_second: float
    p50: float
    p99: float
    cpu: float
    rss: float
    load_cpu_share: float


class Ratio(NamedTuple):
    """A server's medians by python-hl7's at one number of connections: above 1 is more."""

    server: str
    connections: int
    per_second: float
    p50: float
    p99: float
    cpu: float


def measure(servers: Sequence[Server], connections: Sequence[int], chosen: argparse.Namespace) -> list[Row]:
    """Load the servers in turn, round after round, each round in the other order, and return the medians."""
    results: dict[tuple[int, str], list[Result]] = {}
    serials = dict.fromkeys((server.name for server in servers), 1)
    for number in range(chosen.rounds):
        for count in connections:
            for server in servers if number % 2 == 0 else reversed(servers):
                result = _load(server, count, serials[server.name], chosen)
                serials[server.name] = result.next_serial
                results.setdefault((count, server.name), []).append(result)
    return [_medians(name, count, found) for (count, name), found in sorted(results.items())]


def _load(server: Server, connections: int, first: int, chosen: argparse.Namespace) -> Result:
    options = {
        "port": server.port,
        "pid": server.pid,
        "connections": connections,
        "first": first,
        "seconds": chosen.seconds,
        "warm-up": chosen.warm_up,
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    if server.certificate:
        arguments.append(f"--ca={server.certificate}")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return Result(**json.loads(done.stdout))


def _medians(name: str, connections: int, results: Sequence[Result]) -> Row:
    medians = {field: statistics.median(getattr(each, field) for each in results) for field, _, _ in _SHOWN}
    messages, refused = (sum(getattr(each, field) for each in results) for field in ("messages", "refused"))
    return Row(name, connections, messages, refused, **medians)


def ratios(rows: Sequence[Row]) -> list[Ratio]:
    """Return each other server's figures by python-hl7's, for each number of connections."""
    by_name = {(row.connections, row.server): row for row in rows}
    found: list[Ratio] = []
    for count in dict.fromkeys(row.connections for row in rows):
        other = by_name[count, _PEER]
        for row in rows:
            if row.connections == count and row.server != _PEER:
                quotients = [
                    getattr(row, field) / getattr(other, field) if getattr(other, field) else 0.0
                    for field in Ratio._fields[2:]
                ]
                found.append(Ratio(row.server, count, *quotients))
    return found


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Return the lines of a plain table, with lines of ratios to python-hl7 under each number of connections."""
    yield "connections  server      " + "  ".join(f"{title:>14}" for _, title, _ in _SHOWN)
    found = ratios(rows)
    for count in dict.fromkeys(row.connections for row in rows):
        for row in rows:
            if row.connections == count:
                cells = (f"{format(getattr(row, field), form):>14}" for field, _, form in _SHOWN)
                yield f"{count:>11}  {row.server:<10}  " + "  ".join(cells)
        for ratio in found:
            if ratio.connections == count:
                shares = (f"x {getattr(ratio, field):.2f}" if field in Ratio._fields else "" for field, _, _ in _SHOWN)
                label = "ratio" if ratio.server == _OURS else "ratio, TLS"
                yield f"{'':>11}  {label:<10}  " + "  ".join(f"{share:>14}" for share in shares).rstrip()


def _machine(folder: Path) -> str:
    """Return what the figures depend on: processors, Python, and the kind of file system under the store."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    under = [mount for mount in mounts if folder.is_relative_to(mount[0])]
    kind = max(under, key=lambda mount: len(mount[0]))[1] if under else "unknown"
    return f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, store on {kind}"


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intake", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="measured seconds a run [5]")
    parser.add_argument("--warm-up", type=float, default=WARM_UP, help="seconds before each run that do not count [1]")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each server at each number [3]")
    parser.add_argument("--connections", default=CONNECTIONS, help="numbers of stop-and-wait senders [1,8,32]")
    parser.add_argument(
        "--folder", type=Path, default=Path(), help="where the store is made, and removed again: a disk"
    )
    parser.add_argument("--tls", action="store_true", help="also hl7bridge with TLS 1.3")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args()


def main() -> int:
    """Measure, print, and return 1 when a reply was not AA or CA to its own message."""
    chosen = _parse_arguments()
    connections = [int(each) for each in chosen.connections.split(",")]
    with tempfile.TemporaryDirectory(prefix=".intake-", dir=chosen.folder) as made:
        folder = Path(made).resolve()
        machine = _machine(folder)
        with ExitStack() as stack:
            servers = [stack.enter_context(bridge(folder / "bridge")), stack.enter_context(peer())]
            if chosen.tls:
                servers.append(stack.enter_context(bridge(folder / "tls", tls=True)))
            rows = measure(servers, connections, chosen)
    refused = sum(row.refused for row in rows)
    if chosen.json:
        told: dict[str, Any] = {
            "machine": machine,
            "seconds": chosen.seconds,
            "rounds": chosen.rounds,
            "rows": [row._asdict() for row in rows],
            "ratios": [ratio._asdict() for ratio in ratios(rows)],
        }
        print(json.dumps(told))
    else:
        print(f"{machine}; medians of {chosen.rounds} rounds of {chosen.seconds:g} s")
        print(*table(rows), sep="\n")
        print(f"replies: {sum(row.messages for row in rows)} checked, {refused} not AA or CA to their own message")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
