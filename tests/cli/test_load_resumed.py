"""A load that is ended in the middle, however it is ended, goes on where it stopped: every message once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import hl7
import pytest
from bridge_samples import Bridge
from feed_samples import adt, dft, ft1
from listening import SECONDS, codes, wait_until
from running_daemon import ROOT, RunningDaemon, make_folder

from hl7bridge.cli import loading
from hl7bridge.cli.common import App
from hl7bridge.errors import RefusedError
from hl7bridge.storage.loads import advance_load, find_load

MESSAGES = 3000


def charge(number):
    """A charge that nothing but its message's control id tells from others."""
    return dft(f"L{number}", ft1("10.00", number="", f3=f"L{number}"), account=f"TACC{number // 5}")


def night(folder, count=MESSAGES):
    path = folder / "night.hl7"
    path.write_bytes(b"".join((b"BHS|^~\\&|EHR\r", *map(charge, range(count)), b"BTS|%d\r" % count)))
    return path


def start(config, path, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "hl7bridge", "load", str(path), "--json", "--config", str(config), *map(str, options)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )


def kill_after(process, config, count):
    """Kill -9 once so many messages are done; return how many were, by the store."""
    with closing_store(config) as store:

        def done():
            row = store.row("SELECT done FROM loads")
            return row is not None and row[0] >= count

        wait_until(done)
        process.kill()
        process.wait(SECONDS)
        process.stdout.close()
        return store.row("SELECT done, status FROM loads")


def closing_store(config):
    return App(config).open_store()


def check_whole(store, count):
    """Fail unless every message of the file is there once, no entry twice, and the sums foot."""
    taken = store.rows("SELECT control_id, disposition FROM messages WHERE control_id LIKE 'L%' ORDER BY id")
    assert taken == [(f"L{number}", "applied") for number in range(count)]
    entries = store.rows("SELECT batch_id FROM entries WHERE batch_id LIKE 'L%'")
    assert sorted(row[0] for row in entries) == sorted(f"L{number}" for number in range(count))
    sums = "(SELECT coalesce(sum(amount), 0) FROM entries e WHERE e.account_id = a.id)"
    assert not store.rows(f"SELECT id FROM accounts a WHERE charges <> {sums}")
    assert store.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("with_replies", [False, True])
def test_kill_9_in_the_middle_of_a_load_loses_nothing_and_doubles_nothing(tmp_path, with_replies):
    """Twice killed, then left to end: every message once, in order, and each acknowledgement once."""
    config = make_folder(tmp_path / "d")
    path, replies = night(tmp_path), tmp_path / "replies.hl7"
    options = ("--replies", replies) if with_replies else ()
    done = 0
    for _ in range(2):
        process = start(config, path, *options)
        before, (done, status) = done, kill_after(process, config, done + 300)
        assert (before + 300 <= done < MESSAGES, status) == (True, "loading")
    process = start(config, path, *options)
    out = process.communicate(timeout=SECONDS)[0]
    row = json.loads(out)
    assert (process.returncode, row["done"], row["status"], row["counts"]["applied"]) == (
        0,
        MESSAGES,
        "loaded",
        MESSAGES,
    )
    with closing_store(config) as store:
        check_whole(store, MESSAGES)
        told = [row[0] for row in store.rows("SELECT action FROM audit WHERE action LIKE 'load.%' ORDER BY id")]
    assert told == ["load.begin", "load.resume", "load.resume", "load.done"]
    if with_replies:
        reply = hl7.parse_batch(replies.read_bytes())
        assert [str(ack.segment("MSA")[2]) for ack in reply] == [f"L{number}" for number in range(MESSAGES)]
        assert sorted(each.name for each in tmp_path.iterdir()) == ["d", "night.hl7", "replies.hl7"]


def test_a_daemon_answers_its_senders_while_a_file_is_loaded(tmp_path):
    """Both write to the same accounts, the load is killed and gone on with, and nobody is refused."""
    config = make_folder(tmp_path / "d")
    path = night(tmp_path)
    answered = []
    stopping = threading.Event()
    with RunningDaemon(config) as daemon:

        def send():
            with daemon.sender() as sender:
                while not stopping.is_set():
                    number = len(answered)
                    answered.extend(codes(sender.ask(adt(f"A{number}", account=f"TACC{number % 600}"))))

        thread = threading.Thread(target=send)
        thread.start()
        try:
            kill_after(start(config, path), config, 500)
            during = len(answered)
            process = start(config, path)
            row = json.loads(process.communicate(timeout=4 * SECONDS)[0])
        finally:
            stopping.set()
            thread.join(SECONDS)
        assert (process.returncode, row["counts"]["applied"]) == (0, MESSAGES)
        daemon.stop()
    assert set(answered) == {"AA"}
    assert during > 20, "the first load did not hold up the daemon"
    assert len(answered) - during > 20, "nor did the second"
    with closing_store(config) as store:
        check_whole(store, MESSAGES)
        counts = "SELECT count(*) FROM messages WHERE control_id LIKE 'A%' AND disposition = 'applied'"
        assert store.row(counts) == (len(answered),)


@pytest.fixture
def bridge(tmp_path):
    return Bridge(tmp_path / "d")


def stop_after(monkeypatch, chunks):
    """Have a load end after some chunks, as Ctrl-C ends it."""
    known = loading._chunks

    def some(units):
        for number, chunk in enumerate(known(units)):
            if number == chunks:
                raise KeyboardInterrupt
            yield chunk

    monkeypatch.setattr(loading, "_chunks", some)
    return lambda: monkeypatch.setattr(loading, "_chunks", known)


def test_a_run_that_goes_on_says_so_and_counts_what_went_before(bridge, tmp_path, monkeypatch):
    path = night(tmp_path, 120)
    undo = stop_after(monkeypatch, 2)
    assert bridge.run("load", path).exit_code == 130
    undo()
    result = bridge.run("load", path)
    assert (result.exit_code, result.stdout) == (0, "night.hl7: 120 messages (went on after 100): 120 applied\n")


def test_replies_that_were_not_asked_for_at_first_are_said_to_be_missing(bridge, tmp_path, monkeypatch):
    path, replies = night(tmp_path, 120), tmp_path / "r"
    undo = stop_after(monkeypatch, 2)
    bridge.run("load", path)
    undo()
    result = bridge.run("load", path, "--replies", replies)
    assert "the first 100 messages were loaded by a run without --replies" in result.stderr
    reply = hl7.parse_batch(replies.read_bytes())
    assert [str(ack.segment("MSA")[2]) for ack in reply] == [f"L{number}" for number in range(100, 120)]


def test_replies_to_a_chunk_that_was_never_stored_are_dropped(bridge, tmp_path, monkeypatch):
    """They are on disk before the transaction ends: when it does not, they were never true."""
    path, replies = night(tmp_path, 120), tmp_path / "r"
    add = loading.ReplyFile.add

    def add_and_fail(self, framed):
        add(self, framed)
        if len(framed) < loading.CHUNK_MESSAGES:
            raise KeyboardInterrupt

    monkeypatch.setattr(loading.ReplyFile, "add", add_and_fail)
    assert bridge.run("load", path, "--replies", replies).exit_code == 130
    monkeypatch.setattr(loading.ReplyFile, "add", add)
    (part,) = tmp_path.glob("*.part")
    assert len(part.read_bytes().splitlines()) == 120
    assert bridge.run("load", path, "--replies", replies).exit_code == 0
    reply = hl7.parse_batch(replies.read_bytes())
    assert [str(ack.segment("MSA")[2]) for ack in reply] == [f"L{number}" for number in range(120)]


def test_replies_are_written_though_the_run_ended_between_the_last_message_and_them(bridge, tmp_path, monkeypatch):
    path, replies = night(tmp_path, 60), tmp_path / "r"

    def fail(*_arguments):
        raise KeyboardInterrupt

    write = loading.ReplyFile.write
    monkeypatch.setattr(loading.ReplyFile, "write", fail)
    assert bridge.run("load", path, "--replies", replies).exit_code == 130
    monkeypatch.setattr(loading.ReplyFile, "write", write)
    for _ in range(2):
        result = bridge.run("load", path, "--replies", replies)
        assert (result.exit_code, "loaded already" in result.stdout) == (0, True)
    assert len(hl7.parse_batch(replies.read_bytes())) == 60


def test_two_at_once_on_one_file_do_not_both_load_it(bridge, tmp_path, monkeypatch):
    """Whoever is second finds that the first has gone on, and nothing of the second's chunk stays."""
    path = night(tmp_path, 120)
    known = loading.advance_load

    def overtaken(store, load, found, now):
        advance_load(store, load, found, now)
        return known(store, load, found, now)

    monkeypatch.setattr(loading, "advance_load", overtaken)
    result = bridge.run("load", path)
    assert result.exit_code == 1
    assert "night.hl7: somebody else is loading this file" in result.stderr
    with bridge.store() as store:
        assert store.row("SELECT count(*) FROM messages") == (0,)
        load = find_load(store, store.row("SELECT sha256 FROM loads")[0], "ehr")
        assert (load.done, load.status, load.counts) == (0, "loading", {})
        with store.transaction(), pytest.raises(RefusedError):
            advance_load(store, load._replace(done=5), {"applied": 1}, App(None).now())


def test_a_limit_that_was_changed_meanwhile_must_be_set_back(bridge, tmp_path, monkeypatch):
    """A batch in a block longer than the limit is one message that cannot be read, and not the messages in it."""
    path = tmp_path / "night.hl7"
    block = b"".join((b"BHS|^~\\&|EHR\r", *map(charge, range(20)), b"BTS|20\r"))
    path.write_bytes(b"".join(b"\x0b%b\x1c\r" % each for each in [*map(charge, range(100, 150)), block]))
    undo = stop_after(monkeypatch, 1)
    bridge.run("load", path)
    undo()
    bridge.configure('# max_block = "16 MiB"', 'max_block = "1 KiB"')
    result = bridge.run("load", path)
    assert result.exit_code == 1
    assert "night.hl7: 70 messages when this load began, now 51: set the listener's max_block back" in result.stderr
    bridge.configure('max_block = "1 KiB"', '# max_block = "16 MiB"')
    assert bridge.rows("load", path)[0]["counts"]["applied"] == 70
