"""Whatever agencies, the EHR, people and restarts do, in any order: the ledger is the sum of the unique payments.

A hypothesis state machine over a real store, the real pipeline and the real files' parser; what should be owed is
counted apart, by each payment's own id.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from feed_samples import Feed, adt, dft, ft1
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from payment_samples import FORM, KEY, never_due

from hl7bridge.delivery.delivery import DeliveryEvent, DeliveryStatus
from hl7bridge.errors import RefusedError
from hl7bridge.exchange.remitting import Posting, apply_remittance
from hl7bridge.exchange.reversing import reverse_payment
from hl7bridge.exchange.settlement import Decided, assign_suspense, return_suspense
from hl7bridge.message.parse import parse_message
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.remittance import read_remitted
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.database import open_store
from hl7bridge.storage.deliveries import move_delivery
from hl7bridge.storage.money_days import STATES, close_money_day, report_money, report_money_items
from hl7bridge.storage.remittances import RemittanceFile
from hl7bridge.storage.reporting import Period
from hl7bridge.storage.verify import verify_store

ACCOUNTS = ("TACC1", "TACC2")
WHO = Decided("user:tester", "a test")
TOGETHER = DestinationForm("ehr", batch="account")
CHARGED = Decimal("10000.00")
S, E = DeliveryStatus, DeliveryEvent
# What may become of a delivery next, whoever says so.
STEPS = {
    S.QUEUED: (E.STARTED,),
    S.SENDING: (E.ACCEPTED, E.REFUSED, E.LOST, E.POSTPONED),
    S.UNKNOWN: (E.RESOLVE_ACCEPTED, E.RESOLVE_NOT_RECEIVED, E.LATE_ACCEPTED),
    S.HELD: (E.RETRY, E.CANCEL, E.RESOLVE_ACCEPTED),
}
chosen = st.integers(0, 50)
amounts = st.sampled_from(["10.00", "10.00", "25.50", "0.01"])
kinds = st.sampled_from(["payment", "payment", "adjustment"])
lines = st.lists(
    st.tuples(chosen, st.sampled_from([*ACCOUNTS, "T404"]), amounts, kinds),
    min_size=1,
    max_size=4,
)


def total(dollars: Iterable[Decimal]) -> Decimal:
    """Return a sum."""
    return sum(dollars, Decimal("0.00"))


class Money(RuleBasedStateMachine):
    """Everything that can happen to money, one rule each."""

    @initialize()
    def begin(self) -> None:
        """Two accounts with charges."""
        self.folder = Path(tempfile.mkdtemp())
        self.store = open_store(self.folder / "hl7bridge.db", KEY, create=True)
        self.feed = Feed(self.store)
        self.made = 0
        self.owed = dict.fromkeys(ACCOUNTS, CHARGED)
        self.posted: dict[str, tuple[str, str, Decimal]] = {}  # agency's id -> account, kind, amount
        self.suspended: dict[str, tuple[str, Decimal]] = {}
        self.taken_back: set[str] = set()
        self.files: list[list[dict[str, str]]] = []
        self.echoed: list[str] = []
        for account in ACCOUNTS:
            self.tell(adt(f"A{account}", account=account), dft(f"D{account}", ft1(str(CHARGED)), account=account))

    def teardown(self) -> None:
        """What `db verify` finds at the end."""
        if hasattr(self, "store"):
            assert [problem for check in verify_store(self.store) for problem in check.problems] == []
            self.store.close()
            shutil.rmtree(self.folder)

    def tell(self, *blocks: bytes) -> None:
        """Have the EHR's feed say something."""
        self.feed.take(*blocks)

    def posting(self) -> Posting:
        """Return what payments are posted with now: one by one, or in odd hours an account's in one message."""
        self.feed.now += dt.timedelta(hours=1)
        form = FORM if self.feed.now.hour % 2 else TOGETHER
        return Posting(lambda _: form, lambda _: self.feed.now.date(), never_due, self.feed.now)

    def send(self, rows: list[dict[str, str]]) -> None:
        """Have the agency send a file."""
        posting = self.posting()
        records = []
        for number, row in enumerate(rows, 1):
            record, problems = read_remitted(number, {"date": "2026-11-01"} | row, "sample", posting.now)
            assert not problems
            records.append(record)
        digest = sha256(repr(rows).encode()).hexdigest()
        with self.store.transaction():
            apply_remittance(self.store, RemittanceFile("sample", digest, "remittance.csv"), records, posting)

    # ---- agencies ---------------------------------------------------------------------------------------------------

    @rule(told=lines)
    def send_a_file(self, told) -> None:
        """Payments under ids of which some are known: those change nothing, whatever they say."""
        rows = []
        for at, account, amount, kind in told:
            name = f"CHK{at}"
            if any(row["agency_payment_id"] == name for row in rows):
                continue
            rows.append({"agency_payment_id": name, "account": account, "amount": amount, "kind": kind})
            if name in self.posted or name in self.suspended:
                continue
            if account not in ACCOUNTS:
                self.suspended[name] = kind, Decimal(amount)
                continue
            self.posted[name] = account, kind, Decimal(amount)
            self.owed[account] -= Decimal(amount)
        self.files.append(rows)
        self.send(rows)

    @rule(at=chosen)
    def send_a_file_again(self, at) -> None:
        """The same bytes: nothing changes."""
        if self.files:
            self.send(self.files[at % len(self.files)])

    @rule(at=chosen, name=chosen)
    def take_back(self, at, name) -> None:
        """The agency takes a payment back by its id: once; a second time it waits in suspense."""
        paid = [each for each, (_, kind, _) in self.posted.items() if kind == "payment"]
        reversal = f"REV{name}"
        if not paid or reversal in self.posted or reversal in self.suspended:
            return
        original = paid[at % len(paid)]
        account, _, amount = self.posted[original]
        if original in self.taken_back:
            self.suspended[reversal] = "reversal", amount
        else:
            self.taken_back.add(original)
            self.posted[reversal] = account, "reversal", amount
            self.owed[account] += amount
        row = {"agency_payment_id": reversal, "account": account, "amount": str(amount), "kind": "reversal"}
        rows = [row | {"reversal_of": original}]
        self.files.append(rows)
        self.send(rows)

    # ---- people -----------------------------------------------------------------------------------------------------

    @rule(at=chosen)
    def reverse(self, at) -> None:
        """A person takes a payment back; what may be in the EHR is left alone."""
        rows = self.store.rows("SELECT id, agency_payment_id, kind FROM payments ORDER BY id")
        if not rows:
            return
        payment, name, kind = rows[at % len(rows)]
        with suppress(RefusedError), self.store.transaction():
            reverse_payment(self.store, payment, self.posting(), WHO)
            assert kind == "payment"
            assert name not in self.taken_back
            account, _, amount = self.posted[name]
            self.taken_back.add(name)
            self.posted[f"reversal-of-{payment}"] = account, "reversal", amount
            self.owed[account] += amount

    @rule(at=chosen, account=st.sampled_from(ACCOUNTS), is_back=st.booleans())
    def settle_suspense(self, at, account, is_back) -> None:
        """Money in suspense is assigned to an account, or goes back."""
        rows = self.store.rows("SELECT id, agency_payment_id, kind FROM suspense WHERE status = 'open'")
        if not rows:
            return
        suspense, name, kind = rows[at % len(rows)]
        with suppress(RefusedError), self.store.transaction():
            if is_back:
                return_suspense(self.store, suspense, self.feed.now, WHO)
            else:
                assign_suspense(self.store, suspense, account, None, self.posting(), WHO)
                assert kind != "reversal"  # none of those has an original that is not taken back
                _, amount = self.suspended.pop(name)
                self.posted[name] = account, kind, amount
                self.owed[account] -= amount

    @rule()
    def close_yesterday(self) -> None:
        """A day is closed; once."""
        self.feed.now += dt.timedelta(days=1)
        yesterday = (self.feed.now - dt.timedelta(days=1)).date()
        with suppress(RefusedError), self.store.transaction():
            close_money_day(self.store, yesterday, "UTC", now=self.feed.now, actor="user:tester")

    # ---- the EHR ----------------------------------------------------------------------------------------------------

    @rule(at=chosen, step=chosen)
    def deliver(self, at, step) -> None:
        """Something becomes of a delivery."""
        rows = self.store.rows("SELECT id, status FROM deliveries WHERE status NOT IN ('accepted', 'cancelled')")
        if not rows:
            return
        delivery, status = rows[at % len(rows)]
        events = STEPS[DeliveryStatus(status)]
        event = events[step % len(events)]
        with self.store.transaction():
            move_delivery(self.store, delivery, event, self.feed.now)
            if event is E.STARTED:
                self.store.execute("UPDATE deliveries SET attempts = attempts + 1 WHERE id = ?", (delivery,))

    @rule(at=chosen, is_ours=st.booleans(), is_again=st.booleans())
    def echo(self, at, is_ours, is_again) -> None:
        """A payment comes back on the feed, under our id or the EHR's own, or the same comes again."""
        self.made += 1
        if is_again and self.echoed:
            account, entry = self.echoed[at % len(self.echoed)]
            self.tell(dft(f"E{self.made}", entry, account=account))
            return
        rows = self.store.rows(
            "SELECT d.content, a.number, p.transaction_id FROM deliveries d JOIN accounts a ON a.id = d.account_id"
            " JOIN delivery_payments c ON c.delivery_id = d.id JOIN payments p ON p.id = c.payment_id"
            " WHERE d.attempts > 0 AND d.status <> 'cancelled' AND p.echoed_at IS NULL"
        )
        if not rows:
            return
        content, account, transaction = rows[at % len(rows)]
        entry = next(each for each in parse_message(content.encode()).segments if f"|{transaction}|" in each)
        if not is_ours:
            fields = entry.split("|")
            fields[2] = f"EHR{self.made}"
            entry = "|".join(fields)
        self.echoed.append((account, entry))
        self.tell(dft(f"E{self.made}", entry, account=account))

    @rule(account=st.sampled_from(ACCOUNTS), amount=amounts)
    def pay_at_the_hospital(self, account, amount) -> None:
        """Real money of the same amounts, under another code."""
        self.made += 1
        entry = ft1(amount, kind="PY", number=f"H{self.made}", f4="20261101", f7="CASH")
        self.tell(dft(f"H{self.made}", entry, account=account))
        self.owed[account] -= Decimal(amount)

    @rule()
    def restart(self) -> None:
        """The store is closed and opened again, as after a crash between two transactions."""
        self.store.close()
        self.store = open_store(self.folder / "hl7bridge.db", KEY)
        now, self.feed = self.feed.now, Feed(self.store)
        self.feed.now = now

    # ---- what is true after each step -------------------------------------------------------------------------------

    @invariant()
    def the_ledger_is_the_sum_of_the_unique_payments(self) -> None:
        """Account by account, to the cent, and so is the report of money."""
        if not hasattr(self, "store"):
            return
        for account in ACCOUNTS:
            assert find_account(self.store, account).balance == self.owed[account], account
        stored = self.store.rows("SELECT agency_payment_id, kind, amount FROM payments")
        assert {(name, kind, Decimal(cents) / 100) for name, kind, cents in stored} == {
            (name, kind, amount) for name, (_, kind, amount) in self.posted.items()
        }
        assert self.store.rows("SELECT payment_id FROM entries GROUP BY 1 HAVING payment_id > 0 AND count(*) > 1") == []
        rows = list(report_money(self.store, Period(), "UTC"))
        received = total(row["received_dollars"] for row in rows)
        assert received == total(each[-1] for each in (*self.posted.values(), *self.suspended.values()))
        assert received == total(row[f"{state}_dollars"] for row in rows for state in STATES)
        items = total(each["dollars"] for each in report_money_items(self.store, Period(), "UTC"))
        assert items == total(row["difference_dollars"] for row in rows)


TestMoney = Money.TestCase
TestMoney.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # explaining traces every line: too slow
)
