"""A person's word on a placement -> its new status and what the agency is told, in one transaction, with the reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final, NamedTuple

from hl7bridge.errors import RefusedError
from hl7bridge.money import ZERO, money_text
from hl7bridge.placement.reaction import NEW_CHARGES, Saying, stopping_holds
from hl7bridge.placement.records import STOPS, NoticeKind
from hl7bridge.placement.state import By, Status
from hl7bridge.placement.told import PERSON, Told
from hl7bridge.reacting import ReactionSettings, holds_in_force
from hl7bridge.storage.accounts import read_account, read_coverages, surviving
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.cases import read_case
from hl7bridge.storage.database import Store
from hl7bridge.storage.exceptions import settle_exceptions
from hl7bridge.storage.notices import cancel_resumes, queue_saying
from hl7bridge.storage.placements import PlacementRow, move_placement, read_placement
from hl7bridge.storage.told import coverage_key, read_told, write_told
from hl7bridge.times import utc_text

REQUESTED: Final = "requested"  # the reason that the agency gets: never a person's own words
OBJECTION: Final = "recall_objection"
_WITH_AGENCY: Final = (Status.SENT, Status.ACKNOWLEDGED, Status.ACTIVE, Status.SUSPENDED)
_ENDS: Final[Mapping[str, Status]] = {
    each.value: each for each in (Status.RECALLED, Status.RETURNED, Status.SETTLED)
}  # fmt: skip


class Order(NamedTuple):
    """Who says something about a placement, why (for the record here only), and when."""

    actor: str
    reason: str
    now: dt.datetime

    @property
    def at(self) -> str:
        """Return the time as it is stored."""
        return utc_text(self.now)


def approve(store: Store, placement_id: int, order: Order) -> Status:
    """Have a placement that waits in review be sent."""
    return _move(store, placement_id, Status.QUEUED, order, "placements.queued")


def decline(store: Store, placement_id: int, order: Order) -> Status:
    """End a placement that waits in review. Raises RefusedError also for one that was approved."""
    found = read_placement(store, placement_id)
    if found.status is not Status.REVIEW:
        raise RefusedError(f"placement {placement_id} is {found.status}, not in review")
    return _move(store, placement_id, Status.CANCELLED, order, "placements.cancelled")


def cancel(store: Store, placement_id: int, order: Order) -> Status:
    """End a placement that no agency has been sent."""
    return _move(store, placement_id, Status.CANCELLED, order, "placements.cancelled")


def suspend(store: Store, placement_id: int, settings: ReactionSettings, order: Order) -> Status:
    """Have an agency stop until a person says otherwise. What is suspended by a hold then stays so without it."""
    found = read_placement(store, placement_id)
    if found.status is Status.SUSPENDED:
        told = read_told(store, placement_id)
        if told.stop == PERSON:
            raise RefusedError(f"placement {placement_id} is suspended by a person already")
        write_told(store, placement_id, told._replace(stop=PERSON))
        _audit(store, placement_id, order, "placements.suspended")
        return found.status
    return _tell(store, found, Status.SUSPENDED, NoticeKind.SUSPEND, settings, order)


def recall(store: Store, placement_id: int, settings: ReactionSettings, order: Order) -> Status:
    """Have an agency stop and give an account back."""
    found = read_placement(store, placement_id)
    if found.status in {Status.REVIEW, Status.QUEUED}:
        raise RefusedError(f"placement {placement_id} is {found.status}: no agency has it; cancel it")
    return _tell(store, found, Status.RECALL_PENDING, NoticeKind.RECALL, settings, order)


def resume(store: Store, placement_id: int, settings: ReactionSettings, order: Order) -> Status:
    """Have an agency go on with what was suspended or recalled. Raises RefusedError while a hold is in force."""
    found = read_placement(store, placement_id)
    if found.status not in {Status.SUSPENDED, Status.RECALL_PENDING}:
        raise RefusedError(f"placement {placement_id} is {found.status}: there is nothing to resume")
    _require_free(store, found, settings, order)
    is_acknowledged = store.row("SELECT acknowledged_at FROM placements WHERE id = ?", (placement_id,)) != (None,)
    is_new = found.status is Status.SUSPENDED and not is_acknowledged
    if found.status is Status.RECALL_PENDING:  # or its age would have it recalled again within the hour
        _set_recall_by(store, found, order.now + settings.terms(found.agency).objection_extends)
    return _tell(store, found, Status.SENT if is_new else Status.ACTIVE, NoticeKind.RESUME, settings, order)


def answer_objection(
    store: Store, placement_id: int, settings: ReactionSettings, order: Order, *, is_granted: bool
) -> Status:
    """Settle an agency's objection to a recall: the placement goes on for a while, or the recall stands."""
    found = read_placement(store, placement_id)
    if found.status is not Status.RECALL_PENDING:
        raise RefusedError(f"placement {placement_id} is {found.status}: no recall is under way")
    if is_granted:
        status = resume(store, placement_id, settings, order)
    else:
        status = found.status
        _set_recall_by(store, found, order.now + settings.terms(found.agency).recall_within)
        _audit(store, placement_id, order, "placements.objection_denied")
    settle_exceptions(store, [OBJECTION], found.account_id, at=order.at)
    return status


def settle_charges(store: Store, placement_id: int, settings: ReactionSettings, order: Order, *, is_sent: bool) -> str:
    """Tell the agency of what the balance grew by, or leave it out for good; return the dollars as text."""
    found = read_placement(store, placement_id)
    told = read_told(store, placement_id)
    if found.status not in _WITH_AGENCY or told.withheld <= ZERO:
        raise RefusedError(f"placement {placement_id} ({found.status}): no charges wait for a person's word")
    amount = told.withheld
    if is_sent:
        told = told._replace(balance=told.balance + amount, withheld=ZERO)
        said = Saying(NoticeKind.CHARGE, REQUESTED, told.balance, order.actor, amount=amount)
        _say(store, found, told, said, settings, order)
    else:
        told = told._replace(left=told.left + amount, withheld=ZERO)
    write_told(store, placement_id, told.unask(NEW_CHARGES))
    settle_exceptions(store, [NEW_CHARGES], found.account_id, at=order.at)
    _audit(store, placement_id, order, "placements.charges_sent" if is_sent else "placements.charges_left")
    return money_text(amount)


def end(store: Store, placement_id: int, kind: str, order: Order) -> Status:
    """Say how a placement ended, as the agency told a person: one of recalled, returned, settled."""
    return _move(store, placement_id, _ENDS[kind], order, f"placements.{kind}")


def _set_recall_by(store: Store, found: PlacementRow, until: dt.datetime) -> None:
    store.execute("UPDATE placements SET recall_by = ? WHERE id = ?", (utc_text(until), found.id))


def _require_free(store: Store, found: PlacementRow, settings: ReactionSettings, order: Order) -> None:
    case = read_case(store, surviving(store, read_account(store, found.account_id)).id)
    today = settings.today(case.account.facility, order.now)
    holds = stopping_holds(holds_in_force(case, settings, today))
    if holds:
        names = ", ".join(sorted({hold.name for hold in holds}))
        raise RefusedError(f"placement {found.id} stays {found.status}: in force is {names}")
    if case.account.balance <= ZERO:
        raise RefusedError(f"placement {found.id} stays {found.status}: nothing is owed")


def _tell(
    store: Store, found: PlacementRow, target: Status, kind: NoticeKind, settings: ReactionSettings, order: Order
) -> Status:
    reason = f"by {order.actor}: {order.reason}"
    move_placement(
        store, found.id, target, by=By.PERSON, actor=order.actor, at=order.at, reason=order.reason, notice=True
    )
    told = read_told(store, found.id)
    if kind is NoticeKind.RESUME:
        # What was found meanwhile is known from now on, or the agency would be stopped again for it.
        found_here = tuple(map(coverage_key, read_coverages(store, found.account_id)))
        told = told._replace(stop="", coverages=tuple(dict.fromkeys((*told.coverages, *found_here))))
    else:
        told = told._replace(stop=PERSON)
    _say(store, found, told, Saying(kind, REQUESTED, told.balance, reason), settings, order)
    write_told(store, found.id, told)
    _audit(store, found.id, order, f"placements.{target.value}")
    return target


def _say(store: Store, found: PlacementRow, told: Told, said: Saying, settings: ReactionSettings, order: Order) -> None:
    if said.kind in STOPS:
        cancel_resumes(store, found.id, at=order.at)
    today = settings.today(found.facility, order.now)
    queue_saying(store, found.id, found.agency, told.account, said, today, order.at)


def _move(store: Store, placement_id: int, target: Status, order: Order, action: str) -> Status:
    move_placement(store, placement_id, target, by=By.PERSON, actor=order.actor, at=order.at, reason=order.reason)
    _audit(store, placement_id, order, action)
    return target


def _audit(store: Store, placement_id: int, order: Order, action: str) -> None:
    append_audit(
        store, at=order.now, actor=order.actor, action=action, subject=f"placement {placement_id}", reason=order.reason
    )
