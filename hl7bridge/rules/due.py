"""An account's state -> the earliest day on which any rule could be satisfied: what lets a run cost only what is due.

Called for every message, so the rules are compiled once to plain comparisons and the common case ends early.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.rules.due_bounds import BASES, CODES, NO_DAYS, Bound, Window, bound_of, can_tell, group_bound, texts_of
from hl7bridge.rules.spans import FIRST, LAST
from hl7bridge.rules.spec import Condition, Op, Predicate, Rules

_CENT: Final = Decimal("0.01")
_NO_MOST: Final = Decimal("Infinity")
Check = Callable[[AccountState], bool]


class _Gate(NamedTuple):
    """What the state alone must say before one rule can be satisfied."""

    least: Decimal
    most: Decimal
    checks: tuple[Check, ...]
    windows: tuple[Window, ...]
    bounds: tuple[Bound, ...]


class DueDays:
    """The compiled form of some rules: call it with an account's state."""

    def __init__(self, rules: Rules) -> None:
        every = [(*rules.common, *rule.when) for rule in rules.rules]
        self._gates = tuple(_gate(conditions, has_signals=True) for conditions in every)
        quiet = [each for each in every if all(can_tell(condition) for condition in each)]
        self._quiet_gates = tuple(_gate(conditions, has_signals=False) for conditions in quiet)
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
        best = LAST + 1
        for gate in self._gates if has_signals else self._quiet_gates:
            if balance < gate.least or balance > gate.most:
                continue
            for check in gate.checks:
                if not check(state):
                    break
            else:
                first = _first_day(gate, state)
                if first < best:  # noqa: PLR1730  (min would cost as much as all the rest)
                    best = first
        return dt.date.fromordinal(best) if best <= LAST else None


def _first_day(gate: _Gate, state: AccountState) -> int:
    """Return the first day inside all windows; one after the last day there is when there is none."""
    first, last = FIRST, LAST
    for base_of, least, most in gate.windows:
        base = base_of(state)
        if base is None:
            return LAST + 1
        day = base.toordinal()
        if day + least > first:  # noqa: PLR1730  (max and min would cost as much as all the rest)
            first = day + least
        if day + most < last:  # noqa: PLR1730
            last = day + most
    for bound in gate.bounds:
        begin, end = bound(state) or NO_DAYS
        first, last = max(first, begin), min(last, end)
    return first if first <= last else LAST + 1


def _gate(conditions: tuple[Condition, ...], *, has_signals: bool) -> _Gate:
    least, most = _CENT, _NO_MOST
    checks: list[Check] = []
    bounds: list[Bound] = []
    plain = [condition for condition in conditions if isinstance(condition, Predicate)]
    for predicate in plain:
        name, wanted = predicate.fact.name, predicate.wanted
        if name == "balance" and isinstance(wanted, Decimal):
            least = max(least, wanted) if predicate.op is Op.AT_LEAST else least
            most = min(most, wanted) if predicate.op is Op.AT_MOST else most
        elif name in CODES:
            checks.append(_code_check(predicate))
        elif not _is_window(predicate):
            bounds += filter(None, [bound_of(predicate, wanted=True, has_signals=has_signals)])
    for condition in conditions:
        if not isinstance(condition, Predicate):
            bounds.append(group_bound(condition, wanted=True, has_signals=has_signals))
    return _Gate(least, most, tuple(checks), tuple(_windows(plain)), tuple(bounds))


def _code_check(predicate: Predicate) -> Check:
    code_of, wanted = CODES[predicate.fact.name], frozenset(texts_of(predicate))
    return lambda state: code_of(state) in wanted


def _is_window(predicate: Predicate) -> bool:
    return predicate.fact.name in BASES and predicate.least_payment is None


def _windows(predicates: Iterable[Predicate]) -> Iterable[Window]:
    bounds: dict[str, tuple[int, int]] = {}
    for predicate in filter(_is_window, predicates):
        name, wanted = predicate.fact.name, predicate.wanted
        count = wanted if isinstance(wanted, int) else 0
        least, most = bounds.get(name, (-LAST, LAST))
        bounds[name] = (max(least, count), most) if predicate.op is Op.AT_LEAST else (least, min(most, count))
    return [(BASES[name], least, most) for name, (least, most) in bounds.items()]
