"""What a listener bears with when it is told to, and what it does with the same bytes when it is not."""

from __future__ import annotations

import socket

import pytest
from feed_samples import adt
from listening import Listening, Sender, codes, control_ids, framed


def ask(folder, data, count=1, **limits):
    """Send bytes and return the replies' codes and ids, what became of each block, and the notes that came with it."""
    with Listening(folder, **limits) as listening, Sender(listening.port) as sender:
        sender.raw(data)
        replies = sender.replies(count)
        return codes(replies), control_ids(replies), listening.dispositions(), [each.notes for each in listening.taken]


def test_a_block_without_its_last_byte_is_counted(tmp_path):
    """It harms nothing, so it is always borne with."""
    _, _, _, notes = ask(tmp_path, framed(adt("A1"))[:-1] + framed(adt("A2")), 2)
    assert notes == [("end_without_cr",), ()]


def test_a_text_without_any_mark_is_complete_after_a_pause_or_where_the_next_begins(tmp_path):
    """For senders that know no MLLP; the reply is framed all the same."""
    tolerated = {"tolerances": frozenset({"unframed"})}
    found = ask(tmp_path, adt("A1") + adt("A2") + b"\r\n", 2, **tolerated)
    assert found == (["AA", "AA"], ["A1", "A2"], ["applied", "applied"], [("tolerated_unframed",)] * 2)


def test_a_text_without_any_mark_is_complete_when_its_sender_closes(tmp_path):
    """It is not half of a message: nothing says that more was to come."""
    with Listening(tmp_path, tolerances=frozenset({"unframed"})) as listening, Sender(listening.port) as sender:
        sender.raw(adt("A1"))
        sender.socket.shutdown(socket.SHUT_WR)
        assert codes(sender.rest()) == ["AA"]
    assert [each.notes for each in listening.taken] == [("tolerated_unframed",)]


def test_a_text_that_comes_slowly_is_one_text(tmp_path, monkeypatch):
    """Each byte begins the pause anew."""
    with Listening(tmp_path, tolerances=frozenset({"unframed"})) as listening, Sender(listening.port) as sender:
        for at in range(0, len(adt("A1")), 20):
            sender.raw(adt("A1")[at : at + 20])
        assert codes(sender.replies()) == ["AA"]
        assert [each.data for each in listening.taken] == [adt("A1").rstrip(b"\r")]


def test_a_start_byte_inside_a_field_is_data_where_that_is_tolerated(tmp_path):
    """Elsewhere it begins a new block."""
    data = framed(adt("A1").replace(b"AURELIA", b"AURE\x0bLIA"))
    _, ids, found, notes = ask(tmp_path, data, tolerances=frozenset({"start_in_data"}))
    assert (ids, found, notes) == (["A1"], ["applied"], [("tolerated_start_in_data",)])


@pytest.mark.parametrize(
    ("switch", "payload"),
    [
        ("bytes_before_msh", b"\xff\xfe junk " + adt("A1")),
        ("clipped_msh", adt("A1")[1:]),
    ],
)
def test_a_repair_is_made_and_noted_where_it_is_switched_on_and_refused_elsewhere(tmp_path, switch, payload):
    """The sender learns what is wrong as long as nobody has decided to bear with it."""
    (tmp_path / "off").mkdir()
    found = ask(tmp_path, framed(payload), tolerances=frozenset({switch}))
    assert found == (["AA"], ["A1"], ["applied"], [(f"tolerated_{switch}",)])
    with Listening(tmp_path / "off") as listening, Sender(listening.port) as sender:
        sender.send(payload)
        assert b"MSA|AE" in sender.replies()[0]
        assert listening.dispositions() == ["unreadable"]


def test_several_messages_in_a_block_are_each_answered_in_a_block(tmp_path):
    """Also many: no more are submitted at a time than of any other connection. What follows comes after them."""
    many = [adt(f"A{at}") for at in range(200)]
    wanted = [f"A{at}" for at in range(200)] + ["B1"]
    data = framed(b"".join(many))[:-1] + framed(adt("B1"))
    _, ids, found, notes = ask(tmp_path, data, 201, tolerances=frozenset({"several_messages"}))
    assert (ids, found) == (wanted, ["applied"] * 201)
    assert notes == [
        ("end_without_cr", "tolerated_several_messages"),
        *[("tolerated_several_messages",)] * 199,
        (),
    ]


def test_two_messages_in_a_block_are_refused_where_that_is_not_tolerated(tmp_path):
    """Rather than to answer for the first and lose the second."""
    answer, _, found, _ = ask(tmp_path, framed(adt("A1") + adt("A2")))
    assert (answer, found) == (["AE"], ["unreadable"])


def test_what_a_repair_uncovers_may_be_a_batch(tmp_path):
    """Junk, then FHS or BHS."""
    payload = b"junk BHS|^~\\&|REG|NORTHGATE\r" + adt("A1") + adt("A2") + b"BTS|2\r"
    with (
        Listening(tmp_path, tolerances=frozenset({"bytes_before_msh", "several_messages"})) as listening,
        Sender(listening.port) as sender,
    ):
        (reply,) = (sender.send(payload), sender.replies())[1]
        assert reply.startswith(b"BHS|")
        assert listening.dispositions() == ["applied", "applied"]


def test_each_repair_that_was_needed_is_counted_for_the_listener(tmp_path):
    """Where ``hl7bridge status`` reads it."""
    payload = framed(b"junk " + adt("A1")) + framed(adt("A2"))[:-1] + framed(adt("A3"))
    with Listening(tmp_path, tolerances=frozenset({"bytes_before_msh"})) as listening, Sender(listening.port) as sender:
        sender.raw(payload)
        assert control_ids(sender.replies(3)) == ["A1", "A2", "A3"]
        counted = dict(listening.store.rows("SELECT name, value FROM counters WHERE value > 0"))
    assert counted == {"received": 3, "applied": 3, "end_without_cr": 1, "tolerated_bytes_before_msh": 1}
