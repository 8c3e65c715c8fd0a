"""One MLLP connection: bytes -> blocks for the writer, and replies back in the order of the blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.threads import deferToThread
from twisted.python import log
from twisted.python.failure import Failure
from zope.interface import implementer

from hl7bridge.batch import Received
from hl7bridge.net.backlog import Backlog
from hl7bridge.net.contents import REPAIRS, Contents, unpack
from hl7bridge.net.faults import fault_of
from hl7bridge.net.limits import HANDSHAKE_SECONDS, LONG_BYTES, MOST_HELD_BY_ALL
from hl7bridge.net.outlet import Outlet
from hl7bridge.net.reactor import reactor
from hl7bridge.net.tls import peer_names, refusal_cause
from hl7bridge.wire.events import Block, Event
from hl7bridge.wire.mllp import COMMIT_NAK, Decoder, is_commit

if TYPE_CHECKING:
    from hl7bridge.net.listener import ListenerFactory

_GRAIN: Final = 0.01  # seconds that a timer may be early by the arithmetic of floats
_NAK: Final = COMMIT_NAK[1:-2]
_log = structlog.get_logger("hl7bridge.listener")


@implementer(IHalfCloseableProtocol, IHandshakeListener, IPushProducer)
class ListenerProtocol(Protocol):
    """One connection of a sender, at ``peer``, an IP address. ``heard_at`` is by the reactor's clock."""

    transport: Any

    def __init__(self, owner: ListenerFactory, peer: str) -> None:
        self.peer = peer
        self.heard_at = reactor.seconds()
        self.is_leaving = False  # it has given way to another
        self._owner = owner
        self._limits = limits = owner.limits
        self._name = limits.name
        self._decoder = Decoder(limits.most_bytes, limits.tolerances)
        self._is_plain = limits.release == 1 and not limits.tolerances & REPAIRS
        self._facilities: frozenset[str] | None = None
        self._reads = True
        self._is_ending = False  # what was read is answered, and then we close
        self._is_deaf = False  # what comes now is not for us
        self._linger_until: float | None = None  # our side is closed, and the peer's not yet
        self._handshake_until: float | None = None
        self._look: IDelayedCall | None = None
        self._has_told_of_tls = self._has_told_of_nak = False

    def connectionMade(self) -> None:  # noqa: N802
        """Count the connection and make the kernel tell us when the peer is gone."""
        self._outlet = Outlet(self.transport, self.heard_at)
        self._outlet.tune(self._limits.reply_seconds)
        self._backlog = Backlog(self._owner, self._outlet.write, self._go_on, self._fail)
        self.transport.registerProducer(self, streaming=True)
        self._owner.connections.add(self)
        if self._outlet.is_tls:
            self._handshake_until = self.heard_at + HANDSHAKE_SECONDS
        self.regulate()

    def handshakeCompleted(self) -> None:  # noqa: N802
        """Find out for which facilities this sender may send; one that may for none is closed."""
        self._handshake_until = None
        clients = self._owner.clients
        allowed = [clients[name] for name in peer_names(self.transport) if name in clients]
        if allowed:
            self._facilities = frozenset[str]().union(*allowed)
        elif clients:
            self._tell_of_tls("the certificate names no configured client")
            self.drain()
            return
        self.regulate()

    def _tell_of_tls(self, cause: str) -> None:
        if cause and not self._has_told_of_tls:
            self._has_told_of_tls = True
            _log.warning("tls_refused", listener=self._name, peer=self.peer, cause=cause)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Cut the bytes into blocks and hand them on."""
        self.heard_at = reactor.seconds()
        if self._is_deaf:
            return
        for event in self._decoder.feed(data):
            self._take(event)
        if self._decoder.pending_seconds is not None and self._look is None:
            self._look_later()

    def _look_later(self) -> None:
        seconds = self._decoder.pending_seconds
        if seconds is not None and not self._is_deaf:
            silent = reactor.seconds() - self.heard_at if self._reads else 0.0
            self._look = reactor.callLater(max(seconds - silent, _GRAIN), self._take_pending)

    def _take_pending(self) -> None:
        """Take what a pause completes. While we do not read, nothing can be said of the peer's pauses."""
        self._look = None
        seconds = self._decoder.pending_seconds
        if seconds is not None and self._reads and reactor.seconds() - self.heard_at >= seconds - _GRAIN:
            for event in self._decoder.take_pending():
                self._take(event)
        self._look_later()

    def _take(self, event: Event) -> None:
        contents: Contents | Deferred[Contents] | None = None
        if isinstance(event, Block):
            data = event.data
            # By keyword it would take twice as long.
            received = Received(self._name, data, None, True, None, self._facilities, event.notes)  # noqa: FBT003
            if not self._is_plain or len(data) > LONG_BYTES or not data.startswith(b"MSH"):
                if self._limits.release > 1 and is_commit(data):
                    self._note_commit(data)
                    return
                contents = self._unpack(received)
        else:
            received = Received(self._name, *fault_of(event, self._limits))
            contents = unpack(received, self._limits)
            self._is_deaf = self._decoder.is_spent
        if self._backlog.put(received, contents) or self._owner.held > MOST_HELD_BY_ALL or self._is_deaf:
            self._owner.weigh()
            self.regulate()

    def _unpack(self, received: Received) -> Contents | Deferred[Contents]:
        """Look into a block; in a thread when it is long: a batch of 16 MiB takes a second, and others would wait."""
        if len(received.data) <= LONG_BYTES:
            return unpack(received, self._limits)
        return deferToThread(self._unpack_long, received)

    def _unpack_long(self, received: Received) -> Contents:
        contents = unpack(received, self._limits)
        if contents.total > 1:
            return contents
        (message,) = contents.messages
        return contents._replace(messages=(self._owner.read_ahead(message),))

    def _fail(self, failure: Failure) -> None:
        """Close: a fault of ours, and the sender gets no answer."""
        log.err(failure)
        if self.connected:
            self.transport.abortConnection()

    def _note_commit(self, data: bytes) -> None:
        if data == _NAK and not self._has_told_of_nak:
            self._has_told_of_nak = True
            _log.warning("reply_not_committed", listener=self._name, peer=self.peer)

    def _go_on(self) -> None:
        """See what can be done now that something has gone."""
        self._owner.weigh()
        if not self.connected:
            return
        self._backlog.submit_later()
        self.regulate()
        if not self._backlog.is_empty:
            return
        if self._is_ending:
            self._outlet.close()
        elif self._is_deaf and self._linger_until is None:
            self._linger()

    def regulate(self) -> None:
        """Read or stop reading, as what waits says."""
        if not self.connected:
            return
        is_full = self._owner.is_full and self._handshake_until is None
        waits = self._backlog.weighs() or self._backlog.is_paused or is_full
        reads = not self._is_ending and (self._linger_until is not None or not waits)
        self._backlog.is_watched = not reads or self._is_deaf
        if reads == self._reads:
            return
        self._reads = reads
        if reads:
            self.heard_at = reactor.seconds()  # nobody listened until now
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()

    def _linger(self) -> None:
        """Close our side and throw away what still comes: a peer that is writing must get to read its answer."""
        self._linger_until = reactor.seconds() + self._limits.block_seconds
        self._backlog.is_paused = False
        self.regulate()
        self._outlet.half_close()

    def sweep(self, now: float) -> None:
        """Close the connection when something has taken too long."""
        limits = self._limits
        unread = now - self._outlet.silent_since(now)
        silent = now - self.heard_at
        if unread > limits.reply_seconds:
            _log.warning("replies_unread", listener=self._name, peer=self.peer, seconds=round(unread))
            self.transport.abortConnection()
        elif self._handshake_until is not None:
            if now > self._handshake_until:
                self._tell_of_tls("no handshake in time")
                self.transport.abortConnection()
        elif self._linger_until is not None:
            if now > self._linger_until:
                self.drain()
        elif not self._reads:
            return
        elif self._decoder.is_inside and silent > limits.block_seconds:
            _log.warning("block_unfinished", listener=self._name, peer=self.peer, seconds=round(silent))
            self._end()
        elif limits.idle_seconds is not None and self._backlog.is_empty and silent > limits.idle_seconds:
            _log.info("connection_idle", listener=self._name, peer=self.peer, seconds=round(silent))
            self._end()

    def is_stale(self, now: float) -> bool:
        """Return whether it waits for nothing and has been silent for so long that another may take its place."""
        return self._backlog.is_empty and now - self.heard_at >= self._limits.takeover_seconds

    def give_way(self, now: float) -> None:
        """Close because another connection of the same address takes this one's place."""
        self.is_leaving = True
        silent = round(now - self.heard_at)
        _log.warning("connection_taken_over", listener=self._name, peer=self.peer, seconds=silent)
        self._end()

    def drain(self) -> None:
        """Read no more, answer what was read, then close."""
        self._is_ending = self._is_deaf = True
        self._go_on()

    def _end(self) -> None:
        for event in self._decoder.close():
            self._take(event)
        self.drain()

    def readConnectionLost(self) -> None:  # noqa: N802
        """Answer what was sent, then close: the peer sends no more but still reads."""
        self._end()

    def writeConnectionLost(self) -> None:  # noqa: N802
        """Our side is closed: from now on the peer has its time to read what we wrote and to close too."""
        self._linger_until = reactor.seconds() + self._limits.block_seconds

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Keep what was left unfinished."""
        self.connected = 0
        self._reads = False
        if self._outlet.is_tls:
            self._tell_of_tls(refusal_cause(self.transport, reason))
        if self._look is not None:
            self._look.cancel()
        for event in self._decoder.close():
            self._take(event)
        self._backlog.abandon()
        self._owner.connections.discard(self)
        self._owner.weigh()
        self._owner.note_gone()

    def pauseProducing(self) -> None:  # noqa: N802
        """Stop reading while the peer does not take our replies."""
        self._backlog.is_paused = True
        self.regulate()

    def resumeProducing(self) -> None:  # noqa: N802
        """Read on."""
        self._backlog.is_paused = False
        self._go_on()

    def stopProducing(self) -> None:  # noqa: N802
        """Nothing to do: the connection is going away."""
