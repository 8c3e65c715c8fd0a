"""What waits for a person -> one log event when the first waits, and one when none does any more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

import structlog

from hl7bridge.exchange.arrivals import Arrivals
from hl7bridge.reacting import ReactionSettings
from hl7bridge.storage.database import Store
from hl7bridge.storage.late import count_waiting_deliveries, find_oldest_late, unsettled_destinations
from hl7bridge.storage.parked import count_waiting
from hl7bridge.storage.stopping import find_late_stops
from hl7bridge.times import utc_text

_log = structlog.get_logger("hl7bridge.alarms")


class ParkedAlarm:
    """Tells once that messages are parked, however many come, and once that none is. ``look`` is a writer's job."""

    def __init__(self) -> None:
        self._is_told = False

    def look(self, store: Store) -> None:
        """Compare the store with what was told last; to be called every few seconds."""
        waiting = count_waiting(store)
        if waiting.messages and not self._is_told:
            _log.error("messages_parked", count=waiting.messages, since=waiting.oldest_at)
        elif self._is_told and not waiting.messages:
            _log.info("messages_parked_cleared")
        self._is_told = waiting.messages > 0


class StopAlarm:
    """Tells once for each agency that it has not acknowledged a stop in time, and once when it has all of them."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def look(self, store: Store, settings: ReactionSettings, now: dt.datetime) -> None:
        """Compare the store with what was told last; to be called every few seconds. ``now`` is UTC."""
        for agency in {*settings.agencies, *self._told}:
            late = find_late_stops(store, agency, utc_text(now - settings.terms(agency).stop_within))
            if late.stops and agency not in self._told:
                _log.error("stop_not_acknowledged", agency=agency, count=late.stops, since=late.oldest_at)
                self._told.add(agency)
            elif agency in self._told and not late.stops:
                _log.info("stop_not_acknowledged_cleared", agency=agency)
                self._told.discard(agency)


class DeliveryAlarm:
    """Tells once for each destination that what goes there has waited too long, and once that nothing has any more.

    Not every failure: what matters is how old the oldest payment is that is not in the EHR.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()

    def look(self, store: Store, alarm_after: Mapping[str, dt.timedelta], now: dt.datetime) -> None:
        """Compare the store with what was told last, every few seconds; ``alarm_after`` is by destination."""
        for destination, after in alarm_after.items():
            oldest_at = find_oldest_late(store, destination, now, after)
            if oldest_at is not None and destination not in self._told:
                waiting = count_waiting_deliveries(store, destination)
                _log.error("deliveries_late", destination=destination, count=waiting, since=oldest_at)
                self._told.add(destination)
            elif destination in self._told and oldest_at is None:
                _log.info("deliveries_late_cleared", destination=destination)
                self._told.discard(destination)


class OrphanAlarm:
    """Tells once for each destination that is in no settings that deliveries wait for it, and once that none does.

    A renamed destination leaves its queue behind under the old name, and nobody sends that.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()

    def look(self, store: Store, configured: Collection[str]) -> None:
        """Compare the store with what was told last; to be called every few seconds."""
        found = {name for name in unsettled_destinations(store) if name not in configured}
        for destination in sorted(found - self._told):
            waiting = count_waiting_deliveries(store, destination)
            _log.error("deliveries_orphaned", destination=destination, count=waiting)
        for destination in sorted(self._told - found):
            _log.info("deliveries_orphaned_cleared", destination=destination)
        self._told = found


class StrayAlarm:
    """Tells once for each agency that files lie in its incoming folder which cannot be taken, and once that none does.

    A file without a trailer is one, and a name that is not agreed, a link, a folder. None is named: names can tell of
    patients.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()

    def look(self, found: Mapping[str, Arrivals]) -> None:
        """Compare what lies in the folders with what was told last; to be called every few seconds."""
        for agency, arrivals in found.items():
            if arrivals.strays and agency not in self._told:
                _log.warning("agency_files_not_taken", agency=agency, count=arrivals.strays)
                self._told.add(agency)
            elif agency in self._told and not arrivals.strays:
                _log.info("agency_files_not_taken_cleared", agency=agency)
                self._told.discard(agency)
