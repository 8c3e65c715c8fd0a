"""The sequence protocol: every message one above the last, MSA-4 says what comes next. HL7 v2.5.1 section 2.10.1."""

from __future__ import annotations

import pytest
from feed_samples import Feed, adt, answer, code, dft, ft1, message, refusal

from hl7bridge.batch import Received
from hl7bridge.errors import SEGMENT_SEQUENCE, Location, MessageError
from hl7bridge.storage.database import DatabaseError
from hl7bridge.storage.messages import read_counters
from hl7bridge.storage.sequences import SenderKey, read_sequence

SENDER = SenderKey("ehr", "REG", "NORTHGATE")


@pytest.fixture
def line(store):
    return Feed(store, sequence_protocol=True)


def numbered(number, *segments, control_id=None, **msh):
    """Return a registration with this MSH-13 and a control id made of it."""
    return adt(control_id or f"A{number}", *segments, m13=str(number), **msh)


def start(number=0, control_id="S1", **msh):
    """Return a message that is a header and nothing else."""
    return message("", control_id, m13=str(number), **msh)


def told(reply):
    """Return MSA-1 and MSA-4 of a reply."""
    return code(reply), str(answer(reply).get("MSA-4"))


def last(feed, key=SENDER):
    """Return the number that the store has of a sender."""
    return read_sequence(feed.store, key)


def test_messages_in_order_are_taken_and_their_numbers_echoed(line):
    """The first may have any positive number."""
    assert [told(line.send(numbered(number))) for number in (41, 42, 43)] == [
        ("AA", "41"), ("AA", "42"), ("AA", "43"),
    ]  # fmt: skip
    assert last(line) == 43


def test_a_batch_of_messages_is_in_order_within_itself(line):
    """The number of the one before counts at once, though nothing is stored yet."""
    replies = line.receive(numbered(1), numbered(2), numbered(4), numbered(3))
    assert [told(reply) for reply in replies] == [("AA", "1"), ("AA", "2"), ("AE", "3"), ("AA", "3")]
    assert last(line) == 3


@pytest.mark.parametrize("wrong", [3, 5, 9, 999_999_999_999_999])
def test_a_number_out_of_order_is_refused_without_effect(line, wrong):
    """AE 100 at MSH-13, CE in enhanced mode; MSA-4 says which one comes next, and that one is taken."""
    line.send(numbered(3))
    reply = line.send(numbered(wrong, control_id="X"))
    assert refusal(reply) == ("AE", "100", "MSH^1^13")
    assert told(reply) == ("AE", "4")
    assert told(line.send(numbered(wrong, control_id="Y", m15="AL"))) == ("CE", "4")
    assert line.dispositions() == ["applied", "rejected", "rejected"]
    assert told(line.send(numbered(4))) == ("AA", "4")


@pytest.mark.parametrize(
    ("text", "error"), [("", "101"), ("two", "102"), ("-2", "102"), ("1.5", "102"), ("9" * 16, "102")]
)
def test_a_message_without_a_number_is_refused(line, text, error):
    """The listener keeps the protocol, so its senders must."""
    reply = line.send(adt("A1", m13=text))
    assert refusal(reply) == ("AE", error, "MSH^1^13")
    assert told(reply)[1] == "-1"
    line.send(numbered(7))
    assert told(line.send(adt("A2", m13=text)))[1] == "8"


def test_a_link_starts_with_0_and_learns_which_number_comes_next(line):
    """-1 when none is known; a header without a type is enough, as in the standard's example; nothing is counted."""
    assert told(line.send(start())) == ("AA", "-1")
    line.send(numbered(7))
    for number, block in enumerate((start(), start(control_id="S2"), start(m9="ADT^A08"), start(m9="^"))):
        reply = line.send(block)
        assert told(reply) == ("AA", "8"), number
        assert (reply.disposition, reply.reason) == ("ignored", "starts the link; it has no content")
    assert told(line.send(numbered(8))) == ("AA", "8")


def test_a_message_with_content_that_starts_the_link_is_applied_like_any_other(line):
    """It has no number, so it uses none up."""
    line.send(numbered(7))
    reply = line.send(numbered(0, control_id="S1"))
    assert (told(reply), reply.disposition) == (("AA", "8"), "applied")
    assert last(line) == 7


def test_a_link_start_needs_what_every_header_needs(line):
    """But the type: control id, processing id, version."""
    assert refusal(line.send(start(control_id="")))[1] == "101"
    assert refusal(line.send(start(m11="T")))[1] == "202"
    assert refusal(line.send(start(m12="3.0")))[1] == "203"
    assert refusal(line.send(start(5)))[1] == "200"


def test_minus_1_resynchronises(line):
    """What was known is forgotten, and the next number, whichever it is, is the first."""
    line.send(numbered(7))
    assert told(line.send(start(-1))) == ("AA", "-1")
    assert last(line) is None
    assert told(line.send(numbered(3))) == ("AA", "3")
    assert told(line.send(numbered(5))) == ("AE", "4")


def test_a_batch_may_resynchronise_in_its_middle(line):
    """Known, forgotten and known again before anything is stored."""
    replies = line.receive(numbered(7), start(-1), numbered(2), numbered(3))
    assert [told(reply) for reply in replies] == [("AA", "7"), ("AA", "-1"), ("AA", "2"), ("AA", "3")]
    assert last(line) == 3


def test_a_message_that_comes_again_gets_its_stored_reply_before_its_number_is_looked_at(line):
    """The reply was lost; the number has been used."""
    first = line.send(numbered(1))
    line.send(numbered(2))
    again = line.send(numbered(1))
    assert (again.data, again.disposition) == (first.data, "duplicate")
    assert last(line) == 2


def test_a_message_refused_for_its_content_has_used_up_its_number(line):
    """The sender goes on with the next; the same again gets the same refusal, whatever came since."""
    bad = dft("D1", ft1("TEN"), m13="1")
    first = line.send(bad)
    assert told(first) == ("AE", "1")
    assert told(line.send(numbered(2))) == ("AA", "2")
    again = line.send(bad)
    assert (again.data, again.disposition) == (first.data, "duplicate")
    assert told(line.send(numbered(3))) == ("AA", "3")


def test_a_message_that_was_refused_for_its_content_is_tried_again_under_its_old_number(store):
    """The account that it needed is there by now."""
    line = Feed(store, sequence_protocol=True, require_account=True)
    entry = dft("D1", m13="1")
    assert told(line.send(entry)) == ("AE", "1")
    line.send(numbered(2))
    assert told(line.send(entry)) == ("AA", "1")
    assert last(line) == 2


def test_a_message_refused_for_its_number_is_looked_at_anew(line):
    """It came too early; the reply says what comes next now, not then."""
    line.send(numbered(1))
    early = numbered(4)
    assert told(line.send(early)) == ("AE", "2")
    assert line.send(early).disposition == "duplicate"
    line.send(numbered(2))
    assert told(line.send(early)) == ("AE", "3")
    line.send(numbered(3))
    assert told(line.send(early)) == ("AA", "4")
    line.send(numbered(9, control_id="X"))
    assert last(line) == 4


def test_a_number_refused_once_and_taken_by_another_message_stays_refused(line):
    """Its turn is over."""
    line.send(numbered(1))
    early = numbered(3)
    line.send(early)
    line.receive(numbered(2), numbered(3, control_id="OTHER"))
    assert told(line.send(early)) == ("AE", "4")


@pytest.mark.parametrize(
    "block",
    [
        numbered(2, m11="T"),
        numbered(2, m12="3.0"),
        numbered(2, m9="ORU^R01"),
        numbered(2, m18="KLINGON"),
        numbered(2) + b"MSH|^~\\&|REG|NORTHGATE\r",
        numbered(2, control_id=""),
    ],
)
def test_whatever_is_refused_for_what_it_says_uses_up_its_number(line, block):
    """Or the sender, which goes on, would never be taken again."""
    line.send(numbered(1))
    assert told(line.send(block))[1] == "2"
    assert told(line.send(numbered(3))) == ("AA", "3")


def test_what_cannot_be_read_and_is_out_of_order_uses_up_nothing(line):
    """MSA-4 says what comes next."""
    line.send(numbered(1))
    assert told(line.send(numbered(5, m18="KLINGON"))) == ("AE", "2")
    assert told(line.send(numbered(1, control_id="X", m18="KLINGON"))) == ("AE", "1")
    assert told(line.send(adt("A9", m18="KLINGON"))) == ("AE", "2")
    assert last(line) == 1


def test_our_own_fault_uses_up_no_number(line):
    """AR 207 means: send it again, with the number that it has."""
    line.send(numbered(1))
    setup = line.pipeline.setup
    line.pipeline.setup = setup._replace(due_on=lambda *_a, **_b: 1 / 0)
    assert refusal(line.send(dft("D2", m13="2")))[:2] == ("AR", "207")
    line.pipeline.setup = setup
    assert told(line.send(dft("D2", m13="2"))) == ("AA", "2")


def test_a_batch_that_cannot_be_stored_leaves_every_number_where_it_was(line, monkeypatch):
    """Each block is then tried alone, from what is on disk."""
    line.send(numbered(1))
    real = line.store.execute
    failures = iter([True, False, True])

    def execute(sql, *parameters):
        if sql == "COMMIT" and next(failures):
            raise DatabaseError("database or disk is full")
        return real(sql, *parameters)

    monkeypatch.setattr(line.store, "execute", execute)
    replies = line.receive(numbered(2), numbered(3))
    monkeypatch.undo()
    assert [code(reply) for reply in replies] == ["AA", "AR"]
    assert last(line) == 2
    assert told(line.send(numbered(3))) == ("AA", "3")


def test_each_sender_and_listener_has_its_own_numbers(line):
    """MSH-3.1 and MSH-4.1."""
    replies = line.receive(numbered(1), numbered(5, m3="LAB"), numbered(2, m3="REG^1.2^ISO"), numbered(9, m4="SOUTH"))
    assert [told(reply)[0] for reply in replies] == ["AA"] * 4
    assert (last(line), last(line, SENDER._replace(application="LAB"))) == (2, 5)


def test_a_sender_that_may_not_send_uses_up_no_number_of_another(line):
    """Its certificate is not for this facility."""
    line.send(numbered(1))
    (reply,) = line.receive(Received("ehr", numbered(2), facilities=frozenset()))
    assert told(reply) == ("AR", "Empty.ABSENT")
    assert last(line) == 1


def test_replays_files_and_halves_have_no_number(line):
    """Nobody waits for the answer, so nobody counts."""
    fault = MessageError(SEGMENT_SEQUENCE, Location("MSH"), "cut short")
    replies = line.receive(
        Received("ehr", adt("A1"), is_answered=False),
        Received("ehr", adt("A1"), is_answered=False, replay_of=1),
        Received("ehr", numbered(3)[:60], fault),
        b"HELLO",
    )
    assert [reply.disposition for reply in replies] == ["applied", "applied", "unreadable", "unreadable"]
    assert line.count("sequences") == 0


def test_an_acknowledgement_has_no_number(line):
    """It is not a transaction of the feed."""
    assert line.send(message("ACK", "K1", m13="9")).data == b""
    assert last(line) is None


def test_a_parked_message_has_used_up_its_number(store):
    """AA with its number."""
    line = Feed(store, sequence_protocol=True, parks=True)
    assert told(line.send(dft("D1", ft1("TEN"), m13="1"))) == ("AA", "1")
    assert told(line.send(numbered(5))) == ("AE", "2")
    assert line.dispositions() == ["parked", "rejected"]


def test_without_the_protocol_numbers_are_just_kept(feed):
    """As before; MSA has no fourth field."""
    replies = feed.receive(numbered(5), numbered(1), start())
    assert [code(reply) for reply in replies] == ["AA", "AA", "AR"]
    assert b"MSA|AA|A5\r" in replies[0].data
    assert feed.count("sequences") == 0
    assert "sequence" not in str(read_counters(feed.store))
