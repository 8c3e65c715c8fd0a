"""Replies -> one socket, at once where it takes them; and how long a peer has taken nothing of what waits for it."""

from __future__ import annotations

import socket
from typing import Any, Final

from twisted.internet import tcp
from twisted.protocols.tls import TLSMemoryBIOProtocol

# A peer that went without a word is found after 60 + 4 * 15 seconds, where the system lets these be set.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
_USER_TIMEOUT: Final = "TCP_USER_TIMEOUT"  # Linux; it overrules TCP_KEEPCNT, so it is no shorter than those together
_FEWEST_SECONDS: Final = 120.0
# What the kernel holds of replies that nobody reads. Left to itself it takes megabytes, thousands of replies, and all
# that while a peer that reads nothing has its messages taken in the place of others'.
_UNREAD_BYTES: Final = 32 * 1024


class Outlet:
    """The way out of one connection; ``transport`` is Twisted's, ``is_tls`` says whether it encrypts.

    ``now`` is when the connection was made, by the clock that ``silent_since`` is asked by.
    """

    __slots__ = ("_front", "_is_plain", "_moved_at", "_offset", "_transport", "_wire", "is_tls")

    def __init__(self, transport: Any, now: float) -> None:
        self.is_tls = isinstance(transport, TLSMemoryBIOProtocol)
        self._transport = transport
        self._wire = transport.transport if self.is_tls else transport
        self._is_plain = not self.is_tls and isinstance(transport, tcp.Connection)
        self._front = b""  # what the socket was to take next when we last looked
        self._offset = 0
        self._moved_at = now

    def tune(self, reply_seconds: float) -> None:
        """Send small replies at once, have few wait unread, and have the kernel find out when the peer is gone."""
        self._wire.setTcpNoDelay(True)
        self._wire.setTcpKeepAlive(True)
        handle = self._wire.getHandle()
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)
        options = {**_KEEPALIVE, _USER_TIMEOUT: round(max(reply_seconds, _FEWEST_SECONDS) * 1000)}
        for name, value in options.items():
            if hasattr(socket, name):
                handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def write(self, data: bytes) -> None:
        """Send at once what the socket takes, without two turns of the reactor for a reply that fits in one packet."""
        if self.is_tls:
            self._write_tls(data)
            return
        transport = self._transport
        if self._is_plain and not transport.dataBuffer and not transport._tempDataBuffer:  # noqa: SLF001
            taken = transport.writeSomeData(data)
            if not isinstance(taken, int):  # the connection is lost; the reactor says so in its own time
                return
            data = data[taken:]
        if data:
            transport.write(data)

    def _write_tls(self, data: bytes) -> None:
        """Encrypt at once, past Twisted's buffer for small writes, and send at once what the socket takes."""
        is_first = not self.has_unsent
        TLSMemoryBIOProtocol.write(self._transport, data)
        if is_first and self.has_unsent:
            self._wire.doWrite()

    @property
    def has_unsent(self) -> bool:
        """Whether the socket has not yet taken all."""
        wire = self._wire
        return bool(len(wire.dataBuffer) > wire.offset or wire._tempDataLen)  # noqa: SLF001

    def silent_since(self, now: float) -> float:
        """Return when the socket last took something, or had nothing to take, as far as earlier calls could see."""
        wire = self._wire
        if not self.has_unsent or wire.dataBuffer is not self._front or wire.offset != self._offset:
            self._front, self._offset, self._moved_at = wire.dataBuffer, wire.offset, now
        return self._moved_at

    def half_close(self) -> None:
        """Say that no more comes from us once all is written, and leave reading open."""
        self._transport.unregisterProducer()
        if self.is_tls:
            self._transport.loseConnection()  # our close_notify; Twisted reads on until the peer's
        else:
            self._transport.loseWriteConnection()

    def close(self) -> None:
        """Close once all is written; with TLS without waiting for the peer's own goodbye."""
        self._transport.unregisterProducer()
        self._transport.loseConnection()
        if self.is_tls:
            self._wire.loseConnection()
