"""A payment message that was not taken yet + the account's ids of now -> the same message, addressed anew.

What names the payment (MSH-10, FT1-2, FT1-3) and what it says stay; only whose account it is changes.
"""

from __future__ import annotations

from typing import Final

from hl7bridge.mapping.outbound import ADDRESSES
from hl7bridge.payments.destination import DestinationForm
from hl7bridge.payments.message import UTF_8, Addressed, is_encodable

_CHARSET: Final = 17  # MSH-18 in a plain split: MSH-1 is the separator itself
_STANDARD: Final = {"PID-3": "pid_3", "PID-18": "pid_18", "PV1-19": "pv1_19", "PV1-50": "pv1_50"}


def addressing_of(form: DestinationForm) -> str:
    """Return where in a form's messages the ids of the account stand, as kept with each; "" is the usual places."""
    places = dict(_STANDARD)
    if form.pid_2 == "account":
        places["PID-2"] = "account"
    usual = dict(places)
    if form.to_guarantor:
        places |= {"GT1-2": "guarantor", "GT1-3": "guarantor_name"}
    extra = {each.name: each.fields for each in form.outbound.segments}
    for segment, rules in {**form.outbound.fields, **extra}.items():
        for rule in rules:
            place = f"{segment}-{rule.field}"
            places.pop(place, None)
            if len(rule.parts) == 1 and rule.parts[0].is_value and rule.parts[0].text in ADDRESSES:
                places[place] = rule.parts[0].text
    return "" if places == usual else " ".join(f"{place}={name}" for place, name in places.items())


def readdress_message(content: str, addressed: Addressed, addressing: str = "") -> str:
    """Return a message that ``build_message`` made with other ids of its account; its segments end with CR.

    ``addressing`` is that of the form it was made in. Ids that its character set has not leave it as it was.
    """
    segments = [segment.split("|") for segment in content.split("\r")]
    places = dict(place.split("=") for place in addressing.split(" ")) if addressing else dict(_STANDARD)
    for fields in segments:
        name = fields[0]
        if not addressing and name == "PID" and fields[2]:
            places["PID-2"] = "account"
        for place, value in places.items():
            segment, number = place.split("-")
            if segment == name:
                _set(fields, int(number), addressed.value(value))
        while name == "PV1" and not fields[-1]:  # it is built no longer than its last value
            fields.pop()
    declared = segments[0][_CHARSET] if len(segments[0]) > _CHARSET else ""
    if not declared and not all(field.isascii() for fields in segments for field in fields):
        _set(segments[0], _CHARSET, UTF_8)
    readdressed = "\r".join("|".join(fields) for fields in segments)
    return readdressed if not declared or is_encodable(readdressed, declared) else content


def _set(fields: list[str], number: int, text: str) -> None:
    """Set a field, with empty ones before it where the segment ends sooner."""
    fields.extend([""] * (number + 1 - len(fields)))
    fields[number] = text
