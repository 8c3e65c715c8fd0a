"""Messages -> an MLLP port over several connections, each stop-and-wait, and how fast true answers came back.

A process of its own on one epoll loop, light beside any server written in Python: run as ``python -m benchmarks.load``
by ``benchmarks.intake``; prints one JSON object.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import select
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.messages import Numbered, make_templates, number_messages

SEED: Final = 7
SILENCE_SECONDS: Final = 20.0  # no answer on any connection for so long: the server has failed
_READ_BYTES: Final = 65_536
_BLOCK_END: Final = b"\x1c\r"
_NANOSECONDS: Final = 1_000_000_000
_ACCEPTED: Final = (b"AA", b"CA")
_CPU_FIELDS: Final = (13, 14)  # utime and stime, counted from 0. Source: proc(5), /proc/pid/stat
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Result(NamedTuple):
    """One run. Times in milliseconds, CPU in microseconds a message, RSS in MiB; ``next_serial`` is still unused."""

    messages: int
    refused: int
    per_second: float
    p50: float
    p99: float
    cpu: float
    rss: float
    load_cpu_share: float
    next_serial: int


class Connection:
    """One stop-and-wait sender."""

    __slots__ = ("_received", "_sent_at", "_waits_for", "socket")

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SILENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.socket.settimeout(0)
        self._received = b""
        self._waits_for = b""
        self._sent_at = 0

    def send(self, message: Numbered) -> None:
        """Write one message; the last one was answered, so the socket has room for it."""
        self._waits_for = message.control_id
        self._sent_at = time.perf_counter_ns()
        if self.socket.send(message.block) != len(message.block):
            raise RuntimeError("the server answers before it has read: this load is stop-and-wait")

    def receive(self) -> tuple[int, bool] | None:
        """Return nanoseconds since the message went out and whether it was accepted; None while the answer is short."""
        try:
            data = self.socket.recv(_READ_BYTES)
        except ssl.SSLWantReadError:  # half a TLS record, or one that holds no data
            return None
        if not data:
            raise RuntimeError("the server closed the connection")
        self._received += data
        if not self._received.endswith(_BLOCK_END):
            return None
        waited = time.perf_counter_ns() - self._sent_at
        reply, self._received = self._received, b""
        return waited, is_accepted(reply, self._waits_for)


def is_accepted(reply: bytes, control_id: bytes) -> bool:
    """Return whether a reply says AA or CA to this MSH-10 and no other."""
    fields = reply.partition(b"\rMSA|")[2].partition(b"\r")[0].split(b"|")
    return fields[0] in _ACCEPTED and fields[1:2] == [control_id]


def run_load(
    port: int, pid: int, *, connections: int, seconds: float, warm_up: float, first: int, ca: Path | None = None
) -> Result:
    """Load a server for ``warm_up`` and then ``seconds``, of which only the latter counts; then take what is owed.

    With ``ca``, the authority that signed its certificate, the connections are TLS.
    """
    messages = number_messages(make_templates(SEED, dt.datetime.now(dt.UTC)), first)
    tls = ssl.create_default_context(cafile=ca) if ca else None
    senders = {each.socket.fileno(): each for each in (Connection(port, tls) for _ in range(connections))}
    with select.epoll() as poll:
        for number, sender in senders.items():
            poll.register(number, select.EPOLLIN)
            sender.send(next(messages))
        _exchange(poll, senders, messages, warm_up)
        before = cpu_seconds(pid), time.process_time(), time.perf_counter()
        waits, refused = _exchange(poll, senders, messages, seconds)
        after = cpu_seconds(pid), time.process_time(), time.perf_counter()
        rss = rss_mib(pid)
        _take_rest(poll, senders)
    for sender in senders.values():
        sender.socket.close()
    cpu, own, wall = (end - start for start, end in zip(before, after, strict=True))
    waits.sort()
    count = len(waits)
    return Result(
        messages=count,
        refused=refused,
        per_second=count / wall,
        p50=percentile(waits, 50) / 1e6,
        p99=percentile(waits, 99) / 1e6,
        cpu=cpu / count * 1e6 if count else 0.0,
        rss=rss,
        load_cpu_share=own / wall,
        next_serial=int(next(messages).control_id[2:]),
    )


def _exchange(
    poll: select.epoll, senders: dict[int, Connection], messages: Iterator[Numbered], seconds: float
) -> tuple[list[int], int]:
    """Answer each reply with the next message; return each wait in nanoseconds, and how many were not AA or CA."""
    waits: list[int] = []
    refused = 0
    end = time.perf_counter_ns() + int(seconds * _NANOSECONDS)
    while time.perf_counter_ns() < end:
        ready = poll.poll(SILENCE_SECONDS)
        if not ready:
            raise RuntimeError(f"no answer in {SILENCE_SECONDS:.0f} s")
        for number, _ in ready:
            sender = senders[number]
            found = sender.receive()
            if found is not None:
                waits.append(found[0])
                refused += not found[1]
                sender.send(next(messages))
    return waits, refused


def _take_rest(poll: select.epoll, senders: dict[int, Connection]) -> None:
    open_numbers = set(senders)
    while open_numbers:
        for number, _ in poll.poll(SILENCE_SECONDS):
            if senders[number].receive() is not None:
                open_numbers.discard(number)
                poll.unregister(number)


def percentile(ordered: Sequence[int], percent: int) -> int:
    """Return the smallest value that at least ``percent`` of the values do not exceed (nearest rank); 0 for none."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and all its threads, in steps of the kernel's clock tick."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(int(fields[number - 2]) for number in _CPU_FIELDS) / _TICKS


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def main() -> None:
    """Run one load as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    for name in ("--port", "--pid", "--connections", "--first"):
        parser.add_argument(name, type=int, required=True)
    for name in ("--seconds", "--warm-up"):
        parser.add_argument(name, type=float, required=True)
    parser.add_argument("--ca", type=Path)
    chosen = vars(parser.parse_args())
    result = run_load(chosen.pop("port"), chosen.pop("pid"), **chosen)
    sys.stdout.write(json.dumps(result._asdict()) + "\n")


if __name__ == "__main__":
    main()
