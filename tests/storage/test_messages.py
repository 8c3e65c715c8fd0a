"""Received blocks in the store: one row each, found again by sender and control id, and counts that add up."""

from __future__ import annotations

import pytest

from hl7bridge.storage.database import IntegrityError
from hl7bridge.storage.messages import (
    Disposition,
    MessageRow,
    count,
    earlier_messages,
    insert_messages,
    list_messages,
    next_message_id,
    read_counters,
    read_digest,
    read_message,
)


def row(number, **changes):
    """Return a message row."""
    values = MessageRow(
        number, "2026-01-15T00:00:00.000Z", "ehr", "REG", "NORTHGATE", "ADT", "A04", f"C{number}", b"digest", "applied",
        "AA", "", "generic", None, "MSH|", None, b"reply",
    )  # fmt: skip
    return values._replace(**changes)


def test_a_row_comes_back_as_it_went_in(store):
    """Bytes as bytes, nothing as nothing."""
    rows = [row(1), row(2, raw=b"\x00\xff", disposition="unreadable", content="")]
    insert_messages(store, rows)
    assert [read_message(store, each.id) for each in rows] == rows
    assert read_message(store, 3) is None
    assert read_digest(store, 1) == b"digest"
    assert read_digest(store, 3) is None


def test_ids_go_on_from_the_last(store):
    """From 1 in an empty store."""
    assert next_message_id(store) == 1
    insert_messages(store, [row(1), row(7)])
    assert next_message_id(store) == 8


def test_a_disposition_is_one_of_six(store):
    """The schema holds it."""
    insert_messages(store, [row(at, disposition=each) for at, each in enumerate(Disposition, 1)])
    with pytest.raises(IntegrityError):
        insert_messages(store, [row(9, disposition="lost")])


def test_earlier_messages_are_those_of_the_sender_and_control_id_newest_first(store):
    """Duplicates are left out: their original is there."""
    insert_messages(
        store,
        [
            row(1, control_id="X"),
            row(2, control_id="X", disposition="duplicate"),
            row(3, control_id="X", sending_application="LAB"),
            row(4, control_id="X", digest=b"other", disposition="rejected", reason="102 FT1-11: x", ack_code="AE"),
            row(5, control_id=""),
        ],
    )
    assert [each.id for each in earlier_messages(store, "X", "REG", "NORTHGATE")] == [4, 1]
    newest = earlier_messages(store, "X", "REG", "NORTHGATE")[0]
    assert newest[1:] == (b"other", "rejected", "AE", "102 FT1-11: x", b"reply", None)
    assert earlier_messages(store, "", "REG", "NORTHGATE") == []


def test_looking_for_an_earlier_message_reads_no_more_than_its_index(store):
    """However many messages there are."""
    (plan,) = store.rows(
        "EXPLAIN QUERY PLAN SELECT id FROM messages WHERE control_id = 'X' AND sending_application = 'A'"
        " AND sending_facility = 'F' AND disposition <> 'duplicate' AND control_id <> ''"
    )
    assert "messages_by_control_id" in plan[3]


def test_counters_add_up(store):
    """By listener and name."""
    count(store, {("ehr", "received"): 3, ("ehr", "applied"): 2, ("lab", "received"): 1})
    count(store, {("ehr", "received"): 2})
    count(store, {})
    assert read_counters(store) == {"ehr": {"applied": 2, "received": 5}, "lab": {"received": 1}}


def test_messages_are_listed_newest_first_with_the_number_of_their_account(store):
    """As many as asked for, of one disposition or all; 0 is all."""
    store.execute(
        "INSERT INTO accounts (id, facility, number, status, charges, payments, adjustments, insurance_payments, as_of,"
        " message_id, created_at, updated_at) VALUES (1, 'NORTHGATE', '42', 'open', 0, 0, 0, 0, '', 1, '', '')"
    )
    insert_messages(store, [row(1, account_id=1), row(2, disposition="rejected"), row(3)])
    assert [(each["id"], each["account"]) for each in list_messages(store, disposition=None, limit=0)] == [
        (3, None),
        (2, None),
        (1, "42"),
    ]
    assert [each["id"] for each in list_messages(store, disposition=None, limit=2)] == [3, 2]
    assert [each["id"] for each in list_messages(store, disposition="rejected", limit=5)] == [2]
