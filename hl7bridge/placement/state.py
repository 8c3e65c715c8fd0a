"""The life of a placement: one table of the changes of status that are allowed, by whom, and which the agency is told.

Source: product.md "Life of a placement"; collections.md 3.1 and 3.2.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final, NamedTuple

from hl7bridge.errors import RefusedError


class Status(StrEnum):
    """Where a placement is. ELIGIBLE is the decision before there is a placement; it is never stored as a status."""

    ELIGIBLE = "eligible"
    REVIEW = "review"
    QUEUED = "queued"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    RECALL_PENDING = "recall_pending"
    RECALLED = "recalled"
    PAID_IN_FULL = "paid_in_full"
    SETTLED = "settled"
    RETURNED = "returned"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class By(Enum):
    """Who makes a change."""

    RULES = "a decision"
    PERSON = "a person"
    BRIDGE = "the bridge"  # sending, a hold, money that arrives
    AGENCY = "the agency"


class Transition(NamedTuple):
    """One allowed change. ``tells_agency``: unless the agency makes it, it is true only once the agency is told."""

    source: Status
    target: Status
    by: frozenset[By]
    tells_agency: bool = False


def _allow(source: Status, target: Status, *by: By, tells_agency: bool = False) -> Transition:
    return Transition(source, target, frozenset(by), tells_agency)


_S = Status
_WITH_AGENCY: Final = (_S.SENT, _S.ACKNOWLEDGED, _S.ACTIVE, _S.SUSPENDED)
TRANSITIONS: Final = (
    _allow(_S.ELIGIBLE, _S.REVIEW, By.RULES),
    _allow(_S.ELIGIBLE, _S.QUEUED, By.RULES),
    _allow(_S.REVIEW, _S.QUEUED, By.PERSON),
    _allow(_S.REVIEW, _S.CANCELLED, By.PERSON, By.BRIDGE),
    _allow(_S.QUEUED, _S.SENT, By.BRIDGE),
    _allow(_S.QUEUED, _S.CANCELLED, By.PERSON, By.BRIDGE),
    _allow(_S.SENT, _S.ACKNOWLEDGED, By.AGENCY),
    # What was sent and not acknowledged may meanwhile have been stopped.
    *(_allow(source, _S.REJECTED, By.AGENCY) for source in (_S.SENT, _S.SUSPENDED, _S.RECALL_PENDING)),
    _allow(_S.ACKNOWLEDGED, _S.ACTIVE, By.AGENCY, By.BRIDGE),
    *(
        _allow(source, _S.SUSPENDED, By.PERSON, By.BRIDGE, tells_agency=True)
        for source in (_S.SENT, _S.ACKNOWLEDGED, _S.ACTIVE)
    ),
    _allow(_S.SUSPENDED, _S.ACTIVE, By.PERSON, By.BRIDGE, tells_agency=True),
    _allow(_S.SUSPENDED, _S.SENT, By.PERSON, By.BRIDGE, tells_agency=True),  # it was never acknowledged
    *(
        _allow(source, _S.RECALL_PENDING, By.PERSON, By.BRIDGE, tells_agency=True)
        for source in _WITH_AGENCY
    ),
    _allow(_S.RECALL_PENDING, _S.RECALLED, By.AGENCY, By.PERSON),
    _allow(_S.RECALL_PENDING, _S.ACTIVE, By.PERSON, tells_agency=True),  # the agency's objection is granted
    *(
        _allow(source, _S.PAID_IN_FULL, By.AGENCY, By.BRIDGE, tells_agency=True)
        for source in (*_WITH_AGENCY, _S.RECALL_PENDING)
    ),
    *(_allow(source, _S.RETURNED, By.AGENCY, By.PERSON) for source in (*_WITH_AGENCY, _S.RECALL_PENDING)),
    # For less than what is owed: never by the agency's word alone.
    *(_allow(source, _S.SETTLED, By.PERSON) for source in (*_WITH_AGENCY, _S.RECALL_PENDING)),
    _allow(_S.PAID_IN_FULL, _S.ACTIVE, By.BRIDGE, tells_agency=True),  # a cheque bounced
)  # fmt: skip
_BY_CHANGE: Final = {(each.source, each.target): each for each in TRANSITIONS}

# At most one of these at a time for an account; the database's index placements_open says the same.
OPEN: Final = (
    _S.REVIEW, _S.QUEUED, _S.SENT, _S.ACKNOWLEDGED, _S.ACTIVE, _S.SUSPENDED, _S.RECALL_PENDING,
)  # fmt: skip


def find_transition(source: Status, target: Status, by: By) -> Transition:
    """Return the change from ``source`` to ``target``; raises RefusedError, saying what is allowed instead."""
    found = _BY_CHANGE.get((source, target))
    if found is not None and by in found.by:
        return found
    if found is not None:
        who = " or ".join(sorted(each.value for each in found.by))
        raise RefusedError(f"a placement goes from {source} to {target} by {who}, not by {by.value}")
    ways = ", ".join(each.target for each in TRANSITIONS if each.source is source and by in each.by)
    raise RefusedError(
        f"a placement does not go from {source} to {target}; {by.value} can make it: {ways or 'nothing'}"
    )
