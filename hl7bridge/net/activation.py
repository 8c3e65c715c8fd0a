"""Sockets that the service manager opened before we started -> ports of listeners. Source: sd_listen_fds(3).

Twisted takes the variables of the environment away when its endpoints are imported, so this module imports none of it.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import MutableMapping
from typing import Any, Final, NamedTuple

from hl7bridge.errors import BridgeError

_FIRST: Final = 3  # SD_LISTEN_FDS_START
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
_UNNAMED: Final = "unknown"  # as sd_listen_fds_with_names(3) has it


class PassedSocket(NamedTuple):
    """One socket: ``name`` is its FileDescriptorName; without a ``host`` it is none that a listener can serve."""

    socket: socket.socket
    name: str
    host: str
    port: int

    def is_at(self, host: str, port: int) -> bool:
        """Return whether it listens at an address."""
        return bool(self.host) and (self.port, ipaddress.ip_address(self.host)) == (port, ipaddress.ip_address(host))

    def adopt(self, reactor: Any, factory: Any) -> Any:
        """Serve it and return the port. When that is closed, the socket goes on listening for the next process."""
        port = reactor.adoptStreamPort(self.socket.fileno(), self.socket.family, factory)
        self.socket.close()  # the port has a descriptor of its own
        return port


def take_passed_sockets(environ: MutableMapping[str, str]) -> list[PassedSocket]:
    """Return the sockets that are meant for this process, in their order, and forget them in ``environ``.

    To be called before Twisted is imported. Raises BridgeError for a descriptor that is no socket.
    """
    wanted = {name: environ.pop(name, "") for name in _VARIABLES}
    if wanted["LISTEN_PID"] != str(os.getpid()) or not wanted["LISTEN_FDS"].isdigit():
        return []
    count = int(wanted["LISTEN_FDS"])
    names = [*wanted["LISTEN_FDNAMES"].split(":"), *[""] * count][:count]
    return [_passed(_FIRST + at, name or _UNNAMED) for at, name in enumerate(names)]


def _passed(descriptor: int, name: str) -> PassedSocket:
    try:
        passed = socket.socket(fileno=descriptor)
    except OSError as error:
        problem = f"descriptor {descriptor} ({name}), passed on by the service manager, is no socket: {error.strerror}"
        raise BridgeError(problem) from None
    passed.set_inheritable(False)
    if passed.family not in _FAMILIES or not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return PassedSocket(passed, name, "", 0)
    passed.settimeout(0)  # Twisted wants it so
    host, port = passed.getsockname()[:2]
    return PassedSocket(passed, name, host.partition("%")[0], port)
