"""PEM files -> certificates and keys, or in words why a file cannot be used and how to mend it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from hl7bridge.errors import BridgeError

_PUBLIC: Final = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class UnusableFileError(BridgeError):
    """A file of TLS that cannot be used: which, what is wrong with it, and how to mend it."""

    def __init__(self, file: Path, problem: str, hint: str = "") -> None:
        self.file = file
        self.problem = problem
        self.hint = hint
        super().__init__(f"{file}: {problem}" + (f" ({hint})" if hint else ""))


def read_certificates(file: Path) -> list[x509.Certificate]:
    """Return the certificates of a PEM file in their order, at least one; raises UnusableFileError."""
    try:
        return x509.load_pem_x509_certificates(_read(file))
    except ValueError:
        raise UnusableFileError(file, "not a certificate", "expected PEM: -----BEGIN CERTIFICATE-----") from None


def read_private_key(file: Path) -> Any:
    """Return the private key of a PEM file, as `cryptography` has it; raises UnusableFileError."""
    content = _read(file)
    try:
        return load_pem_private_key(content, password=None)
    except TypeError:
        problem = UnusableFileError(
            file, "the key is locked with a passphrase", "the daemon starts with nobody there to type it"
        )
    except ValueError:
        problem = UnusableFileError(file, "not a private key", "expected PEM: -----BEGIN PRIVATE KEY-----")
    raise problem


def is_key_of(key: Any, certificate: x509.Certificate) -> bool:
    """Return whether a private key belongs to a certificate."""
    return bool(certificate.public_key().public_bytes(*_PUBLIC) == key.public_key().public_bytes(*_PUBLIC))


def first_to_expire(certificates: list[x509.Certificate]) -> dt.datetime:
    """Return when a file's certificates stop being good, all of them together: a chain is as good as each link."""
    return min(each.not_valid_after_utc for each in certificates)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnusableFileError(file, f"cannot read: {error.strerror}") from None
