"""The certificates and keys that a configuration names -> what is wrong with them, before a partner finds out."""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hl7bridge.errors import Problem
from hl7bridge.expiry import WARN_DAYS
from hl7bridge.net.certificates import (
    UnusableFileError,
    first_to_expire,
    is_key_of,
    read_certificates,
    read_private_key,
)
from hl7bridge.tomlfile import KeyPath

if TYPE_CHECKING:
    from hl7bridge.cli.check import Subject


def check_certificates(subject: Subject) -> Iterator[Problem]:
    """See that each is readable, in its time, and that certificates and keys are pairs."""
    for path, file, key in _files(subject):
        yield from _check_certificate(subject, path, file)
        if key:
            yield from _check_key(subject, (*path[:-1], "key"), key, file)


def warn_of_certificates(subject: Subject) -> Iterator[Problem]:
    """Tell of certificates that are good today and soon will not be."""
    now = dt.datetime.now(dt.UTC)
    for path, file, _ in _files(subject):
        try:
            certificates = read_certificates(file)
        except UnusableFileError:
            continue  # that is a problem, and said as one
        until = first_to_expire(certificates)
        if now <= until < now + dt.timedelta(days=WARN_DAYS):
            yield subject.toml.problem(path, f"{file}: expires on {until:%Y-%m-%d}", "renew it")


def _files(subject: Subject) -> Iterator[tuple[KeyPath, Path, Path | None]]:
    """Yield each file of certificates with its place in the configuration, and the key that goes with it."""
    for index, listener in enumerate(subject.settings.listeners):
        if listener.tls:
            path = ("listeners", index, "tls")
            yield (*path, "certificate"), listener.tls.certificate, listener.tls.key
            if listener.tls.client_ca:
                yield (*path, "client_ca"), listener.tls.client_ca, None
    for index, destination in enumerate(subject.settings.destinations):
        if destination.tls:
            path = ("destinations", index, "tls")
            yield (*path, "ca"), destination.tls.ca, None
            if destination.tls.certificate:
                yield (*path, "certificate"), destination.tls.certificate, destination.tls.key


def _check_certificate(subject: Subject, path: KeyPath, file: Path) -> Iterator[Problem]:
    try:
        certificates = read_certificates(file)
    except UnusableFileError as error:
        yield subject.toml.problem(path, f"{file}: {error.problem}", error.hint)
        return
    now = dt.datetime.now(dt.UTC)
    for certificate in certificates:
        if certificate.not_valid_after_utc < now:
            yield subject.toml.problem(path, f"{file}: expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
        elif certificate.not_valid_before_utc > now:
            day = f"{certificate.not_valid_before_utc:%Y-%m-%d}"
            yield subject.toml.problem(path, f"{file}: not valid before {day}", "is the clock right?")


def _check_key(subject: Subject, path: KeyPath, file: Path, certificate: Path) -> Iterator[Problem]:
    try:
        key = read_private_key(file)
    except UnusableFileError as error:
        yield subject.toml.problem(path, f"{file}: {error.problem}", error.hint)
        return
    if stat.S_IMODE(file.stat().st_mode) & stat.S_IROTH:
        yield subject.toml.problem(path, f"{file}: everybody can read this key", f"chmod 600 {file}")
        return
    try:
        leaf = read_certificates(certificate)[0]
    except UnusableFileError:
        return  # said above
    if not is_key_of(key, leaf):
        yield subject.toml.problem(path, f"{file}: not the key of {certificate}")
