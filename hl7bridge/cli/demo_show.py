"""What the demo tells -> a terminal or a pipe: numbered steps, the commands as one would type them, small tables."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Any, Final

from hl7bridge.cli.common import cell_text, table_console

_INDENT: Final = 3


class Show:
    """Prints the demo as it happens."""

    def __init__(self) -> None:
        self._console: Any = table_console()
        self._steps = 0

    def step(self, title: str) -> None:
        """Begin a step."""
        self._steps += 1
        self._print(f"\n{self._steps}. {title}", "bold", indent=0)

    def say(self, text: str) -> None:
        """Say a line."""
        self._print(text, "")

    def command(self, *arguments: str) -> None:
        """Show a command that is about to run."""
        self._print(f"$ hl7bridge {shlex.join(arguments)}", "green")

    def good(self, text: str) -> None:
        """Say a line that all is well."""
        self._print(text, "bold green", indent=0)

    def bad(self, text: str) -> None:
        """Say a line that something is wrong."""
        self._print(text, "bold red", indent=0)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()) -> None:
        """Show rows; the columns named in ``right`` are figures. The last column takes what room there is."""
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        figures = set(right)
        for column in columns:
            justify: Any = "right" if column in figures else "left"
            table.add_column(column, justify=justify, overflow="fold", no_wrap=column is not columns[-1])
        for row in rows:
            table.add_row(*(Text(cell_text(value)) for value in row))
        self._console.print(Padding(table, (0, 0, 0, _INDENT), expand=False))

    def _print(self, text: str, style: str, *, indent: int = _INDENT) -> None:
        from rich.text import Text

        self._console.print(Text(" " * indent + text, style=style))
