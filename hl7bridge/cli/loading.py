"""A file of messages through the pipeline, a chunk a transaction; the row that says how far advances with each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from hl7bridge.batch import Received
from hl7bridge.cli.common import App
from hl7bridge.cli.load_replies import ReplyFile
from hl7bridge.cli.message_file import MessageFile, Survey, Unit
from hl7bridge.cli.pidfile import running_pid
from hl7bridge.errors import RefusedError
from hl7bridge.pipeline import Pipeline
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.loads import FileLoad, LoadStatus, advance_load, find_load, put_load

CHUNK_MESSAGES: Final = 50  # a transaction: some 20 ms in which the daemon's intake waits
CHUNK_BYTES: Final = 1 << 20

# Given what is being done and how much of it there is: for a ``with`` block, a way to tell of progress.
Watch = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


class LoadOptions(NamedTuple):
    """Which listener's policy and mapping a file is given to, its longest message in bytes, and what is asked for."""

    listener: str
    limit: int
    replies: Path | None
    ignore_counts: bool


class Outcome(NamedTuple):
    """How a file stands: ``counts`` are of all its messages that are done, by earlier runs too."""

    file: str
    messages: int
    done: int
    status: str
    reason: str
    counts: Counter[str]
    done_before: int = 0
    is_news: bool = True
    unanswered: int = 0  # messages whose acknowledgements an earlier run did not keep


class Loader:
    """Loads files into one store."""

    def __init__(self, app: App, store: Store, pipeline: Pipeline, options: LoadOptions, watch: Watch) -> None:
        self._app = app
        self._store = store
        self._pipeline = pipeline
        self._options = options
        self._watch = watch

    def load(self, path: Path) -> Outcome:
        """Load one file, or say why not. Raises BridgeError; what was loaded by then stays, and another run goes on."""
        with path.open("rb") as opened:
            file = MessageFile(path, opened, self._options.limit)
            with self._watch(f"reading {file.name}", file.size) as advance:
                survey = file.survey(advance)
            load, is_known = self._begin(file, survey)
            replies = ReplyFile(self._options.replies, load.sha256) if self._options.replies else None
            if load.status == LoadStatus.HELD:
                return _outcome(load)
            if is_known and load.status == LoadStatus.LOADED:
                if replies and replies.is_begun:  # that run was ended before it could
                    replies.write(file, _control_id(load), self._app.now())
                return _outcome(load)._replace(reason=f"loaded already, by {load.updated_at}", is_news=False)
            before, unanswered = load.done, 0
            if replies:
                unanswered = replies.begin(before)
            with self._watch(f"loading {file.name}", load.messages) as advance:
                advance(before)
                load = self._load_chunks(file, load, replies, advance)
            if replies:
                replies.write(file, _control_id(load), self._app.now())
            return _outcome(load)._replace(done_before=before, unanswered=unanswered)

    def _begin(self, file: MessageFile, survey: Survey) -> tuple[FileLoad, bool]:
        """Return the file's row, and whether it was there; it says what is to be done."""
        with self._store.transaction():
            known = find_load(self._store, survey.sha256, self._options.listener)
            if known is not None and known.status == LoadStatus.LOADED:
                return known, True
            wrong = survey.misplaced or next(iter(survey.problems), None)
            if survey.misplaced or (survey.problems and not self._options.ignore_counts):
                load = self._put(file, survey, LoadStatus.HELD, str(wrong))
                self._note(load, "load.hold", str(wrong))
                return load, known is not None
            if self._options.replies and self._options.replies.exists():
                raise RefusedError(
                    f"{self._options.replies}: there is such a file already; name another for the replies"
                )
            if known is not None and known.status == LoadStatus.LOADING:
                if known.messages != survey.messages:
                    raise RefusedError(
                        f"{file.name}: {known.messages} messages when this load began, now {survey.messages}:"
                        " set the listener's max_block back to what it was"
                    )
                self._note(known, "load.resume", f"after {known.done} messages")
                return known, True
            status = LoadStatus.LOADING if survey.messages else LoadStatus.LOADED
            load = self._put(file, survey, status, "")
            self._note(load, "load.begin", f"counts ignored: {wrong}" if wrong else "")
            return load, False

    def _put(self, file: MessageFile, survey: Survey, status: LoadStatus, reason: str) -> FileLoad:
        row = FileLoad(0, survey.sha256, self._options.listener, file.name, survey.messages, 0, status, reason, "", "")
        return put_load(self._store, row, self._app.now())

    def _note(self, load: FileLoad, action: str, reason: str) -> None:
        subject = f"load {load.id}: {load.messages} messages for listener {load.listener}"
        now = self._app.now()
        append_audit(self._store, at=now, actor=self._app.actor, action=action, subject=subject, reason=reason)

    def _load_chunks(
        self, file: MessageFile, load: FileLoad, replies: ReplyFile | None, advance: Callable[[int], None]
    ) -> FileLoad:
        for chunk in _chunks(islice(file.units(), load.done, None)):
            begun = time.monotonic()
            blocks = [Received(load.listener, unit.data, unit.fault, unit.is_answered) for unit in chunk]
            with self._store.transaction():
                file.require_unchanged()
                now = self._app.now()
                received = self._pipeline.receive_within(blocks, now)
                load = advance_load(self._store, load, Counter(str(each.disposition) for each in received), now)
                if load.status == LoadStatus.LOADED:
                    self._note(load, "load.done", load.reason)
                if replies:
                    replies.add([each.data for each in received])
            advance(len(chunk))
            if running_pid(self._app.settings) is not None:
                time.sleep(time.monotonic() - begun)  # as long again for the daemon: its senders wait for replies
        return load


def _chunks(units: Iterable[Unit]) -> Iterator[list[Unit]]:
    """Return messages in chunks of at most so many, and not much more than so many bytes."""
    chunk: list[Unit] = []
    size = 0
    for unit in units:
        chunk.append(unit)
        size += len(unit.data)
        if len(chunk) == CHUNK_MESSAGES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _control_id(load: FileLoad) -> str:
    return f"HBL{load.id:09}"


def _outcome(load: FileLoad) -> Outcome:
    reason = load.reason if load.status == LoadStatus.HELD else ""
    return Outcome(load.name, load.messages, load.done, load.status, reason, load.counts)
