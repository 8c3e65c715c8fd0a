"""``hl7bridge profile``: what a feed says and lacks for a mapping, counted over files or the store; never a value."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from hl7bridge.cli.common import App, common_options, json_option
from hl7bridge.cli.revealed import visible_text
from hl7bridge.cli.try_message import choose_listener
from hl7bridge.errors import NotFoundError, RefusedError
from hl7bridge.times import utc_text

if TYPE_CHECKING:
    from hl7bridge.assemble import Assembled
    from hl7bridge.cli.profile_output import Overview
    from hl7bridge.cli.profile_reading import FeedCounter
    from hl7bridge.profiling.needs import Need

_NEW_FILE: Final = click.Path(path_type=Path, dir_okay=False)


class _Asked(NamedTuple):
    """What the command line says."""

    files: tuple[str, ...]
    stored: bool
    days: int | None
    mapping: str | None
    listener: str | None
    csv_path: Path | None
    html_path: Path | None
    as_json: bool


@click.command()
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option("--stored", is_flag=True, help="The messages that the store kept, instead of files.")
@click.option("--days", type=click.IntRange(1, 36_500), metavar="N", help="With --stored: only of the last N days.")
@click.option("--mapping", metavar="NAME", help="By this mapping of the mappings folder, for all.")
@click.option("--listener", help="As if this listener had received them [default: the first].")
@click.option("--csv", "csv_path", type=_NEW_FILE, metavar="FILE", help="Write the report to this new file, as CSV.")
@click.option("--html", "html_path", type=_NEW_FILE, metavar="FILE", help="Write the report to this new file, as HTML.")
@json_option
@common_options
def command(app: App, **options: Any) -> None:
    """Report what the messages of each FILE (- is stdin) say and lack: fields filled, shapes, codes, dates, refusals.

    What an agency's file and the placement rules need comes first. A report has counts, shapes (9 for a digit, A for a
    letter) and codes that the mapping's tables do not have: never a value of a patient. A FILE is read as by
    'hl7bridge load'; nothing is written to the store.
    """
    from hl7bridge.cli.profile_output import emit_report, print_report

    asked = _Asked(**options)
    if asked.stored == bool(asked.files):
        raise click.UsageError("name FILES, or --stored: one of the two")
    if asked.days is not None and not asked.stored:
        raise click.UsageError("--days is for --stored")
    if asked.csv_path and asked.csv_path == asked.html_path:
        raise click.UsageError("--csv and --html: two files")
    for path in filter(None, (asked.csv_path, asked.html_path)):
        _require_new(path)
    overview = _overview(app, asked)
    _write_reports(overview, asked)
    if asked.as_json:
        emit_report(overview)
    else:
        print_report(overview)


def _require_new(path: Path) -> None:
    if path.exists():
        raise RefusedError(f"{path}: there is such a file already; name another for the report")
    if not path.parent.is_dir():
        raise NotFoundError(f"{path}: there is no such folder")


def _overview(app: App, asked: _Asked) -> Overview:
    from hl7bridge.assemble import assemble, read_mapping
    from hl7bridge.cli.profile_output import Overview
    from hl7bridge.cli.profile_reading import FeedCounter, count_files, input_bytes
    from hl7bridge.profiling.report import build_report, refusal_section

    assembled = assemble(app.settings)
    name = choose_listener(app.settings, asked.listener)
    mapping = read_mapping(app.settings.mappings.folder, asked.mapping) if asked.mapping else None
    now = app.now()
    counter = FeedCounter(assembled.setup, assembled.setup.policies[name], mapping, now.date())
    files = asked.files
    if files:
        limit = next(each.max_block for each in app.settings.listeners if each.name == name)
        with _bar("reading", input_bytes(files)) as advance:
            count_files(counter, files, limit, advance)
        source = f"of {len(files)} file{'' if len(files) == 1 else 's'}"
    else:
        source = _count_stored(app, counter, now, asked.days)
    needs = _needs(assembled)
    unreadable = refusal_section(counter.unreadable, "Messages that cannot be read", "Every message can be read.")
    reports = tuple(build_report(counts, needs) for counts in counter.counts.values())
    return Overview(now.date().isoformat(), source, counter.messages, unreadable._replace(name="unreadable"), reports)


def _count_stored(app: App, counter: FeedCounter, now: dt.datetime, days: int | None) -> str:
    """Count what the store kept, and return what that is, in words."""
    from hl7bridge.storage.traffic import count_from, first_since

    with app.open_store() as store:
        first = first_since(store, utc_text(now - dt.timedelta(days=days))) if days else 1
        with _bar("reading", count_from(store, first)) as advance:
            counter.take_stored(store, first, advance)
    if not counter.messages:
        raise NotFoundError("the store has kept no message" + (f" of the last {days} days" if days else ""))
    period = f" of the last {days} days" if days else ""
    return f"that the store kept{period}, of which only fields that the mapping of their day named are there"


def _needs(assembled: Assembled) -> list[Need]:
    from hl7bridge.privacy.sending import compile_fields
    from hl7bridge.profiling.needs import agency_needs, hold_needs, rule_needs

    agencies = [(each.name, compile_fields(each.fields)) for each in assembled.settings.agencies]
    return [*agency_needs(agencies), *rule_needs(assembled.rules), *hold_needs()]


def _write_reports(overview: Overview, asked: _Asked) -> None:
    from hl7bridge.cli.profile_html import encode_html
    from hl7bridge.cli.profile_output import encode_csv

    for path, encode in ((asked.csv_path, encode_csv), (asked.html_path, encode_html)):
        if path is not None:
            data = encode(overview)
            with path.open("xb") as file:  # what has come there since is not overwritten either
                file.write(data)
            click.echo(f"{visible_text(str(path))}: {len(data)} bytes written", err=True)


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Give a way to tell of progress; a person who waits sees a bar on stderr. ``total`` is None when nobody knows."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
