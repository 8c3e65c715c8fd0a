"""Payment messages that the EHR has not had yet -> addressed to the ids that their account has now."""

from __future__ import annotations

from typing import Final

from hl7bridge.errors import RefusedError
from hl7bridge.payments.readdress import readdress_message
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.database import Store
from hl7bridge.storage.payments import address_of

# What is being sent, or may have arrived, stays what it was: a person compares it with what the EHR has.
_WAITING: Final = (
    "SELECT id, content, addressing FROM deliveries WHERE account_id = ? AND payment_id IS NOT NULL"
    " AND status IN ('queued', 'sending', 'held', 'unknown') AND status IN ('queued', 'held') AND lost = 0"
)


def readdress_deliveries(store: Store, account_id: int) -> int:
    """Have an account's payments that wait carry its ids of now, inside the caller's transaction; return how many."""
    rows = store.rows(_WAITING, (account_id,))
    if not rows:
        return 0
    try:
        addressed = address_of(store, read_account(store, account_id))
    except RefusedError:  # nothing tells whose it is any more: the message stays as it was
        return 0
    changed = [
        (new, delivery_id)
        for delivery_id, content, addressing in rows
        if (new := readdress_message(content, addressed, addressing)) != content
    ]
    store.executemany("UPDATE deliveries SET content = ? WHERE id = ?", changed)
    return len(changed)
