"""TLS at a listener: its certificate is checked by senders, theirs by it, and a file that cannot be used is named."""

from __future__ import annotations

import socket
import ssl

import pytest
import trustme
from cli_samples import Certificates
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from feed_samples import adt
from listening import SECONDS, Listening, Sender, codes
from tls_files import OURS, STRANGER, THEIRS, sender_context, sent_by, write_pems, write_tls

from hl7bridge.errors import BridgeError
from hl7bridge.net.tls import ServerTls, read_tls, server_options

GOOD = sent_by(THEIRS)


@pytest.fixture
def files(tmp_path):
    """Return the listener's certificate, key and the authority of its senders."""
    return write_tls(tmp_path)


@pytest.fixture
def listening(tmp_path, files):
    """Return a listener that asks senders for a certificate."""
    with Listening(tmp_path, options=server_options(files)) as made:
        yield made


def ask(listening, context):
    """Send a message over TLS and return the reply's code."""
    with Sender(listening.port, tls=context) as sender:
        return codes(sender.ask(adt("A1")))


def shown(sender):
    """Return the certificate that a listener showed to a sender."""
    return ssl.DER_cert_to_PEM_cert(sender.socket.getpeercert(binary_form=True))


def test_a_sender_with_the_right_certificate_is_served(listening):
    """Also with a message of many records, and by TLS 1.2."""
    assert ask(listening, sender_context(GOOD)) == ["AA"]
    with Sender(listening.port, tls=sender_context(GOOD, version=ssl.TLSVersion.TLSv1_2)) as sender:
        assert sender.socket.version() == "TLSv1.2"
        blocks = [adt("A2", "NTE|1||" + "X" * 100_000), *(adt(f"B{at}") for at in range(100))]
        assert codes(sender.ask(*blocks)) == ["AA"] * 101


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_only_suites_with_forward_secrecy_and_authenticated_encryption_are_spoken(listening, version):
    """Whatever else a sender offers; and nothing is compressed."""
    with Sender(listening.port, tls=sender_context(GOOD, version=version, ciphers="ALL:@SECLEVEL=2")) as sender:
        name, _, _ = sender.socket.cipher()
        assert name.startswith("TLS_" if version is ssl.TLSVersion.TLSv1_3 else "ECDHE-")
        assert "GCM" in name or "CHACHA20" in name
        assert sender.socket.compression() is None
        assert codes(sender.ask(adt("A1"))) == ["AA"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_is_taken_up_again(listening, version):
    """Each connection shows its certificate anew, so one that is no longer good does not live on in a session."""
    context = sender_context(GOOD, version=version)
    with Sender(listening.port, tls=context) as first:
        assert codes(first.ask(adt("A1"))) == ["AA"]
        session = first.socket.session
    with (
        socket.create_connection(("127.0.0.1", listening.port), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as second,
    ):
        assert second.session_reused is False


@pytest.mark.parametrize("shows", [None, sent_by(STRANGER)])
def test_a_sender_without_the_right_certificate_is_not_served(listening, shows):
    """None, or one of another authority; and the port serves the next."""
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        ask(listening, sender_context(shows))
    assert ask(listening, sender_context(GOOD)) == ["AA"]


def test_a_sender_that_does_not_know_our_authority_does_not_send(listening):
    """It is the sender's check, against our certificate."""
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(listening, sender_context(GOOD, trusts=STRANGER))


def test_plain_text_on_a_tls_port_is_closed_and_stored_nowhere(listening):
    """A sender that was set up wrongly."""
    with Sender(listening.port) as sender:
        sender.send(adt("A1"))
        with pytest.raises((EOFError, ConnectionError)):
            sender.replies()
    assert listening.dispositions() == []


def test_without_an_authority_no_certificate_is_asked_for(tmp_path, files):
    """Server authentication only."""
    with Listening(tmp_path, options=server_options(files._replace(client_ca=None))) as listening:
        assert ask(listening, sender_context()) == ["AA"]


def test_a_chain_is_sent_whole(tmp_path):
    """The certificate of an authority between ours and the root is in the file behind the listener's own."""
    leaf = OURS.create_child_ca().issue_cert("127.0.0.1")
    chain = write_pems(tmp_path, certificate=leaf.cert_chain_pems, key=[leaf.private_key_pem])
    with Listening(tmp_path, options=server_options(ServerTls(**chain))) as listening:
        assert ask(listening, sender_context()) == ["AA"]


def test_an_authority_below_a_root_may_be_the_one_that_signs_senders(tmp_path):
    """Then the root's other senders are strangers."""
    middle = THEIRS.create_child_ca()
    with Listening(tmp_path, options=server_options(write_tls(tmp_path, client_ca=middle))) as listening:
        assert ask(listening, sender_context(sent_by(middle))) == ["AA"]
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            ask(listening, sender_context(GOOD))


def test_renewed_files_serve_new_connections_and_open_ones_go_on(tmp_path, files):
    """Our certificate and the authority of senders alike; the same files again are no change."""
    options = server_options(files)
    other = trustme.CA()
    renewed = tmp_path / "renewed"
    renewed.mkdir()
    with Listening(renewed, options=options) as listening, Sender(listening.port, tls=sender_context(GOOD)) as early:
        assert options.use(read_tls(files)) is False
        assert options.use(read_tls(write_tls(renewed, other.issue_cert("127.0.0.1"), STRANGER))) is True
        with Sender(listening.port, tls=sender_context(sent_by(STRANGER), trusts=other)) as late:
            assert codes(late.ask(adt("A1"))) == ["AA"]
            assert shown(late) != shown(early)
        assert codes(early.ask(adt("A2"))) == ["AA"]
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            ask(listening, sender_context(GOOD, trusts=other))


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
    other = write_pems(tmp_path, key=[STRANGER.issue_cert("127.0.0.1").private_key_pem])
    with pytest.raises(BridgeError, match=r"key\.pem: not the key of .*certificate\.pem"):
        server_options(files._replace(**other))


def test_a_certificate_whose_key_is_too_weak_is_named(tmp_path, files):
    """OpenSSL does not take it."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  (the point of the test)
    authority = Certificates(tmp_path)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Weak Listener")])
    weak = {"certificate": authority._write("weak.pem", authority._sign(name, key)), "key": tmp_path / "weak.key"}
    authority.write_key("weak.key", key)
    with pytest.raises(BridgeError, match=r"weak\.pem: cannot be used: .*too small"):
        server_options(files._replace(**weak))
