"""Rows that nobody reads before the end of a transaction -> written then, together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hl7bridge.storage.database import Store


class Later:
    """Rows that nobody reads before the end of a transaction, written then with one call for each statement."""

    def __init__(self, store: Store, first: Sequence[str] = ()) -> None:
        """Take the statements whose rows others refer to, in the order in which they are to be written."""
        self._store = store
        self._first = first
        self._rows: dict[str, list[Any]] = {sql: [] for sql in first}
        self._next_ids: dict[str, int] = {}

    @property
    def has_ids(self) -> bool:
        """Return whether ids were given: until ``write`` nobody else may insert into these tables, or read them."""
        return bool(self._next_ids)

    def next_id(self, table: str) -> int:
        """Return the id of a row that ``write`` inserts into a table."""
        given = self._next_ids.get(table) or self._store.rows(f"SELECT coalesce(max(id), 0) + 1 FROM {table}")[0][0]
        self._next_ids[table] = given + 1
        return int(given)

    def executemany(self, sql: str, rows: list[Any], /) -> None:
        """Keep the rows of a statement until ``write``."""
        kept = self._rows.get(sql)
        if kept is None:
            self._rows[sql] = rows
        else:
            kept += rows

    def write(self) -> None:
        """Write what was kept: what others refer to, then the rest in the order in which the statements first came."""
        for sql, rows in self._rows.items():
            if rows:
                self._store.insert_all(sql, rows)
        self._rows = {sql: [] for sql in self._first}
        self._next_ids.clear()


class Draft:
    """The rows of one message, kept apart until all are made: none of them is written when one cannot be made."""

    def __init__(self, later: Later) -> None:
        self._later = later
        self._parts: list[tuple[str, list[Any]]] = []
        self.next_id = later.next_id

    def executemany(self, sql: str, rows: list[Any], /) -> None:
        """Take the rows of a statement."""
        self._parts.append((sql, rows))

    def keep(self) -> None:
        """Have all rows written later."""
        for sql, rows in self._parts:
            self._later.executemany(sql, rows)
