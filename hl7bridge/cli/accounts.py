"""``hl7bridge accounts``: balances and holds; of one account what happened, its entries, and where facts are from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import App, cell_text, common_options, emit_json, emit_rows, json_option, list_options
from hl7bridge.cli.revealed import newest_text, note_revealed, visible_text
from hl7bridge.money import ZERO, money_text

if TYPE_CHECKING:
    from hl7bridge.cli.provenance import Origin
    from hl7bridge.ledger.account import AccountState
    from hl7bridge.mapping.records import Guarantor
    from hl7bridge.storage.database import Store
    from hl7bridge.storage.entries import EntryRow
    from hl7bridge.storage.history import Event
    from hl7bridge.storage.placements import Case

COLUMNS: Final = (
    "account", "facility", "balance", "charges", "payments", "adjustments", "status", "holds",
)  # fmt: skip
ENTRY_COLUMNS: Final = (
    "entry", "kind", "amount", "payer", "service_on", "posted_on", "code", "transaction_id", "message", "payment",
    "balance",
)  # fmt: skip
_FACTS: Final = (
    "patient_class", "financial_class", "account_status", "plan_code", "admitted_on", "discharged_on",
    "insurance_payments", "first_service_on", "last_service_on", "last_payment_on", "insurance_paid_on", "due_on",
)  # fmt: skip
_TOTALS: Final = ("charges", "payments", "adjustments", "insurance_payments")
_IDENTIFIERS: Final = ("pid_18", "pv1_19", "pv1_50")


@click.group(invoke_without_command=True)
@click.option("--facility", help="Only accounts of this facility.")
@list_options
@click.pass_context
@common_options
def command(app: App, ctx: click.Context, facility: str | None, limit: int, *, as_json: bool) -> None:
    """Show accounts, newest first: what is owed, and what holds each back from an agency."""
    if ctx.invoked_subcommand is not None:
        return
    with app.open_store() as store:
        note_revealed(app, store, "accounts.list", newest_text(limit, "accounts"))
        emit_rows(_rows(app, store, facility), COLUMNS, as_json=as_json, limit=limit, empty="No accounts.")


@command.command("show")
@click.argument("account")
@click.option("--facility", help="Needed when several facilities have an account of this number.")
@click.option("--reveal", is_flag=True, help="Show names and addresses too; the audit log keeps who did.")
@json_option
@common_options
def show(app: App, *, account: str, facility: str | None, reveal: bool, as_json: bool) -> None:
    """Show ACCOUNT: all that happened to it in order of time, its entries, and where each fact came from.

    Exit 1 when the entries do not come to the balance.
    """
    shown, origins = _read(app, account, facility, reveal=reveal)
    if as_json:
        emit_json({**shown, "provenance": [_origin_row(each) for each in origins]})
    else:
        _print(shown, origins)
    if not shown["foots"]:
        click.echo("hl7bridge: the entries do not come to the balance; see 'hl7bridge db verify'", err=True)
        click.get_current_context().exit(1)


def hold_names(case: Case, today: dt.date) -> list[str]:
    """Return the names of what holds an account back on a day, each once."""
    from hl7bridge.rules.evaluate import ADULT_YEARS
    from hl7bridge.rules.facts import birthday

    names = [hold.name for hold in case.facts.holds]
    born = case.facts.guarantor_birth_on
    if born is not None and birthday(born, ADULT_YEARS) > today:
        names.append("minor_guarantor")
    return list(dict.fromkeys(names))


def _rows(app: App, store: Store, facility: str | None) -> Iterator[dict[str, Any]]:
    from hl7bridge.cli.placing import days
    from hl7bridge.storage.history import account_ids
    from hl7bridge.storage.placements import read_case

    today_of = days(app.settings, app.now())
    for account_id in account_ids(store, facility=facility):
        case = read_case(store, account_id)
        yield _row(case, today_of(case.account.facility))


def _row(case: Case, today: dt.date) -> dict[str, Any]:
    account = case.account
    return {
        "account": visible_text(account.number),
        "facility": visible_text(account.facility),
        "balance": account.balance,
        "charges": account.charges,
        "payments": account.payments,
        "adjustments": account.adjustments,
        "status": account.status,
        "holds": hold_names(case, today),
    }


def _read(app: App, number: str, facility: str | None, *, reveal: bool) -> tuple[dict[str, Any], list[Origin]]:
    """Return all that is shown of an account, and where it came from, read from one moment of the store."""
    from hl7bridge.cli.placing import days
    from hl7bridge.cli.provenance import read_origins
    from hl7bridge.storage.accounts import find_account
    from hl7bridge.storage.entries import read_entries
    from hl7bridge.storage.history import read_timeline, read_told
    from hl7bridge.storage.placements import read_case

    with app.open_store() as store:
        account_id = find_account(store, number, facility).id
        note_revealed(app, store, "accounts.reveal" if reveal else "accounts.show", f"account id {account_id}")
        store.execute("BEGIN")
        case = read_case(store, account_id)
        entries = list(read_entries(store, account_id))
        timeline = read_timeline(store, account_id)
        told = read_told(store, account_id, case.account.patient_id)
        origins = read_origins(store, app.settings.mappings.folder, case, entries, told)
    account = case.account
    today = days(app.settings, app.now())(account.facility)
    if account.due_on is not None:
        account = account._replace(due_on=max(account.due_on, today))  # "at once" is stored as the first day there is
    names = (*_FACTS, *_IDENTIFIERS) if reveal else _FACTS
    return {
        **_row(case, today),
        **{name: getattr(account, name) for name in names},
        **_people(case, reveal=reveal),
        "timeline": [_event_row(event) for event in timeline],
        "entries": list(_entry_rows(entries)),
        "foots": _foots(account, entries),
    }, origins


def _people(case: Case, *, reveal: bool) -> dict[str, Any]:
    """Return the people; without ``reveal`` only what rules ask about them."""
    from hl7bridge.rules.facts import has_address

    patient = case.patient
    shown_patient: dict[str, Any] | None = None
    if patient is not None:
        shown_patient = patient._asdict() if reveal else {"deceased": patient.deceased}

    def guarantor_row(each: Guarantor) -> dict[str, Any]:
        if reveal:
            return each._asdict()
        names = ("rank", "relationship", "deceased", "billing_hold")
        return {**{name: getattr(each, name) for name in names}, "has_address": has_address(each)}

    return {
        "patient": shown_patient,
        "guarantors": [guarantor_row(each) for each in case.guarantors],
        "coverages": [each._asdict() for each in case.coverages],
    }


def _entry_rows(entries: Sequence[EntryRow]) -> Iterator[dict[str, Any]]:
    balance = ZERO
    for row in entries:
        entry = row.entry
        amount = entry.amount or ZERO
        balance += amount if entry.kind == "CG" else -amount
        yield {
            "entry": row.id,
            "kind": entry.kind,
            "amount": amount,
            "payer": entry.payer,
            "service_on": entry.service_on,
            "posted_on": entry.posted_on,
            "code": entry.code,
            "transaction_id": entry.transaction_id,
            "source": row.source,
            "recorded_at": row.recorded_at,
            "message": row.message_id,
            "payment": row.payment_id,
            "balance": balance,
        }


def _foots(account: AccountState, entries: Sequence[EntryRow]) -> bool:
    from hl7bridge.ledger.account import fold_entries, new_account

    blank = new_account(account.facility, account.number, as_of="", message_id=0)
    folded = fold_entries(blank, [row.entry for row in entries])
    return all(getattr(folded, name) == getattr(account, name) for name in _TOTALS)


def _event_row(event: Event) -> dict[str, Any]:
    return {**event._asdict(), "text": visible_text(event.text)}


def _origin_row(origin: Origin) -> dict[str, Any]:
    source = origin.source
    return {
        "record": origin.record,
        "message": origin.message,
        "received_at": source.received_at if source else None,
        "sender": visible_text(source.sender) if source else None,
        "mapping": source.mapping if source else None,
        "fields": origin.paths,
    }


def _print(shown: dict[str, Any], origins: Sequence[Origin]) -> None:
    from hl7bridge.cli import provenance

    money = {name: money_text(shown[name]) for name in ("balance", "charges", "payments", "adjustments")}
    click.echo(f"account {shown['account']} of {shown['facility']}, {shown['status']}")
    click.echo(
        f"balance {money['balance']} = charges {money['charges']} - payments {money['payments']}"
        f" - adjustments {money['adjustments']}"
    )
    click.echo(f"holds: {', '.join(shown['holds']) or 'none'}")
    for name in (*_FACTS, *_IDENTIFIERS):
        if shown.get(name) is not None:
            click.echo(f"{name}: {visible_text(cell_text(shown[name]))}")
    people = [("patient", shown["patient"] or {})]
    people += [("guarantor", each) for each in shown["guarantors"]]
    people += [("coverage", each) for each in shown["coverages"]]
    for kind, record in people:
        told = [f"{name} {cell_text(value)}" for name, value in record.items() if value is not None]
        if told:
            click.echo(f"{kind}: {visible_text(', '.join(told))}")
    click.echo("\nTimeline")
    emit_rows(shown["timeline"], ("at", "kind", "text"), as_json=False)
    click.echo("\nEntries")
    emit_rows(shown["entries"], ENTRY_COLUMNS, as_json=False, empty="No entries.")
    click.echo(_footing(shown["entries"], shown["balance"]))
    click.echo("\nWhere it came from")
    emit_rows(provenance.origin_rows(origins), provenance.COLUMNS, as_json=False)


def _footing(rows: Sequence[dict[str, Any]], balance: Decimal) -> str:
    came_to = rows[-1]["balance"] if rows else ZERO
    sign = "=" if came_to == balance else "IS NOT"
    return f"{len(rows)} entries come to {money_text(came_to)} {sign} the balance {money_text(balance)}"
