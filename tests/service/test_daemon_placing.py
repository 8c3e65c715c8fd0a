"""The day's decisions: once a day, at the hour the rules say; what is queued is in the agency's folder at once."""

from __future__ import annotations

import datetime as dt
from contextlib import closing

import pytest
from exchange_samples import acceptance, put_file
from feed_samples import adt, dft, ft1, gt1
from listening import codes, wait_until
from running_daemon import RunningDaemon, edit, make_folder
from structlog.testing import capture_logs

from hl7bridge.assemble import assemble
from hl7bridge.batch import Received
from hl7bridge.config import load_settings
from hl7bridge.exchange.outgoing import CHANGES
from hl7bridge.pipeline import Pipeline
from hl7bridge.placing import (
    Job,
    Resting,
    check_times,
    decide_due,
    has_work,
    look_for_answers,
    send_queued,
    take_answers,
)
from hl7bridge.storage.agency_files import Work
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


def decide_and_send(store, assembled, now):
    """Do what the daemon does when the hour has come, and return the problems."""
    decided = decide_due(store, assembled, now)
    return [*decided.problems, *send_queued(store, assembled, now).problems]


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
    """And none after it was written; what is stuck is left alone for a while."""
    assert not has_work(site)
    agency = assembled.settings.agencies[0].outgoing
    agency.rmdir()
    agency.write_text("not a folder")
    decide_due(site, assembled, NOON)
    job = send_queued(site, assembled, NOON)
    assert len(job.problems) == 1
    assert has_work(site)
    assert not has_work(site, job.stuck)
    agency.unlink()
    agency.mkdir()
    assert send_queued(site, assembled, NOON).problems == ()
    assert not has_work(site)
    assert len(files(assembled)) == 2


def test_an_account_that_is_paid_between_decision_and_sending_is_withdrawn(assembled, site):
    """Holds and balance are asked again when the file is written; the log says so."""
    decide_due(site, assembled, NOON)
    bare = assembled.setup._replace(reaction=None)  # what told of the payment did not look at its placement
    paid = dft("P1", ft1("500.00", "PY", "TPAY1", f7="PATPAY"))
    Pipeline(site, bare).receive([Received("ehr", paid)], NOON)
    assert has_work(site)
    assert not has_work(site, frozenset({CHANGES, Work("sample", is_urgent=False)}))
    with capture_logs() as logs:
        assert send_queued(site, assembled, NOON).problems == ()
    assert [log["event"] for log in logs] == ["placement_withdrawn"]
    assert files(assembled) == []


def test_an_agencys_answers_are_taken_and_what_follows_is_sent(assembled, site):
    """Acknowledged, disputed: the stop is in the outgoing folder in the same job, and the log tells of each file."""
    decide_and_send(site, assembled, NOON)
    incoming = assembled.settings.agencies[0].incoming
    put_file(incoming.parent, "acknowledgements", 1, [acceptance(1, "TACC1")])
    put_file(incoming.parent, "statuses", 1, [{"placement_id": "1", "client_account": "TACC1", "status": "dispute"}])
    put_file(incoming.parent, "statuses", 2, [], told={"records": 7})
    put_file(incoming.parent, "statuses", 3, [{"placement_id": "9", "client_account": "X", "status": "skip"}])
    assert len(look_for_answers(assembled, NOON)["sample"].ready) == 4
    with capture_logs() as logs:
        assert take_answers(site, assembled, NOON) == Job(has_taken=True)
        put_file(incoming.parent, "acknowledgements", 1, [acceptance(1, "TACC1")])
        take_answers(site, assembled, NOON)
    told = [(log["event"], log.get("file"), log.get("exceptions")) for log in logs]
    assert told == [
        ("agency_file_taken", "in-1", 0),
        ("agency_file_taken", "in-2", 0),
        ("agency_file_held", "in-3", None),
        ("agency_file_held", "in-4", None),
        ("notices_sent", "stops-sample-000001-20261121.csv", None),
        ("agency_file_duplicate", "in-5", None),
    ]
    assert logs[4]["notices"] == 1
    assert check_times(site, assembled, NOON) == Job()


def test_what_is_stuck_rests_for_a_minute():
    """One agency's trouble is not met twice a second, and is met again."""
    resting = Resting()
    work = Work("sample", is_urgent=True)
    resting.add([work], 100.0)
    resting.add(["other"], 130.0)
    assert resting.at(159.9) == {work, "other"}
    assert resting.at(160.0) == {"other"}
    assert resting.at(190.0) == frozenset()


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


def test_the_running_daemon_takes_what_an_agency_puts_into_its_folder(config, assembled, site):
    """In seconds: the placement is active, then suspended, and the stop is on its way."""
    decide_and_send(site, assembled, dt.datetime.now(dt.UTC))
    incoming = assembled.settings.agencies[0].incoming
    with RunningDaemon(config) as daemon:
        put_file(incoming.parent, "acknowledgements", 1, [acceptance(1, "TACC1")])
        assert daemon.wait_for("agency_file_taken")["records"] == 1
        put_file(incoming.parent, "statuses", 1, [{"placement_id": "1", "client_account": "TACC1", "status": "cease"}])
        assert daemon.wait_for("notices_sent")["kind"] == "stops"
        put_file(incoming.parent, "statuses", 5, [{"placement_id": "1", "client_account": "TACC1", "status": "skip"}])
        assert daemon.wait_for("agency_file_held")["file"] == "in-3"
        daemon.stop()
    assert site.rows("SELECT status FROM placements") == [("suspended",)]
