"""Whatever happens in whatever order, crashes included: who got what, how often, and what the rows say of it."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from payment_samples import NOW, add_account, make_payment, make_store, post, statuses

from hl7bridge.delivery.delivery import PAYMENT_STATUS, DeliveryStatus
from hl7bridge.delivery.policy import DeliveryRules, UnknownPolicy
from hl7bridge.delivery.retry import RetryPolicy
from hl7bridge.delivery.verdict import NO_REPLY, NOT_SENT, Outcome, Verdict
from hl7bridge.storage.sending import Attempt, claim_deliveries, record_attempts, recover_sending
from hl7bridge.storage.settling import settle_by_control_id

RETRY = RetryPolicy(dt.timedelta(seconds=1), dt.timedelta(seconds=4), 3)
REFUSED = Verdict(Outcome.HELD, "AE")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.integers(1, 4)),
        st.tuples(st.just("write"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["yes", "no", "silence"]), st.integers(0, 3)),
        st.tuples(st.just("crash"), st.just(0)),
        st.tuples(st.sampled_from(["late yes", "late no"]), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.just(0)),
    ),
    max_size=40,
)
QUIET_DAY = [("wait", 0), ("claim", 2), ("write", 0), ("write", 0), ("yes", 0), ("yes", 0)] * 12


class World:
    """A store with six payments of two accounts, and an EHR that remembers each block it read."""

    def __init__(self, folder, policy):
        self.store = make_store(Path(folder))
        accounts = [add_account(self.store, f"50274{number}") for number in range(2)]
        for number in range(6):
            post(self.store, accounts[number % 2], make_payment(f"CHK{number}"))
        self.rules = DeliveryRules(RETRY, policy)
        self.now = NOW
        self.claimed, self.written, self.received = [], [], []

    def do(self, what, number):
        """Take one step; one that is not possible now is none."""
        with self.store.transaction():
            if what == "claim":
                room = number - len(self.claimed) - len(self.written)
                if room > 0:
                    self.claimed += claim_deliveries(self.store, "ehr", self.now, room)
            elif what == "crash":
                self.claimed, self.written = [], []
                recover_sending(self.store, "ehr", self.rules, self.now)
            elif what == "wait":
                self.now += dt.timedelta(seconds=5)
            elif what.startswith("late"):
                self.say_late(number, "AA" if what == "late yes" else "AE")
        if what == "write" and self.claimed:
            self.written.append(self.claimed.pop(number % len(self.claimed)))
            self.received.append((self.written[-1].control_id, self.written[-1].content))
        if what in ("yes", "no", "silence") and self.written:
            verdict = {"yes": Verdict(Outcome.ACCEPTED), "no": REFUSED, "silence": NO_REPLY}[what]
            self.end(self.written.pop(number % len(self.written)), verdict)

    def say_late(self, number, code):
        """Have the EHR speak of what it received some time ago, and of nothing else."""
        if self.received:
            control_id, _ = self.received[number % len(self.received)]
            settle_by_control_id(self.store, control_id, code, {"ehr": self.rules}, now=self.now)

    def end(self, delivery, verdict):
        with self.store.transaction():
            record_attempts(self.store, [Attempt(delivery, verdict, 0.0)], self.rules, self.now)


@pytest.mark.parametrize("policy", list(UnknownPolicy))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_order_of_events_posts_twice_or_forgets(policy, steps):
    """At most once, or the same bytes; an account in its order; each payment says what its delivery is."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, policy)
        for what, number in steps:
            world.do(what, number)
        for delivery in world.claimed:  # a stop puts back what was not written
            world.end(delivery, NOT_SENT)
        world.claimed = []
        for what, number in [("crash", 0), *QUIET_DAY]:
            world.do(what, number)
        counts = Counter(control_id for control_id, _ in world.received)
        if policy is not UnknownPolicy.RESEND_SAME:
            assert set(counts.values()) <= {1}
        assert len(set(world.received)) == len(counts)
        firsts = list(dict.fromkeys(control_id for control_id, _ in world.received))
        numbers = dict(world.store.rows("SELECT control_id, id FROM deliveries"))
        for account in (0, 1):
            order = [numbers[each] for each in firsts if numbers[each] % 2 == account]
            assert order == sorted(order)
        assert all(PAYMENT_STATUS[DeliveryStatus(status)] == payment for status, payment in statuses(world.store))
        left = {status for status, _ in statuses(world.store)}
        if not left & {"held", "unknown"}:  # what a person must look at holds back its account
            assert (left, len(counts)) == ({"accepted"}, 6)
        world.store.close()
