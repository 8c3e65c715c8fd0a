"""One MLLP port: who is let in, and what all its connections have in common."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import LoopingCall

from hl7bridge.net.connection import ListenerProtocol
from hl7bridge.net.door import Door
from hl7bridge.net.limits import FEWEST_HELD_BY_ALL, MOST_HELD_BY_ALL, Limits, ReadAhead, Submit
from hl7bridge.net.reactor import reactor

_SWEEP = 1.0  # seconds between two looks for what has taken too long


class _Refused(Protocol):
    """A connection that is closed at once; below TLS it takes a protocol to do that."""

    transport: Any

    def connectionMade(self) -> None:  # noqa: N802
        """Close."""
        self.transport.loseConnection()


class ListenerFactory(Factory):
    """All connections of one listener. ``held`` is the bytes of theirs that wait for the writer.

    ``submit`` takes each block; ``read_ahead`` is called for a long one first, in a thread of its own.
    """

    noisy = False

    def __init__(self, limits: Limits, submit: Submit, read_ahead: ReadAhead) -> None:
        self.limits = limits
        self.submit = submit
        self.read_ahead = read_ahead
        self.clients = {name.casefold(): facilities for name, facilities in limits.clients.items()}
        self.connections: set[ListenerProtocol] = set()
        self.held = 0
        self.is_full = False  # so much waits that no connection is read
        self._door = Door(limits)
        self._sweeping = LoopingCall(self._sweep)
        self._drained: Deferred[None] | None = None

    def startFactory(self) -> None:  # noqa: N802
        """Begin to look after silent connections."""
        self._sweeping.clock = reactor
        self._sweeping.start(_SWEEP, now=False)

    def stopFactory(self) -> None:  # noqa: N802
        """Stop looking."""
        self._sweeping.stop()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:  # noqa: N802
        """Return what serves a peer that is let in, and closes another's connection."""
        peer = getattr(addr, "host", "127.0.0.1")
        if self._door.admits(peer, self.connections, reactor.seconds()):
            return ListenerProtocol(self, peer)
        return _Refused()

    def weigh(self) -> None:
        """Stop reading all connections when too much waits, until enough of it has gone."""
        is_full = self.held > (FEWEST_HELD_BY_ALL if self.is_full else MOST_HELD_BY_ALL)
        if is_full != self.is_full:
            self.is_full = is_full
            for connection in list(self.connections):
                connection.regulate()

    def drain(self) -> Deferred[None]:
        """Answer what was received, close every connection, and fire when the last is gone."""
        self._drained = Deferred()
        for connection in list(self.connections):
            connection.drain()
        self.note_gone()
        return self._drained

    def note_gone(self) -> None:
        """Tell a drain that a connection is gone."""
        if self._drained is not None and not self._drained.called and not self.connections:
            self._drained.callback(None)

    def _sweep(self) -> None:
        now = reactor.seconds()
        for connection in list(self.connections):
            connection.sweep(now)
        self._door.look(now)
