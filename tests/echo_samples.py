"""One account of an EHR's feed with payments of an agency, and what comes back of them."""

from __future__ import annotations

from decimal import Decimal

from feed_samples import Feed, adt, dft, ft1
from payment_samples import make_payment

from hl7bridge.delivery.delivery import DeliveryEvent
from hl7bridge.message.parse import parse_message
from hl7bridge.payments.message import DestinationForm
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.storage.accounts import find_account
from hl7bridge.storage.deliveries import move_delivery
from hl7bridge.storage.payments import post_payment
from hl7bridge.storage.verify import verify_store

PAID_ON = "20260114"


class Bridge(Feed):
    """A feed with one account of 500 dollars, and payments of an agency."""

    def __init__(self, store) -> None:
        super().__init__(store)
        self.take(adt(), dft("D0", ft1("500.00")))

    def pay(self, number="CHK1", amount="150.00", kind=PaymentKind.PAYMENT, form=None, **changes) -> int:
        """Post a payment of the agency; return its id."""
        with self.store.transaction():
            return post_payment(
                self.store, make_payment(number, amount, kind, **changes), find_account(self.store, "TACC1"),
                form or DestinationForm("ehr"), now=self.now, posted_on=self.now.date(), batch_id="B1",
                due_on=lambda _: None,
            ).payment_id  # fmt: skip

    def move(self, payment: int, *events: DeliveryEvent) -> None:
        """Have what carries a payment go through events."""
        (found,) = self.store.rows("SELECT delivery_id FROM delivery_payments WHERE payment_id = ?", (payment,))
        with self.store.transaction():
            for event in events:
                move_delivery(self.store, found[0], event, self.now)
                if event is DeliveryEvent.STARTED:
                    self.store.execute("UPDATE deliveries SET attempts = attempts + 1 WHERE id = ?", found)

    def sent(self, payment: int) -> int:
        """Have a payment be on its way."""
        self.move(payment, DeliveryEvent.STARTED)
        return payment

    def own(self, payment: int) -> str:
        """Return the FT1 that was sent for a payment, as the EHR's feed would have it."""
        (content,) = self.store.rows(
            "SELECT content FROM deliveries d JOIN delivery_payments c ON c.delivery_id = d.id WHERE c.payment_id = ?",
            (payment,),
        )[0]
        return next(each for each in parse_message(content.encode()).segments if each.startswith("FT1"))

    def status(self, payment: int) -> str:
        """Return a payment's status."""
        return self.store.rows("SELECT status FROM payments WHERE id = ?", (payment,))[0][0]

    @property
    def balance(self) -> Decimal:
        """Return what is owed."""
        return find_account(self.store, "TACC1").balance

    def counter(self, name: str) -> int:
        """Return a counter of the listener."""
        return dict(self.store.rows("SELECT name, value FROM counters")).get(name, 0)

    def asked(self) -> list[str]:
        """Return the kinds of what waits for a person."""
        return [row[0] for row in self.store.rows("SELECT kind FROM exceptions ORDER BY id")]

    def check(self) -> None:
        """Fail unless the ledger is the fold of its entries and the store as `db verify` wants it."""
        self.check_footing()
        assert [problem for each in verify_store(self.store) for problem in each.problems] == []


def ehr(amount="150.00", kind="PY", number="E1", day=PAID_ON, code="AGYPAY", **fields) -> str:
    """Return an FT1 under the EHR's own id."""
    return ft1(amount, kind=kind, number=number, f4=day, f7=code, **fields)
