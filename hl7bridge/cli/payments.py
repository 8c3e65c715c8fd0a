"""``hl7bridge payments``: what agencies were paid, posted once, and what became of it at the EHR."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import (
    ROW_ID,
    App,
    common_options,
    emit_json,
    emit_rows,
    json_option,
    list_options,
    open_input,
)
from hl7bridge.errors import BridgeError, NotFoundError, RefusedError
from hl7bridge.money import ZERO, money_text, parse_money
from hl7bridge.payments.payment import PaymentKind, PaymentStatus
from hl7bridge.payments.remittance import RecordKind, read_remitted, total_of

if TYPE_CHECKING:
    from hl7bridge.config import Settings
    from hl7bridge.exchange.remitting import Applied
    from hl7bridge.layouts.layout import LineProblem
    from hl7bridge.payments.payment import Payment
    from hl7bridge.payments.remittance import Remitted
    from hl7bridge.storage.payments import PostedPayment

COLUMNS: Final = ("payment", "agency", "agency_payment_id", "account", "amount", "kind", "paid_on", "status")
POSTED_KINDS: Final = ("payment", "settlement", "adjustment", "reversal")
LAYOUTS: Final = ("csv", "jsonl", "aim", "tsi", "ygc")


def _values(names: type[StrEnum]) -> list[str]:
    return [each.value for each in names]


@click.group(invoke_without_command=True)
@click.option("--status", type=click.Choice(_values(PaymentStatus)), help="Only payments with this status.")
@list_options
@click.pass_context
@common_options
def command(app: App, ctx: click.Context, status: str | None, limit: int, *, as_json: bool) -> None:
    """Show payments from agencies, newest first, and what became of them."""
    if ctx.invoked_subcommand is not None:
        return
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.payments import list_payments

    with app.open_store() as store:
        with store.transaction():
            append_audit(store, at=app.now(), actor=app.actor, action="payments.list", subject="payments")
        rows = list_payments(store, status=status)
        emit_rows(rows, COLUMNS, as_json=as_json, limit=limit, empty="No payments.")


@command.command("post")
@click.option("--agency", required=True, help="The agency's name in the configuration.")
@click.option("--id", "agency_payment_id", required=True, help="The agency's own id of this payment.")
@click.option("--account", required=True, help="The account number.")
@click.option("--amount", required=True, help="Dollars, above zero: 150.00.")
@click.option("--date", required=True, help="The day the agency was paid: YYYY-MM-DD.")
@click.option("--kind", type=click.Choice(POSTED_KINDS), default="payment", show_default=True)
@click.option("--fee", default="", help="Dollars that the agency keeps; never the patient's.")
@click.option("--trust-date", default="", help="The day the agency paid it into its trust account: YYYY-MM-DD.")
@click.option("--method", default="", help="The agency's code for the medium, as CHK or CARD.")
@click.option("--reversal-of", default="", help="Of a reversal: the id of the payment that is taken back.")
@click.option("--left", default="", help="Of a settlement: dollars that are left to be written off, once approved.")
@click.option("--facility", help="Needed when several facilities have an account of this number.")
@json_option
@common_options
def post(app: App, *, agency: str, facility: str | None, as_json: bool, **told: str) -> None:
    """Post one payment: once, however often it is repeated."""
    from hl7bridge.cli.placing import load_rules, react
    from hl7bridge.exchange.settlement import post as post_one
    from hl7bridge.placing import posting_of
    from hl7bridge.storage.accounts import find_account
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.payments import list_payments

    now = app.now()
    require_agency(app.settings, agency)
    record, problems = read_remitted(1, told, agency, now)
    if record is None or problems:
        raise RefusedError("\n".join(problems))
    rules = load_rules(app.settings)
    posting = posting_of(app.settings, rules, now)
    with app.open_store() as store:
        with store.transaction():
            found = find_account(store, record.account, facility)
            posted = post_one(store, record.payment, found, posting)
            subject = f"payment {posted.payment_id}: {_outcome(posted.is_new)}"
            append_audit(store, at=now, actor=app.actor, action="payments.post", subject=subject)
            react(app, store, rules, now)
        row = next(list_payments(store, payment_id=posted.payment_id))
    _tell(row, posted, as_json=as_json)


@command.command("import")
@click.argument("file")
@click.option("--agency", help="The agency's name in the configuration [default: a column agency, or the only one].")
@click.option("--layout", type=click.Choice(LAYOUTS), help="How FILE is written [default: by its suffix, else csv].")
@click.option("--cheque", help="Dollars of the cheque: gross - reversals - fees have to come to it.")
@json_option
@common_options
def import_file(
    app: App, *, file: str, agency: str | None, layout: str | None, cheque: str | None, as_json: bool
) -> None:
    """Post the payments of FILE (- is stdin): the whole file, or none of it and every problem by its line.

    What names no account that is known waits in suspense. Columns of a CSV file: agency_payment_id, account, amount,
    date, and if need be others (docs/agency-files.md).
    """
    from hl7bridge.cli.placing import load_rules, react
    from hl7bridge.placing import posting_of
    from hl7bridge.storage.audit import append_audit

    now = app.now()
    if agency is None and len(app.settings.agencies) == 1:
        agency = app.settings.agencies[0].name
    content = open_input(file)
    records = _read(app, file, content, layout, agency)
    _require_cheque(file, records, cheque)
    digest = hashlib.sha256(content).hexdigest()
    agencies = sorted({each.payment.agency for each in records})
    for name in agencies:
        require_agency(app.settings, name)
    rules = load_rules(app.settings)
    with app.open_store() as store:
        with store.transaction():
            applied = _apply(store, agencies, digest, records, posting_of(app.settings, rules, now))
            summary = _summary(applied)
            subject = f"agency {', '.join(agencies)}, file sha256 {digest}: {summary}"
            append_audit(store, at=now, actor=app.actor, action="payments.import", subject=subject)
            react(app, store, rules, now)
        if as_json:
            for each in applied:
                emit_json(_row(store, each))
    click.echo(summary, err=as_json)


@command.command("approve")
@click.argument("payment_id", metavar="ID", type=ROW_ID)
@click.option("--amount", help="Dollars to write off [default: what the settlement left].")
@click.option("--reason", required=True, help="Who agreed to it, and where: kept in the audit log.")
@json_option
@common_options
def approve(app: App, *, payment_id: int, amount: str | None, reason: str, as_json: bool) -> None:
    """Write off what settlement ID left on its account: posted as an adjustment, once."""
    from hl7bridge.cli.placing import load_rules, react
    from hl7bridge.exchange.settlement import Decided, approve_settlement
    from hl7bridge.placing import posting_of
    from hl7bridge.storage.payments import list_payments

    now, rules = app.now(), load_rules(app.settings)
    chosen = _parse("amount", amount)
    posting = posting_of(app.settings, rules, now)
    with app.open_store() as store:
        with store.transaction():
            posted, _ = approve_settlement(store, payment_id, chosen, posting, Decided(app.actor, reason))
            react(app, store, rules, now)
        row = next(list_payments(store, payment_id=posted.payment_id))
    _tell(row, posted, as_json=as_json)


def _tell(row: dict[str, Any], posted: PostedPayment, *, as_json: bool) -> None:
    if as_json:
        emit_json(row | {"is_new": posted.is_new})
    else:
        click.echo(f"payment {posted.payment_id}: {_outcome(posted.is_new)}; status {posted.status.value}")


def _read(app: App, file: str, content: bytes, layout: str | None, agency: str | None) -> list[Remitted]:
    """Return the records of a file; raises BridgeError with every problem by its line."""
    from hl7bridge.layouts.registry import REMITTANCE_LAYOUTS, remittance_layout
    from hl7bridge.layouts.remittance import Reading
    from hl7bridge.payments.remittance import Remitted

    own = next((each.payment_layout or each.layout for each in app.settings.agencies if each.name == agency), "csv")
    chosen = layout or remittance_layout(own if file.lower().endswith(".txt") else "csv", file)
    parsed = REMITTANCE_LAYOUTS[chosen](content, Reading(agency, app.now()))
    _refuse(file, parsed.problems)
    return [record for record in parsed.records if isinstance(record, Remitted)]


def _require_cheque(file: str, records: list[Remitted], cheque: str | None) -> None:
    stated = _parse("cheque", cheque)
    totals = total_of(records)
    if stated is not None and stated != totals.paid:
        raise BridgeError(
            f"{file}: gross {money_text(totals.gross)} - reversals {money_text(totals.reversals)} - fees"
            f" {money_text(totals.fees)} = {money_text(totals.paid)}, and the cheque is {money_text(stated)}:"
            f" a difference of {money_text(stated - totals.paid)}\nnothing was posted"
        )


def _parse(name: str, text: str | None) -> Decimal | None:
    try:
        return None if text is None else parse_money(text)
    except ValueError as error:
        raise RefusedError(f"{name}: {error}; write dollars as 150.00") from None


def _apply(store: Any, agencies: list[str], digest: str, records: list[Remitted], posting: Any) -> list[Applied]:
    """Apply the records of each agency as a file of its own; what each did, in the order of the lines."""
    from hl7bridge.exchange.remitting import apply_remittance
    from hl7bridge.storage.remittances import RemittanceFile

    applied: list[Applied] = []
    for agency in agencies:
        own = [each for each in records if each.payment.agency == agency]
        applied += apply_remittance(store, RemittanceFile(agency, digest, "imported"), own, posting)
    return sorted(applied, key=lambda each: each.record.line)


def require_agency(settings: Settings, agency: str) -> None:
    """Raise NotFoundError for an agency that is not configured."""
    names = [each.name for each in settings.agencies]
    if agency not in names:
        raise NotFoundError(f"no agency of that name in {settings.file}; there is {', '.join(names) or 'none'}")


def _refuse(file: str, problems: tuple[LineProblem, ...]) -> None:
    if problems:
        ordered = sorted(problems, key=lambda problem: problem.line)
        raise BridgeError(
            "\n".join([f"{file}:{line}: {problem}" for line, problem in ordered] + ["nothing was posted"])
        )


def _outcome(is_new: bool) -> str:  # noqa: FBT001  (the one thing it tells)
    return "posted" if is_new else "already posted, nothing done"


def _row(store: Any, each: Applied) -> dict[str, Any]:
    from hl7bridge.storage.payments import list_payments

    payment, recorded = each.record.payment, each.recorded
    row: dict[str, Any] = {
        "payment": None,
        "agency": payment.agency,
        "agency_payment_id": payment.agency_payment_id,
        "amount": payment.amount,
        "kind": each.record.kind.value,
    }
    if recorded is not None:
        row = next(list_payments(store, payment_id=recorded.payment_id))
    told = {"line": each.record.line, "outcome": each.outcome.kind.value, "reason": each.outcome.reason}
    return row | {"is_new": recorded is not None and recorded.is_new} | told


def _summary(applied: list[Applied]) -> str:
    done = [each for each in applied if each.recorded is not None]
    new = [each.record.payment for each in done if each.recorded is not None and each.recorded.is_new]
    old = [each.record.payment for each in done if each.recorded is not None and not each.recorded.is_new]
    text = f"{len(new)} posted ({_total(new)}), {len(old)} already posted ({_total(old)})"
    suspended = [each.record.payment for each in applied if each.is_suspended]
    asked = sum(each.outcome.kind.value == "exception" and not each.is_suspended for each in applied)
    direct = sum(each.record.kind in {RecordKind.DIRECT, RecordKind.DIRECT_REVERSAL} for each in applied)
    fees = total_of(each.record for each in applied).fees
    text += f", {len(suspended)} in suspense ({_total(suspended)})" if suspended else ""
    text += f", {asked} for a person: hl7bridge exceptions" if asked else ""
    text += f", {direct} direct, not posted" if direct else ""
    return text + (f", fees {money_text(fees)}" if fees else "")


def _total(payments: Iterable[Payment]) -> str:
    """Return dollars in less dollars back, adjustments apart, as the agency's own total has them."""
    money = given_up = ZERO
    for each in payments:
        money += ZERO if each.kind is PaymentKind.ADJUSTMENT else each.ledger_amount
        given_up += each.amount if each.kind is PaymentKind.ADJUSTMENT else ZERO
    text = f"{money_text(money)} paid"
    return f"{text}, {money_text(given_up)} adjusted" if given_up else text


# Commands of the same group, in files of their own.
from hl7bridge.cli import payments_money, payments_try  # noqa: E402, F401
