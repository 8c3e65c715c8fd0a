"""A hospital's month: invented accounts, and what its EHR tells of them day by day, chosen by a seeded generator."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal

from feed_samples import ft1, gt1, message, pid, pv1, segment

from hl7bridge.money import money_text

SITE = """format = 1
extends = "generic"

[events]
"ADT^A08" = ["patient", "account?", "guarantor", "coverage", "balance", "signals"]

[[signals]]
name = "charity"
from = "ZFA-1"
table = "assistance"

[[signals]]
name = "dispute"
from = "ZFA-2"
table = "disputes"

[[signals]]
name = "bankruptcy"
from = "ZFA-3"
table = "filings"

[tables.filings]
FILED = "filed"

[tables.assistance]
FULL = "approved"

[tables.disputes]
OPEN = "open"
DONE = "resolved"
"""
NEW_A_DAY = 4
AGED_DAYS = 120  # of the charges of a new account


class Hospital:
    """The EHR: ``balances`` is what it believes of each account; ``send`` takes a message and says that it is kept."""

    def __init__(self, send: Callable[[bytes], None], seed: int) -> None:
        self.balances: dict[str, Decimal] = {}
        self.charged: dict[str, Decimal] = {}  # charges that an agency is not told of
        self.told: list[str] = []  # kinds of events, for proving that each was there
        self.paid_up: dict[str, Decimal] = {}  # what an account was closed with
        self.disputed: set[str] = set()
        self._random = random.Random(seed)  # noqa: S311  (a repeatable month, no secret)
        self._send = send
        self._now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        self._messages = 0

    def at(self, now: dt.datetime) -> None:
        """Set the EHR's clock."""
        self._now = now

    def admit(self) -> None:
        """Register accounts whose charges are old enough to be placed; the guarantor's name decides the agency."""
        for _ in range(NEW_A_DAY):
            account = f"TACC{len(self.balances) + 1:04}"
            amount = Decimal(self._random.randrange(5_000, 90_000)).scaleb(-2)
            self._tell("ADT^A04", account, gt1(**self._guarantor(account)))
            self._entry(account, "CG", amount, self._now.date() - dt.timedelta(days=AGED_DAYS))

    def happen(self, placed: list[str]) -> None:
        """Let something happen to some of the accounts that agencies have."""
        events = (
            self.insurer_pays, self.patient_pays, self.pays_all, self.overpays, self.bounce, self.adjust, self.charge,
            self.move, self.grant_charity, self.dispute, self.settle_dispute, self.files_bankruptcy, self.dies,
            self.cancel,
        )  # fmt: skip
        for event in self._random.sample(events, 6):
            event(placed)

    def insurer_pays(self, placed: list[str]) -> None:
        """An insurer pays a part."""
        self._pay_part(placed, "insurance", f7="INSPAY")

    def patient_pays(self, placed: list[str]) -> None:
        """The patient pays the hospital a part."""
        self._pay_part(placed, "patient")

    def _pay_part(self, placed: list[str], name: str, **fields: str) -> None:
        for account in self._some(placed):
            self._entry(account, "PY", (self.balances[account] / 4).quantize(Decimal("0.01")), **fields)
            self.told.append(name)

    def pays_all(self, placed: list[str]) -> None:
        """The patient pays the hospital all that is owed."""
        for account in self._some(placed):
            self.paid_up[account] = self.balances[account]
            self._entry(account, "PY", self.balances[account])
            self.told.append("all")

    def overpays(self, placed: list[str]) -> None:
        """The patient pays more than is owed."""
        for account in self._some(placed):
            self._entry(account, "PY", self.balances[account] + 20)
            self.told.append("too much")

    def bounce(self, _placed: list[str]) -> None:
        """A payment in full is taken back."""
        if self.paid_up:
            account, amount = self.paid_up.popitem()
            self._entry(account, "PY", -amount)
            self.told.append("bounced")

    def adjust(self, placed: list[str]) -> None:
        """The hospital lowers a balance."""
        for account in self._some(placed):
            self._entry(account, "AJ", (self.balances[account] / 5).quantize(Decimal("0.01")))
            self.told.append("adjustment")

    def charge(self, placed: list[str]) -> None:
        """A late charge comes: it is for a person, and no agency is told."""
        for account in self._some(placed):
            self._entry(account, "CG", Decimal("80.00"))
            self.charged[account] = self.charged.get(account, Decimal(0)) + 80
            self.told.append("charge")

    def move(self, placed: list[str]) -> None:
        """The guarantor moves."""
        for account in self._some(placed):
            street = f"{self._messages} SAMPLE ROAD^^TESTVILLE^IL^60000"
            self._tell("ADT^A08", account, gt1(**self._guarantor(account), f5=street))
            self.told.append("move")

    def grant_charity(self, placed: list[str]) -> None:
        """Charity care is granted."""
        for account in self._some(placed):
            self._tell("ADT^A08", account, segment("ZFA", {1: "FULL"}))
            self.told.append("charity")

    def files_bankruptcy(self, placed: list[str]) -> None:
        """The guarantor files for bankruptcy."""
        for account in self._some(placed):
            self._tell("ADT^A08", account, segment("ZFA", {3: "FILED"}))
            self.told.append("bankruptcy")

    def dies(self, placed: list[str]) -> None:
        """The guarantor dies."""
        for account in self._some(placed):
            self._tell("ADT^A08", account, gt1(**self._guarantor(account), f24="20260310", f25="Y"))
            self.told.append("death")

    def cancel(self, placed: list[str]) -> None:
        """The visit never was: the account is cancelled."""
        for account in self._some(placed):
            self._tell("ADT^A11", account)
            self.told.append("cancelled")

    def dispute(self, placed: list[str]) -> None:
        """The guarantor disputes the debt."""
        for account in self._some(placed):
            self._tell("ADT^A08", account, segment("ZFA", {2: "OPEN"}))
            self.disputed.add(account)
            self.told.append("dispute")

    def settle_dispute(self, _placed: list[str]) -> None:
        """A dispute is resolved."""
        if self.disputed:
            self._tell("ADT^A08", self.disputed.pop(), segment("ZFA", {2: "DONE"}))
            self.told.append("resolved")

    def _some(self, placed: list[str]) -> list[str]:
        """Choose one account on which nothing else is open, so that each event's effect can be seen alone."""
        free = [each for each in placed if each not in self.charged and self.balances[each] > 40]
        return [self._random.choice(free)] if free else []

    def _guarantor(self, account: str) -> dict[str, str]:
        name = "ALPHATEST^AURELIA" if int(account[-4:]) % 2 else "OMEGATEST^BRUNO"
        return {"f2": f"G{account}", "f3": name}

    def _entry(self, account: str, kind: str, amount: Decimal, on: dt.date | None = None, **fields: str) -> None:
        day = (on or self._now.date()).strftime("%Y%m%d")
        entry = ft1(money_text(amount), kind, f"TTX{self._messages}", f4=day, **fields)
        self._tell("DFT^P03", account, entry)
        self.balances[account] = self.balances.get(account, Decimal("0.00")) + (amount if kind == "CG" else -amount)

    def _tell(self, kind: str, account: str, *segments: str) -> None:
        self._messages += 1
        family = self._guarantor(account)["f3"]
        event = segment("EVN", {1: kind[4:]})
        people = (pid(account, f"M{account}", f5=family),) if kind == "DFT^P03" else (
            pid(account, f"M{account}", f5=family), pv1()
        )  # fmt: skip
        at = (self._now + dt.timedelta(seconds=self._messages)).strftime("%Y%m%d%H%M%S+0000")
        self._send(message(kind, f"C{self._messages}", event, *people, *segments, m7=at))
