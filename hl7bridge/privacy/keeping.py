"""Message + the fields a mapping names -> the text that is kept: the minimum necessary, nothing clinical.

The table below is the privacy profile for what may enter the store: fields that identify who owes what, and nothing
of why they were treated. A field is kept only when a mapping names it and the table allows it.
Source: 45 CFR 164.502(b), minimum necessary; the field meanings are HL7 v2.5.1 chapters 3 and 6.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Final

from hl7bridge.message.model import Message

# Left out on purpose: PID-6 10 16 17 19 20 22 (family, race, religion, SSN ...), PV1-3 7 8 9 10 17 (wards, doctors,
# service), GT1-12 16-19 (SSN, employer), IN1-16 18 19 36 49 (the insured, policy), FT1-8 9 13 16 18-21 23 25-29
# (descriptions, department, diagnosis, procedure), and every segment that is not listed (DG1 PR1 OBX AL1 NTE ...).
_ALLOWED: Final[dict[str, frozenset[int]]] = {
    "MSH": frozenset({1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21}),
    "EVN": frozenset({1, 2, 3, 6, 7}),
    "PID": frozenset({1, 2, 3, 4, 5, 7, 8, 11, 13, 14, 15, 18, 29, 30, 33, 40}),
    "PD1": frozenset({11, 12}),
    "PV1": frozenset({1, 2, 5, 18, 19, 20, 21, 22, 23, *range(24, 37), 39, 41, *range(44, 52)}),
    "PV2": frozenset({30, 32}),
    "GT1": frozenset({1, 2, 3, 5, 6, 7, 8, 10, 11, 13, 14, 15, *range(20, 29), 36, 38, 39, 54}),
    "IN1": frozenset({1, 2, 3, 4, 5, 7, 12, 13, 15, 17, 20, 21, 22, 31, 32, 35, 45, 46, 47}),
    "FT1": frozenset({1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 14, 15, 17, 22, 24, 30, 31}),
    "MRG": frozenset(range(1, 8)),
    "ACC": frozenset({1, 4, 5, 6, 12}),
}
_PADDING: Final = [""] * 64  # longer than any segment is kept, so that every picked index is there
_ANY_KEPT: Final = range(1, len(_PADDING))
# All of MSH-2 to MSH-18 but MSH-8 (security) and MSH-14.
_PICK_HEADER: Final = itemgetter(2, 3, 4, 5, 6, 7, -1, 9, 10, 11, 12, 13, -1, 15, 16, 17, 18)
# FT1-7 is "a procedure for charges, or the payment medium for payments": only the latter is kept.
_PAYMENT_KINDS: Final = frozenset({"PY", "AJ", "CO", "PAYMENT", "ADJUSTMENT", "COPAY"})
_FT1_KIND: Final = 6
_FT1_CODE: Final = 7

Keeps = dict[str, tuple[int, ...]]
Picker = Callable[[list[str]], tuple[str, ...]]
Pickers = dict[str, Picker]


def not_allowed(keeps: Keeps) -> list[tuple[str, int]]:
    """Return the (segment, field) pairs that a mapping names and the profile does not allow.

    Of Z-segments, which a site makes for itself, every field is allowed that can be kept.
    """
    return [
        (segment, number)
        for segment, numbers in sorted(keeps.items())
        for number in numbers
        if number not in _ALLOWED.get(segment, _ANY_KEPT if segment.startswith("Z") else ())
    ]


def may_keep(segment: str) -> bool:
    """Return whether anything of a segment may be kept, and so read by a mapping."""
    return segment in _ALLOWED or segment.startswith("Z")


def compile_keeps(keeps: Keeps) -> Pickers:
    """Return, for each segment of which a mapping keeps something, what picks those fields out of a row.

    EVN-1 and EVN-2 are kept always: they put events in order.
    """
    named = {segment: set(numbers) for segment, numbers in keeps.items() if segment != "MSH"}
    named.setdefault("EVN", set()).update({1, 2})
    return {segment: _picker(numbers) for segment, numbers in named.items()}


def _picker(numbers: set[int]) -> Picker:
    """Return a function that gives a row up to its last kept field; index -1 of a padded row is always empty."""
    return itemgetter(0, *(number if number in numbers else -1 for number in range(1, max(numbers) + 1)))


def kept_text(message: Message, pickers: Pickers | None) -> str:
    """Return the message with only its header and the fields to keep; None keeps the header alone."""
    mark = message.delimiters.field
    header = _PICK_HEADER(message.fields("MSH")[0] + _PADDING)
    kept = [mark.join(("MSH", *header)).rstrip(mark)]
    if pickers is None:
        return kept[0]
    seen: dict[str, int] = {}
    for segment in message.segments:
        name = segment[:3]
        pick = pickers.get(name)
        if pick is None:
            continue
        rows = message.fields(name)
        at = seen.get(name, 0)
        if at >= len(rows):
            continue
        seen[name] = at + 1
        row = pick(rows[at] + _PADDING)
        if name == "FT1" and len(row) > _FT1_CODE and not is_payment(row[_FT1_KIND], message.delimiters.component):
            row = (*row[:_FT1_CODE], "", *row[_FT1_CODE + 1 :])
        kept.append(mark.join(row).rstrip(mark))
    return "\r".join(kept)


def is_payment(kind: str, component: str) -> bool:
    """Return whether FT1-6 says that FT1-7 is no procedure."""
    return kind.partition(component)[0].strip().upper() in _PAYMENT_KINDS
