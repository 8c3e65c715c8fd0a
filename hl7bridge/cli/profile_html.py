"""The report of ``profile`` -> one HTML file that needs nothing else: no script, no picture, no address outside."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from hl7bridge.cli.profile_output import Overview, headline
from hl7bridge.profiling.needs import Found
from hl7bridge.profiling.report import Cell, Section

_STYLE: Final = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #1b1b1b; }
h1 { font-size: 1.6em; } h2 { font-size: 1.3em; border-bottom: 2px solid #444; }
h3 { font-size: 1.05em; margin-bottom: .3em; }
p.note { color: #555; margin: .2em 0 .5em; max-width: 60em; }
table { border-collapse: collapse; width: 100%; margin-bottom: 1.5em; }
th, td { text-align: left; vertical-align: top; padding: .2em .6em; border-bottom: 1px solid #ddd; }
th { background: #f2f2f2; } td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.s { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; white-space: pre-wrap; }
tr.bad td { background: #fdecea; } tr.partly td { background: #fff6dd; }
@media print {
  body { margin: 0; max-width: none; font-size: 10px; }
  thead { display: table-header-group; } tr { break-inside: avoid; } h3 { break-after: avoid; }
  th, tr.bad td, tr.partly td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
_BAD: Final = (Found.NOT_MAPPED.value, Found.NEVER.value)


def encode_html(overview: Overview) -> bytes:
    """Return the report as a page: it can be mailed and printed as it is."""
    return "\n".join(_lines(overview)).encode("utf-8")


def _lines(overview: Overview) -> Iterator[str]:
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>HL7 feed profile, {escape(overview.made_on)}</title><style>{_STYLE}</style></head><body>"
    yield "<h1>HL7 feed profile</h1>"
    yield f"<p>{escape(overview.headline)}</p>"
    yield '<p class="note">Counts, shapes and codes only: no value of a patient is in this report.</p>'
    if overview.unreadable.rows:
        yield from _section(overview.unreadable)
    for report in overview.reports:
        yield f"<h2>Mapping {escape(headline(report))}</h2>"
        for section in report.sections:
            yield from _section(section)
    yield "</body></html>\n"


def _section(section: Section) -> Iterator[str]:
    yield f"<h3>{escape(section.title)}</h3>"
    if not section.rows:
        yield f'<p class="note">{escape(section.empty)}</p>'
        return
    if section.note:
        yield f'<p class="note">{escape(section.note)}</p>'
    heads = "".join(f"<th>{escape(column.replace('_', ' '))}</th>" for column in section.columns)
    yield f"<table><thead><tr>{heads}</tr></thead><tbody>"
    for row in section.rows:
        cells = "".join(map(_cell, section.columns, row))
        yield f"<tr{_class(section, row)}>{cells}</tr>"
    yield "</tbody></table>"


def _class(section: Section, row: tuple[Cell, ...]) -> str:
    if section.name != "needs":
        return ""
    found = row[section.columns.index("found")]
    if found in _BAD:
        return ' class="bad"'
    return ' class="partly"' if found == Found.PARTLY.value else ""


def _cell(column: str, value: Cell) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, tuple):
        return f'<td class="s">{escape(chr(10).join(value))}</td>'
    if isinstance(value, int) or column == "percent":
        return f'<td class="n">{escape(str(value))}</td>'
    return f"<td>{escape(value)}</td>"
