"""Schema 4 as SQL: which ids a merge retired."""

from __future__ import annotations

from typing import Final

PLACEMENTS: Final = """
ALTER TABLE identifiers ADD COLUMN merged INTEGER NOT NULL DEFAULT 0 CHECK (merged IN (0, 1));
"""
