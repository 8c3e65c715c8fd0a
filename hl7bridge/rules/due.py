"""An account's state -> the earliest day on which any rule could be satisfied: what lets a run cost only what is due.

Called for every message, so the rules are compiled once to plain comparisons and the common case ends early.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.rules.facts import FactType, activity_on, is_insurance_settled
from hl7bridge.rules.spec import Op, Predicate, Rules

_CENT: Final = Decimal("0.01")
_NO_MOST: Final = Decimal("Infinity")
_FIRST: Final = dt.date.min.toordinal()
_LAST: Final = dt.date.max.toordinal()
_BASES: Final[dict[str, Callable[[AccountState], dt.date | None]]] = {
    "days_without_payment": activity_on,
    "days_since_discharge": lambda state: state.discharged_on,
    "days_since_insurance_payment": lambda state: state.insurance_paid_on,
}
_CODES: Final[dict[str, Callable[[AccountState], str | None]]] = {
    "account_status": lambda state: state.status,
    "ehr_account_status": lambda state: state.account_status,
    "financial_class": lambda state: state.financial_class,
    "patient_class": lambda state: state.patient_class,
}
Check = Callable[[AccountState], bool]
Window = tuple[Callable[[AccountState], dt.date | None], int, int]  # base day, days at least, days at most


class _Gate(NamedTuple):
    """What the state alone must say before one rule can be satisfied."""

    needs_signal: bool
    least: Decimal
    most: Decimal
    checks: tuple[Check, ...]
    windows: tuple[Window, ...]


class DueDays:
    """The compiled form of some rules: call it with an account's state."""

    def __init__(self, rules: Rules) -> None:
        self._gates = tuple(_gate((*rules.common, *rule.when)) for rule in rules.rules)
        self._quiet_gates = tuple(gate for gate in self._gates if not gate.needs_signal)
        self._least = min((gate.least for gate in self._gates), default=_CENT)

    def __call__(self, state: AccountState, *, has_signals: bool = True) -> dt.date | None:
        """Return a lower bound of the days on which the account can be eligible; None when this state never is.

        It may be early (people, coverages and signals are not looked at) and never late: no day on which ``decide``
        says eligible comes before it. ``dt.date.min`` means: only looking can tell. ``has_signals=False`` promises that
        the account has no signals, so rules that need one can be left out. Whoever changes a signal, a guarantor, a
        patient or a coverage makes the account due again.
        """
        balance = state.charges - state.payments - state.adjustments
        if balance < self._least or state.status != "open":
            return None
        best = _LAST + 1
        for gate in self._gates if has_signals else self._quiet_gates:
            if balance < gate.least or balance > gate.most:
                continue
            for check in gate.checks:
                if not check(state):
                    break
            else:
                first = _first_day(gate.windows, state)
                if first < best:  # noqa: PLR1730  (min would cost as much as all the rest)
                    best = first
        return dt.date.fromordinal(best) if best <= _LAST else None


def _first_day(windows: tuple[Window, ...], state: AccountState) -> int:
    """Return the first day inside all windows; one after the last day there is when there is none."""
    first, last = _FIRST, _LAST
    for base_of, least, most in windows:
        base = base_of(state)
        if base is None:
            return _LAST + 1
        day = base.toordinal()
        if day + least > first:  # noqa: PLR1730  (max and min would cost as much as all the rest)
            first = day + least
        if day + most < last:  # noqa: PLR1730
            last = day + most
    return first if first <= last else _LAST + 1


def _gate(predicates: tuple[Predicate, ...]) -> _Gate:
    least, most = _CENT, _NO_MOST
    for predicate in predicates:
        if isinstance(predicate.wanted, Decimal):
            if predicate.op is Op.AT_LEAST:
                least = max(least, predicate.wanted)
            else:
                most = min(most, predicate.wanted)
    checks = [check for predicate in predicates if (check := _check(predicate)) is not None]
    return _Gate(_needs_signal(predicates), least, most, tuple(checks), tuple(_windows(predicates)))


def _needs_signal(predicates: Iterable[Predicate]) -> bool:
    """Return True when no account without signals can satisfy these."""
    for predicate in predicates:
        if predicate.fact.name == "days_since_first_statement":
            return True
        # Without a signal a plan is active (PV1-24) or unknown.
        if predicate.fact.name == "plan_status" and "active" not in _texts(predicate):
            return True
    return False


def _check(predicate: Predicate) -> Check | None:
    name, wanted = predicate.fact.name, frozenset(_texts(predicate))
    if name in _CODES:
        code_of = _CODES[name]
        return lambda state: code_of(state) in wanted
    if name != "insurance_status" or "pending" in wanted:
        return None
    settled, none = "finished" in wanted, "none" in wanted
    return lambda state: none if state.insurance_paid_on is None else settled and is_insurance_settled(state)


def _windows(predicates: Iterable[Predicate]) -> Iterable[Window]:
    bounds: dict[str, tuple[int, int]] = {}
    for predicate in predicates:
        name, wanted = predicate.fact.name, predicate.wanted
        if predicate.fact.type is FactType.DAYS and name in _BASES and isinstance(wanted, int):
            least, most = bounds.get(name, (-_LAST, _LAST))
            at_least = predicate.op is Op.AT_LEAST
            bounds[name] = (max(least, wanted), most) if at_least else (least, min(most, wanted))
    return [(_BASES[name], least, most) for name, (least, most) in bounds.items()]


def _texts(predicate: Predicate) -> tuple[str, ...]:
    return predicate.wanted if isinstance(predicate.wanted, tuple) else ()
