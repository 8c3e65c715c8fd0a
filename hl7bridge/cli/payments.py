"""``hl7bridge payments``: what agencies were paid, posted once, and what became of it at the EHR."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from hl7bridge.cli.common import App, common_options, emit_json, emit_rows, json_option, list_options, open_input
from hl7bridge.errors import BridgeError, NotFoundError, RefusedError
from hl7bridge.money import ZERO, money_text
from hl7bridge.payments.payment import PaymentKind, PaymentStatus, PaymentText, batch_id, parse_payment

if TYPE_CHECKING:
    from hl7bridge.config import Settings
    from hl7bridge.ledger.account import AccountState
    from hl7bridge.payments.payment import Payment
    from hl7bridge.payments.remittance import LineProblem, Remittance, RemittanceLine
    from hl7bridge.rules.spec import Rules
    from hl7bridge.storage.database import Store
    from hl7bridge.storage.payments import PostedPayment

COLUMNS: Final = ("payment", "agency", "agency_payment_id", "account", "amount", "kind", "paid_on", "status")


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
@click.option("--kind", type=click.Choice(_values(PaymentKind)), default="payment", show_default=True)
@click.option("--facility", help="Needed when several facilities have an account of this number.")
@json_option
@common_options
def post(  # noqa: PLR0913  (one for each option)
    app: App,
    *,
    agency: str,
    agency_payment_id: str,
    account: str,
    amount: str,
    date: str,
    kind: str,
    facility: str | None,
    as_json: bool,
) -> None:
    """Post one payment: once, however often it is repeated."""
    from hl7bridge.cli.placing import react
    from hl7bridge.storage.accounts import find_account
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.payments import list_payments

    now = app.now()
    _require_agency(app.settings, agency)
    payment, problems = parse_payment(agency, PaymentText(agency_payment_id, amount, date, kind), now)
    if payment is None:
        raise RefusedError("\n".join(problems))
    posting = _Posting.of(app.settings, now)
    with app.open_store() as store:
        with store.transaction():
            found = find_account(store, account, facility)
            posted = posting.post(store, payment, found, 1)
            subject = f"payment {posted.payment_id}: {_outcome(posted)}"
            append_audit(store, at=now, actor=app.actor, action="payments.post", subject=subject)
            react(app, store, posting.rules, now)
        row = next(list_payments(store, payment_id=posted.payment_id))
    if as_json:
        emit_json(_with_outcome(row, posted))
    else:
        click.echo(f"payment {posted.payment_id}: {_outcome(posted)}; status {posted.status.value}")


@command.command("import")
@click.argument("file")
@click.option("--agency", help="The agency's name in the configuration [default: a column agency, or the only one].")
@json_option
@common_options
def import_file(app: App, *, file: str, agency: str | None, as_json: bool) -> None:
    """Post the payments of a CSV FILE (- is stdin): all of them, or none and every problem by its line.

    Columns: agency_payment_id, account, amount, date, and if need be agency, kind and facility.
    """
    from hl7bridge.cli.placing import react
    from hl7bridge.payments.remittance import parse_remittance
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.payments import list_payments

    now = app.now()
    if agency is None and len(app.settings.agencies) == 1:
        agency = app.settings.agencies[0].name
    content = open_input(file)
    digest = hashlib.sha256(content).hexdigest()
    remittance = parse_remittance(_decode(file, content), agency, now)
    _refuse(file, remittance.problems)
    agencies = sorted({line.payment.agency for line in remittance.lines})
    for name in agencies:
        _require_agency(app.settings, name)
    posting = _Posting.of(app.settings, now)
    with app.open_store() as store:
        with store.transaction():
            results = _post_lines(store, posting, file, remittance, int(digest[:4], 16))
            summary = _summary(remittance, results)
            subject = f"agency {', '.join(agencies)}, file sha256 {digest}: {summary}"
            append_audit(store, at=now, actor=app.actor, action="payments.import", subject=subject)
            react(app, store, posting.rules, now)
        if as_json:
            for posted in results:
                emit_json(_with_outcome(next(list_payments(store, payment_id=posted.payment_id)), posted))
    click.echo(summary, err=as_json)


class _Posting(NamedTuple):
    """What every payment of one run is posted with."""

    settings: Settings
    now: dt.datetime
    today_of: Callable[[str], dt.date]
    due_on: Callable[[AccountState], dt.date | None]
    rules: Rules

    @classmethod
    def of(cls, settings: Settings, now: dt.datetime) -> _Posting:
        """Return it for a configuration. The rules are read because a payment changes when an account is due."""
        from hl7bridge.cli.placing import days, load_rules
        from hl7bridge.rules.due import DueDays

        rules = load_rules(settings)
        return cls(settings, now, days(settings, now), DueDays(rules), rules)

    def post(self, store: Store, payment: Payment, account: AccountState, number: int) -> PostedPayment:
        """Post one payment; ``number`` tells batches of one day apart."""
        from hl7bridge.payments.message import DestinationForm
        from hl7bridge.storage.payments import post_payment

        facility = account.facility
        destination = self.settings.destination_for(facility)
        if destination is None:
            raise RefusedError(f"no destination takes payments of facility {facility}; name it in one's facilities")
        today = self.today_of(facility)
        return post_payment(
            store,
            payment,
            account,
            DestinationForm.of(destination),
            now=self.now,
            posted_on=today,
            batch_id=batch_id(today, number),
            due_on=self.due_on,
        )


def _post_lines(store: Store, posting: _Posting, file: str, remittance: Remittance, number: int) -> list[PostedPayment]:
    from hl7bridge.payments.remittance import LineProblem
    from hl7bridge.storage.accounts import find_account

    results: list[PostedPayment] = []
    problems: list[LineProblem] = []
    for line in remittance.lines:
        try:
            account = find_account(store, line.account, line.facility)
            results.append(posting.post(store, line.payment, account, number))
        except (NotFoundError, RefusedError) as error:
            problems.append(LineProblem(line.line, str(error)))
    _refuse(file, problems)
    return results


def _require_agency(settings: Settings, agency: str) -> None:
    names = [each.name for each in settings.agencies]
    if agency not in names:
        raise NotFoundError(f"no agency of that name in {settings.file}; there is {', '.join(names) or 'none'}")


def _decode(file: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RefusedError(f"{file}:{line}: not UTF-8; save the file as CSV UTF-8") from None


def _refuse(file: str, problems: tuple[LineProblem, ...] | list[LineProblem]) -> None:
    if problems:
        ordered = sorted(problems, key=lambda problem: problem.line)
        raise BridgeError(
            "\n".join([f"{file}:{line}: {problem}" for line, problem in ordered] + ["nothing was posted"])
        )


def _outcome(posted: PostedPayment) -> str:
    return "posted" if posted.is_new else "already posted, nothing done"


def _with_outcome(row: dict[str, Any], posted: PostedPayment) -> dict[str, Any]:
    return row | {"is_new": posted.is_new}


def _summary(remittance: Remittance, results: list[PostedPayment]) -> str:
    pairs: list[tuple[RemittanceLine, PostedPayment]] = list(zip(remittance.lines, results, strict=True))
    new = [line.payment for line, posted in pairs if posted.is_new]
    old = [line.payment for line, posted in pairs if not posted.is_new]
    return f"{len(new)} posted ({_total(new)}), {len(old)} already posted ({_total(old)})"


def _total(payments: list[Payment]) -> str:
    """Return dollars in less dollars back, adjustments apart, as the agency's own total has them."""
    money = [each.ledger_amount for each in payments if each.kind is not PaymentKind.ADJUSTMENT]
    given_up: Decimal = sum((each.amount for each in payments if each.kind is PaymentKind.ADJUSTMENT), ZERO)
    text = f"{money_text(sum(money, ZERO))} paid"
    return f"{text}, {money_text(given_up)} adjusted" if given_up else text
