"""What an agency was told last of a placement <-> the placement's row, from the sending of it on."""

from __future__ import annotations

import json
from typing import Final

from hl7bridge.errors import NotFoundError
from hl7bridge.mapping.records import Coverage
from hl7bridge.money import from_cents
from hl7bridge.placement.people import PEOPLE_FIELDS
from hl7bridge.placement.told import Told, decode_told, encode_told
from hl7bridge.rules.facts import known_text
from hl7bridge.storage.accounts import read_coverages
from hl7bridge.storage.database import Store

_EVER: Final = "9999"  # after every time


def start_told(store: Store, placement_id: int) -> None:
    """Keep what the agency is told by the placement itself: to be called in the transaction that sends it."""
    write_told(store, placement_id, _first_told(store, placement_id, until=_EVER))


def read_told(store: Store, placement_id: int) -> Told:
    """Return what the agency was told last of a placement, with the people's fields that it got."""
    row = store.row("SELECT told, snapshot, sent_at, decided_at FROM placements WHERE id = ?", (placement_id,))
    if row is None:
        raise NotFoundError(f"no placement {placement_id}")
    text, snapshot, sent_at, decided_at = row
    # A placement of an earlier release has told no more than what was sent.
    told = decode_told(text) if text else _first_told(store, placement_id, until=sent_at or decided_at or _EVER)
    sent = json.loads(snapshot) if snapshot else {}
    return told._replace(people={name: sent[name] for name in PEOPLE_FIELDS if name in sent} | dict(told.people))


def write_told(store: Store, placement_id: int, told: Told) -> None:
    """Keep what the agency was told; inside the transaction that queues the notices which tell it."""
    store.execute("UPDATE placements SET told = ? WHERE id = ?", (encode_told(told), placement_id))


def coverage_key(coverage: Coverage) -> str:
    """Return what tells one coverage of an account from another: plan, company and kind of plan."""
    return "|".join(known_text(each) or "" for each in (coverage.plan, coverage.company, coverage.plan_type))


def _first_told(store: Store, placement_id: int, *, until: str) -> Told:
    row = store.rows(
        "SELECT a.id, a.number, p.balance, a.charges - a.payments - a.adjustments, p.snapshot,"
        " (SELECT coalesce(max(e.id), 0) FROM entries e WHERE e.account_id = a.id AND e.recorded_at <= ?)"
        " FROM placements p JOIN accounts a ON a.id = p.account_id WHERE p.id = ?",
        (until, placement_id),
    )[0]
    account_id, number, sent, now, snapshot, entry = row
    if snapshot:
        number = json.loads(snapshot).get("client_account") or number
    balance = from_cents(now if until == _EVER else sent)
    coverages = tuple(map(coverage_key, read_coverages(store, account_id)))
    return Told(account_id, number, entry, balance, coverages=coverages)
