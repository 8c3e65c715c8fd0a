"""Listeners' settings -> open ports, on sockets of our own or passed on at start, whose certificates can be renewed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.protocols.tls import TLSMemoryBIOFactory

from hl7bridge.config import Address, ListenerSettings, ListenerTls
from hl7bridge.errors import BridgeError
from hl7bridge.net.activation import PassedSocket
from hl7bridge.net.limits import Limits, ReadAhead, Submit
from hl7bridge.net.listener import ListenerFactory
from hl7bridge.net.reactor import reactor
from hl7bridge.net.tls import ReadTls, ServerOptions, ServerTls, read_tls

DRAIN_SECONDS: Final = 10.0  # for connections to take the replies they are owed when the daemon stops
BACKLOG: Final = 1024  # connections that the kernel takes for us while we are busy
_log = structlog.get_logger("hl7bridge.service")


@dataclass(slots=True)
class _Listener:
    """One that is open. ``settings`` are those that it runs by, which may be older than the configuration's."""

    settings: ListenerSettings
    factory: ListenerFactory
    options: ServerOptions | None
    ports: list[Any]
    is_activated: bool


# What the files of TLS have become for the listeners that go on: all read, and nothing of it in use yet.
Renewal = list[tuple[_Listener, ListenerSettings, ReadTls]]


class Listeners:
    """All listeners of the daemon; ``submit`` takes their blocks, and ``read_ahead`` long ones before."""

    def __init__(self, submit: Submit, read_ahead: ReadAhead) -> None:
        self._submit = submit
        self._read_ahead = read_ahead
        self._open: list[_Listener] = []

    def open(self, listeners: Sequence[ListenerSettings], passed: Sequence[PassedSocket]) -> None:
        """Listen. Raises BridgeError when a port or a file of TLS cannot be used."""
        owners = [_owner(each, listeners) for each in passed]
        for settings in listeners:
            own = [each for each, owner in zip(passed, owners, strict=True) if owner is settings]
            self._open.append(self._listen(settings, own))
        for each, owner in zip(passed, owners, strict=True):
            if owner is None:
                _log.error("socket_not_wanted", socket=each.name, host=each.host, port=each.port)
                each.socket.close()

    def _listen(self, settings: ListenerSettings, passed: Sequence[PassedSocket]) -> _Listener:
        factory = ListenerFactory(_limits(settings), self._submit, self._read_ahead)
        options = ServerOptions(read_tls(_files(settings.tls))) if settings.tls else None
        served = TLSMemoryBIOFactory(options, isClient=False, wrappedFactory=factory) if options else factory
        for each in passed:
            _refuse_plaintext(settings, each)
        ports = [each.adopt(reactor, served) for each in passed] or [_bind(settings, served)]
        for port in ports:
            at = port.getHost()
            _log.info(
                "listening",
                listener=settings.name,
                host=at.host,
                port=at.port,
                tls=options is not None,
                activated=bool(passed),
            )
        return _Listener(settings, factory, options, ports, bool(passed))

    def leave(self) -> None:
        """Accept no more where the socket goes on without us: who connects from now on waits for the next process."""
        for listener in self._open:
            if listener.is_activated:
                for port in listener.ports:
                    port.stopListening()
                listener.ports.clear()

    def close(self) -> Deferred[Any]:
        """Close every port, answer what was received, and close every connection; fires when that is done."""
        closed = [maybeDeferred(port.stopListening) for listener in self._open for port in listener.ports]
        drained = [each.factory.drain().addTimeout(DRAIN_SECONDS, reactor) for each in self._open]
        return DeferredList([*closed, *drained], consumeErrors=True)

    def read_renewal(self, wanted: Sequence[ListenerSettings]) -> Renewal:
        """Read the files of TLS anew for listeners that go on. Raises BridgeError when one cannot be used."""
        by_name = {each.name: each for each in wanted}
        renewal: Renewal = []
        for listener in self._open:
            tls = _renewed(listener.settings.tls, getattr(by_name.get(listener.settings.name), "tls", None))
            if tls is not None:
                settings = listener.settings.model_copy(update={"tls": tls})
                renewal.append((listener, settings, read_tls(_files(tls))))
        return renewal

    def renew(self, renewal: Renewal) -> None:
        """Serve new connections with what was read; open ones go on."""
        changed = []
        for listener, settings, read in renewal:
            listener.settings = settings
            if listener.options is not None and listener.options.use(read):
                changed.append(settings.name)
        if changed:
            _log.info("certificates_reloaded", listeners=changed)

    def run_by(self, wanted: Sequence[ListenerSettings]) -> bool:
        """Return whether what is open is what a configuration wants; else the rest waits for a restart."""
        return [each.settings for each in self._open] == list(wanted)


def _owner(passed: PassedSocket, listeners: Sequence[ListenerSettings]) -> ListenerSettings | None:
    """Return the listener of a passed socket: the one of its name, else the one that would listen at its address."""
    if not passed.host:
        return None
    named = (each for each in listeners if each.name == passed.name)
    return next(named, None) or next((each for each in listeners if passed.is_at(*each.bind)), None)


def _refuse_plaintext(settings: ListenerSettings, passed: PassedSocket) -> None:
    """Refuse what `check` refuses of ``bind``: the service manager may have opened another address."""
    at = Address(passed.host, passed.port)
    if settings.tls is None and not settings.plaintext_off_loopback and not at.is_loopback:
        raise BridgeError(
            f"listener {settings.name}: the socket passed on is at {at}: patient data would cross the network"
            " unencrypted (add tls = { ... }, or say plaintext_off_loopback = true when a VPN carries it)"
        )


def _bind(settings: ListenerSettings, factory: Any) -> Any:
    host, port = settings.bind
    try:
        return reactor.listenTCP(port, factory, backlog=BACKLOG, interface=host)
    except CannotListenError as error:
        why = getattr(error.socketError, "strerror", None) or error.socketError
        raise BridgeError(f"listener {settings.name}: cannot listen on {settings.bind}: {why}") from None


def _files(tls: ListenerTls) -> ServerTls:
    return ServerTls(tls.certificate, tls.key, tls.client_ca)


def _renewed(running: ListenerTls | None, wanted: ListenerTls | None) -> ListenerTls | None:
    """Return what a listener's TLS becomes by a reload: other files, but not another policy; None: it stays."""
    if running is None or wanted is None or (running.client_ca is None) != (wanted.client_ca is None):
        return None
    files = {"certificate": wanted.certificate, "key": wanted.key, "client_ca": wanted.client_ca}
    return running.model_copy(update=files)


def _limits(settings: ListenerSettings) -> Limits:
    idle = settings.idle_timeout
    return Limits(
        name=settings.name,
        most_bytes=settings.max_block,
        block_seconds=settings.block_timeout.total_seconds(),
        idle_seconds=None if idle is None else idle.total_seconds(),
        allow=settings.allow,
        tolerances=frozenset(settings.tolerate),
        release=settings.mllp_release,
        batch_reply=settings.batch_reply,
        most_connections=settings.max_connections,
        most_per_peer=settings.max_connections_per_peer,
        takeover_seconds=settings.takeover_after.total_seconds(),
        reply_seconds=settings.reply_timeout.total_seconds(),
        clients={name: frozenset(each) for name, each in settings.tls.clients.items()} if settings.tls else {},
    )
