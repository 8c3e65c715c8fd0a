"""The day's decisions: once a day, at the hour the rules say; what is queued is in the agency's folder at once."""

from __future__ import annotations

import datetime as dt
from contextlib import closing

import pytest
from feed_samples import adt, dft, ft1, gt1
from listening import codes, wait_until
from reactor_thread import in_reactor, start_reactor
from running_daemon import RunningDaemon, edit, make_folder
from structlog.testing import capture_logs
from twisted.internet.task import Clock, LoopingCall

from hl7bridge import service
from hl7bridge.assemble import assemble
from hl7bridge.batch import Received
from hl7bridge.config import load_settings
from hl7bridge.pipeline import Pipeline
from hl7bridge.placing import decide_and_send, has_work, send_queued
from hl7bridge.storage.database import open_store, read_key

NOON = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def config(tmp_path):
    return make_folder(tmp_path / "d")


@pytest.fixture
def assembled(config):
    return assemble(load_settings(config))


@pytest.fixture
def site(assembled):
    """Return the store of a site with an account that has not been paid for a year."""
    settings = assembled.settings
    with closing(open_store(settings.store.path, read_key(settings.store.key_file))) as store:
        receive(store, assembled)
        yield store


def overdue(number="TACC1"):
    """Return the messages of an account that any rule would place."""
    return [
        adt(f"A{number}", gt1(), account=number),
        dft(f"D{number}", ft1("500.00", f4="20250105"), account=number),
    ]


def receive(store, assembled, number="TACC1"):
    replies = Pipeline(store, assembled.setup).receive([Received("ehr", each) for each in overdue(number)], NOON)
    assert [reply.disposition for reply in replies] == ["applied", "applied"]


def files(assembled):
    """Return the names of what is in the agency's folder."""
    return sorted(each.name for each in assembled.settings.agencies[0].outgoing.iterdir())


def test_decisions_run_once_a_day_and_not_before_their_hour(assembled, site):
    """At 04:59 nothing, at 05:00 the day's run, at noon nothing more, tomorrow again."""
    early = NOON.replace(hour=4, minute=59)
    with capture_logs() as logs:
        assert decide_and_send(site, assembled, early) == []
        assert files(assembled) == []
        assert decide_and_send(site, assembled, NOON.replace(hour=5)) == []
        first = files(assembled)
        assert len(first) == 2
        receive(site, assembled, "TACC2")
        assert decide_and_send(site, assembled, NOON) == []
        assert files(assembled) == first
        assert decide_and_send(site, assembled, NOON + dt.timedelta(days=1)) == []
    assert len(files(assembled)) == 4
    assert [(log["decided"], log["placed"]) for log in logs if log["event"] == "decided"] == [(1, 1), (1, 1)]
    assert [log["placements"] for log in logs if log["event"] == "placements_sent"] == [1, 1]


def test_the_hour_is_that_of_the_reports_zone(config, site):
    """05:00 in New York is 10:00 UTC in winter."""
    edit(config, 'time_zone = "UTC"', 'time_zone = "America/New_York"')
    assembled = assemble(load_settings(config))
    decide_and_send(site, assembled, NOON.replace(hour=9))
    assert files(assembled) == []
    decide_and_send(site, assembled, NOON.replace(hour=10))
    assert len(files(assembled)) == 2


def test_there_is_work_while_something_is_queued_or_half_sent(assembled, site):
    """And none after it was written."""
    assert not has_work(site)
    agency = assembled.settings.agencies[0].outgoing
    agency.rmdir()
    agency.write_text("not a folder")
    assert len(decide_and_send(site, assembled, NOON)) == 1
    assert has_work(site)
    agency.unlink()
    agency.mkdir()
    assert send_queued(site, assembled, NOON) == []
    assert not has_work(site)
    assert len(files(assembled)) == 2


def test_an_account_that_is_paid_between_decision_and_sending_is_withdrawn(assembled, site):
    """Holds and balance are asked again when the file is written; the log says so."""
    agency = assembled.settings.agencies[0].outgoing
    agency.rmdir()
    agency.write_text("not a folder")
    decide_and_send(site, assembled, NOON)
    agency.unlink()
    agency.mkdir()
    paid = dft("P1", ft1("500.00", "PY", "TPAY1", f7="PATPAY"))
    Pipeline(site, assembled.setup).receive([Received("ehr", paid)], NOON)
    with capture_logs() as logs:
        assert send_queued(site, assembled, NOON) == []
    assert [log["event"] for log in logs] == ["placement_withdrawn"]
    assert files(assembled) == []


def test_the_running_daemon_decides_at_its_start_when_the_hour_has_passed_and_once(config, assembled, site):
    """And what the command line queues later is in the folder in a moment; trouble with a folder is said, and waits."""
    edit(config, 'run_at = "05:00"', 'run_at = "00:00"')
    with RunningDaemon(config) as daemon:
        assert daemon.wait_for("decided")["placed"] == 1
        daemon.wait_for("placements_sent")
        assert len(files(assembled)) == 2
        with daemon.sender() as sender:
            assert codes(sender.ask(*overdue("TACC2"))) == ["AA", "AA"]
        queue(site, assembled)
        wait_until(lambda: len(files(assembled)) == 4)
        daemon.stop()
        assert len(daemon.named("decided")) == 1
    with RunningDaemon(config) as daemon:
        with daemon.sender() as sender:
            assert codes(sender.ask(*overdue("TACC3"))) == ["AA", "AA"]
        agency = assembled.settings.agencies[0].outgoing
        agency.rename(agency.with_name("moved"))
        agency.write_text("not a folder")
        queue(site, assembled)
        assert "problem" in daemon.wait_for("placements_not_sent")
        daemon.stop()
        assert daemon.named("decided") == []


def queue(site, assembled):
    """Decide as the command line does, without sending."""
    from hl7bridge.storage.decisions import Run, run_decisions

    now = dt.datetime.now(dt.UTC)
    run = Run(assembled.rules, lambda facility: assembled.today(facility, now), now, "user:test")
    assert any(outcome.placement_id for outcome in run_decisions(site, run))


def test_a_placing_job_that_fails_altogether_is_said_and_tried_again_later(assembled, monkeypatch):
    """The daemon goes on, and looks again after a minute."""
    start_reactor()

    def fail(_store, _assembled, _now):
        raise OSError("no more files")

    def open_again():
        settings = assembled.settings
        return open_store(settings.store.path, read_key(settings.store.key_file))

    daemon = service.Daemon(assembled, open_again, lambda: assembled)
    with capture_logs() as logs:
        in_reactor(daemon._place, fail)
        wait_until(lambda: logs)
    assert logs == [{"event": "placements_not_sent", "problem": "no more files", "log_level": "error"}]
    assert not daemon._is_placing
    assert [daemon._look() for _ in range(3)] == [None] * 3
    assert daemon._skip_looks == 117
    daemon._is_placing, daemon._skip_looks = True, 0
    assert daemon._look() is None
    daemon._watch_clock()
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
