"""Text of a settings file -> durations, sizes, addresses, networks, times of day and names, and back to text."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*(ms|s|min|h|d)\Z")
_SIZE = re.compile(r"(\d{1,9})\s*(B|KiB|MiB|GiB)\Z")
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\[\]:\s]+)):(\d{1,5})\Z")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.?)+\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}\Z")
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\Z")
_SECONDS: Final = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_LONGEST = dt.timedelta(days=366)
_TEN_YEARS = dt.timedelta(days=3660)
_LAST_PORT = 65535


class SettingError(ValueError):
    """A value that is refused: what is wrong, and how to write it."""

    def __init__(self, problem: str, hint: str = "") -> None:
        self.problem = problem
        self.hint = hint
        super().__init__(problem)


class Address(NamedTuple):
    """A TCP endpoint; ``host`` is an IP address or, for a destination, a host name."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent here stays on this machine."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        """Return ``127.0.0.1:2575`` or ``[::1]:2575``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the host and port of ``HOST:PORT`` or ``[IPV6]:PORT``; raises SettingError."""
    hint = 'write "127.0.0.1:2575", or "[::1]:2575" for IPv6'
    found = _ADDRESS.match(text)
    if not found:
        raise SettingError("not an address with a port", hint)
    if found[1] is not None and not _is_ip(found[1]):
        raise SettingError("not an IPv6 address", hint)
    host = found[1] or found[2]
    if not _is_ip(host) and not _HOST_NAME.match(host):
        raise SettingError("not a host name", hint)
    port = int(found[3])
    if port > _LAST_PORT:
        raise SettingError("not a port", f"ports are 1 to {_LAST_PORT}")
    return Address(host, port)


def parse_bind(text: str) -> Address:
    """Return where to listen: an IP address of this machine, port 0 for any free one; raises SettingError."""
    address = parse_address(text)
    if not _is_ip(address.host):
        raise SettingError(
            "a listener needs an IP address, not a host name", f'write "127.0.0.1:{address.port}" for this machine only'
        )
    return address


def parse_connect(text: str) -> Address:
    """Return where to connect to: an IP address or host name, and a port; raises SettingError."""
    address = parse_address(text)
    if address.port == 0:
        raise SettingError("port 0 cannot be connected to", f"ports are 1 to {_LAST_PORT}")
    return address


def parse_duration(text: str) -> dt.timedelta:
    """Return ``30 s``, ``5 min``, ``2 h``, ``1.5 s``, ``500 ms`` or ``7 d`` as a timedelta; raises SettingError."""
    return _duration(text, _LONGEST, "a year")


def parse_years(text: str) -> dt.timedelta:
    """Return a duration of at most ten years; raises SettingError."""
    return _duration(text, _TEN_YEARS, "ten years")


def _duration(text: str, longest: dt.timedelta, said: str) -> dt.timedelta:
    found = _DURATION.match(text.strip())
    if not found:
        raise SettingError("not a duration", 'write "500 ms", "30 s", "5 min", "2 h" or "7 d"')
    seconds = float(found[1]) * _SECONDS[found[2]]
    if not 0 < seconds <= longest.total_seconds():
        raise SettingError(f"a duration is more than 0 and at most {said}")
    return dt.timedelta(seconds=seconds)


def duration_text(duration: dt.timedelta) -> str:
    """Return a duration in the largest unit that gives a whole number: ``90 s``, ``5 min``."""
    thousandths = duration // dt.timedelta(milliseconds=1)
    for unit in ("d", "h", "min", "s"):
        size = int(_SECONDS[unit] * 1000)
        if thousandths % size == 0:
            return f"{thousandths // size} {unit}"
    return f"{thousandths} ms"


def parse_size(text: str) -> int:
    """Return the bytes of ``16 MiB`` (B, KiB, MiB, GiB); raises SettingError."""
    found = _SIZE.match(text.strip())
    if not found:
        raise SettingError("not a size", 'write "64 KiB" or "16 MiB"')
    return int(found[1]) * _BYTES[found[2]]


def size_text(size: int) -> str:
    """Return a number of bytes in the largest unit that gives a whole number: ``16 MiB``."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]} {unit}"
    return f"{size} B"


def parse_network(text: str) -> Network:
    """Return the network of ``10.2.0.0/16``, or of one address; raises SettingError."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        wider = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise SettingError("not a network", 'write "10.2.0.0/16", or one address') from None
    raise SettingError("an address with host bits beyond its prefix", f'write "{wider}"')


def parse_time_of_day(text: str) -> dt.time:
    """Return the time of ``05:00`` (24 hours); raises SettingError."""
    found = _TIME_OF_DAY.match(text)
    if not found:
        raise SettingError("not a time of day", 'write "05:00" or "23:30"')
    return dt.time(int(found[1]), int(found[2]))


def parse_time_zone(text: str) -> str:
    """Return the key of a time zone that exists, as ``America/New_York``; raises SettingError."""
    try:
        return ZoneInfo(text).key
    except (ValueError, LookupError, OSError):
        raise SettingError("not a time zone", 'write an IANA name, as "America/New_York" or "UTC"') from None


def parse_name(text: str) -> str:
    """Return a name that is safe in a file name and a log line; raises SettingError."""
    if not _NAME.match(text):
        raise SettingError("not a name", "letters, digits, '-' and '_', at most 40, beginning with a letter or digit")
    return text


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
