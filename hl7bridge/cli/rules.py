"""``hl7bridge rules``: runs a rules file's examples, explains an account's decision on any day, lists the facts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import App, common_options, emit_json, emit_rows, json_option, list_options

if TYPE_CHECKING:
    from hl7bridge.rules.holds import Hold
    from hl7bridge.rules.spec import Rules

TEST_COLUMNS: Final = ("example", "as_of", "expected", "found", "result", "problem")
REASON_COLUMNS: Final = ("rule", "fact", "wanted", "found", "held")
HOLD_COLUMNS: Final = ("hold", "action", "since", "until", "source", "why")
FACT_COLUMNS: Final = ("fact", "kind", "comparisons", "values", "meaning", "source", "unknown_when")
AS_GOOD: Final = "as expected"
OTHERWISE: Final = "otherwise"


@click.group()
def command() -> None:
    """Try placement rules: their examples, one account on any day, the facts they may ask about."""


@command.command("test")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@json_option
@common_options
def run_examples(app: App, *, file: Path | None, as_json: bool) -> None:
    """Run the examples of the rules FILE [default: the file of the configuration].

    Exit 1 when one comes out otherwise than it says.
    """
    from hl7bridge.assemble import read_toml
    from hl7bridge.rules.evaluate_examples import try_examples
    from hl7bridge.rules.spec import compile_rules

    rules = compile_rules(read_toml(file or app.settings.rules.file))
    tried = try_examples(rules)
    rows = [
        {
            "example": each.example.name,
            "as_of": each.example.as_of,
            "expected": each.example.expect,
            "found": each.found,
            "result": OTHERWISE if each.problem else AS_GOOD,
            "problem": each.problem,
        }
        for each in tried
    ]
    emit_rows(rows, TEST_COLUMNS, as_json=as_json, empty="The file has no examples.")
    wrong = sum(bool(each.problem) for each in tried)
    if not as_json and tried:
        click.echo(f"{len(tried)} examples, {len(tried) - wrong} as expected, {wrong} otherwise")
    if wrong:
        click.get_current_context().exit(1)


@command.command("explain")
@click.argument("account")
@click.option("--facility", help="Needed when several facilities have an account of this number.")
@click.option(
    "--as-of",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    metavar="DAY",
    help="Decide as if it were this day [default: the facility's today].",
)
@json_option
@common_options
def explain(app: App, *, account: str, facility: str | None, as_of: dt.datetime | None, as_json: bool) -> None:
    """Explain what the rules make of ACCOUNT on a day: every predicate, what it wanted, what it found; every hold.

    Nothing is written but the line of the audit log. `hl7bridge placements explain` shows what was decided at the time.
    """
    from hl7bridge.cli.placing import days, load_rules
    from hl7bridge.rules.evaluate import decide, holds_on, next_due
    from hl7bridge.storage.accounts import find_account
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.cases import read_case

    rules = load_rules(app.settings)
    now = app.now()
    with app.open_store() as store:
        with store.transaction():
            found = find_account(store, account, facility)
            append_audit(store, at=now, actor=app.actor, action="rules.explain", subject=f"account id {found.id}")
        facts = read_case(store, found.id).facts
    day = as_of.date() if as_of else days(app.settings, now)(found.facility)
    decision = decide(facts, rules, day)
    next_on = None if decision.eligible else next_due(facts, rules, day)
    reasons = [reason._asdict() for reason in decision.reasons]
    holds = [_hold_row(hold) for hold in holds_on(facts, rules, day)]
    if as_json:
        said = {"as_of": day, "rules_version": rules.version, "eligible": decision.eligible, "rule": decision.rule}
        where = {"agency": decision.agency, "allocation": decision.allocation, "tier": decision.tier}
        emit_json({**said, **where, "next_on": next_on, "reasons": reasons, "holds": holds})
        return
    click.echo(f"as of {day}: {_said(decision.rule, rules, next_on)}")
    emit_rows(reasons, REASON_COLUMNS, as_json=False)
    if holds:
        click.echo()
        emit_rows(holds, HOLD_COLUMNS, as_json=False)


@command.command("facts")
@list_options
@common_options
def list_facts(_app: App, *, as_json: bool, limit: int) -> None:
    """Show every fact there is, how it may be compared, where it is from and when it is unknown."""
    from hl7bridge.rules.facts import FACTS
    from hl7bridge.rules.spec_reader import OPS

    rows: list[dict[str, Any]] = [
        {
            "fact": spec.name,
            "kind": spec.type.value,
            "comparisons": [op.value for op in OPS[spec.type]],
            "values": list(spec.values),
            "meaning": spec.meaning,
            "source": spec.source,
            "unknown_when": spec.unknown,
        }
        for spec in FACTS.values()
    ]
    emit_rows(rows, FACT_COLUMNS, as_json=as_json, limit=limit)


def _said(rule: str | None, rules: Rules, next_on: dt.date | None) -> str:
    if rule is None:
        return "not eligible; " + (f"will be on {next_on}" if next_on else "not until a fact changes")
    (found,) = (each for each in rules.rules if each.name == rule)
    where = f"agency {found.agency}" if found.agency else f"allocation {found.allocation}"
    return f"eligible, rule {rule}, {where}, {found.mode.value}"


def _hold_row(hold: Hold) -> dict[str, Any]:
    return {
        "hold": hold.name,
        "action": hold.action.value,
        "since": hold.since,
        "until": hold.until,
        "source": hold.source,
        "why": hold.why,
    }
