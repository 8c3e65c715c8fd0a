"""Invented placed accounts whose EHR goes on talking: a feed that reacts, and words for what the agency is told."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

from feed_samples import ACCOUNT, Feed, ft1, gt1, make_setup, message, pid, pv1
from placement_samples import agency_in, shipped_rules

from hl7bridge.exchange.outgoing import Sending, send_placements
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.payment import Payment, PaymentKind
from hl7bridge.placement.state import By, Status
from hl7bridge.reacting import AgencyTerms, ReactionSettings, react_to_changes
from hl7bridge.rules.due import DueDays
from hl7bridge.rules.signals import Signal
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.decisions import Run, run_decisions
from hl7bridge.storage.notices import list_notices
from hl7bridge.storage.payments import post_payment
from hl7bridge.storage.placements import move_placement, placements_of, read_events
from hl7bridge.storage.signals import add_signal
from hl7bridge.storage.told import read_told
from hl7bridge.times import utc_text

CHARGED = "20261120081000"


def registered(account: str = ACCOUNT, at: str = "20261120080000", *more: str, **pv1_fields: str) -> bytes:
    """Return a registration of an account with its guarantor."""
    segments = (pid(account), pv1(**pv1_fields), gt1(), *more)
    return message("ADT^A04", f"R{account}{at}", "EVN|A04", *segments, m7=at)


def updated(event: str = "A08", at: str = "20261120120000", *more: str, account: str = ACCOUNT, **fields: str) -> bytes:
    """Return an update; ``fields`` are of the guarantor, by ``f`` and number."""
    segments = (pid(account), pv1(), gt1(**fields), *more)
    return message(f"ADT^{event}", f"U{account}{at}", f"EVN|{event}", *segments, m7=at)


def posted(*entries: str, account: str = ACCOUNT, at: str = CHARGED) -> bytes:
    """Return entries of an account."""
    return message("DFT^P03", f"D{account}{at}{len(entries)}", "EVN|P03", pid(account), *entries, m7=at)


def paid(amount: str, number: str = "TPY1", *, insurer: bool = False, **fields: str) -> str:
    """Return an FT1 of a payment; the generic mapping tells an insurer's by its code."""
    code = {"f7": "INSPAY"} if insurer else {}
    return ft1(amount, kind="PY", number=number, **({"f4": "20261119"} | code | fields))


class Placed(Feed):
    """A feed that reacts, with one account of 100.00 dollars that is placed with agency ``sample``."""

    def __init__(self, store: Any, folder: Path, terms: AgencyTerms | None = None) -> None:
        super().__init__(store)
        self.folder = folder
        self.reaction = ReactionSettings(shipped_rules(), lambda _: dt.UTC, {"sample": terms or AgencyTerms()})
        self.pipeline.use(make_setup()._replace(reaction=self.reaction))

    def place(self, account: str = ACCOUNT, status: Status = Status.ACTIVE) -> int:
        """Have an account told of, charged, decided and sent, as the daemon does; then be what its agency says."""
        self.take(registered(account), posted(ft1(number=f"TTX{account}"), account=account))
        list(run_decisions(self.store, Run(self.reaction.rules, lambda _: self.now.date(), self.now, "user:tester")))
        placement = placements_of(self.store, self.account_id(account))[-1].id
        if status is not Status.QUEUED:
            self.send_files()
            self.answer(placement, status)
        return placement

    def send_files(self) -> Any:
        """Send what is queued, as the daemon does."""
        sending = Sending(
            self.reaction.rules, lambda _: self.now.date(), {}, self.now, "daemon",
            lambda store: react_to_changes(store, self.reaction, self.now),
        )  # fmt: skip
        return send_placements(self.store, [agency_in(self.folder)], sending)

    def answer(self, placement: int, status: Status) -> None:
        """Have the agency acknowledge, and go on as far as ``status``."""
        for target in (Status.ACKNOWLEDGED, Status.ACTIVE):
            if status in {Status.ACKNOWLEDGED, Status.ACTIVE} and self.status(placement) is not status:
                self.move(placement, target, By.AGENCY)
                at = utc_text(self.now)
                self.store.execute("UPDATE placements SET acknowledged_at = ? WHERE id = ?", (at, placement))

    def move(self, placement: int, target: Status, by: By) -> None:
        """Change a status as the table allows."""
        with self.store.transaction():
            at = utc_text(self.now)
            move_placement(
                self.store, placement, target, by=by, actor="test", at=at, reason="test", notice=by is not By.AGENCY
            )

    def signal(self, name: str, value: str, account: str = ACCOUNT, until: dt.date | None = None) -> None:
        """Have a person set a signal, as `signals set` does."""
        self.now += dt.timedelta(minutes=1)
        with self.store.transaction():
            told = Signal(name, value, "user:tester", self.now.date(), until)
            add_signal(self.store, self.account_id(account), told, utc_text(self.now))
            assert react_to_changes(self.store, self.reaction, self.now).problems == ()

    def collect(
        self, amount: str, number: str = "CHK1", kind: PaymentKind = PaymentKind.PAYMENT, account: str = ACCOUNT
    ) -> None:
        """Have the agency pay what it collected, as `payments post` does."""
        self.now += dt.timedelta(minutes=1)
        payment = Payment("sample", number, kind, Decimal(amount), self.now.date())
        with self.store.transaction():
            state = find_account(self.store, account, "NORTHGATE")
            post_payment(
                self.store, payment, state, DestinationForm("ehr"), now=self.now, posted_on=self.now.date(),
                batch_id="B1", due_on=DueDays(self.reaction.rules),
            )  # fmt: skip
            assert react_to_changes(self.store, self.reaction, self.now).problems == ()

    def account_id(self, number: str = ACCOUNT) -> int:
        """Return the row of an account."""
        return find_account(self.store, number, "NORTHGATE").id

    def status(self, placement: int = 1) -> Status:
        """Return where a placement is."""
        return Status(self.store.row("SELECT status FROM placements WHERE id = ?", (placement,))[0])

    def notices(self, placement: int = 1) -> list[tuple[str, str, str, str]]:
        """Return kind, reason, amount and balance of each notice of a placement that was not cancelled."""
        return [
            (row["kind"], row["reason"], row["amount"], row["balance"])
            for row in list_notices(self.store, placement)
            if row["status"] != "cancelled"
        ]

    def kinds(self, placement: int = 1) -> list[str]:
        """Return the kinds of the notices of a placement that were not cancelled."""
        return [kind for kind, *_ in self.notices(placement)]

    def told(self, placement: int = 1) -> Any:
        """Return what the agency knows of a placement."""
        return read_told(self.store, placement)

    def exceptions(self) -> list[str]:
        """Return the kinds of what waits for a person."""
        return [row[0] for row in self.store.rows("SELECT kind FROM exceptions WHERE closed_at IS NULL ORDER BY id")]

    def last_reason(self, placement: int = 1) -> str:
        """Return why a placement's status changed last."""
        return read_events(self.store, placement)[-1].reason
