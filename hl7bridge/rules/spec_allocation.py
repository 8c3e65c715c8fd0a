"""The allocations of a rules file -> the shares among which the accounts of a rule are spread over agencies."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from hl7bridge.rules.spec_conditions import Condition
from hl7bridge.rules.spec_reader import Reader, WhereInFile

KEYS: Final = ("agency", "label", "percent", "surname", "capacity", "when")
ALL: Final = Decimal(100)
_LETTERS: Final = 2


class Share(NamedTuple):
    """One agency's share. None and empty leave the account's part in it unlimited.

    ``percent`` of the guarantors (0 < percent <= 100), ``surname`` the first and last letter of the guarantor's family
    name (A to Z, both included), ``capacity`` the open placements that the agency takes at most, and ``when`` what must
    be satisfied. ``label`` tells champion from challenger in the reports.
    """

    agency: str
    label: str = ""
    percent: Decimal | None = None
    surname: tuple[str, str] | None = None
    capacity: int | None = None
    when: tuple[Condition, ...] = ()


class Allocation(NamedTuple):
    """A named list of shares; which of them an account goes to is ``placement.allocate``'s question."""

    name: str
    shares: tuple[Share, ...]


def read_allocations(reader: Reader, tables: Any) -> tuple[Allocation, ...]:
    """Return the allocations of a file; what is wrong with them goes to the reader's problems."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        reader.complain(("allocations",), "expected a list of tables", "write: [[allocations]]")
        return ()
    found = [_read_allocation(reader, ("allocations", index), table) for index, table in enumerate(tables)]
    reader.check_names("allocations", "allocation", (allocation.name for allocation in found))
    return tuple(found)


def _read_allocation(reader: Reader, path: WhereInFile, table: dict[str, Any]) -> Allocation:
    reader.check_keys(path, table, ("name", "shares"))
    name, shares = reader.read_name(path, table, "name"), table.get("shares")
    if not isinstance(shares, list) or not shares or not all(isinstance(share, dict) for share in shares):
        hint = 'shares = [{ agency = "...", percent = 60 }]'
        reader.complain((*path, "shares"), "an allocation needs at least one share", hint)
        return Allocation(name, ())
    found = [_read_share(reader, (*path, "shares", index), share) for index, share in enumerate(shares)]
    percents = [share.percent for share in found if share.percent is not None]
    if sum(percents) > ALL and all(not share.when and share.surname is None for share in found):
        reader.complain((*path, "shares"), "the percents come to more than 100", "shares of one whole")
    return Allocation(name, tuple(found))


def _read_share(reader: Reader, path: WhereInFile, table: dict[str, Any]) -> Share:
    reader.check_keys(path, table, KEYS)
    return Share(
        reader.read_name(path, table, "agency"),
        reader.read_name(path, table, "label") if "label" in table else "",
        _read_percent(reader, path, table),
        _read_surname(reader, path, table),
        _read_capacity(reader, path, table),
        reader.read_conditions((*path, "when"), table.get("when", [])),
    )


def _read_percent(reader: Reader, path: WhereInFile, table: dict[str, Any]) -> Decimal | None:
    if "percent" not in table:
        return None
    value = table["percent"]
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= ALL:
        return Decimal(str(value))  # a float's shortest text is what the file says
    reader.complain((*path, "percent"), "expected a part of a hundred", "above 0, at most 100, without quotes")
    return None


def _read_surname(reader: Reader, path: WhereInFile, table: dict[str, Any]) -> tuple[str, str] | None:
    if "surname" not in table:
        return None
    value = table["surname"]
    ends = value.upper().split("-") if isinstance(value, str) else []
    if len(ends) == _LETTERS and all(len(end) == 1 and "A" <= end <= "Z" for end in ends) and ends[0] <= ends[1]:
        return ends[0], ends[1]
    reader.complain((*path, "surname"), "expected a first and a last letter", 'surname = "A-M"')
    return None


def _read_capacity(reader: Reader, path: WhereInFile, table: dict[str, Any]) -> int | None:
    if "capacity" not in table:
        return None
    value = table["capacity"]
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    reader.complain((*path, "capacity"), "expected a number of open placements", "1 or more, without quotes")
    return None
