"""TLS at a listener: its certificate is checked by senders, theirs by it, and a file that cannot be used is named."""

from __future__ import annotations

import ssl

import pytest
import trustme
from feed_samples import adt
from listening import Listening, Sender, codes

from hl7bridge.errors import BridgeError
from hl7bridge.net.tls import ServerTls, server_options

OURS = trustme.CA()
THEIRS = trustme.CA()
STRANGER = trustme.CA()
HOST = OURS.issue_cert("127.0.0.1")


def write(folder, **files):
    """Write PEM blobs into files and return their paths."""
    paths = {}
    for name, blobs in files.items():
        paths[name] = folder / f"{name}.pem"
        paths[name].write_bytes(b"".join(blob.bytes() for blob in blobs))
    return paths


@pytest.fixture
def files(tmp_path):
    """Return the listener's certificate, key and the authority of its senders."""
    made = write(tmp_path, certificate=HOST.cert_chain_pems, key=[HOST.private_key_pem], client_ca=[THEIRS.cert_pem])
    return ServerTls(**made)


@pytest.fixture
def listening(tmp_path, files):
    """Return a listener that asks senders for a certificate."""
    with Listening(tmp_path, options=server_options(files)) as made:
        yield made


def client(trusts=OURS, shows=None):
    """Return what a sender trusts and shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusts.configure_trust(context)
    if shows is not None:
        shows.issue_cert("ehr.test").configure_cert(context)
    return context


def ask(listening, context):
    """Send a message over TLS and return the reply's code."""
    with Sender(listening.port, tls=context) as sender:
        return codes(sender.ask(adt("A1")))


def test_a_sender_with_the_right_certificate_is_served(listening):
    """Also with a message of many records, and by TLS 1.2."""
    assert ask(listening, client(shows=THEIRS)) == ["AA"]
    old = client(shows=THEIRS)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with Sender(listening.port, tls=old) as sender:
        assert sender.socket.version() == "TLSv1.2"
        assert (
            codes(sender.ask(adt("A2", "NTE|1||" + "X" * 100_000), *(adt(f"B{at}") for at in range(100))))
            == ["AA"] * 101
        )


@pytest.mark.parametrize("shows", [None, STRANGER])
def test_a_sender_without_the_right_certificate_is_not_served(listening, shows):
    """None, or one of another authority; and the port serves the next."""
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        ask(listening, client(shows=shows))
    assert ask(listening, client(shows=THEIRS)) == ["AA"]


def test_a_sender_that_does_not_know_our_authority_does_not_send(listening):
    """It is the sender's check, against our certificate."""
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(listening, client(trusts=STRANGER, shows=THEIRS))


def test_plain_text_on_a_tls_port_is_closed_and_stored_nowhere(listening):
    """A sender that was set up wrongly."""
    with Sender(listening.port) as sender:
        sender.send(adt("A1"))
        with pytest.raises((EOFError, ConnectionError)):
            sender.replies()
    assert listening.dispositions() == []


def test_an_old_protocol_is_refused(listening):
    """TLS 1.2 or later."""
    old = client(shows=THEIRS)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(listening, old)


def test_without_an_authority_no_certificate_is_asked_for(tmp_path, files):
    """Server authentication only."""
    with Listening(tmp_path, options=server_options(files._replace(client_ca=None))) as listening:
        assert ask(listening, client()) == ["AA"]


def test_a_chain_is_sent_whole(tmp_path):
    """The certificate of an authority between ours and the root is in the file behind the listener's own."""
    middle = OURS.create_child_ca()
    leaf = middle.issue_cert("127.0.0.1")
    chain = write(tmp_path, certificate=leaf.cert_chain_pems, key=[leaf.private_key_pem])
    with Listening(tmp_path, options=server_options(ServerTls(**chain))) as listening:
        assert ask(listening, client()) == ["AA"]


@pytest.mark.parametrize("name", ["certificate", "key", "client_ca"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_that_cannot_be_used_is_named(files, name, content):
    """Missing, empty or no PEM: one line, with the file and never what is in it."""
    path = getattr(files, name)
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(BridgeError, match=f"^[^\n]*{name}.pem: [^\n]+$") as raised:
        server_options(files)
    assert "AAAA" not in str(raised.value)


def test_a_key_of_another_certificate_is_found_before_anybody_connects(tmp_path, files):
    """They do not go together."""
    other = write(tmp_path, key=[STRANGER.issue_cert("127.0.0.1").private_key_pem])
    with pytest.raises(BridgeError, match=r"certificate.pem: certificate and key do not go together"):
        server_options(files._replace(**other))
