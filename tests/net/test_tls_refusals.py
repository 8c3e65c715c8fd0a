"""Why a handshake failed, in words that say whose certificate or setting to look at; and who a sender is."""

from __future__ import annotations

import queue
import socket
import ssl

import pytest
import trustme
from listening import SECONDS
from reactor_thread import in_reactor, start_reactor
from tls_files import HOST, OURS, SENDER, STRANGER, THEIRS, sender_context, sent_by, write_tls
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from hl7bridge.net.reactor import reactor
from hl7bridge.net.tls import _certificate_fault, peer_names, refusal_cause, server_options

GOOD = sent_by(THEIRS)
UNSIGNED = "the sender's certificate was not signed by client_ca"
DISTRUST = "the sender does not trust our certificate"
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@implementer(IHandshakeListener)
class Witness(Protocol):
    """Tells of each connection who it was, and how it ended."""

    def connectionMade(self):
        self.factory.connections.put(self.transport)

    def handshakeCompleted(self):
        self.factory.names.put(peer_names(self.transport))

    def connectionLost(self, reason):
        self.factory.causes.put(refusal_cause(self.transport, reason))


class Port:
    """A port that speaks TLS; ``causes`` has the end of each connection, ``names`` those of each that was served."""

    def __init__(self, files):
        start_reactor()
        self.factory = Factory.forProtocol(Witness)
        self.factory.noisy = False
        self.connections = self.factory.connections = queue.Queue()
        self.causes = self.factory.causes = queue.Queue()
        self.names = self.factory.names = queue.Queue()
        options = server_options(files)
        self._port = in_reactor(reactor.listenSSL, 0, self.factory, options, interface="127.0.0.1")
        self.address = ("127.0.0.1", self._port.getHost().port)

    def close(self):
        in_reactor(self._port.stopListening)

    def cause(self):
        """Return why the next connection ended."""
        return self.causes.get(timeout=SECONDS)

    def refuse(self, context, host="127.0.0.1"):
        """Connect as a sender does, which must fail, and return the cause."""
        with socket.create_connection(self.address, SECONDS) as plain:
            try:
                with context.wrap_socket(plain, server_hostname=host) as sender:
                    assert sender.recv(1) == b""
            except OSError:
                pass
        assert self.names.empty()
        return self.cause()

    def tell(self, data):
        """Send bytes that are no TLS, close, and return the cause."""
        with socket.create_connection(self.address, SECONDS) as plain:
            plain.sendall(data)
        return self.cause()


@pytest.fixture
def port(tmp_path):
    opened = Port(write_tls(tmp_path))
    yield opened
    opened.close()


@VERSIONS
def test_a_sender_that_shows_no_certificate_is_told_from_one_with_a_bad_one(port, version):
    """Nothing to check, against one that failed a check; each check has its own words."""
    assert port.refuse(sender_context(version=version)) == "the sender showed no certificate"
    assert port.refuse(sender_context(sent_by(STRANGER), version=version)) == UNSIGNED
    expired = sender_context(sent_by(THEIRS, begins=-9, ends=-1), version=version)
    assert port.refuse(expired) == "the sender's certificate has expired"
    early = sender_context(sent_by(THEIRS, begins=1), version=version)
    assert port.refuse(early) == "the sender's certificate is not valid yet"


def test_a_certificate_that_signed_itself_is_told(port, tmp_path):
    """Often left over from somebody's first try."""
    own = trustme.CA()
    file = tmp_path / "own.pem"
    file.write_bytes(own.cert_pem.bytes() + own.private_key_pem.bytes())
    context = sender_context()
    context.load_cert_chain(file)
    assert port.refuse(context) == "the sender's certificate is self-signed, not signed by client_ca"


def test_a_chain_up_to_a_root_that_is_not_ours_is_unsigned_like_any(port, tmp_path):
    """Though the sender shows the root as well."""
    leaf = STRANGER.issue_cert(SENDER)
    file = tmp_path / "chain.pem"
    blobs = [leaf.private_key_pem, *leaf.cert_chain_pems, STRANGER.cert_pem]
    file.write_bytes(b"".join(each.bytes() for each in blobs))
    context = sender_context()
    context.load_cert_chain(file)
    assert port.refuse(context) == UNSIGNED


@pytest.mark.parametrize(
    ("fault", "depth", "words"),
    [
        (10, 1, "an authority above the sender's certificate has expired"),
        (26, 0, "the sender's certificate is not one for clients"),
        (66, 0, "the sender's certificate has a key or signature that is too weak"),
        (7, 1, UNSIGNED),
        (22, 0, "the sender's certificate failed its check (X.509 error 22)"),
    ],
)
def test_rarer_faults_of_a_certificate_have_words_too(fault, depth, words):
    """By the number of OpenSSL's X509_V_ERR, which stays the same from release to release."""
    assert _certificate_fault(fault, depth) == words


def test_old_tls_is_told(port):
    """TLS 1.1 is no longer spoken by anybody who should."""
    old = sender_context(GOOD, version=ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0")
    assert port.refuse(old) == "the sender speaks TLS 1.1 or older"


def test_suites_that_we_do_not_speak_are_told(port):
    """Without forward secrecy, or without authenticated encryption."""
    context = sender_context(GOOD, version=ssl.TLSVersion.TLSv1_2, ciphers="AES128-SHA:ECDHE-ECDSA-AES128-SHA256")
    assert port.refuse(context) == "the sender and we have no cipher suite in common"


@VERSIONS
def test_a_sender_that_does_not_trust_us_is_told_by_its_alert(port, version):
    """Another authority, or another name than the one it connects to: ours is the certificate to look at."""
    stranger = sender_context(GOOD, trusts=STRANGER, version=version)
    assert port.refuse(stranger) == f"{DISTRUST} (alert unknown ca)"
    assert port.refuse(sender_context(GOOD, version=version), "elsewhere.test") == f"{DISTRUST} (alert bad certificate)"


def test_our_own_expired_certificate_is_told_by_the_senders_alert(tmp_path):
    """What an operator must hear first."""
    port = Port(write_tls(tmp_path, sent_by(OURS, "127.0.0.1", begins=-9, ends=-1)))
    assert port.refuse(sender_context(GOOD)) == "to the sender our certificate has expired (alert certificate expired)"
    port.close()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x0bMSH|^~\\&|EHR|GOODHOPE\rPID|1\r\x1c\r", "plain text on a TLS port"),
        (b"\x0b", "plain text on a TLS port"),
        (b"GET / HTTP/1.1\r\nHost: bridge\r\n\r\n", "HTTP on a TLS port"),
        (b"OPTIONS / HTTP/1.1\r\n\r\n", "HTTP on a TLS port"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "the sender closed the connection in the handshake"),
        (b"\x16\x03\x01\x00\x05hello", "the handshake failed: unexpected message"),
        (b"\x16\x03\x01\x00\x02\x01", "the sender closed the connection in the handshake"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "plain text on a TLS port"),
        (b"", ""),
    ],
)
def test_what_is_no_handshake_is_told_by_how_it_begins(port, data, words):
    """A sender without TLS, a browser, half a handshake; and a check that only looks whether the port is open."""
    assert port.tell(data) == words


def test_what_we_closed_ourselves_is_no_refusal(port):
    """As when the daemon stops while a sender shakes hands."""
    with socket.create_connection(port.address, SECONDS) as plain:
        plain.sendall(b"\x16\x03\x01")
        reactor.callFromThread(port.connections.get(timeout=SECONDS).abortConnection)
        assert port.cause() == ""


def test_the_names_of_a_sender_are_those_on_its_certificate(port):
    """All DNS names, and the common name, in small letters; a connection that ends in peace has no cause."""
    made = THEIRS.issue_cert("Ehr.Hospital.Example", "lab.hospital.example", common_name="Interface Engine 7")
    with socket.create_connection(port.address, SECONDS) as plain:
        with sender_context(made).wrap_socket(plain, server_hostname="127.0.0.1") as sender:
            found = port.names.get(timeout=SECONDS)
            sender.unwrap()
    assert found == {"ehr.hospital.example", "lab.hospital.example", "interface engine 7"}
    assert port.cause() == ""


def test_a_certificate_without_dns_names_has_its_common_name(port):
    """As older ones have."""
    with socket.create_connection(port.address, SECONDS) as plain:
        made = THEIRS.issue_cert(common_name="Interface Engine 7")
        with sender_context(made).wrap_socket(plain, server_hostname="127.0.0.1"):
            assert port.names.get(timeout=SECONDS) == {"interface engine 7"}
    assert port.cause() == ""


def test_a_sender_that_is_not_asked_has_no_name(tmp_path):
    """Nor has one that does not speak TLS at all."""
    port = Port(write_tls(tmp_path, HOST, client_ca=None))
    with socket.create_connection(port.address, SECONDS) as plain:
        with sender_context(GOOD).wrap_socket(plain, server_hostname="127.0.0.1"):
            assert port.names.get(timeout=SECONDS) == frozenset()
    port.close()
    assert peer_names(object()) == frozenset()
    assert refusal_cause(object(), Failure(ConnectionDone())) == ""


def test_tls_that_breaks_after_the_handshake_is_told(port):
    """Something between the two that changes bytes."""
    with socket.create_connection(port.address, SECONDS) as plain:
        with sender_context(GOOD).wrap_socket(plain, server_hostname="127.0.0.1") as sender:
            port.names.get(timeout=SECONDS)
            with socket.socket(fileno=sender.detach()) as under:
                under.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
                assert port.cause().startswith("TLS broke: ")
