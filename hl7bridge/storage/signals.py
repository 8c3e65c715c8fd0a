"""Signals <-> their table; a signal makes its account due again, for it may change what is decided."""

from __future__ import annotations

import datetime as dt
from typing import Final

from hl7bridge.rules.signals import Signal, current_signals
from hl7bridge.storage.database import Store

# Due whatever day the next run is for: only looking can tell.
DUE_AT_ONCE: Final = dt.date.min.isoformat()


def add_signal(store: Store, account_id: int, signal: Signal, recorded_at: str) -> bool:
    """Store a signal inside the caller's transaction; False when the same is known as the newest already.

    The name and value are checked by the caller (``signal_problem``). Signals are never changed or deleted: the newest
    by day is in force.
    """
    if read_signals(store, account_id).get(signal.name) == signal:
        return False
    store.execute(
        "INSERT INTO signals (account_id, name, value, source, observed_on, recorded_at) VALUES (?, ?, ?, ?, ?, ?)",
        (account_id, signal.name, signal.value, signal.source, signal.observed_on.isoformat(), recorded_at),
    )
    store.execute("UPDATE accounts SET due_on = ? WHERE id = ? AND status = 'open'", (DUE_AT_ONCE, account_id))
    return True


def read_signals(store: Store, account_id: int) -> dict[str, Signal]:
    """Return the signals in force of an account, by name."""
    rows = store.execute(
        "SELECT name, value, source, observed_on FROM signals WHERE account_id = ? ORDER BY id", (account_id,)
    )
    return current_signals(Signal(name, value, source, dt.date.fromisoformat(day)) for name, value, source, day in rows)
