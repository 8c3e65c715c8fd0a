"""Queued placements and notices -> those that may be sent: everything asked again, in the transaction that sends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cache, partial
from typing import Final, NamedTuple

from hl7bridge.errors import RefusedError
from hl7bridge.exchange.agency import AgencyFolder, Sending, Withdrawn
from hl7bridge.layouts.registry import LAYOUTS
from hl7bridge.placement.records import STOPS, Notice, NoticeKind
from hl7bridge.placement.snapshot import Frozen
from hl7bridge.placement.state import By, Status
from hl7bridge.rules.evaluate import Reason, check_common, next_due
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.agency_files import QueuedPlacement
from hl7bridge.storage.cases import Case, encode_frozen, freeze, read_case, scope_of
from hl7bridge.storage.database import Store
from hl7bridge.storage.exceptions import open_exception
from hl7bridge.storage.messages import last_received
from hl7bridge.storage.notices import QueuedNotice, cancel_notice, read_notice_record
from hl7bridge.storage.placements import move_placement
from hl7bridge.times import utc_text

NOT_TOLD: Final = "agency_not_told"


class Ready(NamedTuple):
    """A placement that passed: what the agency gets, and what is frozen of it (``storage.cases.encode_frozen``)."""

    placement_id: int
    values: tuple[str, ...]
    balance: Decimal
    frozen: str


class Checked(NamedTuple):
    """What became of the queued placements of one file."""

    ready: list[Ready]
    withdrawn: list[Withdrawn]
    problems: list[str]


def feed_problem(store: Store, sending: Sending) -> str:
    """Return why no placement may be sent to anyone now: the EHRs' feeds have been silent for too long; or ""."""
    last = last_received(store)
    if sending.feed_within is None or last is None or sending.now - last <= sending.feed_within:
        return ""
    return f"placements stay queued: no message has come since {utc_text(last)}, so balances may be old (feed_within)"


def check_placements(
    store: Store, agency: AgencyFolder, queued: Sequence[QueuedPlacement], sending: Sending
) -> Checked:
    """Ask everything again that can have changed since the decision, with the facts of this moment.

    What no longer qualifies is cancelled; what cannot be sent as it is stays queued, and is told.
    """
    checked = Checked([], [], [])
    layout, scope = LAYOUTS[agency.layout], cache(partial(scope_of, sending.rules))
    for placement in queued:
        account = read_account(store, placement.account_id)
        today = sending.today_of(account.facility)
        case = read_case(store, account.id, account, scope(today))
        failed = tuple(reason for reason in check_common(case.facts, sending.rules, today) if not reason.held)
        if failed:
            _withdraw(store, placement, case, failed, sending, today)
            checked.withdrawn.append(Withdrawn(placement.id, agency.name, _text(failed)))
            continue
        try:
            frozen = _frozen(store, placement, case, sending, today)
            values = frozen.snapshot.choose(agency.fields)
            problem = layout.placement_problem(agency.fields, values)
        except RefusedError as error:
            problem = str(error)
        if problem:
            checked.problems.append(f"agency {agency.name}: placement {placement.id} stays queued: {problem}")
        else:
            checked.ready.append(Ready(placement.id, values, account.balance, encode_frozen(frozen)))
    return checked


def check_notices(
    store: Store, agency: AgencyFolder, queued: Iterable[QueuedNotice], sending: Sending
) -> tuple[list[Notice], list[str]]:
    """Return the notices that the agency's layout can carry, and what is wrong with stops that it cannot.

    Of another notice that it cannot carry a person is asked to tell the agency.
    """
    layout = LAYOUTS[agency.layout]
    ready: list[Notice] = []
    problems: list[str] = []
    for each in queued:
        notice = _fewest(read_notice_record(store, each.id), agency.fields)
        if notice.kind is NoticeKind.DEMOGRAPHIC and not notice.changes:
            cancel_notice(store, notice.notice_id, at=utc_text(sending.now))
            continue
        problem = f"layout {layout.name} has no record for {notice.kind}"
        if notice.kind in layout.carries:
            problem = layout.notice_problem(notice)
        if not problem:
            ready.append(notice)
        elif notice.kind in STOPS:
            problems.append(f"agency {agency.name}: notice {notice.notice_id} stays queued: {problem}")
        else:
            _have_told(store, agency, notice, problem, sending)
    return ready, problems


def _fewest(notice: Notice, fields: Sequence[str]) -> Notice:
    """Return a notice that tells of no field which the agency does not get."""
    return notice._replace(changes=tuple(change for change in notice.changes if change[0] in fields))


def _have_told(store: Store, agency: AgencyFolder, notice: Notice, problem: str, sending: Sending) -> None:
    at = utc_text(sending.now)
    cancel_notice(store, notice.notice_id, at=at)
    row = store.row("SELECT account_id FROM placements WHERE id = ?", (notice.placement_id,))
    account_id = row[0] if row else None
    reason = f"placement {notice.placement_id} with agency {agency.name}: {notice.kind}: {problem}; tell the agency"
    open_exception(store, NOT_TOLD, account_id, None, message_id=None, reason=reason, at=at)


def _text(reasons: Sequence[Reason]) -> str:
    return "; ".join(reason.text for reason in reasons)


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
        reason=_text(failed),
    )
    due_on = next_due(case.facts, sending.rules, today)
    store.execute(
        "UPDATE accounts SET due_on = ? WHERE id = ?", (due_on.isoformat() if due_on else None, placement.account_id)
    )


def _frozen(store: Store, placement: QueuedPlacement, case: Case, sending: Sending, today: dt.date) -> Frozen:
    account = case.account
    creditor = sending.creditors.get(account.facility) or account.facility
    return freeze(store, case, placement.id, placed_on=today, creditor=creditor, dates=sending.rules.dates)
