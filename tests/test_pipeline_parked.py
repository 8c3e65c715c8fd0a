"""A listener that parks: what would be refused for what it says is answered AA and waits for a person, once."""

from __future__ import annotations

import pytest
from feed_samples import NOW, Feed, adt, code, dft, ft1, generic_mapping, message, pid, refusal

from hl7bridge.batch import Received
from hl7bridge.errors import SEGMENT_SEQUENCE, Location, MessageError, NotFoundError, RefusedError
from hl7bridge.storage.audit import read_audit
from hl7bridge.storage.messages import read_counters, read_message
from hl7bridge.storage.parked import count_waiting, dismiss_message, unpark_message

BAD = dft("D1", ft1("TEN"))


@pytest.fixture
def parking(store):
    return Feed(store, parks=True)


def waiting(feed):
    """Return the ids of the messages that wait."""
    return [row[0] for row in feed.store.rows("SELECT message_id FROM parked ORDER BY message_id")]


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (BAD, "102 FT1-11"),
        (dft("D1", account=""), "101 PID-18"),
        (message("ORU^R01", "C1", pid()), "200 MSH-9.1: "),
        (adt("A1", event="A99"), "201 MSH-9.2: "),
        (message("", "C1"), "200 MSH-9: "),
    ],
)
def test_a_message_that_cannot_be_applied_is_taken_and_kept_with_its_reason(parking, block, reason):
    """AA, and nothing of it in the ledger; the text that was kept of it is there to be run again."""
    reply = parking.send(block)
    assert (code(reply), reply.disposition) == ("AA", "parked")
    assert reply.reason.startswith(reason)
    row = read_message(parking.store, 1)
    assert (row.ack_code, row.raw) == ("AA", None)
    assert row.content.startswith("MSH|")
    assert waiting(parking) == [1]
    assert parking.count("entries") == 0
    assert count_waiting(parking.store) == (1, row.received_at)
    parking.check_footing()


def test_a_message_that_cannot_be_read_is_parked_with_its_bytes(parking):
    """Its MSH-10 can be, so that the answer names it."""
    block = adt("A1", m18="KLINGON")
    reply = parking.send(block)
    assert (code(reply), reply.disposition) == ("AA", "parked")
    row = read_message(parking.store, 1)
    assert (row.raw, row.content, row.control_id) == (block, "", "A1")
    again = parking.send(block)
    assert (again.disposition, again.data) == ("duplicate", reply.data)
    assert waiting(parking) == [1]


@pytest.mark.parametrize(
    ("block", "expected", "disposition"),
    [
        (adt("A1", m11="T"), ("AR", "202", "MSH^1^11"), "rejected"),
        (adt("A1", m12="3.0"), ("AR", "203", "MSH^1^12"), "rejected"),
        (adt(""), ("AE", "101", "MSH^1^10"), "rejected"),
        (b"HELLO", ("AE", "100", "MSH^1"), "unreadable"),
        (adt("", m18="KLINGON"), ("AE", "103", "MSH^1^18"), "unreadable"),
    ],
)
def test_what_came_to_the_wrong_listener_or_cannot_be_named_is_refused_as_everywhere(
    parking, block, expected, disposition
):
    """An AA with an empty MSA-2 would help nobody."""
    reply = parking.send(block)
    assert refusal(reply) == expected
    assert reply.disposition == disposition
    assert waiting(parking) == []


def test_our_own_fault_parks_nothing(parking):
    """AR 207: the sender sends it again."""
    parking.pipeline.setup = parking.pipeline.setup._replace(due_on=lambda *_a, **_b: 1 / 0)
    assert refusal(parking.send(dft("D1"))) == ("AR", "207", "MSH^1")
    assert waiting(parking) == []


def test_a_block_that_never_was_whole_is_not_parked(parking):
    """Its sender has the rest of it."""
    fault = MessageError(SEGMENT_SEQUENCE, Location("MSH"), "too long")
    (reply,) = parking.receive(Received("ehr", adt("A1"), fault))
    assert (code(reply), reply.disposition) == ("AE", "unreadable")
    assert waiting(parking) == []


def test_enhanced_mode_gets_its_commit_reply(parking):
    """CA, and the application reply AA if it is asked for."""
    assert code(parking.send(dft("D1", ft1("TEN"), m15="AL", m16="NE"))) == "CA"
    assert code(parking.send(dft("D2", ft1("TEN"), m15="NE", m16="AL"))) == "AA"


def test_a_parked_message_that_comes_again_gets_the_same_reply_and_waits_once(parking):
    """In one batch, and later."""
    first, second = parking.receive(BAD, BAD)
    assert first.data == second.data == parking.send(BAD).data
    assert parking.dispositions() == ["parked", "duplicate", "duplicate"]
    assert waiting(parking) == [1]


def test_a_mended_message_may_come_under_the_same_control_id(store):
    """Nothing of the parked one was applied, so it has not used its id; it waits until a person says what of it."""
    feed = Feed(store, parks=True, refuse_reused_control_id=True)
    feed.send(BAD)
    feed.take(dft("D1"))
    assert feed.dispositions() == ["parked", "applied"]
    reply = feed.send(dft("D1", ft1("7.00", number="TTX7")))
    assert (code(reply), reply.disposition) == ("AA", "parked")
    assert reply.reason.startswith("205 MSH-10: ")
    assert "reused_control_id" not in {name for name, value in read_counters(store)["ehr"].items() if value}


def test_a_replay_that_is_refused_again_is_not_parked_a_second_time(parking):
    """It is rejected, the first one goes on waiting, and its sender still gets the stored AA."""
    first = parking.send(BAD)
    (again,) = parking.receive(Received("ehr", BAD, is_answered=False, replay_of=1))
    assert again.disposition == "rejected"
    assert waiting(parking) == [1]
    resent = parking.send(BAD)
    assert (resent.disposition, resent.data) == ("duplicate", first.data)


def test_a_message_that_was_refused_before_the_listener_parked_is_parked_when_it_comes_again(feed):
    """The stored refusal is of the old policy."""
    assert code(feed.send(BAD)) == "AE"
    feed.use(parks=True)
    assert code(feed.send(BAD)) == "AA"
    feed.use()
    assert code(feed.send(BAD)) == "AA"
    assert feed.dispositions() == ["rejected", "parked", "duplicate"]


def test_a_message_that_can_be_read_no_more_still_gets_its_reply(feed):
    """It was taken when the listener had another character set: what was answered stays true."""
    block = adt("A1").replace(b"AURELIA", b"AUR\xc9LIA")
    (first,) = feed.take(block)
    feed.use(charset="ASCII")
    again = feed.send(block)
    assert (again.disposition, again.data) == ("duplicate", first.data)


def test_a_message_and_its_replays_leave_the_list_together(parking):
    """A person may replay the replay."""
    parking.send(BAD)
    parking.receive(Received("ehr", BAD, is_answered=False, replay_of=1))
    parking.send(dft("D2", ft1("TEN")))
    unpark_message(parking.store, 2)
    assert waiting(parking) == [3]


def test_a_person_dismisses_with_a_reason_that_the_audit_log_keeps(parking):
    """Once; and only what waits."""
    parking.receive(BAD, adt("A1"))
    by = {"now": NOW, "actor": "user:test", "reason": " keyed in by hand "}
    with pytest.raises(RefusedError, match="a reason is needed"):
        dismiss_message(parking.store, 1, **(by | {"reason": " "}))
    with parking.store.transaction():
        dismiss_message(parking.store, 1, **by)
    assert waiting(parking) == []
    assert count_waiting(parking.store) == (0, None)
    row = next(read_audit(parking.store))
    assert (row["action"], row["subject"], row["reason"]) == ("messages.dismiss", "message 1", "keyed in by hand")
    with pytest.raises(RefusedError, match="message 1 does not wait for a person: it was replayed or dismissed"):
        dismiss_message(parking.store, 1, **by)
    with pytest.raises(RefusedError, match="message 2 does not wait for a person: it is applied"):
        dismiss_message(parking.store, 2, **by)
    with pytest.raises(NotFoundError, match="no message 3"):
        dismiss_message(parking.store, 3, **by)


def test_a_mapping_is_needed_no_less(store):
    """A mended mapping takes the next one as ever."""
    feed = Feed(store, parks=True)
    feed.send(dft("D1", ft1(kind="FEE")))
    feed.use(generic_mapping(lambda text: text.replace('CHARGE = "CG"', 'CHARGE = "CG"\nFEE = "CG"')), parks=True)
    feed.take(dft("D2", ft1(kind="FEE")))
    assert feed.dispositions() == ["parked", "applied"]
