"""MLLP release 2: a commit byte for each block once it is on disk, and the HL7 reply as a block of its own."""

from __future__ import annotations

import pytest
from feed_samples import adt, dft, ft1
from listening import Listening, Sender, codes, control_ids

ACK, NAK = b"\x06", b"\x15"


@pytest.fixture
def listening(tmp_path):
    with Listening(tmp_path, release=2, most_bytes=100_000, tolerances=frozenset({"several_messages"})) as made:
        yield made


@pytest.fixture
def sender(listening):
    with Sender(listening.port) as made:
        yield made


def test_each_block_is_committed_and_then_answered_whatever_the_verdict(listening, sender):
    """The commit is about the disk; what HL7 says of the message comes behind it."""
    sender.send(adt("A1"), dft("D1", ft1("TEN")), b"no HL7")
    committed, good, again, bad, once_more, unreadable = sender.replies(6)
    assert (committed, again, once_more) == (ACK, ACK, ACK)
    assert codes([good, bad, unreadable]) == ["AA", "AE", "AE"]
    assert listening.dispositions() == ["applied", "rejected", "unreadable"]


def test_a_message_that_asks_for_no_reply_is_committed_all_the_same(sender):
    """MSH-15 and MSH-16 are NE: they are about HL7's acknowledgements."""
    sender.send(adt("A1", m15="NE", m16="NE"), adt("A2"))
    assert sender.replies(2) == [ACK, ACK]
    assert control_ids(sender.replies()) == ["A2"]


def test_the_commits_of_our_replies_are_no_messages(listening, sender, logs):
    """A refusal is told in the log, once a connection."""
    sender.send(adt("A1"), ACK, NAK, NAK, adt("A2"))
    assert [reply == ACK for reply in sender.replies(4)] == [True, False, True, False]
    assert listening.dispositions() == ["applied", "applied"]
    assert logs == [
        {"event": "reply_not_committed", "listener": "ehr", "peer": "127.0.0.1", "log_level": "warning"},
    ]


def test_a_block_of_several_messages_is_committed_once_when_all_are_on_disk(sender):
    """And a batch is."""
    messages = b"".join(adt(f"A{at}") for at in range(3))
    sender.send(messages, b"BHS|^~\\&|REG|NORTHGATE\r" + messages + b"BTS|3\r")
    committed, *replies, again, batch = sender.replies(6)
    assert (committed, again, batch[:3]) == (ACK, ACK, b"BHS")
    assert control_ids(replies) == ["A0", "A1", "A2"]


def test_a_block_that_is_too_long_is_committed_and_refused_for_good(sender):
    """With 0x15 it would be sent again, and again be too long."""
    sender.send(adt("A1", "NTE|1||" + "X" * 200_000))
    committed, reply = sender.rest()
    assert (committed, codes([reply])) == (ACK, ["AE"])


def test_half_a_block_is_not_committed(listening, sender):
    """Nobody waits for an answer to it."""
    sender.raw(b"\x0b" + adt("A1")[:60] + b"\x0b" + adt("A2") + b"\x1c\r")
    assert sender.replies()[0] == ACK
    assert control_ids(sender.replies()) == ["A2"]
    assert listening.dispositions() == ["unreadable", "applied"]


def test_in_release_1_a_commit_is_a_block_like_any_other(tmp_path):
    """It is no HL7."""
    with Listening(tmp_path) as plain, Sender(plain.port) as sender:
        assert codes(sender.ask(ACK)) == ["AE"]
