"""A sender's certificate says for which facilities it may send; another's messages are refused unseen."""

from __future__ import annotations

import pytest
from feed_samples import Feed, adt, code, message, refusal

from hl7bridge.batch import Received
from hl7bridge.storage.messages import read_counters

NORTH = frozenset({"NORTHGATE", "NORTH"})
SOUTH = frozenset({"SOUTHGATE"})
REFUSAL = ("AR", "103", "MSH^1^4")


def sent(block, facilities, **fields):
    """Return a block as a listener hands it on for a certificate."""
    return Received("ehr", block, facilities=facilities, **fields)


def test_a_message_for_an_allowed_facility_is_taken(feed):
    """The first component of MSH-4 counts; without a rule every facility is allowed."""
    replies = feed.receive(
        sent(adt("A1"), NORTH), sent(adt("A2", m4="NORTH^1.2.3^ISO"), NORTH), sent(adt("A3", m4="ELSEWHERE"), None)
    )
    assert [code(reply) for reply in replies] == ["AA"] * 3


@pytest.mark.parametrize("facility", ["NORTHGATE", "", '""', "southgate", "SOUTHGATE2"])
def test_a_message_for_another_facility_is_rejected(feed, facility):
    """AR 103 at MSH-4 with words; nothing is stored of it but the row."""
    (reply,) = feed.receive(sent(adt("A1", m4=facility), SOUTH))
    assert refusal(reply) == REFUSAL
    assert reply.reason == "103 MSH-4: the sender's certificate does not allow this facility"
    assert feed.dispositions() == ["rejected"]
    assert feed.count("accounts") == 0


def test_a_commit_is_refused_with_ce(feed):
    """CR is for type, version and processing id only."""
    (reply,) = feed.receive(sent(adt("A1", m15="AL", m16="AL"), SOUTH))
    assert code(reply) == "CE"


def test_no_stored_reply_of_another_sender_leaks(feed):
    """Byte for byte the same message, from a sender that may not have sent it: it learns nothing."""
    (first,) = feed.receive(sent(adt("A1"), NORTH))
    (stolen,) = feed.receive(sent(adt("A1"), SOUTH))
    assert refusal(stolen) == REFUSAL
    unreadable = adt("A2", m18="KLINGON")
    feed.receive(sent(unreadable, NORTH))
    (second,) = feed.receive(sent(unreadable, SOUTH))
    assert second.disposition == "unreadable"
    (again,) = feed.receive(sent(unreadable, NORTH))
    assert again.disposition == "duplicate"
    assert first.disposition == "applied"
    assert feed.dispositions() == ["applied", "rejected", "unreadable", "unreadable", "duplicate"]


def test_a_refused_sender_is_never_parked(store):
    """Or anybody could fill the list."""
    feed = Feed(store, parks=True)
    (reply,) = feed.receive(sent(adt("A1"), SOUTH))
    assert refusal(reply) == REFUSAL
    assert feed.count("parked") == 0


def test_an_acknowledgement_is_never_answered_whoever_sends_it(feed):
    """Nothing is looked up for it either."""
    (reply,) = feed.receive(sent(message("ACK", "K1"), SOUTH))
    assert (reply.data, reply.disposition) == (b"", "ignored")


def test_what_the_listener_notes_of_a_block_is_counted(feed):
    """Tolerances that were needed, beside the dispositions."""
    feed.receive(
        sent(adt("A1"), None, notes=("end_without_cr",)),
        sent(adt("A1"), None, notes=("end_without_cr", "tolerated_no_start")),
    )
    counts = read_counters(feed.store)["ehr"]
    assert (counts["end_without_cr"], counts["tolerated_no_start"]) == (2, 1)
