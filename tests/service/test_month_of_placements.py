"""A month with two agencies of two layouts, through the real daemon and a clock that the test moves.

Every file is read by a reader that knows only the public descriptions; books, trailers and ledger foot; the inventories
agree, and when something is wrong in one of them it is found.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from cli_samples import run
from listening import Sender, codes, wait_until
from month_agencies import ZERO, BookAgency, TsiAgency
from month_feed import SITE, Hospital
from running_daemon import RunningDaemon, edit, make_folder

from hl7bridge.cli.common import App

DAYS = [dt.date(2026, 3, 1) + dt.timedelta(days=number) for number in range(30)]
# UTC: before and after the decisions at five in New York, the hospital's noon and evening; clocks change on 8 March.
NIGHT, MORNING, NOON, EVENING = 8, 11, 17, 23
SPLIT = """
[[allocations]]
name = "split"
shares = [{ agency = "sample", surname = "A-M" }, { agency = "second" }]
"""
SECOND = """[[agencies]]
name = "second"
outgoing = "agencies/second/outgoing"
incoming = "agencies/second/incoming"
layout = "LAYOUT"
client_number = "H01"

[[facilities]]
code = "NORTHGATE"
name = "Northgate Sample Hospital"
time_zone = "America/Chicago"

# [[facilities]]
# code"""
UNSETTLED = (
    "SELECT (SELECT count(*) FROM stale_placements) + (SELECT count(*) FROM placements WHERE status = 'queued')"
    " + (SELECT count(*) FROM notices WHERE status = 'queued')"
    " + (SELECT count(*) FROM agency_files WHERE status = 'writing')"
)


class Month:
    """The folder, the daemon, the EHR and the agencies of one month."""

    def __init__(self, folder: Path, layouts: tuple[str, str]) -> None:
        self.config = make_folder(folder / "d")
        root = self.config.parent
        (root / "mappings" / "site.toml").write_text(SITE)
        edit(self.config, 'default = "generic"', 'default = "site"')
        edit(self.config, "# [[facilities]]\n# code", SECOND.replace("LAYOUT", layouts[1]))
        edit(self.config, 'name = "sample"', f'name = "sample"\nlayout = "{layouts[0]}"')
        edit(self.config, 'time_zone = "UTC"', 'time_zone = "America/New_York"')
        rules = root / "rules.toml"
        rules.write_text(rules.read_text().replace('agency = "sample"', 'allocation = "split"') + SPLIT)
        self.agencies = []
        for name, layout in zip(("sample", "second"), layouts, strict=True):
            for each in ("outgoing", "incoming"):
                (root / "agencies" / name / each).mkdir(parents=True, exist_ok=True)
            agency = TsiAgency if layout == "tsi" else BookAgency
            self.agencies.append(agency(name, layout, root / "agencies" / name))
        self.clock = folder / "clock"
        self.set_clock(DAYS[0], NIGHT)

    def set_clock(self, day: dt.date, hour: int) -> None:
        """Move every clock."""
        self.now = dt.datetime.combine(day, dt.time(hour), dt.UTC)
        trial = self.clock.with_suffix(".tmp")
        trial.write_text(self.now.isoformat())
        trial.replace(self.clock)

    def settle(self) -> None:
        """Wait until nothing waits to be told, sent or taken, and have the agencies read what came of it."""
        while True:
            wait_until(lambda: not any(self._waiting(each) for each in self.agencies), "answers are not taken")
            wait_until(lambda: self.store.row(UNSETTLED)[0] == 0, "something stays queued")
            if not sum(each.read_files(self.now.date()) for each in self.agencies):
                return

    @staticmethod
    def _waiting(agency: BookAgency) -> bool:
        return any(agency.incoming.glob("*.trailer.csv"))

    def placed(self) -> list[str]:
        """Return the accounts that agencies collect."""
        return [each.account for agency in self.agencies for each in agency.open().values() if not each.is_stopped]

    def rows(self, *command: str) -> list[dict]:
        """Return what a command prints."""
        result = run(*command, "--json", "--config", self.config)
        assert result.exit_code == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def month(request, tmp_path, monkeypatch):
    """Return a month with agencies of two layouts, not begun; commands have its clock too."""
    made = Month(tmp_path, request.param)
    monkeypatch.setattr(App, "now", lambda _: made.now)
    return made


def agency_works(month: Month, number: int, day: dt.date) -> None:
    """Each agency does something with one of its accounts: a promise, a payment, a dispute, a return."""
    for agency in month.agencies:
        working = [each for each, booked in agency.open().items() if not booked.is_stopped and booked.balance > 60]
        if not working:
            continue
        placement = working[number % len(working)]
        if number % 4 == 0:
            agency.tell(placement, "promise_to_pay", day)
        elif number % 4 == 1:
            agency.collect(placement, Decimal("12.50"))
            post(month, agency, placement, number, day)
        elif number % 8 == 2:
            agency.tell(placement, "dispute", day)
        elif number % 8 == 3:
            agency.give_back(placement, day)


def post(month: Month, agency: BookAgency, placement: int, number: int, day: dt.date) -> None:
    """Have the hospital post what an agency collected."""
    account = agency.book[placement].account
    arguments = ("--agency", agency.name, "--id", f"P{number}", "--account", account, "--amount", "12.50")
    result = run("payments", "post", *arguments, "--date", day.isoformat(), "--config", month.config)
    assert result.exit_code == 0, result.stderr
    month.hospital.balances[account] -= Decimal("12.50")


def live(month: Month, daemon: RunningDaemon, days: int) -> None:
    """Let the month pass: decisions in the morning, the EHR at noon, the agencies' work in the evening."""
    for number, day in enumerate(DAYS[:days]):
        month.set_clock(day, MORNING)
        month.hospital.at(month.now)
        daemon.wait_for("decided", number + 1)
        month.settle()
        month.set_clock(day, NOON)
        month.hospital.at(month.now)
        month.hospital.admit()
        month.hospital.happen(month.placed())
        month.settle()
        month.set_clock(day, EVENING)
        agency_works(month, number, day)
        month.settle()


@contextmanager
def running(month: Month, days: int) -> Iterator[RunningDaemon]:
    """Run the daemon for so many days; what follows is still said to it."""
    program = [str(Path(__file__).parents[1] / "virtual_daemon.py")]
    with RunningDaemon(month.config, program=program, VIRTUAL_CLOCK=str(month.clock)) as daemon:
        with closing(daemon.store()) as month.store, Sender(daemon.port) as sender:
            month.hospital = Hospital(lambda block: check_taken(sender, block), seed=20)
            live(month, daemon, days)
            yield daemon
        assert daemon.named("placements_not_sent") == []
        assert daemon.named("agency_file_held") == []
        assert daemon.named("stop_not_acknowledged") == []
        daemon.stop()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("month", [("csv", "aim")], indirect=True)
def test_a_month_with_two_agencies_foots_and_a_planted_discrepancy_is_found(month):
    """Sent, told, answered, collected, stopped, returned; nothing waits for a person but what has to."""
    with running(month, len(DAYS)):
        check_events(month)
        check_books(month)
        check_reconciled(month)
        check_planted(month)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("month", [("jsonl", "tsi")], indirect=True)
def test_ten_days_with_the_other_two_layouts_foot(month):
    """An agency that knows no numbers of notices acknowledges them by kind; what tsi cannot say is for a person."""
    with running(month, 10):
        check_books(month)
        check_reconciled(month)
        check_planted(month)
        assert "agency_not_told" in {each["kind"] for each in month.rows("exceptions", "--limit", "0")}


def check_taken(sender: Sender, block: bytes) -> None:
    assert codes(sender.ask(block)) == ["AA"]


def check_events(month: Month) -> None:
    """The month had every kind of event, and agencies were told in every way but of charges."""
    assert set(month.hospital.told) == {
        "insurance", "patient", "all", "too much", "bounced", "adjustment", "charge", "move", "charity", "dispute",
        "resolved", "bankruptcy", "death", "cancelled"
    }  # fmt: skip
    kinds = {each["kind"] for each in month.rows("exceptions", "--limit", "0")}
    assert kinds >= {"new_charges", "credit_balance", "placement_rejected"}
    told = {kind for agency in month.agencies for each in agency.book.values() for kind in each.history}
    assert told == {
        "payment", "adjustment", "demographic", "recall", "close", "suspend", "resume", "returned", "rejected"
    }  # fmt: skip
    assert all(len(agency.book) > 40 for agency in month.agencies)


def check_books(month: Month) -> None:
    """What agencies believe is owed is what the ledger says, but for charges that wait for a person."""
    for agency in month.agencies:
        for placement, booked in agency.open().items():
            account = booked.account
            owed = month.hospital.balances[account] - month.hospital.charged.get(account, ZERO)
            assert booked.balance == owed, (agency.name, placement, booked)
        sent = month.store.row("SELECT sum(balance) FROM placements WHERE agency = ? AND sent_at <> ''", (agency.name,))
        assert Decimal(sent[0]).scaleb(-2) == agency.placed_total
        open_here = {each["account"] for each in month.rows("placements", "--agency", agency.name, "--limit", "0")
                     if each["status"] in {"active", "suspended"}}  # fmt: skip
        assert {each.account for each in agency.open().values()} == open_here


def check_reconciled(month: Month) -> None:
    """Both inventories agree with the bridge, account for account and dollar for dollar."""
    for agency in month.agencies:
        agency.list_book(month.now.date())
    month.settle()
    assert month.rows("reconcile", "list") == []


def check_planted(month: Month) -> None:
    """A balance that is off by ten dollars, an account that is missing, one too many: each is found, once."""
    for agency in month.agencies:
        one, other, *_ = agency.open()
        booked = agency.book[one]
        wrong = [(one, booked.account, booked.balance + 10), (999_999, "TACC9999", Decimal("77.00"))]
        agency.list_book(month.now.date(), wrong, without=other)
        month.settle()
        found = month.rows("reconcile", "list", "--agency", agency.name)
        assert sorted((each["kind"], each["reference"], each["dollars"]) for each in found) == [
            ("balance", booked.account, "10.00"),
            ("missing_here", "TACC9999", "77.00"),
            ("missing_there", agency.book[other].account, f"{agency.book[other].balance:.2f}"),
        ]
        agency.list_book(month.now.date())
        month.settle()
        assert month.rows("reconcile", "list", "--agency", agency.name) == []
