"""An agency's inventory against ours -> discrepancies that are open until they agree, or a person says why not."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.money import ZERO, from_cents, to_cents
from hl7bridge.placement.inventory import (
    ACKNOWLEDGED_BALANCE,
    DISCREPANCIES,
    Finding,
    compare_line,
    repeated_line,
    unknown_line,
    unlisted,
)
from hl7bridge.placement.records import InventoryLine
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.inventory_reading import Listing
from hl7bridge.times import utc_text

INVENTORY: Final = "inventory"
_SELECT: Final = """
SELECT d.id AS discrepancy, d.agency, d.kind, d.reference, d.placement_id AS placement, d.ours, d.theirs, d.dollars,
  d.found_at, d.seen_at, d.resolved_at, d.resolved_by, d.resolution
FROM agency_discrepancies d
"""
_AGAIN: Final = (
    "UPDATE agency_discrepancies SET ours = ?, theirs = ?, dollars = ?, file_id = ?, seen_at = ? WHERE id = ?"
)
_NEW: Final = (
    "INSERT INTO agency_discrepancies (agency, placement_id, reference, kind, ours, theirs, dollars, file_id,"
    " found_at, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_RESOLVE: Final = "UPDATE agency_discrepancies SET resolved_at = ?, resolved_by = ?, resolution = ? WHERE id = ?"

_Key = tuple[str, str, int]  # kind, reference, placement or 0: what is open once for an agency


class InventoryCounts(NamedTuple):
    """What became of one inventory. ``matched`` lines agree in all; the others are counted once for each kind."""

    lines: int
    theirs: Decimal
    matched: int
    matched_dollars: Decimal
    found: dict[str, tuple[int, Decimal]]
    opened: int
    seen_again: int
    resolved: int


def reconcile_inventory(
    store: Store, agency: str, lines: Sequence[InventoryLine], *, file_id: int | None, at: str
) -> InventoryCounts:
    """Compare all that an agency says it has with what is known here, inside the caller's transaction.

    What does not agree is opened, or seen again; what was open and agrees now is resolved. ``at`` is ISO 8601 UTC.
    """
    listing = Listing(store, agency, at)
    findings: list[Finding] = []
    matched, matched_dollars = 0, ZERO
    seen: set[int] = set()
    originals: set[int] = set()
    for line in lines:
        known = listing.find(line)
        if isinstance(known, str):
            findings.append(unknown_line(agency, line, known))
        elif known.placement_id in seen:
            findings.append(repeated_line(agency, line, known))
        else:
            seen.add(known.placement_id)
            if line.original_balance is not None:
                originals.add(known.placement_id)
            differing = compare_line(agency, line, known)
            findings += differing
            if not differing:
                matched, matched_dollars = matched + 1, matched_dollars + line.balance
    findings += (
        found for known in listing.known() if known.placement_id not in seen and (found := unlisted(agency, known))
    )
    theirs = sum((line.balance for line in lines), ZERO)
    opened, again = _write(store, agency, findings, file_id=file_id, at=at)
    resolved = _resolve_agreed(store, agency, findings, originals, at)
    counts = InventoryCounts(len(lines), theirs, matched, matched_dollars, _sums(findings), opened, again, resolved)
    _add_inventory(store, agency, counts, file_id, at)
    return counts


def note_discrepancy(store: Store, finding: Finding, *, file_id: int | None, at: str) -> bool:
    """Open one discrepancy, inside the caller's transaction; False when it is open already, and is seen again."""
    opened, _ = _write(store, finding.agency, [finding], file_id=file_id, at=at)
    return bool(opened)


def resolve_discrepancy(store: Store, discrepancy_id: int, *, now: dt.datetime, actor: str, reason: str) -> None:
    """Have a person end a discrepancy with what was found and done, inside the caller's transaction.

    The next inventory that still disagrees opens a new one. Raises NotFoundError, and RefusedError without a reason or
    when it was resolved before.
    """
    if not reason.strip():
        raise RefusedError("a reason is needed: say what was found, and what was done")
    row = store.row("SELECT resolved_at FROM agency_discrepancies WHERE id = ?", (discrepancy_id,))
    if row is None:
        raise NotFoundError(f"no discrepancy {discrepancy_id}")
    if row[0] is not None:
        raise RefusedError(f"discrepancy {discrepancy_id} was resolved before")
    store.execute(_RESOLVE, (utc_text(now), actor, reason.strip(), discrepancy_id))
    subject = f"discrepancy {discrepancy_id}: resolved"
    append_audit(store, at=now, actor=actor, action="reconcile.resolve", subject=subject, reason=reason.strip())


def list_discrepancies(
    store: Store, *, agency: str | None = None, kind: str | None = None, is_open: bool = True
) -> Iterator[dict[str, Any]]:
    """Return discrepancies with agencies, newest first, one at a time; with ``is_open`` those that are not resolved."""
    where = " WHERE d.agency = coalesce(?, d.agency) AND d.kind = coalesce(?, d.kind)"
    where += " AND d.resolved_at IS NULL" if is_open else ""
    for row in store.dicts(f"{_SELECT}{where} ORDER BY d.id DESC", (agency, kind)):
        yield {**row, "dollars": from_cents(row["dollars"])}


def count_open_discrepancies(store: Store) -> int:
    """Return how many discrepancies with agencies are open."""
    return int(store.rows("SELECT count(*) FROM agency_discrepancies WHERE resolved_at IS NULL")[0][0])


def _write(store: Store, agency: str, findings: Iterable[Finding], *, file_id: int | None, at: str) -> tuple[int, int]:
    """Store findings, and return how many are new and how many were open already."""
    known = _open_keys(store, agency)
    new: dict[_Key, tuple[Any, ...]] = {}
    again: dict[int, tuple[Any, ...]] = {}
    for each in findings:
        key = _key(each)
        cents = to_cents(each.dollars)
        if key in known:
            again[known[key]] = (each.ours, each.theirs, cents, file_id, at, known[key])
        else:
            told = (each.placement_id, each.reference, each.kind, each.ours, each.theirs, cents)
            new[key] = (agency, *told, file_id, at, at)
    store.executemany(_NEW, list(new.values()))
    store.executemany(_AGAIN, list(again.values()))
    return len(new), len(again)


def _resolve_agreed(store: Store, agency: str, findings: Iterable[Finding], originals: set[int], at: str) -> int:
    """Resolve what is open and was not found again. What was given at first is compared only where it was told."""
    found = set(map(_key, findings))
    agreed = [
        number
        for key, number in _open_keys(store, agency).items()
        if key not in found and (key[0] != ACKNOWLEDGED_BALANCE or key[2] in originals)
    ]
    store.executemany(_RESOLVE, [(at, INVENTORY, "agrees in a later inventory", number) for number in agreed])
    return len(agreed)


def _open_keys(store: Store, agency: str) -> dict[_Key, int]:
    rows = store.rows(
        "SELECT kind, reference, coalesce(placement_id, 0), id FROM agency_discrepancies"
        " WHERE agency = ? AND resolved_at IS NULL",
        (agency,),
    )
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def _key(finding: Finding) -> _Key:
    return finding.kind, finding.reference, finding.placement_id or 0


def _sums(findings: Iterable[Finding]) -> dict[str, tuple[int, Decimal]]:
    counts: Counter[str] = Counter()
    dollars: dict[str, Decimal] = dict.fromkeys(DISCREPANCIES, ZERO)
    for each in findings:
        counts[each.kind] += 1
        dollars[each.kind] += each.dollars
    return {kind: (counts[kind], dollars[kind]) for kind in DISCREPANCIES}


def _add_inventory(store: Store, agency: str, counts: InventoryCounts, file_id: int | None, at: str) -> None:
    found = json.dumps({kind: [count, to_cents(dollars)] for kind, (count, dollars) in counts.found.items()})
    store.execute(
        "INSERT INTO inventories (agency, file_id, at, lines, theirs, matched, matched_dollars, found)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            agency, file_id, at, counts.lines, to_cents(counts.theirs), counts.matched,
            to_cents(counts.matched_dollars), found,
        ),
    )  # fmt: skip
