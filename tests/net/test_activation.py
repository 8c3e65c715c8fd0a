"""Sockets that the service manager passes on: read once, known by name or address, and never shut down by us."""

from __future__ import annotations

import fcntl
import os
import socket

import pytest
from listening import SECONDS
from reactor_thread import in_reactor, start_reactor
from twisted.internet.protocol import Factory, Protocol

from hl7bridge.errors import BridgeError
from hl7bridge.net import activation
from hl7bridge.net.activation import take_passed_sockets
from hl7bridge.net.reactor import reactor

FIRST = 900  # where these tests have the passed descriptors; 3 is taken in a test run


@pytest.fixture(autouse=True)
def _first(monkeypatch):
    monkeypatch.setattr(activation, "_FIRST", FIRST)


def pass_on(*passed, names=""):
    """Return the environment of a process that was given these; their descriptors are at FIRST and after."""
    for at, each in enumerate(passed):
        assert fcntl.fcntl(each, fcntl.F_DUPFD, FIRST + at) == FIRST + at
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(passed)), "LISTEN_FDNAMES": names, "HOME": "/"}


def listening(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, 0), family=family)


@pytest.mark.parametrize(
    "environ",
    [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"}],
)
def test_without_sockets_for_this_process_there_are_none(environ):
    """Not under a service manager, or meant for another process."""
    assert take_passed_sockets(environ) == []
    assert environ == {}


def test_sockets_are_taken_once_with_their_names_and_no_child_gets_them():
    """A name that is missing is `unknown`; the variables are gone afterwards, the others stay."""
    with listening() as first, listening() as second:
        environ = pass_on(first, second, names="ehr")
        taken = take_passed_sockets(environ)
        assert environ == {"HOME": "/"}
        assert take_passed_sockets(environ) == []
        assert [(each.name, each.host, each.port) for each in taken] == [
            ("ehr", *first.getsockname()),
            ("unknown", *second.getsockname()),
        ]
        for each in taken:
            assert not each.socket.get_inheritable()
            assert not each.socket.getblocking()
            each.socket.close()


def test_a_socket_is_known_by_its_address_however_that_is_written():
    """IPv6 addresses have many forms."""
    with listening("::1") as one:
        (taken,) = take_passed_sockets(pass_on(one))
        port = one.getsockname()[1]
        assert taken.is_at("0:0:0:0:0:0:0:1", port)
        assert not taken.is_at("::1", port + 1)
        assert not taken.is_at("127.0.0.1", port)
        taken.socket.close()


def test_what_no_listener_can_serve_has_no_address(tmp_path):
    """Datagrams, a local socket, or one that is a connection already."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as local,
        listening() as port,
        socket.create_connection(port.getsockname(), SECONDS) as connection,
    ):
        datagrams.bind(("127.0.0.1", 0))
        local.bind(str(tmp_path / "local"))
        local.listen()
        taken = take_passed_sockets(pass_on(datagrams, local, connection))
        for each in taken:
            assert (each.host, each.is_at("127.0.0.1", each.port)) == ("", False)
            each.socket.close()


def test_what_is_no_socket_is_one_line(tmp_path):
    """With its descriptor and name."""
    with (tmp_path / "file").open("w") as file:
        environ = pass_on(file, names="ehr")
        with pytest.raises(BridgeError, match=rf"^descriptor {FIRST} \(ehr\), passed on .* is no socket: .+$"):
            take_passed_sockets(environ)
        os.close(FIRST)


class Greeter(Protocol):
    def connectionMade(self):
        self.transport.write(b"A")
        self.transport.loseConnection()


def test_a_socket_goes_on_listening_when_our_port_is_closed():
    """Who connects meanwhile waits for the next process, and is not refused."""
    start_reactor()
    with listening() as held:
        (taken,) = take_passed_sockets(pass_on(held))
        port = in_reactor(taken.adopt, reactor, Factory.forProtocol(Greeter))
        with socket.create_connection(held.getsockname(), SECONDS) as served:
            assert served.recv(1) == b"A"
        in_reactor(port.stopListening)
        with socket.create_connection(held.getsockname(), SECONDS) as waiting:
            held.settimeout(SECONDS)
            connection, _ = held.accept()
            with connection:
                connection.sendall(b"B")
                assert waiting.recv(1) == b"B"
