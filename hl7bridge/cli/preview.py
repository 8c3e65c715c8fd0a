"""``hl7bridge preview``: what a new configuration would change, on real traffic, before it is live."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from hl7bridge.cli.common import CONFIG_PLACES, App, common_options, list_options, open_input
from hl7bridge.cli.config import exit_code_option
from hl7bridge.cli.revealed import note_revealed
from hl7bridge.errors import NotFoundError

if TYPE_CHECKING:
    from hl7bridge.assemble import Assembled
    from hl7bridge.preview import Report
    from hl7bridge.reading import Sample
    from hl7bridge.rebuilding import Sides
    from hl7bridge.storage.database import Store

DAYS: Final = 30
_STEP: Final = 100  # messages between looks at the progress bar, which cost more than a message


@click.command()
@click.argument("files", metavar="[FILES]...", nargs=-1)
@click.option(
    "--old",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Compare with this configuration, on its store [default: the one in force, as the store has it; before it has"
    " one, hl7bridge.toml].",
)
@click.option(
    "--days", type=click.IntRange(0, 36_500), default=DAYS, show_default=True, metavar="N",
    help="Read the messages of the last N days; 0 reads all.",
)  # fmt: skip
@click.option("--listener", help="As if this listener had received FILES [default: the first].")
@click.option("--reveal", is_flag=True, help="Show patients' values and balances too; the audit log keeps who did.")
@exit_code_option
@list_options
@common_options
def command(  # noqa: PLR0913  (one for each option)
    app: App,
    *,
    files: tuple[str, ...],
    old: Path | None,
    days: int,
    listener: str | None,
    reveal: bool,
    exit_code: bool,
    as_json: bool,
    limit: int,
) -> None:
    """Show what the configuration of --config would change, were it in force: nothing is written.

    Each stored message of the last days (or each message of FILES) is read by the mappings in force and by the new
    ones. Told are the messages whose records differ, and in what; those refused before and after; the events that are
    used; the accounts whose ledger or placement would differ, with dollars. Of stored messages only what was kept can
    be seen.
    """
    from hl7bridge.cli.preview_report import Shown, emit_report, print_report
    from hl7bridge.cli.try_message import choose_listener
    from hl7bridge.preview import fields_not_kept
    from hl7bridge.rebuilding import Sides
    from hl7bridge.versions import load_configuration, share_mappings

    new = load_configuration(app.config_path)
    with ExitStack() as stack:
        owner = App(old) if old else _owner(app)
        store = None
        if not (old and files):
            store = stack.enter_context(_open_for_reading(owner, days, reveal=reveal and not files))
        before, name = _configuration_before(owner if old else app, store, old)
        sides = Sides(before, share_mappings(before, new), app.now())
        most = limit + 1 if limit else None  # one more than are shown, so that it can be said that there are more
        if store is not None and not files:
            report = _of_store(sides, store, days, most)
        else:
            report = _of_files(sides, _read_samples(files, choose_listener(new.settings, listener), sides.now), most)
    unseen = [] if files else fields_not_kept(before.setup, new.setup)
    shown = Shown(report, name, str(app.config_path), unseen, reveal)
    (emit_report if as_json else print_report)(shown, limit)
    if report.differs and exit_code:
        click.get_current_context().exit(1)


def _owner(app: App) -> App:
    """Return whose store is read: that of the new configuration, or if there is none of that which others find."""
    if not app.settings.store.path.exists():
        for place in _other_places(app):
            return App(place)
        missing = f"{app.settings.store.path}: there is no store here; name the configuration in force with --old"
        raise NotFoundError(missing)
    return app


def _other_places(app: App) -> Iterator[Path]:
    """Yield the configurations that commands would find without the new one: beside it, here, and the system's."""
    new = app.config_path.resolve()
    for place in (new.parent / CONFIG_PLACES[0], *CONFIG_PLACES):
        if place.is_file() and place.resolve() != new:
            yield place


@contextmanager
def _open_for_reading(app: App, days: int, *, reveal: bool) -> Iterator[Store]:
    """Open the store so that nothing can be written; before that, what is to be revealed is written down."""
    with app.open_store() as store:
        if reveal:
            note_revealed(
                app, store, "preview.reveal", f"messages of the last {days} days" if days else "messages: all"
            )
        store.execute("PRAGMA query_only = ON")
        yield store


def _configuration_before(app: App, store: Store | None, old: Path | None) -> tuple[Assembled, str]:
    """Return the configuration to compare with, and how it is called: the file named, else the one in force."""
    from hl7bridge.storage.config_versions import version_in_force
    from hl7bridge.versions import load_configuration, load_version

    if old is not None or store is None:
        return load_configuration(app.config_path), str(old)
    version = version_in_force(store)
    if version is None:
        for place in _other_places(app):
            return load_configuration(place), str(place)
        raise NotFoundError(
            "the store does not know yet which configuration is in force: the daemon keeps the one it starts with;"
            " name it with --old"
        )
    return load_version(
        version, app.config_path.absolute().parent
    ), f"version {version.id}, in force since {version.at}"


def _of_store(sides: Sides, store: Store, days: int, most: int | None) -> Report:
    from hl7bridge.preview import preview_stored
    from hl7bridge.storage.traffic import first_since
    from hl7bridge.times import utc_text

    first = first_since(store, utc_text(sides.now - dt.timedelta(days=days))) if days else 1
    return preview_stored(sides, store, first, _bar, most_accounts=most)


def _of_files(sides: Sides, samples: Sequence[Sample], most: int | None) -> Report:
    from hl7bridge.preview import preview_samples

    return preview_samples(sides, samples, _bar, most_accounts=most)


def _read_samples(files: Sequence[str], listener: str, now: dt.datetime) -> list[Sample]:
    """Return the messages of files, numbered on; what holds no message at all is read as one block."""
    from hl7bridge.cli.mllp_client import split_messages
    from hl7bridge.reading import Sample
    from hl7bridge.times import utc_text

    samples: list[Sample] = []
    for name in files:
        data = open_input(name)
        for number, each in enumerate(split_messages(data) or [data], 1):
            samples.append(Sample(len(samples) + 1, f"{name}, message {number}", utc_text(now), listener, "", each))
    return samples


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr while a person watches."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import Progress

    done = shown = 0
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def advance(count: int) -> None:
            nonlocal done, shown
            done += count
            if done - shown >= _STEP:
                bar.update(task, completed=done)
                shown = done

        yield advance
