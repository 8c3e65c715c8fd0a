"""Messages counted by the profile, and what its report says of them."""

from __future__ import annotations

import datetime as dt

from feed_samples import GENERIC
from mapping_samples import compiled

from hl7bridge.message.parse import parse_message
from hl7bridge.profiling.counting import MappingCounts
from hl7bridge.profiling.report import build_report

TODAY = dt.date(2026, 11, 21)


def generic():
    """Return the shipped mapping."""
    return compiled(GENERIC)


def counted(mapping, *blocks, today=TODAY):
    """Return the counts of messages."""
    counts = MappingCounts(mapping, today)
    for block in blocks:
        counts.take(parse_message(block))
    return counts


def section(counts, name, needs=()):
    """Return the rows of a section of the report, each as a dict."""
    (found,) = (each for each in build_report(counts, needs).sections if each.name == name)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def fields(counts):
    """Return the rows of the fields, by field and path."""
    return {(row["field"], row["path"]): row for row in section(counts, "fields")}
