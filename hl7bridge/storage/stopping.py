"""A hold that comes after an agency has the account -> what a person must tell the agency, which nothing here can."""

from __future__ import annotations

from typing import Final

from hl7bridge.placement.state import OPEN, Status
from hl7bridge.rules.signals import Signal, is_holding
from hl7bridge.storage.database import Store
from hl7bridge.storage.exceptions import open_exception
from hl7bridge.storage.placements import placements_of
from hl7bridge.storage.tellings import merged_accounts

KIND: Final = "agency_not_told"
_NOT_SENT: Final = frozenset({Status.REVIEW, Status.QUEUED})


def unstopped(store: Store, account_id: int, signal: Signal) -> str | None:
    """Return which placements a signal holds too late; None when it does not hold, or no agency has the account.

    Those of accounts that were merged into it count too. What was not sent yet needs nobody: holds are asked for again
    in the transaction that sends.
    """
    if not is_holding(signal):
        return None
    where = ", ".join(
        f"placement {placement.id} is with agency {placement.agency} ({placement.status})"
        for each in merged_accounts(store, account_id)
        for placement in placements_of(store, each)
        if placement.status in OPEN and placement.status not in _NOT_SENT
    )
    return f"{where}: {signal.name} is {signal.value}; tell the agency to stop" if where else None


def ask_to_stop(store: Store, account_id: int, signal: Signal, *, message_id: int, at: str) -> None:
    """Have a person tell the agency what a message told of an account that it has; inside the caller's transaction."""
    reason = unstopped(store, account_id, signal)
    if reason is not None:
        open_exception(store, KIND, account_id, None, message_id=message_id, reason=reason, at=at)
