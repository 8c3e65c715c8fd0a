"""What waits for a person -> one log event when the first waits, and one when none does any more."""

from __future__ import annotations

import structlog

from hl7bridge.storage.database import Store
from hl7bridge.storage.parked import count_waiting

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
