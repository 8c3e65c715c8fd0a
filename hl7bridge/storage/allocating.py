"""A decision and the agencies' open placements -> the agency that gets the account, where a rule leaves that open."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Final, NamedTuple

from hl7bridge.placement.allocate import Asked, Choice, Debtor, Holders, allocate, debtor_of
from hl7bridge.rules.evaluate import Decision
from hl7bridge.rules.facts import responsible
from hl7bridge.rules.spec import Rules
from hl7bridge.rules.spec_allocation import Allocation
from hl7bridge.storage.cases import OPEN_STATUSES, Case
from hl7bridge.storage.database import Store

FULL_AGAIN: Final = dt.timedelta(days=1)
NONE_AGAIN: Final = dt.timedelta(days=7)  # no share suits: days may pass, or a share's conditions may come true
_OPEN_WITH: Final = f"SELECT agency, count(*) FROM placements WHERE status IN ({OPEN_STATUSES}) GROUP BY agency"
_CHANGES: Final = (
    f"SELECT p.agency, (e.to_status IN ({OPEN_STATUSES})) - (e.from_status IN ({OPEN_STATUSES}))"
    " FROM placement_events e JOIN placements p ON p.id = e.placement_id WHERE e.id > ?"
)
_LAST_EVENT: Final = "SELECT coalesce(max(id), 0) FROM placement_events"
_FAMILY_WITH: Final = (
    "SELECT agency FROM placements WHERE guarantor_key = ? AND guarantor_key <> ''"
    f" AND status IN ({OPEN_STATUSES}) ORDER BY id DESC LIMIT 1"
)


class Settled(NamedTuple):
    """A decision with its agency. ``again_on`` is when to look again at an account that no agency could take."""

    decision: Decision
    share: str = ""
    guarantor_key: str = ""
    again_on: dt.date | None = None


class Allocator:
    """What one run knows of the agencies. What it places counts at once, also in a dry run that stores nothing."""

    def __init__(self, store: Store, rules: Rules, *, dry_run: bool = False) -> None:
        self._store = store
        self._dry_run = dry_run
        self._rules = rules
        self._counts_matter = any(share.capacity for each in rules.allocations for share in each.shares)
        self._open_with: Counter[str] = Counter()
        self._last_event: int | None = None  # up to which changes of placements are counted
        self._families: dict[str, str] = {}
        if dry_run:
            self.begin()

    def begin(self) -> None:
        """Count what others have placed and ended since: at the start of a transaction that places."""
        if self._counts_matter:
            if self._last_event is None:
                self._open_with.update(dict(self._store.rows(_OPEN_WITH)))
            else:
                for agency, change in self._store.execute(_CHANGES, (self._last_event,)):
                    self._open_with[agency] += change
            self.end()

    def end(self) -> None:
        """Say that what was placed up to now is counted: at the end of the transaction."""
        if self._counts_matter:
            self._last_event = self._store.rows(_LAST_EVENT)[0][0]

    def settle(self, case: Case, decision: Decision, today: dt.date) -> Settled:
        """Return the decision with the agency that its rule or its rule's allocation says.

        An account that no share can take is not placed; the reason is with the decision's.
        """
        if decision.rule is None:
            return Settled(decision)
        debtor = debtor_of(case.account, responsible(case.guarantors, case.patient))
        share = ""
        if decision.allocation is not None:
            allocation = self._rules.allocation(decision.allocation)
            choice = self._choose(allocation, case, debtor, today)
            reasons = (*decision.reasons, choice.reason(decision.rule, allocation))
            if choice.agency is None:
                return Settled(Decision(reasons), again_on=today + (FULL_AGAIN if choice.is_full else NONE_AGAIN))
            decision, share = decision._replace(agency=choice.agency, reasons=reasons), choice.share
        self._open_with[decision.agency or ""] += 1
        if self._dry_run:
            self._families[debtor.key] = decision.agency or ""
        return Settled(decision, share, debtor.key)

    def _choose(self, allocation: Allocation, case: Case, debtor: Debtor, today: dt.date) -> Choice:
        row = self._store.row(_FAMILY_WITH, (debtor.key,))
        family_with = row[0] if row else self._families.get(debtor.key)
        holders = Holders(self._open_with, family_with, case.facts.returned_by)
        return allocate(allocation, Asked(case.facts, self._rules, today), debtor, holders)
