"""The life of placements under whatever an EHR, two agencies, people and the clock do, in any order.

A hypothesis state machine over a real store, the real pipeline and real files: after every step the sixteen things of
collections.md 3.5 that must never happen have not happened, and what each agency believes is what it was told.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from lifecycle_hospital import NUMBERS, Hospital, accounts, amounts, chosen
from lifecycle_world import COLLECTING, FACILITIES, WITH_AGENCY, World

from hl7bridge.errors import RefusedError
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.payment import Payment, PaymentKind
from hl7bridge.placement_orders import Order, approve
from hl7bridge.placement_timers import check_timers
from hl7bridge.rules.due import DueDays
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.payments import post_payment

names = st.sampled_from(["one", "two"])


class Lifecycle(Hospital):
    """Everything that can happen, one rule each."""

    @initialize()
    def begin(self) -> None:
        """Three accounts in each of two facilities, with the same numbers; all of them old enough to be placed."""
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder)
        for facility in FACILITIES:
            for number in NUMBERS:
                self.world.register(number, facility)
                self.world.post(number, facility, "CG", Decimal("100.00"))
        self.own: dict[tuple[str, int, int], Decimal] = {}
        self.bad = 0
        self.world.decide()
        self.exchange()
        self.acknowledge("one", is_accepted=True)

    def teardown(self) -> None:
        """Look for what must not be stored anywhere."""
        if hasattr(self, "world"):
            self.world.check_at_the_end()
            self.world.store.close()
            shutil.rmtree(self.folder)

    # ---- the bridge and the clock -----------------------------------------------------------------------------------

    @rule()
    def decide(self) -> None:
        """The day's decisions."""
        self.world.decide()

    @rule(days=st.sampled_from([1, 4, 12, 60]))
    def wait(self, days) -> None:
        """Days pass, and whatever is due by the clock is done."""
        self.world.feed.now += dt.timedelta(days=days)
        assert check_timers(self.world.store, self.world.reaction, self.world.now) == []

    @rule(name=names)
    def send_into_a_blocked_folder(self, name) -> None:
        """A folder that cannot be written: nothing of it is said to be sent."""
        agency = self.world.agencies[name]
        outgoing = agency.folder / "outgoing"
        hidden = outgoing.with_name("hidden")
        if outgoing.is_dir():
            outgoing.rename(hidden)
        outgoing.write_text("in the way")
        self.world.send()
        outgoing.unlink()
        if hidden.exists():
            hidden.rename(outgoing)

    @rule()
    def exchange(self) -> None:
        """All is sent and read: each agency then believes what it was told, and collects nothing that it should not."""
        world = self.world
        sent = world.send()
        assert sent.problems == ()
        for agency in world.agencies.values():
            agency.look()
            rows = world.store.rows(
                "SELECT p.id, p.status, p.told ->> 'balance', a.number FROM placements p JOIN accounts a ON"
                " a.id = p.account_id WHERE p.agency = ? AND a.status <> 'merged'",
                (agency.name,),
            )
            for placement, status, cents, number in rows:
                held = agency.held.get(placement)
                assert (held is None) is (status in {"review", "queued", "cancelled"}), (placement, status)
                if held is None:
                    continue
                assert not (held.state == "collecting" and status in {"suspended", "recall_pending", "paid_in_full"})
                if status in COLLECTING:
                    assert (held.state, held.account) == ("collecting", number)
                if status in WITH_AGENCY:
                    assert held.balance - self.collected_since(agency.name, placement, held) == Decimal(cents) / 100

    def collected_since(self, name: str, placement: int, held) -> Decimal:
        """Return what the agency has collected since it was last told a balance."""
        return self.own.get((name, placement, held.last), Decimal(0))

    # ---- agencies ---------------------------------------------------------------------------------------------------

    @rule(name=names, is_accepted=st.sampled_from([True, True, True, False]))
    def acknowledge(self, name, is_accepted) -> None:
        """An agency answers for everything that it has read: placements and notices."""
        world, agency = self.world, self.world.agencies[name]
        known = dict(world.store.rows("SELECT id, acknowledged_at FROM placements WHERE agency = ?", (name,)))
        rows = [
            agency.row(each, accepted="yes" if is_accepted else "no", code="" if is_accepted else "X9")
            for each in agency.held
            if known[each] is None
        ]
        rows += [{"notice_id": str(each), "accepted": "yes"} for each in agency.told if is_accepted]
        if rows:
            columns = dict.fromkeys(name for row in rows for name in row)
            agency.put("acknowledgements", [{name: row.get(name, "") for name in columns} for row in rows])
            agency.told.clear()
            assert world.take() == ["taken"]

    @rule(
        name=names, at=chosen,
        told=st.sampled_from(["dispute", "deceased", "active", "returned", "paid_in_full", "settled", "objection"]),
    )  # fmt: skip
    def report(self, name, at, told) -> None:
        """An agency says how it stands, gives back, or objects."""
        agency = self.world.agencies[name]
        if not agency.held:
            return
        placement = sorted(agency.held)[at % len(agency.held)]
        if told == "objection":
            agency.put("objections", [agency.row(placement, reason="promise")])
        elif told in {"returned", "paid_in_full", "settled"}:
            agency.put("returns", [agency.row(placement, code="X1", kind=told)])
            if told != "settled":
                agency.held[placement].state = "ended"
        else:
            agency.put("statuses", [agency.row(placement, status=told)])
        assert self.world.take() == ["taken"]

    @rule(at=chosen)
    def place_again(self, at) -> None:
        """What an agency gives back is placed once more, after a person has approved it, with the other agency."""
        world = self.world
        held = [(each, number) for each in world.agencies.values() for number in sorted(each.held)]
        agency, placement = held[at % len(held)]
        agency.put("returns", [agency.row(placement, code="X1", kind="returned")])
        agency.held[placement].state = "ended"
        assert world.take() == ["taken"]
        world.decide()
        said = Order("user:tester", "a test", world.now)
        with world.store.transaction():
            for (each,) in world.store.rows("SELECT id FROM placements WHERE status = 'review'"):
                approve(world.store, each, said)
        self.exchange()

    @rule(name=names, at=chosen, wrong=st.sampled_from(["records", "sha256", "balance_total"]))
    def send_a_file_that_differs_from_its_trailer(self, name, at, wrong) -> None:
        """The whole file is held and changes nothing."""
        agency, before = self.world.agencies[name], self.counts()
        if agency.held:
            placement = sorted(agency.held)[at % len(agency.held)]
            bad = {"records": 7, "sha256": "0" * 64, "balance_total": "9.99"}[wrong]
            self.bad += 1
            record = agency.row(placement, code=f"BAD{self.bad}", kind="returned")
            agency.put("returns", [record], name=f"returns-bad{self.bad}.csv", **{wrong: bad})
            assert self.world.take() == ["held"]
            assert self.counts() == before

    @rule(name=names, at=chosen)
    def send_a_file_again(self, name, at) -> None:
        """The same file under another name changes nothing."""
        agency, before = self.world.agencies[name], self.counts()
        if agency.sent:
            agency.put_again(at)
            assert self.world.take()[0] in {"duplicate", "held"}
            assert self.counts() == before

    @rule(name=names, account=accounts, amount=amounts, at=chosen, is_back=st.booleans())
    def collect(self, name, account, amount, at, is_back) -> None:
        """An agency was paid, or has to take it back: each id once, and never back more than was paid."""
        world, store = self.world, self.world.store
        kind = PaymentKind.REVERSAL if is_back else PaymentKind.PAYMENT
        payment = Payment(name, f"{kind}{at}", kind, amount, dt.date(2026, 11, 1))
        found = find_account(store, *account)
        with suppress(RefusedError), store.transaction():
            posted = post_payment(
                store, payment, found, DestinationForm("ehr"), now=world.now, posted_on=world.now.date(),
                batch_id="B1", due_on=DueDays(world.rules),
            )  # fmt: skip
            world.react()
            if posted.is_new:
                world.owed[world.key(*account)] += amount if is_back else -amount
                self.note_own(name, found.id, amount if not is_back else -amount)

    def note_own(self, name: str, account_id: int, amount: Decimal) -> None:
        """Have the agency count its own money against what it was last told."""
        for (placement,) in self.world.store.rows(
            "SELECT id FROM placements WHERE account_id = ? AND agency = ?", (account_id, name)
        ):
            last = self.world.store.rows(
                "SELECT coalesce(max(id), 0) FROM notices WHERE placement_id = ? AND status <> 'cancelled'",
                (placement,),
            )[0][0]
            self.own[name, placement, last] = self.own.get((name, placement, last), Decimal(0)) + amount

    def counts(self) -> list[tuple]:
        """Return what a file that is not taken must not change."""
        tables = ("placements", "notices", "signals", "entries", "exceptions", "received_records")
        rows = [self.world.store.rows(f"SELECT count(*) FROM {table}")[0] for table in tables]
        return [*rows, *self.world.store.rows("SELECT status, count(*) FROM placements GROUP BY 1 ORDER BY 1")]

    @invariant()
    def nothing_happened_that_must_not(self) -> None:
        """After every step."""
        if hasattr(self, "world"):
            self.world.check()


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # explaining traces every line: too slow
)
