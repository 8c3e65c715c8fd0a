"""The writer thread: what has arrived on all connections goes into one transaction, and only then do replies go out."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from queue import SimpleQueue
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
_T = TypeVar("_T")
_log = structlog.get_logger("hl7bridge.writer")


class _BlockItem(NamedTuple):
    block: Received
    on_reply: Callable[[Reply], None]


class _JobItem(NamedTuple):
    job: Callable[[Store], Any]
    done: Deferred[Any]


class Writer:
    """The one thread of the daemon that writes to the store; ``submit`` and ``run`` are for the reactor's thread."""

    def __init__(self, store: Store, pipeline: Pipeline, now: Callable[[], dt.datetime]) -> None:
        self._store = store
        self._pipeline = pipeline
        self._now = now
        self._queue: SimpleQueue[_BlockItem | _JobItem | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, block: Received, on_reply: Callable[[Reply], None]) -> None:
        """Store a block; ``on_reply`` gets the reply in the reactor's thread once it is true. First in, first out."""
        self._queue.put(_BlockItem(block, on_reply))

    def run(self, job: Callable[[Store], _T]) -> Deferred[_T]:
        """Run a job in the writer's thread, with a savepoint of its own; the result comes once it is on disk."""
        done: Deferred[_T] = Deferred()
        self._queue.put(_JobItem(job, done))
        return done

    def stop(self) -> None:
        """Finish what was submitted, then end the thread and wait for it."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        going = True
        while going:
            items = [self._queue.get()]
            while len(items) < MOST_BLOCKS and not self._queue.empty():
                items.append(self._queue.get())
            going = None not in items
            blocks = [item for item in items if isinstance(item, _BlockItem)]
            jobs = [item for item in items if isinstance(item, _JobItem)]
            if blocks or jobs:
                results, replies = self._turn(jobs, [item.block for item in blocks])
                reactor.callFromThread(_deliver, jobs, results, blocks, replies)

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


def _deliver(jobs: list[_JobItem], results: list[Any], blocks: list[_BlockItem], replies: list[Reply]) -> None:
    for block, reply in zip(blocks, replies, strict=True):
        try:
            block.on_reply(reply)
        except Exception as error:  # noqa: BLE001  (one connection's trouble must not keep others from their replies)
            _log.error("reply_not_written", message=reply.message_id, kind=type(error).__name__)
    for job, result in zip(jobs, results, strict=True):
        job.done.callback(result)
