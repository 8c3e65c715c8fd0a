"""A listener with its writer and store, on a real port, in this process; and a sender that talks to one."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from feed_samples import make_setup
from reactor_thread import in_reactor, start_reactor

from hl7bridge.batch import Received, Reply
from hl7bridge.net.limits import Limits
from hl7bridge.net.listener import ListenerFactory
from hl7bridge.net.reactor import reactor
from hl7bridge.net.writer import Writer
from hl7bridge.pipeline import Pipeline, Setup
from hl7bridge.storage.database import open_store
from hl7bridge.wire.mllp import Block, Decoder

SECONDS = 20.0  # what a test waits at most for anything
KEY = bytes(range(32))


def framed(payload: bytes) -> bytes:
    """Return a block as it is sent."""
    return b"\x0b" + payload + b"\x1c\r"


def wait_until(is_true: Callable[[], Any], what: str = "") -> Any:
    """Return what a question gives once it is true; fails when that takes too long."""
    deadline = time.monotonic() + SECONDS
    while not (found := is_true()):
        if time.monotonic() > deadline:
            raise TimeoutError(what or "it did not come true")
        time.sleep(0.01)
    return found


def control_ids(replies: list[bytes]) -> list[str]:
    """Return MSA-2 of each reply."""
    return [reply.split(b"\rMSA")[1].split(reply[3:4])[2].split(b"\r")[0].decode() for reply in replies]


def codes(replies: list[bytes]) -> list[str]:
    """Return MSA-1 of each reply."""
    return [reply.split(b"\rMSA")[1].split(reply[3:4])[1].decode() for reply in replies]


class Sender:
    """One connection to a listener."""

    def __init__(self, port: int, *, receive_buffer: int | None = None, source: str = "", tls: Any = None) -> None:
        self.socket = socket.socket()
        if source:
            self.socket.bind((source, 0))
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:  # before it is connected: what fails later leaves a socket that can be closed
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self._decoder = Decoder()
        self._replies: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.socket.close()

    def send(self, *payloads: bytes) -> None:
        """Send blocks in one piece."""
        self.raw(b"".join(map(framed, payloads)))

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def replies(self, count: int = 1) -> list[bytes]:
        """Return the next replies, exactly as many as asked for."""
        while len(self._replies) < count:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError(f"closed after {len(self._replies)} of {count} replies")
            self._replies += [event.data for event in self._decoder.feed(data) if isinstance(event, Block)]
        found, self._replies = self._replies[:count], self._replies[count:]
        return found

    def ask(self, *payloads: bytes) -> list[bytes]:
        """Send blocks and return their replies."""
        self.send(*payloads)
        return self.replies(len(payloads))

    def reset(self) -> None:
        """Be gone, as after a crash: what was not read makes the other side see a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def rest(self) -> list[bytes]:
        """Return what comes until the other side closes."""
        found: list[bytes] = []
        with contextlib.suppress(EOFError):
            while True:
                found += self.replies()
        return found


class Listening:
    """A listener. ``store`` is a connection of the test's own; ``hold`` keeps the writer from working.

    ``taken`` is what the listener handed to the writer, in order.
    """

    def __init__(self, folder: Path, setup: Setup | None = None, *, options: Any = None, **limits: Any) -> None:
        start_reactor()
        path = folder / "hl7bridge.db"
        self._store = open_store(path, KEY, create=True)
        self.store = open_store(path, KEY)
        pipeline = Pipeline(self._store, setup or make_setup())
        self.writer = Writer(self._store, pipeline, lambda: dt.datetime.now(dt.UTC))
        self.writer.start()
        known = {"most_bytes": 1 << 20, "block_seconds": 30.0, "idle_seconds": None, "allow": ()}
        self.taken: list[Received] = []
        self.factory = ListenerFactory(Limits("ehr", **(known | limits)), self._submit, pipeline.read_ahead)
        if options is None:
            self._port = in_reactor(reactor.listenTCP, 0, self.factory, interface="127.0.0.1")
        else:
            self._port = in_reactor(reactor.listenSSL, 0, self.factory, options, interface="127.0.0.1")
        self.port: int = self._port.getHost().port
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.drain()
        self.writer.stop()
        self._store.close()
        self.store.close()

    def _submit(self, block: Received, on_reply: Callable[[Reply], None]) -> None:
        self.taken.append(block)
        self.writer.submit(block, on_reply)

    def drain(self) -> None:
        """Close the port, answer what was read, and close every connection."""
        if self._is_open:
            self._is_open = False
            in_reactor(self._port.stopListening)
            in_reactor(lambda: self.factory.drain().addTimeout(SECONDS, reactor))

    @contextlib.contextmanager
    def hold(self):
        """Keep the writer busy for the block."""
        begun, release = threading.Event(), threading.Event()

        def job(_store: object) -> None:
            begun.set()
            release.wait(SECONDS)

        self.writer.run(job)
        assert begun.wait(SECONDS)
        try:
            yield
        finally:
            release.set()

    def connection(self) -> Any:
        """Return the only connection there is, as the listener sees it."""
        return wait_until(lambda: len(self.factory.connections) == 1 and next(iter(self.factory.connections)))

    def is_read(self) -> bool:
        """Return whether the only connection is being read."""
        return self.connection()._reads

    def waiting(self) -> int:
        """Return how many messages of the only connection wait for the writer."""
        return self.connection()._backlog._waiting

    def wait_until_gone(self) -> None:
        """Return when there is no connection any more."""
        wait_until(lambda: not self.factory.connections, "there are still connections")

    def dispositions(self) -> list[str]:
        """Return what became of each block, in the order received."""
        return [row[0] for row in self.store.rows("SELECT disposition FROM messages ORDER BY id")]

    def wait_for(self, count: int) -> list[str]:
        """Return the dispositions once there are so many."""
        return wait_until(lambda: len(found := self.dispositions()) >= count and found)
