"""``hl7bridge decide``: runs the placement decisions that are due, sends what they place, and says why, in dollars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import App, common_options, emit_rows, list_options
from hl7bridge.money import ZERO, money_text

if TYPE_CHECKING:
    from hl7bridge.storage.decisions import Outcome

COLUMNS: Final = ("account", "facility", "result", "rule", "agency", "tier", "balance", "reasons")
NOT_PLACED: Final = "not placed"


@click.command()
@click.option(
    "--as-of",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    metavar="DAY",
    help="Decide as if it were this day in every facility [default: each facility's today].",
)
@click.option("--dry-run", is_flag=True, help="Show what would be placed, with reasons and dollars; write nothing.")
@list_options
@common_options
def command(app: App, *, as_of: dt.datetime | None, dry_run: bool, as_json: bool, limit: int) -> None:
    """Decide every account that is due, and write what is placed to the agencies' folders.

    Shows each account that was decided, why, and the totals. What no person has to approve has been written when the
    command ends, whether or not the daemon runs.
    """
    from hl7bridge.cli.placing import days, load_rules, send_queued
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.decisions import Run, run_decisions

    now = app.now()
    rules = load_rules(app.settings)
    day = as_of.date() if as_of else None
    today_of = days(app.settings, now)
    run = Run(rules, today_of, now, app.actor, day, dry_run)
    totals = Totals()
    with app.open_store() as store:
        with store.transaction():
            action = "decide.dry_run" if dry_run else "decide.run"
            subject = f"as of {day or 'today'}, rules {rules.version}"
            append_audit(store, at=now, actor=app.actor, action=action, subject=subject)
        rows = totals.count(run_decisions(store, run))
        emit_rows(map(outcome_row, rows), COLUMNS, as_json=as_json, limit=limit, empty="No account is due.")
        for _ in rows:  # what the limit left out of the table is decided all the same
            pass
        for line in totals.lines(dry_run=dry_run):
            click.echo(line, err=as_json)
        sent = dry_run or send_queued(app, store, rules, (lambda _: day) if day else today_of, quiet=as_json)
    if not sent:
        click.get_current_context().exit(1)


class Totals:
    """Counts and dollars by result; they foot: decided is the sum of what follows."""

    def __init__(self) -> None:
        self._by_result: dict[str, tuple[int, Decimal]] = {}

    def count(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Pass outcomes on, counting each."""
        for outcome in outcomes:
            result = result_of(outcome)
            number, dollars = self._by_result.get(result, (0, ZERO))
            self._by_result[result] = (number + 1, dollars + outcome.balance)
            yield outcome

    def lines(self, *, dry_run: bool) -> list[str]:
        """Return the totals as lines for people."""
        number = sum(each[0] for each in self._by_result.values())
        dollars = sum((each[1] for each in self._by_result.values()), ZERO)
        lines = [f"decided: {number} accounts, {money_text(dollars)} dollars"]
        for result, (count, amount) in sorted(self._by_result.items()):
            lines.append(f"  {result}: {count} accounts, {money_text(amount)} dollars")
        return [*lines, "dry run: nothing was written"] if dry_run else lines


def result_of(outcome: Outcome) -> str:
    """Return the new placement's status, or that there is none."""
    return NOT_PLACED if outcome.status is None else outcome.status.value


def outcome_row(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as a row: the reasons are those that settled it."""
    decision = outcome.decision
    return {
        "account": outcome.account,
        "facility": outcome.facility,
        "eligible": decision.eligible,
        "result": result_of(outcome),
        "placement": outcome.placement_id,
        "rule": decision.rule,
        "agency": decision.agency,
        "tier": decision.tier,
        "balance": outcome.balance,
        "as_of": outcome.as_of,
        "reasons": [reason.text for reason in decision.deciding],
    }
