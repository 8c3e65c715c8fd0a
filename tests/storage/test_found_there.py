"""What is proven to be in the EHR is never sent again, and what contradicts what is known waits for a person."""

from __future__ import annotations

import pytest
from delivery_samples import claim_one, end_attempt, next_one, read_delivery, start_attempt
from payment_samples import NOW, TODAY, add_account, make_payment, never_due, post, statuses

from hl7bridge.delivery.delivery import DeliveryEvent
from hl7bridge.delivery.policy import DeliveryRules, UnknownPolicy
from hl7bridge.delivery.verdict import NO_REPLY, Outcome, Reply, Verdict
from hl7bridge.errors import RefusedError
from hl7bridge.payments.message import DestinationForm
from hl7bridge.storage.deliveries import (
    Acknowledgement,
    add_acknowledgements,
    cancel_delivery,
    list_deliveries,
    move_delivery,
    resolve_delivery,
    retry_delivery,
)
from hl7bridge.storage.exceptions import list_exceptions
from hl7bridge.storage.payments import post_payment
from hl7bridge.storage.sending import recover_orphans
from hl7bridge.storage.settling import settle_by_echo, settle_by_reply

RULES = DeliveryRules()
ENHANCED = DeliveryRules(is_enhanced=True)
RESEND = DeliveryRules(on_unknown=UnknownPolicy.RESEND_SAME)
REFUSED = Verdict(Outcome.HELD, "AE")
ACCEPTED = Verdict(Outcome.ACCEPTED)
TOGETHER = DestinationForm("ehr", batch="account")


@pytest.fixture
def account(store):
    return add_account(store)


def queue(store, account, *names):
    """Queue payments that go in one message."""
    with store.transaction():
        for name in names:
            post_payment(
                store, make_payment(name), account, TOGETHER, now=NOW, posted_on=TODAY, batch_id="B1", due_on=never_due
            )


def bring(store, account, *names, verdict=None, rules=RULES):
    """Have an attempt at what is queued, with this end."""
    queue(store, account, *(names or ("CHK1",)))
    start_attempt(store, 1)
    if verdict is not None:
        end_attempt(store, 1, verdict, rules)


def decide(store, decision, **more):
    with store.transaction():
        return decision(store, 1, now=NOW, actor="user:test", reason="looked in the EHR", **more)


def settle(store, code, rules=RULES, **more):
    return settle_by_reply(store, Reply(code, read_delivery(store, 1).control_id), {"ehr": rules}, now=NOW, **more)


def echo(store, payment_id=1):
    store.execute("UPDATE payments SET echoed_at = ? WHERE id = ?", ("2026-01-15T17:30:00.000Z", payment_id))
    return settle_by_echo(store, payment_id, now=NOW)


def row(store):
    return next(list_deliveries(store, delivery_id=1))


def asked(store):
    return [(each["kind"], each["reason"]) for each in list_exceptions(store, is_open=True)]


def put_back(store, account, how):
    """Have a person send it again; the sender has not done so yet."""
    if how == "retry":
        bring(store, account, verdict=REFUSED)
        decide(store, retry_delivery)
    else:
        bring(store, account, verdict=NO_REPLY)
        decide(store, resolve_delivery, is_accepted=False)
    assert (statuses(store), row(store)["attempts"], row(store)["lost"]) == ([("queued", "queued")], 0, 0)


@pytest.mark.parametrize("how", ["retry", "not received"])
@pytest.mark.parametrize("says", ["echo", "AA"])
def test_what_a_person_had_sent_again_and_is_there_before_it_goes_out_is_posted(store, account, how, says):
    """Nothing is left to send."""
    put_back(store, account, how)
    settled = echo(store) if says == "echo" else settle(store, says)
    assert (settled.status, settled.is_changed, settled.is_against) == ("accepted", True, False)
    assert (next_one(store), asked(store)) == (None, [])


def test_a_commit_of_what_a_person_had_sent_again_takes_it_off_the_queue(store, account):
    """The EHR says that it is safe there, and has still to say what became of it."""
    put_back(store, account, "not received")
    assert settle(store, "CA", ENHANCED).status == "sending"
    assert next_one(store) is None


def test_a_refusal_of_the_attempt_before_does_not_stop_what_a_person_had_sent_again(store, account):
    """It was told of that before."""
    put_back(store, account, "retry")
    assert not settle(store, "AE").is_changed
    assert next_one(store).id == 1


@pytest.mark.parametrize(("says", "rules"), [("echo", RULES), ("AA", RULES), ("CA", ENHANCED)])
def test_what_was_never_sent_and_is_there_is_held(store, account, says, rules):
    """As after the restore of an old backup: a person looks, and it is not sent meanwhile."""
    queue(store, account, "CHK1")
    settled = echo(store) if says == "echo" else settle(store, says, rules)
    assert (settled.status, settled.is_changed, settled.is_against) == ("held", True, True)
    assert row(store)["last_error"] == "the destination has it, and it was never sent as far as is known here"
    assert next_one(store) is None
    if says != "echo":  # whoever notes the echo asks then
        assert asked(store) == [("reply_against", f"the EHR said {says} of delivery 1, which is held")]


def test_a_message_of_which_a_part_is_there_is_not_sent_again_before_a_person_looked(store, account):
    """Once the rest came back too it is posted."""
    bring(store, account, "CHK1", "CHK2", verdict=Verdict(Outcome.RETRY, "AR"))
    assert echo(store)[2:] == ("held", True, False)
    assert row(store)["last_error"] == "the destination has some of its payments"
    assert echo(store, 2)[2:] == ("accepted", True, False)


@pytest.mark.parametrize("verdict", [NO_REPLY, REFUSED])
def test_no_word_of_a_person_sends_again_what_came_back_on_the_feed(store, account, verdict):
    """Two payments in one message: the first would be posted twice."""
    bring(store, account, "CHK1", "CHK2", verdict=verdict)
    before = statuses(store)
    assert not echo(store, 2).is_changed
    again = (resolve_delivery, {"is_accepted": False}) if verdict is NO_REPLY else (retry_delivery, {})
    with pytest.raises(RefusedError, match=r"payment 2 came back on the feed.*other payments"):
        decide(store, again[0], **again[1])
    assert statuses(store) == before
    assert decide(store, resolve_delivery, is_accepted=True) == "accepted"


def test_a_held_payment_that_came_back_is_not_sent_again_either(store, account):
    """There are no others to see to."""
    queue(store, account, "CHK1")
    echo(store)
    with pytest.raises(RefusedError, match=r"resolve --accepted$"):
        decide(store, retry_delivery)


@pytest.mark.parametrize(("verdict", "code"), [(ACCEPTED, "AE"), (ACCEPTED, "AR"), (REFUSED, "AA"), (REFUSED, "CA")])
def test_a_reply_that_contradicts_what_was_settled_is_for_a_person(store, account, verdict, code):
    """Once, however often it comes."""
    bring(store, account, verdict=verdict)
    if verdict is REFUSED:
        decide(store, cancel_delivery)
    before = statuses(store)
    for _ in range(3):
        assert settle(store, code).is_against
    assert statuses(store) == before
    assert asked(store) == [("reply_against", f"the EHR said {code} of delivery 1, which is {row(store)['status']}")]


@pytest.mark.parametrize(("verdict", "is_asked"), [(REFUSED, True), (ACCEPTED, False), (NO_REPLY, False)])
def test_a_refusal_on_the_wire_of_what_an_echo_had_settled_is_for_a_person(store, account, verdict, is_asked):
    """The echo was faster than the reply; no reply says nothing."""
    queue(store, account, "CHK1")
    attempt = claim_one(store)
    echo(store)
    end_attempt(store, attempt.id, verdict, RULES)
    assert statuses(store) == [("accepted", "posted")]
    assert asked(store) == ([("reply_against", "the EHR said AE of delivery 1, which is accepted")] if is_asked else [])


def test_a_second_verdict_on_an_acknowledgement_of_ours_is_nobodys_business(store):
    """It is no money."""
    add_acknowledgements(store, [Acknowledgement("ehr", "K1", 1, "MSH|^~\\&|A\rMSA|AA|1\r")], "2026")
    attempt = claim_one(store)
    for verdict in (ACCEPTED, REFUSED):
        end_attempt(store, attempt.id, verdict, RULES)
    assert asked(store) == []


def test_what_was_refused_after_a_lost_attempt_is_looked_for_before_it_is_cancelled(store, account):
    """The first of the two may be there: only a person's word makes it not received, and refused it stays."""
    bring(store, account, verdict=NO_REPLY, rules=RESEND)
    move_delivery(store, 1, DeliveryEvent.STARTED, NOW)
    end_attempt(store, 1, REFUSED, RESEND)
    assert (row(store)["status"], row(store)["lost"]) == ("held", 1)
    with pytest.raises(RefusedError, match="may have arrived"):
        decide(store, cancel_delivery)
    assert decide(store, resolve_delivery, is_accepted=False) == "held"
    assert (row(store)["lost"], next_one(store)) == (0, None)
    assert decide(store, cancel_delivery) == "cancelled"


def test_what_the_ehr_refused_and_never_lost_is_not_said_to_be_not_received(store, account):
    """That is known."""
    bring(store, account, verdict=REFUSED)
    with pytest.raises(RefusedError, match="retry or cancel"):
        decide(store, resolve_delivery, is_accepted=False)


def test_a_destination_speaks_of_its_own_deliveries_only(store, account):
    """Another's reply is ignored; on a listener nobody knows whose line it is, and any counts."""
    bring(store, account, verdict=NO_REPLY)
    assert settle(store, "AA", only="test") is None
    assert statuses(store) == [("unknown", "unknown")]
    assert settle(store, "AA", only="ehr").status == "accepted"


def test_what_was_being_sent_to_a_destination_that_is_gone_is_unknown_at_the_next_start(store):
    """Committed or not; what goes to those that are there is their senders' matter."""
    for number in range(4):
        bring_to(store, number, "ehr" if number == 3 else "old")
    end_attempt(store, 2, Verdict(Outcome.COMMITTED), ENHANCED)
    end_attempt(store, 3, ACCEPTED, RULES)
    assert recover_orphans(store, {"ehr", "quiet"}, NOW) == 2
    assert [status for status, _ in statuses(store)] == ["unknown", "unknown", "accepted", "sending"]
    assert decide(store, resolve_delivery, is_accepted=True) == "accepted"


def bring_to(store, number, destination):
    """Have a payment of an account of its own be on its way somewhere."""
    form = DestinationForm(destination)
    post(store, add_account(store, f"50275{number}"), make_payment(f"CHK{number}"), form=form)
    start_attempt(store, number + 1)
