"""Charity is approved while a placement is queued, being written, sent, or acknowledged: collection stops, in seconds.

The real daemon, a real port, and an agency that knows only the files. How long each stop took is printed.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import click
import pytest
from cli_samples import run
from feed_samples import adt, dft, ft1, gt1, segment
from listening import SECONDS, codes, wait_until
from month_agencies import BookAgency
from running_daemon import RunningDaemon, edit, make_folder

SITE = """format = 1
extends = "generic"

[events]
"ADT^A08" = ["patient", "account?", "guarantor", "coverage", "balance", "signals"]

[[signals]]
name = "charity"
from = "ZFA-1"
table = "assistance"

[tables.assistance]
FULL = "approved"
"""
ACCOUNTS = tuple(f"TACC{number}" for number in range(1, 6))
TODAY = dt.datetime.now(dt.UTC).date()
OVER = {"recall_pending", "recalled", "cancelled"}


@pytest.fixture
def config(tmp_path):
    """Return the configuration of a site whose EHR tells of charity in a segment of its own."""
    made = make_folder(tmp_path / "d")
    (made.parent / "mappings" / "site.toml").write_text(SITE)
    edit(made, 'default = "generic"', 'default = "site"')
    edit(made, 'run_at = "05:00"', 'run_at = "00:00"')
    return made


@pytest.fixture
def agency(config):
    """Return the agency, which reads and answers the files in its folders."""
    folder = config.parent / "agencies" / "sample"
    folder.joinpath("incoming").mkdir(exist_ok=True)
    return BookAgency("sample", "csv", folder)


@contextmanager
def running(config):
    """Run the daemon, whose own decisions of the day are over: what is decided later is asked for."""
    with RunningDaemon(config) as daemon:
        daemon.wait_for("decided")
        yield daemon
        daemon.stop()


def feed(daemon, *blocks) -> None:
    """Send messages, all of which must be on disk when this returns."""
    with daemon.sender() as sender:
        assert codes(sender.ask(*blocks)) == ["AA"] * len(blocks)


def register(daemon, *accounts) -> None:
    """Tell of accounts that nobody has paid for a year."""
    for account in accounts:
        feed(
            daemon,
            adt(f"A{account}", gt1(), account=account),
            dft(f"D{account}", ft1("500.00", f4="20250105"), account=account),
        )


def approve(daemon, *accounts) -> None:
    """Tell that charity care was granted for accounts."""
    for account in accounts:
        told = adt(f"Z{account}", gt1(), segment("ZFA", {1: "FULL"}), account=account, event="A08", m7="20261120120000")
        feed(daemon, told)


def statuses(config) -> dict[str, tuple[str, ...]]:
    """Return the status of every placement, by account."""
    found: dict[str, tuple[str, ...]] = {}
    for row in rows(config, "placements", "--limit", "0"):
        found[row["account"]] = (*found.get(row["account"], ()), row["status"])
    return found


def rows(config, *command) -> list[dict]:
    result = run(*command, "--json", "--config", config)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def decide(config, code=0) -> None:
    assert run("decide", "--config", config).exit_code == code


def files(agency, kind: str) -> list[Path]:
    """Return the data files of a kind whose trailer is there."""
    trailers = agency.outgoing.glob(f"{kind}-*.trailer.csv")
    return sorted(each.with_name(each.name.replace(".trailer", "")) for each in trailers)


def mentions(agency, kind: str, account: str) -> int:
    return sum(account in path.read_text() for path in files(agency, kind))


def is_collected(agency, account: str) -> bool:
    """Return whether the agency has an account and no stop has come for it."""
    booked = agency.find(account)
    return booked is not None and booked.is_open and not booked.is_stopped


def collect(config, agency, amount: str) -> None:
    """Have the agency collect a payment, which it may as long as there is no stop, and remit it."""
    placement, booked = next(iter(agency.open().items()))
    agency.collect(placement, Decimal(amount))
    payment = ("--id", "P1", "--account", booked.account, "--amount", amount, "--date", TODAY.isoformat())
    assert run("payments", "post", "--agency", "sample", *payment, "--config", config).exit_code == 0


def is_stopped(agency, account: str) -> bool:
    """Return whether an account was never in a file of placements, or was, once, and is in one of stops."""
    return mentions(agency, "placements", account) == mentions(agency, "stops", account) <= 1


def go_on(daemon, config, agency, *accounts) -> None:
    """Have the EHR and the agency go on as ever after a stop: nothing may bring collection back."""
    before = {kind: len(files(agency, kind)) for kind in ("placements", "updates")}
    approve(daemon, *accounts)  # told once more
    for account in accounts:
        charge = ft1("80.00", number=f"TNEW{account}", f4="20250106")
        feed(daemon, dft(f"N{account}", charge, account=account))
    decide(config)
    assert {kind: len(files(agency, kind)) for kind in before} == before
    for account in accounts:
        assert set(statuses(config)[account]) <= OVER
        assert not is_collected(agency, account)


def stop_times(config, name: str) -> dict:
    """Return how long stops took, and print it."""
    told = rows(config, "report", "stops")[-1]
    click.echo(
        f"charity while {name}: {told['stops']} stops; event to file p50 {told['sent_p50']}, p99 {told['sent_p99']} s;"
        f" event to the agency's word p50 {told['acknowledged_p50']}, p99 {told['acknowledged_p99']} s;"
        f" {told['withdrawn']} withdrawn before they were sent"
    )
    return told


def test_while_queued_nothing_is_ever_sent(config, agency):
    """The folder cannot be written; when charity is acknowledged to the EHR, the placement is cancelled already."""
    with running(config) as daemon:
        register(daemon, *ACCOUNTS)
        aside = agency.outgoing.with_name("moved")
        agency.outgoing.rename(aside)
        agency.outgoing.write_text("not a folder")
        decide(config, code=1)
        assert statuses(config) == dict.fromkeys(ACCOUNTS, ("queued",))
        approve(daemon, *ACCOUNTS)
        assert statuses(config) == dict.fromkeys(ACCOUNTS, ("cancelled",))
        agency.outgoing.unlink()
        aside.rename(agency.outgoing)
        go_on(daemon, config, agency, *ACCOUNTS)
    assert list(agency.outgoing.iterdir()) == []
    told = stop_times(config, "queued")
    assert (told["stops"], told["withdrawn"]) == (0, len(ACCOUNTS))


def test_while_being_written_the_stop_follows_the_placement_at_once(config, agency):
    """The file is frozen and not on disk, as after a crash: the agency gets both, and collects nothing."""
    with running(config) as daemon:
        register(daemon, "TACC1")
        name = block_next_file(agency)
        decide(config, code=1)
        assert statuses(config) == {"TACC1": ("sent",)}
        assert files(agency, "placements") == []
        approve(daemon, "TACC1")
        assert statuses(config) == {"TACC1": ("recall_pending",)}
    name.rmdir()
    with RunningDaemon(config) as daemon:
        wait_until(lambda: files(agency, "stops"))
        assert mentions(agency, "placements", "TACC1") == mentions(agency, "stops", "TACC1") == 1
        agency.read_files(TODAY)
        assert not is_collected(agency, "TACC1")
        wait_until(lambda: statuses(config)["TACC1"] == ("recalled",))
        go_on(daemon, config, agency, "TACC1")
        daemon.stop()
    assert stop_times(config, "being written")["acknowledged"] == 1


def block_next_file(agency) -> Path:
    """Put a folder where the first file of the day belongs, so that it cannot be written; return it."""
    name = f"placements-sample-000001-{dt.datetime.now(dt.UTC):%Y%m%d}.csv"
    blocked = agency.outgoing / name
    blocked.mkdir()
    return blocked


def test_while_sent_the_stop_is_in_the_agencys_folder_within_seconds(config, agency):
    """The agency has not answered yet; when it takes the files, it takes the stop with them."""
    with running(config) as daemon:
        register(daemon, *ACCOUNTS)
        decide(config)
        assert statuses(config) == dict.fromkeys(ACCOUNTS, ("sent",))
        approve(daemon, *ACCOUNTS)
        assert statuses(config) == dict.fromkeys(ACCOUNTS, ("recall_pending",))
        wait_until(lambda: all(mentions(agency, "stops", account) for account in ACCOUNTS))
        agency.read_files(TODAY)
        assert agency.open() == {}
        wait_until(lambda: set(statuses(config).values()) == {("recalled",)})
        go_on(daemon, config, agency, *ACCOUNTS)
    told = stop_times(config, "sent")
    assert (told["stops"], told["acknowledged"]) == (len(ACCOUNTS), len(ACCOUNTS))
    assert told["sent_p99"] <= 10


def test_while_acknowledged_the_agency_gives_the_accounts_back(config, agency):
    """Until the stop it may collect; from the stop on it has nothing to collect, and says so."""
    with running(config) as daemon:
        register(daemon, *ACCOUNTS)
        decide(config)
        agency.read_files(TODAY)
        wait_until(lambda: set(statuses(config).values()) == {("active",)})
        collect(config, agency, "10.00")
        approve(daemon, *ACCOUNTS)
        assert statuses(config) == dict.fromkeys(ACCOUNTS, ("recall_pending",))
        wait_until(lambda: all(mentions(agency, "stops", account) for account in ACCOUNTS))
        agency.read_files(TODAY)
        assert agency.open() == {}
        wait_until(lambda: set(statuses(config).values()) == {("recalled",)})
        go_on(daemon, config, agency, *ACCOUNTS)
    told = stop_times(config, "acknowledged")
    assert told["acknowledged"] == len(ACCOUNTS)
    assert told["sent_p99"] <= 10
    assert told["acknowledged_p99"] <= 20


def test_whatever_the_moment_an_account_is_not_placed_or_its_stop_is_there_too(config, agency):
    """A third of the approvals come before the decisions, a third while they run and files are made, a third after."""
    accounts = [f"TRACE{number:03}" for number in range(60)]
    with running(config) as daemon:
        register(daemon, *accounts)
        begun, decided = threading.Event(), threading.Event()

        def approve_all() -> None:
            approve(daemon, *accounts[:20])
            begun.set()
            approve(daemon, *accounts[20:40])
            decided.wait(SECONDS)
            approve(daemon, *accounts[40:])

        approving = threading.Thread(target=approve_all)
        approving.start()
        assert begun.wait(SECONDS)
        decide(config)
        decided.set()
        approving.join()
        wait_until(lambda: set(statuses(config).values()) <= {("cancelled",), ("recall_pending",)})
        wait_until(lambda: all(is_stopped(agency, account) for account in accounts))
        agency.read_files(TODAY)
        assert agency.open() == {}
        assert not any(mentions(agency, "placements", account) for account in accounts[:20])
        assert all(mentions(agency, "stops", account) for account in accounts[40:])
        wait_until(lambda: set(statuses(config).values()) <= {("cancelled",), ("recalled",), ("rejected",)})
    told = stop_times(config, "files are made")
    assert 20 <= told["stops"] + told["withdrawn"] <= 40
