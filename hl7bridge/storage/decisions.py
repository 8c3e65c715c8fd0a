"""Accounts that are due -> decisions and placements, in chunks of one transaction each and constant memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from decimal import Decimal
from functools import cache
from typing import Final, NamedTuple

from hl7bridge.ledger.account import AccountState
from hl7bridge.placement.state import Status
from hl7bridge.rules.due import DueDays
from hl7bridge.rules.evaluate import Decision, decide, next_due
from hl7bridge.rules.spec import Mode, Rules
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.allocating import Allocator
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.cases import OPEN_STATUSES, Scope, read_case, scope_of
from hl7bridge.storage.database import Row, Store
from hl7bridge.storage.placements import add_decision, add_placement
from hl7bridge.storage.turns import Turns
from hl7bridge.times import utc_text

CHUNK: Final = 10  # accounts a transaction: some 5 ms in which the daemon's intake waits
_LOOKED_AT: Final = 5  # times as many are looked at: most that are not decided cost little
_VERSION: Final = "rules_version"
_COLUMNS: Final = (
    "a.id, a.facility, {due_on},"
    f" EXISTS (SELECT 1 FROM placements p WHERE p.account_id = a.id AND p.status IN ({OPEN_STATUSES})),"
    " EXISTS (SELECT 1 FROM signals s WHERE s.account_id = a.id), a.due_on"
)
_DUE: Final = (
    f"SELECT {_COLUMNS.format(due_on='a.due_on')} FROM accounts a WHERE a.due_on <= ? AND (a.due_on, a.id) > (?, ?)"
    " ORDER BY a.due_on, a.id LIMIT ?"
)
_OWING: Final = (
    f"SELECT {_COLUMNS.format(due_on='NULL')} FROM accounts a WHERE a.id > ? AND a.status = 'open'"
    " AND a.charges - a.payments - a.adjustments > 0 ORDER BY a.id LIMIT ?"
)
_ONE_DAY: Final = dt.timedelta(days=1)


class Outcome(NamedTuple):
    """What a run made of one account. ``status`` is the placement's, None when the account is not eligible.

    In a dry run the status is what it would be, and ``placement_id`` is None.
    """

    account_id: int
    account: str
    facility: str
    balance: Decimal
    as_of: dt.date
    decision: Decision
    status: Status | None
    placement_id: int | None


class Run(NamedTuple):
    """One run: its rules, the day in each facility (``as_of`` for all when given), the time, and who asked."""

    rules: Rules
    today_of: Callable[[str], dt.date]
    now: dt.datetime
    actor: str
    as_of: dt.date | None = None
    dry_run: bool = False

    def day(self, facility: str) -> dt.date:
        """Return the day that is decided for in a facility."""
        return self.as_of or self.today_of(facility)


def run_decisions(store: Store, run: Run, *, chunk: int = CHUNK) -> Iterator[Outcome]:
    """Decide every account that is due, and yield each outcome once it is committed. Read it to its end.

    An account with an open placement is not decided, and one that its dates alone keep out is only given its day.
    After a change of the rules every open account that owes is due. A dry run decides the same and writes nothing.
    All of it is on disk at the end; what a power cut takes before is decided again.
    """
    changed = _is_changed(store, run.rules.version)
    with nullcontext() if run.dry_run else store.unhurried():
        if changed:
            yield from _decide_all(store, run, chunk, _owing_chunk)
        if not (changed and run.dry_run):
            yield from _decide_all(store, run, chunk, _due_chunk)
    if changed and not run.dry_run:
        with store.transaction():
            remember_rules(store, run.rules.version)


def remember_rules(store: Store, version: str) -> None:
    """Say that every account was looked at by these rules; inside the caller's transaction."""
    store.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_VERSION, version),
    )


def _is_changed(store: Store, version: str) -> bool:
    row = store.row("SELECT value FROM meta WHERE key = ?", (_VERSION,))
    return row is None or row[0] != version


def _owing_chunk(store: Store, _run: Run, last: Row | None, chunk: int) -> list[Row]:
    return store.rows(_OWING, (last[0] if last else 0, chunk))


def _due_chunk(store: Store, run: Run, last: Row | None, chunk: int) -> list[Row]:
    # No zone is more than a day ahead of UTC; which accounts are due in their own zone is seen one by one.
    latest = run.as_of or run.now.astimezone(dt.UTC).date() + _ONE_DAY
    after = (last[2], last[0]) if last else ("", 0)
    return store.rows(_DUE, (latest.isoformat(), *after, chunk))


class _Means(NamedTuple):
    """What a run decides with: the rules as bounds, who has what, and what of an account has to be read for a day."""

    due_days: DueDays
    allocator: Allocator
    scope: Callable[[dt.date], Scope]


def _decide_all(
    store: Store, run: Run, chunk: int, find: Callable[[Store, Run, Row | None, int], list[Row]]
) -> Iterator[Outcome]:
    allocator = Allocator(store, run.rules, dry_run=run.dry_run)
    means = _Means(DueDays(run.rules), allocator, cache(lambda day: scope_of(run.rules, day)))
    turns = Turns(store)
    most, last = chunk * _LOOKED_AT, None
    while True:
        if run.dry_run:
            rows = find(store, run, last, most)
            outcomes = [each for row in rows if (each := _decide_dry(store, run, means, row)) is not None]
            looked_at = len(rows)
        else:
            with store.transaction():
                rows = find(store, run, last, most)
                allocator.begin()
                outcomes, looked_at = _decide_chunk(store, run, means, rows, chunk)
                allocator.end()
        yield from outcomes
        if looked_at == len(rows) < most:
            return
        last = rows[looked_at - 1]
        if not run.dry_run:
            turns.give_way()


def _decide_dry(store: Store, run: Run, means: _Means, row: Row) -> Outcome | None:
    account_id, facility, due_text, is_placed, has_signals, _ = row
    day = run.day(facility)
    if is_placed or _is_later(due_text, day):
        return None
    account = read_account(store, account_id)
    bound = means.due_days(account, has_signals=bool(has_signals))
    if bound is None or bound > day:
        return None
    case = read_case(store, account_id, account, means.scope(day))
    decision = means.allocator.settle(case, decide(case.facts, run.rules, day), day).decision
    status = None
    if decision.eligible:
        status = Status.REVIEW if decision.mode is Mode.REVIEW else Status.QUEUED
    return Outcome(account.id, account.number, account.facility, account.balance, day, decision, status, None)


def _decide_chunk(store: Store, run: Run, means: _Means, rows: list[Row], most: int) -> tuple[list[Outcome], int]:
    """Decide at most so many accounts of some rows; return what became of them, and how many rows were looked at."""
    outcomes: list[Outcome] = []
    days: list[tuple[str | None, int]] = []
    looked_at = 0
    for account_id, facility, due_text, is_placed, has_signals, known_text in rows:
        if len(outcomes) == most:
            break
        looked_at += 1
        day = run.day(facility)
        due_on: dt.date | None = None
        if _is_later(due_text, day):
            continue
        if not is_placed:
            account = read_account(store, account_id)
            due_on = means.due_days(account, has_signals=bool(has_signals))
            if due_on is not None and due_on <= day:
                outcome, due_on = _decide_one(store, run, means, account, day)
                outcomes.append(outcome)
        text = None if due_on is None else due_on.isoformat()
        if text != known_text:
            days.append((text, account_id))
    store.executemany("UPDATE accounts SET due_on = ? WHERE id = ?", days)
    if outcomes:
        _audit(store, run, outcomes)
    return outcomes, looked_at


def _is_later(due_text: str | None, day: dt.date) -> bool:
    """Return whether an account's day is still to come in its facility, whose day may be before UTC's."""
    return due_text is not None and due_text > day.isoformat()


def _decide_one(
    store: Store, run: Run, means: _Means, account: AccountState, day: dt.date
) -> tuple[Outcome, dt.date | None]:
    case = read_case(store, account.id, account, means.scope(day))
    decision, share, guarantor_key, due_on = means.allocator.settle(case, decide(case.facts, run.rules, day), day)
    at = utc_text(run.now)
    decision_id = add_decision(store, account, decision, as_of=day, at=at, rules_version=run.rules.version)
    placement_id: int | None = None
    status: Status | None = None
    if decision.eligible:
        placement_id, status = add_placement(
            store,
            account,
            decision,
            decision_id=decision_id,
            actor=run.actor,
            at=at,
            share=share,
            guarantor_key=guarantor_key,
        )
    elif due_on is None:
        due_on = next_due(case.facts, run.rules, day)
    outcome = Outcome(
        account.id, account.number, account.facility, account.balance, day, decision, status, placement_id
    )
    return outcome, due_on


def _audit(store: Store, run: Run, outcomes: list[Outcome]) -> None:
    placed = [outcome.placement_id for outcome in outcomes if outcome.placement_id is not None]
    subject = f"placements {placed[0]} to {placed[-1]}" if placed else "no placement"
    reason = f"{len(outcomes)} decided, {len(placed)} placed, rules {run.rules.version}"
    append_audit(store, at=run.now, actor=run.actor, action="decide", subject=subject, reason=reason)
