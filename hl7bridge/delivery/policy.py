"""A destination's rules -> what a reply code means there, and what becomes of a message whose reply was lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from hl7bridge.delivery.delivery import APPLICATION_ACK, DeliveryEvent
from hl7bridge.delivery.retry import RetryPolicy, decide_retry
from hl7bridge.delivery.verdict import EVENTS, Outcome, Verdict


class UnknownPolicy(StrEnum):
    """What is done about a payment that may have arrived."""

    HOLD = "hold"  # a person looks in the EHR
    RESEND_SAME = "resend-same"  # the same bytes again: for a partner that is known to take one MSH-10 once
    QUERY = "query"  # its echo or application reply tells; when neither comes, a person


class DeliveryRules(NamedTuple):
    """How one destination is dealt with; ``outcomes`` changes what its reply codes mean.

    ``is_enhanced``: CA says no more than that the message is safe, and an application reply follows within
    ``application_ack_within``. Source: HL7 v2.5.1 section 2.9.3.
    """

    retry: RetryPolicy = RetryPolicy()
    on_unknown: UnknownPolicy = UnknownPolicy.HOLD
    echo_within: dt.timedelta = dt.timedelta(hours=1)
    is_enhanced: bool = False
    application_ack_within: dt.timedelta = dt.timedelta(hours=1)
    outcomes: Mapping[str, Outcome] = {}

    @property
    def meanings(self) -> Mapping[str, Outcome]:
        """Return what each code of MSA-1 means for a payment. Source: HL7 table 0008."""
        committed = {"CA": Outcome.COMMITTED} if self.is_enhanced else {}
        return {**OUTCOMES, **committed, **self.outcomes}


class Step(NamedTuple):
    """What happens to a delivery at the end of an attempt: the event, when it is looked at again, and why."""

    event: DeliveryEvent
    wait: dt.timedelta
    reason: str


OUTCOMES: Final[Mapping[str, Outcome]] = {
    "AA": Outcome.ACCEPTED,
    "CA": Outcome.ACCEPTED,
    "AE": Outcome.HELD,
    "CE": Outcome.HELD,
    "AR": Outcome.RETRY,
    "CR": Outcome.RETRY,
}
NO_WAIT: Final = dt.timedelta(0)


def decide_step(rules: DeliveryRules, verdict: Verdict, kind: str, attempts: int, jitter: float) -> Step:
    """Return what a verdict makes of a delivery of ``kind`` after ``attempts``; ``jitter`` is random, 0 up to 1.

    Put off by the destination, it is queued for later, and held when this was the last attempt. A payment whose reply
    was lost is dealt with by the destination's policy; an acknowledgement is sent again, for a second one doubles
    nothing, and is held in the end.
    """
    if verdict.outcome is Outcome.RETRY or (verdict.outcome is Outcome.UNKNOWN and kind == APPLICATION_ACK):
        wait = decide_retry(rules.retry, attempts, jitter)
        if wait is None:
            return Step(DeliveryEvent.REFUSED, NO_WAIT, f"{verdict.reason} (attempt {attempts}, the last)")
        return Step(DeliveryEvent.POSTPONED, wait, verdict.reason)
    if verdict.outcome is Outcome.UNKNOWN:
        return decide_lost(rules, verdict.reason, attempts, jitter)
    return Step(EVENTS[verdict.outcome], NO_WAIT, verdict.reason)


def decide_lost(rules: DeliveryRules, reason: str, attempts: int, jitter: float) -> Step:
    """Return what becomes of a payment that may have arrived: for a person at once, again, or for its echo to tell."""
    if rules.on_unknown is UnknownPolicy.RESEND_SAME:
        wait = decide_retry(rules.retry, attempts, jitter)
        if wait is not None:
            return Step(DeliveryEvent.RESENT, wait, reason)
        reason = f"{reason} (attempt {attempts}, the last)"
    elif rules.on_unknown is UnknownPolicy.QUERY:
        return Step(DeliveryEvent.LOST, rules.echo_within, reason)
    return Step(DeliveryEvent.LOST, NO_WAIT, reason)
