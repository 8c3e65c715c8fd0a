"""Who gets the write lock: a long job gives way between its transactions, and whoever waits looks for the gap."""

from __future__ import annotations

import pytest
from placement_samples import new_store

from hl7bridge.errors import StoreError
from hl7bridge.storage import database
from hl7bridge.storage.turns import Turns


@pytest.fixture
def store(tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def other(store, tmp_path):
    opened = new_store(tmp_path)
    yield opened
    opened.close()


def write(store) -> None:
    with store.transaction():
        store.execute("INSERT INTO meta (key, value) VALUES ('turn', '1') ON CONFLICT (key) DO UPDATE SET value = '2'")


def test_a_job_waits_longer_while_others_write(store, other, monkeypatch):
    """Alone it hardly waits; its own writing does not count."""
    waits: list[float] = []
    monkeypatch.setattr(database.time, "sleep", waits.append)
    turns = Turns(store)
    write(store)
    turns.give_way()
    write(other)
    turns.give_way()
    turns.give_way()
    short, long, again = waits
    assert short == again
    assert long > 2 * short


def synchronous(store) -> int:
    return store.row("PRAGMA synchronous")[0]


def test_unhurried_work_is_on_disk_at_its_end_and_everything_after_it_at_once(store, monkeypatch):
    """1 is NORMAL, 2 is FULL; the last write of the block is under FULL, so the disk has all that came before."""
    seen = []
    begin = store._begin
    monkeypatch.setattr(store, "_begin", lambda: (seen.append(synchronous(store)), begin()))
    with store.unhurried():
        write(store)
        write(store)
    write(store)
    assert seen == [1, 1, 2, 2]


def test_unhurried_work_that_fails_is_on_disk_as_far_as_it_was_committed(store):
    """And the connection is as careful as before."""

    def fail() -> None:
        with store.unhurried():
            write(store)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert synchronous(store) == 2
    assert store.row("SELECT value FROM meta WHERE key = 'synced'") == ("1",)
    with store.unhurried():
        write(store)
    assert store.row("SELECT value FROM meta WHERE key = 'synced'") == ("0",)


def test_whoever_waits_for_a_transaction_looks_every_millisecond(store, other, monkeypatch):
    """The driver's own wait grows to a tenth of a second, and misses gaps of some milliseconds again and again."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            other.execute("ROLLBACK")

    monkeypatch.setattr(database.time, "sleep", wait)
    other.execute("BEGIN IMMEDIATE")
    write(store)
    assert waits == [0.001] * 3


def test_what_is_not_begun_by_us_keeps_the_drivers_wait(store, other, monkeypatch):
    """Also after a transaction, and after one that could not begin."""
    write(store)
    assert store.row("PRAGMA busy_timeout") == (5000,)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.0)
    with other.transaction(), pytest.raises(StoreError, match="locked"):
        write(store)
    assert store.row("PRAGMA busy_timeout") == (5000,)
