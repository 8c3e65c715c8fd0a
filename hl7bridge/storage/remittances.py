"""Files of payments <-> their table: what each came to, once for an agency and its bytes."""

from __future__ import annotations

from typing import NamedTuple

from hl7bridge.money import to_cents
from hl7bridge.payments.remittance import Totals
from hl7bridge.storage.database import Store


class RemittanceFile(NamedTuple):
    """One agency's file of payments, and what it came to once it is read.

    ``received_file_id`` is None for one that a person imported.
    """

    agency: str
    sha256: str
    name: str
    records: int = 0
    totals: Totals = Totals()
    received_file_id: int | None = None


def find_remittance(store: Store, agency: str, sha256: str) -> int | None:
    """Return the remittance that these very bytes of an agency became, or None."""
    row = store.row("SELECT id FROM remittances WHERE agency = ? AND sha256 = ?", (agency, sha256))
    return None if row is None else int(row[0])


def add_remittance(store: Store, file: RemittanceFile, at: str) -> int:
    """Keep a file and its control totals, inside the caller's transaction, and return its id."""
    totals = file.totals
    return store.insert(
        "INSERT INTO remittances (agency, sha256, name, received_file_id, records, gross, reversals, fees, paid,"
        " received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            file.agency, file.sha256, file.name, file.received_file_id, file.records, to_cents(totals.gross),
            to_cents(totals.reversals), to_cents(totals.fees), to_cents(totals.paid), at,
        ),
    )  # fmt: skip
