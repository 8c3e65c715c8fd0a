"""``hl7bridge deliveries``: messages on their way to the EHR, and what a person decides about those that are stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from hl7bridge.cli.common import ROW_ID, App, common_options, emit_json, emit_rows, json_option, list_options
from hl7bridge.delivery.delivery import DeliveryStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from hl7bridge.storage.database import Store

NO_REASON: Final = "no reason given"
COLUMNS: Final = (
    "delivery", "destination", "kind", "control_id", "status", "attempts", "next_attempt_at", "last_error",
)  # fmt: skip


class _Decision(Protocol):
    def __call__(
        self, store: Store, delivery_id: int, *, now: dt.datetime, actor: str, reason: str
    ) -> DeliveryStatus: ...


@click.group(invoke_without_command=True)
@click.option(
    "--status", type=click.Choice([each.value for each in DeliveryStatus]), help="Only deliveries with this status."
)
@list_options
@click.pass_context
@common_options
def command(app: App, ctx: click.Context, status: str | None, limit: int, *, as_json: bool) -> None:
    """Show messages on their way to the EHR, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    from hl7bridge.storage.deliveries import list_deliveries

    with app.open_store() as store:
        rows = list_deliveries(store, status=status)
        emit_rows(rows, COLUMNS, as_json=as_json, limit=limit, empty="No deliveries.")


def _decision_options(function: Callable[..., Any]) -> Callable[..., Any]:
    function = json_option(common_options(function))
    function = click.option("--reason", default=NO_REASON, help="Why, for the audit log: what was found, and where.")(
        function
    )
    return click.argument("delivery_id", metavar="ID", type=ROW_ID)(function)


@command.command()
@_decision_options
def retry(app: App, *, delivery_id: int, reason: str, as_json: bool) -> None:
    """Send a held delivery again, or a queued one now: same control id, same content, in its old place."""
    from hl7bridge.storage.deliveries import retry_delivery

    _decide(app, retry_delivery, delivery_id, reason, as_json=as_json)


@command.command()
@click.option("--accepted", is_flag=True, help="The destination has it: the payment is posted.")
@click.option("--not-received", is_flag=True, help="The destination has it not: it is sent again.")
@_decision_options
def resolve(app: App, *, delivery_id: int, reason: str, accepted: bool, not_received: bool, as_json: bool) -> None:
    """Say what was found at the destination about a delivery whose reply was lost."""
    from functools import partial

    from hl7bridge.storage.deliveries import resolve_delivery

    if accepted == not_received:
        raise click.UsageError("name one of --accepted and --not-received")
    _decide(app, partial(resolve_delivery, is_accepted=accepted), delivery_id, reason, as_json=as_json)


@command.command()
@_decision_options
def cancel(app: App, *, delivery_id: int, reason: str, as_json: bool) -> None:
    """Never send a queued or held delivery. The ledger keeps the money until a reversal takes it out."""
    from hl7bridge.storage.deliveries import cancel_delivery

    _decide(app, cancel_delivery, delivery_id, reason, as_json=as_json)


def _decide(app: App, decision: _Decision, delivery_id: int, reason: str, *, as_json: bool) -> None:
    from hl7bridge.storage.deliveries import list_deliveries

    with app.open_store() as store:
        with store.transaction():
            status = decision(store, delivery_id, now=app.now(), actor=app.actor, reason=reason)
        row = next(list_deliveries(store, delivery_id=delivery_id))
    if as_json:
        emit_json(row)
    else:
        click.echo(f"delivery {delivery_id} is {status.value}")
