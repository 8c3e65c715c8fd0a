"""Queued placements -> a numbered CSV file and its trailer in each agency's folder, once, whatever fails in between.

One transaction asks holds and balances again, freezes what the agency gets, and says ``sent``; then the file is written
from what was frozen. After a crash between the two the next call writes the same bytes under the same name: an agency
that took the file in that moment sees its number and digest again.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from hl7bridge.errors import BridgeError, RefusedError, StoreError
from hl7bridge.exchange.folder import exclusive, prepare_folder, write_whole
from hl7bridge.layouts.placements_csv import Trailer, digest_of, encode_placements, encode_trailer
from hl7bridge.money import ZERO, money_text
from hl7bridge.placement.snapshot import Terms, build_snapshot
from hl7bridge.placement.state import By, Status
from hl7bridge.rules.evaluate import Reason, check_common, next_due
from hl7bridge.rules.spec import Rules
from hl7bridge.storage.agency_files import (
    AgencyFile,
    QueuedPlacement,
    add_file,
    entries_balance,
    frozen_table,
    mark_sent,
    mark_written,
    next_file_number,
    queued_counts,
    queued_placements,
    unwritten_files,
)
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Store
from hl7bridge.storage.placements import Case, move_placement, read_case
from hl7bridge.times import utc_text

MOST_RECORDS: Final = 2000  # placements a file: 0.4 s in which the daemon's intake waits, and 1 MB
_UNSAFE_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")


class AgencyFolder(NamedTuple):
    """Where an agency's files go, and the fields it gets (``privacy.sending.compile_fields``)."""

    name: str
    folder: Path
    fields: tuple[str, ...]


class Sending(NamedTuple):
    """What sending needs to know: the rules, each facility's day and name (the creditor), the time, and who asked."""

    rules: Rules
    today_of: Callable[[str], dt.date]
    creditors: Mapping[str, str]
    now: dt.datetime
    actor: str


class Withdrawn(NamedTuple):
    """A placement that was cancelled at the last moment, and the reasons that did it."""

    placement_id: int
    account: str
    facility: str
    agency: str
    balance: Decimal
    reasons: tuple[Reason, ...]


class Sent(NamedTuple):
    """What one call did. ``files`` are on disk; ``problems`` are lines for a person: what they tell of stays queued."""

    files: tuple[AgencyFile, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()
    problems: tuple[str, ...] = ()


class _Ready(NamedTuple):
    """A placement that passed: what is frozen of it."""

    placement_id: int
    values: tuple[str, ...]
    balance: Decimal


class _Checked(NamedTuple):
    """What became of the queued placements of one file."""

    ready: list[_Ready]
    withdrawn: list[Withdrawn]
    problems: list[str]


def send_placements(
    store: Store, agencies: Sequence[AgencyFolder], sending: Sending, *, most: int = MOST_RECORDS
) -> Sent:
    """Send what is queued, and finish what an earlier call could not. Call it outside of a transaction.

    One agency's trouble does not keep another's files back: it is told in ``problems``.
    """
    total = Sent()
    with exclusive(store.path):
        for agency in agencies:
            try:
                for done in _send_to(store, agency, sending, most):
                    total = _join(total, done)
            except BridgeError as error:
                total = _join(total, Sent(problems=(f"agency {agency.name}: {error}",)))
        known = {agency.name for agency in agencies}
        strays = [
            f"agency {name}: {count} placements are queued, and the configuration has no such agency"
            for name, count in sorted(queued_counts(store).items())
            if name not in known
        ]
    return _join(total, Sent(problems=tuple(strays)))


def _join(one: Sent, other: Sent) -> Sent:
    return Sent(one.files + other.files, one.withdrawn + other.withdrawn, one.problems + other.problems)


def _send_to(store: Store, agency: AgencyFolder, sending: Sending, most: int) -> Iterator[Sent]:
    unwritten = unwritten_files(store, agency.name)
    last_id = 0
    if not unwritten and not queued_placements(store, agency.name, last_id, 1):
        return
    prepare_folder(agency.folder)  # before anything is said to be sent
    for file in unwritten:
        yield Sent(files=(_write(store, agency, file, sending),))
    while True:
        with store.transaction():
            queued = queued_placements(store, agency.name, last_id, most)
            checked = _check(store, agency, queued, sending)
            frozen = _freeze(store, agency, checked, sending)
        yield Sent((), tuple(checked.withdrawn), tuple(checked.problems))
        if frozen is not None:
            yield Sent(files=(_write(store, agency, frozen, sending),))
        if len(queued) < most:
            return
        last_id = queued[-1].id


def _check(store: Store, agency: AgencyFolder, queued: Sequence[QueuedPlacement], sending: Sending) -> _Checked:
    """Ask everything again that can have changed since the decision, with the facts of this moment."""
    checked = _Checked([], [], [])
    for placement in queued:
        case = read_case(store, placement.account_id)
        today = sending.today_of(case.account.facility)
        failed = tuple(reason for reason in check_common(case.facts, sending.rules, today) if not reason.held)
        if failed:
            _withdraw(store, placement, case, failed, sending, today)
            account = case.account
            checked.withdrawn.append(
                Withdrawn(placement.id, account.number, account.facility, agency.name, account.balance, failed)
            )
            continue
        try:
            values = _values(store, agency, placement, case, sending, today)
        except RefusedError as error:
            checked.problems.append(f"agency {agency.name}: placement {placement.id} stays queued: {error}")
        else:
            checked.ready.append(_Ready(placement.id, values, case.account.balance))
    return checked


def _withdraw(
    store: Store,
    placement: QueuedPlacement,
    case: Case,
    failed: Sequence[Reason],
    sending: Sending,
    today: dt.date,
) -> None:
    move_placement(
        store,
        placement.id,
        Status.CANCELLED,
        by=By.BRIDGE,
        actor=sending.actor,
        at=utc_text(sending.now),
        reason="; ".join(reason.text for reason in failed),
    )
    due_on = next_due(case.facts, sending.rules, today)
    store.execute(
        "UPDATE accounts SET due_on = ? WHERE id = ?", (due_on.isoformat() if due_on else None, placement.account_id)
    )


def _values(
    store: Store,
    agency: AgencyFolder,
    placement: QueuedPlacement,
    case: Case,
    sending: Sending,
    today: dt.date,
) -> tuple[str, ...]:
    account = case.account
    creditor = sending.creditors.get(account.facility) or account.facility
    snapshot = build_snapshot(
        Terms(placement.id, placement.tier, placement.rule, placement.sequence, today, creditor),
        account,
        case.patient,
        case.guarantors,
        case.coverages,
        entries_balance=entries_balance(store, account.id),
    )
    return snapshot.choose(agency.fields)


def _freeze(store: Store, agency: AgencyFolder, checked: _Checked, sending: Sending) -> AgencyFile | None:
    """Say in the store what is sent: the file's number, name and digest, and of each placement what the agency gets."""
    counts = f"{len(checked.ready)} sent, {len(checked.withdrawn)} cancelled"
    if not checked.ready:
        if checked.withdrawn:
            _audit(store, f"agency {agency.name}", counts, sending)
        return None
    number = next_file_number(store, agency.name)
    at = utc_text(sending.now)
    file = AgencyFile(
        id=0,
        agency=agency.name,
        number=number,
        name=f"placements-{_UNSAFE_IN_NAMES.sub('_', agency.name)}-{number:06}-{at[:10].replace('-', '')}.csv",
        records=len(checked.ready),
        total=sum((ready.balance for ready in checked.ready), ZERO),
        sha256=digest_of(encode_placements(agency.fields, [ready.values for ready in checked.ready])),
        created_at=at,
    )
    file = file._replace(id=add_file(store, file))
    for ready in checked.ready:
        mark_sent(
            store,
            ready.placement_id,
            file,
            agency.fields,
            ready.values,
            balance=ready.balance,
            actor=sending.actor,
        )
    _audit(store, f"file {file.name}", f"{counts}, {money_text(file.total)} dollars", sending)
    return file


def _audit(store: Store, subject: str, reason: str, sending: Sending) -> None:
    append_audit(store, at=sending.now, actor=sending.actor, action="placements.send", subject=subject, reason=reason)


def _write(store: Store, agency: AgencyFolder, file: AgencyFile, sending: Sending) -> AgencyFile:
    """Write a file and then its trailer from what was frozen, and say so. The bytes are the same at every attempt."""
    data = encode_placements(*frozen_table(store, file.id))
    if digest_of(data) != file.sha256:
        raise StoreError(f"{file.name}: what was frozen has changed, so it is not written; see 'hl7bridge db verify'")
    trailer = Trailer(
        file.name, file.number, file.agency, file.records, money_text(file.total), file.sha256, file.created_at
    )
    write_whole(agency.folder, file.name, data)
    write_whole(agency.folder, f"{file.name.removesuffix('.csv')}.trailer.csv", encode_trailer(trailer))
    with store.transaction():
        mark_written(store, file.id, utc_text(sending.now))
    return file
