"""One event when messages begin to wait for a person, one when none waits any more: no flood."""

from __future__ import annotations

import datetime as dt

from feed_samples import Feed, dft, ft1
from payment_samples import NOW, add_account, make_payment, post
from reaction_samples import Placed
from structlog.testing import capture_logs

from hl7bridge.alarms import DeliveryAlarm, OrphanAlarm, ParkedAlarm, StopAlarm, StrayAlarm
from hl7bridge.delivery.delivery import DeliveryEvent
from hl7bridge.exchange.arrivals import Arrivals
from hl7bridge.payments.message import DestinationForm
from hl7bridge.storage.deliveries import move_delivery
from hl7bridge.storage.notices import acknowledge_notice
from hl7bridge.storage.parked import unpark_message


def test_parked_messages_are_told_of_once_and_their_end_once(store):
    """However many come, and however often it looks; no value of theirs is in it."""
    feed = Feed(store, parks=True)
    alarm = ParkedAlarm()
    with capture_logs() as logs:
        alarm.look(store)
        feed.receive(dft("D1", ft1("TEN")), dft("D2", ft1("TEN")))
        alarm.look(store)
        feed.send(dft("D3", ft1("TEN")))
        alarm.look(store)
        for message_id in (1, 2, 3):
            unpark_message(store, message_id)
            alarm.look(store)
        alarm.look(store)
        feed.send(dft("D4", ft1("TEN")))
        alarm.look(store)
    assert [(each["event"], each["log_level"], each.get("count")) for each in logs] == [
        ("messages_parked", "error", 2),
        ("messages_parked_cleared", "info", None),
        ("messages_parked", "error", 1),
    ]
    assert logs[0]["since"] == "2026-11-21T14:30:16.000Z"


def test_a_daemon_that_starts_with_parked_messages_says_so(store):
    """Whoever restarts it learns that there is work."""
    Feed(store, parks=True).send(dft("D1", ft1("TEN")))
    with capture_logs() as logs:
        ParkedAlarm().look(store)
    assert [each["event"] for each in logs] == ["messages_parked"]


def test_a_stop_that_is_not_acknowledged_in_time_is_told_of_once_and_its_end_once(store, tmp_path):
    """Counted from when the bridge knew, whether the file was written or not; nobody's name is in it."""
    feed, alarm = Placed(store, tmp_path), StopAlarm()
    feed.place()
    feed.signal("dispute", "open")
    with capture_logs() as logs:
        for hours in (23, 2, 1):
            feed.now += dt.timedelta(hours=hours)
            alarm.look(store, feed.reaction, feed.now)
            feed.send_files()
        acknowledge_notice(store, 1, "2026-11-23T00:00:00.000Z")
        alarm.look(store, feed.reaction._replace(agencies={}), feed.now)
        alarm.look(store, feed.reaction, feed.now)
    assert [(each["event"], each["log_level"], each["agency"], each.get("count")) for each in logs] == [
        ("stop_not_acknowledged", "error", "sample", 1),
        ("stop_not_acknowledged_cleared", "info", "sample", None),
    ]
    assert logs[0]["since"].startswith("2026-11-21T14:3")


def test_files_that_cannot_be_taken_are_told_of_once_for_each_agency_and_their_end_once():
    """No name of theirs is told: a name can tell of a patient."""
    alarm = StrayAlarm()
    with capture_logs() as logs:
        for strays in (0, 2, 3, 0, 0):
            alarm.look({"sample": Arrivals(strays=strays), "other": Arrivals(strays=1)})
    assert [(each["event"], each["agency"], each.get("count")) for each in logs] == [
        ("agency_files_not_taken", "other", 1),
        ("agency_files_not_taken", "sample", 2),
        ("agency_files_not_taken_cleared", "sample", None),
    ]


def test_payments_that_wait_too_long_are_told_of_once_and_their_end_once(store):
    """By the age of the oldest that is not in the EHR, and not by failures; another destination is another alarm."""
    alarm, limits = DeliveryAlarm(), {"ehr": dt.timedelta(minutes=15), "other": dt.timedelta(minutes=1)}
    accounts = [add_account(store, f"50274{number}") for number in range(3)]
    for account in accounts:
        post(store, account, make_payment(account.number))
    with capture_logs() as logs:
        for minutes in (0, 14, 15, 16):
            alarm.look(store, limits, NOW + dt.timedelta(minutes=minutes))
        for delivery_id, event in ((1, DeliveryEvent.ACCEPTED), (2, DeliveryEvent.REFUSED), (3, DeliveryEvent.LOST)):
            move_delivery(store, delivery_id, DeliveryEvent.STARTED, NOW)
            move_delivery(store, delivery_id, event, NOW)
            alarm.look(store, limits, NOW + dt.timedelta(minutes=17))
        for delivery_id in (2, 3):
            move_delivery(store, delivery_id, DeliveryEvent.LATE_ACCEPTED, NOW)
            alarm.look(store, limits, NOW + dt.timedelta(minutes=18))
    assert [(each["event"], each["destination"], each.get("count")) for each in logs] == [
        ("deliveries_late", "ehr", 3),
        ("deliveries_late_cleared", "ehr", None),
    ]
    assert logs[0]["since"] == "2026-01-15T16:30:00.000Z"


def test_what_waits_for_a_destination_that_is_gone_is_told_of_once_and_its_end_once(store):
    """Whatever its state is: a rename leaves it behind, and nobody sends it. What is settled is no matter."""
    alarm = OrphanAlarm()
    for number, name in enumerate(("old", "old", "older", "ehr")):
        post(store, add_account(store, f"50274{number}"), make_payment(f"CHK{number}"), form=DestinationForm(name))
    events = {2: (DeliveryEvent.LOST,), 3: (DeliveryEvent.REFUSED, DeliveryEvent.CANCEL), 4: ()}
    for delivery_id, after in events.items():
        for event in (DeliveryEvent.STARTED, *after):
            move_delivery(store, delivery_id, event, NOW)
    with capture_logs() as logs:
        for _ in range(2):
            alarm.look(store, {"ehr": None})
        move_delivery(store, 1, DeliveryEvent.CANCEL, NOW)
        move_delivery(store, 2, DeliveryEvent.LATE_ACCEPTED, NOW)
        for _ in range(2):
            alarm.look(store, {"ehr": None})
        alarm.look(store, {})
    assert [(each["event"], each["log_level"], each["destination"], each.get("count")) for each in logs] == [
        ("deliveries_orphaned", "error", "old", 2),
        ("deliveries_orphaned_cleared", "info", "old", None),
        ("deliveries_orphaned", "error", "ehr", 1),
    ]
