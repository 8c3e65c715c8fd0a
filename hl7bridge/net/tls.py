"""PEM files -> TLS 1.2 or later at a listener, renewed while it listens; and why a handshake failed, in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.python.failure import Failure
from zope.interface import implementer

from hl7bridge.errors import BridgeError
from hl7bridge.net.certificates import UnusableFileError, is_key_of, read_certificates, read_private_key

# TLS 1.2: forward secrecy and authenticated encryption, nothing else. TLS 1.3 has no other suites. Source: RFC 9325.
_SUITES: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_OPTIONS: Final = (
    SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET | SSL.OP_CIPHER_SERVER_PREFERENCE
)  # without tickets no session is resumed: a sender's certificate is looked at in every connection
_HEAD: Final = 8  # bytes of a connection that are kept to tell what it spoke
_HANDSHAKE_RECORD: Final = 0x16  # RFC 8446 section 5.1
_SSL_2: Final = 0x80  # RFC 5246 appendix E.2
_HTTP: Final = re.compile(rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE) ")
_ALERT: Final = re.compile(r"\balert (.+)$")


class ServerTls(NamedTuple):
    """A listener's certificate and key; with ``client_ca`` a sender must show a certificate which that signed."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class ReadTls(NamedTuple):
    """The files of a listener as they were read: what new connections are made with, and its certificates."""

    context: SSL.Context
    certificates: tuple[x509.Certificate, ...]


class _Connection(SSL.Connection):
    """One TLS connection, with what is needed to say why it failed."""

    head = b""  # the first bytes that came
    fault: tuple[int, int] | None = None  # X509_V_ERR_... and the depth of the certificate that was refused
    is_established = False

    def bio_write(self, buf: Any) -> int:
        """Take what came from the socket; Twisted calls this."""
        if not self.head:
            self.head = bytes(buf[:_HEAD])
        return super().bio_write(buf)

    def do_handshake(self) -> None:
        """Go on with the handshake; raises WantReadError until it is complete. Twisted calls this."""
        super().do_handshake()
        self.is_established = True


@implementer(IOpenSSLServerConnectionCreator)
class ServerOptions:
    """What a listener shows and asks for; Twisted makes each connection by it."""

    def __init__(self, read: ReadTls) -> None:
        self._read = read

    def use(self, read: ReadTls) -> bool:
        """Make connections with these from now on, and return whether they are others; open connections go on."""
        old, self._read = self._read, read
        return old.certificates != read.certificates

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:  # noqa: ARG002, N802  (Twisted's signature)
        """Return the TLS side of a new connection."""
        return _Connection(self._read.context)


def server_options(tls: ServerTls) -> ServerOptions:
    """Read the files. Raises BridgeError naming the one that cannot be used."""
    return ServerOptions(read_tls(tls))


def read_tls(tls: ServerTls) -> ReadTls:
    """Read the files and see that they go together. Raises BridgeError naming the one that cannot be used."""
    chain = read_certificates(tls.certificate)
    key = read_private_key(tls.key)
    if not is_key_of(key, chain[0]):
        raise UnusableFileError(tls.key, f"not the key of {tls.certificate}")
    trusted = read_certificates(tls.client_ca) if tls.client_ca else []
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # thousands of quiet connections must not each keep buffers
    context.set_cipher_list(_SUITES)
    try:
        context.use_certificate(chain[0])
        context.use_privatekey(key)
        for each in chain[1:]:
            context.add_extra_chain_cert(each)
    except SSL.Error as problem:
        raise UnusableFileError(tls.certificate, f"cannot be used: {_reason(problem)}") from None
    if trusted:
        _ask_for_certificate(context, trusted)
    return ReadTls(context, (*chain, *trusted))


def _ask_for_certificate(context: SSL.Context, trusted: list[x509.Certificate]) -> None:
    """Take senders with a certificate that one of these signed, be it a root or an authority below one.

    Their names are not sent to the sender: one that has only another authority's certificate then shows that, and the
    log can say so.
    """
    store = context.get_cert_store()
    if store is None:
        raise BridgeError("TLS: there is no store of trusted certificates")
    for each in trusted:
        store.add_cert(crypto.X509.from_cryptography(each))
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _note_fault)


def _note_fault(connection: SSL.Connection, _certificate: crypto.X509, fault: int, depth: int, ok: int) -> bool:
    if not ok and isinstance(connection, _Connection):
        connection.fault = (fault, depth)
    return bool(ok)


def peer_names(transport: Any) -> frozenset[str]:
    """Return the names on the sender's certificate, in small letters: DNS names it is for, and its common name.

    Empty when it showed none, which can only be where none is asked for, and without TLS. Source: RFC 6125.
    """
    connection = _connection_of(transport)
    certificate = connection.get_peer_certificate(as_cryptography=True) if connection else None
    if certificate is None:
        return frozenset()
    found = [each.value for each in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found += names.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        pass  # a certificate without such names, or with some that cannot be read
    return frozenset(str(each).casefold() for each in found)


def refusal_cause(transport: Any, reason: Failure) -> str:
    """Return why TLS ended before or in the handshake, or broke after it, in words; "" when that is not what happened.

    To be asked in connectionLost: afterwards the transport has forgotten.
    """
    connection = _connection_of(transport)
    if connection is None:
        return ""
    problem = reason.value if isinstance(reason.value, SSL.Error) else None
    if connection.is_established:
        return f"TLS broke: {_reason(problem)}" if problem else ""
    if not connection.head or transport.disconnecting:
        return ""  # it sent nothing, as a port check does; or it was us who closed
    return _opening_fault(connection.head) or _handshake_fault(connection, problem)


def _connection_of(transport: Any) -> _Connection | None:
    handle = transport.getHandle() if hasattr(transport, "getHandle") else None
    return handle if isinstance(handle, _Connection) else None


def _reason(problem: SSL.Error) -> str:
    """Return OpenSSL's last word on a problem."""
    queue = problem.args[0] if problem.args and isinstance(problem.args[0], list) else []
    return str(queue[-1][-1]) if queue else type(problem).__name__


def _opening_fault(head: bytes) -> str:
    """Return what a connection spoke that did not begin with TLS; SSL 2 has the first bit set."""
    if head[0] == _HANDSHAKE_RECORD or head[0] >= _SSL_2:
        return ""
    return "HTTP on a TLS port" if _HTTP.match(head) else "plain text on a TLS port"


def _handshake_fault(connection: _Connection, problem: SSL.Error | None) -> str:
    if connection.fault is not None:
        return _certificate_fault(*connection.fault)
    if problem is None:
        return "the sender closed the connection in the handshake"
    reason = _reason(problem)
    alert = _ALERT.search(reason)
    if alert is None:
        return _HANDSHAKE_FAULTS.get(reason, f"the handshake failed: {reason}")
    return _ALERTS.get(alert[1], "the sender ended the handshake") + f" (alert {alert[1]})"


def _certificate_fault(fault: int, depth: int) -> str:
    whose = "an authority above the sender's certificate" if depth else "the sender's certificate"
    if fault in _UNTRUSTED:
        return "the sender's certificate was not signed by client_ca"
    return f"{whose} {_CERTIFICATE_FAULTS.get(fault, f'failed its check (X.509 error {fault})')}"


_CODES: Final = SSL.X509VerificationCodes
_UNTRUSTED: Final = {
    _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT,
    _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    _CODES.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    _CODES.ERR_SELF_SIGNED_CERT_IN_CHAIN,
    _CODES.ERR_CERT_SIGNATURE_FAILURE,
}
_WEAK: Final = "has a key or signature that is too weak"
_CERTIFICATE_FAULTS: Final = {
    _CODES.ERR_CERT_HAS_EXPIRED: "has expired",
    _CODES.ERR_CERT_NOT_YET_VALID: "is not valid yet",
    _CODES.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: "is self-signed, not signed by client_ca",
    _CODES.ERR_INVALID_PURPOSE: "is not one for clients",
    _CODES.ERR_INVALID_CA: "is not an authority's",
    66: _WEAK,  # X509_V_ERR_EE_KEY_TOO_SMALL, and the two after it: pyOpenSSL has no names for them
    67: _WEAK,
    68: _WEAK,
}
_OLD: Final = "the sender speaks TLS 1.1 or older"
_NO_SUITE: Final = "the sender and we have no cipher suite in common"
_HANDSHAKE_FAULTS: Final = {
    "peer did not return a certificate": "the sender showed no certificate",
    "unsupported protocol": _OLD,
    "version too low": _OLD,
    "wrong ssl version": _OLD,
    "no shared cipher": _NO_SUITE,
    "no suitable key share": _NO_SUITE,
    "no suitable groups": _NO_SUITE,
    "no suitable signature algorithm": _NO_SUITE,
}
_DISTRUST: Final = "the sender does not trust our certificate"
_ALERTS: Final = {
    "unknown ca": _DISTRUST,
    "bad certificate": _DISTRUST,
    "certificate unknown": _DISTRUST,
    "unsupported certificate": _DISTRUST,
    "certificate revoked": _DISTRUST,
    "certificate expired": "to the sender our certificate has expired",
    "protocol version": "the sender wants another version of TLS",
    "handshake failure": _NO_SUITE,
    "insufficient security": _NO_SUITE,
}
