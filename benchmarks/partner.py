"""An EHR's MLLP port that accepts everything, at once or after a delay, and counts: light beside any sender in Python.

A process of its own on one select loop (its timeouts are exact to less than a millisecond, unlike epoll's), run as
``python -m benchmarks.partner`` by ``benchmarks.deliveries``. It prints its port, then, for each line on its standard
input, one JSON object: what came so far.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import json
import select
import socket
import sys
import time
from typing import Final, NamedTuple

_READ_BYTES: Final = 65_536
_BLOCK_END: Final = b"\x1c\r"
_CONTROL_ID, _TRANSACTION = 9, 2  # of a segment's parts at |: MSH-10 and FT1-2


class Count(NamedTuple):
    """What came: messages, those whose FT1-2 had come before, connections at once at most, and when that was (s)."""

    messages: int
    repeats: int
    connections: int
    at: float


class Partner:
    """Every connection, and the replies that are not due yet. ``delay`` in seconds."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listening.getsockname()[1]
        self._received: dict[socket.socket, bytes] = {}  # of every open connection: what is no whole block yet
        self._due: list[tuple[float, int, socket.socket, bytes]] = []  # a heap: when, in which order, to whom, what
        self._transactions: set[bytes] = set()
        self._messages = self._repeats = self._most = 0

    def run(self) -> None:
        """Serve until the standard input ends."""
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            ready, _, _ = select.select([sys.stdin, self._listening, *self._received], [], [], wait)
            if sys.stdin in ready:
                if not sys.stdin.readline():
                    return
                self._tell()
            if self._listening in ready:
                self._accept()
            for connection in self._received.keys() & set(ready):
                self._read(connection)
            while self._due and self._due[0][0] <= time.monotonic():
                _, _, connection, reply = heapq.heappop(self._due)
                if connection in self._received:
                    _write(connection, reply)

    def _tell(self) -> None:
        count = Count(self._messages, self._repeats, self._most, time.monotonic())
        print(json.dumps(count._asdict()), flush=True)

    def _accept(self) -> None:
        connection, _ = self._listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received[connection] = b""
        self._most = max(self._most, len(self._received))

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(_READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            del self._received[connection]
            connection.close()
            return
        *blocks, self._received[connection] = (self._received[connection] + data).split(_BLOCK_END)
        for block in blocks:
            reply = self._take(block)
            if self._delay:
                heapq.heappush(self._due, (time.monotonic() + self._delay, self._messages, connection, reply))
            else:
                _write(connection, reply)

    def _take(self, block: bytes) -> bytes:
        """Count a payment and return its acknowledgement."""
        header, *segments = block.split(b"\r")
        self._messages += 1
        for segment in segments:
            if segment.startswith(b"FT1|"):
                before = len(self._transactions)
                self._transactions.add(segment.split(b"|")[_TRANSACTION])
                self._repeats += len(self._transactions) == before
        control_id = header.split(b"|")[_CONTROL_ID]
        return b"\x0bMSH|^~\\&|EHR||HL7BRIDGE||20260115163001||ACK^P03|R%d|P|2.5.1\rMSA|AA|%b\r\x1c\r" % (
            self._messages,
            control_id,
        )


def _write(connection: socket.socket, reply: bytes) -> None:
    with contextlib.suppress(OSError):  # whoever is gone is found out by the next read
        connection.sendall(reply)


def main() -> None:
    """Serve as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.partner", description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds until each message is answered [0]")
    partner = Partner(parser.parse_args().delay)
    print(partner.port, flush=True)
    partner.run()


if __name__ == "__main__":
    main()
