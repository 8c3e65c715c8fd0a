"""The writer thread: what has arrived on all connections goes into one transaction, and only then do replies go out."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, TypeVar

import structlog
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hl7bridge.batch import Received, Reply
from hl7bridge.errors import BridgeError
from hl7bridge.net.reactor import reactor
from hl7bridge.pipeline import Pipeline
from hl7bridge.storage.database import DatabaseError, Store

MOST_BLOCKS: Final = 256  # in one transaction: more would make the first of them wait for the last
ENOUGH_BLOCKS: Final = 64  # in one transaction: with more, each costs hardly less
# Who gets a reply sends the next message at once. The next transaction waits for these, or senders would fall into two
# groups that take turns, each with a transaction half as large. It waits while something comes in each pause, and no
# longer than a part of what the last one took.
PAUSE: Final = 0.00025  # seconds
PATIENCE: Final = 1 / 4
MOST_PAUSES: Final = 40  # 10 ms
_NEVER: Final = 1 << 30  # items
_T = TypeVar("_T")
_log = structlog.get_logger("hl7bridge.writer")


class _BlockItem(NamedTuple):
    block: Received
    on_reply: Callable[[Reply], None]


class _JobItem(NamedTuple):
    job: Callable[[Store], Any]
    done: Deferred[Any]


_Item = _BlockItem | _JobItem | None


class Writer:
    """The one thread of the daemon that writes to the store; ``submit`` and ``run`` are for the reactor's thread."""

    def __init__(self, store: Store, pipeline: Pipeline, now: Callable[[], dt.datetime]) -> None:
        self._store = store
        self._pipeline = pipeline
        self._now = now
        self._queue: deque[_Item] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()  # rung when ``_wanted`` items wait: not for each that comes
        self._wanted = _NEVER
        self._is_delivered = True  # the replies of the last transaction have been written
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, block: Received, on_reply: Callable[[Reply], None]) -> None:
        """Store a block; ``on_reply`` gets the reply in the reactor's thread once it is true. First in, first out."""
        self._put(_BlockItem(block, on_reply))

    def run(self, job: Callable[[Store], _T]) -> Deferred[_T]:
        """Run a job in the writer's thread, with a savepoint of its own; the result comes once it is on disk."""
        done: Deferred[_T] = Deferred()
        self._put(_JobItem(job, done))
        return done

    def stop(self) -> None:
        """Finish what was submitted, then end the thread and wait for it."""
        self._put(None)
        self._thread.join()

    def _put(self, item: _Item) -> None:
        self._queue.append(item)
        if len(self._queue) >= self._wanted:
            self._bell.put(None)

    def _work(self) -> None:
        going = True
        while going:
            self._wait_for(1)
            started = time.monotonic()
            items = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_BLOCKS))]
            going = None not in items
            blocks = [item for item in items if isinstance(item, _BlockItem)]
            jobs = [item for item in items if isinstance(item, _JobItem)]
            if blocks or jobs:
                results, replies = self._turn(jobs, [item.block for item in blocks])
                expected = min(len(blocks) + len(self._queue), ENOUGH_BLOCKS)  # before any of them can come back
                self._is_delivered = False
                reactor.callFromThread(self._deliver, jobs, results, blocks, replies)
                if expected > 1:
                    self._gather(expected, time.monotonic() - started)

    def _gather(self, count: int, seconds: float) -> None:
        """Wait for so many items, while they come; ``seconds`` is what the last transaction took."""
        for _ in range(min(int(seconds * PATIENCE / PAUSE), MOST_PAUSES)):
            before = len(self._queue)
            if self._wait_for(count, PAUSE) or (self._is_delivered and len(self._queue) == before):
                return

    def _wait_for(self, count: int, seconds: float | None = None) -> bool:
        """Wait until so many items are in the queue, or for so long; return whether they are."""
        self._wanted = count  # before the look at the queue: who puts looks at this afterwards
        while len(self._queue) < count:
            try:
                self._bell.get(timeout=seconds)
            except Empty:
                break
        self._wanted = _NEVER
        return len(self._queue) >= count

    def _turn(self, jobs: list[_JobItem], blocks: list[Received]) -> tuple[list[Any], list[Reply]]:
        now = self._now()
        try:
            with self._store.transaction():
                results = [self._attempt(item) for item in jobs]
                replies = self._pipeline.receive_within(blocks, now) if blocks else []
        except Exception as error:  # noqa: BLE001  (a thread that dies would take every connection with it)
            why = str(error) if isinstance(error, BridgeError | DatabaseError) else type(error).__name__
            _log.error("batch_not_stored", blocks=len(blocks), jobs=len(jobs), error=why)
            results = [self._attempt_alone(item) for item in jobs]
            replies = self._pipeline.receive(blocks, now) if blocks else []
        return results, replies

    def _attempt(self, item: _JobItem) -> Any:
        try:
            with self._store.savepoint():
                return item.job(self._store)
        except Exception:  # noqa: BLE001  (whoever submitted the job gets the failure, whatever it is)
            return Failure()

    def _attempt_alone(self, item: _JobItem) -> Any:
        try:
            with self._store.transaction():
                return item.job(self._store)
        except Exception:  # noqa: BLE001  (as above)
            return Failure()

    def _deliver(
        self, jobs: list[_JobItem], results: list[Any], blocks: list[_BlockItem], replies: list[Reply]
    ) -> None:
        for block, reply in zip(blocks, replies, strict=True):
            try:
                block.on_reply(reply)
            except Exception as error:  # noqa: BLE001  (one connection's trouble must not keep others from their replies)
                _log.error("reply_not_written", message=reply.message_id, kind=type(error).__name__)
        for job, result in zip(jobs, results, strict=True):
            job.done.callback(result)
        self._is_delivered = True
