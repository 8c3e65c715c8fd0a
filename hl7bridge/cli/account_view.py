"""All that is known of one account -> what ``accounts show`` shows of it: without ``--reveal`` no person's data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from hl7bridge.cli.common import cell_text, emit_rows
from hl7bridge.cli.revealed import visible_text
from hl7bridge.money import ZERO, money_text

if TYPE_CHECKING:
    from hl7bridge.ledger.account import AccountState
    from hl7bridge.mapping.records import Guarantor
    from hl7bridge.rules.spec import Rules
    from hl7bridge.storage.cases import Case
    from hl7bridge.storage.coverage_history import FormerCoverage
    from hl7bridge.storage.database import Store
    from hl7bridge.storage.discrepancies import Discrepancy
    from hl7bridge.storage.entries import EntryRow
    from hl7bridge.storage.identifiers import Identifier

ENTRY_COLUMNS: Final = (
    "entry", "kind", "amount", "payer", "service_on", "posted_on", "code", "transaction_id", "reverses", "message",
    "payment", "balance",
)  # fmt: skip
DISCREPANCY_COLUMNS: Final = (
    "level", "figure", "ours", "theirs", "difference", "message", "found_at", "resolved_at",
)  # fmt: skip
FORMER_COLUMNS: Final = (
    "rank", "plan", "company", "company_name", "plan_type", "effective_on", "expires_on", "ended_by",
)  # fmt: skip
ID_COLUMNS: Final = ("kind", "number", "authority", "retired", "becomes", "message")
_FACTS: Final = (
    "patient_class", "financial_class", "account_status", "plan_code", "admitted_on", "discharged_on",
    "insurance_payments", "first_service_on", "last_service_on", "last_payment_on", "insurance_paid_on", "due_on",
)  # fmt: skip
_TOTALS: Final = ("charges", "payments", "adjustments", "insurance_payments")
_IDENTIFIERS: Final = ("pid_18", "pv1_19", "pv1_50")


class Known(NamedTuple):
    """All that the store has of one account, read in one moment; ``merged`` are the numbers merged into it."""

    case: Case
    entries: list[EntryRow]
    discrepancies: list[Discrepancy]
    former: list[FormerCoverage]
    ids: list[Identifier]
    merged: list[str]


def read_known(store: Store, account_id: int) -> Known:
    """Read all that is known of an account."""
    from hl7bridge.storage import identifiers
    from hl7bridge.storage.cases import read_case
    from hl7bridge.storage.coverage_history import former_coverages
    from hl7bridge.storage.discrepancies import discrepancies_of
    from hl7bridge.storage.entries import read_entries

    case = read_case(store, account_id)
    ids = [
        each
        for kind in (identifiers.ACCOUNT, identifiers.VISIT, identifiers.ALTERNATE_VISIT)
        for each in identifiers.identifiers_of(store, kind, account_id)
    ]
    if case.account.patient_id is not None:
        ids += identifiers.identifiers_of(store, identifiers.PATIENT, case.account.patient_id)
    return Known(
        case,
        list(read_entries(store, account_id)),
        discrepancies_of(store, account_id),
        former_coverages(store, account_id),
        ids,
        [
            row[0]
            for row in store.execute("SELECT number FROM accounts WHERE merged_into = ? ORDER BY id", (account_id,))
        ],
    )


def account_row(case: Case, today: dt.date, rules: Rules) -> dict[str, Any]:
    """Return an account as the list of accounts has it."""
    account = case.account
    return {
        "account": visible_text(account.number),
        "facility": visible_text(account.facility),
        "balance": account.balance,
        "charges": account.charges,
        "payments": account.payments,
        "adjustments": account.adjustments,
        "status": account.status,
        "holds": hold_names(case, today, rules),
    }


def hold_names(case: Case, today: dt.date, rules: Rules) -> list[str]:
    """Return the names of what holds an account back on a day, each once."""
    from hl7bridge.rules.evaluate import holds_on

    return list(dict.fromkeys(hold.name for hold in holds_on(case.facts, rules, today)))


def shown_of(known: Known, today: dt.date, rules: Rules, *, reveal: bool) -> dict[str, Any]:
    """Return what is shown of an account."""
    case = known.case
    account = case.account
    if account.due_on is not None:
        account = account._replace(due_on=max(account.due_on, today))  # "at once" is stored as the first day there is
    names = (*_FACTS, *_IDENTIFIERS) if reveal else _FACTS
    return {
        **account_row(case, today, rules),
        "merged_accounts": [visible_text(number) for number in known.merged],
        **{name: getattr(account, name) for name in names},
        **_people(case, reveal=reveal),
        "former_coverages": [_former_row(each) for each in known.former],
        "ids": [_id_row(each) for each in known.ids if reveal or each.kind == "account"],
        "discrepancies": [_discrepancy_row(each, reveal=reveal) for each in known.discrepancies],
        "entries": list(_entry_rows(known.entries)),
        "foots": _foots(account, known.entries),
    }


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
    # The two halves of a reversal name each other.
    other_half = {row.reverses: row.id for row in entries if row.reverses is not None}
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
            "reverses": row.reverses if row.reverses is not None else other_half.get(row.id),
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


def _former_row(former: FormerCoverage) -> dict[str, Any]:
    return {**former.coverage._asdict(), "ended_at": former.ended_at, "ended_by": former.message_id}


def _id_row(each: Identifier) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "number": visible_text(each.number),
        "authority": visible_text(each.authority),
        "retired": bool(each.retired),
        "becomes": visible_text(each.becomes),
        "message": each.message_id,
    }


def _discrepancy_row(each: Discrepancy, *, reveal: bool) -> dict[str, Any]:
    row = {
        "level": each.level,
        "figure": each.kind,
        "ours": each.ours,
        "theirs": each.theirs,
        "difference": each.theirs - each.ours,
        "message": each.message_id,
        "found_at": each.found_at,
        "resolved_at": each.resolved_at,
    }
    return {**row, "visit": visible_text(each.visit_number)} if reveal else row


def print_account(shown: dict[str, Any]) -> None:
    """Print an account for people, but for its timeline and where its values are from."""
    money = {name: money_text(shown[name]) for name in ("balance", "charges", "payments", "adjustments")}
    click.echo(f"account {shown['account']} of {shown['facility']}, {shown['status']}")
    if shown["merged_accounts"]:
        click.echo(f"merged into it: {', '.join(shown['merged_accounts'])}")
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
    for title, key, columns in (
        ("Coverages it had", "former_coverages", FORMER_COLUMNS),
        ("Other numbers", "ids", ID_COLUMNS),
        ("What the sender says otherwise", "discrepancies", DISCREPANCY_COLUMNS),
    ):
        if shown[key]:
            click.echo(f"\n{title}")
            emit_rows(shown[key], columns, as_json=False)


def print_entries(shown: dict[str, Any]) -> None:
    """Print the ledger of an account, and whether it comes to the balance."""
    click.echo("\nEntries")
    emit_rows(shown["entries"], ENTRY_COLUMNS, as_json=False, empty="No entries.")
    click.echo(_footing(shown["entries"], shown["balance"]))


def _footing(rows: Sequence[dict[str, Any]], balance: Decimal) -> str:
    came_to = rows[-1]["balance"] if rows else ZERO
    sign = "=" if came_to == balance else "IS NOT"
    return f"{len(rows)} entries come to {money_text(came_to)} {sign} the balance {money_text(balance)}"
