"""Signals <-> their table, told by persons and by messages: the newest by time is in force, whoever told it.

A message's row has ``message 12, FT1[2]-7.1`` as its source and the message's own time in ``recorded_at``, which moves
on when a newer message says the same again; a person's row has the time at which the person told it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from hl7bridge.ledger.arrival import Arrival
from hl7bridge.mapping.records import Signal as SignalRecord
from hl7bridge.rules.signals import Signal, current_signals, is_holding
from hl7bridge.storage.database import Row, Store

# Due whatever day the next run is for: only looking can tell.
DUE_AT_ONCE: Final = dt.date.min.isoformat()
_OF_MESSAGE: Final = re.compile(r"message ([0-9]+), (\S.*)", re.ASCII)
_ONE_DAY: Final = dt.timedelta(days=1)
_COLUMNS: Final = "id, name, value, source, observed_on, until, recorded_at"


class SignalRow(NamedTuple):
    """A stored signal. ``told_at`` is ISO 8601 UTC; ``message_id`` and ``path`` are of the message that told it."""

    id: int
    signal: Signal
    told_at: str
    message_id: int | None = None
    path: str = ""

    @property
    def time(self) -> str:
        """Return the time that decides which signal is in force.

        A person who tells of a day that is long over speaks of the end of that day. A facility's day ends at noon of
        the next, UTC, at the latest: until then it may be the person's today.
        """
        after = self.signal.observed_on + _ONE_DAY
        if self.message_id is not None or self.told_at <= f"{after}T12:00:00.000Z":
            return self.told_at
        return f"{after}T00:00:00.000Z"


def apply_signals(store: Store, account_id: int, signals: Iterable[SignalRecord], *, arrival: Arrival) -> None:
    """Store the facts that a message tells of an account, inside the caller's transaction.

    Of several values of one name the last counts. The newer word counts, be it a person's or a message's; an older one
    is kept and changes nothing. What a message tells again is confirmed, not stored again. The account becomes due when
    a value changes; an agency that has it is told by whoever ends the transaction (reacting.py).
    """
    told_at = _iso_text(arrival.as_of)
    for record in {each.name: each for each in signals}.values():
        rows = _read_rows(store, account_id, record.name)
        newest = rows[-1] if rows else None
        is_change = newest is None or newest.signal.value != record.value
        is_newer = newest is None or told_at >= newest.time
        if newest is not None and is_newer and not is_change and newest.message_id is not None:
            store.execute("UPDATE signals SET recorded_at = ? WHERE id = ?", (told_at, newest.id))
        elif is_newer or not any(_is_known(row, record.value, told_at) for row in rows):
            source = f"message {arrival.message_id}, {record.path}"
            signal = Signal(record.name, record.value, source, dt.date.fromisoformat(told_at[:10]))
            _insert(store, account_id, signal, told_at)
            if is_newer and is_change:
                make_due(store, account_id)


def add_signal(store: Store, account_id: int, signal: Signal, recorded_at: str, *, may_repeat: bool = False) -> bool:
    """Store what a person told, inside the caller's transaction; False when it is known already.

    The name and value are checked by the caller (``signal_problem``). Known is what is in force just so, and what was
    told just so before and would change nothing. With ``may_repeat`` (a file that may be imported twice) all that was
    told just so before is known, but for a hold: that is in force again. The account becomes due when a value changes.
    """
    rows = _read_rows(store, account_id, signal.name)
    newest = rows[-1] if rows else None
    is_newer = newest is None or SignalRow(0, signal, recorded_at).time >= newest.time
    if any(row.signal == signal for row in rows):
        is_repeated = may_repeat and not is_holding(signal)
        if is_repeated or not is_newer or (newest is not None and newest.signal == signal):
            return False
    _insert(store, account_id, signal, recorded_at)
    said = (signal.value, signal.until)
    if is_newer and (newest is None or (newest.signal.value, newest.signal.until) != said):
        make_due(store, account_id)
    return True


def read_signals(store: Store, account_id: int) -> dict[str, Signal]:
    """Return the signals in force of an account, by name; one with an ``until`` is in force no longer after that."""
    return current_signals(row.signal for row in _read_rows(store, account_id))


def read_signal_rows(store: Store, account_id: int) -> list[SignalRow]:
    """Return all signals ever told of an account, in order of time: the last of each name is in force."""
    return _read_rows(store, account_id)


def message_of(source: str) -> tuple[int, str] | None:
    """Return the message's id and the path that a signal's source tells; None for a person's."""
    found = _OF_MESSAGE.fullmatch(source)
    return None if found is None else (int(found[1]), found[2])


def _read_rows(store: Store, account_id: int, name: str | None = None) -> list[SignalRow]:
    rows = store.execute(
        f"SELECT {_COLUMNS} FROM signals WHERE account_id = ? AND name = coalesce(?, name)", (account_id, name)
    )
    return sorted(map(_row, rows), key=lambda row: (row.time, row.id))


def _row(row: Row) -> SignalRow:
    number, name, value, source, day, until, recorded_at = row
    signal = Signal(name, value, source, dt.date.fromisoformat(day), dt.date.fromisoformat(until) if until else None)
    return SignalRow(number, signal, recorded_at, *(message_of(source) or (None, "")))


def _is_known(row: SignalRow, value: str, told_at: str) -> bool:
    return row.message_id is not None and (row.signal.value, row.told_at) == (value, told_at)


def _insert(store: Store, account_id: int, signal: Signal, recorded_at: str) -> None:
    store.execute(
        "INSERT INTO signals (account_id, name, value, source, observed_on, until, recorded_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            account_id, signal.name, signal.value, signal.source, signal.observed_on.isoformat(),
            None if signal.until is None else signal.until.isoformat(), recorded_at,
        ),
    )  # fmt: skip


def make_due(store: Store, account_id: int) -> None:
    """Have the next decisions look at an account; inside the caller's transaction."""
    store.execute("UPDATE accounts SET due_on = ? WHERE id = ? AND status = 'open'", (DUE_AT_ONCE, account_id))


def _iso_text(as_of: str) -> str:
    """Return the time a message was sent, ``20260105161500.000000 ...``, as times are stored."""
    at = as_of
    return f"{at[:4]}-{at[4:6]}-{at[6:8]}T{at[8:10]}:{at[10:12]}:{at[12:18]}Z"
