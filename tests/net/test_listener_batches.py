"""A batch in a block: each message on its own, in order, and one batch of replies; or a reply each."""

from __future__ import annotations

import threading

import pytest
from feed_samples import adt, dft, ft1
from listening import SECONDS, Listening, Sender, codes, control_ids, framed, wait_until
from reactor_thread import in_reactor

from hl7bridge.message.batch import split_batch
from hl7bridge.net import connection, contents
from hl7bridge.net.limits import MOST_WAITING
from hl7bridge.net.reactor import reactor


def batch(*messages, count=None, file=False):
    """Return a batch, in a file or bare."""
    inner = b"BHS|^~\\&|REG|NORTHGATE|||20261120||||B77\r" + b"".join(messages)
    inner += b"BTS|%d\r" % (len(messages) if count is None else count)
    return b"FHS|^~\\&|REG|NORTHGATE|||20261120||||F77\r" + inner + b"FTS|1\r" if file else inner


def charges(count, **msh):
    """Return so many charges to one account."""
    return [dft(f"D{at}", ft1(number=f"T{at}"), **msh) for at in range(count)]


def test_a_batch_is_answered_once_with_a_batch_of_replies(listening, sender):
    """Which says to which batch, and each message has its own verdict and row."""
    sender.send(batch(adt("A1"), dft("D1", ft1("TEN")), adt("A2"), file=True))
    (reply,) = sender.replies()
    lines = reply.split(b"\r")
    assert [line[:3] for line in lines if line] == [
        *(b"FHS", b"BHS"),
        *(b"MSH", b"MSA", b"MSH", b"MSA", b"ERR", b"MSH", b"MSA"),
        *(b"BTS", b"FTS"),
    ]
    assert [line[:9] for line in lines if line.startswith(b"MSA")] == [b"MSA|AA|A1", b"MSA|AE|D1", b"MSA|AA|A2"]
    assert lines[1].split(b"|")[10:12] == [b"HB000000000001B-1", b"B77"]
    assert (lines[-3], lines[-2]) == (b"BTS|3", b"FTS|1")
    assert listening.dispositions() == ["applied", "rejected", "applied"]


def test_the_blocks_around_a_batch_keep_their_order(listening, sender):
    """Of a long batch no more is in flight than of any connection; what follows waits behind it."""
    with listening.hold():
        sender.send(adt("A1"), batch(*charges(500)), adt("A2"), b"no HL7", batch(adt("A3")))
        wait_until(lambda: listening.waiting() == MOST_WAITING)
        assert not listening.is_read()
    first, reply, second, unreadable, last = sender.replies(5)
    assert (control_ids([first, second]), codes([unreadable])) == (["A1", "A2"], ["AE"])
    assert [line.split(b"|")[2] for line in reply.split(b"\r") if line.startswith(b"MSA")] == [
        b"D%d" % at for at in range(500)
    ]
    assert b"MSA|AA|A3" in last
    assert listening.store.row("SELECT count(*), sum(charges) FROM accounts") == (1, 5_000_000)
    assert [each.data for each in listening.taken] == [
        *(adt("A1"), *charges(500), adt("A2"), b"no HL7", adt("A3")),
    ]
    assert control_ids(sender.ask(adt("A4"))) == ["A4"]


def test_a_batch_may_be_answered_message_by_message(tmp_path):
    """As each is done."""
    with Listening(tmp_path, batch_reply="each") as listening, Sender(listening.port) as sender:
        sender.send(batch(*charges(100)), adt("A1"))
        assert control_ids(sender.replies(101)) == [*(f"D{at}" for at in range(100)), "A1"]


@pytest.mark.parametrize("wrong", [batch(adt("A1"), count=2), batch(), batch(adt("A1")) + b"BTS|0\r", b"BHS"])
def test_a_batch_that_is_not_whole_is_refused_as_one(listening, sender, wrong):
    """A count that differs, a structure that is none, no message: nothing of it is applied, and one reply says so."""
    (reply,) = sender.ask(wrong)
    assert codes([reply]) == ["AE"]
    assert listening.dispositions() == ["unreadable"]
    assert codes(sender.ask(adt("A9"))) == ["AA"]


def test_a_batch_whose_messages_ask_for_no_reply_gets_none(listening, sender):
    """Of those that do ask, the replies are there."""
    quiet = {"m15": "NE", "m16": "NE"}
    sender.send(batch(*charges(3, **quiet)), batch(adt("A1", **quiet), adt("A2")))
    (reply,) = sender.replies()
    assert reply.count(b"\rMSA|") == 1
    assert b"MSA|AA|A2" in reply
    assert listening.dispositions() == ["applied"] * 5


def test_a_batch_whose_sender_goes_in_the_middle_can_be_sent_again(listening):
    """What was submitted is stored, the rest is not; then the first are duplicates and the others new."""
    messages = charges(100)
    with listening.hold(), Sender(listening.port) as sender:
        sender.raw(framed(batch(*messages)) + framed(adt("A1")) + framed(adt("A2"))[:60])
        connected = listening.connection()
        wait_until(lambda: connected._decoder.is_inside)
        sender.reset()
        in_reactor(connected.transport.resumeProducing)  # or nobody would notice yet
        listening.wait_until_gone()
        assert len(listening.taken) == MOST_WAITING + 1
    assert listening.wait_for(MOST_WAITING + 1)[MOST_WAITING:] == ["unreadable"]
    assert listening.factory.held == 0
    with Sender(listening.port) as sender:
        sender.send(batch(*messages))
        assert sender.replies()[0].count(b"\rMSA|AA|") == 100
    found = listening.dispositions()[MOST_WAITING + 1 :]
    assert found == ["duplicate"] * MOST_WAITING + ["applied"] * (100 - MOST_WAITING)
    assert listening.store.row("SELECT sum(charges) FROM accounts") == (1_000_000,)


def test_a_sender_that_closes_its_side_in_the_middle_of_a_batch_gets_its_reply(listening, sender):
    """It sends no more and still reads."""
    with listening.hold():
        sender.send(batch(*charges(200)))
        sender.socket.shutdown(1)
        wait_until(lambda: listening.waiting() == MOST_WAITING)
    (reply,) = sender.rest()
    assert reply.count(b"\rMSA|AA|") == 200


def test_a_long_batch_is_taken_apart_beside_everything_else(listening, sender):
    """Its connection keeps its order meanwhile; other connections do not wait for it."""
    messages = charges(2000)
    sender.send(batch(*messages), adt("A1"))
    with Sender(listening.port) as other:
        assert control_ids(other.ask(adt("A2"))) == ["A2"]
    reply, last = sender.replies(2)
    assert (reply.count(b"\rMSA|AA|"), control_ids([last])) == (2000, ["A1"])
    assert listening.factory.held == 0


@pytest.mark.parametrize("ending", ["reset", "shutdown"])
def test_a_long_batch_whose_sender_is_gone_before_it_is_taken_apart(listening, monkeypatch, ending):
    """Gone for good: nothing of it is taken. Half closed: the reply comes."""
    goes_on = threading.Event()
    monkeypatch.setattr(contents, "split_batch", lambda data: goes_on.wait(SECONDS) and split_batch(data))
    with Sender(listening.port) as sender:
        sender.send(batch(*charges(2000)))
        wait_until(lambda: not listening.is_read())
        connected = listening.connection()
        if ending == "reset":
            sender.reset()
            in_reactor(connected.transport.resumeProducing)  # or nobody would notice yet
            listening.wait_until_gone()
            assert listening.factory.held == 0
            goes_on.set()
            wait_until(lambda: not in_reactor(reactor.getThreadPool)._team.statistics().busyWorkerCount)
            assert listening.taken == []
        else:
            sender.socket.shutdown(1)
            in_reactor(connected.transport.resumeProducing)
            wait_until(lambda: connected._is_ending)
            goes_on.set()
            assert sender.rest()[0].count(b"\rMSA|AA|") == 2000


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_fault_of_ours_in_taking_a_batch_apart_closes_its_connection(listening, sender, monkeypatch, is_gone):
    """No answer is better than a wrong one: the sender sends it again. The log has the fault."""
    goes_on = threading.Event()
    monkeypatch.setattr(contents, "split_batch", lambda _data: goes_on.wait(SECONDS) / 0)
    failures = []
    monkeypatch.setattr(connection.log, "err", failures.append)
    sender.send(batch(*charges(2000)))
    connected = listening.connection()
    wait_until(lambda: not listening.is_read())
    if is_gone:
        in_reactor(connected.transport.abortConnection)
        listening.wait_until_gone()
    goes_on.set()
    with pytest.raises(ConnectionResetError):
        sender.replies()
    listening.wait_until_gone()
    wait_until(lambda: failures)
    assert (listening.taken, [each.type for each in failures]) == ([], [ZeroDivisionError])
    assert listening.factory.held == 0
