"""A pause of one loop: it ends when its time is over, when there is something to do, or when the loop is to stop."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred


class Rest:
    """The pauses of one loop, one at a time; ``reactor`` keeps the time."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._resting: Deferred[None] | None = None
        self._can_wake = False

    @property
    def can_wake(self) -> bool:
        """Whether ``wake`` would end the pause."""
        return self._can_wake

    def take(self, seconds: float, *, can_wake: bool = False) -> Deferred[None]:
        """Fire after so many seconds, or sooner: by ``end``, and by ``wake`` when ``can_wake``."""
        resting: Deferred[None] = Deferred()
        self._resting, self._can_wake = resting, can_wake
        timer = self._reactor.callLater(seconds, self.end)

        def rested(result: None) -> None:
            if timer.active():
                timer.cancel()
            return result

        return resting.addBoth(rested)

    def wake(self) -> None:
        """End the pause if it is one that ends when there is something to do."""
        if self._can_wake:
            self.end()

    def end(self) -> None:
        """End the pause, if there is one."""
        resting, self._resting, self._can_wake = self._resting, None, False
        if resting is not None:
            resting.callback(None)
