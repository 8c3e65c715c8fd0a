"""Signals: facts of an account that HL7 v2 has no field for, told by a file or a person; names, values, which hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from hl7bridge.mapping.signal_names import SIGNALS, SignalProblem, SignalSpec, is_day, signal_problem

__all__ = [
    "SIGNALS",
    "Signal",
    "SignalProblem",
    "SignalSpec",
    "current_signals",
    "is_day",
    "is_holding",
    "signal_problem",
]


class Signal(NamedTuple):
    """One value, as told by a source, true on a day (the facility's)."""

    name: str
    value: str
    source: str
    observed_on: dt.date


def current_signals(signals: Iterable[Signal]) -> dict[str, Signal]:
    """Return the signals in force by name, of signals in order of time: the last of each name."""
    return {signal.name: signal for signal in signals}


def is_holding(signal: Signal) -> bool:
    """Return True when a signal stops placement; one that this program does not know stops it too."""
    spec = SIGNALS.get(signal.name)
    return spec is None or signal.value in spec.holding or signal_problem(signal.name, signal.value) is not None
