"""Lockbox files in their folder, once and whole, however often we die on the way; acknowledgements out of another."""

from __future__ import annotations

import datetime as dt
import os
from types import SimpleNamespace

import pytest
import structlog
from lockbox_samples import queue, states, transaction_ids
from payment_samples import NOW, TODAY, add_account, make_store

from hl7bridge.errors import NotFoundError, RefusedError, StoreError
from hl7bridge.exchange import lockbox
from hl7bridge.exchange.lockbox import Lockbox, Run, resend_lockbox, take_acknowledgements, write_lockbox
from hl7bridge.lockboxes import exchange_lockboxes
from hl7bridge.storage.audit import read_audit

RUN = Run(NOW, "user:test", TODAY)


@pytest.fixture
def store(tmp_path):
    made = make_store(tmp_path)
    yield made
    made.close()


@pytest.fixture
def box(tmp_path):
    (tmp_path / "acks").mkdir()
    return Lockbox("box", tmp_path / "out", "csv", "1", tmp_path / "acks")


def written(box):
    """Return the bytes of each file in the folder."""
    return {path.name: path.read_bytes() for path in sorted(box.folder.iterdir())} if box.folder.is_dir() else {}


def put(box, text, name="ack.csv", age=60):
    """Put an acknowledgement into its folder."""
    path = box.acknowledgements / name
    path.write_text(text)
    at = NOW.timestamp() - age
    os.utime(path, (at, at))
    return path


def test_what_is_queued_is_written_when_it_is_due(store, box):
    """With a line in the audit log; when nothing is queued, there is no file."""
    assert write_lockbox(store, box, RUN, is_due=True) == []
    queue(store, add_account(store), 1, 2)
    assert write_lockbox(store, box, RUN, is_due=False) == []
    (file,) = write_lockbox(store, box, RUN, is_due=True)
    assert written(box) == {"lockbox-box-000001-20260115.csv": file.data}
    (entry,) = read_audit(store)
    assert (entry["action"], entry["subject"]) == ("lockbox.write", f"destination box, file {file.name}: 2 records")


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_crash_writes_each_payment_into_one_file_all_the_same(store, box, monkeypatch, at):
    """Before the file is on disk, or after and before the store knows: the next call writes the same bytes again."""
    queue(store, add_account(store), 1)

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(lockbox, "write_whole" if at == "before" else "mark_written", die)
    with pytest.raises(KeyboardInterrupt):
        write_lockbox(store, box, RUN, is_due=True)
    before = written(box)
    assert len(before) == (at == "after")
    monkeypatch.undo()
    queue(store, add_account(store, "777"), 2)
    (file,) = write_lockbox(store, box, RUN, is_due=False)
    assert written(box) == {file.name: file.data}
    assert not before or before == written(box)
    (second,) = write_lockbox(store, box, RUN, is_due=True)
    assert (second.name, second.records) == ("lockbox-box-000002-20260115.csv", 1)


def test_a_folder_that_cannot_be_written_leaves_everything_queued(store, box):
    """Nothing is said to be sent."""
    queue(store, add_account(store), 1)
    box.folder.write_text("a file, no folder")
    with pytest.raises(StoreError):
        write_lockbox(store, box, RUN, is_due=True)
    assert states(store) == [("queued", "queued", None, 0)]


def test_a_file_is_written_again_with_the_same_bytes(store, box):
    """When it was lost; only where its destination is still a lockbox."""
    queue(store, add_account(store), 1)
    (file,) = write_lockbox(store, box, RUN, is_due=True)
    (box.folder / file.name).unlink()
    assert resend_lockbox(store, [box], file.id, RUN) == file
    assert written(box) == {file.name: file.data}
    with pytest.raises(RefusedError, match="has no lockbox box"):
        resend_lockbox(store, [], file.id, RUN)
    with pytest.raises(NotFoundError):
        resend_lockbox(store, [box], 9, RUN)


def test_an_acknowledgement_is_taken_whole_and_moved(store, box):
    """Accepted and refused payments; the file is in ``taken`` then, and a second of its name beside it."""
    queue(store, add_account(store), 1, 2)
    write_lockbox(store, box, RUN, is_due=True)
    first, second = transaction_ids(store)
    put(box, f"transaction_id,status,reason\n{first},accepted,\n{second},refused,closed\n")
    (taken,) = take_acknowledgements(store, box, RUN)
    assert (tuple(taken.settled), taken.problem) == ((1, 1, 0), "")
    assert [state[0] for state in states(store)] == ["accepted", "held"]
    put(box, f"transaction_id,status\n{first},accepted\n")
    (again,) = take_acknowledgements(store, box, RUN)
    assert tuple(again.settled) == (0, 0, 1)
    assert len(list((box.acknowledgements / "taken").iterdir())) == 2
    assert [entry["subject"] for entry in read_audit(store) if entry["action"] == "lockbox.acknowledge"] == [
        "destination box: 0 accepted, 0 held, 1 settled before",
        "destination box: 1 accepted, 1 held, 0 settled before",
    ]


def test_an_acknowledgement_that_cannot_be_taken_is_put_aside_whole(store, box):
    """Unreadable, or about what was never sent; nothing of it is taken."""
    put(box, "transaction_id,status\nXXXX00000009,accepted\n", "a.csv")
    put(box, "what,is,this\n", "b.csv")
    first, second = take_acknowledgements(store, box, RUN)
    assert first.problem == "line 2: names a payment that no lockbox file of box has"
    assert second.problem.startswith("expected the columns status")
    assert first.settled is second.settled is None
    assert len(list((box.acknowledgements / "held").iterdir())) == 2


def test_what_may_not_be_whole_yet_or_is_no_file_stays_where_it_is(store, box, monkeypatch):
    """Written a moment ago, a link, a folder, gone meanwhile; no folder is an empty one."""
    put(box, "x", age=1)
    (box.acknowledgements / "link.csv").symlink_to("/etc/hostname")
    (box.acknowledgements / "folder.csv").mkdir()
    assert take_acknowledgements(store, box, RUN) == []
    gone = box.acknowledgements / "gone.csv"
    monkeypatch.setattr(type(gone), "glob", lambda *_: iter([gone]))
    assert take_acknowledgements(store, box, RUN) == []
    assert take_acknowledgements(store, box._replace(acknowledgements=None), RUN) == []
    assert take_acknowledgements(store, box._replace(acknowledgements=gone), RUN) == []


def destination(box, write_at=None):
    """Return a destination's settings."""
    told = SimpleNamespace(
        folder=box.folder, layout=box.layout, number=box.number, acknowledgements=box.acknowledgements,
        write_at=write_at,
    )  # fmt: skip
    return SimpleNamespace(name=box.destination, lockbox=told)


def exchange(store, now, *destinations):
    """Do what the daemon does a few times a minute, and return what it logged."""
    with structlog.testing.capture_logs() as logged:
        exchange_lockboxes(store, [*destinations, SimpleNamespace(name="ehr", lockbox=None)], "America/New_York", now)
    return [(each["event"], each.get("destination")) for each in logged]


def test_the_daemon_writes_what_waits_and_takes_what_came(store, box):
    """Each is told in the log."""
    queue(store, add_account(store), 1)
    assert exchange(store, NOW, destination(box)) == [("lockbox_written", "box")]
    put(box, f"transaction_id,status\n{transaction_ids(store)[0]},accepted\n")
    put(box, "x", "b.csv")
    assert exchange(store, NOW, destination(box)) == [
        ("lockbox_acknowledged", "box"),
        ("lockbox_acknowledgement_held", "box"),
    ]
    assert states(store)[0][:2] == ("accepted", "posted")


def test_a_file_a_day_is_written_from_its_time_on(store, box):
    """By the clock of the reports' zone: 18:00 in New York is 23:00 UTC in January."""
    daily = destination(box, dt.time(18, 0))
    account = add_account(store)
    queue(store, account, 1)
    evening = dt.datetime(2026, 1, 15, 23, 0, tzinfo=dt.UTC)
    assert exchange(store, evening - dt.timedelta(minutes=1), daily) == []
    assert exchange(store, evening, daily) == [("lockbox_written", "box")]
    queue(store, account, 2)
    assert exchange(store, evening + dt.timedelta(hours=3), daily) == []
    assert exchange(store, evening + dt.timedelta(days=1), daily) == [("lockbox_written", "box")]
    assert [name[:18] for name in written(box)] == ["lockbox-box-000001", "lockbox-box-000002"]


def test_one_destinations_trouble_is_told_and_is_not_anothers(store, box, tmp_path):
    """A folder that is a file."""
    queue(store, add_account(store), 1)
    broken = box._replace(folder=tmp_path / "file", destination="broken", acknowledgements=None)
    broken.folder.write_text("x")
    with store.transaction():
        store.execute("UPDATE deliveries SET destination = 'broken'")
    queue(store, add_account(store, "777"), 2)
    logged = exchange(store, NOW, destination(broken), destination(box))
    assert logged == [("lockbox_failed", "broken"), ("lockbox_written", "box")]
