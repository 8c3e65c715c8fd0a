"""Application replies that go to a destination: queued with the message, sent again without harm, in nobody's way."""

from __future__ import annotations

import datetime as dt

import pytest
from delivery_samples import claim_one, end_attempt, next_one, start_attempt
from feed_samples import Feed, adt, code, dft, ft1, refusal
from payment_samples import NOW, add_account, make_payment, post

from hl7bridge.batch import Received
from hl7bridge.delivery.policy import DeliveryRules
from hl7bridge.delivery.retry import RetryPolicy
from hl7bridge.delivery.verdict import NO_REPLY, NOT_SENT, Outcome, Verdict
from hl7bridge.message.parse import parse_message
from hl7bridge.storage.deliveries import (
    Acknowledgement,
    add_acknowledgements,
    cancel_delivery,
    list_deliveries,
)
from hl7bridge.storage.payments import list_payments
from hl7bridge.storage.sending import claim_deliveries, record_no_connection, recover_sending
from hl7bridge.times import utc_text

RULES = DeliveryRules(RetryPolicy(dt.timedelta(seconds=1), dt.timedelta(seconds=60), 3))
ACCEPTED = Verdict(Outcome.ACCEPTED)
BOTH = {"m15": "AL", "m16": "AL"}
EARLIER = utc_text(NOW)


@pytest.fixture
def line(store):
    return Feed(store, application_ack_to="ehr")


def rows(feed):
    """Return what is queued, oldest first."""
    return sorted(list_deliveries(feed.store), key=lambda row: row["delivery"])


def sent(feed, number=1):
    """Return a queued message, parsed."""
    return parse_message(feed.store.row("SELECT content FROM deliveries WHERE id = ?", (number,))[0].encode())


def acknowledge(store, *numbers):
    """Queue acknowledgements."""
    add_acknowledgements(
        store, [Acknowledgement("ehr", f"K{each}", each, f"MSH|^~\\&|A\rMSA|AA|{each}\r") for each in numbers], EARLIER
    )


def end(store, delivery_id, verdict):
    return end_attempt(store, delivery_id, verdict, RULES)


# ---- what is queued -------------------------------------------------------------------------------------------------


def test_the_commit_reply_goes_back_and_the_application_reply_is_queued(line):
    """A message of ours: own control id, MSH-15 AL and MSH-16 NE, MSA-2 the sender's control id."""
    reply = line.send(adt("A1", **BOTH))
    assert code(reply) == "CA"
    assert reply.data.count(b"\x1c") == 1
    (row,) = rows(line)
    assert (row["destination"], row["kind"], row["status"], row["message"], row["payment"]) == (
        "ehr", "application_ack", "queued", reply.message_id, None,
    )  # fmt: skip
    ack = sent(line)
    assert ack.get("MSH-10") == row["control_id"] == "HB000000000001A"
    assert [ack.get(path) for path in ("MSH-15", "MSH-16", "MSA-1", "MSA-2")] == ["AL", "NE", "AA", "A1"]


@pytest.mark.parametrize(
    ("fields", "codes", "queued"),
    [
        ({}, "AA", []),
        ({"m15": "AL", "m16": "NE"}, "CA", []),
        ({"m15": "NE", "m16": "AL"}, "", ["AA"]),
        ({"m15": "NE", "m16": "ER"}, "", []),
        (BOTH, "CA", ["AA"]),
    ],
)
def test_only_the_application_reply_of_enhanced_mode_goes_apart(line, fields, codes, queued):
    """Original mode has one reply, where the sender waits for it."""
    assert code(line.send(adt("A1", **fields))) == codes
    assert [sent(line, row["delivery"]).get("MSA-1") for row in rows(line)] == queued


def test_a_refusal_goes_apart_too_unless_the_commit_reply_has_said_it(line):
    """CE is the last word; without a commit reply AE is queued."""
    assert code(line.send(dft("D1", ft1("TEN"), **BOTH))) == "CE"
    assert rows(line) == []
    assert line.send(dft("D2", ft1("TEN"), m15="NE", m16="AL")).data == b""
    assert (sent(line).get("MSA-1"), sent(line).get("ERR-3.1")) == ("AE", "102")


def test_a_message_that_comes_again_queues_no_second_reply(line):
    """In the same batch or later; a refused one neither."""
    block, bad = adt("A1", **BOTH), dft("D1", ft1("TEN"), m15="NE", m16="AL")
    line.receive(block, block, bad, bad)
    line.receive(block, bad)
    assert [row["message"] for row in rows(line)] == [1, 3]


def test_replays_and_files_queue_nothing(line):
    """Nobody waits."""
    line.receive(Received("ehr", adt("A1", **BOTH), is_answered=False))
    line.receive(Received("ehr", adt("A1", **BOTH), is_answered=False, replay_of=1))
    assert rows(line) == []


def test_a_message_that_cannot_be_stored_queues_nothing_and_is_not_told_that_it_was(line):
    """CE where a commit reply is wanted; silence where only the application's is, so that the sender asks again."""
    line.store.execute("PRAGMA query_only = ON")
    replies = line.receive(adt("A1", **BOTH), adt("A2", m15="NE", m16="AL"))
    line.store.execute("PRAGMA query_only = OFF")
    assert refusal(replies[0])[:2] == ("CE", "207")
    assert replies[1].data == b""
    assert rows(line) == []


def test_a_sender_that_asks_for_nothing_and_waits_is_told_when_nothing_can_be_stored(store):
    """Where the listener answers what was not asked."""
    feed = Feed(store, answer_unasked=True)
    store.execute("PRAGMA query_only = ON")
    (reply,) = feed.receive(adt("A1", m15="NE", m16="NE"))
    store.execute("PRAGMA query_only = OFF")
    assert refusal(reply)[:2] == ("AR", "207")


@pytest.mark.parametrize(("charset", "codec"), [("", "utf-8"), ("8859/1", "latin-1")])
def test_the_reply_goes_out_in_the_character_set_that_it_names(line, charset, codec):
    """The sender's, or UTF-8."""
    line.send(adt("A1", m3="MÜNCHEN", m18=charset, **BOTH).decode().encode(codec))
    payload = claim_one(line.store, "ehr", line.now).payload
    assert "|MÜNCHEN|".encode(codec) in payload
    assert parse_message(payload).get("MSH-5") == "MÜNCHEN"


# ---- how it is sent -------------------------------------------------------------------------------------------------


def test_a_lost_reply_to_an_acknowledgement_means_once_more_and_in_the_end_a_person(store):
    """A second acknowledgement doubles nothing; a payment would be unknown at once."""
    acknowledge(store, 1)
    for attempt in (1, 2, 3):
        start_attempt(store, 1, NOW)
        assert end(store, 1, NO_REPLY) == ("queued" if attempt < 3 else "held")
    (row,) = list_deliveries(store)
    assert row["last_error"] == "no reply in time (attempt 3, the last)"
    with store.transaction():
        cancel_delivery(store, 1, now=NOW, actor="user:test", reason="they read it in the log")
    assert next(list_deliveries(store))["status"] == "cancelled"


def test_what_was_never_sent_counts_as_no_attempt(store):
    """As with payments."""
    acknowledge(store, 1)
    start_attempt(store, 1, NOW)
    assert end(store, 1, NOT_SENT) == "queued"
    assert next(list_deliveries(store))["attempts"] == 0


def test_after_a_crash_an_acknowledgement_is_sent_again_and_a_payment_is_not(store):
    """Only what may have posted money is for a person."""
    post(store, add_account(store))
    acknowledge(store, 1)
    for delivery_id in (1, 2):
        start_attempt(store, delivery_id, NOW)
    assert recover_sending(store, "ehr", RULES, NOW) == 1
    assert [row["status"] for row in list_deliveries(store)] == ["queued", "unknown"]
    assert next_one(store, "ehr", NOW).id == 2


def test_payments_and_acknowledgements_take_turns(store):
    """A flood of the one does not drown the other."""
    accounts = [add_account(store, f"50274{number}") for number in range(2)]
    acknowledge(store, 1, 2, 3)
    for account in accounts:
        post(store, account, make_payment(account.number))
    order, delivery = [], None
    while delivery := claim_one(store, "ehr", NOW, delivery):
        order.append(delivery.id)
        end(store, delivery.id, ACCEPTED)
    assert order == [4, 1, 5, 2, 3]
    assert [payment["status"] for payment in list_payments(store)] == ["posted", "posted"]


def test_acknowledgements_go_out_one_by_one_however_many_connections_there_are(store):
    """In the order of the messages that they answer, beside payments of as many accounts as there is room for."""
    accounts = [add_account(store, f"50274{number}") for number in range(3)]
    acknowledge(store, 1, 2)
    for account in accounts:
        post(store, account, make_payment(account.number))
    assert [each.id for each in claim_deliveries(store, "ehr", NOW, 3)] == [3, 4, 1]
    assert [each.id for each in claim_deliveries(store, "ehr", NOW, 3)] == [5]
    end(store, 1, ACCEPTED)
    assert [each.id for each in claim_deliveries(store, "ehr", NOW, 3)] == [2]


def test_an_acknowledgement_does_not_wait_for_a_payment_nor_a_payment_for_one(store):
    """Put off, held or unknown: each kind waits only for its own."""
    account = add_account(store)
    post(store, account)
    acknowledge(store, 1, 2)
    record_no_connection(store, 1, "put off", NOW + dt.timedelta(hours=1))
    assert next_one(store, "ehr", NOW).id == 2
    record_no_connection(store, 2, "put off", NOW + dt.timedelta(hours=1))
    assert next_one(store, "ehr", NOW) is None
    later = NOW + dt.timedelta(hours=1)
    start_attempt(store, 2, later)
    end(store, 2, Verdict(Outcome.HELD, "AE"))
    assert [claim_one(store, "ehr", later).id for _ in range(2)] == [1, 3]
    end(store, 1, NO_REPLY)
    end(store, 3, ACCEPTED)
    post(store, account, make_payment("CHK2"))
    acknowledge(store, 4)
    assert next_one(store, "ehr", later).id == 5


def test_a_long_queue_of_one_kind_costs_the_other_nothing(store):
    """Each look reads the index at the right place."""
    from hl7bridge.storage import sending

    plan = [line[-1] for line in store.rows(f"EXPLAIN QUERY PLAN {sending._NEXT}", ("ehr", 1, 1))]
    assert any("deliveries_queued (destination=? AND <expr>=?" in line for line in plan), plan
    assert not any("TEMP B-TREE" in line for line in plan)
