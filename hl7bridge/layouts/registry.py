"""The layouts by the names that ``[[agencies]] layout`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hl7bridge.layouts.agency_csv import CSV
from hl7bridge.layouts.aim import AIM
from hl7bridge.layouts.jsonl import JSONL
from hl7bridge.layouts.layout import Layout
from hl7bridge.layouts.tsi import TSI

LAYOUTS: Final[Mapping[str, Layout]] = {layout.name: layout for layout in (CSV, JSONL, AIM, TSI)}
_BY_SUFFIX: Final = {layout.suffix: layout for layout in (CSV, JSONL)}


def answering_layout(agency_layout: str, file_name: str) -> Layout:
    """Return the layout of a file from an agency: csv or jsonl when it has their suffix, else the agency's own.

    So an agency whose layout has no record for an answer, as AIM has none for a refusal, answers in csv or jsonl.
    """
    return _BY_SUFFIX.get(file_name.rpartition(".")[2].lower(), LAYOUTS[agency_layout])
