"""Placements of one agency and what it was told of them -> what each line of its inventory is compared with."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from hl7bridge.money import ZERO, from_cents, parse_money
from hl7bridge.placement.inventory import WITH_AGENCY, Known
from hl7bridge.placement.records import InventoryLine, NoticeKind
from hl7bridge.placement.state import Status
from hl7bridge.placement.told import decode_told
from hl7bridge.storage.database import Row, Store
from hl7bridge.times import utc_text

# News that an agency has not acknowledged may still be on its way for so long; then it counts as known to it.
IN_FLIGHT: Final = dt.timedelta(days=2)
_COLUMNS: Final = "p.id, a.number, p.status, p.balance, p.told, p.agency, p.account_id, p.acknowledged_at"
_FROM: Final = " FROM placements p JOIN accounts a ON a.id = p.account_id"
_OPEN: Final = ", ".join(f"'{status}'" for status in sorted(WITH_AGENCY))
_NEWS: Final = (
    "SELECT n.placement_id, n.kind, n.content FROM notices n WHERE n.agency = ?"
    " AND (n.status = 'queued' OR (n.status = 'sent' AND n.sent_at > ?)) ORDER BY n.id DESC"
)
# A number that an account had before its merge or change leads to it still.
_BY_NUMBER: Final = (
    "SELECT id FROM accounts WHERE number = ? UNION SELECT coalesce(a.merged_into, a.id) FROM accounts a"
    " WHERE a.number = ? UNION SELECT target_id FROM identifiers WHERE kind = 'account' AND number = ?"
)
_LOWERS: Final = frozenset({NoticeKind.PAYMENT, NoticeKind.ADJUSTMENT})
_CHANGES_STATUS: Final = frozenset({NoticeKind.SUSPEND, NoticeKind.RESUME, NoticeKind.RECALL, NoticeKind.CLOSE})


class Listing:
    """What one agency should list at a time: its placements by number, read once."""

    def __init__(self, store: Store, agency: str, at: str) -> None:
        self._store = store
        self._agency = agency
        self._news = _read_news(store, agency, at)
        rows = store.rows(f"SELECT {_COLUMNS}{_FROM} WHERE p.agency = ? AND p.status IN ({_OPEN})", (agency,))
        self._open = {row[0]: self._known(row) for row in rows}
        self._by_number: dict[str, list[int]] = {}
        for row in rows:
            self._by_number.setdefault(row[1], []).append(row[0])

    def known(self) -> Iterator[Known]:
        """Return every placement that the agency has, as far as is known here."""
        return iter(self._open.values())

    def find(self, line: InventoryLine) -> Known | str:
        """Return the placement that a line names, by its number or else by the account's; or why there is none."""
        if line.placement_id is not None:
            return self._by_placement(line)
        found = self._by_number.get(line.client_account, [])
        if not found:
            found = self._by_any_number(line.client_account)
        if len(found) == 1:
            return self._open.get(found[0]) or self._one(found[0])
        return "several accounts have this number" if found else "not placed with this agency"

    def _by_placement(self, line: InventoryLine) -> Known | str:
        number = line.placement_id or 0
        known = self._open.get(number)
        row = None if known else self._row(number)
        if known is None and (row is None or row[5] != self._agency):
            return "not placed with this agency"
        known = known or self._one(number)
        told = line.client_account
        if told and told != known.reference and not self._is_number_of(number, told):
            return "the placement is of another account"
        return known

    def _is_number_of(self, placement_id: int, number: str) -> bool:
        """Return whether a number is, or was, that of a placement's account; the agency may have an earlier one."""
        row = self._row(placement_id)
        return row is not None and row[6] in self._accounts(number)

    def _by_any_number(self, number: str) -> list[int]:
        """Return what to compare when no open placement has the number: by former numbers, then what is over."""
        accounts = self._accounts(number)
        if not accounts:
            return []
        marks = ", ".join("?" * len(accounts))
        rows = self._store.rows(
            f"SELECT max(id), max(CASE WHEN status IN ({_OPEN}) THEN id END) FROM placements"
            f" WHERE agency = ? AND sent_at IS NOT NULL AND account_id IN ({marks}) GROUP BY account_id",
            (self._agency, *accounts),
        )
        is_open = [row[1] for row in rows if row[1] is not None]
        return is_open or [row[0] for row in rows]

    def _accounts(self, number: str) -> list[int]:
        return [row[0] for row in self._store.rows(_BY_NUMBER, (number,) * 3)] if number else []

    def _row(self, placement_id: int) -> Row | None:
        return self._store.row(f"SELECT {_COLUMNS}{_FROM} WHERE p.id = ?", (placement_id,))

    def _one(self, placement_id: int) -> Known:
        return self._known(self._store.rows(f"SELECT {_COLUMNS}{_FROM} WHERE p.id = ?", (placement_id,))[0])

    def _known(self, row: Row) -> Known:
        number, reference, status, placed, told, _, _, acknowledged_at = row
        balance = decode_told(told).balance if told else from_cents(placed)  # of an earlier release: as it was sent
        news = self._news.get(number, [])
        in_flight = set()
        before = balance
        for kind, content in news:  # the newest first: what the agency has when it has not read it, nor any after it
            before -= _effect(kind, content)
            in_flight.add(before)
        is_told = not any(kind in _CHANGES_STATUS for kind, _ in news)
        return Known(
            number, reference, Status(status), from_cents(placed), balance, frozenset(in_flight), is_told,
            acknowledged_at is not None,
        )  # fmt: skip


def _read_news(store: Store, agency: str, at: str) -> dict[int, list[tuple[str, dict[str, Any]]]]:
    since = utc_text(dt.datetime.fromisoformat(at) - IN_FLIGHT)
    found: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    for placement_id, kind, content in store.rows(_NEWS, (agency, since)):
        found.setdefault(placement_id, []).append((kind, json.loads(content)))
    return found


def _effect(kind: str, content: dict[str, Any]) -> Decimal:
    """Return by how much a notice changes what may be collected, dollars."""
    text = content.get("amount")
    amount = parse_money(str(text)) if text else ZERO
    if kind in _LOWERS:
        return -amount
    return amount if kind == NoticeKind.CHARGE else ZERO
