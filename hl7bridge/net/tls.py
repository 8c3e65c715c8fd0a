"""PEM files -> what a listener needs to speak TLS 1.2 or later, and to ask a sender for its certificate."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from OpenSSL import SSL, crypto
from twisted.internet import ssl

from hl7bridge.errors import BridgeError

_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class ServerTls(NamedTuple):
    """A listener's certificate and key; with ``client_ca`` a sender must show a certificate which that signed."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


def server_options(tls: ServerTls) -> Any:
    """Return Twisted's context factory. Raises BridgeError naming the file that cannot be used."""
    chain = _certificates(tls.certificate)
    try:
        key = crypto.load_privatekey(crypto.FILETYPE_PEM, tls.key.read_bytes())
    except (OSError, crypto.Error) as error:
        raise BridgeError(f"{tls.key}: cannot be used as a private key: {type(error).__name__}") from None
    trust = None
    if tls.client_ca is not None:
        trust = ssl.trustRootFromCertificates([ssl.Certificate(each) for each in _certificates(tls.client_ca)])
    try:
        options = ssl.CertificateOptions(
            privateKey=key,
            certificate=chain[0],
            extraCertChain=chain[1:],
            trustRoot=trust,
            raiseMinimumTo=ssl.TLSVersion.TLSv1_2,
        )
        options.getContext()
    except (SSL.Error, ValueError) as error:
        raise BridgeError(f"{tls.certificate}: certificate and key do not go together: {error}") from None
    return options


def _certificates(path: Path) -> list[Any]:
    try:
        found = _CERTIFICATE.findall(path.read_bytes())
        if not found:
            raise BridgeError(f"{path}: no certificate in PEM form")
        return [crypto.load_certificate(crypto.FILETYPE_PEM, each) for each in found]
    except (OSError, crypto.Error) as error:
        raise BridgeError(f"{path}: cannot be used as a certificate: {type(error).__name__}") from None
