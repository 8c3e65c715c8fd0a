"""``hl7bridge placements``: what was placed with which agency, why, what was sent, and what a person may change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import (
    MOST_ROWS,
    ROW_ID,
    App,
    cell_text,
    common_options,
    emit_json,
    emit_rows,
    json_option,
    list_options,
)
from hl7bridge.cli.placement_actions import ACTIONS
from hl7bridge.errors import NotFoundError
from hl7bridge.placement.state import OPEN, Status

if TYPE_CHECKING:
    from hl7bridge.rules.evaluate import Reason
    from hl7bridge.storage.database import Store
    from hl7bridge.storage.placements import PlacementRow

COLUMNS: Final = (
    "placement", "account", "facility", "agency", "tier", "rule", "status", "balance", "decided_at", "sent_at",
    "reasons",
)  # fmt: skip
REASON_COLUMNS: Final = ("rule", "fact", "wanted", "found", "held")
EVENT_COLUMNS: Final = ("at", "actor", "from_status", "to_status", "reason")
NOTICE_COLUMNS: Final = (
    "notice", "kind", "reason", "amount", "balance", "status", "event_at", "sent_at", "acknowledged_at", "file",
)  # fmt: skip
_STATUSES: Final = [status.value for status in Status if status is not Status.ELIGIBLE]


@click.group(invoke_without_command=True)
@click.option("--status", type=click.Choice(_STATUSES), help="Only placements with this status.")
@click.option("--agency", help="Only placements with this agency.")
@list_options
@click.pass_context
@common_options
def command(app: App, ctx: click.Context, status: str | None, agency: str | None, limit: int, *, as_json: bool) -> None:
    """Show placements, newest first, and why each was made."""
    if ctx.invoked_subcommand is not None:
        return
    from hl7bridge.storage.placements import list_placements

    with app.open_store() as store:
        _audit(app, store, "placements.list", "placements")
        rows = map(placement_row, list_placements(store, status=status, agency=agency))
        emit_rows(rows, COLUMNS, as_json=as_json, limit=limit, empty="No placements.")


@command.command("show")
@click.argument("placement", type=ROW_ID)
@json_option
@common_options
def show(app: App, *, placement: int, as_json: bool) -> None:
    """Show PLACEMENT: its changes, exactly what the agency got, and what it was told since."""
    from hl7bridge.storage.cases import read_sources
    from hl7bridge.storage.notices import list_notices
    from hl7bridge.storage.placements import read_events, read_placement, read_snapshot

    with app.open_store() as store:
        _audit(app, store, "placements.show", f"placement {placement}")
        found = read_placement(store, placement)
        events = [event._asdict() for event in read_events(store, placement)]
        notices = list(list_notices(store, placement))
        sent, sources = read_snapshot(store, placement), read_sources(store, placement)
        told = _told(store, found) if sent else {}
    row = {**placement_row(found), "sequence": found.sequence, "file": found.file, **told}
    if as_json:
        emit_json({**row, "events": events, "notices": notices, "sent": sent, "sources": sources})
        return
    for key, value in row.items():
        click.echo(f"{key}: {cell_text(value)}")
    click.echo()
    emit_rows(events, EVENT_COLUMNS, as_json=False)
    click.echo()
    if notices:
        emit_rows(notices, NOTICE_COLUMNS, as_json=False)
        click.echo()
    emit_rows(
        ({"field": field, "sent": value, "source": sources.get(field, "")} for field, value in sent.items()),
        ("field", "sent", "source"),
        as_json=False,
        empty="Nothing has been sent.",
    )


def _told(store: Store, found: PlacementRow) -> dict[str, Any]:
    """Return what the agency may collect by what it was told, and what the balance grew by without its knowing."""
    from hl7bridge.storage.told import read_told

    told = read_told(store, found.id)
    return {"told_balance": told.balance, "not_told": told.withheld, "left_out": told.left}


@command.command("explain")
@click.argument("target")
@click.option("--placement", "is_placement", is_flag=True, help="TARGET is a placement's number.")
@click.option("--facility", help="Needed when several facilities have an account of this number.")
@json_option
@common_options
def explain(app: App, *, target: str, is_placement: bool, facility: str | None, as_json: bool) -> None:
    """Explain the decision about TARGET: every predicate, what it wanted, what it found.

    TARGET is an account number: it is decided as things stand, and nothing is written. When there is no such account,
    or with --placement, it is a placement's number: the decision that placed it, as it was then.
    """
    from hl7bridge.errors import RefusedError
    from hl7bridge.storage.accounts import find_account
    from hl7bridge.storage.placements import read_placement

    with app.open_store() as store:
        account_id = None
        if not is_placement:
            try:
                account_id = find_account(store, target, facility).id
            except NotFoundError:
                if not target.isdigit() or facility is not None:
                    raise
        if account_id is None and (not target.isdigit() or int(target) > MOST_ROWS):
            raise RefusedError("a placement's number is digits, and at most 18 of them")
        subject = f"placement {target}" if account_id is None else f"account id {account_id}"
        _audit(app, store, "placements.explain", subject)
        if account_id is None:
            found = read_placement(store, int(target))
            said = f"placement {found.id} was decided as of {found.as_of} by rule {found.rule}"
            reasons = found.reasons
        else:
            said, reasons = _decide_now(app, store, account_id)
    if not as_json:
        click.echo(said)
    emit_rows((reason._asdict() for reason in reasons), REASON_COLUMNS, as_json=as_json)


def _decide_now(app: App, store: Store, account_id: int) -> tuple[str, tuple[Reason, ...]]:
    from hl7bridge.cli.placing import days, load_rules
    from hl7bridge.rules.evaluate import decide, next_due
    from hl7bridge.storage.cases import read_case
    from hl7bridge.storage.placements import placements_of

    rules = load_rules(app.settings)
    case = read_case(store, account_id)
    today = days(app.settings, app.now())(case.account.facility)
    decision = decide(case.facts, rules, today)
    already = [each for each in placements_of(store, account_id) if each.status in OPEN]
    if decision.eligible:
        said = f"as of {today}: eligible, rule {decision.rule}"
    else:
        next_on = next_due(case.facts, rules, today)
        said = f"as of {today}: not eligible; " + (f"will be on {next_on}" if next_on else "not until a fact changes")
    if already:
        said += f"; placement {already[0].id} is open ({already[0].status})"
    return said, decision.reasons


def placement_row(placement: PlacementRow) -> dict[str, Any]:
    """Return a placement as a row: the reasons are those of the rule that placed it."""
    deciding = [reason.text for reason in placement.reasons if reason.rule in {"holds", "common", placement.rule}]
    return {
        "placement": placement.id,
        "account": placement.account,
        "facility": placement.facility,
        "agency": placement.agency,
        "tier": placement.tier,
        "rule": placement.rule,
        "status": placement.status.value,
        "balance": placement.balance,
        "decided_at": placement.decided_at,
        "sent_at": placement.sent_at,
        "reasons": deciding,
    }


def _audit(app: App, store: Store, action: str, subject: str) -> None:
    from hl7bridge.storage.audit import append_audit

    with store.transaction():
        append_audit(store, at=app.now(), actor=app.actor, action=action, subject=subject)


for _action in ACTIONS:
    command.add_command(_action)
