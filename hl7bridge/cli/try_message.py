"""``hl7bridge try``: what messages would do - mapping, records, ledger, decision, reply - and nothing is written."""

from __future__ import annotations

import datetime as dt
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from hl7bridge.cli.common import App, cell_text, common_options, emit_json, json_option, open_input
from hl7bridge.cli.revealed import note_revealed, visible_text
from hl7bridge.errors import BridgeError, NotFoundError, RefusedError
from hl7bridge.money import money_text
from hl7bridge.storage.messages import Disposition

if TYPE_CHECKING:
    from hl7bridge.cli.trial import Change, Trial
    from hl7bridge.config import Settings
    from hl7bridge.mapping.records import Record, Records, Signal
    from hl7bridge.storage.database import Store

MOST_TRIED: Final = 1000  # messages a run: about a second in which the daemon's intake would wait
_REFUSED: Final = frozenset({Disposition.REJECTED, Disposition.UNREADABLE})


class _Input(NamedTuple):
    """One message to try: its file, its number there, and its bytes."""

    file: str
    number: int
    data: bytes


@click.command()
@click.argument("files", metavar="MESSAGE...", nargs=-1, required=True)
@click.option("--listener", help="As if this listener had received it [default: the first].")
@click.option(
    "--as-of",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    metavar="DAY",
    help="Decide as if it were this day [default: the facility's today].",
)
@json_option
@common_options
def command(
    app: App, *, files: tuple[str, ...], listener: str | None, as_of: dt.datetime | None, as_json: bool
) -> None:
    """Show what each MESSAGE (a file of messages; - is stdin) would do, in the order given, and write nothing.

    The mapping chosen, the records made, what changes in the ledger, the decision about the account with its reasons,
    and the acknowledgement. It runs the real path on the configured store and undoes it; without a store, on an empty
    one that is thrown away. Exit 1 when a message would be refused.
    """
    from hl7bridge.assemble import assemble
    from hl7bridge.cli.placing import days
    from hl7bridge.cli.trial import run_trials

    inputs = _read_inputs(files)
    assembled = assemble(app.settings)
    name = choose_listener(app.settings, listener)
    now = app.now()
    day = as_of.date() if as_of else None
    day_of: Callable[[str], dt.date] = (lambda _: day) if day else days(app.settings, now)
    with _store(app) as store:
        trials = run_trials(store, assembled, name, [each.data for each in inputs], now, day_of)
        _note(app, store, trials)
    for each, trial in zip(inputs, trials, strict=True):
        if as_json:
            emit_json({"file": each.file, "message": each.number, "listener": name, **_trial_json(trial)})
        else:
            _print(each, trial)
    if not as_json:
        click.echo("Nothing was written.")
    if any(trial.disposition in _REFUSED for trial in trials):
        click.get_current_context().exit(1)


def _read_inputs(files: Sequence[str]) -> list[_Input]:
    from hl7bridge.cli.mllp_client import split_messages

    inputs: list[_Input] = []
    for name in files:
        data = open_input(name)
        # What holds no message at all is tried as one block: the answer says what is wrong with it.
        inputs += [_Input(name, number, each) for number, each in enumerate(split_messages(data) or [data], 1)]
    if len(inputs) > MOST_TRIED:
        raise RefusedError(
            f"{len(inputs)} messages; the store is locked meanwhile, so try at most {MOST_TRIED} at once"
        )
    return inputs


def choose_listener(settings: Settings, chosen: str | None) -> str:
    """Return the name of a listener: the one that was named, else the first. Raises BridgeError, NotFoundError."""
    names = [each.name for each in settings.listeners]
    if not names:
        raise BridgeError(f"{settings.file}: there is no listener, so nothing would be received")
    if chosen is not None and chosen not in names:
        raise NotFoundError(f"no listener {chosen} in {settings.file}; there is {', '.join(names)}")
    return chosen or names[0]


@contextmanager
def _store(app: App) -> Iterator[Store]:
    """Open the configured store when there is one, else an empty one that is gone after the block."""
    from hl7bridge.storage.database import KEY_BYTES, open_store

    if app.settings.store.path.exists():
        with app.open_store() as store:
            yield store
        return
    with tempfile.TemporaryDirectory(prefix="hl7bridge-try-") as folder:
        store = open_store(Path(folder) / "try.db", secrets.token_bytes(KEY_BYTES), create=True)
        try:
            yield store
        finally:
            store.close()


def _note(app: App, store: Store, trials: Sequence[Trial]) -> None:
    """Write down whose balance is about to be shown: only what the store had before is anybody's."""
    shown = {trial.change.stored_id for trial in trials if trial.change and trial.change.stored_id}
    if shown:
        subject = ", ".join(f"account id {each}" for each in sorted(shown))
        note_revealed(app, store, "try", subject if len(shown) <= _MOST_NAMED else f"{len(shown)} accounts")


_MOST_NAMED: Final = 20


def _trial_json(trial: Trial) -> dict[str, Any]:
    facts = trial._asdict()
    change = trial.change
    facts["records"] = None if trial.records is None else _records_json(trial.records)
    facts["change"] = None if change is None else _change_json(change)
    return facts


def _records_json(records: Records) -> dict[str, Any]:
    return {
        "patient": records.patient._asdict() if records.patient else None,
        "account": records.account._asdict() if records.account else None,
        "guarantors": [each._asdict() for each in records.guarantors],
        "coverages": [each._asdict() for each in records.coverages],
        "entries": [each._asdict() for each in records.entries],
        "balance": records.balance._asdict() if records.balance else None,
        "signals": [each._asdict() for each in records.signals],
        "identities": [each._asdict() for each in records.identities],
        "others": [_records_json(each) for each in records.others],
    }


def _change_json(change: Change) -> dict[str, Any]:
    facts = change._asdict()
    del facts["stored_id"]
    decision = change.decision
    facts["decision"] = {
        "eligible": decision.eligible,
        "rule": decision.rule,
        "agency": decision.agency,
        "tier": decision.tier,
        "reasons": [reason._asdict() for reason in decision.reasons],
    }
    return facts


def _print(tried: _Input, trial: Trial) -> None:
    event = f"{trial.message_type}^{trial.trigger_event}" if trial.message_type else "no message"
    click.echo(visible_text(f"{tried.file}, message {tried.number}: {event} {trial.control_id}".rstrip()))
    click.echo(f"  mapping      {trial.mapping or 'none'}")
    click.echo(f"  disposition  {visible_text(': '.join(filter(None, (trial.disposition, trial.reason))))}")
    for line in _record_lines(trial.records):
        click.echo(f"  {visible_text(line)}")
    if trial.change is not None:
        for line in _change_lines(trial.change):
            click.echo(f"  {visible_text(line)}")
    click.echo(f"  reply        {trial.ack_code or 'none'}")
    for segment in trial.reply:
        click.echo(f"    {segment}")
    click.echo()


def _record_lines(records: Records | None) -> Iterator[str]:
    if records is None:
        return
    made: list[tuple[str, Record | Signal | None]] = [("identity", each) for each in records.identities]
    made += [("patient", records.patient), ("account", records.account)]
    made += [("guarantor", each) for each in records.guarantors]
    made += [("coverage", each) for each in records.coverages]
    made += [("entry", each) for each in records.entries]
    made += [("balance", records.balance)]
    made += [("signal", each) for each in records.signals]
    for kind, record in made:
        if record is not None:
            told = [f"{name} {cell_text(value)}" for name, value in record._asdict().items() if value is not None]
            yield f"{kind:<12} {', '.join(told)}"
    for other in records.others:
        yield from _record_lines(other)


def _change_lines(change: Change) -> Iterator[str]:
    is_new = " (new)" if change.is_new else ""
    yield f"ledger       account {change.account} of {change.facility}{is_new}"
    balances = f"balance {money_text(change.before)} -> {money_text(change.after)}"
    yield f"             {balances}; entries: {change.entries_new} new, {change.entries_known} known"
    decision = change.decision
    agency = decision.agency or f"as allocation {decision.allocation} says"
    said = f"eligible, rule {decision.rule}, agency {agency}" if decision.eligible else "not eligible"
    yield f"decision     as of {change.as_of}: {said}"
    if change.placement:
        yield f"             but it is placed already ({change.placement}), so it is not decided"
    for reason in decision.reasons:
        yield f"             {'+' if reason.held else '-'} {reason.text}"
