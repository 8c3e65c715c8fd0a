"""Signals: facts of an account that HL7 v2 has no field for, told by a file or a person; names, values, which hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hl7bridge.mapping.signal_names import SIGNALS, SignalProblem, SignalSpec, is_day, is_number, signal_problem

__all__ = [
    "SIGNALS",
    "Signal",
    "SignalProblem",
    "SignalSpec",
    "current_signals",
    "first_end",
    "is_day",
    "is_holding",
    "signal_day",
    "signal_number",
    "signal_problem",
    "signals_after",
]


class Signal(NamedTuple):
    """One value, as told by a source, true on a day (the facility's). After ``until`` it is as if nobody told it."""

    name: str
    value: str
    source: str
    observed_on: dt.date
    until: dt.date | None = None


def current_signals(signals: Iterable[Signal]) -> dict[str, Signal]:
    """Return the signals in force by name, of signals in order of time: the last of each name."""
    return {signal.name: signal for signal in signals}


def first_end(signals: Mapping[str, Signal]) -> dt.date | None:
    """Return the first day after which one of the signals is in force no more; None when none ends by itself."""
    return min((signal.until for signal in signals.values() if signal.until is not None), default=None)


def signals_after(signals: Mapping[str, Signal], day: dt.date) -> dict[str, Signal]:
    """Return the signals that are still in force after a day."""
    return {name: signal for name, signal in signals.items() if signal.until is None or signal.until > day}


def is_holding(signal: Signal) -> bool:
    """Return True when a signal stops placement; one that this program does not know stops it too."""
    spec = SIGNALS.get(signal.name)
    return spec is None or signal.value in spec.holding or signal_problem(signal.name, signal.value) is not None


def signal_day(signals: Mapping[str, Signal], name: str) -> dt.date | None:
    """Return the day that a signal tells; None when there is no such signal, or it tells none."""
    signal = signals.get(name)
    return dt.date.fromisoformat(signal.value) if signal is not None and is_day(signal.value) else None


def signal_number(signals: Mapping[str, Signal], name: str) -> int | None:
    """Return the number that a signal tells; None when there is no such signal, or it tells none."""
    signal = signals.get(name)
    return int(signal.value) if signal is not None and is_number(signal.value) else None
