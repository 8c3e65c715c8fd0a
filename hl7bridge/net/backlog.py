"""The messages of one connection on their way through the writer, in order, and their replies on the way back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hl7bridge.batch import Received, Reply
from hl7bridge.net.contents import Contents, Item
from hl7bridge.net.faults import QUIET, log_message
from hl7bridge.net.gathering import Gathering
from hl7bridge.net.limits import FEWEST_HELD, FEWEST_WAITING, MOST_HELD, MOST_WAITING
from hl7bridge.net.reactor import reactor

if TYPE_CHECKING:
    from hl7bridge.net.listener import ListenerFactory


class _Place:
    """Where a block waits its turn. ``items`` are the messages in it, None as long as they are looked for."""

    __slots__ = ("items", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.items: Iterator[Item] | None = None


class Backlog:
    """What waits for the writer. ``go_on`` is called after each reply while ``is_watched``; ``fail`` ends it all.

    ``is_paused``: no more is submitted for now, because the peer does not take the replies.
    """

    __slots__ = (
        "_fail",
        "_go_on",
        "_held",
        "_is_heavy",
        "_is_open",
        "_later",
        "_name",
        "_owner",
        "_submit_one",
        "_waiting",
        "_write",
        "is_paused",
        "is_watched",
    )

    def __init__(
        self,
        owner: ListenerFactory,
        write: Callable[[bytes], None],
        go_on: Callable[[], None],
        fail: Callable[[Failure], None],
    ) -> None:
        self.is_paused = False
        self.is_watched = False
        self._owner = owner
        self._submit_one = owner.submit
        self._name = owner.limits.name
        self._write = write
        self._go_on = go_on
        self._fail = fail
        self._is_open = True
        self._is_heavy = False
        self._later: deque[_Place] = deque()  # what is submitted as replies to what came before it come
        self._waiting = 0  # messages submitted and not yet answered
        self._held = 0  # bytes of blocks that are not yet answered

    @property
    def is_empty(self) -> bool:
        """Whether all that came is answered."""
        return not self._waiting and not self._later

    def put(self, received: Received, contents: Contents | Deferred[Contents] | None) -> bool:
        """Submit a block and return whether much waits now.

        ``contents`` are the messages in it, now or later, when it may be anything else than one message and its reply.
        """
        size = len(received.data)
        self._held += size
        self._owner.held += size
        if contents is None and not self._later:
            self._submit(received, size, None)
        else:
            place = _Place(size)
            self._later.append(place)
            if isinstance(contents, Deferred):
                contents.addCallback(self._fill, place).addErrback(self._fail)
            else:
                place.items = (contents or Contents((received,))).items(size)
                self.submit_later()
        return self._waiting >= MOST_WAITING or self._held > MOST_HELD or bool(self._later)

    def submit_later(self) -> None:
        """Submit what waits its turn, as far as there is room."""
        while self._later and self._waiting < MOST_WAITING and not self.is_paused and self._is_open:
            items = self._later[0].items
            if items is None:
                return
            item = next(items, None)
            if item is None:
                self._later.popleft()
            else:
                self._submit(*item)

    def _fill(self, contents: Contents, place: _Place) -> None:
        place.items = contents.items(place.size)
        self._go_on()

    def weighs(self) -> bool:
        """Return whether so much waits that no more should be read: from many on, until few are left."""
        if self._waiting >= MOST_WAITING or self._held > MOST_HELD or self._later:
            self._is_heavy = True
        elif self._waiting <= FEWEST_WAITING and self._held <= FEWEST_HELD:
            self._is_heavy = False
        return self._is_heavy

    def abandon(self) -> None:
        """Write no reply and submit no message any more: their sender sends them again. Keep what is no message."""
        self._is_open = False
        for place in self._later:
            for received, size, _ in place.items or ():
                if received.fault is None:
                    self._let_go(size)
                else:
                    self._submit(received, size, None)
            if place.items is None:
                self._let_go(place.size)
        self._later.clear()

    def _submit(self, received: Received, size: int, gathering: Gathering | None) -> None:
        self._waiting += 1
        started = reactor.seconds()
        self._submit_one(received, lambda reply: self._reply(reply, started, size, gathering))

    def _reply(self, reply: Reply, started: float, size: int, gathering: Gathering | None) -> None:
        self._waiting -= 1
        self._held -= size
        self._owner.held -= size
        try:
            data = reply.data if gathering is None else gathering.add(reply)
            if data and self._is_open:
                self._write(data)
            if reply.disposition not in QUIET:
                log_message(self._name, reply, started)
        finally:
            if self.is_watched:
                self._go_on()

    def _let_go(self, size: int) -> None:
        self._held -= size
        self._owner.held -= size
