"""An EHR's MLLP port that misbehaves on purpose: each block it reads gets the next answer of its script."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Self

SECONDS = 20.0  # what a test waits at most for anything
Answer = Callable[[socket.socket, bytes], bool]  # returns whether the connection stays open


def field(payload: bytes, segment: bytes, number: int) -> bytes:
    """Return a field of a block's first segment of that name, read the plainest way there is."""
    for line in payload.split(b"\r"):
        if line.startswith(segment + b"|"):
            fields = line.split(b"|")
            return fields[number - (segment == b"MSH")]
    return b""


def acknowledgement(code: bytes, control_id: bytes, more: bytes = b"") -> bytes:
    """Return an ACK's payload."""
    return b"MSH|^~\\&|EHR|HOSP|HL7BRIDGE||20260115163001||ACK^P03|R1|P|2.5.1\rMSA|%b|%b\r%b" % (code, control_id, more)


def framed(payload: bytes) -> bytes:
    """Return a block."""
    return b"\x0b" + payload + b"\x1c\r"


def answer(code: str, more: bytes = b"") -> Answer:
    """Acknowledge with a code (AA, AE, AR, CA, CE, CR, or nonsense), and further segments."""

    def run(connection: socket.socket, payload: bytes) -> bool:
        connection.sendall(framed(acknowledgement(code.encode(), field(payload, b"MSH", 10), more)))
        return True

    return run


accept = answer("AA")


def accept_byte_by_byte(connection: socket.socket, payload: bytes) -> bool:
    """Acknowledge in packets of one byte."""
    for byte in framed(acknowledgement(b"AA", field(payload, b"MSH", 10))):
        connection.sendall(bytes([byte]))
    return True


def accept_without_cr(connection: socket.socket, payload: bytes) -> bool:
    """Acknowledge and leave out the very last byte."""
    connection.sendall(framed(acknowledgement(b"AA", field(payload, b"MSH", 10)))[:-1])
    return True


def accept_and_close(connection: socket.socket, payload: bytes) -> bool:
    """Acknowledge and close: one connection a message."""
    accept(connection, payload)
    return False


def close_after_read(_connection: socket.socket, _payload: bytes) -> bool:
    """Read the block and close without a word."""
    return False


def nothing(_connection: socket.socket, _payload: bytes) -> bool:
    """Read the block and stay silent."""
    return True


def another_id(connection: socket.socket, _payload: bytes) -> bool:
    """Accept some other message."""
    connection.sendall(framed(acknowledgement(b"AA", b"SOMEBODY-ELSE")))
    return True


def another_then_accept(connection: socket.socket, payload: bytes) -> bool:
    """Accept some other message, then this one."""
    another_id(connection, payload)
    return accept(connection, payload)


def garbage(connection: socket.socket, _payload: bytes) -> bool:
    """Answer with a block that is no HL7."""
    connection.sendall(framed(b"<html>Bad Gateway</html>"))
    return True


def bare_acknowledgement(connection: socket.socket, payload: bytes) -> bool:
    """Acknowledge, without the start and end bytes."""
    connection.sendall(acknowledgement(b"AA", field(payload, b"MSH", 10)))
    return True


def half_a_frame(connection: socket.socket, payload: bytes) -> bool:
    """Begin to acknowledge and stop half way, the connection open."""
    connection.sendall(framed(acknowledgement(b"AA", field(payload, b"MSH", 10)))[:-9])
    return True


def half_a_frame_and_close(connection: socket.socket, payload: bytes) -> bool:
    """Begin to acknowledge and close."""
    half_a_frame(connection, payload)
    return False


def endless(connection: socket.socket, _payload: bytes) -> bool:
    """Answer with a block of two megabytes."""
    connection.sendall(framed(b"MSH|^~\\&|" + b"X" * (2 << 20)))
    return True


def reset(connection: socket.socket, _payload: bytes) -> bool:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    return False


def when(gate: threading.Event, then: Answer) -> Answer:
    """Answer when the test opens the gate."""

    def run(connection: socket.socket, payload: bytes) -> bool:
        gate.wait(SECONDS)
        return then(connection, payload)

    return run


class Sink:
    """Listens on a free port of 127.0.0.1; after its script it accepts. ``received`` has each payload it read."""

    def __init__(
        self,
        *script: Answer,
        after: Answer = accept,
        tls: ssl.SSLContext | None = None,
        greets: bool = True,
        port: int = 0,
    ) -> None:
        self.received: list[bytes] = []
        self.connections = 0
        self._script = list(script)
        self._after = after
        self._tls = tls
        self._greets = greets
        self._changed = threading.Condition()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        self._start(self._listen)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def wait_for(self, count: int) -> list[bytes]:
        """Return what was received when there are ``count`` payloads; fails when they do not come."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.received) >= count, SECONDS):
                raise TimeoutError(f"{len(self.received)} of {count} blocks came")
            return list(self.received)

    def control_ids(self) -> list[str]:
        """Return MSH-10 of each payload, in the order received."""
        return [field(payload, b"MSH", 10).decode() for payload in self.received]

    def transaction_ids(self) -> list[str]:
        """Return FT1-2 of each payload, in the order received."""
        return [field(payload, b"FT1", 2).decode() for payload in self.received]

    def close(self) -> None:
        """Close the port and every connection, and wait for the threads."""
        self.refuse_connections()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(SECONDS)

    def refuse_connections(self) -> None:
        """Close the port; open connections stay."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def hang_up(self) -> None:
        """Close every open connection, and go on listening."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _start(self, target: Callable[..., None], arguments: Iterable[object] = ()) -> None:
        thread = threading.Thread(target=target, args=tuple(arguments), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            if not self._greets:
                connection.close()
                continue
            self._start(self._serve, (connection,))

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            self._read(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def _read(self, connection: socket.socket) -> None:
        buffer = b""
        while data := connection.recv(65536):
            buffer += data
            while b"\x1c\r" in buffer:
                block, _, buffer = buffer.partition(b"\x1c\r")
                if not self._take(connection, block[1:]):
                    return

    def _take(self, connection: socket.socket, payload: bytes) -> bool:
        with self._changed:
            self.received.append(payload)
            reply = self._script.pop(0) if self._script else self._after
            self._changed.notify_all()
        return reply(connection, payload)
