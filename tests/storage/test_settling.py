"""What the EHR says late, on a listener or by an echo reaches the right delivery, and undoes no other decision."""

from __future__ import annotations

import datetime as dt

import pytest
from delivery_samples import claim_one, end_attempt, next_one, read_delivery, start_attempt
from payment_samples import NOW, add_account, make_payment, post, statuses

from hl7bridge.delivery.delivery import DeliveryEvent
from hl7bridge.delivery.policy import DeliveryRules, UnknownPolicy
from hl7bridge.delivery.retry import RetryPolicy
from hl7bridge.delivery.verdict import NO_REPLY, Outcome, Reply, Verdict
from hl7bridge.storage.deliveries import (
    Acknowledgement,
    add_acknowledgements,
    cancel_delivery,
    list_deliveries,
    move_delivery,
    resolve_delivery,
)
from hl7bridge.storage.sending import expire_committed, record_no_connection, recover_sending
from hl7bridge.storage.settling import settle_by_control_id, settle_by_echo, settle_by_reply

HOUR = dt.timedelta(hours=1)
RETRY = RetryPolicy(dt.timedelta(seconds=1), dt.timedelta(seconds=60), 3)
RULES = DeliveryRules(RETRY)
RESEND = DeliveryRules(RETRY, UnknownPolicy.RESEND_SAME)
QUERY = DeliveryRules(RETRY, UnknownPolicy.QUERY, echo_within=HOUR)
ENHANCED = DeliveryRules(RETRY, is_enhanced=True, application_ack_within=HOUR)
BY = {"now": NOW, "actor": "user:test", "reason": "looked in the EHR"}
COMMITTED = Verdict(Outcome.COMMITTED)


@pytest.fixture
def account(store):
    return add_account(store)


def queue(store, account, *names):
    for name in names:
        post(store, account, make_payment(name))


def bring(store, account, status, rules=RULES):
    """Queue a payment and bring its delivery to a status."""
    queue(store, account, "CHK1")
    if status == "never sent":
        return
    start_attempt(store, 1)
    verdicts = {"held": Verdict(Outcome.HELD, "AE"), "unknown": NO_REPLY, "accepted": Verdict(Outcome.ACCEPTED)}
    verdicts |= {"queued": Verdict(Outcome.RETRY, "AR"), "committed": COMMITTED, "cancelled": Verdict(Outcome.HELD)}
    if status in verdicts:
        end_attempt(store, 1, verdicts[status], rules)
    if status == "cancelled":
        decide(store, cancel_delivery)


def decide(store, decision, **more):
    with store.transaction():
        return decision(store, 1, **(BY | more))


def settle(store, code, rules=RULES, number=1, condition=""):
    reply = Reply(code, read_delivery(store, number).control_id, condition)
    return settle_by_reply(store, reply, {"ehr": rules}, now=NOW + HOUR)


def row(store, number=1):
    return next(list_deliveries(store, delivery_id=number))


@pytest.mark.parametrize(
    ("status", "code", "becomes", "payment", "is_against"),
    [
        ("unknown", "AA", "accepted", "posted", False),
        ("unknown", "CA", "accepted", "posted", False),
        ("unknown", "AE", "held", "refused", False),
        ("unknown", "AR", "held", "refused", False),
        ("unknown", "OK", "unknown", "unknown", False),
        ("sending", "AA", "accepted", "posted", False),
        ("queued", "AA", "accepted", "posted", False),
        ("queued", "AE", "held", "refused", False),
        ("held", "AA", "accepted", "posted", False),
        ("held", "AE", "held", "refused", False),
        ("accepted", "AA", "accepted", "posted", False),
        ("accepted", "AE", "accepted", "posted", True),
        ("cancelled", "AA", "cancelled", "refused", True),
        ("cancelled", "AE", "cancelled", "refused", False),
        ("never sent", "AA", "held", "refused", True),
        ("never sent", "CA", "held", "refused", True),
        ("never sent", "AE", "queued", "queued", False),
    ],
)
def test_a_late_reply_reaches_its_own_row(store, account, status, code, becomes, payment, is_against):
    """The EHR is believed, unless it contradicts a final state; what was never sent and is there waits for a person."""
    bring(store, account, status)
    before = statuses(store)
    settled = settle(store, code)
    assert statuses(store) == [(becomes, payment)]
    assert settled[:3] == (1, "ehr", becomes)
    assert settled.is_changed is (before != statuses(store))
    assert settled.is_against is is_against


def test_a_late_refusal_says_why_and_a_late_yes_clears_it(store, account):
    """In codes of the standard."""
    bring(store, account, "unknown")
    settle(store, "AE", condition=" 204 unknown key identifier")
    assert row(store)["last_error"] == "AE 204 unknown key identifier"
    settle(store, "AA")
    assert (row(store)["last_error"], row(store)["finished_at"]) == ("", "2026-01-15T17:30:00.000Z")


def test_a_reply_to_nothing_of_ours_is_nothings(store):
    """Nor does a reply to an acknowledgement of ours settle money."""
    add_acknowledgements(store, [Acknowledgement("ehr", "K1", 1, "MSH|^~\\&|A\rMSA|AA|1\r")], "2026")
    assert settle_by_control_id(store, "K1", "AA", {}, now=NOW) is None
    assert settle_by_control_id(store, "HB-ELSEWHERE", "AA", {}, now=NOW) is None


def test_a_destination_that_is_gone_from_the_settings_is_taken_by_the_standard(store, account):
    """Its replies still count."""
    bring(store, account, "unknown")
    assert settle_by_control_id(store, read_delivery(store, 1).control_id, "AA", {}, now=NOW).is_changed


# ---- enhanced mode --------------------------------------------------------------------------------------------------


def test_a_committed_payment_waits_for_its_application_reply_and_its_account_waits_behind_it(store, account):
    """It is in the EHR's hands; a restart does not make it unknown."""
    bring(store, account, "committed", ENHANCED)
    queue(store, account, "CHK2")
    assert statuses(store) == [("sending", "sent"), ("queued", "queued")]
    assert row(store)["committed_at"] == "2026-01-15T16:30:00.000Z"
    assert recover_sending(store, "ehr", ENHANCED, NOW) == 0
    assert next_one(store) is None
    assert settle(store, "AA", ENHANCED).status == "accepted"
    assert row(store)["committed_at"] is None
    assert next_one(store).id == 2


def test_a_commit_that_comes_late_takes_the_payment_out_of_unknown_and_off_the_queue(store, account):
    """And then the application reply is waited for."""
    bring(store, account, "unknown", ENHANCED)
    assert settle(store, "CA", ENHANCED).status == "sending"
    assert row(store)["committed_at"] == "2026-01-15T17:30:00.000Z"


@pytest.mark.parametrize(
    ("policy", "becomes", "count"),
    [
        (UnknownPolicy.HOLD, ("unknown", "unknown"), 1),
        (UnknownPolicy.RESEND_SAME, ("queued", "queued"), 0),
    ],
)
def test_a_committed_payment_without_an_application_reply_in_time_is_lost(store, account, policy, becomes, count):
    """Then the policy says what is done."""
    rules = ENHANCED._replace(on_unknown=policy)
    bring(store, account, "committed", rules)
    assert expire_committed(store, "ehr", rules, NOW + HOUR - dt.timedelta(seconds=1)) == 0
    assert expire_committed(store, "ehr", rules, NOW + HOUR) == count
    assert statuses(store) == [becomes]
    assert row(store)["last_error"] == "committed, and no application reply in time"
    assert row(store)["lost"] == 1


@pytest.mark.parametrize(("code", "status"), [("AA", "accepted"), ("AE", "held")])
def test_an_application_reply_that_is_faster_than_the_commit_stands(store, account, code, status):
    """They come on two connections."""
    bring(store, account, "sending", ENHANCED)
    settle(store, code, ENHANCED)
    assert end_attempt(store, 1, COMMITTED, ENHANCED) == status
    assert row(store)["status"] == status


def test_a_commit_of_what_is_queued_again_changes_nothing(store, account):
    """It is told."""
    bring(store, account, "queued", ENHANCED)
    assert end_attempt(store, 1, COMMITTED, ENHANCED) is None


def test_a_yes_to_what_an_echo_has_settled_is_no_surprise(store, account):
    """It was accepted, and is."""
    bring(store, account, "accepted")
    assert end_attempt(store, 1, Verdict(Outcome.ACCEPTED), RULES) == "accepted"


# ---- resend-same and query ------------------------------------------------------------------------------------------


def test_resend_same_sends_the_same_bytes_and_no_merge_changes_them(store, account):
    """``lost`` says that it may have arrived."""
    from hl7bridge.storage.readdressing import readdress_deliveries

    bring(store, account, "unknown", RESEND)
    store.execute("UPDATE accounts SET pid_18 = 'OTHER^^^HOSP^AN'")
    content = read_delivery(store, 1).content
    assert (statuses(store), row(store)["lost"]) == ([("queued", "queued")], 1)
    assert readdress_deliveries(store, 1) == 0
    assert claim_one(store, now=NOW + HOUR).content == content


def test_resend_same_ends_with_a_person(store, account):
    """Who finds the payment unknown, not refused."""
    queue(store, account, "CHK1")
    for _ in range(3):
        start_attempt(store, 1)
        end_attempt(store, 1, NO_REPLY, RESEND)
    assert statuses(store) == [("unknown", "unknown")]


def test_after_a_crash_resend_same_queues_what_was_in_flight(store, account):
    """Nobody is asked."""
    bring(store, account, "sending", RESEND)
    assert recover_sending(store, "ehr", RESEND, NOW) == 0
    assert (statuses(store), row(store)["lost"]) == ([("queued", "queued")], 1)


def test_what_may_have_arrived_is_not_cancelled_while_it_is_queued_but_can_be_found(store, account):
    """A cancelled payment is said not to be in the EHR."""
    from hl7bridge.errors import RefusedError

    bring(store, account, "unknown", RESEND)
    with pytest.raises(RefusedError, match="may have arrived"):
        decide(store, cancel_delivery)
    assert decide(store, resolve_delivery, is_accepted=True) == "accepted"


def test_what_a_person_did_not_find_counts_as_never_lost(store, account):
    """Then it is sent again, or cancelled."""
    bring(store, account, "unknown")
    assert decide(store, resolve_delivery, is_accepted=False) == "queued"
    assert decide(store, cancel_delivery) == "cancelled"


def test_query_gives_the_echo_its_time_before_a_person_is_told(store, account):
    """The row is unknown meanwhile, and its account waits."""
    from hl7bridge.storage.late import find_oldest_late

    bring(store, account, "unknown", QUERY)
    minutes = dt.timedelta(minutes=15)
    assert statuses(store) == [("unknown", "unknown")]
    assert find_oldest_late(store, "ehr", NOW + HOUR - minutes, minutes) is None
    assert find_oldest_late(store, "ehr", NOW + HOUR, minutes) == "2026-01-15T16:30:00.000Z"


# ---- echoes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["sending", "committed", "unknown", "held", "queued"])
def test_a_payment_that_comes_back_on_the_feed_is_posted(store, account, status):
    """Under every policy."""
    bring(store, account, status, ENHANCED if status == "committed" else RULES)
    store.execute("UPDATE payments SET echoed_at = ?", ("2026-01-15T17:30:00.000Z",))
    settled = settle_by_echo(store, 1, now=NOW + HOUR)
    assert (settled.status, settled.is_changed, settled.is_against) == ("accepted", True, False)
    assert statuses(store) == [("accepted", "posted")]
    assert not settle_by_echo(store, 1, now=NOW + HOUR).is_changed


def test_an_echo_of_what_was_cancelled_is_told(store, account):
    """Money that is in the EHR and in no delivery of ours."""
    bring(store, account, "cancelled")
    store.execute("UPDATE payments SET echoed_at = ''")
    assert settle_by_echo(store, 1, now=NOW).is_against


def test_a_delivery_of_several_payments_is_accepted_when_all_came_back(store, account):
    """One FT1 that is in the EHR says nothing of the next."""
    queue(store, account, "CHK1", "CHK2")
    store.execute("DELETE FROM delivery_payments WHERE delivery_id = 2")
    store.execute("DELETE FROM deliveries WHERE id = 2")
    store.execute("INSERT INTO delivery_payments VALUES (1, 2)")
    start_attempt(store, 1)
    assert [each[0] for each in store.rows("SELECT status FROM payments")] == ["sent", "sent"]
    for payment_id, is_changed in ((1, False), (2, True)):
        store.execute("UPDATE payments SET echoed_at = '' WHERE id = ?", (payment_id,))
        assert settle_by_echo(store, payment_id, now=NOW).is_changed is is_changed
    assert [each[0] for each in store.rows("SELECT status FROM payments")] == ["posted", "posted"]


def test_an_echo_of_a_payment_in_no_delivery_is_nothings(store):
    """It is told elsewhere."""
    assert settle_by_echo(store, 77, now=NOW) is None


def test_a_lockbox_moves_its_deliveries_by_the_same_table(store, account):
    """Gathered, and accepted by the acknowledgement."""
    queue(store, account, "CHK1")
    move_delivery(store, 1, DeliveryEvent.STARTED, NOW)
    record_no_connection(store, 1, "not for what is being sent", NOW)
    assert move_delivery(store, 1, DeliveryEvent.ACCEPTED, NOW, "") == "accepted"
    assert statuses(store) == [("accepted", "posted")]
