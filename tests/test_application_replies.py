"""What an EHR in enhanced mode says on our listener settles the right delivery, and nothing else."""

from __future__ import annotations

import pytest
from delivery_samples import end_attempt, read_delivery, start_attempt
from feed_samples import Feed, code, message
from payment_samples import add_account, post, statuses

from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.verdict import NO_REPLY, Outcome, Verdict
from hl7bridge.storage.messages import read_counters

ENHANCED = DeliveryRules(is_enhanced=True)


@pytest.fixture
def line(store):
    """Return a listener's pipeline, and a payment that the EHR has committed to."""
    made = Feed(store)
    made.pipeline.use(made.pipeline.setup._replace(deliveries={"ehr": ENHANCED}))
    post(store, add_account(store))
    start_attempt(store, 1)
    end_attempt(store, 1, Verdict(Outcome.COMMITTED), ENHANCED)
    return made


def reply(line, msa_1="AA", *, control_id=None, more="", **msh):
    """Return an application reply to the payment's message."""
    answered = control_id or read_delivery(line.store, 1).control_id
    return message("ACK^P03^ACK", "R1", f"MSA|{msa_1}|{answered}", *([more] if more else []), **msh)


@pytest.mark.parametrize(
    ("msa_1", "becomes"),
    [("AA", ("accepted", "posted")), ("AE", ("held", "refused")), ("AR", ("held", "refused"))],
)
def test_an_application_reply_settles_its_payment(line, msa_1, becomes):
    """And is counted; nobody answers a reply that asks for no answer."""
    (answer,) = line.receive(reply(line, msa_1, m15="NE", m16="NE"))
    assert statuses(line.store) == [becomes]
    assert (answer.data, answer.disposition) == (b"", "ignored")
    assert answer.reason == f"a reply: delivery 1 is now {becomes[0]}"
    assert read_counters(line.store)["ehr"]["application_replies"] == 1


def test_why_it_was_refused_is_kept_in_codes(line):
    """The partner's own words may name a patient."""
    line.receive(reply(line, "AE", more="ERR||PID^1^18|204|E||||TESTPATIENT is unknown"))
    error = line.store.row("SELECT last_error FROM deliveries")[0]
    assert error == "AE 204 unknown key identifier at PID-18"


@pytest.mark.parametrize("accept", ["AL", "SU"])
def test_an_application_reply_that_asks_for_a_commit_gets_one(line, accept):
    """And gets it again when it comes again, which changes nothing."""
    for word in ("is now", "was already"):
        (answer,) = line.receive(reply(line, m15=accept, m16="NE"))
        assert code(answer) == "CA"
        assert answer.reason == f"a reply: delivery 1 {word} accepted"
    assert statuses(line.store) == [("accepted", "posted")]


def test_a_reply_that_contradicts_what_is_known_changes_nothing_and_is_counted(line):
    """A person compares the two."""
    line.receive(reply(line))
    line.receive(reply(line, "AE"))
    assert statuses(line.store) == [("accepted", "posted")]
    assert read_counters(line.store)["ehr"]["replies_against"] == 1


@pytest.mark.parametrize("control_id", ["SOMEBODY-ELSE", "HB"])
def test_a_reply_to_another_message_is_ignored(line, control_id):
    """As every acknowledgement was before."""
    (answer,) = line.receive(reply(line, control_id=control_id))
    assert answer.reason == "an acknowledgement is never answered"
    assert statuses(line.store) == [("sending", "sent")]


def test_an_acknowledgement_that_acknowledges_nothing_is_ignored(line):
    """It has no MSA."""
    (answer,) = line.receive(message("ACK", "R1"))
    assert (answer.data, answer.reason) == (b"", "an acknowledgement is never answered")


def test_a_late_commit_and_then_the_reply_find_their_payment_without_a_person(line):
    """The commit was lost on the way, the application reply was not."""
    end_attempt(line.store, 1, NO_REPLY, ENHANCED)
    line.store.execute("UPDATE deliveries SET status = 'unknown', committed_at = NULL")
    line.store.execute("UPDATE payments SET status = 'unknown'")
    line.receive(reply(line, "CA"))
    assert statuses(line.store) == [("sending", "sent")]
    line.receive(reply(line))
    assert statuses(line.store) == [("accepted", "posted")]
