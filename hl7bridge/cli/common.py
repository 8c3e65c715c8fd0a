"""What commands share: the configuration they run on, the open store, who runs them, and how lists are printed."""

from __future__ import annotations

import datetime as dt
import functools
import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from hl7bridge.errors import BridgeError, NotFoundError, StoreError

if TYPE_CHECKING:
    from hl7bridge.config import Settings
    from hl7bridge.storage.database import Store

CONFIG_PLACES: Final = (Path("hl7bridge.toml"), Path("/etc/hl7bridge/hl7bridge.toml"))
LIST_LIMIT: Final = 50
MOST_ROWS: Final = 2**62  # SQLite counts in 64 bits
ROW_ID: Final = click.IntRange(-MOST_ROWS, MOST_ROWS)
_CONFIG_CHOSEN: Final = "hl7bridge.config"
_UNBOUNDED: Final = 100_000  # columns of a table that is piped: nothing is cut or wrapped


class App:
    """One run of a command: its configuration, store and user, each found when first asked for."""

    def __init__(self, config: Path | None = None) -> None:
        self._config = config

    @functools.cached_property
    def config_path(self) -> Path:
        """The settings file in use; raises NotFoundError naming every place that was tried."""
        places = (self._config,) if self._config else CONFIG_PLACES
        for place in places:
            if place.is_file():
                return place
        tried = " nor ".join(map(str, places))
        said = "there is neither" if len(places) > 1 else "there is no file"
        raise NotFoundError(f"{said} {tried}; name one with --config, or write one with 'hl7bridge init'")

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings; raises ConfigError with every problem of the file."""
        from hl7bridge.config import load_settings

        return load_settings(self.config_path)

    @contextmanager
    def open_store(self, *, create: bool = False) -> Iterator[Store]:
        """Open the store for the block and close it after; what the database itself refuses becomes a StoreError."""
        from hl7bridge.config import key_path
        from hl7bridge.storage.database import DatabaseError, open_store, read_key

        settings = self.settings
        store = open_store(settings.store.path, read_key(key_path(settings)), create=create)
        try:
            yield store
        except DatabaseError as error:
            raise StoreError(f"{settings.store.path}: {error}") from error
        finally:
            store.close()

    @functools.cached_property
    def actor(self) -> str:
        """Who runs this, for the audit log: ``user:NAME``."""
        try:
            return f"user:{getpass.getuser()}"
        except (OSError, KeyError):  # a user id without a name, as systemd and containers make them
            return f"user:{os.getuid()}"

    def now(self) -> dt.datetime:
        """Return the time, aware, UTC."""
        return dt.datetime.now(dt.UTC)


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--config FILE``, and an App as its first argument."""

    @click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The configuration [default: hl7bridge.toml, then /etc/hl7bridge/hl7bridge.toml].",
    )
    @functools.wraps(command)
    def run(*args: Any, config: Path | None, **options: Any) -> Any:
        chosen = click.get_current_context().meta
        if config is not None:
            chosen[_CONFIG_CHOSEN] = config  # `messages --config FILE show 3` is as good as `messages show 3 --config`
        return command(App(chosen.get(_CONFIG_CHOSEN)), *args, **options)

    return run


def list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--json`` (as ``as_json``) and ``--limit N`` (as ``limit``)."""
    command = click.option(
        "--limit",
        type=click.IntRange(0, MOST_ROWS),
        default=LIST_LIMIT,
        show_default=True,
        metavar="N",
        help="Show at most N; 0 shows all.",
    )(command)
    return json_option(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--json`` (as ``as_json``)."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")(command)


def emit_rows(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, limit: int = 0, empty: str = ""
) -> int:
    """Print rows and return how many; as JSON each whole row as it comes, else a table of ``columns``.

    ``limit`` 0 prints all; when a table leaves rows out, stderr says so. ``empty`` is said on stderr for no rows.
    Money (Decimal) becomes "123.45", times ISO 8601 UTC, days YYYY-MM-DD. A column named ``x`` shows row["x"].
    """
    each = iter(rows)
    shown = islice(each, limit) if limit else each
    count = _emit_json(shown) if as_json else _emit_table(shown, columns)
    if not as_json:
        if not count and empty:
            click.echo(empty, err=True)
        if limit and count == limit and next(each, None) is not None:
            click.echo(f"The first {limit}; --limit 0 shows all.", err=True)
    return count


def emit_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line."""
    click.echo(json.dumps(value, ensure_ascii=False, default=_plain))


def table_console() -> Any:
    """Return a rich Console on stdout: as wide as the terminal, and in a pipe plain and as wide as the text."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(markup=False, emoji=False, highlight=False)
    return Console(
        width=_UNBOUNDED, markup=False, emoji=False, highlight=False, color_system=None, force_terminal=False
    )


def cell_text(value: object) -> str:
    """Return how a table shows a value; None is an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell_text, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {cell_text(each)}" for key, each in value.items())
    plain = _plain(value) if isinstance(value, Decimal | dt.date | dt.timedelta | Enum) else value
    return str(plain)


def open_input(name: str) -> bytes:
    """Return the bytes of a file, or of stdin for ``-``; raises BridgeError with the reason."""
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise BridgeError(f"{name}: cannot read: {error.strerror}") from None


def _emit_json(rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    for row in rows:
        emit_json(row)
        count += 1
    return count


def _emit_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
    cells = [[row.get(column) for column in columns] for row in rows]
    if cells:
        numeric = [any(isinstance(line[index], Decimal) for line in cells) for index in range(len(columns))]
        lines = [[cell_text(value) for value in line] for line in cells]
        is_folded = sys.stdout.isatty()
        click.echo("\n".join((_folded_table if is_folded else _plain_table)(columns, lines, numeric)))
    return len(cells)


def _folded_table(columns: Sequence[str], lines: Sequence[Sequence[str]], numeric: Sequence[bool]) -> Iterator[str]:
    """Return the lines of a table as wide as the terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, is_numeric in zip(columns, numeric, strict=True):
        table.add_column(column, justify="right" if is_numeric else "left", overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    console = table_console()
    with console.capture() as printed:
        console.print(table)
    return (line.rstrip() for line in printed.get().splitlines())


def _plain_table(columns: Sequence[str], lines: Sequence[Sequence[str]], numeric: Sequence[bool]) -> Iterator[str]:
    """Return the lines of a table as wide as its text: rich would take a minute for some thousands of them."""
    from rich.cells import cell_len

    table = [columns, *lines]
    widths = [max(cell_len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        padded = []
        for text, width, is_numeric in zip(line, widths, numeric, strict=True):
            room = " " * (width - cell_len(text))
            padded.append(room + text if is_numeric else text + room)
        yield "  ".join(padded).rstrip()


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form here")
