"""Coverages -> which of them cover the time of service, and what kind of payer each is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from hl7bridge.ledger.account import AccountState
from hl7bridge.mapping.records import Coverage
from hl7bridge.rules.facts_people import known_day, known_text

NO_COVERAGE: Final = "none"
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "commercial": (
        "12",
        "13",
        "14",
        "15",
        "17",
        "BL",
        "CI",
        "DS",
        "FI",
        "HM",
        "COMMERCIAL",
        "HMO",
        "PPO",
        "POS",
        "EPO",
    ),
    "medicare": ("16", "MA", "MB", "MEDICARE", "MCR"),
    "medicaid": ("MC", "MEDICAID", "MCD"),
    "government": ("CH", "OF", "TV", "VA", "TRICARE", "GOVERNMENT"),
    "workers_compensation": ("WC", "WORKERS COMPENSATION"),
    "liability": ("AM", "LM", "AUTO", "LIABILITY"),
}
KINDS: Final = tuple(_WORDS)
# Source: X12 005010X222 SBR09, claim filing indicator, and the words that registration systems show.
USUAL_CODES: Final = {code: kind for kind, codes in _WORDS.items() for code in codes}


def covering_types(account: AccountState, coverages: Sequence[Coverage]) -> tuple[str, ...]:
    """Return the plan types (IN1-15) of the coverages for the time of service, the first first; "" where not known."""
    return tuple(known_text(each.plan_type) or "" for each in coverages if _covers(each, account))


def _covers(coverage: Coverage, account: AccountState) -> bool:
    """Return False when a coverage ended before the first service, or began after the last."""
    first, last = account.first_service_on, account.last_service_on
    return not (_is_before(known_day(coverage.expires_on), first) or _is_before(last, known_day(coverage.effective_on)))


def _is_before(one: dt.date | None, other: dt.date | None) -> bool:
    return one is not None and other is not None and one < other


def payer_kinds(types: Iterable[str], own_codes: Mapping[str, str]) -> tuple[str | None, ...]:
    """Return the kind of each plan type; None for one that neither the rules' own codes nor the usual ones name."""
    return tuple(own_codes.get(code) or USUAL_CODES.get(code) for code in (each.strip().upper() for each in types))


def first_kind(types: tuple[str, ...], own_codes: Mapping[str, str]) -> str | None:
    """Return the kind of the first payer: ``none`` when there is no coverage, None when its kind is not known."""
    return payer_kinds(types[:1], own_codes)[0] if types else NO_COVERAGE
