"""A day of money: every dollar reported is in one state, the difference is itemised, and a closed day stays."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from payment_samples import FORM, add_account, make_payment, never_due
from remitting_samples import paid

from hl7bridge.delivery.delivery import DeliveryEvent
from hl7bridge.errors import RefusedError
from hl7bridge.exchange.remitting import Posting
from hl7bridge.exchange.settlement import Decided, assign_suspense, return_suspense
from hl7bridge.payments.payment import PaymentKind
from hl7bridge.payments.remittance import read_remitted
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.deliveries import move_delivery
from hl7bridge.storage.money_days import STATES, changed_days, close_money_day, report_money, report_money_items
from hl7bridge.storage.payments import post_payment
from hl7bridge.storage.reporting import Period, period_of
from hl7bridge.storage.suspense import add_suspense
from hl7bridge.storage.verify import verify_store

ZONE = "America/New_York"
DAY = dt.date(2026, 1, 15)
MORNING = dt.datetime(2026, 1, 15, 14, 0, tzinfo=dt.UTC)
NEXT = dt.datetime(2026, 1, 16, 14, 0, tzinfo=dt.UTC)
WHOLE = Period()
E = DeliveryEvent
WHO = Decided("user:tester", "seen by J.D.")


def posting(now=MORNING) -> Posting:
    """Return what payments are posted with at a time."""
    return Posting(lambda _: FORM, lambda _: now.date(), never_due, now)


class Day:
    """A store with one account, and payments at given times."""

    def __init__(self, store) -> None:
        self.store = store
        self.account = add_account(store)

    def pay(self, number, amount, *events, kind=PaymentKind.PAYMENT, at=MORNING, **changes) -> int:
        """Post a payment and move its delivery; return its id."""
        with self.store.transaction():
            payment = post_payment(
                self.store, make_payment(number, amount, kind, **changes), read_account(self.store, self.account.id),
                FORM, now=at, posted_on=DAY, batch_id="B1", due_on=never_due,
            ).payment_id  # fmt: skip
            self.move(payment, *events, at=at)
        return payment

    def move(self, payment, *events, at=NEXT) -> None:
        """Move the delivery of a payment."""
        delivery = self.store.rows("SELECT delivery_id FROM delivery_payments WHERE payment_id = ?", (payment,))[0][0]
        for event in events:
            move_delivery(self.store, delivery, event, at)

    def suspend(self, number, amount, at=MORNING, **told) -> int:
        """Put a payment into suspense; return its number."""
        record, problems = read_remitted(1, paid(number, "404", amount, date="2026-01-14", **told), "sample", at)
        assert not problems
        with self.store.transaction():
            return add_suspense(self.store, record, None, "no such account", at)

    def rows(self, period=WHOLE) -> list[dict]:
        """Return the report, having checked that each row foots."""
        found = list(report_money(self.store, period, ZONE))
        for row in found:
            assert row["received"] == sum(row[state] for state in STATES)
            assert row["received_dollars"] == sum(row[f"{state}_dollars"] for state in STATES)
            items = [
                each
                for each in report_money_items(self.store, period, ZONE)
                if all(each[name] == row[name] for name in ("day", "facility", "agency", "kind"))
            ]
            assert row["difference_dollars"] == sum((each["dollars"] for each in items), Decimal("0.00"))
        return found

    def close(self, day=DAY, now=NEXT) -> list[dict]:
        """Close a day."""
        with self.store.transaction():
            return close_money_day(self.store, day, ZONE, now=now, actor="user:tester")


@pytest.fixture
def day(store):
    """One account."""
    return Day(store)


def dollars(row, *names) -> tuple[str, ...]:
    """Return some dollars of a row as text."""
    return tuple(str(row[f"{name}_dollars"]) for name in names)


def test_each_dollar_is_in_one_state_and_the_difference_is_itemised(day):
    """Posted, refused, unknown, on its way and in suspense; what is not posted is told one by one."""
    day.pay("CHK1", "100.00", E.STARTED, E.ACCEPTED, fee=Decimal("20.00"))
    refused = day.pay("CHK2", "20.00", E.STARTED, E.REFUSED)
    unknown = day.pay("CHK3", "3.00", E.STARTED, E.LOST)
    waiting = day.pay("CHK4", "0.40")
    suspense = day.suspend("CHK5", "50.00")
    adjustment = day.pay("ADJ1", "7.00", kind=PaymentKind.ADJUSTMENT)
    reversal = day.pay("REV1", "60.00", kind=PaymentKind.REVERSAL, reversal_of="CHK1", at=NEXT)
    found = {(row["day"], row["facility"], row["kind"]): row for row in day.rows()}
    assert list(found) == [
        ("2026-01-15", "", "payment"), ("2026-01-15", "NORTHGATE", "payment"),
        ("2026-01-15", "NORTHGATE", "adjustment"), ("2026-01-16", "NORTHGATE", "reversal"),
    ]  # fmt: skip
    row = found["2026-01-15", "NORTHGATE", "payment"]
    assert dollars(row, "received", *STATES, "difference", "echoed", "reversed", "fees") == (
        "123.40", "100.00", "20.00", "3.00", "0.40", "0.00", "0.00", "23.40", "0.00", "60.00", "20.00",
    )  # fmt: skip
    assert (row["received"], row["posted"], row["reversed"], row["closed_at"]) == (4, 1, 1, None)
    items = list(report_money_items(day.store, WHOLE, ZONE))
    assert {(each["payment"], each["suspense"], each["state"], each["now"]) for each in items} == {
        (refused, None, "refused", "refused"), (unknown, None, "unknown", "unknown"),
        (waiting, None, "waiting", "waiting"), (None, suspense, "suspense", "suspense"),
        (adjustment, None, "waiting", "waiting"), (reversal, None, "waiting", "waiting"),
    }  # fmt: skip
    assert {each["delivery"] for each in items} == {2, 3, 4, None, 5, 6}


def test_days_are_the_reports_zones(day):
    """What comes after midnight in UTC is still the day before in New York; a period is of whole days."""
    day.pay("CHK1", "1.00", at=dt.datetime(2026, 1, 16, 4, 59, tzinfo=dt.UTC))
    day.pay("CHK2", "2.00", at=dt.datetime(2026, 1, 16, 5, 0, tzinfo=dt.UTC))
    assert [row["day"] for row in day.rows()] == ["2026-01-15", "2026-01-16"]
    (row,) = day.rows(period_of(dt.date(2026, 1, 16), dt.date(2026, 1, 16), ZONE))
    assert dollars(row, "received") == ("2.00",)


def test_what_comes_out_of_suspense_is_of_the_day_it_went_in(day):
    """Received once, on that day; sent back it is received and not posted."""
    first, second = day.suspend("CHK1", "50.00"), day.suspend("CHK2", "5.00")
    with day.store.transaction():
        posted = assign_suspense(day.store, first, "5027440", None, posting(NEXT), WHO)
        return_suspense(day.store, second, NEXT, WHO)
        day.move(posted.payment_id, E.STARTED, E.ACCEPTED)
    rows = day.rows()
    assert [(row["day"], row["facility"], *dollars(row, "received", "posted", "returned")) for row in rows] == [
        ("2026-01-15", "", "5.00", "0.00", "5.00"),
        ("2026-01-15", "NORTHGATE", "50.00", "50.00", "0.00"),
    ]
    assert [each["state"] for each in report_money_items(day.store, WHOLE, ZONE)] == ["returned"]


def test_a_closed_day_stays_as_it_was_and_its_items_tell_what_became_of_them(day):
    """An unknown payment that is accepted later, suspense that is assigned later: the figures are the old ones."""
    unknown = day.pay("CHK1", "3.00", E.STARTED, E.LOST)
    suspense = day.suspend("CHK2", "50.00")
    later = day.suspend("CHK3", "1.00")
    frozen = day.close()
    assert all(row["closed_at"] == "2026-01-16T14:00:00.000Z" for row in frozen)
    with day.store.transaction():
        day.move(unknown, E.RESOLVE_ACCEPTED)
        assigned = assign_suspense(day.store, suspense, "5027440", None, posting(NEXT), WHO)
        return_suspense(day.store, later, NEXT, WHO)
    day.pay("CHK4", "9.00", at=NEXT)
    rows = day.rows()
    assert rows[:2] == frozen
    assert [(row["day"], *dollars(row, "received")) for row in rows] == [
        ("2026-01-15", "51.00"), ("2026-01-15", "3.00"), ("2026-01-16", "9.00"),
    ]  # fmt: skip
    items = list(report_money_items(day.store, WHOLE, ZONE))
    assert [(each["state"], each["now"]) for each in items] == [
        ("suspense", "waiting"), ("suspense", "returned"), ("unknown", "posted"), ("waiting", "waiting"),
    ]  # fmt: skip
    assert assigned.payment_id == 2
    assert list(changed_days(day.store)) == []
    assert [problem for check in verify_store(day.store) for problem in check.problems] == []


def test_a_day_is_closed_once_and_only_when_it_is_over(day):
    """Also one on which nothing came; five minutes later, so that nothing of it is still being stored."""
    midnight = dt.datetime(2026, 1, 16, 5, 0, tzinfo=dt.UTC)
    with pytest.raises(RefusedError, match="not over"):
        day.close(now=midnight + dt.timedelta(minutes=4))
    assert day.close(now=midnight + dt.timedelta(minutes=5)) == []
    with pytest.raises(RefusedError, match=r"2026-01-15 was closed at 2026-01-16T05:05:00\.000Z by user:tester"):
        day.close()


def test_what_is_put_into_a_closed_day_afterwards_is_found(day):
    """As by a clock that was set back: `db verify` says how much."""
    day.close()
    day.pay("CHK1", "3.00")
    problem = "2026-01-15, agency sample, payment: 1 more and 3.00 dollars than when closed"
    assert list(changed_days(day.store)) == [problem]
    assert problem in [each for check in verify_store(day.store) for each in check.problems]


def test_a_closed_day_is_shown_only_where_it_is_asked_for(day):
    """A period leaves out the days outside it, closed or not."""
    day.pay("CHK1", "3.00")
    day.close()
    assert day.rows(period_of(dt.date(2026, 1, 16), None, ZONE)) == []
    assert len(day.rows(period_of(None, DAY, ZONE))) == 1


def test_no_hour_is_frozen_on_two_days(day):
    """After a change of the reports' zone, a day that has hours of a closed one is not closed."""
    day.pay("CHK1", "40.00")
    day.close()
    late = NEXT + dt.timedelta(days=2)
    with day.store.transaction(), pytest.raises(RefusedError, match="has hours of 2026-01-15, which was closed"):
        close_money_day(day.store, DAY + dt.timedelta(days=1), "Asia/Tokyo", now=late, actor="user:tester")
    assert day.store.rows("SELECT count(*) FROM money_days WHERE agency = ''") == [(1,)]
