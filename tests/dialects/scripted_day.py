"""A day of one EHR's feed -> the real daemon, on real sockets, set up as docs/ehr says; its balances and its payment.

The scenario says in dollars what each message is worth: the balances are compared with the test's own sum of these,
and never with anything that was read from a message.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from cli_samples import Peer, framed, init_folder, reply_to, run
from docs_reader import fenced, read
from listening import codes, wait_until
from running_daemon import RunningDaemon

from hl7bridge.message.parse import parse_message

KINDS = ("charges", "payments", "adjustments")
AGENCY_ID = "AGENCY-PAYMENT-1"
Books = dict[str, tuple[Decimal, ...]]  # account -> charges, payments, adjustments


class Line(NamedTuple):
    """What one FT1 is worth: to an account, one of ``KINDS``, dollars, below zero for what is taken back."""

    account: str
    kind: str
    dollars: str


class Step(NamedTuple):
    """One message of the day, segments on lines of their own. ``merges``: the account that goes, the one that stays."""

    what: str
    message: str
    lines: tuple[Line, ...] = ()
    merges: tuple[str, str] | None = None

    @property
    def block(self) -> bytes:
        """The message as it is sent."""
        return self.message.strip().replace("\n", "\r").encode() + b"\r"


class Day(NamedTuple):
    """One EHR's day. ``posting``: what must stand in the DFT^P03 that it gets for ``paid``, path by path."""

    ehr: str
    steps: tuple[Step, ...]
    account: str
    paid: str
    posting: dict[str, str]


def segment(name: str, **fields: str) -> str:
    """Return a segment: ``segment("PID", f3="TST1", f18="TACC1")``."""
    numbered = {int(name[1:]): text for name, text in fields.items()}
    return "|".join([name, *(numbered.get(number, "") for number in range(1, max(numbered) + 1))])


def guide_blocks(ehr: str) -> list[str]:
    """Return the TOML blocks of an EHR's guide, in order."""
    return fenced(read(f"ehr/{ehr}.md"), "toml")


def settings_block(ehr: str) -> str:
    """Return the lines of hl7bridge.toml that the guide shows."""
    (found,) = [block for block in guide_blocks(ehr) if "[[listeners]]" in block]
    return found


def site_mapping(ehr: str) -> tuple[str, str]:
    """Return the name and the text of the site's own mapping that the guide shows."""
    (found,) = [block for block in guide_blocks(ehr) if "format = 1" in block]
    return tomllib.loads(found)["name"], found


def set_up(folder: Path, ehr: str, address: str) -> Path:
    """Write a configuration as the guide has it, but on free ports of this machine without TLS; return its file."""
    config = init_folder(folder)
    shown = re.sub(r"^(tls|allow) = .*\n", "", settings_block(ehr), flags=re.MULTILINE)
    shown, listeners = re.subn(r'^bind = ".*?"', 'bind = "127.0.0.1:0"', shown, flags=re.MULTILINE)
    shown, destinations = re.subn(r'^connect = ".*?"', f'connect = "{address}"', shown, flags=re.MULTILINE)
    assert listeners == 1
    assert destinations >= 1
    own = '[rules]\nrun_at = "23:59"\n[[agencies]]\nname = "sample"\noutgoing = "agencies/sample/outgoing"\n'
    config.write_text(shown + own, encoding="utf-8")
    name, text = site_mapping(ehr)
    (folder / "mappings" / f"{name}.toml").write_text(text, encoding="utf-8")
    return config


def books_of(steps: tuple[Step, ...]) -> Books:
    """Return what the scenario itself says that each account stands at; those that stand at nothing are left out."""
    lines: dict[str, list[Line]] = defaultdict(list)
    for step in steps:
        for line in step.lines:
            lines[line.account].append(line)
        if step.merges:
            gone, stays = step.merges
            lines[stays] += lines.pop(gone, [])
    return {account: _totals(told) for account, told in lines.items() if any(_totals(told))}


def _totals(lines: list[Line]) -> tuple[Decimal, ...]:
    return tuple(sum((Decimal(line.dollars) for line in lines if line.kind == kind), Decimal(0)) for kind in KINDS)


class Site:
    """A bridge that is set up for one EHR, its daemon, and a simulated EHR that acknowledges what it is sent."""

    def __init__(self, config: Path, ehr: Peer) -> None:
        self.config = config
        self.ehr = ehr

    def rows(self, *command: str) -> list[dict[str, Any]]:
        """Return what a command prints with ``--json``."""
        result = run(*command, "--config", self.config, "--json")
        assert result.exit_code == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]

    def books(self) -> Books:
        """Return what the bridge says that each account stands at; those that stand at nothing are left out."""
        found = {
            row["account"]: tuple(Decimal(row[kind]) for kind in KINDS) for row in self.rows("accounts", "--limit", "0")
        }
        return {account: totals for account, totals in found.items() if any(totals)}

    @contextmanager
    def daemon(self) -> Iterator[RunningDaemon]:
        """Run the real daemon; it must end by itself, and say nothing but log events."""
        with RunningDaemon(self.config) as daemon:
            yield daemon
            daemon.stop()

    def post(self, day: Day) -> dict[str, Any]:
        """Post what the agency was paid, as its remittance would."""
        today = dt.datetime.now(dt.UTC).date().isoformat()
        (row,) = self.rows(
            "payments", "post", "--agency", "sample", "--id", AGENCY_ID,
            "--account", day.account, "--amount", day.paid, "--date", today,
        )  # fmt: skip
        return row

    def wait_until_posted(self) -> None:
        """Return once the EHR's acknowledgement of the only payment is written down."""
        wait_until(lambda: [row["status"] for row in self.rows("payments")] == ["posted"], "the payment is not posted")


def run_day(folder: Path, day: Day) -> None:
    """Run a day: each message, then the payment, then the payment and the whole feed again, after a restart."""
    with Peer(lambda block, _number: framed(reply_to(block))) as ehr:
        site = Site(set_up(folder, day.ehr, ehr.address), ehr)
        result = run("check", "--config", site.config)
        assert result.exit_code == 0, result.output
        with site.daemon() as daemon:
            _send_all(site, daemon, day)
            assert site.post(day)["status"] == "queued"
            site.wait_until_posted()
        expected = _after_payment(day)
        assert site.books() == expected
        with site.daemon() as daemon, daemon.sender() as sender:
            assert set(codes(sender.ask(*(step.block for step in day.steps)))) == {"AA"}
            assert site.post(day)["status"] == "posted"
            assert site.books() == expected
    _check_posting(day, ehr.blocks)
    for check in site.rows("db", "verify"):
        assert check["ok"], check


def _send_all(site: Site, daemon: RunningDaemon, day: Day) -> None:
    with daemon.sender() as sender:
        for number, step in enumerate(day.steps, 1):
            (reply,) = sender.ask(step.block)
            assert codes([reply]) == ["AA"], (step.what, reply)
            assert site.books() == books_of(day.steps[:number]), step.what


def _after_payment(day: Day) -> Books:
    books = books_of(day.steps)
    charges, payments, adjustments = books[day.account]
    return books | {day.account: (charges, payments + Decimal(day.paid), adjustments)}


def _check_posting(day: Day, blocks: list[bytes]) -> None:
    """The EHR got one message, in the form that it wants."""
    assert len(blocks) == 1
    message = parse_message(blocks[0])
    assert {path: str(message.get(path)) for path in day.posting} == day.posting
