"""The demo's steps, in the order in which a hospital meets them; each runs what a person would type."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from hl7bridge.cli.demo_agency import Delivered, acknowledge, read_delivered, write_remittance
from hl7bridge.cli.demo_ehr import Ehr, reply_text
from hl7bridge.cli.demo_figures import Figure, Seen, build_figures
from hl7bridge.cli.demo_people import PEOPLE, Person, all_messages, broken_charge, charges
from hl7bridge.cli.demo_show import Show
from hl7bridge.cli.demo_site import CONFIG, LOG, Site, free_port
from hl7bridge.errors import BridgeError
from hl7bridge.money import ZERO, money_text

AGENCY: Final = "sample"
OUTGOING: Final = f"agencies/{AGENCY}/outgoing"
INCOMING: Final = f"agencies/{AGENCY}/incoming"
REMITTANCE: Final = "remittance.csv"
_ALL: Final = ("--limit", "0")
_LOOKS: Final = (("status",), ("accounts", *_ALL), ("placements", *_ALL), ("payments", *_ALL), ("db", "verify"))
_POST_SECONDS: Final = 60.0  # for all payments to reach the EHR; less than one is usual
_LATE: Final = dt.time(23, 50)
_LOOK_SECONDS: Final = 0.05
_TIME: Final = slice(11, 23)  # of ISO 8601: what is of interest within seconds
_MONEY: Final = ("charges", "payments", "adjustments", "balance")
_NAMES: Final = {person.account: person.given for person in PEOPLE}


def run_demo(folder: Path, *, is_kept: bool) -> bool:
    """Run all steps in an empty folder and return whether every figure foots. Raises BridgeError when a step fails."""
    started = time.monotonic()
    show = Show()
    site = Site(folder)
    with Ehr() as ehr:
        _prepare(show, site, ehr, is_kept=is_kept)
        port = free_port()
        site.configure({"127.0.0.1:2575": f"127.0.0.1:{port}"})
        _serve_step(show, port)
        with site.daemon():
            demo = Demo(show, site, ehr, port)
            demo.run()
            seen = demo.look()
        is_right = _summarize(show, seen, time.monotonic() - started)
    if is_kept:
        _tell_where(show, folder)
    return is_right


def _prepare(show: Show, site: Site, ehr: Ehr, *, is_kept: bool) -> None:
    show.step("Set up: a configuration, mappings, rules, a key and an encrypted store")
    show.say(f"in {site.folder}" + ("" if is_kept else ", which is removed at the end"))
    show.say("Commands print tables, and with --json one object a line: what the tables below are made of.")
    show.command("init")
    site.run("init")
    run_at = quiet_time(dt.datetime.now(dt.UTC).time())
    site.configure({"127.0.0.1:2576": f"127.0.0.1:{ehr.port}", 'run_at = "05:00"': f'run_at = "{run_at}"'})
    show.command("check")
    show.say(site.run("check").strip())


def quiet_time(now: dt.time) -> str:
    """Return a time of day that does not come while the demo runs: its decisions are made when it says so."""
    return "12:00" if now >= _LATE else "23:59"


def _serve_step(show: Show, port: int) -> None:
    show.step("Start the daemon")
    show.command("serve")
    show.say(f"listening for the EHR's feed on 127.0.0.1:{port}; its log is {LOG}")


class Demo:
    """The steps while the daemon runs, and what they leave to be counted."""

    def __init__(self, show: Show, site: Site, ehr: Ehr, port: int) -> None:
        self._show = show
        self._site = site
        self._ehr = ehr
        self._port = port
        self._replies = 0
        self._delivered = Delivered((), (), ())
        self._remitted = Decimal(0)
        self._lines = 0

    def run(self) -> None:
        """Run all steps."""
        self._feed()
        self._signal()
        self._accounts()
        self._decide()
        self._agency()
        self._acknowledge()
        self._collect()
        self._post()
        self._history()

    def look(self) -> Seen:
        """Return what every side has now."""
        status, accounts, placements, payments, checks = (self._site.rows(*arguments) for arguments in _LOOKS)
        return Seen(
            self._replies,
            status[0],
            accounts,
            placements,
            payments,
            checks,
            {person.account: self._ehr.balance(person) for person in PEOPLE},
            self._delivered,
            self._remitted,
            self._lines,
            tuple(self._ehr.postings),
        )

    def _rows(self, *arguments: str) -> list[dict[str, Any]]:
        self._show.command(*arguments, "--json")
        return self._site.rows(*arguments)

    def _feed(self) -> None:
        self._show.step("The EHR sends its feed over MLLP: ADT^A04 registers, DFT^P03 charges")
        now = dt.datetime.now(dt.UTC)
        feed = [(event, person, message, "") for event, person, message in all_messages(now)]
        first = PEOPLE[0]
        feed.append(("DFT^P03", first, charges(first, "DEMO-D01", now), "(sent again: the same reply, counted once)"))
        feed.append(("DFT^P03", first, broken_charge(first, "DEMO-D99", now), ""))
        answers: list[tuple[str, ...]] = []
        connection = self._ehr.connect(self._port)
        try:
            for event, person, message, remark in feed:
                exchange = connection.exchange(message)
                self._replies += exchange.reply is not None and exchange.reply.control_id == exchange.control_id
                answers.append((event, exchange.control_id, person.name, f"{reply_text(exchange)} {remark}"))
        finally:
            connection.close()
        self._show.table(("event", "control id", "patient", "reply"), answers)
        kept = self._rows("messages", "--disposition", "rejected")
        for row in kept:
            self._show.say(f"kept for a person: message {row['id']}, {row['disposition']}, {row['reason']}")

    def _signal(self) -> None:
        self._show.step("What HL7 has no field for is set by hand, or imported from a file")
        for person in PEOPLE:
            if person.signal:
                arguments = ("signals", "set", person.account, *person.signal)
                self._show.command(*arguments)
                self._show.say(self._site.run(*arguments).strip())

    def _accounts(self) -> None:
        self._show.step("Accounts: balances from the entries, and what holds each back")
        rows = self._rows("accounts", *_ALL)
        self._show.table(
            ("account", "patient", *_MONEY, "holds"),
            [(row["account"], _NAMES[row["account"]], *(row[name] for name in _MONEY), row["holds"]) for row in rows],
            right=_MONEY,
        )

    def _decide(self) -> None:
        self._show.step("Decide: rules on facts; what is placed is written to the agency's folder")
        decided = {row["account"]: row for row in self._rows("decide", *_ALL)}
        self._show.table(
            ("account", "patient", "result", "rule", "balance", "because"),
            [_decision(person, decided.get(person.account)) for person in PEOPLE],
            right=("balance",),
        )
        wrong = [person for person in PEOPLE if _is_placed(decided.get(person.account)) != person.is_placed]
        if wrong:
            raise BridgeError(f"accounts {', '.join(person.account for person in wrong)} were decided otherwise")
        young = next(person for person in PEOPLE if person.account not in decided)
        self._show.say("The others are not due yet. Why, for one of them:")
        for reason in self._rows("placements", "explain", young.account):
            if not reason["held"]:
                self._show.say(f"{reason['rule']}: {reason['fact']} wanted {reason['wanted']}, found {reason['found']}")

    def _agency(self) -> None:
        self._show.step("The agency proves its file by the trailer's count, total and digest")
        self._delivered = read_delivered(self._site.folder / OUTGOING)
        if self._delivered.problems or not self._delivered.trailers:
            raise BridgeError("; ".join(self._delivered.problems) or "the agency's folder holds no file")
        for trailer in self._delivered.trailers:
            total = f"{trailer.records} placements, {trailer.balance_total} dollars, sha256 {trailer.sha256[:12]}..."
            self._show.say(f"{OUTGOING}/{trailer.file}: {total}")
        rows = [(each.account, each.name, each.balance) for each in self._delivered.placed]
        self._show.table(("account", "patient", "balance"), rows, right=("balance",))

    def _acknowledge(self) -> None:
        self._show.step("The agency takes them: a file in its own folder, which the daemon finds and checks")
        name = acknowledge(self._site.folder / INCOMING, AGENCY, self._delivered, dt.datetime.now(dt.UTC))
        self._wait_until_active(time.monotonic() + _POST_SECONDS)
        columns = ("file", "kind", "name", "status", "records", "total")
        rows = [row for row in self._rows("files") if row["name"] == name]
        self._show.table(columns, [[row[column] for column in columns] for row in rows], right=("total",))
        self._show.say(f"{len(self._delivered.placed)} placements are active")

    def _wait_until_active(self, deadline: float) -> None:
        from hl7bridge.cli.common import App
        from hl7bridge.storage.placements import list_placements

        with App(self._site.folder / CONFIG).open_store() as store:
            while any(row.status.value != "active" for row in list_placements(store)):
                if time.monotonic() > deadline:
                    raise BridgeError("the placements were not acknowledged in time; see 'hl7bridge files'")
                time.sleep(_LOOK_SECONDS)

    def _collect(self) -> None:
        self._show.step("The agency remits: in full, in part, a settlement, a bounced cheque")
        path = self._site.folder / REMITTANCE
        self._lines, self._remitted = write_remittance(path, self._delivered, dt.datetime.now(dt.UTC).date())
        rows = self._rows("payments", "import", REMITTANCE, "--agency", AGENCY)
        columns = ("payment", "account", "kind", "amount", "status")
        self._show.table(columns, [[row[name] for name in columns] for row in rows], right=("amount",))

    def _post(self) -> None:
        self._show.step("The daemon posts each to the EHR as a DFT^P03, which answers AA")
        deadline = time.monotonic() + _POST_SECONDS
        arrived: list[tuple[object, ...]] = []
        while len(arrived) < self._lines:
            posting = self._ehr.next_posting(deadline - time.monotonic())
            if posting is None:
                raise BridgeError(f"{len(arrived)} of {self._lines} payments reached the EHR in time")
            arrived.append((*posting, "AA"))
        columns = ("control id", "FT1-2", "account", "FT1-6", "FT1-11", "reply")
        self._show.table(columns, arrived, right=("FT1-11",))
        self._wait_until_posted(deadline)
        rows = self._rows("payments", *_ALL)
        self._show.say(f"{sum(row['status'] == 'posted' for row in rows)} of {len(rows)} payments are posted")

    def _wait_until_posted(self, deadline: float) -> None:
        """Wait for the daemon to write down the last reply: the EHR has sent it, and it is on its way."""
        from hl7bridge.cli.common import App
        from hl7bridge.storage.payments import list_payments

        with App(self._site.folder / CONFIG).open_store() as store:
            while any(row["status"] in {"queued", "sent"} for row in list_payments(store)):
                if time.monotonic() > deadline:
                    raise BridgeError("the payments were not posted in time; see 'hl7bridge deliveries'")
                time.sleep(_LOOK_SECONDS)

    def _history(self) -> None:
        person = PEOPLE[0]
        self._show.step(f"One account's whole story ({person.name})")
        (account,) = self._rows("accounts", "show", person.account)
        self._show.table(
            ("at", "what", ""), [(event["at"][_TIME], event["kind"], event["text"]) for event in account["timeline"]]
        )


def _decision(person: Person, row: dict[str, Any] | None) -> tuple[object, ...]:
    if row is None:
        return person.account, person.given, "not due", None, person.balance, person.story
    # What is placed satisfied the rule's own predicate, the last one; what is not failed at the first.
    because = row["reasons"][-1 if row["eligible"] else 0]
    return person.account, person.given, row["result"], row["rule"], row["balance"], because


def _is_placed(row: dict[str, Any] | None) -> bool:
    return row is not None and row["eligible"]


def _summarize(show: Show, seen: Seen, seconds: float) -> bool:
    """Show the figures; return whether they all foot."""
    show.step("Summary: what every side counted")
    for arguments in _LOOKS:
        show.command(*arguments, "--json")
    show.table(
        ("account", "patient", *_MONEY),
        [
            *((row["account"], _NAMES[row["account"]], *(row[name] for name in _MONEY)) for row in seen.accounts),
            ("total", "", *(money_text(sum((Decimal(row[name]) for row in seen.accounts), ZERO)) for name in _MONEY)),
        ],
        right=_MONEY,
    )
    show.say("")
    return tell_figures(show, list(build_figures(seen)), seconds)


def tell_figures(show: Show, figures: Sequence[Figure], seconds: float) -> bool:
    """Show what each side says of each figure; return whether all agree."""
    show.table(("figure", "", ""), [(each.name, each.text, "=" if each.is_right else "DIFFERS") for each in figures])
    wrong = [each for each in figures if not each.is_right]
    for each in wrong:
        show.bad(f"{each.name} does not foot: {each.text}")
    if not wrong:
        show.good(f"All {len(figures)} figures foot. {seconds:.1f} seconds.")
    return not wrong


def _tell_where(show: Show, folder: Path) -> None:
    show.step("Look around")
    for line in (f"cd {folder}", "hl7bridge serve", "hl7bridge messages", "hl7bridge accounts show 5027001 --reveal"):
        show.say(line)
