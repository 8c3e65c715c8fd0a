"""What is queued for agencies -> numbered files and their trailers in each one's folder, stops before all else.

One transaction asks everything again, freezes what the agency gets, and says ``sent``; then the file is written from
what was frozen. After a crash between the two the next call writes the same bytes under the same name: an agency that
took the file in that moment sees its number and digest again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from hl7bridge.errors import BridgeError
from hl7bridge.exchange.agency import AgencyFolder, Sending, Sent, Withdrawn
from hl7bridge.exchange.checking import check_notices, feed_problem
from hl7bridge.exchange.folder import exclusive, prepare_folder
from hl7bridge.exchange.gathering import Gathering, close_gathered
from hl7bridge.exchange.numbered import freeze_notices, write_file
from hl7bridge.layouts.registry import LAYOUTS
from hl7bridge.money import ZERO
from hl7bridge.placement.state import Status
from hl7bridge.reacting import has_changes
from hl7bridge.storage.agency_files import (
    AgencyFile,
    FileKind,
    Work,
    find_work,
    last_notice,
    queued_counts,
    queued_placements,
    unwritten_files,
)
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.notices import mark_notices_sent, queued_notices
from hl7bridge.storage.turns import Turns
from hl7bridge.times import utc_text

__all__ = ["MOST_RECORDS", "AgencyFolder", "Sending", "Sent", "Withdrawn", "send_placements"]

CHANGES: Final = Work("", is_urgent=True)  # changes under placements that no notice could be made of
MOST_RECORDS: Final = 2000  # placements a file: 1 MB
MOST_NOTICES: Final = 500  # of a file, which is one transaction: 0.2 s in which the daemon's intake waits


def send_placements(
    store: Store, agencies: Sequence[AgencyFolder], sending: Sending, *, most: int = MOST_RECORDS
) -> Sent:
    """Send what is queued, notices too, and finish what an earlier call could not. Call it outside of a transaction.

    Stops go first, to every agency, and again before each further file. One agency's trouble does not keep another's
    files back: it is told in ``problems``.
    """
    run = _Run(store, agencies, sending, most)
    with exclusive(store.path):
        run.finish()
        run.send_stops()
        for agency in agencies:
            run.send_rest(agency)
        run.tell_of_strays()
    return run.sent


class _Run:
    """One call: what it has done so far, and the agencies with which it can go on."""

    def __init__(self, store: Store, agencies: Sequence[AgencyFolder], sending: Sending, most: int) -> None:
        self.sent = Sent()
        self._store = store
        self._agencies = agencies
        self._sending = sending
        self._most = most
        self._broken: set[str] = set()
        self._last_stop = 0  # the last notice there was when stops were sent
        with store.transaction():
            self._react()

    def finish(self) -> None:
        """Write what an earlier call froze and did not write."""
        for agency in self._agencies:
            files = unwritten_files(self._store, agency.name)
            self._go(agency, (self._write(agency, file) for file in files))

    def send_stops(self) -> None:
        """Send every stop that is queued, to every agency, and what has just become one."""
        if has_changes(self._store):
            with self._store.transaction():
                self._react()
        self._last_stop = last_notice(self._store)
        for agency in self._agencies:
            self._go(agency, self._notices(agency, FileKind.STOPS))

    def send_rest(self, agency: AgencyFolder) -> None:
        """Send an agency its other notices, then its placements; between two files the stops that have come."""
        self._go(agency, self._with_stops(self._notices(agency, FileKind.UPDATES)))
        self._go(agency, self._with_stops(self._placements(agency)))

    def tell_of_strays(self) -> None:
        """Tell of what is queued for an agency which there is not."""
        known = {agency.name for agency in self._agencies}
        stuck = frozenset(work for work in find_work(self._store) if work.agency not in known)
        problems = tuple(
            f"agency {name}: {count} {queue} are queued, and the configuration has no such agency"
            for queue in (("placements", "notices") if stuck else ())
            for name, count in sorted(queued_counts(self._store, queue).items())
            if name not in known
        )
        self._add(Sent(problems=problems, stuck=stuck))

    def _react(self) -> None:
        """Have what has changed become notices, or cancel what was not sent yet; inside a transaction."""
        done, problems = self._sending.react(self._store)
        cancelled = tuple(
            Withdrawn(each.placement_id, each.agency, each.reason.removeprefix("withdrawn: "))
            for each in done
            if each.status is Status.CANCELLED
        )
        self._add(Sent((), cancelled, problems, frozenset({CHANGES} if problems else ())))

    def _with_stops(self, steps: Iterable[Sent]) -> Iterator[Sent]:
        for step in steps:
            yield step
            if step.files:
                self.send_stops()

    def _go(self, agency: AgencyFolder, steps: Iterable[Sent]) -> None:
        if agency.name in self._broken:
            return
        try:
            for step in steps:
                self._add(step)
        except BridgeError as error:
            self._broken.add(agency.name)
            stuck = frozenset({Work(agency.name, is_urgent=True), Work(agency.name, is_urgent=False)})
            self._add(Sent(problems=(f"agency {agency.name}: {error}",), stuck=stuck))

    def _add(self, step: Sent) -> None:
        one = self.sent
        self.sent = Sent(
            one.files + step.files,
            one.withdrawn + step.withdrawn,
            tuple(dict.fromkeys(one.problems + step.problems)),
            one.stuck | step.stuck,
        )

    def _most_in(self, agency: AgencyFolder) -> int:
        return min(self._most, LAYOUTS[agency.layout].most_records)

    def _has_stops(self) -> bool:
        """Return whether a stop has come since they were sent last; one that could not be sent waits for its cause."""
        return any(
            queued_notices(self._store, each.name, stops=True, after=self._last_stop, most=1)
            for each in self._agencies
            if each.name not in self._broken
        )

    def _write(self, agency: AgencyFolder, file: AgencyFile) -> Sent:
        if not file.is_closed:
            file = close_gathered(self._store, agency, file, self._sending)
        return Sent(files=(write_file(self._store, agency, file, self._sending.now),))

    def _notices(self, agency: AgencyFolder, kind: FileKind) -> Iterator[Sent]:
        store, sending = self._store, self._sending
        last_id, most, turns = 0, min(MOST_NOTICES, self._most_in(agency)), Turns(store)
        while queued_notices(store, agency.name, stops=kind is FileKind.STOPS, after=last_id, most=1):
            prepare_folder(agency.folder)  # before anything is said to be sent
            with store.transaction():
                self._react()
                queued = queued_notices(store, agency.name, stops=kind is FileKind.STOPS, after=last_id, most=most)
                ready, problems = check_notices(store, agency, queued, sending)
                file = None
                if ready:
                    total = sum((notice.balance for notice in ready), ZERO)
                    file = freeze_notices(store, agency, kind, ready, total, sending.now)
                    mark_notices_sent(store, [notice.notice_id for notice in ready], file.id, utc_text(sending.now))
                    self._audit("notices.send", file, f"{len(ready)} notices")
            yield Sent(problems=tuple(problems), stuck=_stuck(agency, problems, is_urgent=True))
            if file is not None:
                yield self._write(agency, file)
            if not queued:  # what was there has been cancelled by what happened since
                return
            last_id = queued[-1].id
            turns.give_way()

    def _placements(self, agency: AgencyFolder) -> Iterator[Sent]:
        store, sending = self._store, self._sending
        last_id, most = 0, self._most_in(agency)
        while queued_placements(store, agency.name, last_id, 1):
            silent = feed_problem(store, sending)
            if silent:
                yield Sent(problems=(silent,), stuck=_stuck(agency, [silent], is_urgent=False))
                return
            prepare_folder(agency.folder)
            gathering = Gathering(store, agency, sending, last_id)
            yield from gathering.batches(most, self._react, self._has_stops)
            if gathering.file is not None:
                yield self._write(agency, gathering.file)
            last_id = gathering.last_id

    def _audit(self, action: str, file: AgencyFile, reason: str) -> None:
        sending = self._sending
        append_audit(
            self._store,
            at=sending.now,
            actor=sending.actor,
            action=action,
            subject=f"file {file.name}",
            reason=reason,
        )


def _stuck(agency: AgencyFolder, problems: Sequence[str], *, is_urgent: bool) -> frozenset[Work]:
    return frozenset({Work(agency.name, is_urgent)} if problems else ())
