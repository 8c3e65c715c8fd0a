"""Accounts that are due -> decisions and placements, in chunks of one transaction each and constant memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from hl7bridge.placement.state import Status
from hl7bridge.rules.due import DueDays
from hl7bridge.rules.evaluate import Decision, decide, next_due
from hl7bridge.rules.spec import Mode, Rules
from hl7bridge.storage.accounts import read_account
from hl7bridge.storage.audit import append_audit
from hl7bridge.storage.database import Row, Store
from hl7bridge.storage.placements import OPEN_STATUSES, add_decision, add_placement, read_case
from hl7bridge.times import utc_text

CHUNK: Final = 200  # accounts a transaction: some 50 ms in which the daemon's intake waits
_VERSION: Final = "rules_version"
_COLUMNS: Final = (
    "a.id, a.facility, a.due_on,"
    f" EXISTS (SELECT 1 FROM placements p WHERE p.account_id = a.id AND p.status IN ({OPEN_STATUSES})),"
    " EXISTS (SELECT 1 FROM signals s WHERE s.account_id = a.id)"
)
_DUE: Final = (
    f"SELECT {_COLUMNS} FROM accounts a WHERE a.due_on <= ? AND (a.due_on, a.id) > (?, ?)"
    " ORDER BY a.due_on, a.id LIMIT ?"
)
_OWING: Final = (
    f"SELECT {_COLUMNS} FROM accounts a WHERE a.id > ? AND a.status = 'open'"
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
    """
    changed = _is_changed(store, run.rules.version)
    if changed:
        yield from _decide_all(store, run, chunk, _owing_chunk)
    if not (changed and run.dry_run):
        yield from _decide_all(store, run, chunk, _due_chunk)
    if changed and not run.dry_run:
        with store.transaction():
            store.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (_VERSION, run.rules.version),
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


def _decide_all(
    store: Store, run: Run, chunk: int, find: Callable[[Store, Run, Row | None, int], list[Row]]
) -> Iterator[Outcome]:
    due_days = DueDays(run.rules)
    last: Row | None = None
    while True:
        if run.dry_run:
            rows = find(store, run, last, chunk)
            outcomes = [outcome for row in rows if (outcome := _decide_dry(store, run, due_days, row)) is not None]
        else:
            with store.transaction():
                rows = find(store, run, last, chunk)
                outcomes = _decide_chunk(store, run, due_days, rows)
        yield from outcomes
        if len(rows) < chunk:
            return
        last = rows[-1]


def _decide_dry(store: Store, run: Run, due_days: DueDays, row: Row) -> Outcome | None:
    account_id, facility, _, is_placed, has_signals = row
    day = run.day(facility)
    bound = due_days(read_account(store, account_id), has_signals=bool(has_signals))
    if is_placed or bound is None or bound > day:
        return None
    case = read_case(store, account_id)
    decision = decide(case.facts, run.rules, day)
    status = None
    if decision.eligible:
        status = Status.REVIEW if decision.mode is Mode.REVIEW else Status.QUEUED
    account = case.account
    return Outcome(account.id, account.number, account.facility, account.balance, day, decision, status, None)


def _decide_chunk(store: Store, run: Run, due_days: DueDays, rows: list[Row]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    days: list[tuple[str | None, int]] = []
    for row in rows:
        account_id, facility, _, is_placed, has_signals = row
        due_on: dt.date | None = None
        if not is_placed:
            day = run.day(facility)
            due_on = due_days(read_account(store, account_id), has_signals=bool(has_signals))
            if due_on is not None and due_on <= day:
                outcome, due_on = _decide_one(store, run, account_id, day)
                outcomes.append(outcome)
        days.append((None if due_on is None else due_on.isoformat(), account_id))
    store.executemany("UPDATE accounts SET due_on = ? WHERE id = ?", days)
    if outcomes:
        _audit(store, run, outcomes)
    return outcomes


def _decide_one(store: Store, run: Run, account_id: int, day: dt.date) -> tuple[Outcome, dt.date | None]:
    case = read_case(store, account_id)
    account = case.account
    decision = decide(case.facts, run.rules, day)
    at = utc_text(run.now)
    decision_id = add_decision(store, account, decision, as_of=day, at=at, rules_version=run.rules.version)
    placement_id: int | None = None
    status: Status | None = None
    due_on: dt.date | None = None
    if decision.eligible:
        placement_id, status = add_placement(store, account, decision, decision_id=decision_id, actor=run.actor, at=at)
    else:
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
