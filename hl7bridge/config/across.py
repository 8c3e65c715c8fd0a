"""A settings file -> the problems that lie between keys, found whether or not each key alone is right."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from hl7bridge.config.values import SettingError, parse_address, parse_duration
from hl7bridge.errors import Problem
from hl7bridge.tomlfile import TomlFile

_Table = dict[str, Any]


def problems_across(toml: TomlFile) -> list[Problem]:
    """Return problems between keys: names used twice, plaintext off loopback, half a TLS pair, unclear routes."""
    problems: list[Problem] = []
    for find in (_names, _ports, _ways, _plaintext, _tls, _clients, _ack_routes, _retry, _routes, _codes, _folders):
        problems.extend(find(toml))
    return problems


def _tables(toml: TomlFile, key: str) -> list[tuple[int, _Table]]:
    value = toml.data.get(key)
    return [(i, each) for i, each in enumerate(value if isinstance(value, list) else []) if isinstance(each, dict)]


def _parsed(parse: Callable[[str], Any], value: object) -> Any:
    """Return the parsed value, or None: what is wrong with a key alone is said elsewhere."""
    try:
        return parse(value) if isinstance(value, str) else None
    except SettingError:
        return None


def _names(toml: TomlFile) -> Iterator[Problem]:
    kinds = (("listeners", "name"), ("destinations", "name"), ("agencies", "name"), ("facilities", "code"))
    for key, naming in kinds:
        first: dict[str, int] = {}
        for index, table in _tables(toml, key):
            name = table.get(naming)
            if not isinstance(name, str):
                continue
            if name in first:
                path = (key, index, naming)
                yield toml.problem(path, f'"{name}" is used twice', f"also {key}[{first[name] + 1}]")
            first.setdefault(name, index)


def _ports(toml: TomlFile) -> Iterator[Problem]:
    taken: dict[Any, int] = {}
    for index, table in _tables(toml, "listeners"):
        address = _parsed(parse_address, table.get("bind"))
        if address is None or address.port == 0:
            continue
        if address in taken:
            path = ("listeners", index, "bind")
            yield toml.problem(path, f"{address} is taken", f"also listeners[{taken[address] + 1}]")
        taken.setdefault(address, index)


def _ways(toml: TomlFile) -> Iterator[Problem]:
    """Find destinations that payments have no way to, or two."""
    for index, table in _tables(toml, "destinations"):
        given = [key for key in ("connect", "lockbox") if key in table]
        if len(given) == 1:
            continue
        problem = "has both connect and lockbox" if given else "has neither connect nor lockbox"
        hint = "payments go out by messages (connect) or by files (lockbox): give one"
        yield toml.problem(("destinations", index, *given[1:]), problem, hint)


def _plaintext(toml: TomlFile) -> Iterator[Problem]:
    for key, naming in (("listeners", "bind"), ("destinations", "connect")):
        for index, table in _tables(toml, key):
            address = _parsed(parse_address, table.get(naming))
            if address is None or address.is_loopback or "tls" in table:
                continue
            if table.get("plaintext_off_loopback") is not True:
                yield toml.problem(
                    (key, index, naming),
                    "patient data would cross the network unencrypted",
                    "add tls = { ... }, or say plaintext_off_loopback = true when a VPN carries it",
                )


def _tls(toml: TomlFile) -> Iterator[Problem]:
    for index, table in _tables(toml, "destinations"):
        tls = table.get("tls")
        if isinstance(tls, dict) and ("certificate" in tls) != ("key" in tls):
            given, absent = ("certificate", "key") if "certificate" in tls else ("key", "certificate")
            yield toml.problem(("destinations", index, "tls", given), f"needs {absent} too", "give both, or neither")


def _clients(toml: TomlFile) -> Iterator[Problem]:
    """Find names of clients' certificates where no certificate is asked for."""
    for index, table in _tables(toml, "listeners"):
        tls = table.get("tls")
        if isinstance(tls, dict) and tls.get("clients") and "client_ca" not in tls:
            path = ("listeners", index, "tls", "clients")
            yield toml.problem(path, "no certificate is asked for", "give client_ca, the authority that signed them")


def _ack_routes(toml: TomlFile) -> Iterator[Problem]:
    """Find application replies that go to a destination which is not there, or takes files."""
    names = [table.get("name") for _, table in _tables(toml, "destinations") if "lockbox" not in table]
    for index, table in _tables(toml, "listeners"):
        name = table.get("application_ack_to")
        if isinstance(name, str) and name not in names:
            hint = f"there are: {', '.join(map(str, names))}" if names else "there are none"
            yield toml.problem(("listeners", index, "application_ack_to"), f'no destination is named "{name}"', hint)


def _retry(toml: TomlFile) -> Iterator[Problem]:
    for index, table in _tables(toml, "destinations"):
        retry = table.get("retry")
        if not isinstance(retry, dict):
            continue
        first = _parsed(parse_duration, retry.get("first", "1 s"))
        ceiling = _parsed(parse_duration, retry.get("ceiling", "5 min"))
        if first and ceiling and ceiling < first:
            key = "ceiling" if "ceiling" in retry else "first"
            hint = "the first wait is at most the longest"
            yield toml.problem(("destinations", index, "retry", key), "retry.ceiling is shorter than retry.first", hint)


def _routes(toml: TomlFile) -> Iterator[Problem]:
    """Find facilities that two destinations take: a payment goes to one."""
    takers: dict[str, int] = {}
    for index, table in _tables(toml, "destinations"):
        facilities = table.get("facilities") or [""]
        for facility in facilities if isinstance(facilities, list) else []:
            if not isinstance(facility, str):
                continue
            if takers.get(facility, index) != index:
                what = f'facility "{facility}" is' if facility else "all other facilities are"
                yield toml.problem(
                    ("destinations", index, "facilities"),
                    f"{what} taken by destinations[{takers[facility] + 1}] already",
                    "a payment goes to one destination: name each facility once",
                )
            takers.setdefault(facility, index)


def _codes(toml: TomlFile) -> Iterator[Problem]:
    """Find codes for agencies that there are not."""
    agencies = [table.get("name") for _, table in _tables(toml, "agencies")]
    for index, table in _tables(toml, "destinations"):
        codes = table.get("codes")
        for key in ("payment_by_agency", "adjustment_by_agency"):
            listed = codes.get(key) if isinstance(codes, dict) else None
            for name in listed if isinstance(listed, dict) else ():
                if name not in agencies:
                    hint = "write the name of one of [[agencies]]"
                    yield toml.problem(("destinations", index, "codes", key), f'no agency is named "{name}"', hint)


def _folders(toml: TomlFile) -> Iterator[Problem]:
    taken: dict[str, tuple[int, str]] = {}
    for index, table in _tables(toml, "agencies"):
        for key in ("outgoing", "incoming"):
            folder = table.get(key)
            if not isinstance(folder, str):
                continue
            folder = posixpath.normpath(folder)
            if folder in taken:
                other, other_key = taken[folder]
                whose = "the same as " + other_key if other == index else "the folder of another agency"
                yield toml.problem(("agencies", index, key), f"is {whose}", f"also agencies[{other + 1}].{other_key}")
            taken.setdefault(folder, (index, key))
