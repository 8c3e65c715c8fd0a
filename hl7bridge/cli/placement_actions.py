"""``hl7bridge placements approve`` and the like: what a person says of placements, and what agencies are told then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import ROW_ID, App, common_options
from hl7bridge.errors import RefusedError

if TYPE_CHECKING:
    from hl7bridge.placement_orders import Order
    from hl7bridge.reacting import ReactionSettings
    from hl7bridge.storage.database import Store

_NO_REASON: Final = "no reason given"
_FOR_THE_RECORD: Final = "Why, for the record here: no patient's data. The agency does not get it."
Say = Callable[["Store", int, "ReactionSettings", "Order"], object]
_placements = click.argument("placement", type=ROW_ID, nargs=-1, required=True)
_placement = click.argument("placement", type=ROW_ID)
_may_say_why = click.option("--reason", default=_NO_REASON, help=_FOR_THE_RECORD)
_must_say_why = click.option("--reason", required=True, help=_FOR_THE_RECORD)


@click.command("approve")
@_placements
@_may_say_why
@common_options
def approve(app: App, *, placement: tuple[int, ...], reason: str) -> None:
    """Approve each PLACEMENT that waits in review, and send it."""
    from hl7bridge import placement_orders

    _say(app, placement, reason, lambda store, each, _, order: placement_orders.approve(store, each, order))


@click.command("decline")
@_placements
@_must_say_why
@common_options
def decline(app: App, *, placement: tuple[int, ...], reason: str) -> None:
    """Decline each PLACEMENT that waits in review: it is cancelled, with the reason."""
    from hl7bridge import placement_orders

    _say(app, placement, reason, lambda store, each, _, order: placement_orders.decline(store, each, order))


@click.command("cancel")
@_placements
@_may_say_why
@common_options
def cancel(app: App, *, placement: tuple[int, ...], reason: str) -> None:
    """Cancel each PLACEMENT that has not been sent.

    News of the account (a message, a signal) makes it due again; `hl7bridge signals set ACCOUNT hold yes` keeps it back
    for good.
    """
    from hl7bridge import placement_orders

    _say(app, placement, reason, lambda store, each, _, order: placement_orders.cancel(store, each, order))


@click.command("suspend")
@_placements
@_must_say_why
@common_options
def suspend(app: App, *, placement: tuple[int, ...], reason: str) -> None:
    """Have the agency stop collecting on each PLACEMENT until a person resumes it."""
    from hl7bridge import placement_orders

    _say(app, placement, reason, placement_orders.suspend)


@click.command("resume")
@_placements
@_must_say_why
@common_options
def resume(app: App, *, placement: tuple[int, ...], reason: str) -> None:
    """Have the agency go on with each PLACEMENT that was suspended or recalled; refused while a hold is in force."""
    from hl7bridge import placement_orders

    _say(app, placement, reason, placement_orders.resume)


@click.command("recall")
@_placements
@_must_say_why
@common_options
def recall(app: App, *, placement: tuple[int, ...], reason: str) -> None:
    """Have the agency stop collecting on each PLACEMENT and give the account back."""
    from hl7bridge import placement_orders

    _say(app, placement, reason, placement_orders.recall)


@click.command("charges")
@_placement
@click.option("--send/--leave", "is_sent", default=None, help="Tell the agency, or leave them out of the placement.")
@_must_say_why
@common_options
def charges(app: App, *, placement: int, is_sent: bool | None, reason: str) -> None:
    """Say whether the agency of PLACEMENT is told of what its balance grew by since."""
    from hl7bridge import placement_orders

    if is_sent is None:
        raise click.UsageError("say --send or --leave")

    def settle(store: Store, each: int, settings: ReactionSettings, order: Order) -> str:
        amount = placement_orders.settle_charges(store, each, settings, order, is_sent=is_sent)
        return f"{amount} dollars, {'told to the agency' if is_sent else 'left out'}"

    _say(app, (placement,), reason, settle)


@click.command("objection")
@_placement
@click.option("--grant/--deny", "is_granted", default=None, help="The placement goes on, or the recall stands.")
@_must_say_why
@common_options
def objection(app: App, *, placement: int, is_granted: bool | None, reason: str) -> None:
    """Answer the agency's objection to the recall of PLACEMENT."""
    from hl7bridge import placement_orders

    if is_granted is None:
        raise click.UsageError("say --grant or --deny")

    def answer(store: Store, each: int, settings: ReactionSettings, order: Order) -> object:
        return placement_orders.answer_objection(store, each, settings, order, is_granted=is_granted)

    _say(app, (placement,), reason, answer)


@click.command("close")
@_placement
@click.option(
    "--as", "kind", required=True, type=click.Choice(["recalled", "returned", "settled"]), help="How it ended."
)
@_must_say_why
@common_options
def close(app: App, *, placement: int, kind: str, reason: str) -> None:
    """Say how PLACEMENT ended, when no file of the agency does; a settlement always takes a person's word."""
    from hl7bridge import placement_orders

    _say(app, (placement,), reason, lambda store, each, _, order: placement_orders.end(store, each, kind, order))


ACTIONS: Final = (approve, decline, cancel, suspend, resume, recall, charges, objection, close)


def _say(app: App, placements: tuple[int, ...], reason: str, say: Say) -> None:
    """Say it of all or of none, and send what follows from it."""
    from hl7bridge.assemble import reaction_settings
    from hl7bridge.cli.placing import days, load_rules, react, send_queued
    from hl7bridge.placement_orders import Order

    if not reason.strip():
        raise RefusedError("a reason is needed: it is kept with the placement and in the audit log")
    rules = load_rules(app.settings)
    settings = reaction_settings(app.settings, rules)
    order = Order(app.actor, reason, app.now())
    with app.open_store() as store:
        with store.transaction():
            react(app, store, rules, order.now)  # what changed before counts, whatever a person says now
            said: list[tuple[int, Any]] = [(each, say(store, each, settings, order)) for each in placements]
        for each, outcome in said:
            click.echo(f"placement {each}: {outcome}")
        if not send_queued(app, store, rules, days(app.settings, order.now)):
            click.get_current_context().exit(1)
