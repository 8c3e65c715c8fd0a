"""The daemon's jobs with agencies run in threads of their own: one that fails is said, and none waits for another."""

from __future__ import annotations

import threading

import pytest
from listening import SECONDS, wait_until
from reactor_thread import in_reactor, start_reactor
from running_daemon import make_folder
from structlog.testing import capture_logs
from twisted.internet.task import Clock, LoopingCall

from hl7bridge import service
from hl7bridge.assemble import assemble
from hl7bridge.config import load_settings
from hl7bridge.exchange.arrivals import Arrival, Arrivals
from hl7bridge.placing import DECISIONS, EXCHANGE, Job
from hl7bridge.storage.database import open_store, read_key


@pytest.fixture
def assembled(tmp_path):
    return assemble(load_settings(make_folder(tmp_path / "d")))


def open_daemon(assembled):
    """Return a daemon that was not started."""

    def open_again():
        settings = assembled.settings
        return open_store(settings.store.path, read_key(settings.store.key_file))

    return service.Daemon(assembled, open_again, lambda: assembled)


def test_a_job_that_fails_altogether_is_said_and_tried_again_after_a_minute(assembled):
    """The daemon goes on; decisions and files are two jobs, and one does not wait for the other."""
    start_reactor()

    def fail(_store, _assembled, _now):
        raise OSError("no more files")

    daemon = open_daemon(assembled)
    with capture_logs() as logs:
        in_reactor(daemon._work, EXCHANGE, fail)
        wait_until(lambda: not daemon._at_work)
    assert logs == [{"event": "placements_not_sent", "problem": "no more files", "log_level": "error"}]
    assert EXCHANGE in daemon._resting.at(0.0)
    assert daemon._look() is None
    ready = {"sample": Arrivals((Arrival(None, "statuses-1.csv", "statuses-1.trailer.csv", "statuses"),))}
    daemon._found_answers(ready)
    daemon._at_work.add(EXCHANGE)
    in_reactor(daemon._work, EXCHANGE, fail)
    assert len(logs) == 1
    daemon._store.close()


def test_a_long_run_of_decisions_holds_up_no_file(assembled):
    """While it runs, the other job starts and ends."""
    start_reactor()
    goes_on = threading.Event()
    done = []

    def decide(_store, _assembled, _now):
        assert goes_on.wait(SECONDS)
        return Job()

    def exchange(_store, _assembled, _now):
        done.append("sent")
        return Job(("a problem",))

    daemon = open_daemon(assembled)
    with capture_logs() as logs:
        in_reactor(daemon._work, DECISIONS, decide)
        in_reactor(daemon._work, EXCHANGE, exchange)
        wait_until(lambda: daemon._at_work == {DECISIONS})
        goes_on.set()
        wait_until(lambda: not daemon._at_work)
    assert done == ["sent"]
    assert [log["problem"] for log in logs] == ["a problem"]
    daemon._store.close()


def test_a_timer_whose_call_fails_rings_again():
    """The store may be busy for once; a daemon that never looked again would place nothing until its next start."""
    calls = []

    def call():
        calls.append(1)
        raise OSError("busy")

    clock = Clock()
    loop = LoopingCall(service._forgiving, call)
    loop.clock = clock
    with capture_logs() as logs:
        loop.start(1.0)
        clock.pump([1.0, 1.0])
    loop.stop()
    assert len(calls) == 3
    assert {log["problem"] for log in logs} == {"busy"}
