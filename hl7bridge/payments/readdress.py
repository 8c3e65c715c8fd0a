"""A payment message that was not taken yet + the account's ids of now -> the same message, addressed anew.

What names the payment (MSH-10, FT1-2, FT1-3) and what it says stay; only whose account it is changes.
"""

from __future__ import annotations

from typing import Final

from hl7bridge.message.escape import escape
from hl7bridge.payments.message import ECHOED, Addressed

_CHARSET: Final = 18
_UTF_8: Final = "UNICODE UTF-8"


def readdress_message(content: str, addressed: Addressed) -> str:
    """Return a message that ``build_payment_message`` made with other ids in PID and PV1; its segments end with CR."""
    account = escape(addressed.account_number)
    changes = {
        "PID": {3: addressed.pid_3, 18: addressed.pid_18},
        "PV1": {19: addressed.pv1_19, 50: addressed.pv1_50},
    }
    segments = [segment.split("|") for segment in content.split("\r")]
    for fields in segments:
        told = changes.get(fields[0], {})
        if fields[0] == "PID" and fields[2]:
            told = told | {2: account}
        for number, text in told.items():
            _set(fields, number, text.translate(ECHOED))
        while fields[0] == "PV1" and not fields[-1]:  # it is built no longer than its last value
            fields.pop()
    if not all(field.isascii() for fields in segments for field in fields):
        _set(segments[0], _CHARSET - 1, _UTF_8)  # MSH-1 is the separator itself
    return "\r".join("|".join(fields) for fields in segments)


def _set(fields: list[str], number: int, text: str) -> None:
    """Set a field, with empty ones before it where the segment ends sooner."""
    fields.extend([""] * (number + 1 - len(fields)))
    fields[number] = text
