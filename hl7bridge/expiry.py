"""Settings -> when each certificate that they name stops being good, for `status` and as warnings in the log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog

from hl7bridge.config import Settings
from hl7bridge.net.certificates import UnusableFileError, first_to_expire, read_certificates

WARN_DAYS: Final = 30  # how long before a certificate expires that is said, and said again every day
_DAY: Final = dt.timedelta(days=1)
_log = structlog.get_logger("hl7bridge.expiry")


class Expiry(NamedTuple):
    """One file of certificates: the key that names it, and when the first of them expires; None: unreadable."""

    name: str  # as `listeners.ehr.tls.certificate`
    file: Path
    expires_at: dt.datetime | None

    def days(self, now: dt.datetime) -> int | None:
        """Return the whole days that are left; negative once it has expired, None when the file is unreadable."""
        return None if self.expires_at is None else (self.expires_at - now) // _DAY


def read_expiries(settings: Settings) -> list[Expiry]:
    """Read every file of certificates that the listeners and destinations name; a file that cannot be is no error."""
    return [Expiry(name, file, _expires_at(file)) for name, file in _named(settings)]


def certificate_rows(settings: Settings, now: dt.datetime) -> list[dict[str, Any]]:
    """Return what `status` shows of each certificate: name, file, expires_at and days (None: cannot be read)."""
    return [
        {"name": each.name, "file": each.file, "expires_at": each.expires_at, "days": each.days(now)}
        for each in read_expiries(settings)
    ]


def warn_of_expiry(settings: Settings, now: dt.datetime) -> None:
    """Log each certificate that has expired or soon will, and each that could not be read at the next start."""
    for each in read_expiries(settings):
        days = each.days(now)
        if days is None:
            _log.warning("certificate_unreadable", certificate=each.name, file=str(each.file))
        elif days < WARN_DAYS:
            log = _log.error if days < 0 else _log.warning
            log("certificate_expires", certificate=each.name, file=str(each.file), days=days)


def _named(settings: Settings) -> Iterator[tuple[str, Path]]:
    sections: list[tuple[str, str, Any]] = [
        *(("listeners", each.name, each.tls) for each in settings.listeners),
        *(("destinations", each.name, each.tls) for each in settings.destinations),
    ]
    for section, name, tls in sections:
        for key in ("certificate", "client_ca", "ca"):
            file = getattr(tls, key, None)
            if file is not None:
                yield f"{section}.{name}.tls.{key}", file


def _expires_at(file: Path) -> dt.datetime | None:
    try:
        return first_to_expire(read_certificates(file))
    except UnusableFileError:
        return None
