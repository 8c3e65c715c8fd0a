"""Who assigned an account's number: what is known of it, and what an event tells."""

from __future__ import annotations

from typing import Final

from hl7bridge.errors import Location
from hl7bridge.ledger.identity import another_authority
from hl7bridge.storage.database import Store

_KNOWN: Final = (
    "SELECT authority FROM accounts WHERE number = ? AND facility = ? AND authority <> '' UNION ALL"
    " SELECT authority FROM identifiers WHERE kind = 'account' AND number = ? AND facility = ? AND authority <> ''"
    " LIMIT 1"
)


def authority_of(store: Store, facility: str, number: str) -> str:
    """Return who assigned a number, be it an account's own or one that it had; "" when nobody said."""
    row = store.row(_KNOWN, (number, facility) * 2)
    return "" if row is None else str(row[0])


def check_authority(store: Store, facility: str, number: str, authority: str, place: Location) -> None:
    """Raise MessageError 205 when a number is known of another authority than the one told; "" is any."""
    known = authority_of(store, facility, number) if authority else ""
    if known not in {"", authority}:
        raise another_authority(place)
