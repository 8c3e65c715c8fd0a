"""Queued placements -> one file, gathered over short transactions so that intake never waits long, and then closed.

What a batch has taken is ``sent`` with the file's number from then on. After a crash in between, the next call closes
the file with what it has; its bytes are made from what was frozen, so they are the same whoever makes them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Final

from hl7bridge.exchange.agency import AgencyFolder, Sending, Sent
from hl7bridge.exchange.checking import Checked, check_placements
from hl7bridge.exchange.numbered import start_placements
from hl7bridge.layouts.layout import FileContext
from hl7bridge.layouts.placements_csv import digest_of
from hl7bridge.layouts.registry import LAYOUTS
from hl7bridge.money import money_text
from hl7bridge.storage.agency_files import (
    AgencyFile,
    Work,
    close_file,
    content_totals,
    frozen_table,
    mark_sent,
    queued_placements,
)
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.turns import Turns

BATCH: Final = 4  # placements a transaction: some 4 ms in which the daemon's intake waits
_PAUSE: Final = 0.025  # seconds between two, while others write: nothing waits for the end of a file


class Gathering:
    """The next file of placements for one agency. ``file`` is None until something is in it."""

    def __init__(self, store: Store, agency: AgencyFolder, sending: Sending, last_id: int) -> None:
        self._store = store
        self._agency = agency
        self._sending = sending
        self.last_id = last_id  # of the placement that was looked at last
        self.file: AgencyFile | None = None
        self.records = 0

    def batches(self, most: int, react: Callable[[], None], has_stops: Callable[[], bool]) -> Iterator[Sent]:
        """Take what is queued into the file until it has ``most`` records, nothing waits, or a stop has come."""
        with self._store.unhurried():  # the close brings all of it to disk, before there is a file
            yield from self._batches(most, react, has_stops)

    def _batches(self, most: int, react: Callable[[], None], has_stops: Callable[[], bool]) -> Iterator[Sent]:
        turns = Turns(self._store, _PAUSE)
        while self.records < most:
            with self._store.transaction():
                react()
                queued = queued_placements(
                    self._store, self._agency.name, self.last_id, min(BATCH, most - self.records)
                )
                checked = check_placements(self._store, self._agency, queued, self._sending)
                self._take(checked)
            stuck = frozenset({Work(self._agency.name, is_urgent=False)} if checked.problems else ())
            yield Sent((), tuple(checked.withdrawn), tuple(checked.problems), stuck)
            if not queued:
                return
            self.last_id = queued[-1].id
            if has_stops():
                return
            turns.give_way()

    def _take(self, checked: Checked) -> None:
        store, sending = self._store, self._sending
        if checked.withdrawn:
            audit(store, sending, f"agency {self._agency.name}", f"{len(checked.withdrawn)} cancelled")
        if not checked.ready:
            return
        file = self.file = self.file or start_placements(store, self._agency, sending.now)
        for ready in checked.ready:
            mark_sent(
                store,
                ready.placement_id,
                file,
                self._agency.fields,
                ready.values,
                frozen=ready.frozen,
                balance=ready.balance,
                actor=sending.actor,
            )
        self.records += len(checked.ready)


def close_gathered(store: Store, agency: AgencyFolder, file: AgencyFile, sending: Sending) -> AgencyFile:
    """Give a gathered file its bytes, count and total for good, and return it. Call it outside of a transaction."""
    layout = LAYOUTS[file.layout]
    table = frozen_table(store, file.id)
    created_on = dt.datetime.fromisoformat(file.created_at).date()
    about = FileContext(agency.name, file.number, created_on, agency.client_number)
    data = layout.encode_placements(table.columns, table.rows, about)
    records, total = content_totals(store, file)
    closed = file._replace(records=records, total=total, sha256=digest_of(data))
    with store.transaction():
        close_file(store, closed, data)
        audit(store, sending, f"file {file.name}", f"{records} sent, {money_text(total)} dollars")
    return closed


def audit(store: Store, sending: Sending, subject: str, reason: str) -> None:
    """Write who sent, to whom and how much, to the audit log; inside the caller's transaction."""
    append_audit(store, at=sending.now, actor=sending.actor, action="placements.send", subject=subject, reason=reason)
