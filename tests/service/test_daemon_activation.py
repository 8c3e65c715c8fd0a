"""The daemon on sockets that the service manager holds: senders are never refused, whoever runs behind the port."""

from __future__ import annotations

import socket

import pytest
from feed_samples import adt
from listening import SECONDS, Sender, codes
from running_daemon import RunningDaemon, edit, failed_start, make_folder
from tls_files import THEIRS, sender_context, sent_by, toml_of, write_tls


@pytest.fixture
def config(tmp_path):
    return make_folder(tmp_path / "d")


@pytest.fixture
def held():
    """Return a socket that listens, as the service manager holds it."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(SECONDS)
        yield made


def port_of(held):
    return held.getsockname()[1]


@pytest.mark.parametrize("names", ["ehr", "hl7bridge.socket"])
def test_a_socket_is_matched_by_its_name_or_else_by_its_address(config, held, names):
    """The log says that it was passed on; the listener's own `bind` is not opened beside it."""
    if names != "ehr":
        edit(config, 'bind = "127.0.0.1:0"', f'bind = "127.0.0.1:{port_of(held)}"')
    with RunningDaemon(config, passed=[held], names=names) as daemon:
        (event,) = daemon.named("listening")
        assert (event["listener"], event["port"], event["activated"]) == ("ehr", port_of(held), True)
        with daemon.sender() as sender:
            assert codes(sender.ask(adt("A1"))) == ["AA"]
        daemon.stop()


def test_a_name_counts_before_an_address(config, held):
    """Two listeners and two sockets; the address of the second is where the first would listen by itself."""
    edit(config, 'bind = "127.0.0.1:0"', f'bind = "127.0.0.1:{port_of(held)}"')
    with config.open("a") as file:
        file.write('[[listeners]]\nname = "lab"\nbind = "127.0.0.1:0"\n')
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        RunningDaemon(config, passed=[other, held], names="ehr:lab") as daemon,
    ):
        ports = {event["listener"]: (event["port"], event["activated"]) for event in daemon.named("listening")}
        assert ports == {"ehr": (port_of(other), True), "lab": (port_of(held), True)}
        daemon.stop()


def test_one_listener_may_have_several_sockets(config, held):
    """As one for IPv4 and one for IPv6 under one name."""
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        RunningDaemon(config, passed=[held, other], names="ehr:ehr") as daemon,
    ):
        for each in (held, other):
            with Sender(port_of(each)) as sender:
                assert codes(sender.ask(adt(f"A{port_of(each)}"))) == ["AA"]
        daemon.stop()


def test_without_a_socket_for_it_a_listener_opens_its_own_and_a_socket_without_listener_is_told(config, held):
    """An error line, and the daemon runs: the other senders must not wait for a unit file."""
    with RunningDaemon(config, passed=[held], names="labb") as daemon:
        assert daemon.wait_for("listening")["activated"] is False
        event = daemon.wait_for("socket_not_wanted")
        assert (event["level"], event["socket"], event["port"]) == ("error", "labb", port_of(held))
        with daemon.sender() as sender:
            assert codes(sender.ask(adt("A1"))) == ["AA"]
        daemon.stop()


def test_who_connects_between_two_daemons_is_served_by_the_second(config, held):
    """Connected, and sent, while nobody ran; over TLS as well as in the clear."""
    tls = write_tls(config.parent / "secrets")
    edit(config, 'bind = "127.0.0.1:0"', f'bind = "127.0.0.1:0"\n{toml_of(tls)}')
    context = sender_context(sent_by(THEIRS))
    with RunningDaemon(config, passed=[held], names="ehr") as daemon:
        with Sender(daemon.port, tls=context) as sender:
            assert codes(sender.ask(adt("A1"))) == ["AA"]
        daemon.stop()
    edit(config, toml_of(tls), "")
    with Sender(port_of(held)) as early:
        early.send(adt("A2"))
        with RunningDaemon(config, passed=[held], names="ehr") as daemon:
            assert codes(early.replies()) == ["AA"]
            daemon.stop()
        assert early.rest() == []


def test_a_stop_leaves_the_port_to_the_next_and_drains_what_it_has(config, held):
    """Senders of before get their replies; the socket itself is not shut down."""
    with RunningDaemon(config, passed=[held], names="ehr") as daemon, daemon.sender() as sender:
        sender.send(*(adt(f"A{at}", account=f"TACC{at}") for at in range(50)))
        first = sender.replies()  # so the connection is the daemon's, and not still the kernel's
        daemon.stop()
        assert codes([*first, *sender.rest()]) == ["AA"] * 50
        with socket.create_connection(held.getsockname(), SECONDS) as waiting:
            connection, _ = held.accept()
            with connection:
                assert connection.getpeername() == waiting.getsockname()


def test_plain_text_off_loopback_is_refused_though_the_service_manager_opened_the_port(config):
    """Unless the configuration says so in words; `bind` says loopback."""
    with socket.create_server(("0.0.0.0", 0)) as wide:  # noqa: S104  (what the daemon must not take)
        (line,) = failed_start(config, passed=[wide], names="ehr")
        assert line.startswith("hl7bridge: listener ehr: the socket passed on is at 0.0.0.0:")
        assert "unencrypted" in line
        edit(config, 'bind = "127.0.0.1:0"', 'bind = "127.0.0.1:0"\nplaintext_off_loopback = true')
        with RunningDaemon(config, passed=[wide], names="ehr") as daemon:
            daemon.stop()


def test_a_descriptor_that_is_no_socket_is_one_line(config, tmp_path):
    """And nothing is started."""
    with (tmp_path / "file").open("w") as file:
        (line,) = failed_start(config, passed=[file], names="ehr")
    assert "descriptor 3 (ehr), passed on by the service manager, is no socket" in line
