"""Aware times -> the text they are stored and shown as: ISO 8601, UTC, one length, so that texts sort as times."""

from __future__ import annotations

import datetime as dt


def utc_text(at: dt.datetime) -> str:
    """Return ``2026-01-15T16:30:00.000Z`` for an aware time."""
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
