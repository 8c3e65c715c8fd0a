"""One event when messages begin to wait for a person, one when none waits any more: no flood."""

from __future__ import annotations

from feed_samples import Feed, dft, ft1
from structlog.testing import capture_logs

from hl7bridge.alarms import ParkedAlarm
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
