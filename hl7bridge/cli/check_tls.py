"""The certificates and keys that a configuration names -> what is wrong with them, before a partner finds out."""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from hl7bridge.errors import Problem
from hl7bridge.tomlfile import KeyPath

if TYPE_CHECKING:
    from hl7bridge.cli.check import Subject

_PUBLIC: Final = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class _UnusableError(Exception):
    """A file that cannot be used: what is wrong, and how to mend it."""

    def __init__(self, problem: str, hint: str = "") -> None:
        self.problem = problem
        self.hint = hint
        super().__init__(problem)


def check_certificates(subject: Subject) -> Iterator[Problem]:
    """See that each is readable, in its time, and that certificates and keys are pairs."""
    for index, listener in enumerate(subject.settings.listeners):
        if listener.tls:
            path = ("listeners", index, "tls")
            yield from _check_pair(subject, path, listener.tls.certificate, listener.tls.key)
            if listener.tls.client_ca:
                yield from _check_certificate(subject, (*path, "client_ca"), listener.tls.client_ca)
    for index, destination in enumerate(subject.settings.destinations):
        if destination.tls:
            path = ("destinations", index, "tls")
            yield from _check_certificate(subject, (*path, "ca"), destination.tls.ca)
            if destination.tls.certificate and destination.tls.key:
                yield from _check_pair(subject, path, destination.tls.certificate, destination.tls.key)


def _check_pair(subject: Subject, path: KeyPath, certificate: Path, key: Path) -> Iterator[Problem]:
    yield from _check_certificate(subject, (*path, "certificate"), certificate)
    try:
        public = _public_key_of(key)
    except _UnusableError as error:
        yield subject.toml.problem((*path, "key"), f"{key}: {error.problem}", error.hint)
        return
    try:
        leaf = _certificates(certificate)[0]
    except _UnusableError:
        return  # said above
    if leaf.public_key().public_bytes(*_PUBLIC) != public:
        yield subject.toml.problem((*path, "key"), f"{key}: not the key of {certificate}")


def _check_certificate(subject: Subject, path: KeyPath, file: Path) -> Iterator[Problem]:
    try:
        certificates = _certificates(file)
    except _UnusableError as error:
        yield subject.toml.problem(path, f"{file}: {error.problem}", error.hint)
        return
    now = dt.datetime.now(dt.UTC)
    for certificate in certificates:
        if certificate.not_valid_after_utc < now:
            yield subject.toml.problem(path, f"{file}: expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
        elif certificate.not_valid_before_utc > now:
            day = f"{certificate.not_valid_before_utc:%Y-%m-%d}"
            yield subject.toml.problem(path, f"{file}: not valid before {day}", "is the clock right?")


def _certificates(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(file))
    except ValueError:
        raise _UnusableError("not a certificate", "expected PEM: -----BEGIN CERTIFICATE-----") from None


def _public_key_of(file: Path) -> bytes:
    content = _read(file)
    if stat.S_IMODE(file.stat().st_mode) & stat.S_IROTH:
        raise _UnusableError("everybody can read this key", f"chmod 600 {file}")
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        raise _UnusableError("the key is locked with a passphrase", "the daemon starts with nobody there") from None
    except ValueError:
        raise _UnusableError("not a private key", "expected PEM: -----BEGIN PRIVATE KEY-----") from None
    return key.public_key().public_bytes(*_PUBLIC)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _UnusableError(f"cannot read: {error.strerror}") from None
