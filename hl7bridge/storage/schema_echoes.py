"""Payments of before schema 5 -> the FT1-2 and destination that they were sent with, by which an echo is known."""

from __future__ import annotations

from typing import Any

from hl7bridge.payments.payment import transaction_id


def fill_transactions(connection: Any) -> None:
    """Fill the new columns of payments that are there, inside the caller's transaction: the ids follow from theirs."""
    tag = connection.execute("SELECT value FROM meta WHERE key = 'tag'").fetchone()
    if tag is None:  # a store that is new
        return
    ids = [row[0] for row in connection.execute("SELECT id FROM payments").fetchall()]
    connection.executemany(
        "UPDATE payments SET transaction_id = ? WHERE id = ?", [(transaction_id(tag[0], each), each) for each in ids]
    )
    connection.execute(
        "UPDATE payments SET destination = (SELECT d.destination FROM deliveries d JOIN delivery_payments c"
        " ON c.delivery_id = d.id WHERE c.payment_id = payments.id) WHERE id IN"
        " (SELECT payment_id FROM delivery_payments)"
    )
