"""What an EHR and people do to placed accounts, as rules of the lifecycle machine."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from decimal import Decimal

from feed_samples import in1
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from identity_samples import mrg
from lifecycle_world import FACILITIES, World

from hl7bridge.errors import RefusedError
from hl7bridge.placement_orders import Order, approve, decline, end, recall, resume, settle_charges, suspend
from hl7bridge.rules.signals import Signal
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.signals import add_signal
from hl7bridge.times import utc_text

NUMBERS = ("TACC1", "TACC2", "TACC3")
SIGNALS = (
    ("dispute", "open"), ("dispute", "resolved"), ("charity", "approved"), ("charity", "denied"), ("cease", "yes"),
    ("cease", "no"), ("bankruptcy", "filed"), ("plan_status", "active"), ("plan_status", "failed"), ("hold", "yes"),
    ("hold", "no"),
)  # fmt: skip
accounts = st.tuples(st.sampled_from(NUMBERS), st.sampled_from(FACILITIES))
amounts = st.integers(1, 30).map(lambda tens: Decimal(tens * 10).quantize(Decimal("0.01")))
chosen = st.integers(0, 50)
kinds = st.sampled_from(["CG", "PY", "AJ", "CO"])
orders = st.sampled_from(["approve", "decline", "suspend", "resume", "recall", "send", "leave", "settled"])


class Hospital(RuleBasedStateMachine):
    """The EHR and its people; ``world`` is there once the machine has begun."""

    world: World

    # ---- the EHR ----------------------------------------------------------------------------------------------------

    @rule(
        account=accounts,
        amount=amounts,
        kind=st.sampled_from(["CG", "PY", "AJ", "CO"]),
        sign=st.sampled_from([1, 1, 1, -1]),
    )
    def post_entry(self, account, amount, kind, sign) -> None:
        """A charge, a payment, an adjustment, or one taken back."""
        self.world.post(*account, kind, amount * sign, "INSPAY" if kind == "AJ" else "T0001")

    @rule(account=accounts)
    def pay_all(self, account) -> None:
        """What is owed is paid at the hospital."""
        owed = self.world.owed[self.world.key(*account)]
        if owed > 0:
            self.world.post(*account, "PY", owed)

    @rule(account=accounts, street=st.sampled_from(["1 SAMPLE ST", "9 OTHER WAY"]), is_covered=st.booleans())
    def update(self, account, street, is_covered) -> None:
        """The guarantor moves; a coverage is found."""
        people = self.world.people(*account, f5=f"{street}^^TESTVILLE^IL^60000")
        self.world.tell("ADT^A08", account[1], *people, *([in1()] if is_covered else []))

    @rule(account=accounts, event=st.sampled_from(["A11", "A13"]))
    def cancel_account(self, account, event) -> None:
        """An account is cancelled, or is open again."""
        self.world.tell(f"ADT^{event}", account[1], *self.world.people(*account))

    @rule(facility=st.sampled_from(FACILITIES), pair=st.permutations(NUMBERS))
    def merge_accounts(self, facility, pair) -> None:
        """Two accounts of one patient turn out to be one."""
        source, target = (self.world.key(number, facility) for number in pair[:2])
        if source == target:
            return
        segments = self.world.people(target[1], facility)[0], mrg(f"TMRN{facility}", source[1])
        if self.world.tell("ADT^A35", facility, *segments) == "applied":
            self.world.becomes[source] = target
            self.world.owed[target] += self.world.owed[source]

    @rule(at=chosen)
    def replay_message(self, at) -> None:
        """A message comes again: it is a duplicate."""
        assert self.world.replay(self.world.messages[at % len(self.world.messages)]) == "duplicate"

    @rule(account=accounts, processing=st.sampled_from("TD"))
    def send_test_data(self, account, processing) -> None:
        """What is not production data is refused."""
        people = self.world.people(*account, f5="1 TEST^^TEST^IL^60000")
        assert self.world.tell("ADT^A08", account[1], *people, processing=processing) == "rejected"

    # ---- people -----------------------------------------------------------------------------------------------------

    @rule(account=accounts, told=st.sampled_from(SIGNALS), days=st.sampled_from([None, 1]))
    def set_signal(self, account, told, days) -> None:
        """A person sets a signal, perhaps for a day."""
        store, today = self.world.store, self.world.now.date()
        until = None if days is None else today + dt.timedelta(days=days)
        with store.transaction():
            signal = Signal(*told, "user:tester", today, until)
            add_signal(store, find_account(store, *account).id, signal, utc_text(self.world.now))
            self.world.react()

    @rule(
        at=chosen,
        what=orders,
    )
    def order(self, at, what) -> None:
        """A person says something of a placement; what the table does not allow is refused whole."""
        world = self.world
        placements = [row[0] for row in world.store.rows("SELECT id FROM placements ORDER BY id")]
        if not placements:
            return
        placement, said = placements[at % len(placements)], Order("user:tester", "a test", world.now)
        with suppress(RefusedError), world.store.transaction():
            if what in {"approve", "decline"}:
                {"approve": approve, "decline": decline}[what](world.store, placement, said)
            elif what in {"send", "leave"}:
                settle_charges(world.store, placement, world.reaction, said, is_sent=what == "send")
            elif what == "settled":
                end(world.store, placement, what, said)
            else:
                stops = {"suspend": suspend, "resume": resume, "recall": recall}
                stops[what](world.store, placement, world.reaction, said)
