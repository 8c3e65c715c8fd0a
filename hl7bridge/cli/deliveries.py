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
@click.option("--destination", metavar="NAME", help="Only deliveries to this destination.")
@list_options
@click.pass_context
@common_options
def command(
    app: App, ctx: click.Context, status: str | None, destination: str | None, limit: int, *, as_json: bool
) -> None:
    """Show messages on their way to the EHR, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    from hl7bridge.storage.deliveries import list_deliveries

    with app.open_store() as store:
        rows = list_deliveries(store, status=status, destination=destination)
        emit_rows(rows, COLUMNS, as_json=as_json, limit=limit, empty="No deliveries.")


def _decision_options(function: Callable[..., Any]) -> Callable[..., Any]:
    function = json_option(common_options(function))
    function = click.option("--reason", default=NO_REASON, help="Why, for the audit log: what was found, and where.")(
        function
    )
    return click.argument("delivery_ids", metavar="ID...", type=ROW_ID, nargs=-1, required=True)(function)


@command.command()
@_decision_options
def retry(app: App, *, delivery_ids: tuple[int, ...], reason: str, as_json: bool) -> None:
    """Send held deliveries again, or queued ones now: same control id, same content, in their old places."""
    from hl7bridge.storage.deliveries import retry_delivery

    _decide(app, retry_delivery, delivery_ids, reason, as_json=as_json)


@command.command()
@click.option("--accepted", is_flag=True, help="The destination has them: the payments are posted.")
@click.option("--not-received", is_flag=True, help="The destination has them not: send again (refused: stays held).")
@_decision_options
def resolve(
    app: App, *, delivery_ids: tuple[int, ...], reason: str, accepted: bool, not_received: bool, as_json: bool
) -> None:
    """Say what was found at the destination about deliveries whose replies were lost."""
    from functools import partial

    from hl7bridge.storage.deliveries import resolve_delivery

    if accepted == not_received:
        raise click.UsageError("name one of --accepted and --not-received")
    _decide(app, partial(resolve_delivery, is_accepted=accepted), delivery_ids, reason, as_json=as_json)


@command.command()
@_decision_options
def cancel(app: App, *, delivery_ids: tuple[int, ...], reason: str, as_json: bool) -> None:
    """Never send queued or held deliveries. The ledger keeps the money until a reversal takes it out."""
    from hl7bridge.storage.deliveries import cancel_delivery

    _decide(app, cancel_delivery, delivery_ids, reason, as_json=as_json)


def _decide(app: App, decision: _Decision, delivery_ids: tuple[int, ...], reason: str, *, as_json: bool) -> None:
    """Decide about all of them or, when one of them cannot be decided about so, about none."""
    from hl7bridge.errors import RefusedError
    from hl7bridge.storage.deliveries import list_deliveries

    ids = dict.fromkeys(delivery_ids)
    with app.open_store() as store:
        with store.transaction():
            for each in ids:
                try:
                    decision(store, each, now=app.now(), actor=app.actor, reason=reason)
                except RefusedError as problem:
                    which = "" if len(ids) == 1 else f" (delivery {each}; nothing was changed)"
                    raise RefusedError(f"{problem}{which}") from None
        rows = [next(list_deliveries(store, delivery_id=each)) for each in ids]
    for row in rows:
        if as_json:
            emit_json(row)
        else:
            click.echo(f"delivery {row['delivery']} is {row['status']}")
