"""TLS at a listener: who a sender is decides for whom it may send; whoever is refused is named with the cause, once."""

from __future__ import annotations

import socket
import ssl

import pytest
from feed_samples import adt
from listening import Listening, Sender, codes, wait_until
from tls_files import SENDER, STRANGER, THEIRS, sender_context, sent_by, write_tls

from hl7bridge.net import connection
from hl7bridge.net.tls import server_options

GOOD = sent_by(THEIRS)


def listen(folder, client_ca=THEIRS, **limits):
    """Return a listener that asks senders for a certificate."""
    return Listening(folder, options=server_options(write_tls(folder, client_ca=client_ca)), **limits)


def refusals(logs):
    """Return the causes in the log, each of this listener and address."""
    found = [log for log in logs if log["event"] == "tls_refused"]
    assert all((log["listener"], log["peer"], log["log_level"]) == ("ehr", "127.0.0.1", "warning") for log in found)
    return [log["cause"] for log in found]


def ask(listening, *messages, shows=GOOD, **options):
    """Send messages and return their codes."""
    with Sender(listening.port, tls=sender_context(shows, **options)) as sender:
        return codes(sender.ask(*messages))


def refuse(listening, **options):
    """Send a message, which must fail."""
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        ask(listening, adt("A1"), **options)


def test_a_sender_may_send_for_the_facilities_of_its_names(tmp_path, logs):
    """Of all its names; capitals do not matter. Another of the same authority may send for others."""
    clients = {
        "EHR.Hospital.Example": frozenset({"NORTHGATE"}),
        "lab.hospital.example": frozenset({"SOUTHGATE", "EASTGATE"}),
        "other.example": frozenset({"WESTGATE"}),
    }
    both = THEIRS.issue_cert(SENDER, "lab.hospital.example")
    with listen(tmp_path, clients=clients) as listening:
        ask(listening, adt("A1"))
        ask(listening, adt("A2"), shows=both)
        assert [each.facilities for each in listening.taken] == [
            frozenset({"NORTHGATE"}),
            frozenset({"NORTHGATE", "SOUTHGATE", "EASTGATE"}),
        ]
    assert refusals(logs) == []


def test_a_message_for_another_facility_is_refused_and_the_connection_goes_on(tmp_path):
    """AR: it is not the message that is wrong."""
    with listen(tmp_path, clients={SENDER: frozenset({"NORTHGATE"})}) as listening:
        assert ask(listening, adt("A1", m4="SOUTHGATE"), adt("A2")) == ["AR", "AA"]
        assert listening.dispositions() == ["rejected", "applied"]


def test_a_sender_whose_certificate_names_nobody_known_is_closed(tmp_path, logs):
    """Nothing that it sent is taken."""
    with listen(tmp_path, clients={"other.example": frozenset({"NORTHGATE"})}) as listening:
        refuse(listening)
        listening.wait_until_gone()
        assert listening.taken == []
    assert refusals(logs) == ["the certificate names no configured client"]


def test_where_no_clients_are_named_a_sender_may_send_for_all(tmp_path):
    """Whoever client_ca signed; or anybody, without client_ca."""
    (tmp_path / "open").mkdir()
    with listen(tmp_path) as listening, listen(tmp_path / "open", client_ca=None) as anybody:
        assert ask(listening, adt("A1")) == ask(anybody, adt("A1"), shows=None) == ["AA"]
        assert [each.facilities for each in (*listening.taken, *anybody.taken)] == [None, None]


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"shows": None}, "the sender showed no certificate"),
        ({"shows": sent_by(STRANGER)}, "the sender's certificate was not signed by client_ca"),
        ({"shows": sent_by(THEIRS, begins=-9, ends=-1)}, "the sender's certificate has expired"),
        ({"version": ssl.TLSVersion.TLSv1_1, "ciphers": "ALL:@SECLEVEL=0"}, "the sender speaks TLS 1.1 or older"),
    ],
)
def test_a_handshake_that_fails_is_one_line_with_its_cause(tmp_path, logs, options, cause):
    """And the port serves the next."""
    with listen(tmp_path) as listening:
        refuse(listening, **options)
        wait_until(lambda: refusals(logs))
        assert ask(listening, adt("A2")) == ["AA"]
        assert len(listening.taken) == 1
    assert refusals(logs) == [cause]


def test_plain_text_is_one_line_and_stored_nowhere(tmp_path, logs):
    """A sender that was set up wrongly."""
    with listen(tmp_path) as listening:
        with Sender(listening.port) as sender:
            sender.send(adt("A1"))
            wait_until(lambda: refusals(logs))
        assert listening.dispositions() == []
    assert refusals(logs) == ["plain text on a TLS port"]


def test_a_port_check_is_no_refusal(tmp_path, logs):
    """It connects and closes."""
    with listen(tmp_path) as listening:
        with Sender(listening.port):
            listening.connection()
        listening.wait_until_gone()
    assert logs == []


@pytest.mark.usefixtures("quick_sweep")
def test_a_handshake_that_takes_too_long_is_closed(tmp_path, logs, monkeypatch):
    """Whoever connects and says nothing must not keep a slot."""
    monkeypatch.setattr(connection, "HANDSHAKE_SECONDS", 0.2)
    with listen(tmp_path) as listening, Sender(listening.port) as silent:
        with pytest.raises(ConnectionResetError):
            silent.replies()
        listening.wait_until_gone()
        assert ask(listening, adt("A1")) == ["AA"]
    assert refusals(logs) == ["no handshake in time"]


def test_a_connection_too_many_is_closed_below_tls_too(tmp_path, logs):
    """Before a handshake costs anything."""
    with listen(tmp_path, most_connections=1) as listening:
        with Sender(listening.port, tls=sender_context(GOOD)) as sender:
            assert codes(sender.ask(adt("A1"))) == ["AA"]
            refuse(listening)
            assert codes(sender.ask(adt("A2"))) == ["AA"]
        assert [log["event"] for log in logs] == ["connections_full"]


def test_a_block_that_is_too_long_is_refused_though_its_sender_writes_on(tmp_path):
    """20 MB where one is allowed: the sender finishes, reads AE 104, and then our goodbye."""
    with listen(tmp_path) as listening, Sender(listening.port, tls=sender_context(GOOD)) as sender:
        sender.send(adt("A1", "NTE|1||" + "X" * 20_000_000))
        assert codes(sender.rest()) == ["AE"]
        assert listening.dispositions() == ["unreadable"]
        sender.socket.close()
        listening.wait_until_gone()


@pytest.mark.usefixtures("quick_sweep")
def test_a_sender_that_never_closes_after_a_block_that_was_too_long_is_closed(tmp_path):
    """It has as long as a block may pause."""
    with (
        listen(tmp_path, most_bytes=2000, block_seconds=0.2) as listening,
        Sender(listening.port, tls=sender_context(GOOD)) as sender,
    ):
        sender.send(adt("A1", "NTE|1||" + "X" * 5000))
        assert codes(sender.rest()) == ["AE"]
        listening.wait_until_gone()


def test_a_drain_answers_what_was_read_and_does_not_wait_for_the_senders_goodbye(tmp_path):
    """A restart must not take as long as the slowest of them."""
    with listen(tmp_path) as listening, Sender(listening.port, tls=sender_context(GOOD)) as sender:
        with listening.hold():
            sender.send(adt("A1"))
            wait_until(listening.waiting)
            connection.reactor.callFromThread(listening.connection().drain)
        listening.wait_until_gone()
        assert codes(sender.rest()) == ["AA"]


@pytest.mark.usefixtures("quick_sweep")
def test_replies_left_unread_close_a_connection_under_tls_too(tmp_path, logs):
    """What it sent is stored."""
    with listen(tmp_path, reply_seconds=0.3) as listening:
        with Sender(listening.port, receive_buffer=4096, tls=sender_context(GOOD)) as sender:
            sender.socket.settimeout(0.05)
            message = adt("A" + "1" * 60_000)
            while listening.factory.connections:
                try:
                    sender.send(message)
                except (TimeoutError, OSError):
                    break
            listening.wait_until_gone()
        assert listening.dispositions()[0] == "applied"
    assert [log["event"] for log in logs].count("replies_unread") == 1


def test_a_sender_that_breaks_tls_after_the_handshake_is_one_line(tmp_path, logs):
    """Somebody between us, or a fault of the sender's."""
    with listen(tmp_path) as listening:
        with Sender(listening.port, tls=sender_context(GOOD)) as sender:
            assert codes(sender.ask(adt("A1"))) == ["AA"]
            with socket.socket(fileno=sender.socket.detach()) as plain:
                plain.sendall(b"\x0bMSH|no TLS any more\x1c\r")
                wait_until(lambda: refusals(logs))
        listening.wait_until_gone()
    assert refusals(logs)[0].startswith("TLS broke: ")
