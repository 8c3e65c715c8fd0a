"""The layouts by the names that ``[[agencies]] layout`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from hl7bridge.layouts.agency_csv import CSV
from hl7bridge.layouts.aim import AIM
from hl7bridge.layouts.jsonl import JSONL
from hl7bridge.layouts.layout import Layout, Parsed
from hl7bridge.layouts.remittance import Reading
from hl7bridge.layouts.remittance_aim import parse_remittance_aim
from hl7bridge.layouts.remittance_csv import parse_remittance_csv, parse_remittance_jsonl
from hl7bridge.layouts.remittance_lines import parse_remittance_tsi, parse_remittance_ygc
from hl7bridge.layouts.tsi import TSI

LAYOUTS: Final[Mapping[str, Layout]] = {layout.name: layout for layout in (CSV, JSONL, AIM, TSI)}
# How payments are written: the layouts' own way, and YGC-style, which has records of payments alone.
REMITTANCE_LAYOUTS: Final[Mapping[str, Callable[[bytes, Reading], Parsed]]] = {
    "csv": parse_remittance_csv,
    "jsonl": parse_remittance_jsonl,
    "aim": parse_remittance_aim,
    "tsi": parse_remittance_tsi,
    "ygc": parse_remittance_ygc,
}
_BY_SUFFIX: Final = {layout.suffix: layout for layout in (CSV, JSONL)}


def answering_layout(agency_layout: str, file_name: str) -> Layout:
    """Return the layout of a file from an agency: csv or jsonl when it has their suffix, else the agency's own.

    So an agency whose layout has no record for an answer, as AIM has none for a refusal, answers in csv or jsonl.
    """
    return _BY_SUFFIX.get(file_name.rpartition(".")[2].lower(), LAYOUTS[agency_layout])


def remittance_layout(payment_layout: str, file_name: str) -> str:
    """Return how a file of payments is written: as csv or jsonl when it has their suffix, else as the agency writes."""
    suffix = file_name.rpartition(".")[2].lower()
    return suffix if suffix in _BY_SUFFIX else payment_layout
