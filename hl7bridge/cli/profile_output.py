"""The report of ``profile`` -> the terminal, JSON lines, CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import click

from hl7bridge.cli.common import cell_text, emit_json, emit_rows
from hl7bridge.layouts.placements_csv import encode_placements
from hl7bridge.profiling.report import Cell, Report, Section

# In CSV every table has every column: a spreadsheet filters them by ``section``.
CSV_COLUMNS: Final = (
    "mapping", "section", "name", "needed_by", "found", "field", "required", "path", "table", "code", "event", "use",
    "segment", "error", "why", "wrong", "seen", "of", "percent", "by_type", "null", "unread", "messages", "used",
    "refused", "segments", "shortest", "longest", "shapes", "note",
)  # fmt: skip


class Overview(NamedTuple):
    """What the report is about: ``source`` says in words where the messages came from."""

    made_on: str
    source: str
    messages: int
    unreadable: Section
    reports: tuple[Report, ...]

    @property
    def headline(self) -> str:
        """Return what the report is about, in a line."""
        count = f"{self.messages} message{'' if self.messages == 1 else 's'}"
        return f"{count} {self.source}, on {self.made_on}."


def print_report(overview: Overview) -> None:
    """Print the report as tables."""
    click.echo(overview.headline)
    if overview.unreadable.rows:
        _print_section(overview.unreadable)
    for report in overview.reports:
        click.echo(f"\nMapping {headline(report)}")
        for section in report.sections:
            _print_section(section)


def headline(report: Report) -> str:
    """Return a report in a line."""
    return f"{report.mapping}: {report.messages} messages, {report.used} used, {report.refused} of them refused"


def _print_section(section: Section) -> None:
    click.echo(f"\n{section.title}")
    if not section.rows:
        click.echo(section.empty)
        return
    if section.note:
        click.echo(section.note)
    emit_rows((_row(section, row) for row in section.rows), section.columns, as_json=False)


def _row(section: Section, row: tuple[Cell, ...]) -> dict[str, Any]:
    return dict(zip(section.columns, row, strict=True))


def emit_report(overview: Overview) -> None:
    """Print the report as JSON, an object a row."""
    for mapping, section in _sections(overview):
        for row in section.rows:
            emit_json({"mapping": mapping, "section": section.name, **_row(section, row)})


def _sections(overview: Overview) -> Iterator[tuple[str, Section]]:
    totals = [(report.messages, report.used, report.refused) for report in overview.reports]
    for report, row in zip(overview.reports, totals, strict=True):
        yield report.mapping, Section("summary", "", "", "", ("messages", "used", "refused"), (row,))
    yield "", overview.unreadable
    for report in overview.reports:
        yield from ((report.mapping, section) for section in report.sections)


def encode_csv(overview: Overview) -> bytes:
    """Return the report as one CSV file: a line a row, and a column for everything that any table has."""
    return encode_placements(CSV_COLUMNS, _csv_rows(overview))


def _csv_rows(overview: Overview) -> Iterable[tuple[str, ...]]:
    for mapping, section in _sections(overview):
        for row in section.rows:
            told = {"mapping": mapping, "section": section.name}
            told |= {name: cell_text(value) for name, value in _row(section, row).items()}
            yield tuple(told.get(column, "") for column in CSV_COLUMNS)
