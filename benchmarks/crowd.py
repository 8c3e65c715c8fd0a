"""Many connections, a peer that reads nothing and a block of 16 MiB: what they do to the others' waiting times.

Run ``python -m benchmarks.crowd`` in the project's folder. The same load (stop-and-wait senders) runs against one
daemon in each scenario, in turn, round after round; the figures are medians of the rounds, and ratios are to the load
alone. Claims: an idle crowd costs memory only, and no single peer raises the others' p99 by more than half.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.load import Result, rss_mib
from benchmarks.servers import Server, bridge

BUSY: Final = 32
CROWD_BUSY: Final = 200
IDLE: Final = 2000
LARGE_BYTES: Final = 16 * 1024 * 1024 - 64
SECONDS: Final = 5.0
ROUNDS: Final = 3
_PAUSE: Final = 1.0  # seconds between two large blocks
_SHOWN: Final = (
    ("messages/s", "per_second", ".0f"),
    ("p50 ms", "p50", ".2f"),
    ("p99 ms", "p99", ".2f"),
    ("RSS MiB", "rss", ".0f"),
)


@contextmanager
def nobody(_server: Server) -> Iterator[None]:
    """The load alone."""
    yield


@contextmanager
def idle_crowd(server: Server) -> Iterator[None]:
    """Hold 2,000 connections that say nothing."""
    with ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        yield


@contextmanager
def slow_reader(server: Server) -> Iterator[None]:
    """Send messages for as long as the socket takes them, and read no reply."""
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def send(number: int) -> None:
            peer.sendall(b"\x0b" + _message(f"SLOW{number}") + b"\x1c\r")

        with _again_and_again(send, 0.0, peer):
            yield


@contextmanager
def large_blocks(server: Server) -> Iterator[None]:
    """Send a message of 16 MiB, read its reply, and so on, one about every second."""
    body = b"OBX|1|ED|PDF||^application^pdf^Base64^" + b"QUJD" * (LARGE_BYTES // 4 - 512)
    with socket.create_connection(("127.0.0.1", server.port)) as peer:

        def send(number: int) -> None:
            peer.sendall(b"\x0b" + _message(f"LARGE{number}") + body + b"\r\x1c\r")
            reply = b""
            while not reply.endswith(b"\x1c\r"):
                data = peer.recv(65_536)
                if not data:
                    raise RuntimeError("the server closed the connection on a large block")
                reply += data
            if b"|AA|" not in reply:
                raise RuntimeError("a large block was not taken")

        with _again_and_again(send, _PAUSE, peer):
            yield


SCENARIOS: Final[dict[str, tuple[Callable[[Server], AbstractContextManager[None]], int]]] = {
    f"{BUSY} busy": (nobody, BUSY),
    f"{BUSY} busy, a slow reader": (slow_reader, BUSY),
    f"{BUSY} busy, 16 MiB blocks": (large_blocks, BUSY),
    f"{CROWD_BUSY} busy": (nobody, CROWD_BUSY),
    f"{CROWD_BUSY} busy, {IDLE:,} idle": (idle_crowd, CROWD_BUSY),
}


def _message(control_id: str) -> bytes:
    header = f"MSH|^~\\&|CROWD|EXAMPLE|||20260105101500||ADT^A08^ADT_A01|{control_id}|P|2.5.1\r"
    person = "PID|1||TSTCROWD^^^EXAMPLE^MR||TESTPATIENT^CROWD||19710418|F||||||||||TACCCROWD\rPV1|1|O\r"
    return (header + person).encode("ascii")


@contextmanager
def _again_and_again(send: Callable[[int], None], pause: float, peer: socket.socket) -> Iterator[None]:
    """Send in a thread for the length of the block; an end of the connection ends it too."""
    ended = threading.Event()
    failures: list[Exception] = []

    def work() -> None:
        number = 0
        while not ended.is_set():
            try:
                send(number)
            except OSError:
                return  # our own shutdown below, or the server has had enough of a peer that reads nothing
            except RuntimeError as error:
                if not ended.is_set():  # else it was waiting for a reply when we shut the connection
                    failures.append(error)
                return
            number += 1
            ended.wait(pause)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        peer.shutdown(socket.SHUT_RDWR)
        thread.join()
    if failures:
        raise failures[0]


def _load(server: Server, connections: int, first: int, seconds: float) -> Result:
    arguments = {"port": server.port, "pid": server.pid, "connections": connections, "first": first}
    options = [f"--{name}={value}" for name, value in arguments.items()]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *options, f"--seconds={seconds}", "--warm-up=1"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Result(**json.loads(done.stdout))


def measure(server: Server, rounds: int, seconds: float) -> dict[str, list[Result]]:
    """Run every scenario in every round, and return the results of each."""
    results: dict[str, list[Result]] = {name: [] for name in SCENARIOS}
    serial = 1
    for _ in range(rounds):
        for name, (scenario, connections) in SCENARIOS.items():
            with scenario(server):
                result = _load(server, connections, serial, seconds)
                results[name].append(result._replace(rss=rss_mib(server.pid)))
            serial = result.next_serial
    return results


def table(results: dict[str, list[Result]]) -> Iterator[str]:
    """Return the lines of a plain table; the ratio is of p99 to that of the same load alone."""
    yield f"{'scenario':<26}" + "".join(f"{title:>13}" for title, _, _ in _SHOWN) + f"{'p99 ratio':>13}"
    alone = 0.0
    for name, found in results.items():
        medians = {field: statistics.median(getattr(each, field) for each in found) for _, field, _ in _SHOWN}
        if "," not in name:
            alone = medians["p99"]
        cells = "".join(f"{format(medians[field], form):>13}" for _, field, form in _SHOWN)
        yield f"{name:<26}{cells}{medians['p99'] / alone:>13.2f}"


def main() -> int:
    """Measure and print; return 1 when a reply was not AA or CA to its own message."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="measured seconds a run [5]")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each scenario [3]")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the store is made, and removed again")
    chosen = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix=".crowd-", dir=chosen.folder) as made, bridge(Path(made) / "b") as server:
        results = measure(server, chosen.rounds, chosen.seconds)
    print(*table(results), sep="\n")
    refused = sum(each.refused for found in results.values() for each in found)
    total = sum(each.messages for found in results.values() for each in found)
    print(f"replies: {total} checked, {refused} not AA or CA to their own message")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
