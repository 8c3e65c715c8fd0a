"""``hl7bridge payments try``: the message that would post a payment, printed; nothing is written or sent."""

from __future__ import annotations

from typing import Final

import click

from hl7bridge.cli.common import App, common_options, emit_json, json_option
from hl7bridge.cli.payments import POSTED_KINDS, command
from hl7bridge.errors import RefusedError

_ID: Final = "TRY"


@command.command("try")
@click.option("--agency", required=True, help="The agency's name in the configuration.")
@click.option("--account", required=True, help="The account number.")
@click.option("--amount", required=True, help="Dollars, above zero: 150.00.")
@click.option("--date", help="The day the agency was paid: YYYY-MM-DD [default: today].")
@click.option("--id", "agency_payment_id", default=_ID, show_default=True, help="The agency's own id of the payment.")
@click.option("--kind", type=click.Choice(POSTED_KINDS), default="payment", show_default=True)
@click.option("--fee", default="", help="Dollars that the agency keeps.")
@click.option("--method", default="", help="The agency's code for the medium, as CHK or CARD.")
@click.option("--reversal-of", default="", help="Of a reversal: the id of the payment that is taken back.")
@click.option("--left", default="", help="Of a settlement: dollars that are left [default: the balance].")
@click.option("--facility", help="Needed when several facilities have an account of this number.")
@json_option
@common_options
def try_payment(app: App, *, agency: str, date: str | None, facility: str | None, as_json: bool, **told: str) -> None:
    """Print the message that would post a payment of an account, as its destination wants it; nothing is sent.

    A settlement has two: the payment, and what it leaves, which waits for a person's approval.
    """
    from hl7bridge.cli.payments import require_agency
    from hl7bridge.cli.placing import load_rules
    from hl7bridge.payments.payment import batch_id
    from hl7bridge.payments.remittance import read_remitted
    from hl7bridge.placing import posting_of
    from hl7bridge.storage.accounts import find_account
    from hl7bridge.storage.audit import append_audit
    from hl7bridge.storage.posting import preview_payment

    now = app.now()
    require_agency(app.settings, agency)
    record, problems = read_remitted(1, told | {"date": date or now.date().isoformat()}, agency, now)
    if record is None or problems:
        raise RefusedError("\n".join(problems))
    posting = posting_of(app.settings, load_rules(app.settings), now)
    with app.open_store() as store, store.transaction():
        account = find_account(store, record.account, facility)
        form = posting.destination(account.facility)
        today = posting.today_of(account.facility)
        messages = preview_payment(
            store, form, account, record.payment, posted_on=today, batch_id=batch_id(today), now=now
        )
        subject = f"account {account.id}, destination {form.name}"
        append_audit(store, at=now, actor=app.actor, action="payments.try", subject=subject)
    for number, message in enumerate(messages):
        if as_json:
            emit_json({"destination": form.name, "needs_approval": number > 0, "message": message})
            continue
        if number:
            click.echo("\nOnce a person has approved what is left:\n")
        click.echo(message.rstrip("\r").replace("\r", "\n"))
