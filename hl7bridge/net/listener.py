"""One MLLP port: bytes of many connections -> blocks for the writer, and replies back in the order of the blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import structlog
from twisted.internet import tcp
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from zope.interface import implementer

from hl7bridge.batch import Received, Reply
from hl7bridge.errors import SEGMENT_SEQUENCE, ErrorCode, Location, MessageError
from hl7bridge.net.reactor import reactor
from hl7bridge.storage.messages import Disposition
from hl7bridge.wire.mllp import Block, Decoder, Event, Junk, Oversize, Truncated

VALUE_TOO_LONG: Final = ErrorCode("104", "Value too long")
MOST_WAITING: Final = 64  # blocks of one connection waiting for the writer; then we stop reading it, and drop nothing
FEWEST_WAITING: Final = 16  # and read on from here
END_GRACE: Final = 0.3  # seconds after an end byte without its CR until the block counts as complete
_GRAIN: Final = 0.01  # seconds that a timer may be early by the arithmetic of floats
_SWEEP: Final = 1.0  # seconds between two looks for connections that went silent
_log = structlog.get_logger("hl7bridge.listener")

Network = IPv4Network | IPv6Network


class Limits(NamedTuple):
    """What one listener bears. Durations are seconds; ``idle_seconds`` None keeps a silent connection for ever.

    ``clients`` maps the names on senders' certificates to the values of MSH-4 they may send; empty asks for none.
    """

    name: str
    most_bytes: int
    block_seconds: float
    idle_seconds: float | None
    allow: Sequence[Network] = ()
    tolerances: frozenset[str] = frozenset()
    release: int = 1
    batch_reply: str = "batch"
    most_connections: int = 4096
    most_per_peer: int | None = None
    takeover_seconds: float = 60.0
    reply_seconds: float = 60.0
    clients: Mapping[str, frozenset[str]] = MappingProxyType({})


Submit = Callable[[Received, Callable[[Reply], None]], None]


@implementer(IHalfCloseableProtocol, IPushProducer)
class ListenerProtocol(Protocol):
    """One connection of a sender."""

    transport: Any

    def __init__(self, factory: ListenerFactory) -> None:
        self._owner = factory
        self._decoder = Decoder(factory.limits.most_bytes)
        self._waiting = 0
        self._is_braked = False  # we wait for the writer
        self._is_paused = False  # the peer does not read our replies
        self._is_ending = False
        self.heard_at = reactor.seconds()

    def connectionMade(self) -> None:  # noqa: N802
        """Count the connection and make the kernel tell us when the peer is gone."""
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.transport.registerProducer(self, streaming=True)
        self._owner.connections.add(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Cut the bytes into blocks and hand them on."""
        self.heard_at = reactor.seconds()
        for event in self._decoder.feed(data):
            self._take(event)
        if self._decoder.pending_end:
            reactor.callLater(END_GRACE, self._take_pending)

    def _take_pending(self) -> None:
        if reactor.seconds() - self.heard_at < END_GRACE - _GRAIN:
            return  # more came since: another look was called for then, if the block still lacks its CR
        for event in self._decoder.take_pending():
            self._take(event)

    def _take(self, event: Event) -> None:
        name = self._owner.limits.name
        if isinstance(event, Block):
            received = Received(name, event.data)
        else:
            received = Received(name, *_fault(event, self._owner.limits))
        self._waiting += 1
        started = reactor.seconds()
        self._owner.submit(received, lambda reply: self._reply(reply, started))
        if self._waiting >= MOST_WAITING and not self._is_braked:
            self._is_braked = True
            self.transport.pauseProducing()

    def _reply(self, reply: Reply, started: float) -> None:
        self._waiting -= 1
        if reply.data and self.connected:
            self._write(reply.data)
        _log_message(self._owner.limits.name, reply, started)
        if self._is_braked and self._waiting <= FEWEST_WAITING:
            self._is_braked = False
            if not self._is_paused and not self._is_ending and self.connected:
                self.transport.resumeProducing()
        if self._is_ending and not self._waiting:
            self._close()

    def _write(self, data: bytes) -> None:
        """Send at once what the socket takes, without two turns of the reactor for a reply that fits in one packet."""
        transport = self.transport
        if isinstance(transport, tcp.Connection) and not transport.dataBuffer and not transport._tempDataBuffer:  # noqa: SLF001
            taken = transport.writeSomeData(data)
            if not isinstance(taken, int):  # the connection is lost; the reactor says so in its own time
                return
            data = data[taken:]
        if data:
            transport.write(data)

    def sweep(self, now: float) -> None:
        """Close the connection when a block has been unfinished, or nothing has been heard, for too long."""
        silent = now - self.heard_at
        limits = self._owner.limits
        if self._decoder.is_inside and not self._is_braked and silent > limits.block_seconds:
            _log.warning("block_unfinished", listener=limits.name, seconds=round(silent))
            self._end()
        elif limits.idle_seconds is not None and not self._waiting and silent > limits.idle_seconds:
            _log.info("connection_idle", listener=limits.name, seconds=round(silent))
            self._end()

    def drain(self) -> None:
        """Read no more, answer what was read, then close."""
        self._is_ending = True
        self.transport.pauseProducing()
        if not self._waiting:
            self._close()

    def _end(self) -> None:
        for event in self._decoder.close():
            self._take(event)
        self.drain()

    def _close(self) -> None:
        if self.connected:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def readConnectionLost(self) -> None:  # noqa: N802
        """Answer what was sent, then close: the peer sends no more but still reads."""
        self._end()

    def writeConnectionLost(self) -> None:  # noqa: N802
        """Close: the peer reads no more, so no reply would reach it."""
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802
        """Keep what was left unfinished."""
        for event in self._decoder.close():
            self._take(event)
        self._owner.connections.discard(self)
        self._owner.note_gone()

    def pauseProducing(self) -> None:  # noqa: N802
        """Stop reading while the peer does not take our replies."""
        self._is_paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """Read on."""
        self._is_paused = False
        if not self._is_braked and not self._is_ending:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802
        """Nothing to do: the connection is going away."""


class ListenerFactory(Factory):
    """All connections of one listener."""

    noisy = False

    def __init__(self, limits: Limits, submit: Submit) -> None:
        self.limits = limits
        self.submit = submit
        self.connections: set[ListenerProtocol] = set()
        self._sweeping = LoopingCall(self._sweep)
        self._drained: Deferred[None] | None = None

    def startFactory(self) -> None:  # noqa: N802
        """Begin to look after silent connections."""
        self._sweeping.clock = reactor
        self._sweeping.start(_SWEEP, now=False)

    def stopFactory(self) -> None:  # noqa: N802
        """Stop looking."""
        self._sweeping.stop()

    def buildProtocol(self, addr: IAddress | None) -> ListenerProtocol | None:  # noqa: N802
        """Return a protocol for an allowed peer; None closes the connection."""
        host = getattr(addr, "host", "127.0.0.1")
        if self.limits.allow and not any(ip_address(host) in network for network in self.limits.allow):
            _log.warning("peer_not_allowed", listener=self.limits.name, peer=host)
            return None
        return ListenerProtocol(self)

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


def _fault(event: Truncated | Oversize | Junk, limits: Limits) -> tuple[bytes, MessageError, bool]:
    """Return the bytes to keep, why they are no message, and whether the sender waits for an answer."""
    place = Location("MSH")
    if isinstance(event, Truncated):
        return event.data, MessageError(SEGMENT_SEQUENCE, place, "the block was cut short"), False
    if isinstance(event, Junk):
        return event.data, MessageError(SEGMENT_SEQUENCE, place, "bytes outside a block"), False
    text = f"{event.size} bytes; this listener takes at most {limits.most_bytes}"
    return event.head, MessageError(VALUE_TOO_LONG, place, text), True


def _log_message(listener: str, reply: Reply, started: float) -> None:
    if reply.disposition in {Disposition.APPLIED, Disposition.DUPLICATE, Disposition.IGNORED}:
        return
    _log.warning(
        "message_refused",
        listener=listener,
        message=reply.message_id,
        type=reply.message_type,
        disposition=str(reply.disposition),
        reason=reply.reason,
        ms=round((reactor.seconds() - started) * 1000, 1),
    )
