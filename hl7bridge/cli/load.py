"""``hl7bridge load``: files of messages -> the store, as if a listener had received them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.cli.common import App, common_options, emit_json, json_option, table_console
from hl7bridge.cli.revealed import visible_text
from hl7bridge.cli.try_message import choose_listener
from hl7bridge.errors import BridgeError
from hl7bridge.storage.messages import Disposition

if TYPE_CHECKING:
    from hl7bridge.cli.loading import Outcome

_REFUSED: Final = (Disposition.REJECTED, Disposition.UNREADABLE)


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--listener", help="As if this listener had received them [default: the first].")
@click.option(
    "--replies",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the acknowledgements to this new file, as a batch.",
)
@click.option("--ignore-counts", is_flag=True, help="Load a file though BTS-1 or FTS-1 is another count than is in it.")
@json_option
@common_options
def command(
    app: App, *, files: tuple[Path, ...], listener: str | None, replies: Path | None, ignore_counts: bool, as_json: bool
) -> None:
    """Take the messages of each FILE in, as a listener would that had received them.

    A FILE is a batch (FHS, BHS, MSH ... BTS, FTS), or messages one after another, or MLLP blocks. A run that was ended
    goes on where it stopped, and a file that is loaded already is left alone. Exit 1 when a message was rejected or
    unreadable, or a file is held because its counts do not agree.
    """
    from hl7bridge.assemble import assemble
    from hl7bridge.cli.loading import Loader, LoadOptions
    from hl7bridge.pipeline import Pipeline

    if replies and len(files) > 1:
        raise click.UsageError("--replies is for one FILE at a time")
    name = choose_listener(app.settings, listener)
    limit = next(each.max_block for each in app.settings.listeners if each.name == name)
    setup = assemble(app.settings).setup
    # Nobody counts the messages of a file, or waits elsewhere for what becomes of them: all of a reply is --replies'.
    policy = setup.policies[name]._replace(sequence_protocol=False, application_ack_to=None)
    setup = setup._replace(policies={**setup.policies, name: policy})
    is_good = True
    with app.open_store() as store:
        options = LoadOptions(name, limit, replies, ignore_counts)
        loader = Loader(app, store, Pipeline(store, setup), options, _hidden if as_json else _bar)
        for path in files:
            try:
                outcome = loader.load(path)
            except BridgeError as error:
                is_good = False
                _tell_refused(path, error, as_json=as_json)
                continue
            is_good &= _is_good(outcome)
            _tell(outcome, as_json=as_json)
    if not is_good:
        click.get_current_context().exit(1)


def _is_good(outcome: Outcome) -> bool:
    return not outcome.is_news or (outcome.status == "loaded" and not any(outcome.counts[each] for each in _REFUSED))


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    if outcome.unanswered:
        click.echo(
            f"hl7bridge: {visible_text(outcome.file)}: the first {outcome.unanswered} messages were loaded by a run"
            " without --replies; their acknowledgements are not in the file",
            err=True,
        )
    if as_json:
        _emit(outcome.file, outcome.messages, outcome.done, outcome.status, outcome.reason, outcome.counts)
        return
    said = ", ".join(f"{outcome.counts[each]} {each}" for each in Disposition if outcome.counts[each])
    text = f"{outcome.file}: {outcome.messages} messages"
    if outcome.done_before:
        text += f" (went on after {outcome.done_before})"
    if outcome.status == "held":
        text += f"; held, nothing was loaded: {outcome.reason}"
    elif not outcome.is_news:
        text += f"; {outcome.reason}"
    if said:
        text += f": {said}"
    click.echo(visible_text(text))
    if outcome.is_news and any(outcome.counts[each] for each in _REFUSED):
        click.echo("'hl7bridge messages --disposition rejected' (or unreadable) says why.", err=True)


def _tell_refused(path: Path, error: BridgeError, *, as_json: bool) -> None:
    click.echo(f"hl7bridge: {visible_text(str(error))}", err=True)
    if as_json:
        _emit(path.name, 0, 0, "refused", str(error), Counter())


def _emit(file: str, messages: int, done: int, status: str, reason: str, counts: Counter[str]) -> None:
    facts: dict[str, Any] = {"file": file, "messages": messages, "done": done, "status": status, "reason": reason}
    emit_json(facts | {"counts": {each.value: counts[each] for each in Disposition}})


@contextmanager
def _hidden(_what: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _count: None


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar while a person watches."""
    if not sys.stdout.isatty():
        yield lambda _count: None
        return
    from rich.progress import Progress

    with Progress(console=table_console(), transient=True) as bar:
        task = bar.add_task(visible_text(what), total=total)
        yield lambda count: bar.advance(task, count)
