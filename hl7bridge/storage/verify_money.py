"""Remittances, suspense, reversals and settlements of a store -> every way in which they do not fit one another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hl7bridge.storage.database import Store

# Each finds rows that must not be; its text is told with the row's values.
_CHECKS: Final = (
    (
        "payment {} takes back payment {}, which is no payment of its agency, or less",
        (
            "SELECT r.id, p.id FROM payments r JOIN payments p ON p.id = r.reverses"
            " WHERE r.kind <> 'reversal' OR p.kind <> 'payment' OR r.agency <> p.agency OR r.amount > p.amount"
        ),
    ),
    (
        "payment {} was taken back in parts that are more than it was",
        (
            "SELECT p.id FROM payments p JOIN payments r ON r.reverses = p.id GROUP BY p.id"
            " HAVING count(*) > 1 AND sum(r.amount) > p.amount"
        ),
    ),
    (
        "payment {} was taken back by the EHR itself, and by payment {}",
        "SELECT p.id, r.id FROM payments r JOIN payments p ON p.id = r.reverses WHERE p.taken_back_at IS NOT NULL",
    ),
    (
        "payment {} writes off what payment {} left, which is no settlement of its agency",
        (
            "SELECT a.id, p.id FROM payments a JOIN payments p ON p.id = a.settles"
            " WHERE a.kind <> 'adjustment' OR p.settlement IS NULL OR a.agency <> p.agency"
        ),
    ),
    (
        "suspense {} is {}, and its payment is not as that says",
        (
            "SELECT s.id, s.status FROM suspense s LEFT JOIN payments p ON p.id = s.payment_id"
            " WHERE (s.status = 'assigned') <> (p.id IS NOT NULL) OR (p.id IS NOT NULL AND"
            " (p.agency, p.agency_payment_id, p.kind, p.amount, p.fee)"
            " <> (s.agency, s.agency_payment_id, s.kind, s.amount, s.fee))"
        ),
    ),
    (
        "suspense {} is {}, and payment {} was posted under its id",
        (
            "SELECT s.id, s.status, p.id FROM suspense s JOIN payments p ON p.agency = s.agency"
            " AND p.agency_payment_id = s.agency_payment_id WHERE s.status <> 'assigned'"
        ),
    ),
    (
        "remittance {}: what came of it is more than its gross or its reversals",
        (
            "SELECT r.id FROM remittances r WHERE r.paid <> r.gross - r.reversals - r.fees OR r.gross <"
            " (SELECT coalesce(sum(amount), 0) FROM payments p WHERE p.remittance_id = r.id AND kind = 'payment')"
            " + (SELECT coalesce(sum(amount), 0) FROM suspense s WHERE s.remittance_id = r.id AND kind = 'payment'"
            " AND status <> 'assigned') OR r.reversals <"
            " (SELECT coalesce(sum(amount), 0) FROM payments p WHERE p.remittance_id = r.id AND kind = 'reversal')"
            " + (SELECT coalesce(sum(amount), 0) FROM suspense s WHERE s.remittance_id = r.id AND kind = 'reversal'"
            " AND status <> 'assigned')"
        ),
    ),
)


def money_problems(store: Store) -> Iterator[str]:
    """Yield what is wrong, one line each, in ids alone."""
    for text, query in _CHECKS:
        for row in store.execute(query):
            yield text.format(*row)


def money_counts(store: Store) -> str:
    """Return how much was looked at."""
    counts = store.rows(
        "SELECT (SELECT count(*) FROM remittances), (SELECT count(*) FROM suspense WHERE status = 'open'),"
        " (SELECT count(*) FROM echoes), (SELECT count(DISTINCT day) FROM money_days)"
    )[0]
    names = ("remittances", "payments in suspense", "echoes", "closed days")
    return ", ".join(f"{count} {name}" for count, name in zip(counts, names, strict=True))
