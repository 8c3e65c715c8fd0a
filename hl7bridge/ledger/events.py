"""The events that HL7 defines for the message types a ledger can use. Source: HL7 v2.5.1 table 0003, v2.8.2 for A60."""

from __future__ import annotations

from typing import Final

DEFINED_EVENTS: Final[dict[str, frozenset[str]]] = {
    "ADT": frozenset(f"A{number:02}" for number in [*range(1, 56), 60, 61, 62]),
    "DFT": frozenset({"P03", "P11"}),
    "BAR": frozenset({"P01", "P02", "P05", "P06", "P10", "P12"}),
}
