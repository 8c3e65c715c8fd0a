"""``hl7bridge payments reverse`` and ``payments close-day``: money that goes back, and days whose figures are final."""

from __future__ import annotations

import datetime as dt

import click

from hl7bridge.cli.common import ROW_ID, App, common_options, emit_json, json_option
from hl7bridge.cli.payments import command
from hl7bridge.money import ZERO, money_text


@command.command("reverse")
@click.argument("payment_id", metavar="ID", type=ROW_ID)
@click.option("--reason", required=True, help="Why, for the audit log: what was found, and where.")
@json_option
@common_options
def reverse(app: App, *, payment_id: int, reason: str, as_json: bool) -> None:
    """Take a payment back, whole and once: the balance rises, and the EHR is told if it has the payment."""
    from hl7bridge.cli.placing import load_rules, react
    from hl7bridge.exchange.reversing import reverse_payment
    from hl7bridge.exchange.settlement import Decided
    from hl7bridge.placing import posting_of
    from hl7bridge.storage.payments import list_payments

    now = app.now()
    rules = load_rules(app.settings)
    posting = posting_of(app.settings, rules, now)
    with app.open_store() as store:
        with store.transaction():
            done = reverse_payment(store, payment_id, posting, Decided(app.actor, reason))
            react(app, store, rules, now)
        row = next(list_payments(store, payment_id=done.reversal))
    if as_json:
        emit_json(row | {"is_sent": done.is_sent})
        return
    told = "it goes out to the EHR" if done.is_sent else "the EHR never had it, and is told nothing"
    click.echo(f"payment {payment_id} is taken back by payment {done.reversal}: {told}")
    if done.adjustment is not None:
        click.echo(f"payment {done.adjustment}, which wrote off the rest of the settlement, stays as it is")


@command.command("close-day")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY")
@json_option
@common_options
def close_day(app: App, *, day: dt.datetime, as_json: bool) -> None:
    """Freeze the figures of a DAY that is over, in the reports' zone: 'report money' shows these from then on."""
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.money_days import close_money_day

    now, chosen = app.now(), day.date()
    with app.open_store() as store, store.transaction():
        rows = close_money_day(store, chosen, app.settings.reports.time_zone, now=now, actor=app.actor)
        difference = sum((row["difference_dollars"] for row in rows), ZERO)
        subject = f"{chosen.isoformat()}: {len(rows)} rows, difference {money_text(difference)}"
        append_audit(store, at=now, actor=app.actor, action="payments.close-day", subject=subject)
    if as_json:
        for row in rows:
            emit_json(row)
    else:
        click.echo(f"{subject}; closed")
