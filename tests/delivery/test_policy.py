"""What becomes of a message at the end of an attempt: by the destination's rules, and by nothing else."""

from __future__ import annotations

import datetime as dt

import pytest

from hl7bridge.delivery.delivery import APPLICATION_ACK, DeliveryEvent
from hl7bridge.delivery.policy import DeliveryRules, UnknownPolicy, decide_step
from hl7bridge.delivery.retry import RetryPolicy
from hl7bridge.delivery.verdict import NO_REPLY, NOT_SENT, Outcome, Verdict, judge_reply

SECOND = dt.timedelta(seconds=1)
RETRY = RetryPolicy(SECOND, 60 * SECOND, 3)
ACK = b"MSH|^~\\&|EHR|||||ACK|R1|P|2.5.1\rMSA|%b|HB1\r"


def step(policy, verdict=NO_REPLY, attempts=1, kind="DFT^P03"):
    return decide_step(DeliveryRules(RETRY, policy, echo_within=600 * SECOND), verdict, kind, attempts, 0.0)


@pytest.mark.parametrize(
    ("policy", "attempts", "event", "wait"),
    [
        (UnknownPolicy.HOLD, 1, DeliveryEvent.LOST, 0),
        (UnknownPolicy.QUERY, 1, DeliveryEvent.LOST, 600),
        (UnknownPolicy.RESEND_SAME, 1, DeliveryEvent.RESENT, 1),
        (UnknownPolicy.RESEND_SAME, 2, DeliveryEvent.RESENT, 2),
        (UnknownPolicy.RESEND_SAME, 3, DeliveryEvent.LOST, 0),
    ],
)
def test_a_lost_reply_is_dealt_with_as_the_destination_says(policy, attempts, event, wait):
    """For a person at once; the same again, and in the end a person; or when no echo came in time."""
    found = step(policy, attempts=attempts)
    assert (found.event, found.wait) == (event, wait * SECOND)
    assert found.reason.startswith("no reply in time")
    assert found.reason.endswith("(attempt 3, the last)") is (attempts == 3)


@pytest.mark.parametrize("policy", list(UnknownPolicy))
def test_an_acknowledgement_is_sent_again_whatever_the_policy_and_held_in_the_end(policy):
    """It carries no money."""
    assert step(policy, kind=APPLICATION_ACK).event is DeliveryEvent.POSTPONED
    assert step(policy, attempts=3, kind=APPLICATION_ACK).event is DeliveryEvent.REFUSED


@pytest.mark.parametrize("policy", list(UnknownPolicy))
@pytest.mark.parametrize(
    ("verdict", "attempts", "event"),
    [
        (Verdict(Outcome.ACCEPTED), 1, DeliveryEvent.ACCEPTED),
        (Verdict(Outcome.COMMITTED), 1, DeliveryEvent.COMMITTED),
        (Verdict(Outcome.HELD, "AE"), 1, DeliveryEvent.REFUSED),
        (Verdict(Outcome.RETRY, "AR"), 2, DeliveryEvent.POSTPONED),
        (Verdict(Outcome.RETRY, "AR"), 3, DeliveryEvent.REFUSED),
        (NOT_SENT, 1, DeliveryEvent.NOT_SENT),
    ],
)
def test_a_reply_counts_the_same_under_every_policy(policy, verdict, attempts, event):
    """The policy is for what nobody answered."""
    assert step(policy, verdict, attempts).event is event


@pytest.mark.parametrize(
    ("rules", "code", "outcome"),
    [
        (DeliveryRules(), b"CA", Outcome.ACCEPTED),
        (DeliveryRules(is_enhanced=True), b"CA", Outcome.COMMITTED),
        (DeliveryRules(is_enhanced=True), b"AA", Outcome.ACCEPTED),
        (DeliveryRules(is_enhanced=True, outcomes={"CA": Outcome.ACCEPTED}), b"CA", Outcome.ACCEPTED),
        (DeliveryRules(outcomes={"AR": Outcome.HELD}), b"AR", Outcome.HELD),
        (DeliveryRules(outcomes={"AE": Outcome.RETRY}), b"AE", Outcome.RETRY),
        (DeliveryRules(outcomes={"AE": Outcome.ACCEPTED}), b"AE", Outcome.ACCEPTED),
        (DeliveryRules(outcomes={"AE": Outcome.ACCEPTED}), b"AR", Outcome.RETRY),
    ],
)
def test_each_destination_has_its_own_table_of_verdicts(rules, code, outcome):
    """What it does not name stands as the standard has it."""
    verdict, reply = judge_reply(ACK % code, "HB1", rules.meanings)
    assert verdict.outcome is outcome
    assert (reply.code, reply.control_id) == (code.decode(), "HB1")
