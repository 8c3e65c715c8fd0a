"""One connection to a destination: a block goes out, the verdict on its own reply comes back, never another's.

Not Twisted's ClientService: it has no answer for a connection that closes during a TLS handshake, and it would keep a
second retry clock beside the rows' own, which a person can change from the command line.
"""

from __future__ import annotations

import errno
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from OpenSSL import SSL, crypto
from service_identity import VerificationError
from twisted.internet import error, ssl
from twisted.internet.defer import Deferred, TimeoutError, succeed  # noqa: A004  (what addTimeout raises)
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IAddress, IDelayedCall, IHandshakeListener, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from hl7bridge.delivery.policy import OUTCOMES
from hl7bridge.delivery.verdict import (
    CLOSED,
    HALF_REPLY,
    NO_REPLY,
    NOT_FRAMED,
    NOT_SENT,
    OVERSIZE,
    Outcome,
    Reply,
    Verdict,
    judge_reply,
    read_reply,
)
from hl7bridge.net.outlet import Outlet
from hl7bridge.wire.mllp import Block, Decoder, Event, Junk, Oversize

LARGEST_REPLY: Final = 1 << 20  # bytes; an acknowledgement takes a few hundred
CLOSE_SECONDS: Final = 5.0  # how long the other side may take to close when we have
END_GRACE: Final = 0.3  # seconds after an end byte without its CR until the reply counts as complete
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ClientTls:
    """The authority that signed the destination's certificate, and ours when the destination asks for one (PEM)."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None


@implementer(IHandshakeListener)
class Partner(Protocol):
    """The connection. ``ready`` fires when it can be written to: after the handshake, when there is TLS."""

    transport: Any

    def __init__(
        self, clock: IReactorTime, *, is_tls: bool, on_other: Callable[[Reply], None] = lambda _reply: None
    ) -> None:
        self.ready: Deferred[Partner] = Deferred(lambda _: self.drop())
        self.closed: Deferred[None] = Deferred()
        self.ignored = 0  # replies and bytes that answered nothing we wait for
        self.is_open = False
        self.lost_because: BaseException | None = None
        self._is_connected = False
        self._outlet: Outlet | None = None
        self._clock = clock
        self._is_tls = is_tls
        self._decoder = Decoder(LARGEST_REPLY)
        self._control_id = ""
        self._meanings: Mapping[str, Outcome] = {}
        self._on_other = on_other  # gets the acknowledgements that answer nothing we wait for
        self._waiting: Deferred[Verdict] | None = None
        self._timer: IDelayedCall | None = None
        self._saw_junk = False
        self._has_heard = False
        self._not_sent = NOT_SENT

    def connectionMade(self) -> None:  # noqa: N802
        """Set the socket's options; without TLS the connection is ready."""
        self._is_connected = True
        self._outlet = Outlet(self.transport, self._clock.seconds())
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        if not self._is_tls:
            self._be_ready()

    def handshakeCompleted(self) -> None:  # noqa: N802
        """Take note that certificates were checked on both sides."""
        self._be_ready()

    def _be_ready(self) -> None:
        self.is_open = True
        self.ready.callback(self)

    def exchange(
        self, block: bytes, control_id: str, timeout: float, meanings: Mapping[str, Outcome] = OUTCOMES
    ) -> Deferred[Verdict]:
        """Write one block and return the verdict on it, within ``timeout`` seconds; one at a time.

        ``meanings`` are those of the reply's codes. What comes after ``NO_REPLY`` goes to ``on_other``; after any other
        verdict ``unknown`` the connection must be dropped, for nobody knows where the next reply begins.
        """
        if not self.is_open or self._outlet is None:
            return succeed(self._not_sent)
        self._control_id, self._meanings = control_id, meanings
        self._saw_junk = False
        waiting: Deferred[Verdict] = Deferred()
        self._waiting = waiting
        self._timer = self._clock.callLater(timeout, self._expire)
        self._outlet.write(block)
        return waiting

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take what came back, in whatever pieces."""
        self._has_heard = True
        for event in self._decoder.feed(data):
            self._take(event)
        if self._decoder.pending_end:
            self._clock.callLater(END_GRACE, self._take_pending)

    def _take_pending(self) -> None:
        for event in self._decoder.take_pending():  # whole, but for its CR
            self._take(event)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Settle what was waiting: the reply can no longer come."""
        self.is_open = self._is_connected = False
        self.lost_because = reason.value
        refused = "" if self._has_heard else _refused_certificate(reason)
        if refused:
            self._not_sent = Verdict(Outcome.NOT_SENT, refused)
        self._settle(self._not_sent if refused else CLOSED)
        if not self.ready.called:
            self.ready.errback(reason)
        self.closed.callback(None)

    def close(self) -> None:
        """Close in good order, or at once when the other side takes too long over it."""
        self.is_open = False
        if self._is_connected:
            self.transport.loseConnection()
            self._timer = self._clock.callLater(CLOSE_SECONDS, self.drop)

    def drop(self) -> None:
        """Close at once; what still arrives is not read."""
        self.is_open = False
        if self._is_connected:
            self.transport.abortConnection()

    def _expire(self) -> None:
        self._settle(NO_REPLY)

    def _settle(self, otherwise: Verdict) -> None:
        """End the wait with what has come so far: a whole reply, half of one, or nothing that counts."""
        self._take_pending()
        is_half = self._decoder.is_inside
        for event in self._decoder.close():
            self._take(event)
        if is_half:
            otherwise = HALF_REPLY
        elif self._saw_junk:
            otherwise = NOT_FRAMED
        self._finish(otherwise)

    def _take(self, event: Event) -> None:
        if isinstance(event, Block):
            self._read(event.data)
            return
        if isinstance(event, Oversize):  # nothing after it is read
            self._finish(OVERSIZE)
            self.drop()
            return
        self._saw_junk |= isinstance(event, Junk)
        self.ignored += 1

    def _read(self, data: bytes) -> None:
        reply: Reply | Verdict | None
        if self._waiting is None:
            reply = read_reply(data)
        else:
            verdict, reply = judge_reply(data, self._control_id, self._meanings)
            if verdict.outcome is not Outcome.NOT_OURS:
                self._finish(verdict)
                return
        self.ignored += 1
        if isinstance(reply, Reply):
            self._on_other(reply)

    def _finish(self, verdict: Verdict) -> None:
        waiting, self._waiting = self._waiting, None
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        if waiting is not None:
            waiting.callback(verdict)


class _OneConnection(Factory):
    """Gives one connection its protocol."""

    noisy = False

    def __init__(self, partner: Partner) -> None:
        self._partner = partner

    def buildProtocol(self, addr: IAddress | None) -> Partner:  # noqa: ARG002, N802  (Twisted's signature)
        """Return the protocol."""
        return self._partner


def open_connection(
    reactor: Any,
    host: str,
    port: int,
    *,
    timeout: float,
    tls: ClientTls | None = None,
    on_other: Callable[[Reply], None] = lambda _reply: None,
) -> Deferred[Partner]:
    """Connect, shake hands when there is TLS, and return the connection; fails after ``timeout`` seconds in all.

    With TLS the destination's certificate must come from ``tls.ca`` and name ``host``. The files are read at each
    connection, so that renewed ones are used. Cancelling leaves nothing open.
    """
    partner = Partner(reactor, is_tls=tls is not None, on_other=on_other)
    endpoint = _endpoint(reactor, host, port, timeout)
    if tls is not None:
        endpoint = wrapClientTLS(_read_tls(tls, host), endpoint)
    connecting: Deferred[Partner] = endpoint.connect(_OneConnection(partner)).addCallback(lambda _: partner.ready)
    return connecting.addTimeout(timeout, reactor)


def connection_failure(problem: BaseException) -> str:
    """Return why there is no connection, in words; nothing of a message is in them."""
    for kinds, text in _FAILURES:
        if isinstance(problem, kinds):
            return text
    if isinstance(problem, SSL.Error | crypto.Error):
        queue = problem.args[0] if problem.args and isinstance(problem.args[0], list) else []
        return f"TLS: {', '.join(line[-1] for line in queue) or 'the connection broke'}"
    if isinstance(problem, OSError) and problem.filename:
        return f"TLS: cannot read {problem.filename}"
    return f"no connection ({type(problem).__name__})"


def _refused_certificate(reason: Failure) -> str:
    """Return the alert with which the destination refused our certificate, in words; "" for any other end.

    In TLS 1.3 that alert comes after our side has begun to write. The handshake it ends was never complete on the other
    side, so what we wrote was not read. Source: RFC 8446 sections 4.4.2.4 and 6.2.
    """
    text = connection_failure(reason.value) if isinstance(reason.value, SSL.Error) else ""
    return text if "alert" in text and ("certificate" in text or "unknown ca" in text) else ""


_FAILURES: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...]] = (
    (error.ConnectionRefusedError, "connection refused"),
    ((error.TimeoutError, TimeoutError, error.ConnectingCancelledError), "no connection in time"),
    (error.DNSLookupError, "the host name is not known"),
    ((error.ConnectionDone, error.ConnectionLost), "the connection closed at once"),
    (VerificationError, "TLS: the certificate is for another host"),
)


def _endpoint(reactor: Any, host: str, port: int, timeout: float) -> Any:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return HostnameEndpoint(reactor, host, port, timeout=timeout)
    kind = TCP4ClientEndpoint if version == 4 else TCP6ClientEndpoint  # noqa: PLR2004  (IP versions)
    return kind(reactor, host, port, timeout=timeout)


def _read_tls(tls: ClientTls, host: str) -> Any:
    """Return the client's side of TLS; raises OSError for a file that cannot be read, SSL's errors for a bad one."""
    authorities = _read_certificates(tls.ca)
    ours, extra = None, {}
    if tls.certificate is not None and tls.key is not None:
        chain = _read_certificates(tls.certificate)
        key = ssl.KeyPair.load(tls.key.read_bytes(), crypto.FILETYPE_PEM)
        ours = ssl.PrivateCertificate.fromCertificateAndKeyPair(chain[0], key)
        extra["extraCertChain"] = [each.original for each in chain[1:]]
    trusted = ssl.trustRootFromCertificates(authorities)
    return ssl.optionsForClientTLS(host, trusted, ours, extraCertificateOptions=extra)


def _read_certificates(path: Path) -> list[ssl.Certificate]:
    certificates = [ssl.Certificate.loadPEM(pem) for pem in _CERTIFICATE.findall(path.read_bytes())]
    if not certificates:
        raise OSError(errno.EINVAL, "no certificate in PEM form", str(path))
    return certificates
