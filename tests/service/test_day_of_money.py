"""24 hours of payments through the real daemon and a clock that the test moves: the totals foot to the cent.

The EHR is out for six hours, refuses, loses, answers late or not at all, and echoes what it has once, twice or under
its own ids; the agency sends files again and takes money back; a person resolves what nobody else can.
"""

from __future__ import annotations

import datetime as dt
import json
import socket
import threading
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from cli_samples import run
from feed_samples import adt, dft, ft1
from listening import SECONDS, codes, wait_until
from running_daemon import RunningDaemon, edit, make_folder
from sinks import Sink, accept, answer, field

from hl7bridge.cli.common import App
from hl7bridge.storage.verify import verify_store

DAY = dt.date(2026, 3, 3)
ACCOUNTS = [f"TACC{number}" for number in range(12)]
CHARGED = 1_000_00
OUTAGE = range(8, 14)
RESTARTS = (5, 11, 17)
# What the EHR does with the payments of an hour: the first, the second ... and again from the start.
MODES = ("accept", "accept", "late", "accept", "lost reply", "not received", "refuse", "accept")


class Ehr:
    """An EHR with its own books: what was posted, by FT1-2, and to which account; ``mode`` is how it answers."""

    def __init__(self) -> None:
        self.booked: dict[str, tuple[str, int]] = {}
        self.lines: dict[str, tuple[str, str]] = {}
        self.received: Counter[str] = Counter()
        self.late = threading.Event()
        self._count = 0
        self._sink = Sink(after=self._answer)
        self.port = self._sink.port

    def _answer(self, connection: socket.socket, payload: bytes) -> bool:
        self._count += 1
        mode = MODES[self._count % len(MODES)]
        if mode == "not received":
            return False
        if mode == "refuse" and field(payload, b"FT1", 2).decode() not in self.received:
            self.received[field(payload, b"FT1", 2).decode()] += 0
            return answer("AE")(connection, payload)
        self._book(payload)
        if mode == "lost reply":
            return False
        if mode == "late":
            self.late.wait(SECONDS)
        return accept(connection, payload)

    def _book(self, payload: bytes) -> None:
        line = next(each for each in payload.decode().split("\r") if each.startswith("FT1"))
        fields, account = line.split("|"), field(payload, b"PID", 18).decode()
        self.received[fields[2]] += 1
        self.booked[fields[2]] = account, int(Decimal(fields[11].partition("&")[0]).scaleb(2))
        self.lines[fields[2]] = account, line

    def go_down(self) -> None:
        """Be out."""
        self._sink.close()

    def come_up(self) -> None:
        """Be back on the same port."""
        self._sink = Sink(after=self._answer, port=self.port)

    def balance(self, account: str) -> int:
        """Return what is owed as the EHR has it."""
        return CHARGED - sum(cents for of, cents in self.booked.values() if of == account)


class World:
    """The folder, the clock, the daemon, the agency and the people of one day."""

    def __init__(self, folder: Path) -> None:
        self.ehr = Ehr()
        self.config = make_folder(folder / "d")
        told = f'connect = "127.0.0.1:{self.ehr.port}"\nwindow = 4\nack_timeout = "300 ms"\n'
        told += 'retry = { first = "50 ms", ceiling = "100 ms" }'
        edit(self.config, 'connect = "127.0.0.1:9"', told)
        self.clock = folder / "clock"
        self.sent: dict[str, tuple[str, str, int]] = {}  # the agency's id -> kind, account, cents
        self.files: list[Path] = []
        self.events: list[dict] = []
        self.echoes = 0
        self.set_hour(0)

    def set_hour(self, hour: int, minute: int = 0) -> None:
        """Move every clock."""
        self.now = dt.datetime.combine(DAY, dt.time(), dt.UTC) + dt.timedelta(hours=hour, minutes=minute)
        trial = self.clock.with_suffix(".tmp")
        trial.write_text(self.now.isoformat())
        trial.replace(self.clock)

    def start(self) -> RunningDaemon:
        """Start the daemon."""
        program = [str(Path(__file__).parents[1] / "virtual_daemon.py")]
        return RunningDaemon(self.config, program=program, VIRTUAL_CLOCK=str(self.clock))

    def command(self, *arguments: object) -> str:
        """Run a command that must be done."""
        result = run(*arguments, "--config", self.config)
        assert result.exit_code == 0, (arguments, result.stderr)
        return result.stdout

    def rows(self, *arguments: object) -> list[dict]:
        """Return what a command shows."""
        return [json.loads(line) for line in self.command(*arguments, "--json").splitlines()]

    def remit(self, hour: int) -> None:
        """Have the agency send the hour's payments: one for an account that nobody knows, now and then one back."""
        rows = ["agency_payment_id,account,amount,date,kind,reversal_of"]
        for number in range(4):
            account = "T404" if hour % 6 == 0 and number == 3 else ACCOUNTS[(hour * 4 + number) % len(ACCOUNTS)]
            cents = 1000 + hour * 17 + number
            self.sent[f"CHK{hour}-{number}"] = "payment", account, cents
            rows.append(f"CHK{hour}-{number},{account},{Decimal(cents) / 100:.2f},{DAY},payment,")
        original = f"CHK{hour - 3}-1"
        if hour % 4 == 3 and original in self.sent:
            _, account, cents = self.sent[original]
            self.sent[f"NSF{hour}"] = "reversal", account, cents
            rows.append(f"NSF{hour},{account},{Decimal(cents) / 100:.2f},{DAY},reversal,{original}")
        file = self.config.parent / f"remittance-{hour}.csv"
        file.write_text("\n".join(rows) + "\n")
        self.files.append(file)
        for each in self.files[-2:]:  # the hour before's comes again
            self.command("payments", "import", each, "--agency", "sample")

    def settle(self, store, *, is_staffed: bool = True) -> None:
        """Wait until nothing is on its way, and do what people do about the rest, when they are there."""
        now = self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        while True:
            wait_until(lambda: self.is_blocked(store, now), "something is on its way")
            self.ehr.late.set()
            if not is_staffed or not self.help(store):
                return

    @staticmethod
    def is_blocked(store, now: str) -> bool:
        """Return whether all that is queued waits behind something of its account that a person has to look at."""
        free = (
            "SELECT count(*) FROM deliveries d WHERE status = 'sending' OR (status = 'queued' AND next_attempt_at <= ?"
            " AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.account_id = d.account_id AND o.id < d.id"
            " AND o.status IN ('queued', 'sending', 'held', 'unknown')))"
        )
        return store.row(free, (now,))[0] == 0

    def help(self, store) -> bool:
        """Look in the EHR for what is unknown, and send again what was refused; return whether anything was done."""
        waiting = store.rows(
            "SELECT d.id, d.status, p.transaction_id FROM deliveries d JOIN delivery_payments c ON c.delivery_id = d.id"
            " JOIN payments p ON p.id = c.payment_id WHERE d.status IN ('held', 'unknown')"
        )
        for delivery, status, transaction in waiting:
            if status == "held":
                self.command("deliveries", "retry", delivery, "--reason", "mended, J.D.")
                continue
            self.ehr.late.clear()
            found = "--accepted" if transaction in self.ehr.booked else "--not-received"
            run("deliveries", "resolve", delivery, found, "--reason", "seen by J.D.", "--config", self.config)
        return bool(waiting)

    def echo(self, daemon: RunningDaemon, hour: int) -> None:
        """Have the feed tell what the EHR booked: by our id, twice, or by its own; now and then late."""
        if hour % 3 == 1:
            return
        with daemon.sender() as sender:
            for transaction in [each for each in self.ehr.lines if self.ehr.lines[each][1]]:
                account, line = self.ehr.lines[transaction]
                self.ehr.lines[transaction] = account, ""
                if self.echoes % 5 == 4:
                    line = line.replace(transaction, f"EHR{self.echoes}")
                for _ in range(1 + (self.echoes % 3 == 2)):
                    self.echoes += 1
                    assert codes(sender.ask(dft(f"E{self.echoes}", line, account=account))) == ["AA"]


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A day that is not begun; commands have its clock too."""
    made = World(tmp_path)
    monkeypatch.setattr(App, "now", lambda _: made.now)
    yield made
    made.ehr.late.set()
    made.ehr.go_down()


def live(world: World) -> None:
    """Let 24 hours pass, with an outage of six and three restarts, one of them by kill -9."""
    daemon = world.start()
    try:
        with daemon.sender() as sender:
            for at, account in enumerate(ACCOUNTS):
                charge = ft1(str(CHARGED // 100), number=f"T{at}")
                blocks = adt(f"A{at}", account=account), dft(f"D{at}", charge, account=account)
                assert codes(sender.ask(*blocks)) == ["AA", "AA"]
        for hour in range(24):
            world.set_hour(hour)
            if hour == OUTAGE.start:
                world.ehr.go_down()
            if hour == OUTAGE.stop:
                world.ehr.come_up()
            world.remit(hour)
            if hour in RESTARTS:
                if hour == RESTARTS[1]:
                    daemon.kill()
                else:
                    daemon.stop()
                daemon.__exit__()
                world.events += daemon.events
                daemon = world.start()
            world.set_hour(hour, 30)
            if hour not in OUTAGE:
                with closing(daemon.store()) as store:
                    world.settle(store, is_staffed=hour % 5 != 2)  # else the feed itself tells what the EHR has
                world.echo(daemon, hour)
        world.set_hour(24)
        with closing(daemon.store()) as store:
            world.settle(store)
        world.echo(daemon, 24)
        daemon.stop()
    finally:
        daemon.__exit__()
        world.events += daemon.events


@pytest.mark.timeout(300)
def test_24_hours_with_an_outage_late_replies_and_duplicates_foot_to_the_cent(world):
    """Agency, ledger, EHR and report say the same dollars; each payment is in the EHR once, and counted once."""
    live(world)
    happened = Counter(each.get("status") for each in world.events if each["event"] == "delivery")
    assert min(happened[status] for status in ("accepted", "held", "unknown")) > 5
    assert "destination_down" in {each["event"] for each in world.events}
    assert "delivery_settled" in {each["event"] for each in world.events}
    known = {name: told for name, told in world.sent.items() if told[1] in ACCOUNTS}
    with App(world.config).open_store() as store:
        stored = store.rows("SELECT p.agency_payment_id, p.kind, a.number, p.amount, p.transaction_id FROM payments p"
                            " JOIN accounts a ON a.id = p.account_id")  # fmt: skip
        assert {row[0]: row[1:4] for row in stored} == known
        assert set(world.ehr.booked) == {row[4] for row in stored}
        assert set(world.ehr.received.values()) == {1}
        balances = dict(store.rows("SELECT number, charges - payments - adjustments FROM accounts"))
        assert balances == {account: world.ehr.balance(account) for account in ACCOUNTS}
        assert store.rows("SELECT DISTINCT status FROM payments") == [("posted",)]
        counters = dict(store.rows("SELECT name, sum(value) FROM counters GROUP BY name"))
        assert counters["echoes"] == len(known)
        assert counters["echoes_repeated"] == world.echoes - len(known)
        assert store.rows("SELECT count(*) FROM entries") == [(len(known) + len(ACCOUNTS),)]
        assert [problem for check in verify_store(store) for problem in check.problems] == []
    world.set_hour(24, 30)
    world.command("payments", "close-day", DAY)
    rows = {(row["facility"], row["kind"]): row for row in world.rows("report", "money", "--from", DAY, "--to", DAY)}
    for (facility, kind), row in rows.items():
        told = [cents for what, account, cents in world.sent.values() if what == kind
                and (account in ACCOUNTS) == bool(facility)]  # fmt: skip
        assert (row["received"], row["received_dollars"]) == (len(told), f"{Decimal(sum(told)) / 100:.2f}")
        posted = row["received_dollars"] if facility else "0.00"
        assert (row["posted_dollars"], row["echoed_dollars"], row["closed_at"] is not None) == (posted, posted, True)
    items = world.rows("report", "money", "--items")
    assert {each["state"] for each in items} == {"suspense"}
    lost = sum(cents for _, account, cents in world.sent.values() if account not in ACCOUNTS)
    assert sum(Decimal(each["dollars"]) for each in items) == Decimal(lost) / 100
    assert sum(Decimal(row["difference_dollars"]) for row in rows.values()) == Decimal(lost) / 100
