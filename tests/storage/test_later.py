"""Rows that wait: written together, what others refer to first; and numbers that nobody in the store has."""

from __future__ import annotations

import pytest

from hl7bridge.mapping.records import Account, Identity, Patient, Records
from hl7bridge.storage.later import Draft, Later
from hl7bridge.storage.strangers import New, Strangers

_META = "INSERT INTO meta (key, value) VALUES (?, ?)"
_COUNTER = "INSERT INTO counters (listener, name, value) VALUES (?, ?, ?)"


def told(account=None, patient=None, **more):
    """Return the records of a message about an account and a patient."""
    return Records(
        None if account is None else Account(facility="NORTHGATE", number=account, **more),
        None if patient is None else Patient(facility="NORTHGATE", number=patient),
        (), (), (),
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 31, 33, 77])
def test_all_rows_of_a_statement_are_written_in_their_order(store, count):
    """However many there are."""
    rows = [("ehr", f"{at:03}", at) for at in range(count)]
    store.insert_all(_COUNTER, rows)
    assert store.rows("SELECT listener, name, value FROM counters ORDER BY name") == rows


def test_a_row_told_twice_in_one_statement_is_replaced_as_if_it_were_told_in_two(store):
    """The second sees the first."""
    sql = f"{_COUNTER} ON CONFLICT (listener, name) DO UPDATE SET value = counters.value + excluded.value"
    store.insert_all(sql, [("ehr", "a", 1), ("ehr", "a", 2), ("ehr", "b", 5)])
    assert store.rows("SELECT name, value FROM counters ORDER BY name") == [("a", 3), ("b", 5)]


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_rows_are_found_for_some_values(store, count):
    """Each once, whether one value is asked for or many."""
    store.insert_all(_COUNTER, [("ehr", f"{at}", at) for at in range(9)])
    found = store.rows_in("SELECT value FROM counters WHERE name IN", [f"{at}" for at in range(count)], " ORDER BY 1")
    assert found == [(at,) for at in range(count)]


def test_what_others_refer_to_is_written_first_whenever_it_came(store):
    """An id is given before the row is there, and anew after each writing."""
    later, written = Later(store, [_META]), []
    later.executemany(_COUNTER, [("ehr", "a", 1)])
    later.executemany(_META, [("a", "b")])
    later.executemany(_COUNTER, [("ehr", "b", 1)])
    assert not later.has_ids
    assert [later.next_id("patients"), later.next_id("patients"), later.next_id("accounts")] == [1, 2, 1]
    assert later.has_ids
    store.connection.set_trace_callback(written.append)
    later.write()
    store.connection.set_trace_callback(None)
    assert [text.split()[2] for text in written if text.startswith("INSERT")] == ["meta", "counters"]
    assert not later.has_ids
    assert later.next_id("patients") == 1


def test_a_message_that_cannot_be_finished_leaves_no_rows(store):
    """They are kept apart until all of them are made."""
    later = Later(store)
    Draft(later).executemany(_COUNTER, [("ehr", "a", 1)])
    draft = Draft(later)
    draft.executemany(_COUNTER, [("ehr", "b", 1)])
    draft.keep()
    later.write()
    assert store.rows("SELECT name FROM counters WHERE listener = 'ehr'") == [("b",)]


def test_who_is_new_is_so_until_a_message_names_it(store):
    """Of two that name one, the second looks it up; a number that is a visit's too is looked up always."""
    strangers = Strangers(store)
    batch = [told("A1", "M1", visit_number="V1"), told("A1", "M2"), told("V1"), told("A2", visit_number="A2"), told()]
    strangers.look_up(batch)
    news = [strangers.take(each) for each in batch]
    assert news == [New(True, True), New(False, True), New(False, False), New(False, False), New(False, False)]


def test_who_is_stored_or_was_is_not_new(store):
    """By the number that a row has, or one that leads to it, in whatever facility."""
    store.execute("INSERT INTO patients (facility, number, authority, as_of, message_id) VALUES ('S', 'M1', '', '', 1)")
    later = "INSERT INTO identifiers (kind, facility, number, authority, target_id, since, retired) VALUES"
    store.execute(f"{later} ('patient', 'S', 'M2', '', 1, '', 1), ('account', 'S', 'A2', '', 1, '', 1)")
    strangers = Strangers(store)
    strangers.look_up([told("A2", "M1"), told("A3", "M2")])
    assert strangers.take(told("A2", "M1")) == New(False, False)
    assert strangers.take(told("A3", "M2")) == New(True, False)


def test_after_a_message_that_changes_identities_nobody_is_new(store):
    """Whose numbers it gave to whom is in the store."""
    strangers = Strangers(store)
    strangers.look_up([told("A1", "M1")])
    assert strangers.take(told()._replace(identities=(Identity(),))) == New(False, False)
    assert strangers.take(told("A1", "M1")) == New(False, False)
