"""Accounts that changed while an agency has them -> what the agency is told, in the transaction of the change itself.

The store's triggers note every such account in ``stale_placements``; whoever changes accounts calls
``react_to_changes`` before the transaction ends. What nobody called for, the daemon finds within a second.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from hl7bridge.errors import BridgeError
from hl7bridge.mapping.records import Coverage
from hl7bridge.placement.people import people_values
from hl7bridge.placement.reaction import Known, Reaction, react
from hl7bridge.placement.records import STOPS
from hl7bridge.placement.state import OPEN, By, Status
from hl7bridge.placement.told import Told
from hl7bridge.rules.evaluate import check_common, holds_on, next_due
from hl7bridge.rules.holds import Hold
from hl7bridge.rules.spec import Rules
from hl7bridge.storage.accounts import read_account, surviving
from hl7bridge.storage.cases import Case, read_case
from hl7bridge.storage.database import DatabaseError, Store
from hl7bridge.storage.exceptions import HOLD, is_of_merge, open_exception, settle_exceptions
from hl7bridge.storage.ledger_news import collected, last_entry, read_news
from hl7bridge.storage.notices import cancel_resumes, queue_saying
from hl7bridge.storage.placements import move_placement
from hl7bridge.storage.tellings import merged_accounts
from hl7bridge.storage.told import coverage_key, read_told, write_told
from hl7bridge.times import utc_text

ACTOR: Final = "daemon"
MOST: Final = 500  # accounts of one call: some 0.3 s in which intake waits
_GRANTED: Final = frozenset({"approved", "presumptive", "yes"})
_PLACED: Final = "SELECT id, agency, status, acknowledged_at FROM placements WHERE account_id = ? ORDER BY id"


class AgencyTerms(NamedTuple):
    """By when an agency must answer, and what it is told, as its settings say."""

    acknowledge_within: dt.timedelta = dt.timedelta(days=3)
    stop_within: dt.timedelta = dt.timedelta(days=1)
    suspend_at_most: dt.timedelta = dt.timedelta(days=50)
    recall_within: dt.timedelta = dt.timedelta(days=10)
    objection_extends: dt.timedelta = dt.timedelta(days=14)
    keep_at_most: dt.timedelta | None = None
    sends_increases: bool = False


class ReactionSettings(NamedTuple):
    """What reacting needs of the configuration: rules, each facility's zone, and the agencies' terms by name."""

    rules: Rules
    zone_of: Callable[[str], dt.tzinfo]
    agencies: Mapping[str, AgencyTerms]

    def today(self, facility: str, now: dt.datetime) -> dt.date:
        """Return the day it is in a facility."""
        return now.astimezone(self.zone_of(facility)).date()

    def terms(self, agency: str) -> AgencyTerms:
        """Return an agency's terms; the usual ones when the configuration has it no more."""
        return self.agencies.get(agency, AgencyTerms())


class Done(NamedTuple):
    """What was done about one placement: its new status (None: it stays), and the kinds of the notices queued."""

    placement_id: int
    agency: str
    status: Status | None
    reason: str
    notices: tuple[str, ...]


class Reacted(NamedTuple):
    """What one call did. ``problems`` are lines for a person: what they tell of is looked at again."""

    done: tuple[Done, ...] = ()
    problems: tuple[str, ...] = ()


class _Placed(NamedTuple):
    """A placement of the account that is looked at."""

    id: int
    agency: str
    status: Status
    acknowledged_at: str | None


def has_changes(store: Store) -> bool:
    """Return whether an account changed that an agency has; cheap."""
    return store.row("SELECT 1 FROM stale_placements LIMIT 1") is not None


def react_to_changes(
    store: Store, settings: ReactionSettings, now: dt.datetime, *, actor: str = ACTOR, most: int = MOST
) -> Reacted:
    """Do what follows from every change of a placed account that was noted; inside the caller's transaction.

    What fails of one account is undone and stays noted: it takes neither the change nor the other accounts with it.
    """
    if not has_changes(store):
        return Reacted()
    done: list[Done] = []
    problems: list[str] = []
    for (account_id,) in store.rows("SELECT account_id FROM stale_placements ORDER BY account_id LIMIT ?", (most,)):
        try:
            with store.savepoint():
                done += react_to_account(store, account_id, settings, now, actor=actor)
                store.execute("DELETE FROM stale_placements WHERE account_id = ?", (account_id,))
        except (BridgeError, DatabaseError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            why = str(error) if isinstance(error, BridgeError) else f"internal error: {type(error).__name__}"
            problems.append(f"account id {account_id}: its agency was not told of a change: {why}")
    return Reacted(tuple(done), tuple(problems))


def react_to_account(
    store: Store, account_id: int, settings: ReactionSettings, now: dt.datetime, *, actor: str
) -> list[Done]:
    """Do what follows for the placements of an account and of those that were merged into it."""
    root = surviving(store, read_account(store, account_id)).id
    done: list[Done] = []
    for each in merged_accounts(store, root):
        placed = [_Placed(row[0], row[1], Status(row[2]), row[3]) for row in store.rows(_PLACED, (each,))]
        if not placed:
            continue
        case = read_case(store, root)
        for placement in _of_interest(placed):
            other_open = any(one.status in OPEN for one in placed if one.id != placement.id)
            told = read_told(store, placement.id)
            known = _known(store, case, placement, told, settings, now)._replace(
                other_open=other_open, is_merged=each != root
            )
            reaction = react(placement.status, told, known)
            acted = _apply(store, placement, told, known, reaction, at=utc_text(now), actor=actor)
            if reaction.target is Status.CANCELLED:
                _make_due(store, case, settings, known.today)
            if acted is not None:
                done.append(acted)
    return done


def _of_interest(placed: list[_Placed]) -> list[_Placed]:
    """Return the placements that a change can matter to: those that are open, and the newest."""
    return [each for each in placed if each.status in OPEN or each is placed[-1]]


def _known(
    store: Store, case: Case, placement: _Placed, told: Told, settings: ReactionSettings, now: dt.datetime
) -> Known:
    account = case.account
    today = settings.today(account.facility, now)
    failed = ""
    if placement.status in {Status.REVIEW, Status.QUEUED}:
        failed = "; ".join(each.text for each in check_common(case.facts, settings.rules, today) if not each.held)
    charity = case.signals.get("charity")
    return Known(
        row=account.id,
        account=account.number,
        balance=account.balance,
        last_entry=last_entry(store, account.id),
        today=today,
        news=read_news(store, account.id, told.entry, placement.agency),
        holds=holds_in_force(case, settings, today),
        failed=failed,
        people=people_values(case.patient, case.guarantors),
        coverages=tuple(coverage_key(each) for each in case.coverages if _is_current(each, case)),
        collected=collected(store, account.id, placement.agency),
        is_charity=charity is not None and charity.value in _GRANTED,
        is_acknowledged=placement.acknowledged_at is not None or placement.status is Status.ACTIVE,
        sends_increases=settings.terms(placement.agency).sends_increases,
        cause=f"message {account.message_id}",
    )


def holds_in_force(case: Case, settings: ReactionSettings, today: dt.date) -> tuple[Hold, ...]:
    """Return the holds in force, but for one that a merge put there: whose placement stays, a person decides."""
    found = holds_on(case.facts, settings.rules, today)
    if is_of_merge(case.signals.get(HOLD)):
        found = tuple(hold for hold in found if hold.name != HOLD)
    return found


def _is_current(coverage: Coverage, case: Case) -> bool:
    """Return whether a coverage can pay for anything here: it had not ended before the first service."""
    ended, first = coverage.expires_on, case.account.first_service_on
    return not (isinstance(ended, dt.date) and first is not None and ended < first)


def _apply(
    store: Store, placement: _Placed, told: Told, known: Known, reaction: Reaction, *, at: str, actor: str
) -> Done | None:
    if any(said.kind in STOPS for said in reaction.sayings):
        cancel_resumes(store, placement.id, at=at)  # stops overtake all else: an older resume must not come after
    for said in reaction.sayings:
        queue_saying(store, placement.id, placement.agency, reaction.told.account, said, known.today, at)
    if reaction.target is not None:
        move_placement(
            store, placement.id, reaction.target, by=By.BRIDGE, actor=actor, at=at, reason=reaction.reason, notice=True
        )
    for question in reaction.questions:
        reason = f"placement {placement.id} with agency {placement.agency} ({placement.status}): {question.reason}"
        open_exception(store, question.kind, known.row, None, message_id=None, reason=reason, at=at)
    settle_exceptions(store, reaction.settled, known.row, at=at)
    if reaction.told != told:
        write_told(store, placement.id, reaction.told)
    if reaction.target is None and not reaction.sayings:
        return None
    kinds = tuple(said.kind.value for said in reaction.sayings)
    return Done(placement.id, placement.agency, reaction.target, reaction.reason, kinds)


def _make_due(store: Store, case: Case, settings: ReactionSettings, today: dt.date) -> None:
    """Have an account whose placement was withdrawn be decided on the day on which it may be placed again."""
    due_on = next_due(case.facts, settings.rules, today)
    store.execute(
        "UPDATE accounts SET due_on = ? WHERE id = ?", (due_on.isoformat() if due_on else None, case.account.id)
    )
