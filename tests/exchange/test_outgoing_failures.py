"""Sending when something fails: a crash, a full disk, two senders at once. Nothing is lost and nothing goes twice."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import zlib

import pytest
from feed_samples import Feed, adt
from placement_samples import (
    GUARANTOR,
    NOW,
    NOW_TEXT,
    TODAY,
    agency_in,
    decide_all,
    new_store,
    pay,
    put_account,
    rows_of,
    send,
    sending_of,
    signal,
)

from hl7bridge.errors import StoreError
from hl7bridge.exchange import numbered
from hl7bridge.exchange.outgoing import AgencyFolder, Sent, send_placements
from hl7bridge.layouts.placements_csv import digest_of, parse_trailer
from hl7bridge.placement.state import Status
from hl7bridge.storage.agency_files import Work
from hl7bridge.storage.placements import list_placements, read_placement
from hl7bridge.storage.signals import add_signal

FILE = "placements-sample-000001-20260302.csv"
TRAILER = "placements-sample-000001-20260302.trailer.csv"


def test_an_account_that_does_not_foot_stays_queued_and_is_told(store, tmp_path, folder):
    """The others go; nobody gets an amount that cannot be proved."""
    put_account(store)
    put_account(store, "A1002")
    decide_all(store)
    store.execute("UPDATE accounts SET charges = charges + 1 WHERE number = 'A1001'")
    sent = send(store, tmp_path)
    [problem] = sent.problems
    assert problem.startswith("agency sample: placement 1 stays queued: charges 150.01")
    assert problem.endswith("a difference of 0.01")
    assert [row["client_account"] for row in rows_of(folder / FILE)] == ["A1002"]
    assert read_placement(store, 1).status is Status.QUEUED
    store.execute("UPDATE accounts SET charges = charges - 1 WHERE number = 'A1001'")
    assert [file.number for file in send(store, tmp_path).files] == [2]


def test_a_folder_that_cannot_be_written_keeps_placements_queued_and_other_agencies_go_on(store, tmp_path, folder):
    """One clear line; the next call sends."""
    put_account(store)
    decide_all(store)
    folder.write_text("in the way")
    other = AgencyFolder("other", tmp_path / "other", agency_in(tmp_path).fields)
    store.execute("UPDATE placements SET agency = 'other'")
    put_account(store, "A1002")
    decide_all(store)
    sent = send_placements(store, [agency_in(tmp_path), other], sending_of())
    assert sent.problems == (f"agency sample: {folder}: cannot write: File exists",)
    assert [file.agency for file in sent.files] == ["other"]
    assert [each.status.value for each in list_placements(store)] == ["queued", "sent"]
    folder.unlink()
    assert [file.records for file in send(store, tmp_path).files] == [1]


@pytest.mark.parametrize(("days", "is_sent"), [(2, True), (3, False), (None, True)])
def test_nothing_is_placed_while_no_ehr_has_sent_for_too_long(store, tmp_path, days, is_sent):
    """Balances may be old; the next message, whatever it is, sets it free. Stops go all the same."""
    put_account(store)
    decide_all(store)
    within = dt.timedelta(days=2, hours=12)
    if days is not None:
        feed = Feed(store)
        feed.now = NOW - dt.timedelta(days=days, seconds=1)
        feed.send(adt("A1"))
    sent = send(store, tmp_path, feed_within=within)
    assert [file.records for file in sent.files] == ([1] if is_sent else [])
    if not is_sent:
        [problem] = sent.problems
        assert problem.startswith("placements stay queued: no message has come since 2026-02-27T14:00:00.000Z")
        assert sent.stuck == {Work("sample", is_urgent=False)}
        assert send(store, tmp_path).files != ()


def test_placements_for_an_agency_that_is_not_configured_are_told(store, tmp_path):
    """They wait until it is."""
    put_account(store)
    decide_all(store)
    sent = send_placements(store, [], sending_of())
    assert sent.problems == ("agency sample: 1 placements are queued, and the configuration has no such agency",)
    assert read_placement(store, 1).status is Status.QUEUED


@pytest.mark.parametrize("survives", [0, 1], ids=["before the file", "between file and trailer"])
def test_a_crash_between_transaction_and_files_is_finished_with_the_same_bytes(
    store, tmp_path, folder, monkeypatch, survives
):
    """The next call writes from what was frozen: nothing is decided or looked up again."""
    account_id = put_account(store, "A1001", guarantors=(GUARANTOR._replace(street="=1+1 SAMPLE ST"),))
    decide_all(store)
    write = numbered.write_whole
    written = []

    def crash(where, name, data) -> None:
        if len(written) == survives:
            raise KeyboardInterrupt
        written.append(data)
        write(where, name, data)

    monkeypatch.setattr(numbered, "write_whole", crash)
    with pytest.raises(KeyboardInterrupt):
        send(store, tmp_path)
    monkeypatch.undo()
    assert store.rows("SELECT status FROM agency_files") == [("writing",)]
    [(digest,)] = store.rows("SELECT sha256 FROM agency_files")
    with store.transaction():  # everything changes in the meantime
        add_signal(store, account_id, signal("dispute", "open"), NOW_TEXT)
    pay(store, account_id, "40.00")
    store.execute("UPDATE guarantors SET street = '2 OTHER STREET'")
    later = sending_of(now=NOW + dt.timedelta(days=3), today_of=lambda _: TODAY + dt.timedelta(days=3))
    fewer = agency_in(tmp_path, fields=("placement_id", "client_account", "balance"))
    sent = send_placements(store, [fewer], later)
    assert [file.name for file in sent.files] == [FILE]
    assert digest_of((folder / FILE).read_bytes()) == digest
    assert parse_trailer((folder / TRAILER).read_bytes()).sha256 == digest
    assert parse_trailer((folder / TRAILER).read_bytes()).created_at == NOW_TEXT
    [row] = rows_of(folder / FILE)
    assert (row["balance"], row["guarantor_street"]) == ("150.00", "=1+1 SAMPLE ST")
    if survives:
        assert (folder / FILE).read_bytes() == written[0]
    assert store.rows("SELECT status FROM agency_files") == [("written",)]
    assert send_placements(store, [fewer], later) == Sent()


def test_a_disk_that_fills_up_is_told_and_finished_later(store, tmp_path, folder, monkeypatch):
    """The file is not said to be written until it is."""
    put_account(store)
    decide_all(store)

    def fail(*_) -> None:
        raise StoreError("placements.csv: cannot write: No space left on device")

    monkeypatch.setattr(numbered, "write_whole", fail)
    assert send(store, tmp_path).problems == ("agency sample: placements.csv: cannot write: No space left on device",)
    monkeypatch.undo()
    assert [file.name for file in send(store, tmp_path).files] == [FILE]
    assert (folder / FILE).exists()


def test_a_file_whose_frozen_content_was_changed_is_not_written(store, tmp_path, folder, monkeypatch):
    """The digest of the transaction guards it."""
    put_account(store)
    decide_all(store)
    monkeypatch.setattr(numbered, "write_whole", lambda *_: (_ for _ in ()).throw(StoreError("full")))
    send(store, tmp_path)
    monkeypatch.undo()
    for changed in (b"another file", zlib.compress(b"another file")):
        store.execute("UPDATE agency_files SET content = ?", (changed,))
        [problem] = send(store, tmp_path).problems
        assert "what was frozen has changed" in problem
    assert list(folder.iterdir()) == []


def test_a_file_that_an_earlier_release_left_half_sent_is_finished_from_its_placements(
    store, tmp_path, folder, monkeypatch
):
    """That release kept no bytes: they are made again from what was frozen with each placement."""
    put_account(store)
    decide_all(store)
    monkeypatch.setattr(numbered, "write_whole", lambda *_: (_ for _ in ()).throw(StoreError("full")))
    send(store, tmp_path)
    monkeypatch.undo()
    store.execute("UPDATE agency_files SET content = NULL")
    assert [file.name for file in send(store, tmp_path).files] == [FILE]
    assert digest_of((folder / FILE).read_bytes()) == parse_trailer((folder / TRAILER).read_bytes()).sha256
    store.execute("UPDATE agency_files SET status = 'writing'")
    store.execute("UPDATE placements SET snapshot = NULL")
    assert "what was frozen has changed" in send(store, tmp_path).problems[0]


def _send_in_process(folder, barrier) -> None:
    store = new_store(folder)
    barrier.wait()
    send_placements(store, [agency_in(folder)], sending_of())
    store.close()


def test_two_processes_that_send_at_once_write_one_file(store, tmp_path, folder):
    """The daemon and the command line share a store; each placement is in one file, once."""
    for number in range(30):
        put_account(store, f"F{number}")
    decide_all(store)
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    both = [spawn.Process(target=_send_in_process, args=(tmp_path, barrier)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    assert sorted(path.name for path in folder.iterdir()) == [FILE, TRAILER]
    assert sorted(row["client_account"] for row in rows_of(folder / FILE)) == sorted(f"F{n}" for n in range(30))
    assert store.rows("SELECT number, records, status FROM agency_files") == [(1, 30, "written")]
